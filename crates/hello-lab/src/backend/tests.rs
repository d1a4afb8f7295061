use super::*;
use crate::{board::Condition, lab::Lab, meaning, world::ServiceRecord};
use std::path::Path;
use terraform_provider_aws::{backend::Place, schema::Catalogue};

struct Fixture {
    backend: LabBackend,
    context: Context,
    board: Arc<Board>,
    world: Arc<World>,
    catalogue: Catalogue,
}

fn fixture(directory: &Path) -> Fixture {
    let lab = Lab::new("test", &directory.join("data"), &directory.join("run"));
    let context = Context::open(lab, Path::new("/nonexistent")).unwrap();
    let (world, board) = (Arc::clone(&context.world), Arc::clone(&context.board));
    // What waits for the network waits for nothing here: these tests are about what is stored.
    board.set(crate::board::part::NETWORK, Condition::Ready(u64::MAX));
    let backend = LabBackend::new(&context);
    Fixture { backend, context, board, world, catalogue: Catalogue::aws() }
}

impl Fixture {
    /// The same with another daemon: what is stored is all that it knows.
    fn restarted(self) -> Fixture {
        let backend = LabBackend::new(&self.context);
        // Later than any run of the first, however fast this is.
        backend.run.fetch_max(self.backend.run.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        Fixture { backend, ..self }
    }

    fn place() -> Place {
        Place {
            region: "eu-west-1".to_owned(),
            account_id: "000000000000".to_owned(),
            partition: "aws".to_owned(),
        }
    }

    /// A creation in which everything that is not given is unknown.
    fn creation(&self, type_name: &str, given: &[(&str, Value)]) -> Change {
        let schema = self.catalogue.resource(type_name).unwrap();
        let mut config = Value::object(given.iter().map(|(name, value)| (*name, value.clone())));
        let mut planned = config.clone();
        for (name, attribute) in &schema.block.attributes {
            if attribute.computed && config.get(name).is_null() {
                planned.set(name, Value::UNKNOWN);
            }
            if attribute.write_only {
                planned.set(name, Value::Null);
            }
            if config.get(name).is_null() {
                config.set(name, Value::Null);
            }
        }
        Change { schema, place: Self::place(), prior: Value::Null, planned, config }
    }
}

fn eip() -> Vec<(&'static str, Value)> {
    vec![("domain", "vpc".into())]
}

#[tokio::test]
async fn two_equal_resources_of_one_run_are_two() {
    let directory = tempfile::tempdir().unwrap();
    let lab = fixture(directory.path());
    let first = lab.backend.apply(lab.creation("aws_eip", &eip())).await.unwrap();
    let second = lab.backend.apply(lab.creation("aws_eip", &eip())).await.unwrap();
    assert_ne!(first.get("public_ip"), second.get("public_ip"));
}

#[tokio::test]
async fn a_name_that_is_unique_in_its_parent_may_occur_in_another() {
    let directory = tempfile::tempdir().unwrap();
    let lab = fixture(directory.path());
    let objects = |bucket: &str| vec![("bucket", bucket.into()), ("key", "index.html".into())];
    let permissions = |function: &str| {
        vec![
            ("action", "lambda:InvokeFunction".into()),
            ("function_name", function.into()),
            ("principal", "s3.amazonaws.com".into()),
            ("statement_id", "AllowBucket".into()),
        ]
    };
    for (type_name, one, other) in [
        ("aws_s3_object", objects("one"), objects("other")),
        ("aws_lambda_permission", permissions("one"), permissions("other")),
    ] {
        let mut states = Vec::new();
        for given in [&one, &other] {
            states.push(lab.backend.apply(lab.creation(type_name, given)).await.unwrap());
        }
        let schema = lab.catalogue.resource(type_name).unwrap();
        for state in states {
            let existing = Existing {
                schema: Arc::clone(&schema),
                place: Fixture::place(),
                state: state.clone(),
                imported: false,
            };
            assert_eq!(lab.backend.read(existing).await.unwrap(), state);
        }
        let again = lab.backend.apply(lab.creation(type_name, &one)).await.unwrap_err();
        assert!(again.diagnostic.detail.contains("already"), "{again:?}");
    }
}

#[tokio::test]
async fn a_creation_that_terraform_never_learned_of_is_taken_up_by_the_next_run() {
    let directory = tempfile::tempdir().unwrap();
    let lab = fixture(directory.path());
    lab.board.set(crate::board::part::NETWORK, Condition::Pending("links".to_owned()));
    let cut_short = lab.backend.apply(lab.creation("aws_eip", &eip()));
    tokio::time::timeout(std::time::Duration::from_millis(50), cut_short).await.unwrap_err();
    lab.board.set(crate::board::part::NETWORK, Condition::Ready(u64::MAX));
    let first = lab.world.snapshot().of_type("aws_eip").next().unwrap().state.clone();
    // A new configuration of the provider is a new run.
    lab.backend.warning();
    let second = lab.backend.apply(lab.creation("aws_eip", &eip())).await.unwrap();
    assert_eq!(first, second);
    lab.backend.warning();
    let third = lab.backend.apply(lab.creation("aws_eip", &eip())).await.unwrap();
    assert_ne!(second.get("id"), third.get("id"), "what Terraform has got as an answer is Terraform's");
    // Two runs later, the daemon may have been killed in between.
    lab.backend.warning();
    let lab = lab.restarted();
    let fourth = lab.backend.apply(lab.creation("aws_eip", &eip())).await.unwrap();
    assert_ne!(second.get("id"), fourth.get("id"));
}

#[tokio::test]
async fn a_creation_that_is_taken_up_has_the_secret_that_terraform_has_now() {
    let directory = tempfile::tempdir().unwrap();
    let lab = fixture(directory.path());
    let given = |text: &str| [("secret_id", Value::from("database")), ("secret_string_wo", text.into())];
    lab.backend.apply(lab.creation("aws_secretsmanager_secret_version", &given("first"))).await.unwrap();
    let lab = lab.restarted();
    lab.backend.apply(lab.creation("aws_secretsmanager_secret_version", &given("second"))).await.unwrap();
    let contents = lab.world.snapshot();
    let versions: Vec<_> = contents.of_type("aws_secretsmanager_secret_version").collect();
    assert_eq!(versions.len(), 1, "it was made twice");
    assert_eq!(versions[0].config.get("secret_string_wo").as_str(), Some("second"));
}

#[tokio::test]
async fn a_look_does_not_bring_back_what_was_removed_meanwhile() {
    let directory = tempfile::tempdir().unwrap();
    let lab = fixture(directory.path());
    let state = lab.backend.apply(lab.creation("aws_eip", &eip())).await.unwrap();
    let key = key_of("aws_eip", "eu-west-1", &state);
    let raced = lab.world.change(|draft| {
        draft.remove_resource(&key);
        acknowledge(draft, &key);
        Ok::<_, StoreError>(())
    });
    raced.unwrap();
    assert!(lab.world.snapshot().resources.is_empty());
}

#[tokio::test]
async fn a_subnet_that_the_network_cannot_have_is_refused_and_not_stored() {
    let directory = tempfile::tempdir().unwrap();
    let lab = fixture(directory.path());
    let vpc = lab.creation("aws_vpc", &[("cidr_block", "10.0.0.0/16".into())]);
    let vpc = lab.backend.apply(vpc).await.unwrap();
    let subnet = |range: &str| {
        lab.creation("aws_subnet", &[("vpc_id", vpc.get("id").clone()), ("cidr_block", range.into())])
    };
    lab.backend.apply(subnet("10.0.0.0/20")).await.unwrap();
    for (range, word) in
        [("10.0.1.0/24", "another subnet of the VPC"), ("10.1.0.0/24", "is not in 10.0.0.0/16")]
    {
        let refusal = lab.backend.apply(subnet(range)).await.unwrap_err();
        assert!(format!("{refusal:?}").contains(word), "{refusal:?}");
    }
    lab.backend.apply(subnet("10.0.16.0/20")).await.unwrap();
    assert_eq!(lab.world.snapshot().of_type("aws_subnet").count(), 2);
}

#[tokio::test]
async fn a_part_that_is_made_anew_under_its_name_is_not_cut_off() {
    let directory = tempfile::tempdir().unwrap();
    let lab = fixture(directory.path());
    let vpc = lab.creation("aws_vpc", &[("cidr_block", "10.0.0.0/16".into())]);
    let vpc = lab.backend.apply(vpc).await.unwrap();
    let given = [("vpc_id", vpc.get("id").clone()), ("cidr_block", "10.0.0.0/24".into())];
    let subnet = lab.backend.apply(lab.creation("aws_subnet", &given)).await.unwrap();
    let creation = lab.creation("aws_nat_gateway", &[("subnet_id", subnet.get("id").clone())]);
    let gateway = lab.backend.apply(creation.clone()).await.unwrap();
    let owner = format!("eu-west-1/nat/{}", gateway.get("id").as_str().unwrap());
    assert!(lab.world.snapshot().interfaces.contains_key(&owner));
    let cut = lab.world.change(|draft| {
        draft.set_cut(&owner, true);
        Ok::<_, StoreError>(())
    });
    cut.unwrap();
    let deletion = Change { prior: gateway, planned: Value::Null, config: Value::Null, ..creation };
    lab.backend.apply(deletion).await.unwrap();
    assert!(lab.world.snapshot().cuts.is_empty());
}

#[tokio::test]
async fn an_import_finds_a_resource_by_what_its_identifier_says() {
    let directory = tempfile::tempdir().unwrap();
    let lab = fixture(directory.path());
    for destination in ["10.1.0.0/16", "10.2.0.0/16"] {
        let given = [("route_table_id", "rtb-1".into()), ("destination_cidr_block", destination.into())];
        lab.backend.apply(lab.creation("aws_route", &given)).await.unwrap();
    }
    let schema = lab.catalogue.resource("aws_route").unwrap();
    let said = [("route_table_id", Value::from("rtb-1")), ("destination_cidr_block", "10.2.0.0/16".into())];
    let existing = Existing { schema, place: Fixture::place(), state: Value::object(said), imported: true };
    let state = lab.backend.read(existing).await.unwrap();
    assert_eq!(state.get("destination_cidr_block").as_str(), Some("10.2.0.0/16"));
    assert!(state.get("id").non_empty().is_some());
}

#[tokio::test]
async fn a_protected_database_is_not_deleted() {
    let directory = tempfile::tempdir().unwrap();
    let lab = fixture(directory.path());
    lab.board.set("database/eu-west-1/hello", Condition::Ready(u64::MAX));
    let given = [("identifier", "hello".into()), ("deletion_protection", true.into())];
    let creation = lab.creation("aws_db_instance", &given);
    let state = lab.backend.apply(creation.clone()).await.unwrap();
    let deletion = Change { prior: state, planned: Value::Null, config: Value::Null, ..creation };
    let refusal = lab.backend.apply(deletion).await.unwrap_err();
    assert!(format!("{refusal:?}").contains("deletion_protection = false"), "{refusal:?}");
    assert_eq!(lab.world.snapshot().of_type("aws_db_instance").count(), 1);
}

#[tokio::test]
async fn a_deletion_that_was_cut_short_is_finished_by_the_next_look() {
    let directory = tempfile::tempdir().unwrap();
    let lab = fixture(directory.path());
    lab.board.set("database/eu-west-1/hello", Condition::Ready(u64::MAX));
    let state =
        lab.backend.apply(lab.creation("aws_db_instance", &[("identifier", "hello".into())])).await.unwrap();
    // The daemon is killed while the parts end.
    let marked = lab.world.change(|draft| {
        let known = draft.contents.of_type("aws_db_instance").next().unwrap().as_ref().clone();
        draft.put_resource(Resource { deleting: true, ..known });
        Ok::<_, StoreError>(())
    });
    marked.unwrap();
    let schema = lab.catalogue.resource("aws_db_instance").unwrap();
    let existing = Existing { schema, place: Fixture::place(), state, imported: false };
    let look = lab.backend.read(existing);
    tokio::pin!(look);
    let early = tokio::time::timeout(std::time::Duration::from_millis(50), &mut look).await;
    assert!(early.is_err(), "it counts as gone although its part is there");
    lab.board.set("database/eu-west-1/hello", Condition::Gone);
    assert!(look.await.unwrap().is_null());
    assert_eq!(lab.world.snapshot().of_type("aws_db_instance").count(), 0, "nobody would ever delete it");
}

#[tokio::test]
async fn a_database_that_is_refused_leaves_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let lab = fixture(directory.path());
    // As of the creation, which is the first change; the deletion that follows is a later one.
    lab.board.set("database/eu-west-1/hello", Condition::Failed(1, "there is no PostgreSQL 99".to_owned()));
    // Nothing protects what never was.
    let given = [("identifier", Value::from("hello")), ("deletion_protection", true.into())];
    let creation = lab.creation("aws_db_instance", &given);
    let ends = async {
        let mut changes = lab.world.watch();
        let goes = || lab.world.snapshot().of_type("aws_db_instance").any(|instance| instance.deleting);
        while !goes() {
            changes.changed().await.unwrap();
        }
        lab.board.set("database/eu-west-1/hello", Condition::Gone);
    };
    let (applied, ()) = tokio::join!(lab.backend.apply(creation), ends);
    let refusal = applied.unwrap_err();
    assert!(format!("{refusal:?}").contains("there is no PostgreSQL 99"), "{refusal:?}");
    assert!(lab.world.snapshot().resources.is_empty());
}

