use super::*;
use serde_json::json;

fn upgraded(type_name: &str, version: i64, state: &Json) -> Json {
    serde_json::from_str(&upgrade(type_name, version, &state.to_string()).unwrap()).unwrap()
}

#[test]
fn each_upgrader_computes_what_the_providers_does() {
    for (type_name, version, before, after) in [
        ("aws_autoscaling_group", 0, json!({}), json!({ "ignore_failed_scaling_activities": false })),
        (
            "aws_backup_plan",
            0,
            json!({ "rule": [{ "rule_name": "daily" }] }),
            json!({ "rule": [{ "rule_name": "daily", "schedule_expression_timezone": "Etc/UTC" }] }),
        ),
        (
            "aws_cloudtrail",
            0,
            json!({ "id": "trail", "arn": "arn:aws:cloudtrail:eu-west-1:1:trail/trail" }),
            json!({
                "id": "arn:aws:cloudtrail:eu-west-1:1:trail/trail",
                "arn": "arn:aws:cloudtrail:eu-west-1:1:trail/trail",
            }),
        ),
        (
            "aws_cloudwatch_event_rule",
            0,
            json!({ "is_enabled": false }),
            json!({ "is_enabled": false, "state": "DISABLED" }),
        ),
        ("aws_cloudwatch_event_target", 0, json!({}), json!({ "event_bus_name": "default" })),
        (
            "aws_db_instance",
            0,
            json!({ "id": "app", "resource_id": "db-A" }),
            json!({ "id": "db-A", "resource_id": "db-A", "delete_automated_backups": true }),
        ),
        (
            "aws_db_instance",
            1,
            json!({ "id": "app", "resource_id": "db-A", "delete_automated_backups": false }),
            json!({ "id": "db-A", "resource_id": "db-A", "delete_automated_backups": false }),
        ),
        ("aws_rds_cluster", 0, json!({}), json!({ "delete_automated_backups": true })),
        ("aws_eks_cluster", 0, json!({}), json!({ "bootstrap_self_managed_addons": true })),
        (
            "aws_elasticache_replication_group",
            1,
            json!({ "auth_token": "secret", "cluster_mode": [{ "num_node_groups": 1 }] }),
            json!({ "auth_token": "secret", "cluster_mode": null, "auth_token_update_strategy": "ROTATE" }),
        ),
        (
            "aws_elasticache_replication_group",
            2,
            json!({ "auth_token_update_strategy": "ROTATE", "cluster_mode": "enabled" }),
            json!({ "auth_token_update_strategy": null, "cluster_mode": "enabled" }),
        ),
        (
            "aws_instance",
            1,
            json!({ "cpu_core_count": 2, "cpu_threads_per_core": 1, "cpu_options": [{ "core_count": 4 }] }),
            json!({
                "cpu_core_count": 2,
                "cpu_threads_per_core": 1,
                "cpu_options": [{ "core_count": 4, "threads_per_core": 1 }],
            }),
        ),
        ("aws_instance", 1, json!({ "cpu_options": [] }), json!({ "cpu_options": [] })),
        ("aws_kinesis_stream", 0, json!({}), json!({ "enforce_consumer_deletion": false })),
        (
            "aws_secretsmanager_secret_rotation",
            0,
            json!({ "rotate_immediately": null }),
            json!({ "rotate_immediately": true }),
        ),
    ] {
        assert_eq!(upgraded(type_name, version, &before), after, "{type_name} {version}");
    }
}

#[test]
fn state_of_the_current_schema_is_left_alone_and_numbers_stay_exact() {
    let current = r#"{"id":"app","allocated_storage":12345678901234567890.5}"#;
    assert_eq!(upgrade("aws_db_instance", 2, current).unwrap().matches("12345678901234567890.5").count(), 1);
    let older = upgrade("aws_rds_cluster", 0, current).unwrap();
    assert!(older.contains("12345678901234567890.5") && older.contains("\"delete_automated_backups\":true"));
    assert_eq!(upgrade("aws_vpc", 0, current).unwrap(), current);
    assert_eq!(upgrade("aws_instance", 0, "[]").unwrap(), "[]");
}

#[test]
fn a_password_of_old_gains_its_rules_and_its_hash() {
    let password = upgraded("random_password", 0, &json!({ "result": "old-secret", "number": false }));
    assert_eq!(password["length"], 10);
    assert_eq!((&password["number"], &password["numeric"]), (&json!(false), &json!(false)));
    assert!(random::is_hash_of(password["bcrypt_hash"].as_str().unwrap(), "old-secret"));
    let right = upgraded("random_password", 2, &password);
    assert_eq!(right["bcrypt_hash"], password["bcrypt_hash"]);
    let string = upgraded("random_string", 1, &json!({ "result": "abc" }));
    assert_eq!((&string["numeric"], &string["length"]), (&json!(true), &json!(3)));
}
