//! What a daemon has between Terraform and the databases: the provider's backend, the board, and the controllers of
//! network, databases, snapshots and logs, in a lab of the test.

#[path = "../../src/backend/tests/creation.rs"]
mod creation;

use crate::fixture::{Bench, major_version};
use hello_lab::{
    backend::LabBackend,
    board::{Condition, part},
    controllers::{Context, databases, log_exports, log_groups, network, snapshots},
    database::Instance,
    network::netns::Namespace,
};
use hello_testkit::{Poll, wait_until};
use std::{
    path::Path,
    process::Command,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};
use terraform_provider_aws::{
    backend::{Backend as _, Change},
    diagnostic::Diagnostic,
    schema::Catalogue,
    value::Value,
};
use tokio::{sync::watch, task::JoinHandle};

/// The region where a test names none.
pub(crate) const REGION: &str = "eu-west-1";
/// For what a controller does within seconds, on a busy machine.
const SOON: Duration = Duration::from_secs(60);

/// A daemon; its controllers end with it.
pub(crate) struct Daemon {
    pub(crate) backend: LabBackend,
    pub(crate) context: Arc<Context>,
    stop: watch::Sender<bool>,
    controllers: Vec<JoinHandle<()>>,
}

impl Daemon {
    /// With nothing applied yet.
    pub(crate) fn start(bench: &Bench) -> Daemon {
        let context = Context::open(bench.lab.clone(), Path::new("/nonexistent")).unwrap();
        let context = Arc::new(context);
        let (stop, stopped) = watch::channel(false);
        let controllers = vec![
            tokio::spawn(network::run(Arc::clone(&context), stopped.clone())),
            tokio::spawn(databases::run(Arc::clone(&context), stopped.clone())),
            tokio::spawn(snapshots::run(Arc::clone(&context), stopped.clone())),
            tokio::spawn(log_groups::run(Arc::clone(&context), stopped.clone())),
            tokio::spawn(log_exports::run(Arc::clone(&context), stopped)),
        ];
        Daemon { backend: LabBackend::new(&context), context, stop, controllers }
    }

    /// The same, with a VPC, two subnets and the subnet group `all` in a region, its range `10.NUMBER.0.0/16`.
    pub(crate) async fn with_network(bench: &Bench) -> Daemon {
        let daemon = Daemon::start(bench);
        daemon.make_network(REGION, 0).await;
        daemon
    }

    /// A VPC, two subnets and the subnet group `all` in a region.
    pub(crate) async fn make_network(&self, region: &str, number: u8) {
        let vpc = [("cidr_block", format!("10.{number}.0.0/16").into())];
        let vpc = self.make_in(region, "aws_vpc", &vpc).await;
        let mut subnets = Vec::new();
        for (index, zone) in ["a", "b"].iter().enumerate() {
            let subnet = [
                ("vpc_id", vpc.get("id").clone()),
                ("cidr_block", format!("10.{number}.{index}.0/24").into()),
                ("availability_zone", format!("{region}{zone}").into()),
            ];
            subnets.push(self.make_in(region, "aws_subnet", &subnet).await.get("id").clone());
        }
        let group = [("name", "all".into()), ("subnet_ids", Value::List(subnets))];
        self.make_in(region, "aws_db_subnet_group", &group).await;
    }

    /// A creation of which everything that is not given is unknown, where it is computed.
    pub(crate) fn creation(region: &str, type_name: &str, given: &[(&str, Value)]) -> Change {
        creation::creation(&Catalogue::aws(), region, type_name, given)
    }

    /// Makes a resource, and insists on that.
    pub(crate) async fn make_in(&self, region: &str, type_name: &str, given: &[(&str, Value)]) -> Value {
        self.apply(Daemon::creation(region, type_name, given)).await.unwrap()
    }

    /// Applies a change.
    pub(crate) async fn apply(&self, change: Change) -> Result<Value, Diagnostic> {
        self.backend.apply(change).await.map_err(|refused| refused.diagnostic)
    }

    /// The change that gives some arguments of a resource new values; null takes one out.
    pub(crate) fn update(creation: &Change, state: &Value, given: &[(&str, Value)]) -> Change {
        let mut change = Change { prior: state.clone(), planned: state.clone(), ..creation.clone() };
        for (name, value) in given {
            change.config.set(name, value.clone());
            let attribute = change.schema.block.attributes.get(*name);
            if attribute.is_none_or(|attribute| !attribute.write_only) {
                change.planned.set(name, value.clone());
            }
        }
        change
    }