#[tokio::test]
async fn a_change_that_mends_a_refused_database_waits_for_what_it_becomes() {
    let directory = tempfile::tempdir().unwrap();
    let lab = fixture(directory.path());
    lab.board.set("database/eu-west-1/hello", Condition::Ready(u64::MAX));
    let creation = lab.creation("aws_db_instance", &[("identifier", "hello".into())]);
    let state = lab.backend.apply(creation.clone()).await.unwrap();
    let refused = Condition::Failed(lab.world.generation(), "there is no PostgreSQL 99".to_owned());
    lab.board.set("database/eu-west-1/hello", refused);
    let mut planned = state.clone();
    planned.set("engine_version", "15".into());
    let update = lab.backend.apply(Change { prior: state, planned, ..creation });
    tokio::pin!(update);
    let early = tokio::time::timeout(std::time::Duration::from_millis(50), &mut update).await;
    assert!(early.is_err(), "the old reason is told of the new version: {early:?}");
    lab.board.set("database/eu-west-1/hello", Condition::Ready(lab.world.generation()));
    update.await.unwrap();
}

#[tokio::test]
async fn a_deletion_that_is_refused_leaves_the_resource_as_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let lab = fixture(directory.path());
    lab.board.set("database/eu-west-1/hello", Condition::Ready(u64::MAX));
    let creation = lab.creation("aws_db_instance", &[("identifier", "hello".into())]);
    let state = lab.backend.apply(creation.clone()).await.unwrap();
    lab.board
        .set("database/eu-west-1/hello", Condition::Failed(u64::MAX, "a snapshot last exists".to_owned()));
    let deletion = Change { prior: state.clone(), planned: Value::Null, config: Value::Null, ..creation };
    let refusal = lab.backend.apply(deletion.clone()).await.unwrap_err();
    assert!(format!("{refusal:?}").contains("a snapshot last exists"), "{refusal:?}");
    let existing = || Existing {
        schema: deletion.schema.clone(),
        place: Fixture::place(),
        state: state.clone(),
        imported: false,
    };
    assert_eq!(lab.backend.read(existing()).await.unwrap(), state);
    // The daemon is killed between the two, so that the mark of the deletion stays.
    let marked = lab.world.change(|draft| {
        let known = draft.contents.of_type("aws_db_instance").next().unwrap().as_ref().clone();
        draft.put_resource(Resource { deleting: true, ..known });
        Ok::<_, StoreError>(())
    });
    marked.unwrap();
    assert_eq!(lab.backend.read(existing()).await.unwrap(), state, "a plan sees it and can change it");
}

