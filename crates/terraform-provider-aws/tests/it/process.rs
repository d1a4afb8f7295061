//! The process: handshake, reattach, several at once, killed in the middle.

use crate::harness::Workspace;
use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};
use terraform_provider_aws::{
    backend::{Backend, record::Record},
    config::Environment,
    provider::Role,
    serve::{reattach_variable, serve_reattach},
};
use tokio::sync::watch;

const EXECUTABLE: &str = env!("CARGO_BIN_EXE_terraform-provider-aws");
const COOKIE: &str = "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2";

#[test]
fn started_by_hand_it_says_what_it_is() {
    let output = Command::new(EXECUTABLE).env_remove("TF_PLUGIN_MAGIC_COOKIE").output().unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("this is a Terraform provider, which Terraform starts itself"), "{said}");
}

/// Ends the process also where a test fails.
struct Started(std::process::Child);

impl Drop for Started {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_handshake_offers_tls_where_terraform_asks_for_it() {
    for (offered, has_certificate) in [(Some("-----BEGIN CERTIFICATE-----"), true), (None, false)] {
        let mut command = Command::new(EXECUTABLE);
        command.env("TF_PLUGIN_MAGIC_COOKIE", COOKIE).stdout(Stdio::piped()).stderr(Stdio::null());
        if let Some(certificate) = offered {
            command.env("PLUGIN_CLIENT_CERT", certificate);
        }
        let mut process = Started(command.spawn().unwrap());
        let mut line = String::new();
        BufReader::new(process.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let parts: Vec<&str> = line.trim_end().split('|').collect();
        assert_eq!(parts[..3], ["1", "6", "unix"], "{line}");
        assert_eq!(parts[4], "grpc");
        assert!(std::path::Path::new(parts[3]).exists(), "the socket is there when the line is");
        assert_eq!(!parts[5].is_empty(), has_certificate, "{line}");
    }
}

const VPC: &str = r#"
terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.0"
    }
  }
}
provider "aws" {
  region = "eu-west-1"
}
provider "aws" {
  alias  = "west"
  region = "us-west-2"
}
resource "aws_vpc" "here" {
  cidr_block = "10.0.0.0/16"
}
resource "aws_vpc" "there" {
  provider   = aws.west
  cidr_block = "10.0.0.0/16"
}
output "regions" {
  value = [aws_vpc.here.region, aws_vpc.there.region]
}
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_server_serves_an_unmodified_init_and_several_configurations() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("aws.sock");
    let backend: Arc<dyn Backend> = Arc::new(Record::new(directory.path().join("record.jsonl")));
    let (stop, stopped) = watch::channel(false);
    let serving = {
        let socket = socket.clone();
        tokio::spawn(async move {
            serve_reattach(&socket, Role::Aws, backend, Environment::default(), stopped).await
        })
    };
    let deadline = Instant::now() + Duration::from_secs(60);
    // The file is there a moment before the server listens on it.
    while std::os::unix::net::UnixStream::connect(&socket).is_err() {
        assert!(Instant::now() < deadline && !serving.is_finished(), "the server does not listen");
        tokio::task::yield_now().await;
    }
    // Somebody else's bytes end their own connection and no more.
    for length in [1_usize, 100, 10_000] {
        let mut stranger = std::os::unix::net::UnixStream::connect(&socket).unwrap();
        stranger.write_all(&(0..=u8::MAX).cycle().take(length).collect::<Vec<_>>()).unwrap();
        stranger.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap_or_default();
    }
    let variable = reattach_variable([("hashicorp/aws", socket.as_path())]);
    let ran = tokio::task::spawn_blocking(move || {
        let workspace = Workspace::new(VPC)
            .set("TF_REATTACH_PROVIDERS", &variable)
            .set("TF_CLI_CONFIG_FILE", "/dev/null");
        let (success, text) = workspace.terraform(&["init", "-no-color"]);
        assert!(success, "{text}");
        workspace.apply(&[]);
        workspace.plan(&[]).assert_no_changes();
        workspace.state()["outputs"]["regions"]["value"].clone()
    });
    assert_eq!(ran.await.unwrap(), serde_json::json!(["eu-west-1", "us-west-2"]));
    stop.send_replace(true);
    serving.await.unwrap().unwrap();
}

