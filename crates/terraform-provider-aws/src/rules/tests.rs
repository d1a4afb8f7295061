use super::*;

fn object(fields: &[(&str, Value)]) -> Value {
    Value::object(fields.iter().map(|(name, value)| (*name, value.clone())))
}

fn refused(type_name: &str, fields: &[(&str, Value)]) -> Vec<String> {
    let mut diagnostics = Vec::new();
    validate(type_name, &object(fields), &mut diagnostics);
    diagnostics.into_iter().map(|d| format!("{} {}", d.summary, d.detail)).collect()
}

fn says(type_name: &str, fields: &[(&str, Value)], sentence: &str) {
    let refused = refused(type_name, fields);
    assert!(refused.iter().any(|refusal| refusal.contains(sentence)), "{sentence} is not among {refused:?}");
}

#[test]
fn a_replica_has_what_its_source_has() {
    let replica = ("replicate_source_db", Value::from("source"));
    let conflicts = "\"engine\": conflicts with replicate_source_db";
    says("aws_db_instance", &[replica.clone(), ("engine", "postgres".into())], conflicts);
    says("aws_db_instance", &[replica.clone(), ("db_subnet_group_name", "g".into())], "must be an ARN when");
    says(
        "aws_db_instance",
        &[replica.clone(), ("final_snapshot_identifier", "s".into())],
        "deleting a read replica",
    );
    let arn = ("replicate_source_db", Value::from("arn:aws:rds:eu-west-1:123456789012:db:x"));
    let fine = [arn, ("db_subnet_group_name", "g".into()), ("skip_final_snapshot", true.into())];
    assert_eq!(refused("aws_db_instance", &fine), Vec::<String>::new());
}

#[test]
fn what_is_unknown_is_not_judged() {
    let unknown = |name| (name, Value::UNKNOWN);
    let fields = [
        unknown("replicate_source_db"),
        unknown("password"),
        unknown("db_subnet_group_name"),
        ("skip_final_snapshot", true.into()),
    ];
    assert_eq!(refused("aws_db_instance", &fields), Vec::<String>::new());
    let fields = [
        ("requires_compatibilities", Value::strings(["FARGATE"])),
        unknown("network_mode"),
        unknown("cpu"),
        unknown("memory"),
    ];
    assert_eq!(refused("aws_ecs_task_definition", &fields), Vec::<String>::new());
    let fields = [unknown("target_type")];
    assert_eq!(refused("aws_lb_target_group", &fields), Vec::<String>::new());
}

#[test]
fn passwords_have_their_letters_and_length() {
    let sentence = "Only printable ASCII characters besides";
    for password in ["with/slash", "with@sign", "with\"quote", "with space", "p\u{e4}ssword"] {
        says("aws_db_instance", &[("password_wo", password.into())], sentence);
        assert!(!refused("aws_db_instance", &[("password", password.into())]).concat().contains(password));
    }
    says(
        "aws_db_instance",
        &[("engine", "postgres".into()), ("password", "short".into())],
        "between 8 and 128",
    );
}

#[test]
fn records_of_one_name_share_one_policy() {
    let record = |identifier: &str, block: &str, inner: Value| {
        object(&[
            ("zone_id", "Z1".into()),
            ("name", "Api.example.com.".into()),
            ("type", "A".into()),
            ("set_identifier", identifier.into()),
            (block, Value::List(vec![inner])),
        ])
    };
    let failover = |identifier, role: &str| {
        record(identifier, "failover_routing_policy", object(&[("type", role.into())]))
    };
    let weighted = record("w", "weighted_routing_policy", object(&[("weight", 1.into())]));
    let mut plan = Neighbours::default();
    let mut admit =
        |record: &Value| plan.admit("aws_route53_record", record).map(|diagnostic| diagnostic.detail);
    assert_eq!(admit(&failover("a", "PRIMARY")), None);
    assert_eq!(admit(&failover("a", "PRIMARY")), None, "planned twice, as for a replacement");
    assert_eq!(admit(&failover("b", "SECONDARY")), None);
    assert!(admit(&failover("c", "PRIMARY")).unwrap().contains("is the PRIMARY too"));
    assert!(admit(&weighted).unwrap().contains("a non-weighted set exists with the same name and type"));
}

#[test]
fn a_region_is_read_from_an_arn() {
    assert_eq!(region_of("arn:aws:acm:eu-west-1:1:certificate/x"), Some("eu-west-1"));
    assert_eq!(region_of("arn:aws:iam::1:role/x"), None);
    assert_eq!(region_of("x"), None);
}
