//! Applies that were cut short: what is taken up, finished, or made anew.

use super::*;

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
async fn a_creation_that_terraform_never_learned_of_is_taken_up_by_the_next_run() {
    let directory = tempfile::tempdir().unwrap();
    let lab = fixture(directory.path());
    lab.context.board.set(crate::board::part::NETWORK, Condition::Pending("links".to_owned()));
    let cut_short = lab.backend.apply(lab.creation("aws_eip", &eip()));
    tokio::time::timeout(std::time::Duration::from_millis(50), cut_short).await.unwrap_err();
    lab.context.board.set(crate::board::part::NETWORK, Condition::Ready(u64::MAX));
    let first = lab.context.world.snapshot().of_type("aws_eip").next().unwrap().state.clone();
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
    let contents = lab.context.world.snapshot();
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
    let raced = lab.context.world.change(|draft| {
        draft.remove_resource(&key);
        acknowledge(draft, &key);
        Ok::<_, StoreError>(())
    });
    raced.unwrap();
    assert!(lab.context.world.snapshot().resources.is_empty());
}

#[tokio::test]
async fn a_deletion_that_was_cut_short_is_finished_by_the_next_look() {
    let directory = tempfile::tempdir().unwrap();
    let lab = fixture(directory.path());
    lab.context.board.set("database/eu-west-1/hello", Condition::Ready(u64::MAX));
    let state =
        lab.backend.apply(lab.creation("aws_db_instance", &[("identifier", "hello".into())])).await.unwrap();
    // The daemon is killed while the parts end.
    let marked = lab.context.world.change(|draft| {
        let known = draft.contents.of_type("aws_db_instance").next().unwrap().as_ref().clone();
        draft.put_resource(Resource { deleting: true, ..known });
        Ok::<_, StoreError>(())
    });
    marked.unwrap();
    let schema = lab.catalogue.resource("aws_db_instance").unwrap();
    let existing = Existing { schema, place: creation::place(REGION), state, imported: false };
    let look = lab.backend.read(existing);
    tokio::pin!(look);
    let early = tokio::time::timeout(std::time::Duration::from_millis(50), &mut look).await;
    assert!(early.is_err(), "it counts as gone although its part is there");
    lab.context.board.set("database/eu-west-1/hello", Condition::Gone);
    assert!(look.await.unwrap().is_null());
    assert_eq!(
        lab.context.world.snapshot().of_type("aws_db_instance").count(),
        0,
        "nobody would ever delete it"
    );
}

#[tokio::test]
async fn what_was_made_and_is_not_ready_is_known_to_terraform() {
    let directory = tempfile::tempdir().unwrap();
    let lab = fixture(directory.path());
    lab.context
        .board
        .set(crate::board::part::NETWORK, Condition::Failed(u64::MAX, "the kernel has no room".to_owned()));
    let network = [("cidr_block", Value::from("10.0.0.0/16"))];
    let not_applied = lab.backend.apply(lab.creation("aws_vpc", &network)).await.unwrap_err();
    assert!(not_applied.diagnostic.detail.contains("the kernel has no room"), "{not_applied:?}");
    let made = not_applied.made.expect("it is stored");
    assert_eq!(made.get("cidr_block").as_str(), Some("10.0.0.0/16"));
}