    /// The change that destroys a resource.
    pub(crate) fn deletion(creation: &Change, state: &Value) -> Change {
        Change { prior: state.clone(), planned: Value::Null, config: Value::Null, ..creation.clone() }
    }

    /// What the board says of a database.
    pub(crate) fn condition(&self, identifier: &str) -> Option<Condition> {
        self.context.board.get(&part::database(REGION, identifier))
    }

    /// Waits until the board says this of a database.
    pub(crate) async fn until(&self, identifier: &str, wanted: impl Fn(&Condition) -> bool) {
        wait_until(&format!("database {identifier} is as expected"), SOON, async || {
            let condition = self.condition(identifier);
            Poll::ready_if(condition.as_ref().is_some_and(&wanted), format!("{condition:?}"))
        })
        .await;
    }

    /// What a database should be.
    pub(crate) fn model(&self, identifier: &str) -> Instance {
        let contents = self.context.world.snapshot();
        let resource = contents.find("aws_db_instance", "identifier", identifier).unwrap();
        databases::model(&self.context, resource).unwrap()
    }

    /// Asks a database as the lab's superuser.
    #[track_caller]
    pub(crate) fn ask(&self, identifier: &str, statement: &str) -> String {
        self.ask_at(5432, identifier, statement)
    }

    /// The same, by a port that is not the usual one.
    #[track_caller]
    pub(crate) fn ask_at(&self, port: u16, identifier: &str, statement: &str) -> String {
        let socket = self.context.lab.run("databases").join(REGION).join(identifier).join("socket");
        psql(&socket, port, statement)
    }

    /// Logs in as a client does, with a password and over TLS; the server's complaint where it refuses.
    pub(crate) fn log_in(&self, identifier: &str, user: &str, password: &str) -> Result<(), String> {
        let contents = self.context.world.snapshot();
        let owner = format!("{REGION}/db/{identifier}");
        let address = contents.interfaces[&owner].address;
        let instance = contents.find("aws_db_instance", "identifier", identifier).unwrap();
        let target = format!(
            "host={} hostaddr={address} port={} user={user} dbname=postgres sslmode=verify-full sslrootcert={} \
             connect_timeout=10",
            instance.text("address"),
            instance.state.get("port").as_i64().unwrap(),
            self.context.authority.certificate().display()
        );
        let mut command = Command::new("psql");
        command.args(["-XAtq", "-d", &target, "-c", "select 1"]).env("PGPASSWORD", password);
        let output = self.namespace(identifier).run(move || command.output()).unwrap();
        if output.status.success() {
            Ok(())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    /// Where a database runs.
    pub(crate) fn namespace(&self, identifier: &str) -> Namespace {
        self.context.lab.namespace(&format!("{REGION}-db-{identifier}"))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        // They end after the step they are in. Nothing may be made while the bench removes everything.
        let deadline = Instant::now() + SOON;
        while !self.controllers.iter().all(JoinHandle::is_finished) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// What every instance of the tests has.
pub(crate) fn instance(identifier: &str) -> Vec<(&'static str, Value)> {
    vec![
        ("identifier", identifier.into()),
        ("engine", "postgres".into()),
        ("engine_version", major_version().to_string().into()),
        ("instance_class", "db.t4g.micro".into()),
        ("allocated_storage", 1.into()),
        ("db_subnet_group_name", "all".into()),
        ("username", "master".into()),
        ("password", crate::fixture::PASSWORD.into()),
        ("skip_final_snapshot", true.into()),
    ]
}

/// Asks a server as the lab's superuser, by its socket.
#[track_caller]
pub(crate) fn psql(socket: &Path, port: u16, statement: &str) -> String {
    let mut command = Command::new("psql");
    let port = port.to_string();
    // The shorter one: a path of 107 bytes counts.
    let socket = socket.canonicalize().unwrap();
    command
        .args(["-XAtq", "-U", "rdsadmin", "-p", &port, "-d", "postgres", "-c", statement, "-h"])
        .arg(socket);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
