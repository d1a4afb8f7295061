//! `up`: from nothing to everything running.

use super::{ask, port_of, report};
use crate::{
    control::{Client, Request},
    daemon,
    environment::{DEFAULT_LAB, REPOSITORY},
    lab::Lab,
    preflight::{self, Machine},
    terraform::Terraform,
    timeouts,
};
use anyhow::{Context as _, bail};
use clap::Args;
use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    time::Instant,
};

/// Bytes of the daemon's log after which the next daemon begins a new one.
const LARGEST_LOG: u64 = 8 << 20;

/// What `up` is told.
#[derive(Debug, Args)]
pub(super) struct Up {
    /// The Terraform directory to apply.
    #[arg(long, default_value = "terraform/single-region")]
    directory: PathBuf,
    /// An OCI image layout to push to the lab's registry first (`make image` makes one).
    #[arg(long)]
    image: Option<PathBuf>,
    /// Port of this machine that leads to the load balancer; 0 takes a free one. 8443 for the default lab, else 0.
    #[arg(long)]
    port: Option<u16>,
    /// Start the lab and leave Terraform to the user.
    #[arg(long)]
    no_apply: bool,
    /// Further arguments of `terraform apply`.
    #[arg(last = true)]
    terraform: Vec<String>,
}

impl Up {
    pub(super) async fn run(self, lab: &Lab, data: &Path) -> anyhow::Result<ExitCode> {
        let begin = Instant::now();
        let step = |sentence: &str| {
            // Nobody may be reading.
            let _ = writeln!(io::stderr(), "{:6.1} s  {sentence}", begin.elapsed().as_secs_f64());
        };
        if !start(lab, data, self.port).await? {
            return Ok(ExitCode::FAILURE);
        }
        step("the daemon runs");
        if let Some(layout) = &self.image {
            let layout = fs::canonicalize(layout)
                .with_context(|| format!("find the image {}; `make image` makes one", layout.display()))?;
            let request = Request::Push { layout, repository: REPOSITORY.to_owned() };
            let image = ask(lab, &request, &mut io::stderr()).await?;
            step(&format!("the registry has {image}"));
        }
        if self.no_apply {
            writeln!(
                io::stdout(),
                "lab {} runs; now: eval \"$({} env)\" and terraform init, plan, apply",
                lab.name(),
                this_program(lab)
            )?;
            return Ok(ExitCode::SUCCESS);
        }
        let environment = ask(lab, &Request::Environment, &mut io::sink()).await?;
        let environment = serde_json::from_str(&environment).context("read the lab's environment")?;
        let terraform = Terraform::new(&self.directory, environment)?;
        terraform.init().await?;
        step("terraform init is done");
        terraform.apply(&self.terraform, &lab.run("daemon").join("terraform.log")).await?;
        step("terraform apply is done");
        ask(lab, &Request::Settle, &mut io::sink()).await?;
        step("everything is as it should be");
        ask(lab, &Request::Status, &mut io::stdout()).await?;
        hints(lab, &self.directory)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// How to call this program on the lab, as it was called.
fn this_program(lab: &Lab) -> String {
    let program = std::env::args().next().unwrap_or_else(|| "hello-lab".to_owned());
    if lab.name() == DEFAULT_LAB { program } else { format!("{program} --lab {}", lab.name()) }
}

/// What to do with a lab that stands.
fn hints(lab: &Lab, directory: &Path) -> io::Result<()> {
    let program = this_program(lab);
    writeln!(
        io::stdout(),
        "\nlook:   {program} status | events -f | logs GROUP -f\n\
         enter:  {program} exec task/ID -- COMMAND | exec client -- curl -k https://ADDRESS\n\
         ask:    psql -h {}/REGION/NAME/socket -U rdsadmin -d postgres\n\
         break:  {program} fault kill|freeze|cut|fill|restore PART\n\
         change: eval \"$({program} env)\"; terraform -chdir={} plan",
        lab.run("databases").display(),
        directory.display()
    )
}

/// Does the daemon answer? One that was just killed may have its socket open still.
async fn answers(lab: &Lab, socket: &Path) -> bool {
    let asked = async {
        let client = Client::connect(lab.name(), socket).await?;
        client.ask(&Request::Events { follow: false, last: 0 }, |_| {}).await
    };
    tokio::time::timeout(timeouts::CONTROL_REQUEST, asked).await.is_ok_and(|answer| answer.is_ok())
}

/// Starts the daemon unless it runs. `false` where the machine lacks something, which was said.
pub(super) async fn start(lab: &Lab, data: &Path, port: Option<u16>) -> anyhow::Result<bool> {
    let socket = daemon::control_socket(lab);
    if answers(lab, &socket).await {
        return Ok(true);
    }
    if daemon::runs(lab)? && !socket.exists() {
        // It starts, or its run directory was emptied under it: then nobody can ever reach it.
        let deadline = Instant::now() + timeouts::DAEMON_START;
        while Instant::now() < deadline && daemon::runs(lab)? {
            if answers(lab, &socket).await {
                return Ok(true);
            }
            tokio::time::sleep(timeouts::POLL_START).await;
        }
        daemon::kill(lab).await.context("end a daemon without a socket")?;
    }
    let port = port.unwrap_or_else(|| port_of(lab.name()));
    // Parts that outlived their daemon hold the port already.
    let published = lab.run("published").exists();
    let problems = preflight::problems(&Machine::this(data, Some(port).filter(|_| !published)));
    report(&problems);
    if problems.iter().any(|problem| problem.stops) {
        return Ok(false);
    }
    lab.claim()?;
    let directory = lab.run("daemon");
    fs::create_dir_all(&directory).with_context(|| format!("make {}", directory.display()))?;
    let path = directory.join("log");
    // What a daemon said is kept until the next but one.
    if fs::metadata(&path).is_ok_and(|log| log.len() > LARGEST_LOG) {
        fs::rename(&path, directory.join("log.older"))?;
    }
    let log = OpenOptions::new().create(true).append(true).open(&path)?;
    let (data, run) = lab.roots();
    let mut daemon = Command::new(std::env::current_exe()?)
        .args(["--lab", lab.name(), "--data"])
        .arg(data)
        .arg("--run")
        .arg(run)
        .args(["daemon", "--port", &port.to_string()])
        .current_dir("/")
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .context("start the daemon")?;
    let deadline = Instant::now() + timeouts::DAEMON_START;
    while !answers(lab, &socket).await {
        if let Some(status) = daemon.try_wait()? {
            if daemon::runs(lab)? {
                let number = daemon::process(lab).map(|pid| format!(" (process {pid})")).unwrap_or_default();
                bail!(
                    "the lab has a daemon{number} that does not answer: it is stopped, or the machine is overloaded. \
                     Kill it with SIGKILL and run this again: its parts go on"
                );
            }
            bail!("the daemon has ended with {status}; {} says why", path.display());
        }
        if Instant::now() > deadline {
            bail!(
                "the daemon does not answer after {} s; {} says more",
                timeouts::DAEMON_START.as_secs(),
                path.display()
            );
        }
        tokio::time::sleep(timeouts::POLL_START).await;
    }
    Ok(true)
}
