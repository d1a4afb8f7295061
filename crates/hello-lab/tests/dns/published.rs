//! Ports of the machine's loopback that lead into the namespace.

use crate::support::{Bench, LIMIT, PROGRAM, SERVER, zone};
use hello_lab::publish::{Destination, PublishedPorts};
use hello_testkit::{Poll, wait_until};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::{
    fs,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    thread,
};

const HOST: &str = "web.example.com";

fn destination(bench: &Bench) -> Destination {
    Destination {
        namespace: bench.namespace.name().to_owned(),
        dns: SERVER,
        host: HOST.to_owned(),
        port: 8080,
    }
}

/// A server in the namespace that says its name and then all that it hears, once it has heard all. It ends with the
/// test's process.
fn start(bench: &Bench, address: [u8; 4], name: &'static str) {
    let listener = bench.namespace.run(move || TcpListener::bind((Ipv4Addr::from(address), 8080))).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let mut stream = stream;
                let mut heard = Vec::new();
                let _ = stream.read_to_end(&mut heard);
                let _ = stream.write_all(&[name.as_bytes(), b":", &heard].concat());
            });
        }
    });
}

/// What comes back through a published port after all was said.
fn say(port: u16, text: &[u8]) -> String {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream.write_all(text).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_published_port_leads_to_where_the_name_leads_and_follows_it() {
    let bench = Bench::new();
    let ports = PublishedPorts::new(&bench.lab, PROGRAM);
    bench.serve(&zone("example.com", &[(HOST, &[[127, 0, 5, 1]])], None)).await;
    start(&bench, [127, 0, 5, 1], "one");
    start(&bench, [127, 0, 5, 2], "two");
    let port = ports.reconcile("web", 0, &destination(&bench)).await.unwrap();
    assert_eq!(say(port, b"hello"), "one:hello");
    bench.serve(&zone("example.com", &[(HOST, &[[127, 0, 5, 2]])], None)).await;
    wait_until("the port leads to the other server", LIMIT, async || {
        let answer = say(port, b"hello");
        Poll::ready_if(answer == "two:hello", answer)
    })
    .await;
    // An address that nobody listens at is no obstacle where there is another.
    bench.serve(&zone("example.com", &[(HOST, &[[127, 0, 5, 2], [127, 0, 5, 9]])], None)).await;
    assert_eq!([say(port, b"a"), say(port, b"b")], ["two:a", "two:b"]);
}

#[tokio::test]
async fn a_half_closed_connection_carries_the_rest_of_the_answer() {
    let bench = Bench::new();
    let ports = PublishedPorts::new(&bench.lab, PROGRAM);
    bench.serve(&zone("example.com", &[(HOST, &[[127, 0, 5, 1]])], None)).await;
    start(&bench, [127, 0, 5, 1], "one");
    let port = ports.reconcile("web", 0, &destination(&bench)).await.unwrap();
    let long = vec![b'x'; 3_000_000];
    assert_eq!(say(port, &long).len(), long.len() + 4);
}

#[tokio::test]
async fn a_port_that_leads_nowhere_closes_the_connection() {
    let bench = Bench::new();
    let ports = PublishedPorts::new(&bench.lab, PROGRAM);
    bench.serve(&zone("example.com", &[], None)).await;
    let port = ports.reconcile("web", 0, &destination(&bench)).await.unwrap();
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    assert_eq!(stream.read(&mut [0; 1]).unwrap_or(0), 0);
}

#[tokio::test]
async fn a_taken_port_is_named_with_the_way_out() {
    let bench = Bench::new();
    let ports = PublishedPorts::new(&bench.lab, PROGRAM);
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let error = ports.reconcile("web", port, &destination(&bench)).await.unwrap_err().to_string();
    assert_eq!(
        error,
        format!(
            "port {port} of this machine is in use by another program: end that program, or choose another port for \
             this lab (0 takes a free one)"
        )
    );
    assert_eq!(ports.pid("web"), None);
}

#[tokio::test]
async fn a_free_port_stays_the_same_over_adoption_and_kill() {
    let bench = Bench::new();
    let ports = PublishedPorts::new(&bench.lab, PROGRAM);
    let port = ports.reconcile("web", 0, &destination(&bench)).await.unwrap();
    let pid = ports.pid("web").unwrap();
    let second = PublishedPorts::new(&bench.lab, PROGRAM);
    assert_eq!(second.reconcile("web", 0, &destination(&bench)).await.unwrap(), port);
    assert_eq!((second.pid("web"), second.port("web")), (Some(pid), Some(port)));
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    wait_until("the process is gone", LIMIT, async || {
        let pid = second.pid("web");
        Poll::ready_if(pid.is_none(), format!("{pid:?}"))
    })
    .await;
    assert_eq!(second.reconcile("web", 0, &destination(&bench)).await.unwrap(), port);
    assert_ne!(second.pid("web"), Some(pid));
}

#[tokio::test]
async fn a_published_port_is_served_without_root_and_leaves_nothing() {
    let bench = Bench::new();
    let ports = PublishedPorts::new(&bench.lab, PROGRAM);
    let port = ports.reconcile("web", 0, &destination(&bench)).await.unwrap();
    let pid = ports.pid("web").unwrap();
    for task in fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten() {
        let status = fs::read_to_string(task.path().join("status")).unwrap();
        let line = |name: &str| status.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
        assert_eq!(line("Uid:"), "Uid:\t65534\t65534\t65534\t65534");
        assert!(line("CapEff:").ends_with("0000000000000000"), "{}", line("CapEff:"));
    }
    let memory = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    println!("{}", memory.lines().find(|line| line.starts_with("Pss:")).unwrap());
    let errors = PublishedPorts::new(&bench.lab, PROGRAM).teardown().await;
    assert!(errors.is_empty(), "{errors:?}");
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
    assert!(!bench.lab.run("publish").exists() && !bench.lab.run("published").exists());
}

#[tokio::test]
async fn a_withdrawn_port_is_shown_no_more_and_is_the_same_the_next_time() {
    let bench = Bench::new();
    let ports = PublishedPorts::new(&bench.lab, PROGRAM);
    let port = ports.reconcile("web", 0, &destination(&bench)).await.unwrap();
    assert_eq!(ports.port("web"), Some(port));
    ports.withdraw("web").await.unwrap();
    assert_eq!(ports.port("web"), None);
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
    assert_eq!(ports.reconcile("web", 0, &destination(&bench)).await.unwrap(), port);
    ports.withdraw("web").await.unwrap();
    let errors = ports.teardown().await;
    assert!(errors.is_empty(), "{errors:?}");
    assert!(!bench.lab.run("published").exists());
}
