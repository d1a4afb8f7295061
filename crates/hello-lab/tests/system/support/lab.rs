//! A lab of a test's own.

use super::{
    command::{Running, Said, run, start},
    follow::Follower,
    parts::Parts,
    setting, wait_for,
};
use hello_lab::{
    control::{Client, Request},
    daemon,
    lab::Lab,
    network::netns::Namespace,
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{self, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Condvar, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_hello-lab");
/// The region of the configuration.
pub(crate) const REGION: &str = "eu-west-1";
/// For an apply or a destroy: seconds on an idle machine.
pub(crate) const LONG: Duration = Duration::from_secs(420);
/// For everything else that must come about: seconds on an idle machine too, and a busy one may be ten times slower.
pub(crate) const SOON: Duration = Duration::from_secs(120);

/// Labs that may stand at a time: a lab is busy with two cores while it comes up.
const PLACES: u32 = 2;
static TAKEN: Mutex<u32> = Mutex::new(0);
static FREED: Condvar = Condvar::new();

/// Numbers of the labs of this run.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// A place among the labs that may stand.
struct Place;

impl Place {
    fn take() -> Place {
        let taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken =
            FREED.wait_while(taken, |taken| *taken >= PLACES).unwrap_or_else(PoisonError::into_inner);
        *taken += 1;
        Place
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        *TAKEN.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        FREED.notify_one();
    }
}

/// A lab with its directories and its copy of the Terraform configuration; taken down on drop.
pub(crate) struct TestLab {
    name: String,
    directory: TempDir,
    begin: Instant,
    _place: Place,
}

impl TestLab {
    /// A lab that nothing was made of yet.
    pub(crate) fn empty() -> TestLab {
        assert!(
            nix::unistd::Uid::effective().is_root(),
            "a lab needs network namespaces: run these tests as root"
        );
        assert!(
            image().join("index.json").is_file(),
            "there is no image of the service in {}: `make image` builds one, HELLO_LAB_IMAGE names another",
            image().display()
        );
        let place = Place::take();
        let name = format!("s{}x{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        // Paths of sockets must fit 107 bytes.
        let directory = tempfile::Builder::new().prefix("hls-").tempdir().unwrap();
        // The users of databases and of load balancers go through it.
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let terraform = workspace().join("terraform");
        for part in ["modules", "single-region"] {
            copy(&terraform.join(part), &directory.path().join("terraform").join(part));
        }
        TestLab { name, directory, begin: Instant::now(), _place: place }
    }

    /// A lab in which everything stands.
    pub(crate) fn standing() -> TestLab {
        let lab = TestLab::empty();
        lab.up();
        lab.step("everything stands");
        lab
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The directory that everything of it is in.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A file of its copy of the Terraform configuration.
    pub(crate) fn terraform_file(&self, path: &str) -> PathBuf {
        self.directory().join("terraform").join(path)
    }

    /// The certificate of its authority.
    pub(crate) fn authority(&self) -> PathBuf {
        self.directory().join("data").join(&self.name).join("tls/ca.pem")
    }

    /// Says how far a test is; seen at once, also where output is captured.
    pub(crate) fn step(&self, sentence: &str) {
        let _ =
            writeln!(io::stderr(), "{:7.1} s  {}: {sentence}", self.begin.elapsed().as_secs_f64(), self.name);
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        // Where `up`, `down` and `terraform` find the configuration that they take by default.
        command.current_dir(self.directory());
        command.env("HELLO_LAB", &self.name);
        command.env("HELLO_LAB_DATA", self.directory().join("data"));
        command.env("HELLO_LAB_RUN", self.directory().join("run"));
        command
    }

    /// The command line on it.
    pub(crate) fn cli(&self, arguments: &[&str]) -> Said {
        run(self.command(PROGRAM).args(arguments), LONG)
    }

    /// `up`, with everything applied.
    pub(crate) fn up(&self) {
        let image = image();
        self.cli(&["up", "--image", image.to_str().unwrap(), "--port", "0"]).ok();
    }

    /// The daemon alone, with the image in the registry.
    pub(crate) fn start_daemon(&self) {
        let image = image();
        self.cli(&["up", "--no-apply", "--image", image.to_str().unwrap(), "--port", "0"]).ok();
    }

    /// The user's own `terraform`, as `env` says; further variables are `NAME=VALUE`.
    pub(crate) fn terraform_under_way(&self, variables: &[&str], arguments: &[&str]) -> Running {
        let script = format!("variables=$({PROGRAM} env) && eval \"$variables\" && exec env \"$@\"");
        let mut command = self.command("sh");
        command
            .args(["-c", &script, "sh"])
            .args(variables)
            .args(["terraform", "-chdir=terraform/single-region"]);
        command.args(arguments).env("TF_CLI_CONFIG_FILE", "/dev/null").env("CHECKPOINT_DISABLE", "1");
        start(&mut command)
    }

    /// The same, to its end.
    #[track_caller]
    pub(crate) fn terraform(&self, variables: &[&str], arguments: &[&str]) -> Said {
        self.terraform_under_way(variables, arguments).end(LONG)
    }

    /// `terraform apply`.
    #[track_caller]
    pub(crate) fn apply(&self, variables: &[&str]) -> String {
        self.terraform(variables, APPLY).ok()
    }

    /// `terraform plan` must have nothing to do.
    #[track_caller]
    pub(crate) fn plan_is_clean(&self) {
        self.plan_is_clean_with(&[]);
    }

    /// The same with variables.
    #[track_caller]
    pub(crate) fn plan_is_clean_with(&self, variables: &[&str]) {
        let said = self.terraform(variables, &["plan", "-input=false", "-no-color", "-detailed-exitcode"]);
        assert_eq!(said.status.code(), Some(0), "{}\n{}", said.stdout, said.stderr);
    }

    /// What `status` shows.
    pub(crate) fn status(&self) -> String {
        self.cli(&["status"]).ok()
    }

    /// The parts that stand.
    pub(crate) fn parts(&self) -> Parts {
        Parts::of(&self.status())
    }

    /// Waits until everything is as it should be with `tasks` healthy tasks, after all that was applied so far: an apply
    /// waits for no service, and `status` shows how parts fare, which may be as of an earlier change.
    #[track_caller]
    pub(crate) fn settled(&self, tasks: usize, limit: Duration) -> Parts {
        wait_for("everything is as it should be", limit, || {
            self.settles()?;
            let said = self.cli(&["status"]);
            let parts = Parts::of(&said.stdout);
            let well = said.status.success()
                && said.stdout.contains(": ready")
                && !said.stdout.contains("not as they should be")
                && parts.tasks.len() == tasks
                && parts.tasks.iter().all(|task| task.words == "running, healthy");
            if well { Ok(parts) } else { Err(said.stdout + &said.stderr) }
        })
    }

    /// Waits as `up` does at its end, until every part is as it should be as of now; an error says which one is not.
    pub(crate) fn settles(&self) -> Result<(), String> {
        let lab = Lab::new(&self.name, &self.directory().join("data"), &self.directory().join("run"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let asked = runtime.block_on(async {
            let client = Client::connect(&self.name, &daemon::control_socket(&lab)).await?;
            client.ask(&Request::Settle, |_| {}).await
        });
        asked.map(|_| ()).map_err(|error| error.to_string())
    }

    /// Waits until the same processes lead their parts for good: an HAProxy whose configuration is an older one may still
    /// have to finish what it has.
    #[track_caller]
    pub(crate) fn processes_at_rest(&self) -> BTreeMap<String, i32> {
        wait_for("each node has one HAProxy", LONG, || {
            let processes = self.processes();
            let generations = processes.keys().filter(|name| name.starts_with("haproxy-"));
            let nodes: Vec<_> = generations.filter_map(|name| Some(name.rsplit_once('-')?.0)).collect();
            if nodes.iter().collect::<BTreeSet<_>>().len() == nodes.len() {
                Ok(processes)
            } else {
                Err(format!("{nodes:?}"))
            }
        })
    }

    /// What a database says to its superuser, over its socket: how a statement ended.
    pub(crate) fn sql(&self, identifier: &str, database: &str, statement: &str) -> Said {
        let socket =
            self.directory().join("run").join(&self.name).join("databases").join(REGION).join(identifier);
        let mut command = self.command("psql");
        command.args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-U", "rdsadmin", "-d", database, "-h"]);
        run(command.arg(socket.join("socket")).args(["-c", statement]), SOON)
    }

    /// All that has happened.
    pub(crate) fn events(&self) -> String {
        self.cli(&["events", "--last", "100000"]).ok()
    }

    /// A namespace by the part's name in it.
    pub(crate) fn namespace(&self, part: &str) -> Namespace {
        Namespace::named(format!("hl-{}-{part}", self.name))
    }

    /// A request by curl from a host of the lab's internet, with the certificate verified.
    pub(crate) fn curl(&self, from: &str, address: std::net::Ipv4Addr, arguments: &[&str]) -> Said {
        let authority = self.authority();
        let names = [443, 80].map(|port| format!("hello.localhost:{port}:{address}"));
        let mut all = vec!["exec", from, "--", "curl", "--silent", "--show-error", "--max-time", "20"];
        all.extend(["--cacert", authority.to_str().unwrap(), "--resolve", &names[0], "--resolve", &names[1]]);
        all.extend(arguments);
        self.cli(&all)
    }

    /// The process number of the daemon, if it runs.
    pub(crate) fn daemon(&self) -> Option<i32> {
        self.daemons().first().copied()
    }

    /// All its daemons, of which there must never be two.
    pub(crate) fn daemons(&self) -> Vec<i32> {
        let data = self.directory().join("data");
        let is_daemon = |process: &super::machine::Process| {
            let words = process.command_line();
            words.iter().any(|word| word == "daemon")
                && words.iter().any(|word| Path::new(word) == data)
                && words.iter().any(|word| word == &self.name)
        };
        // A process that it has just forked looks like it until that becomes another program.
        let is_its_own = |process: &super::machine::Process| {
            process.parent().is_some_and(|parent| !is_daemon(&parent)) && is_daemon(process)
        };
        super::machine::processes().filter(is_its_own).map(|process| process.pid).collect()
    }

    /// Kills the daemon without a warning, and waits until it is gone.
    pub(crate) fn kill_daemon(&self) {
        let pid = self.daemon().expect("a daemon runs");
        kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
        wait_for("the daemon is gone", SOON, || match self.daemon() {
            None => Ok(()),
            Some(pid) => Err(format!("{pid} is there")),
        });
    }

    /// What its daemons have logged.
    pub(crate) fn daemon_log(&self) -> String {
        let log = self.directory().join("run").join(&self.name).join("daemon/log");
        fs::read_to_string(log).unwrap_or_default()
    }

    /// Lets the daemon have so many files open, and no more.
    pub(crate) fn files_of_daemon(&self, limit: &str) {
        let daemon = self.daemon().expect("a daemon runs").to_string();
        run(Command::new("prlimit").args(["--pid", &daemon, &format!("--nofile={limit}:")]), SOON).ok();
    }

    /// The leading process of each part, by the part's name.
    pub(crate) fn processes(&self) -> BTreeMap<String, i32> {
        super::machine::processes()
            .filter_map(|process| {
                let part = process.part(&self.name)?;
                process.leads_its_group().then_some((part, process.pid))
            })
            .collect()
    }

    /// The first process of the one container of a task.
    #[track_caller]
    pub(crate) fn process_of(&self, task: &str) -> super::machine::Process {
        let tasks = self.directory().join("run").join(&self.name).join("tasks");
        let file = tasks.join(task).join("containers/hello-you/pid");
        super::machine::Process { pid: fs::read_to_string(file).unwrap().trim().parse().unwrap() }
    }

    /// The processes in its containers.
    pub(crate) fn processes_in_tasks(&self) -> impl Iterator<Item = super::machine::Process> {
        let group = format!("/hello-lab/{}/", self.name);
        super::machine::processes().filter(move |process| process.groups().contains(&group))
    }

    /// The command line on it, under way.
    pub(crate) fn follow(&self, arguments: &[&str]) -> Follower {
        Follower::start(self.command(PROGRAM).args(arguments))
    }

    /// `down`; what it leaves is looked for by [`super::machine`].
    pub(crate) fn down(&self) -> Said {
        self.cli(&["down"])
    }
}

impl Drop for TestLab {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for arguments in [&["status"][..], &["events", "--last", "60"]] {
                let said = run(self.command(PROGRAM).args(arguments), SOON);
                let _ = writeln!(io::stderr(), "{}{}", said.stdout, said.stderr);
            }
        }
        if std::thread::panicking() {
            let log = self.daemon_log();
            let last: Vec<&str> = log.lines().rev().take(20).collect();
            let _ = writeln!(io::stderr(), "the daemon's last lines, the newest first:\n{}", last.join("\n"));
        }
        let said = self.down();
        if !said.status.success() {
            let _ = writeln!(io::stderr(), "{}", said.stderr);
        }
        self.step("is down");
    }
}

/// Arguments of an apply.
pub(crate) const APPLY: &[&str] =
    &["apply", "-input=false", "-auto-approve", "-no-color", "-compact-warnings", "-parallelism=32"];
/// Arguments of a destroy.
pub(crate) const DESTROY: &[&str] = &[
    "apply",
    "-destroy",
    "-input=false",
    "-auto-approve",
    "-no-color",
    "-compact-warnings",
    "-parallelism=32",
];

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The OCI image layout of the service.
pub(crate) fn image() -> PathBuf {
    setting("HELLO_LAB_IMAGE").map_or_else(|| workspace().join("target/image"), PathBuf::from)
}

/// Copies a directory without what Terraform keeps in it.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        let text = name.to_string_lossy();
        if text.starts_with(".terraform") && text != ".terraform.lock.hcl"
            || text.starts_with("terraform.tfstate")
        {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to.join(name));
        } else {
            fs::copy(entry.path(), to.join(name)).unwrap();
        }
    }
}