#[tokio::test]
async fn an_instance_takes_over_from_its_snapshot_what_is_not_given() {
    let directory = tempfile::tempdir().unwrap();
    let lab = fixture(directory.path());
    for part in ["database/eu-west-1/first", "database/eu-west-1/second", "snapshot/eu-west-1/before"] {
        lab.board.set(part, Condition::Ready(u64::MAX));
    }
    let given = [
        ("identifier", "first".into()),
        ("engine", "postgres".into()),
        ("engine_version", "15".into()),
        ("username", "owner".into()),
    ];
    lab.backend.apply(lab.creation("aws_db_instance", &given)).await.unwrap();
    let given =
        [("db_instance_identifier", "first".into()), ("db_snapshot_identifier", Value::from("before"))];
    let snapshot = lab.backend.apply(lab.creation("aws_db_snapshot", &given)).await.unwrap();
    let given = [
        ("identifier", "second".into()),
        ("snapshot_identifier", snapshot.get("db_snapshot_arn").clone()),
        ("allocated_storage", 50.into()),
    ];
    let restored = lab.backend.apply(lab.creation("aws_db_instance", &given)).await.unwrap();
    for (name, text) in [("engine", "postgres"), ("engine_version", "15"), ("username", "owner")] {
        assert_eq!(restored.get(name).as_str(), Some(text), "{name}");
    }
    assert_eq!(restored.get("allocated_storage").as_i64(), Some(50), "what is given counts");
}

