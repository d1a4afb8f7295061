//! A lab's whole life: destroyed with Terraform and taken down; a daemon that is killed while nothing changes, and one
//! that answers nobody.

use crate::support::{
    lab::{DESTROY, LONG, SOON, TestLab},
    load::{Client, Load, Request, others},
    machine::Footprint,
    parts::Parts,
    probe::{Reach, SILENCE, connect},
    secrets, wait_for,
};
use std::{fs, net::SocketAddrV4};

#[test]
fn what_runs_outlives_the_daemon_and_a_destroyed_lab_leaves_nothing() {
    let lab = TestLab::empty();
    let before = Footprint::of(&lab);
    assert_eq!(before.size(), 0);
    lab.up();
    lab.step("everything stands");
    let client = Client::of(&lab);
    let nodes: Vec<_> = lab.parts().nodes.iter().filter_map(|node| node.public).collect();
    client.writes(&nodes);

    let load = client.keep_asking(&nodes, &Request::read());
    let (parts, processes) = (lab.parts(), lab.processes_at_rest());
    for kind in ["database.", "haproxy-", "task-", "dns-", "registry", "publish-"] {
        assert!(processes.keys().any(|name| name.starts_with(kind)), "no {kind} in {processes:?}");
    }
    lab.kill_daemon();
    load.goes_on();
    assert_eq!(lab.processes(), processes, "a part ended with the daemon");
    lab.step("the service serves without the daemon");
    beside_another(&lab, &load);
    lab.start_daemon();
    assert_eq!(lab.settled(2, LONG), parts);
    assert_eq!(lab.processes(), processes, "a part was not adopted");
    lab.plan_is_clean();
    let answers = load.end();
    assert_eq!(others(&answers, 200), Vec::<String>::new());
    lab.step(&format!(
        "a new daemon has adopted {} processes; none of {} requests has failed",
        processes.len(),
        answers.len()
    ));

    secrets::are_kept(&lab);
    lab.step("nobody but root can read a secret, and nothing shows one");

    let said = lab.terraform(&[], DESTROY).ok();
    assert!(said.contains("Destroy complete!") || said.contains("Apply complete!"), "{said}");
    let listed = lab.terraform(&[], &["state", "list"]).ok();
    assert_eq!(listed.lines().filter(|line| !line.contains(".data.")).count(), 0, "{listed}");
    // The internet of the lab stays until it is taken down: its hosts, registry and DNS server. No apply waits for the end
    // of the VPC's DNS server.
    lab.settles().unwrap();
    let left = lab.processes();
    let unexpected: Vec<_> = left
        .keys()
        .filter(|name| *name != "registry" && *name != "dns-internet-dns" && *name != "publish-https")
        .collect();
    assert_eq!(unexpected, Vec::<&String>::new());
    assert_eq!(lab.parts(), Parts::default());
    lab.step("terraform has destroyed every part");
    lab.down().ok();
    before.is_restored(&lab);
    lab.step("nothing is left");
}

#[test]
fn a_lab_whose_daemon_answers_nobody_is_taken_down() {
    let lab = TestLab::empty();
    let before = Footprint::of(&lab);
    lab.start_daemon();
    let daemon = nix::unistd::Pid::from_raw(lab.daemon().expect("a daemon runs"));
    nix::sys::signal::kill(daemon, nix::sys::signal::Signal::SIGSTOP).unwrap();
    let said = lab.cli(&["status"]);
    assert!(!said.status.success());
    assert!(said.stderr.contains("down` ends it all the same"), "{}", said.stderr);
    lab.step("a daemon that was stopped is told from one that is not there");
    lab.down().ok();
    before.is_restored(&lab);
    lab.step("nothing is left");
}

#[test]
fn a_daemon_without_a_file_descriptor_left_waits_for_one() {
    let lab = TestLab::standing();
    let daemon = lab.daemon().expect("a daemon runs");
    let parts = lab.settled(2, LONG);
    lab.files_of_daemon("1");
    // The kernel takes the call, and the daemon cannot.
    let status = lab.follow(&["status"]);
    wait_for("the daemon says why it does not answer", SOON, || {
        let log = lab.daemon_log();
        if log.contains("failed to accept: ") { Ok(()) } else { Err(log) }
    });
    lab.files_of_daemon("1024");
    status.says(": ready", 0);
    assert_eq!(lab.settled(2, LONG), parts, "the daemon's want was taken for that of a part");
    assert_eq!(lab.daemon(), Some(daemon), "it is another daemon");
    lab.plan_is_clean();
    lab.step("the daemon was without a file descriptor and has gone on");
}

#[test]
fn a_lab_whose_run_directory_was_emptied_has_one_daemon_again() {
    let lab = TestLab::empty();
    let before = Footprint::of(&lab);
    lab.start_daemon();
    let first = lab.daemon().expect("a daemon runs");
    fs::remove_dir_all(lab.directory().join("run").join(lab.name()).join("daemon")).unwrap();
    lab.start_daemon();
    assert_eq!(lab.daemons().len(), 1, "{:?}, of which {first} was there before", lab.daemons());
    assert!(!lab.daemons().contains(&first));
    lab.step("the daemon without a socket has made room for another");
    lab.down().ok();
    before.is_restored(&lab);
    lab.step("nothing is left");
}

/// Another lab comes and goes; this one has nothing of it and notices nothing.
fn beside_another(lab: &TestLab, load: &Load) {
    let processes = lab.processes();
    let other = TestLab::empty();
    let before = Footprint::of(&other);
    other.start_daemon();
    lab.start_daemon();
    let [ours, theirs] = [lab, &other].map(|lab| lab.cli(&["env"]).ok());
    for (said, lab) in [(&ours, lab), (&theirs, &other)] {
        assert!(said.contains(&format!("TF_WORKSPACE='{}'", lab.name())), "{}", lab.name());
    }
    let differ = |name: &str| {
        let line = |said: &str| said.lines().find(|line| line.contains(name)).map(str::to_owned);
        assert!(line(&ours).is_some() && line(&ours) != line(&theirs), "{name} is the same in both");
    };
    // Who serves the provider, and the registry's password.
    differ("TF_REATTACH_PROVIDERS");
    differ("TF_VAR_github_token");
    let authority = |lab: &TestLab| fs::read(lab.authority()).unwrap();
    assert_ne!(authority(lab), authority(&other));
    // Each has a namespace of the name: that one's client reaches nothing of this one.
    let node = lab.parts().nodes[0].public.unwrap();
    let reach = connect(&other.namespace("client"), SocketAddrV4::new(node, 443), SILENCE);
    assert!(matches!(reach, Reach::Silence | Reach::NoRoute), "{reach}");
    assert_eq!(other.parts(), Parts::default());
    let gone = other.processes();
    assert!(!gone.is_empty() && gone.values().all(|pid| !processes.values().any(|own| own == pid)));
    other.down().ok();
    before.is_restored(&other);
    load.goes_on();
    assert_eq!(lab.processes(), processes, "a part ended with another lab");
    lab.kill_daemon();
    lab.step("another lab has come and gone");
}
