use super::super::fixture::{Known, resource, task as record, vpc};
use super::*;
use std::net::Ipv4Addr;
use terraform_provider_aws::value::Value;

/// The task of a definition with these containers.
fn made(known: &Known, containers: &str) -> Result<Task, Stopped> {
    let definition = [
        ("id", Value::from("hello")),
        ("arn", "arn:definition".into()),
        ("cpu", "512".into()),
        ("memory", "1024".into()),
        ("container_definitions", containers.into()),
    ];
    known.put(resource("aws_ecs_task_definition", &definition));
    known.change(|draft| draft.put_task("1a", record()));
    let lab = Lab::new("test".to_owned(), Path::new("/nonexistent"), Path::new("/nonexistent"));
    task(&known.contents(), &lab, "1a", &record(), Path::new("/ca.pem")).expect("its address is given")
}

#[test]
fn a_task_has_its_address_its_vpcs_resolver_and_the_defaults_of_ecs() {
    let known = Known::of(vpc());
    let task = made(
        &known,
        r#"[{"name": "app", "image": "app:1", "healthCheck": {"command": ["CMD", "true"]},
            "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "/ecs/app"}}}]"#,
    )
    .unwrap();
    assert_eq!(task.address, known.contents().interfaces["eu-west-1/task/1a"].address);
    assert_eq!((task.resolver, task.cpu, task.memory), (Ipv4Addr::new(10, 0, 0, 2), 512, 1024));
    let [container] = task.containers.as_slice() else { panic!("there is one container") };
    assert!(container.essential && !container.read_only_root);
    assert_eq!(container.stop_timeout, Duration::from_secs(30));
    let check = container.health_check.as_ref().unwrap();
    assert_eq!(
        (check.interval, check.timeout, check.retries),
        (Duration::from_secs(30), Duration::from_secs(5), 3)
    );
    let log = container.log.as_ref().unwrap();
    assert_eq!((log.group.as_str(), log.stream.as_str()), ("/ecs/app", "ecs/app/1a"));
}

#[test]
fn secrets_and_parameters_become_variables_and_a_missing_one_stops_the_task() {
    let known = Known::of(vpc());
    let parameter = [("id", Value::from("/color")), ("name", "/color".into()), ("value", "blue".into())];
    known.put(resource("aws_ssm_parameter", &parameter));
    let with = |reference: &str| {
        format!(
            r#"[{{"name": "app", "image": "app:1", "environment": [{{"name": "A", "value": "1"}}],
                "secrets": [{{"name": "COLOR", "valueFrom": "{reference}"}}]}}]"#
        )
    };
    let task = made(&known, &with("arn:aws:ssm:eu-west-1:123456789012:parameter/color")).unwrap();
    let secrets = &task.containers[0].secrets;
    assert_eq!(
        secrets.iter().map(|(name, value)| (name.as_str(), value.reveal())).collect::<Vec<_>>(),
        [("COLOR", "blue")]
    );
    assert_eq!(
        task.containers[0].environment,
        [("A".to_owned(), "1".to_owned())],
        "a secret is no plain variable"
    );
    let lost = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:none-AbCdEf";
    let stopped = made(&known, &with(lost)).unwrap_err();
    assert_eq!(stopped.code, "ResourceInitializationError");
    assert!(
        stopped.reason.contains(lost) && stopped.reason.contains("ResourceNotFoundException"),
        "{stopped:?}"
    );
}

#[test]
fn definitions_that_cannot_be_read_stop_the_task_with_the_reason() {
    let known = Known::of(vpc());
    assert!(made(&known, "[{}]").unwrap_err().reason.contains("missing field `name`"));
    let gone = TaskRecord { definition: "arn:none".to_owned(), ..record() };
    let lab = Lab::new("test".to_owned(), Path::new("/nonexistent"), Path::new("/nonexistent"));
    let stopped = task(&known.contents(), &lab, "1a", &gone, Path::new("/ca.pem")).unwrap().unwrap_err();
    assert!(stopped.reason.contains("arn:none is not there any more"), "{stopped:?}");
}

#[test]
fn images_are_those_of_all_definitions_that_are_there() {
    let known = Known::of(vpc());
    for (arn, containers) in [
        ("arn:1", r#"[{"name": "a", "image": "a:1"}, {"name": "b", "image": "b:1"}]"#),
        ("arn:2", r#"[{"name": "a", "image": "a:2"}]"#),
        ("arn:3", "[{}]"),
    ] {
        let definition =
            [("id", Value::from(arn)), ("arn", arn.into()), ("container_definitions", containers.into())];
        known.put(resource("aws_ecs_task_definition", &definition));
    }
    assert_eq!(images(&known.contents()), ["a:1", "a:2", "b:1"].map(str::to_owned).into());
}
