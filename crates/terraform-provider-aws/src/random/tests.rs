use super::*;

fn planned(fields: &[(&str, Value)]) -> Value {
    Value::object(fields.iter().map(|(name, value)| (*name, value.clone())))
}

#[test]
fn a_password_keeps_its_rules() {
    let plan = planned(&[
        ("length", 40.into()),
        ("min_upper", 5.into()),
        ("min_numeric", 5.into()),
        ("lower", false.into()),
        ("override_special", "-".into()),
    ]);
    for _ in 0..50 {
        let state = create("random_string", &plan).unwrap();
        let result = state.get("result").as_str().unwrap();
        assert_eq!(result.len(), 40);
        assert!(result.chars().filter(char::is_ascii_uppercase).count() >= 5, "{result}");
        assert!(result.chars().filter(char::is_ascii_digit).count() >= 5, "{result}");
        assert!(result.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '-'), "{result}");
    }
    let state = create("random_password", &plan).unwrap();
    let (result, hash) = (state.get("result").as_str().unwrap(), state.get("bcrypt_hash").as_str().unwrap());
    assert!(bcrypt::verify(result, hash).unwrap());
    assert_eq!(state.get("id").as_str(), Some("none"));
}

#[test]
fn impossible_rules_are_refused() {
    let all_off = ["upper", "lower", "numeric", "special"].map(|name| (name, Value::from(false)));
    let mut fields = vec![("length", Value::from(4))];
    fields.extend(all_off);
    assert!(create("random_string", &planned(&fields)).is_err());
    assert!(create("random_string", &planned(&[("length", 2.into()), ("min_lower", 3.into())])).is_err());
    assert!(create("random_string", &planned(&[("length", (-1).into())])).is_err());
    assert!(create("random_string", &planned(&[("length", i64::MAX.into())])).is_err());
}

#[test]
fn an_id_is_one_number_in_four_spellings() {
    assert_eq!(decimal(&[1, 0]), "256");
    assert_eq!(decimal(&[0, 0]), "0");
    assert_eq!(decimal(&[255; 8]), "18446744073709551615");
    let state = create("random_id", &planned(&[("byte_length", 4.into()), ("prefix", "p-".into())])).unwrap();
    let hex = state.get("hex").as_str().unwrap().strip_prefix("p-").unwrap().to_owned();
    assert_eq!(state.get("dec").as_str().unwrap(), format!("p-{}", u32::from_str_radix(&hex, 16).unwrap()));
}

#[test]
fn a_seed_repeats_and_a_pet_has_its_words() {
    let plan = planned(&[("min", 1.into()), ("max", 1_000_000.into()), ("seed", "s".into())]);
    assert_eq!(create("random_integer", &plan).unwrap(), create("random_integer", &plan).unwrap());
    let pet = create(
        "random_pet",
        &planned(&[("length", 3.into()), ("separator", "_".into()), ("prefix", "a".into())]),
    );
    assert_eq!(pet.unwrap().get("id").as_str().unwrap().split('_').count(), 4);
    let shuffle = planned(&[("input", Value::strings(["a", "b"])), ("result_count", 5.into())]);
    assert_eq!(create("random_shuffle", &shuffle).unwrap().get("result").items().len(), 5);
}
