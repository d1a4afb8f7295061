//! Calls as the wire may bring them: whatever comes, the answer is a result or a diagnostic.

use super::*;
use crate::{
    facts, mark,
    proto::{self, DynamicValue, provider_server::Provider as Service},
    value::{Value, msgpack, tests::values},
};
use proptest::{prelude::*, strategy::ValueTree as _, test_runner::TestRunner};
use tonic::Request;

fn provider(role: Role) -> Provider {
    Provider::new(role, Arc::new(Absent), Environment::default())
}

#[expect(clippy::unnecessary_wraps, reason = "the protocol's fields are optional messages")]
fn wire(bytes: &[u8]) -> Option<DynamicValue> {
    Some(DynamicValue { msgpack: bytes.to_vec(), json: Vec::new() })
}

/// Bytes that are not what any schema wants, and some that lie about their length.
const HOSTILE: &[&[u8]] = &[
    b"\xc1",
    b"\xdf\xff\xff\xff\xff",
    b"\xdd\xff\xff\xff\xff",
    b"\x81\xa2id\xc7\xff\x0c",
    b"\x81\xa4name\x93\x01\x02\x03",
    b"\x81\xa7nothing\xc0",
    b"\x80\x80",
    b"\xa3\xff\xff\xff",
];

fn errors(diagnostics: &[proto::Diagnostic]) -> usize {
    diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.severity == proto::diagnostic::Severity::Error as i32)
        .count()
}

#[tokio::test]
async fn hostile_bytes_are_answered_with_one_diagnostic() {
    let provider = provider(Role::Aws);
    for bytes in HOSTILE {
        let type_name = "aws_db_instance".to_owned();
        let request = proto::validate_resource_config::Request {
            type_name: type_name.clone(),
            config: wire(bytes),
            client_capabilities: None,
        };
        let answer = provider.validate_resource_config(Request::new(request)).await.unwrap().into_inner();
        assert_eq!(errors(&answer.diagnostics), 1, "{bytes:?}");
        let request = proto::plan_resource_change::Request {
            type_name: type_name.clone(),
            prior_state: wire(bytes),
            ..Default::default()
        };
        let answer = provider.plan_resource_change(Request::new(request)).await.unwrap().into_inner();
        assert_eq!(errors(&answer.diagnostics), 1, "{bytes:?}");
        let request = proto::apply_resource_change::Request {
            type_name,
            planned_state: wire(bytes),
            ..Default::default()
        };
        let answer = provider.apply_resource_change(Request::new(request)).await.unwrap().into_inner();
        assert_eq!(errors(&answer.diagnostics), 1, "{bytes:?}");
        let request = proto::upgrade_resource_state::Request {
            type_name: "aws_vpc".to_owned(),
            version: 9,
            raw_state: Some(proto::RawState { json: bytes.to_vec(), ..Default::default() }),
        };
        let answer = provider.upgrade_resource_state(Request::new(request)).await.unwrap().into_inner();
        assert_eq!(errors(&answer.diagnostics), 1, "{bytes:?}");
        let request = proto::call_function::Request {
            name: "arn_parse".to_owned(),
            arguments: vec![wire(bytes).unwrap()],
        };
        assert!(
            Service::call_function(&provider, Request::new(request))
                .await
                .unwrap()
                .into_inner()
                .error
                .is_some()
        );
    }
}

#[tokio::test]
async fn unknown_names_are_refused_by_name() {
    let provider = provider(Role::Aws);
    let request =
        proto::read_data_source::Request { type_name: "aws_nothing".to_owned(), ..Default::default() };
    let answer = Service::read_data_source(&provider, Request::new(request)).await.unwrap().into_inner();
    assert!(answer.diagnostics[0].detail.contains("aws_nothing"));
    let request =
        proto::open_ephemeral_resource::Request { type_name: "aws_nothing".to_owned(), ..Default::default() };
    let answer = provider.open_ephemeral_resource(Request::new(request)).await.unwrap().into_inner();
    assert!(answer.diagnostics[0].detail.contains("aws_nothing"));
}

/// Values of the right type and no sense at all, through every type in depth.
#[tokio::test]
async fn values_without_sense_never_stop_the_provider() {
    let (aws, random) = (provider(Role::Aws), provider(Role::Random));
    let mut runner = TestRunner::deterministic();
    for name in facts::type_names() {
        let provider = if name.starts_with("random_") { &random } else { &aws };
        let schema = provider.catalogue.resource(name).unwrap();
        let any = values(&schema.ty);
        for _ in 0..2 {
            let mut draw = || msgpack::encode(&any.new_tree(&mut runner).unwrap().current());
            let (prior, proposed, config) = (draw(), draw(), draw());
            let request = proto::validate_resource_config::Request {
                type_name: name.to_owned(),
                config: wire(&config),
                client_capabilities: None,
            };
            let answer = provider.validate_resource_config(Request::new(request)).await.unwrap().into_inner();
            refuse_defects(name, &answer.diagnostics);
            let request = proto::plan_resource_change::Request {
                type_name: name.to_owned(),
                prior_state: wire(&prior),
                proposed_new_state: wire(&proposed),
                config: wire(&config),
                prior_private: mark::private("lab"),
                ..Default::default()
            };
            let answer = provider.plan_resource_change(Request::new(request)).await.unwrap().into_inner();
            refuse_defects(name, &answer.diagnostics);
            if let Some(planned) = answer.planned_state {
                let planned = msgpack::decode(&planned.msgpack, &schema.ty).unwrap();
                let mut normal = planned.clone();
                schema.block.normalise(&mut normal);
                assert_eq!(planned, normal, "{name}");
            }
        }
    }
}

