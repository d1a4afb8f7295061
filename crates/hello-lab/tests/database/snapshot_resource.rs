//! Snapshots that Terraform asks for, from the provider's backend to the files.

use crate::fixture::Bench;
use hello_lab::{
    backend::LabBackend,
    board::{Board, Condition, part},
    controllers::{Context, snapshots},
    database::Databases,
    dns::DnsServers,
    events::Events,
    load_balancer::LoadBalancers,
    publish::PublishedPorts,
    store::Store,
    task::tasks::Tasks,
    tls::Authority,
    world::World,
};
use std::sync::Arc;
use terraform_provider_aws::{
    backend::{Backend as _, Change, Place},
    schema::Catalogue,
    value::Value,
};
use tokio::sync::watch;

/// What a daemon has, with the one controller of this test.
struct Daemon {
    backend: LabBackend,
    context: Arc<Context>,
    stop: watch::Sender<bool>,
}

impl Daemon {
    fn start(bench: &Bench) -> Daemon {
        let lab = bench.lab.clone();
        let store = Store::open(&lab.data("store")).unwrap();
        let world = Arc::new(World::load(store, &Catalogue::aws()).unwrap());
        let events = Arc::new(Events::new(lab.data("store").join("events.jsonl")));
        let board = Arc::new(Board::default());
        let context = Arc::new(Context {
            authority: Authority::of(&lab).unwrap(),
            databases: Databases::new(&lab),
            tasks: Tasks::new(&lab).unwrap(),
            load_balancers: LoadBalancers::new(&lab),
            dns: DnsServers::new(&lab, "/nonexistent"),
            published: PublishedPorts::new(&lab, "/nonexistent"),
            world: Arc::clone(&world),
            board: Arc::clone(&board),
            events: Arc::clone(&events),
            lab,
        });
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(snapshots::run(Arc::clone(&context), stopped));
        Daemon { backend: LabBackend::new("test", world, board, events), context, stop }
    }

    /// A creation of which everything that is not given is unknown.
    fn creation(type_name: &str, given: &[(&str, &str)]) -> Change {
        let schema = Catalogue::aws().resource(type_name).unwrap();
        let mut config = Value::object(given.iter().map(|(name, text)| (*name, Value::from(*text))));
        let mut planned = config.clone();
        for (name, attribute) in &schema.block.attributes {
            if config.get(name).is_null() {
                config.set(name, Value::Null);
                planned.set(name, if attribute.computed { Value::UNKNOWN } else { Value::Null });
            }
        }
        let place = Place {
            region: "eu-west-1".to_owned(),
            account_id: "123456789012".to_owned(),
            partition: "aws".to_owned(),
        };
        Change { schema, place, prior: Value::Null, planned, config }
    }

    fn snapshot(instance: &str, name: &str) -> Change {
        let given = [("db_instance_identifier", instance), ("db_snapshot_identifier", name)];
        Daemon::creation("aws_db_snapshot", &given)
    }

    fn names(&self) -> Vec<String> {
        let snapshots = self.context.databases.snapshots().unwrap();
        snapshots.into_iter().map(|snapshot| snapshot.name).collect()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn terraform_takes_a_snapshot_and_deletes_it() {
    let bench = Bench::new("resource");
    let instance = bench.primary("hello", 1);
    bench.make(&instance).await;
    let daemon = Daemon::start(&bench);
    // The instance is made already; its own controller does not run here.
    daemon.context.board.set(&part::database("hello"), Condition::Ready(u64::MAX));
    let given = [("identifier", "hello"), ("engine", "postgres"), ("engine_version", "15")];
    daemon.backend.apply(Daemon::creation("aws_db_instance", &given)).await.unwrap();

    let creation = Daemon::snapshot("hello", "before");
    let state = daemon.backend.apply(creation.clone()).await.unwrap();
    assert_eq!(daemon.names(), ["before"]);
    for (name, text) in [("id", "before"), ("engine", "postgres"), ("status", "available")] {
        assert_eq!(state.get(name).as_str(), Some(text), "{name}");
    }

    let deletion = Change { prior: state, planned: Value::Null, config: Value::Null, ..creation };
    daemon.backend.apply(deletion).await.unwrap();
    assert_eq!(daemon.names(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_of_no_instance_or_of_a_name_that_is_taken_is_refused() {
    let bench = Bench::new("taken");
    bench.make(&bench.primary("hello", 1)).await;
    bench.databases.snapshot("hello", "before").await.unwrap();
    let daemon = Daemon::start(&bench);
    for (instance, name, words) in [
        ("hello", "before", "a snapshot before exists already"),
        ("nobody", "other", "there is no database instance nobody"),
    ] {
        let refusal = daemon.backend.apply(Daemon::snapshot(instance, name)).await.unwrap_err();
        assert!(format!("{refusal:?}").contains(words), "{refusal:?}");
        assert_eq!(daemon.context.world.snapshot().of_type("aws_db_snapshot").count(), 0);
    }
    assert_eq!(daemon.names(), ["before"], "what was there stays");
}
