use super::*;
use crate::{lab::Lab, logs::Group, world::Resource};
use terraform_provider_aws::value::Value;
use tokio::sync::mpsc;

fn answers(directory: &Path) -> Answers {
    let lab = Lab::new("test", &directory.join("data"), &directory.join("run"));
    let context = Context::open(lab, Path::new("/nonexistent")).unwrap();
    Answers::new(Arc::new(context), watch::channel(false).0)
}

fn put(answers: &Answers, type_name: &str, state: &[(&str, &str)]) {
    let resource = Resource {
        type_name: type_name.to_owned(),
        region: "eu-west-1".to_owned(),
        state: Value::object(state.iter().map(|(name, text)| (*name, Value::from(*text)))),
        config: Value::Null,
        acknowledged: true,
        made_in: 0,
        made_at: 0,
        deleting: false,
    };
    let stored = answers.context.world.change(|draft| {
        draft.put_resource(resource);
        Ok::<_, StoreError>(())
    });
    stored.unwrap();
}

#[tokio::test]
async fn a_log_is_shown_whole_however_long_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let answers = answers(directory.path());
    put(&answers, "aws_cloudwatch_log_group", &[("id", "/ecs/hello"), ("name", "/ecs/hello")]);
    let logs = Logs::new(&answers.context.lab, "eu-west-1");
    logs.put_group(&Group { name: "/ecs/hello".to_owned(), retention_days: None }).unwrap();
    let mut stream = logs.stream("/ecs/hello", "one").unwrap();
    let count = 30_000_u64;
    for number in 0..count {
        let message = format!("{number} {}", "x".repeat(90));
        stream.append(number, &message).unwrap();
    }
    let (sender, mut lines) = mpsc::channel(64);
    let replies = Replies::to(sender);
    let reading = async {
        let mut last = String::new();
        let mut read = 0_u64;
        while let Some(reply) = lines.recv().await {
            if let crate::control::Reply::Line(line) = reply {
                read += 1;
                last = line;
            }
        }
        (read, last)
    };
    let asked = async {
        let answer = answers.logs("/ecs/hello", false, &replies).await;
        drop(replies);
        answer
    };
    let (answer, (read, last)) = tokio::join!(asked, reading);
    answer.unwrap();
    assert_eq!(read, count);
    assert!(last.contains(&format!(" {} x", count - 1)), "{last}");
}

#[tokio::test]
async fn a_service_that_was_ready_before_a_change_is_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let answers = answers(directory.path());
    let board = &answers.context.board;
    for part in [part::NETWORK, part::DNS, part::REGISTRY] {
        board.set(part, Condition::Ready(7));
    }
    let waits = |generation| unsettled(&answers.context.world.snapshot(), &board.all(), generation);
    assert_eq!(waits(7), Vec::<String>::new());
    put(&answers, "aws_ecs_service", &[("id", "arn"), ("name", "hello")]);
    assert_eq!(waits(7), ["service/hello: nothing is known of it yet"]);
    board.set("service/eu-west-1/default/hello", Condition::Ready(6));
    assert_eq!(waits(7), ["service/hello: an earlier change is ready, this one is not yet"]);
    board.set("service/eu-west-1/default/hello", Condition::Pending("1 of 2 tasks runs".to_owned()));
    assert_eq!(waits(7), ["service/hello: 1 of 2 tasks runs"]);
    board.set("service/eu-west-1/default/hello", Condition::Ready(8));
    assert_eq!(waits(7), Vec::<String>::new());
}

#[test]
fn an_instance_that_is_not_in_the_state_for_it_is_left_alone() {
    use DatabaseOperation::{Promote, Reboot, Snapshot, Start, Stop};
    let available = (Status::Available, Some(Role::Primary));
    let follows = (Status::Available, Some(Role::Standby));
    let stopped = (Status::Stopped, None);
    for ((status, role), operation, is_invalid) in [
        (&available, Promote, true),
        (&follows, Promote, false),
        (&stopped, Promote, true),
        (&available, Reboot, false),
        (&stopped, Reboot, true),
        (&available, Stop, false),
        (&stopped, Stop, true),
        (&available, Start, true),
        (&stopped, Start, false),
        (&available, Snapshot { name: "kept".to_owned() }, false),
    ] {
        assert_eq!(invalid(&operation, status, *role).is_some(), is_invalid, "{operation:?} of {status:?}");
    }
}