/// Texts, names and numbers far beyond any that AWS takes, where the wire still carries them.
#[tokio::test]
async fn giant_values_are_answered_too() {
    let provider = provider(Role::Aws);
    let text = "a-".repeat(1 << 17);
    let digits = "9".repeat(1 << 16);
    for (type_name, name, value) in [
        ("aws_vpc", "cidr_block", Value::from(text.as_str())),
        ("aws_iam_role", "assume_role_policy", format!("[\"{text}\"]").into()),
        ("aws_ecs_task_definition", "container_definitions", "[".repeat(1 << 20).into()),
        ("aws_lb", "subnets", Value::strings((0..100_000).map(|number| format!("subnet-{number}")))),
        ("aws_db_instance", "identifier", text.as_str().into()),
    ] {
        let schema = provider.catalogue.resource(type_name).unwrap();
        let mut config = Value::object([(name, value)]);
        schema.block.normalise(&mut config);
        let request = proto::validate_resource_config::Request {
            type_name: type_name.to_owned(),
            config: wire(&msgpack::encode(&config)),
            client_capabilities: None,
        };
        let answer = provider.validate_resource_config(Request::new(request)).await.unwrap().into_inner();
        refuse_defects(type_name, &answer.diagnostics);
        let request = proto::plan_resource_change::Request {
            type_name: type_name.to_owned(),
            prior_state: wire(b"\xc0"),
            proposed_new_state: wire(&msgpack::encode(&config)),
            config: wire(&msgpack::encode(&config)),
            ..Default::default()
        };
        let answer = provider.plan_resource_change(Request::new(request)).await.unwrap().into_inner();
        refuse_defects(type_name, &answer.diagnostics);
    }
    let json = format!("{{\"allocated_storage\":{digits}}}").into_bytes();
    let request = proto::upgrade_resource_state::Request {
        type_name: "aws_db_instance".to_owned(),
        version: 0,
        raw_state: Some(proto::RawState { json, ..Default::default() }),
    };
    let answer = provider.upgrade_resource_state(Request::new(request)).await.unwrap().into_inner();
    refuse_defects("aws_db_instance", &answer.diagnostics);
    let request = proto::import_resource_state::Request {
        type_name: "aws_vpc".to_owned(),
        id: text,
        ..Default::default()
    };
    let answer = provider.import_resource_state(Request::new(request)).await.unwrap().into_inner();
    assert_eq!(errors(&answer.diagnostics), 1);
}

/// Data sources answer whatever they are asked, and the same twice.
#[tokio::test]
async fn every_data_source_answers_the_empty_question() {
    let provider = provider(Role::Aws);
    for name in provider.catalogue.data_source_names() {
        let schema = provider.catalogue.data_source(name).unwrap();
        let mut config = Value::object::<String>([]);
        schema.block.normalise(&mut config);
        let ask = || {
            let config = wire(&msgpack::encode(&config));
            let request =
                proto::read_data_source::Request { type_name: name.to_owned(), config, ..Default::default() };
            Service::read_data_source(&provider, Request::new(request))
        };
        let (first, second) = (ask().await.unwrap().into_inner(), ask().await.unwrap().into_inner());
        refuse_defects(name, &first.diagnostics);
        assert_eq!(first.state, second.state, "{name}");
        if let Some(state) = first.state {
            let state = msgpack::decode(&state.msgpack, &schema.ty).unwrap();
            assert!(state.is_wholly_known(), "{name}: {state:?}");
        }
    }
}

fn refuse_defects(name: &str, diagnostics: &[proto::Diagnostic]) {
    let defect = diagnostics.iter().find(|diagnostic| diagnostic.detail.contains("defect of the provider"));
    assert!(defect.is_none(), "{name}: {defect:?}");
}

#[test]
fn a_role_is_told_by_the_executables_name() {
    assert_eq!(Role::of_executable("terraform-provider-aws_v6.25.0_x5"), Role::Aws);
    assert_eq!(Role::of_executable("terraform-provider-random"), Role::Random);
    assert_eq!(Role::of_executable("terraform-provider-null"), Role::Other("null".to_owned()));
    assert_eq!(Role::of_executable("renamed"), Role::Aws);
    assert_eq!(Role::of_name("hashicorp/random"), Role::Random);
}