#[test]
fn two_runs_at_once_share_a_record() {
    let record = tempfile::tempdir().unwrap();
    let file = record.path().join("record.jsonl");
    let runs: Vec<_> = (0..2)
        .map(|number| {
            let topics = format!("resource \"aws_sns_topic\" \"t\" {{\n  count = 20\n  name = \"t-{number}-${{count.index}}\"\n}}\n");
            let workspace = Workspace::new(&topics).set("HELLO_PROVIDER_RECORD", file.to_str().unwrap());
            std::thread::spawn(move || {
                workspace.apply(&[]);
                workspace.plan(&[]).assert_no_changes();
            })
        })
        .collect();
    for run in runs {
        run.join().unwrap();
    }
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(text.lines().count(), 40);
    assert!(text.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
}

#[test]
fn a_record_that_cannot_be_written_is_refused_and_leaves_no_state() {
    let workspace = Workspace::new("resource \"aws_sns_topic\" \"t\" {\n  name = \"t\"\n}\n")
        .set("HELLO_PROVIDER_RECORD", "/dev/full");
    let run = workspace.run(&["apply", "-json", "-auto-approve"]);
    run.assert_refused("/dev/full: No space left on device");
    assert!(!workspace.read("terraform.tfstate").contains("aws_sns_topic"));
    let nowhere = Workspace::new("resource \"aws_sns_topic\" \"t\" {\n  name = \"t\"\n}\n")
        .set("HELLO_PROVIDER_RECORD", "/nowhere/record.jsonl");
    nowhere.run(&["apply", "-json", "-auto-approve"]).assert_refused("HELLO_PROVIDER_RECORD names the file");
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Killed {
    Terraform,
    Provider,
}

#[test]
fn a_run_killed_in_the_middle_can_be_taken_up_again() {
    taken_up_again(Killed::Terraform);
}

#[test]
fn a_run_whose_provider_is_killed_in_the_middle_can_be_taken_up_again() {
    taken_up_again(Killed::Provider);
}

fn taken_up_again(killed: Killed) {
    let workspace = Workspace::new(
        "resource \"aws_sns_topic\" \"t\" {\n  count = 200\n  name = \"t-${count.index}\"\n}\n",
    );
    let mut process = Started(
        workspace
            .command(&["apply", "-auto-approve", "-input=false"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap(),
    );
    let record = workspace.path("hello-provider-record.jsonl");
    let made = || std::fs::read_to_string(&record).map_or(0, |text| text.lines().count());
    let deadline = Instant::now() + Duration::from_secs(60);
    while made() < 20 {
        assert!(Instant::now() < deadline, "only {} resources were made in a minute", made());
        std::thread::yield_now();
    }
    if killed == Killed::Provider {
        let directory = workspace.path("").canonicalize().unwrap();
        for provider in providers(&directory) {
            // It may be gone already.
            let _ = Command::new("kill").args(["-9", &provider]).status().unwrap();
        }
        assert!(!process.0.wait().unwrap().success(), "terraform does without its provider");
    }
    // Nothing is left to kill where the provider was.
    let _ = process.0.kill();
    process.0.wait().unwrap();
    // Terraform writes its state every few seconds and at the end: it may know none of what was made.
    let run = workspace.run(&["apply", "-json", "-auto-approve", "-lock=false"]);
    assert!(run.success, "{:#?}\n{}", run.errors(), run.text);
    workspace.plan(&["-lock=false"]).assert_no_changes();
}

#[test]
fn terraform_test_runs_with_the_provider_itself() {
    let workspace = Workspace::with_files(&[
        (
            "main.tf",
            r#"
variable "port" {
  type = number
  validation {
    condition     = var.port > 0
    error_message = "The port must be positive."
  }
}
ephemeral "aws_secretsmanager_random_password" "p" {}
data "aws_availability_zones" "here" {}
resource "aws_lb_target_group" "t" {
  name        = "app"
  port        = var.port
  protocol    = "HTTP"
  target_type = "ip"
  vpc_id      = "vpc-0123456789abcdef0"
}
output "zones" {
  value = data.aws_availability_zones.here.names
}
"#,
        ),
        (
            "tests/port.tftest.hcl",
            r#"
run "a_port_is_planned" {
  command = plan
  variables {
    port = 8080
  }
  assert {
    condition     = aws_lb_target_group.t.port == 8080
    error_message = "The target group must take the port."
  }
}
run "an_apply_is_recorded" {
  variables {
    port = 8080
  }
  assert {
    condition     = startswith(aws_lb_target_group.t.arn, "arn:aws:elasticloadbalancing:")
    error_message = "The target group must have an ARN."
  }
}
run "data_can_be_overridden" {
  command = plan
  variables {
    port = 1
  }
  override_data {
    target = data.aws_availability_zones.here
    values = { names = ["x"] }
  }
  assert {
    condition     = output.zones == tolist(["x"])
    error_message = "The overriding names must be taken."
  }
}
run "a_bad_port_is_refused" {
  command = plan
  variables {
    port = -1
  }
  expect_failures = [var.port]
}
"#,
        ),
    ]);
    let (success, text) = workspace.terraform(&["test", "-no-color"]);
    assert!(success && text.contains("4 passed, 0 failed"), "{text}");
}

#[test]
fn an_orphan_ends_and_an_interrupt_is_caught() {
    // A shell starts the provider, as Terraform would, and leaves it behind.
    let script = format!("{EXECUTABLE} & echo $!; read wait");
    let mut shell = Command::new("sh");
    shell
        .args(["-c", &script])
        .env("TF_PLUGIN_MAGIC_COOKIE", COOKIE)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut shell = Started(shell.spawn().unwrap());
    let mut lines = BufReader::new(shell.0.stdout.take().unwrap()).lines();
    let (first, second) = (lines.next().unwrap().unwrap(), lines.next().unwrap().unwrap());
    let (pid, handshake) = if first.contains('|') { (second, first) } else { (first, second) };
    let socket = std::path::PathBuf::from(handshake.split('|').nth(3).unwrap());
    let status = || std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    // Whoever has taken it over may not have waited for it.
    let running = || !matches!(status(), text if text.is_empty() || text.contains("State:\tZ"));
    // A terminal interrupts every process of a run: the signal is caught (2 is SIGINT's place in the mask).
    let now = status();
    let caught = now.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap().trim();
    assert_eq!(u64::from_str_radix(caught, 16).unwrap() & 0b10, 0b10, "{now}");
    shell.0.kill().unwrap();
    shell.0.wait().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while running() || socket.exists() {
        assert!(Instant::now() < deadline, "the provider outlived what started it: {handshake}");
        std::thread::yield_now();
    }
}

/// The ids of the provider processes whose directory is `directory`.
fn providers(directory: &std::path::Path) -> Vec<String> {
    let id = |process: std::path::PathBuf| {
        let ours = std::fs::read_link(process.join("cwd")).ok()? == directory
            && std::fs::read_to_string(process.join("comm")).ok()?.starts_with("terraform-provi");
        ours.then(|| process.file_name().map(|id| id.to_string_lossy().into_owned()))?
    };
    std::fs::read_dir("/proc").unwrap().filter_map(|entry| id(entry.ok()?.path())).collect()
}

/// The largest resident memory so far of a provider process whose directory is `directory`, in KiB.
fn resident(directory: &std::path::Path) -> u64 {
    let peak = |id: String| -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        peak.trim().trim_end_matches(" kB").parse().ok()
    };
    providers(directory).into_iter().filter_map(peak).max().unwrap_or(0)
}

#[test]
fn a_provider_process_stays_within_thirty_megabytes() {
    let workspace = Workspace::new(include_str!("../../benches/sixty_four/main.tf"));
    let directory = workspace.path("").canonicalize().unwrap();
    let mut process = Started(
        workspace.command(&["apply", "-auto-approve", "-input=false"]).stdout(Stdio::null()).spawn().unwrap(),
    );
    let mut largest = 0;
    while process.0.try_wait().unwrap().is_none() {
        largest = largest.max(resident(&directory));
    }
    assert!(process.0.wait().unwrap().success());
    assert!((1..30 * 1024).contains(&largest), "{largest} KiB");
}
