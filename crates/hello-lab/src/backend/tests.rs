//! What the backend stores, refuses and waits for.
//!
//! - [`cut_short`]: applies that were cut short
//! - [`databases`]: instances and what goes with them

mod creation;
mod cut_short;
mod databases;

use super::*;
use crate::{board::Condition, lab::Lab, meaning, world::ServiceRecord};
use std::path::Path;
use terraform_provider_aws::schema::Catalogue;

/// The region of everything here.
const REGION: &str = "eu-west-1";

struct Fixture {
    backend: LabBackend,
    context: Context,
    catalogue: Catalogue,
}

fn fixture(directory: &Path) -> Fixture {
    let lab = Lab::new("test", &directory.join("data"), &directory.join("run"));
    let context = Context::open(lab, Path::new("/nonexistent")).unwrap();
    // What waits for the network waits for nothing here: these tests are about what is stored.
    context.board.set(crate::board::part::NETWORK, Condition::Ready(u64::MAX));
    let backend = LabBackend::new(&context);
    Fixture { backend, context, catalogue: Catalogue::aws() }
}

impl Fixture {
    /// The same with another daemon: what is stored is all that it knows.
    fn restarted(self) -> Fixture {
        let backend = LabBackend::new(&self.context);
        // Later than any run of the first, however fast this is.
        backend.run.fetch_max(self.backend.run.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        Fixture { backend, ..self }
    }

    /// A creation in the region of all these tests.
    fn creation(&self, type_name: &str, given: &[(&str, Value)]) -> Change {
        creation::creation(&self.catalogue, REGION, type_name, given)
    }
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
                place: creation::place(REGION),
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
    assert_eq!(lab.context.world.snapshot().of_type("aws_subnet").count(), 2);
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
    assert!(lab.context.world.snapshot().interfaces.contains_key(&owner));
    let cut = lab.context.world.change(|draft| {
        draft.set_cut(&owner, true);
        Ok::<_, StoreError>(())
    });
    cut.unwrap();
    let deletion = Change { prior: gateway, planned: Value::Null, config: Value::Null, ..creation };
    lab.backend.apply(deletion).await.unwrap();
    assert!(lab.context.world.snapshot().cuts.is_empty());
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
    let existing =
        Existing { schema, place: creation::place(REGION), state: Value::object(said), imported: true };
    let state = lab.backend.read(existing).await.unwrap();
    assert_eq!(state.get("destination_cidr_block").as_str(), Some("10.2.0.0/16"));
    assert!(state.get("id").non_empty().is_some());
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
    assert!(lab.context.world.snapshot().resources.is_empty());
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
        let stays = log_groups::is_kept(&lab.context.world.snapshot(), "eu-west-1", "/ecs/hello");
        assert_eq!(stays, kept);
    }
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
        place: creation::place(REGION),
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
        let recorded = lab.context.world.change(|draft| {
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
    let knows = |arn: &str| meaning::tasks::definition(&lab.context.world.snapshot(), arn).is_some();
    assert!(knows(&arn), "a service may go back to it");
    record(ServiceRecord::default());
    let forgotten = lab.context.world.change(|draft| {
        task_definitions::forget_retired(draft);
        Ok::<_, StoreError>(())
    });
    forgotten.unwrap();
    assert!(!knows(&arn), "nobody needs it");
    lab.backend.apply(delete(second)).await.unwrap();
    assert_eq!(lab.context.world.snapshot().of_type("aws_ecs_task_definition").count(), 0);
}

#[test]
fn a_moment_is_written_as_rfc_3339() {
    assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
    assert_eq!(rfc3339(1_709_210_096_000), "2024-02-29T12:34:56Z");
}
