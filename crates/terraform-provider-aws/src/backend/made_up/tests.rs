use super::*;
use crate::schema::Catalogue;

fn filled(type_name: &str, known: &[(&str, Value)]) -> Value {
    let schema = Catalogue::aws().resource(type_name).unwrap();
    let mut planned = Value::object::<String>([]);
    schema.block.normalise(&mut planned);
    for (name, attribute) in &schema.block.attributes {
        if attribute.computed {
            planned.set(name, Value::UNKNOWN);
        }
    }
    for (name, value) in known {
        planned.set(name, value.clone());
    }
    let place = Place {
        region: "eu-west-1".to_owned(),
        account_id: "123456789012".to_owned(),
        partition: "aws".to_owned(),
    };
    fill(&schema, &place, &planned, Digits::of(type_name))
}

#[test]
fn values_made_from_each_other_agree() {
    let database = filled("aws_db_instance", &[("identifier", "app".into()), ("engine", "mysql".into())]);
    let text = |name: &str| database.get(name).as_str().unwrap().to_owned();
    assert_eq!(text("arn"), "arn:aws:rds:eu-west-1:123456789012:db:app");
    assert_eq!(text("endpoint"), format!("{}:3306", text("address")));
    assert_eq!(database.get("port").as_i64(), Some(3306));
    let task = filled("aws_ecs_task_definition", &[("family", "app".into())]);
    assert_eq!(task.get("arn").as_str(), Some("arn:aws:ecs:eu-west-1:123456789012:task-definition/app:1"));
    assert_eq!(task.get("revision").as_i64(), Some(1));
    let balancer = filled("aws_lb", &[("name", "app".into()), ("load_balancer_type", "network".into())]);
    assert_eq!(balancer.get("id"), balancer.get("arn"));
    assert!(balancer.get("arn_suffix").as_str().unwrap().starts_with("net/app/"));
}

#[test]
fn what_excludes_a_configured_argument_is_not_made_up() {
    let rule = filled(
        "aws_security_group_rule",
        &[("cidr_blocks", Value::strings(["10.0.0.0/8"])), ("self", Value::from(false))],
    );
    assert_eq!(rule.get("source_security_group_id").non_empty(), None);
    let group = filled("aws_security_group", &[("name", "web".into())]);
    assert_eq!(group.get("name_prefix").non_empty(), None);
    let generated = filled("aws_security_group", &[("name_prefix", "web-".into())]);
    assert!(generated.get("name").as_str().unwrap().starts_with("web-"));
}

#[test]
fn a_change_counts_on() {
    let before = Value::object([("latest_version", Value::from(3))]);
    let planned = Value::object([("latest_version", Value::UNKNOWN), ("revision", Value::UNKNOWN)]);
    let counted = counted_on(&before, &planned);
    assert_eq!(counted.get("latest_version").as_i64(), Some(4));
    assert!(counted.get("revision").is_unknown(), "there was none before");
    assert_eq!(counted_on(&Value::Null, &planned), planned);
}

#[test]
fn nothing_stays_unknown_in_any_type_in_depth() {
    for name in facts::type_names().filter(|name| name.starts_with("aws_")) {
        let made = filled(name, &[]);
        assert!(made.is_wholly_known(), "{name}: {made:?}");
    }
}
