use super::super::fixture::{Known, balancer, block, object, resource, task as task_record, vpc};
use super::*;
use crate::world::TaskRecord;
use std::path::Path;

fn lab() -> Lab {
    Lab::new("test".to_owned(), Path::new("/nonexistent"), Path::new("/nonexistent"))
}

fn model(known: &Known) -> LoadBalancer {
    let contents = known.contents();
    let certificate = |arn: &str| certificate_names(&contents, arn).map(|_| PathBuf::from(arn));
    load_balancer(&contents, &lab(), all(&contents).next().unwrap(), &certificate)
}

fn missing_of(known: &Known) -> Vec<String> {
    let contents = known.contents();
    missing(&contents, all(&contents).next().unwrap(), &model(known))
}

fn group(name: &str, attributes: &[(&str, Value)]) -> Resource {
    let mut all = vec![
        ("id", Value::from(format!("arn:{name}"))),
        ("arn", format!("arn:{name}").into()),
        ("name", name.into()),
    ];
    all.extend(attributes.iter().cloned());
    resource("aws_lb_target_group", &all)
}

fn forward(group: &str) -> Value {
    block(&[("type", "forward".into()), ("target_group_arn", format!("arn:{group}").into())])
}

fn listener(port: i64, attributes: &[(&str, Value)]) -> Resource {
    let mut all = vec![
        ("id", Value::from(format!("arn:listener-{port}"))),
        ("arn", format!("arn:listener-{port}").into()),
        ("load_balancer_arn", "arn:edge".into()),
        ("port", port.into()),
    ];
    all.extend(attributes.iter().cloned());
    resource("aws_lb_listener", &all)
}

#[test]
fn a_listener_or_rule_that_cannot_be_is_told_of() {
    let known = Known::of(vpc());
    known.put(balancer("edge", &[]));
    known.put(listener(80, &[("protocol", "HTTP".into()), ("default_action", forward("api"))]));
    let secure = [
        ("protocol", "HTTPS".into()),
        ("certificate_arn", Value::from("arn:certificate")),
        ("default_action", forward("api")),
    ];
    known.put(listener(443, &secure));
    assert!(model(&known).listeners.is_empty());
    assert_eq!(
        missing_of(&known),
        [
            "listener 443 does not listen: there is no certificate \"arn:certificate\"",
            "listener 80 does not listen: there is no target group \"arn:api\"",
        ]
    );
    known.put(group("api", &[]));
    let names = [
        ("id", "arn:certificate".into()),
        ("arn", "arn:certificate".into()),
        ("domain_name", Value::from("a.test")),
    ];
    known.put(resource("aws_acm_certificate", &names));
    let rule = [
        ("id", Value::from("arn:rule")),
        ("listener_arn", "arn:listener-80".into()),
        ("priority", 7.into()),
        ("action", forward("other")),
    ];
    known.put(resource("aws_lb_listener_rule", &rule));
    assert_eq!(model(&known).listeners.len(), 2);
    let left = ["rule 7 of listener 80 is left out: there is no target group \"arn:other\""];
    assert_eq!(missing_of(&known), left);
    known.put(group("other", &[]));
    assert_eq!(missing_of(&known), [""; 0]);
}

