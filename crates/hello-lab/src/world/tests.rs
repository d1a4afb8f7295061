use super::*;
use terraform_provider_aws::value::Value;

fn resource(id: &str) -> Resource {
    Resource {
        type_name: "aws_vpc".to_owned(),
        region: "eu-west-1".to_owned(),
        state: Value::object([("id", Value::from(id)), ("cidr_block", "10.0.0.0/16".into())]),
        config: Value::Null,
        acknowledged: false,
        made_in: 1,
        made_at: 1,
        deleting: false,
    }
}

fn world(directory: &std::path::Path) -> World {
    World::load(Store::open(directory).unwrap(), &Catalogue::aws()).unwrap()
}

#[test]
fn a_change_is_seen_and_outlives_the_daemon() {
    let directory = tempfile::tempdir().unwrap();
    let first = world(directory.path());
    let before = first.generation();
    first
        .change(|draft| {
            draft.put_resource(resource("vpc-1"));
            draft.set_cut("eu-west-1/db/hello", true);
            Ok::<_, StoreError>(())
        })
        .unwrap();
    assert!(first.generation() > before);
    drop(first);
    let contents = world(directory.path()).snapshot();
    assert_eq!(contents.get("aws_vpc", "vpc-1").unwrap().text("cidr_block"), "10.0.0.0/16");
    assert!(contents.cuts.contains("eu-west-1/db/hello"));
}

#[test]
fn a_draft_that_fails_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let world = world(directory.path());
    let result = world.change(|draft| {
        draft.put_resource(resource("vpc-1"));
        Err::<(), _>(StoreError::Sealed)
    });
    assert!(result.is_err());
    assert!(world.snapshot().resources.is_empty());
    assert_eq!(world.generation(), 0);
}

#[test]
fn a_draft_without_a_change_wakes_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let world = world(directory.path());
    world.change(|_| Ok::<_, StoreError>(())).unwrap();
    assert_eq!(world.generation(), 0);
}
