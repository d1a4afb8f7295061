//! Properties of the codecs: what is read is what was written, and hostile bytes are errors.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn types() -> impl Strategy<Value = Type> {
    let leaf = prop_oneof![Just(Type::String), Just(Type::Number), Just(Type::Bool), Just(Type::Dynamic)];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|ty| Type::List(Box::new(ty))),
            inner.clone().prop_map(|ty| Type::Set(Box::new(ty))),
            inner.clone().prop_map(|ty| Type::Map(Box::new(ty))),
            prop::collection::btree_map("[a-z_]{1,8}", inner.clone(), 0..4).prop_map(Type::Object),
            prop::collection::vec(inner, 0..4).prop_map(Type::Tuple),
        ]
    })
}

fn numbers() -> impl Strategy<Value = Number> {
    prop_oneof![
        any::<i64>().prop_map(Number::from),
        any::<u64>().prop_map(Number::from),
        any::<f64>().prop_filter_map("finite", |double| Number::from_f64(double).ok()),
        "-?[0-9]{1,40}(\\.[0-9]{1,40})?(e-?[0-9]{1,3})?"
            .prop_filter_map("a number", |text| text.parse().ok()),
    ]
}

/// A value of the type, with nulls and unknowns anywhere.
pub(crate) fn values(ty: &Type) -> BoxedStrategy<Value> {
    let known: BoxedStrategy<Value> = match ty {
        Type::String => any::<String>().prop_map(Value::String).boxed(),
        Type::Number => numbers().prop_map(Value::Number).boxed(),
        Type::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        Type::List(element) | Type::Set(element) => {
            prop::collection::vec(values(element), 0..5).prop_map(Value::List).boxed()
        }
        Type::Map(element) => {
            prop::collection::btree_map(".{0,6}", values(element), 0..5).prop_map(Value::Map).boxed()
        }
        Type::Object(attributes) => attributes
            .iter()
            .fold(Just(BTreeMap::new()).boxed(), |all, (name, ty)| {
                let name = name.clone();
                (all, values(ty))
                    .prop_map(move |(mut all, value)| {
                        all.insert(name.clone(), value);
                        all
                    })
                    .boxed()
            })
            .prop_map(Value::Map)
            .boxed(),
        Type::Tuple(elements) => elements
            .iter()
            .fold(Just(Vec::new()).boxed(), |all, ty| {
                (all, values(ty))
                    .prop_map(|(mut all, value)| {
                        all.push(value);
                        all
                    })
                    .boxed()
            })
            .prop_map(Value::List)
            .boxed(),
        Type::Dynamic => {
            any::<bool>().prop_map(|truth| Value::Dynamic(Box::new((Type::Bool, Value::Bool(truth))))).boxed()
        }
    };
    prop_oneof![8 => known, 1 => Just(Value::Null), 1 => Just(Value::UNKNOWN),
        1 => prop::collection::vec(any::<u8>(), 0..9).prop_map(|bytes| Value::Unknown(Some(bytes.into())))]
    .boxed()
}

fn typed() -> impl Strategy<Value = (Type, Value)> {
    types().prop_flat_map(|ty| (Just(ty.clone()), values(&ty)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_value_survives_msgpack((ty, mut value) in typed()) {
        value.canonicalise(&ty);
        prop_assert_eq!(msgpack::decode(&msgpack::encode(&value), &ty).unwrap(), value);
    }

    #[test]
    fn a_known_value_survives_json((ty, mut value) in typed()) {
        value.canonicalise(&ty);
        prop_assume!(value.is_wholly_known());
        let read = json::decode(&json::encode(&value), &ty).unwrap();
        prop_assert_eq!(read, value);
    }

    #[test]
    fn a_type_survives_json(ty in types()) {
        prop_assert_eq!(Type::parse(ty.to_json().to_string().as_bytes()).unwrap(), ty);
    }

    #[test]
    fn arbitrary_bytes_never_panic(ty in types(), bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = msgpack::decode(&bytes, &ty);
        let _ = Type::parse(&bytes);
        let _ = json::decode(&String::from_utf8_lossy(&bytes), &ty);
    }

    /// Real messages with a few bytes changed reach deeper than arbitrary bytes do.
    #[test]
    fn damaged_messages_never_panic((ty, value) in typed(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let mut bytes = msgpack::encode(&value);
        let position = at.index(bytes.len());
        bytes[position] = byte;
        let _ = msgpack::decode(&bytes, &ty);
        bytes.truncate(cut.index(bytes.len()));
        let _ = msgpack::decode(&bytes, &ty);
    }

    #[test]
    fn order_and_text_of_numbers_agree(left in numbers(), right in numbers()) {
        prop_assert_eq!(left.to_string().parse::<Number>().unwrap(), left.clone());
        let doubles = left.nearest_f64().partial_cmp(&right.nearest_f64()).unwrap();
        prop_assert!(doubles == left.cmp(&right) || doubles.is_eq());
    }
}

#[test]
fn lengths_that_lie_are_refused_before_memory_is_taken() {
    let list = Type::List(Box::new(Type::String));
    for bytes in [
        &[0xdd, 0xff, 0xff, 0xff, 0xff][..],
        &[0xdf, 0xff, 0xff, 0xff, 0xff],
        &[0xdb, 0xff, 0xff, 0xff, 0xff],
    ] {
        for ty in [list.clone(), Type::Map(Box::new(Type::String)), Type::String] {
            assert!(msgpack::decode(bytes, &ty).is_err());
        }
    }
}

#[test]
fn dynamic_values_nested_without_end_are_refused() {
    // A dynamic value of dynamic type, again and again.
    let mut bytes = Vec::new();
    for _ in 0..100_000 {
        bytes.extend_from_slice(&[0x92, 0xc4, 9]);
        bytes.extend_from_slice(b"\"dynamic\"");
    }
    assert_eq!(msgpack::decode(&bytes, &Type::Dynamic), Err(msgpack::DecodeError::Depth));
    let json = "{\"type\":\"dynamic\",\"value\":".repeat(10_000) + "null" + &"}".repeat(10_000);
    assert!(json::decode(&json, &Type::Dynamic).is_err());
}

#[test]
fn numbers_are_sent_as_go_cty_sends_them() {
    // https://github.com/zclconf/go-cty/blob/main/cty/msgpack/marshal.go: integer, exact double, else decimal text.
    let sent = |text: &str| msgpack::encode(&Value::Number(text.parse().unwrap()));
    assert_eq!(sent("5"), [0x05]);
    assert_eq!(sent("-1"), [0xff]);
    assert_eq!(sent("0.5"), [0xcb, 0x3f, 0xe0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(sent("0.1"), [0xa3, b'0', b'.', b'1']);
}

#[test]
fn sets_are_equal_in_any_order() {
    let set = Type::Set(Box::new(Type::String));
    let read = |text: &str| json::decode(text, &set).unwrap();
    assert_eq!(read("[\"b\",\"a\",\"b\"]"), read("[\"a\",\"b\"]"));
}

#[test]
fn state_of_an_older_schema_is_read_as_far_as_it_goes() {
    let ty = Type::Object([("kept".to_owned(), Type::Bool), ("new".to_owned(), Type::String)].into());
    let read = json::decode("{\"kept\":\"true\",\"gone\":[1]}", &ty).unwrap();
    assert_eq!(read, Value::object([("kept", Value::from(true)), ("new", Value::Null)]));
}