#[test]
fn rules_stand_by_priority_with_all_their_conditions() {
    let known = Known::of(vpc());
    known.put(balancer("edge", &[]));
    known.put(group("api", &[]));
    known.put(listener(80, &[("protocol", "HTTP".into()), ("default_action", forward("api"))]));
    let values = |texts: &[&str]| block(&[("values", Value::strings(texts.iter().copied()))]);
    let conditions = [
        (object(&[("host_header", values(&["a.test"]))]), Condition::Host(vec!["a.test".to_owned()])),
        (object(&[("path_pattern", values(&["/x/*"]))]), Condition::Path(vec!["/x/*".to_owned()])),
        (object(&[("http_request_method", values(&["PUT"]))]), Condition::Method(vec!["PUT".to_owned()])),
        (
            object(&[("source_ip", values(&["10.0.0.0/8"]))]),
            Condition::Source(vec!["10.0.0.0/8".parse().unwrap()]),
        ),
        (
            object(&[("query_string", block(&[("key", "k".into()), ("value", "v".into())]))]),
            Condition::Query(vec![(Some("k".to_owned()), "v".to_owned())]),
        ),
        (
            object(&[(
                "http_header",
                block(&[("http_header_name", "X-A".into()), ("values", Value::strings(["1"]))]),
            )]),
            Condition::Header("X-A".to_owned(), vec!["1".to_owned()]),
        ),
    ];
    for (number, (priority, part)) in
        [("20", &conditions[..2]), ("3", &conditions[2..])].into_iter().enumerate()
    {
        let rule = [
            ("id", Value::from(format!("arn:rule-{number}"))),
            ("listener_arn", "arn:listener-80".into()),
            // The provider keeps it as a number or as text.
            ("priority", priority.into()),
            ("condition", Value::List(part.iter().map(|(given, _)| given.clone()).collect())),
            ("action", forward("api")),
        ];
        known.put(resource("aws_lb_listener_rule", &rule));
    }
    let rules = &model(&known).listeners[&80].rules;
    let found: Vec<_> = rules.iter().map(|rule| (rule.priority, rule.conditions.clone())).collect();
    let wanted =
        |part: &[(Value, Condition)]| part.iter().map(|(_, wanted)| wanted.clone()).collect::<Vec<_>>();
    assert_eq!(found, [(3, wanted(&conditions[2..])), (20, wanted(&conditions[..2]))]);
}

#[test]
fn a_redirect_and_a_fixed_answer_have_the_defaults_of_aws() {
    let known = Known::of(Vec::new());
    let redirect =
        block(&[("type", "redirect".into()), ("redirect", block(&[("status_code", "HTTP_302".into())]))]);
    let Some(Action::Redirect { protocol, host, port, path, query, status }) =
        action(&known.contents(), redirect.items())
    else {
        panic!("it is no redirect");
    };
    assert_eq!(
        [protocol, host, port, path, query],
        ["#{protocol}", "#{host}", "#{port}", "/#{path}", "#{query}"]
    );
    assert_eq!(status, 302);
    let fixed = block(&[
        ("type", "fixed-response".into()),
        ("fixed_response", block(&[("status_code", "404".into())])),
    ]);
    let answer = Action::Fixed { status: 404, content_type: "text/plain".to_owned(), body: String::new() };
    assert_eq!(action(&known.contents(), fixed.items()), Some(answer));
}

#[test]
fn targets_are_the_registered_tasks_of_a_service_and_what_is_attached() {
    let known = Known::of(vpc());
    known.put(balancer("edge", &[]));
    known.put(group("api", &[("port", 9000.into()), ("deregistration_delay", "30".into())]));
    known.put(listener(80, &[("protocol", "HTTP".into()), ("default_action", forward("api"))]));
    let service = [
        ("id", Value::from("arn:service")),
        ("load_balancer", block(&[("target_group_arn", "arn:api".into()), ("container_port", 8080.into())])),
    ];
    known.put(resource("aws_ecs_service", &service));
    let attached = [
        ("id", Value::from("one")),
        ("target_group_arn", "arn:api".into()),
        ("target_id", "10.0.0.99".into()),
    ];
    known.put(resource("aws_lb_target_group_attachment", &attached));
    let task = |wish: TaskWish, registered: bool| TaskRecord { wish, registered, ..task_record() };
    known.change(|draft| {
        draft.put_task("runs", task(TaskWish::Run, true));
        draft.put_task("drains", task(TaskWish::Drain { until: 1, reason: String::new() }, true));
        draft.put_task("starts", task(TaskWish::Run, false));
    });
    let contents = known.contents();
    let targets = &model(&known).target_groups["api"].targets;
    let target = |id: &str| {
        let address = contents.interfaces[&format!("eu-west-1/task/{id}")].address;
        targets.iter().find(|target| target.address == address)
    };
    assert!(target("runs").is_some_and(|target| target.port == 8080 && !target.draining));
    assert!(target("drains").is_some_and(|target| target.draining));
    assert_eq!(target("starts"), None);
    let attached = targets.iter().find(|target| target.address == std::net::Ipv4Addr::new(10, 0, 0, 99));
    assert_eq!(attached.unwrap().port, 9000, "the group's port, where none is given");
    assert_eq!(targets.len(), 3);
    let service = contents.get("aws_ecs_service", "arn:service").unwrap();
    assert_eq!(drain_time(&contents, service), Duration::from_secs(30));
    assert_eq!(groups_of_service(&contents, service), ["api"]);
}
