use super::*;

fn described(directory: &Path, name: &str, script: &str) -> Described {
    Described {
        name: name.to_owned(),
        program: "sh".into(),
        arguments: vec!["-c".into(), script.into()],
        environment: Vec::new(),
        namespace: None,
        user: None,
        directory: directory.to_owned(),
        log: directory.join(format!("{name}.log")),
    }
}

fn lab(directory: &Path) -> Processes {
    Processes::new(format!("test-{}-{}", std::process::id(), directory.display()), directory)
}

#[tokio::test]
async fn the_end_of_a_process_is_seen_with_its_exit_code() {
    let directory = tempfile::tempdir().unwrap();
    let mut running = lab(directory.path()).start(&described(directory.path(), "part", "exit 7")).unwrap();
    assert_eq!(tokio::time::timeout(Duration::from_secs(20), running.ended()).await.unwrap(), Some(7));
}

#[tokio::test]
async fn a_second_daemon_adopts_what_the_first_has_started() {
    let directory = tempfile::tempdir().unwrap();
    let processes = lab(directory.path());
    let first = processes.start(&described(directory.path(), "part", "exec sleep 600")).unwrap();
    let adopted = processes.adopt("part").unwrap().unwrap();
    assert_eq!(adopted.pid(), first.pid());
    let again = processes.start(&described(directory.path(), "part", "exec sleep 600")).unwrap();
    assert_eq!(again.pid(), first.pid());
    first.stop(Duration::from_secs(5)).await.unwrap();
    assert!(processes.adopt("part").unwrap().is_none());
}

#[tokio::test]
async fn a_process_that_was_never_recorded_is_found_by_its_mark() {
    let directory = tempfile::tempdir().unwrap();
    let processes = lab(directory.path());
    let first = processes.start(&described(directory.path(), "part", "exec sleep 600")).unwrap();
    fs::remove_file(processes.record("part")).unwrap();
    let adopted = processes.adopt("part").unwrap().unwrap();
    assert_eq!(adopted.pid(), first.pid());
    first.stop(Duration::from_secs(5)).await.unwrap();
}

#[tokio::test]
async fn a_number_that_belongs_to_another_process_now_is_not_adopted() {
    let directory = tempfile::tempdir().unwrap();
    let processes = lab(directory.path());
    let own = Identity::of(i32::try_from(std::process::id()).unwrap()).unwrap();
    let reused = Identity { start_time: own.start_time.wrapping_sub(1), ..own };
    fs::write(processes.record("part"), serde_json::to_vec(&reused).unwrap()).unwrap();
    assert!(processes.adopt("part").unwrap().is_none());
    assert!(!processes.record("part").exists(), "the record of one that has ended stays");
}

#[tokio::test]
async fn a_process_that_ignores_term_is_killed_after_its_grace() {
    let directory = tempfile::tempdir().unwrap();
    let script = "trap '' TERM; while :; do sleep 600 & wait; done";
    let running = lab(directory.path()).start(&described(directory.path(), "stubborn", script)).unwrap();
    running.stop(Duration::from_millis(100)).await.unwrap();
    assert!(lab(directory.path()).adopt("stubborn").unwrap().is_none());
    lab(directory.path()).kill_all();
}

#[tokio::test]
async fn a_process_with_a_user_has_no_capability_left() {
    let directory = tempfile::tempdir().unwrap();
    let mut part = described(directory.path(), "plain", "id -u; grep -E 'Cap(Eff|Bnd)' /proc/self/status");
    part.user = Some(User::named("nobody").unwrap());
    let mut running = lab(directory.path()).start(&part).unwrap();
    tokio::time::timeout(Duration::from_secs(20), running.ended()).await.unwrap();
    let output = fs::read_to_string(&part.log).unwrap();
    let words: Vec<_> = output.split_whitespace().collect();
    assert_eq!(words, ["65534", "CapEff:", "0000000000000000", "CapBnd:", "0000000000000000"]);
}

#[tokio::test]
async fn a_process_that_nobody_waits_for_does_not_stay_as_a_zombie() {
    let directory = tempfile::tempdir().unwrap();
    let running =
        lab(directory.path()).start(&described(directory.path(), "part", "exec sleep 600")).unwrap();
    let pid = running.pid();
    running.signal(Signal::SIGKILL).unwrap();
    drop(running);
    let gone = async {
        while Path::new(&format!("/proc/{pid}")).exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), gone).await.expect("it is waited for");
}

#[tokio::test]
async fn the_end_of_a_process_leaves_the_record_of_its_successor() {
    let directory = tempfile::tempdir().unwrap();
    let processes = lab(directory.path());
    let mut running = processes.start(&described(directory.path(), "part", "exit 0")).unwrap();
    let successor = serde_json::to_vec(&Identity { pid: 1, start_time: 1 }).unwrap();
    fs::write(processes.record("part"), &successor).unwrap();
    tokio::time::timeout(Duration::from_secs(20), running.ended()).await.unwrap();
    assert_eq!(fs::read(processes.record("part")).unwrap(), successor);
}

#[tokio::test]
async fn who_recorded_itself_is_found_while_it_runs() {
    let directory = tempfile::tempdir().unwrap();
    let record = directory.path().join("process");
    assert!(Running::recorded(&record).unwrap().is_none());
    record_own(&record).unwrap();
    let found = Running::recorded(&record).unwrap().unwrap();
    assert_eq!(u32::try_from(found.pid()), Ok(std::process::id()));
}