#[tokio::test]
async fn what_was_made_and_is_not_ready_is_known_to_terraform() {
    let directory = tempfile::tempdir().unwrap();
    let lab = fixture(directory.path());
    lab.board
        .set(crate::board::part::NETWORK, Condition::Failed(u64::MAX, "the kernel has no room".to_owned()));
    let network = [("cidr_block", Value::from("10.0.0.0/16"))];
    let not_applied = lab.backend.apply(lab.creation("aws_vpc", &network)).await.unwrap_err();
    assert!(not_applied.diagnostic.detail.contains("the kernel has no room"), "{not_applied:?}");
    let made = not_applied.made.expect("it is stored");
    assert_eq!(made.get("cidr_block").as_str(), Some("10.0.0.0/16"));
}

#[tokio::test]
async fn a_name_that_is_taken_is_refused_with_a_way_out() {
    let directory = tempfile::tempdir().unwrap();
    let lab = fixture(directory.path());
    let group = [("name", Value::from("/ecs/hello"))];
    lab.backend.apply(lab.creation("aws_cloudwatch_log_group", &group)).await.unwrap();
    let refusal = lab.backend.apply(lab.creation("aws_cloudwatch_log_group", &group)).await.unwrap_err();
    assert!(format!("{refusal:?}").contains("choose another name"), "{refusal:?}");
}

