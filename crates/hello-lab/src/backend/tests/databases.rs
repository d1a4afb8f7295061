//! Instances and what goes with them.

use super::*;

#[tokio::test]
async fn a_protected_database_is_not_deleted() {
    let directory = tempfile::tempdir().unwrap();
    let lab = fixture(directory.path());
    lab.context.board.set("database/eu-west-1/hello", Condition::Ready(u64::MAX));
    let given = [("identifier", "hello".into()), ("deletion_protection", true.into())];
    let creation = lab.creation("aws_db_instance", &given);
    let state = lab.backend.apply(creation.clone()).await.unwrap();
    let deletion = Change { prior: state, planned: Value::Null, config: Value::Null, ..creation };
    let refusal = lab.backend.apply(deletion).await.unwrap_err();
    assert!(format!("{refusal:?}").contains("deletion_protection = false"), "{refusal:?}");
    assert_eq!(lab.context.world.snapshot().of_type("aws_db_instance").count(), 1);
}

#[tokio::test]
async fn a_database_that_is_refused_leaves_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let lab = fixture(directory.path());
    // As of the creation, which is the first change; the deletion that follows is a later one.
    lab.context
        .board
        .set("database/eu-west-1/hello", Condition::Failed(1, "there is no PostgreSQL 99".to_owned()));
    // Nothing protects what never was.
    let given = [("identifier", Value::from("hello")), ("deletion_protection", true.into())];
    let creation = lab.creation("aws_db_instance", &given);
    let ends = async {
        let mut changes = lab.context.world.watch();
        let goes =
            || lab.context.world.snapshot().of_type("aws_db_instance").any(|instance| instance.deleting);
        while !goes() {
            changes.changed().await.unwrap();
        }
        lab.context.board.set("database/eu-west-1/hello", Condition::Gone);
    };
    let (applied, ()) = tokio::join!(lab.backend.apply(creation), ends);
    let refusal = applied.unwrap_err();
    assert!(format!("{refusal:?}").contains("there is no PostgreSQL 99"), "{refusal:?}");
    assert!(lab.context.world.snapshot().resources.is_empty());
}

#[tokio::test]
async fn a_change_that_mends_a_refused_database_waits_for_what_it_becomes() {
    let directory = tempfile::tempdir().unwrap();
    let lab = fixture(directory.path());
    lab.context.board.set("database/eu-west-1/hello", Condition::Ready(u64::MAX));
    let creation = lab.creation("aws_db_instance", &[("identifier", "hello".into())]);
    let state = lab.backend.apply(creation.clone()).await.unwrap();
    let refused = Condition::Failed(lab.context.world.generation(), "there is no PostgreSQL 99".to_owned());
    lab.context.board.set("database/eu-west-1/hello", refused);
    let mut planned = state.clone();
    planned.set("engine_version", "15".into());
    let update = lab.backend.apply(Change { prior: state, planned, ..creation });
    tokio::pin!(update);
    let early = tokio::time::timeout(std::time::Duration::from_millis(50), &mut update).await;
    assert!(early.is_err(), "the old reason is told of the new version: {early:?}");
    lab.context.board.set("database/eu-west-1/hello", Condition::Ready(lab.context.world.generation()));
    update.await.unwrap();
}

#[tokio::test]
async fn a_deletion_that_is_refused_leaves_the_resource_as_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let lab = fixture(directory.path());
    lab.context.board.set("database/eu-west-1/hello", Condition::Ready(u64::MAX));
    let creation = lab.creation("aws_db_instance", &[("identifier", "hello".into())]);
    let state = lab.backend.apply(creation.clone()).await.unwrap();
    lab.context
        .board
        .set("database/eu-west-1/hello", Condition::Failed(u64::MAX, "a snapshot last exists".to_owned()));
    let deletion = Change { prior: state.clone(), planned: Value::Null, config: Value::Null, ..creation };
    let refusal = lab.backend.apply(deletion.clone()).await.unwrap_err();
    assert!(format!("{refusal:?}").contains("a snapshot last exists"), "{refusal:?}");
    let existing = || Existing {
        schema: deletion.schema.clone(),
        place: creation::place(REGION),
        state: state.clone(),
        imported: false,
    };
    assert_eq!(lab.backend.read(existing()).await.unwrap(), state);
    // The daemon is killed between the two, so that the mark of the deletion stays.
    let marked = lab.context.world.change(|draft| {
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
        lab.context.board.set(part, Condition::Ready(u64::MAX));
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