#[tokio::test]
async fn a_value_that_is_not_modelled_is_refused_when_it_is_planned_and_when_it_is_applied() {
    let directory = tempfile::tempdir().unwrap();
    let lab = fixture(directory.path());
    let creation =
        lab.creation("aws_lb", &[("name", "edge".into()), ("load_balancer_type", "network".into())]);
    let remarks = lab.backend.remarks(&creation.schema, &Value::Null, &creation.config).await;
    assert!(
        matches!(remarks.as_slice(), [one] if !one.is_warning && one.detail.contains("network")),
        "{remarks:?}"
    );
    // Where it was not known before.
    let refusal = lab.backend.apply(creation).await.unwrap_err();
    assert!(refusal.diagnostic.detail.contains("load_balancer_type = \"network\""), "{refusal:?}");
    assert!(lab.world.snapshot().resources.is_empty());
}

#[tokio::test]
async fn a_listener_without_its_certificate_or_its_target_group_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let lab = fixture(directory.path());
    let action = |arn: Value| {
        Value::List(vec![Value::object([("type", Value::from("forward")), ("target_group_arn", arn)])])
    };
    let given = [
        ("name", "api".into()),
        ("target_type", "ip".into()),
        ("protocol", "HTTP".into()),
        ("port", 8080.into()),
    ];
    let group = lab.backend.apply(lab.creation("aws_lb_target_group", &given)).await.unwrap();
    let listener = |certificate: &str, group: Value| {
        let given = [
            ("load_balancer_arn", "arn:lb".into()),
            ("port", 443.into()),
            ("protocol", "HTTPS".into()),
            ("certificate_arn", certificate.into()),
            ("default_action", action(group)),
        ];
        lab.creation("aws_lb_listener", &given)
    };
    let refusal = lab.backend.apply(listener("arn:none", group.get("arn").clone())).await.unwrap_err();
    assert!(refusal.diagnostic.detail.contains("there is no certificate \"arn:none\""), "{refusal:?}");
    let certificate = [("domain_name", "hello.localhost".into()), ("validation_method", "DNS".into())];
    let certificate = lab.backend.apply(lab.creation("aws_acm_certificate", &certificate)).await.unwrap();
    let certificate = certificate.get("arn").as_str().unwrap();
    let refusal = lab.backend.apply(listener(certificate, "arn:gone".into())).await.unwrap_err();
    assert!(refusal.diagnostic.detail.contains("there is no target group \"arn:gone\""), "{refusal:?}");
    lab.backend.apply(listener(certificate, group.get("arn").clone())).await.unwrap();
}

#[tokio::test]
async fn a_log_group_is_kept_where_it_says_so_until_it_says_otherwise() {
    let directory = tempfile::tempdir().unwrap();
    let lab = fixture(directory.path());
    for (skip, kept) in [(true, true), (false, false)] {
        let given = [("name", "/ecs/hello".into()), ("skip_destroy", skip.into())];
        let creation = lab.creation("aws_cloudwatch_log_group", &given);
        let state = lab.backend.apply(creation.clone()).await.unwrap();
        lab.backend
            .apply(Change { prior: state, planned: Value::Null, config: Value::Null, ..creation })
            .await
            .unwrap();
        let stays = log_groups::is_kept(&lab.world.snapshot(), "eu-west-1", "/ecs/hello");
        assert_eq!(stays, kept);
    }
}

#[tokio::test]
async fn a_parameter_group_of_another_version_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let lab = fixture(directory.path());
    let group = [("name", "parameters".into()), ("family", "postgres14".into())];
    lab.backend.apply(lab.creation("aws_db_parameter_group", &group)).await.unwrap();
    let given = [
        ("identifier", "hello".into()),
        ("engine_version", "15".into()),
        ("parameter_group_name", "parameters".into()),
    ];
    let refusal = lab.backend.apply(lab.creation("aws_db_instance", &given)).await.unwrap_err();
    assert!(refusal.diagnostic.detail.contains("family postgres14"), "{refusal:?}");
}

#[tokio::test]
async fn the_newest_version_of_a_secret_is_read_back() {
    let directory = tempfile::tempdir().unwrap();
    let lab = fixture(directory.path());
    let secret = lab.creation("aws_secretsmanager_secret", &[("name", "database".into())]);
    let secret = lab.backend.apply(secret).await.unwrap();
    for text in ["first", "second"] {
        let given = [("secret_id", secret.get("arn").clone()), ("secret_string_wo", text.into())];
        let state =
            lab.backend.apply(lab.creation("aws_secretsmanager_secret_version", &given)).await.unwrap();
        assert!(state.get("secret_string_wo").is_null());
    }
    let request = SecretRequest {
        place: Fixture::place(),
        secret_id: secret.get("arn").as_str().unwrap().to_owned(),
        version_id: None,
        version_stage: None,
    };
    assert_eq!(lab.backend.secret(request).await.unwrap().secret_string, "second");
}

#[tokio::test]
async fn the_revisions_of_a_task_definition_count_on_and_one_in_use_stays() {
    let directory = tempfile::tempdir().unwrap();
    let lab = fixture(directory.path());
    let given = [("family", "hello".into()), ("network_mode", "awsvpc".into())];
    let creation = lab.creation("aws_ecs_task_definition", &given);
    let first = lab.backend.apply(creation.clone()).await.unwrap();
    let arn = first.get("arn").as_str().unwrap().to_owned();
    assert!(arn.ends_with("task-definition/hello:1"), "{arn}");
    let steady = ServiceRecord { steady: Some(arn.clone()), ..ServiceRecord::default() };
    let record = |record: ServiceRecord| {
        let recorded = lab.world.change(|draft| {
            draft.put_service("hello", record);
            Ok::<_, StoreError>(())
        });
        recorded.unwrap();
    };
    record(steady);
    let delete =
        |prior: Value| Change { prior, planned: Value::Null, config: Value::Null, ..creation.clone() };
    // What Terraform does to replace one.
    lab.backend.apply(delete(first)).await.unwrap();
    let second = lab.backend.apply(creation.clone()).await.unwrap();
    assert!(second.get("arn").as_str().unwrap().ends_with("task-definition/hello:2"), "{second:?}");
    let knows = |arn: &str| meaning::tasks::definition(&lab.world.snapshot(), arn).is_some();
    assert!(knows(&arn), "a service may go back to it");
    record(ServiceRecord::default());
    let forgotten = lab.world.change(|draft| {
        task_definitions::forget_retired(draft);
        Ok::<_, StoreError>(())
    });
    forgotten.unwrap();
    assert!(!knows(&arn), "nobody needs it");
    lab.backend.apply(delete(second)).await.unwrap();
    assert_eq!(lab.world.snapshot().of_type("aws_ecs_task_definition").count(), 0);
}

#[test]
fn a_moment_is_written_as_rfc_3339() {
    assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
    assert_eq!(rfc3339(1_709_210_096_000), "2024-02-29T12:34:56Z");
}
