//! Changes, forwarding, kill, adoption, tear-down.

use crate::support::{Bench, LIMIT, PROGRAM, SERVER, addresses, receive, zone};
use hello_lab::dns::{
    DnsServers,
    model::{RecordData, RecordSet},
};
use hello_testkit::{Poll, wait_until};
use hickory_server::proto::{op::ResponseCode, rr::RecordType};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::{
    fs,
    net::{Ipv4Addr, UdpSocket},
    time::Instant,
};

const OTHER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 54);

#[tokio::test]
async fn a_change_is_answered_by_the_same_process() {
    let bench = Bench::new();
    bench.serve(&zone("example.com", &[("www.example.com", &[[10, 0, 0, 1]])], None)).await;
    let before = bench.servers.pid("main");
    for last in 2..12 {
        let begun = Instant::now();
        bench.serve(&zone("example.com", &[("www.example.com", &[[10, 0, 0, last]])], None)).await;
        wait_until("the new address is answered", LIMIT, async || {
            let answer = bench.addresses(SERVER, "www.example.com.");
            Poll::ready_if(answer == [Ipv4Addr::new(10, 0, 0, last)], format!("{answer:?}"))
        })
        .await;
        println!("changed after {:?}", begun.elapsed());
    }
    assert_eq!(bench.servers.pid("main"), before);
}

#[tokio::test]
async fn the_rest_is_asked_of_the_server_behind() {
    let bench = Bench::new();
    let many: Vec<_> = (0..200).map(|last| [10, 0, 1, last]).collect();
    let mut behind =
        zone("example.org", &[("www.example.org", &[[10, 0, 0, 2]]), ("many.example.org", &many)], None);
    let alias = RecordSet { ttl: 60, data: RecordData::Cname("www.example.org".to_owned()) };
    bench.servers.reconcile("behind", &bench.namespace, &[OTHER], &behind).await.unwrap();
    let mut data = zone("example.com", &[], Some(OTHER));
    data.zones.get_mut("example.com").unwrap().names.insert("away.example.com".to_owned(), vec![alias]);
    bench.serve(&data).await;
    let answer = bench.ask(SERVER, "www.example.org.", RecordType::A);
    assert_eq!(addresses(&answer), [Ipv4Addr::new(10, 0, 0, 2)]);
    assert!(!answer.metadata.authoritative && answer.metadata.recursion_available);
    assert_eq!(bench.addresses(SERVER, "away.example.com."), [Ipv4Addr::new(10, 0, 0, 2)]);
    assert_eq!(bench.code(SERVER, "nobody.example.org."), ResponseCode::NXDomain);
    // More than fits UDP is fetched over TCP.
    assert_eq!(bench.ask_tcp(SERVER, "many.example.org.", RecordType::A).answers.len(), 200);
    behind.zones.clear();
    bench.servers.reconcile("behind", &bench.namespace, &[OTHER], &behind).await.unwrap();
    wait_until("the server behind refuses", LIMIT, async || {
        let code = bench.code(SERVER, "www.example.org.");
        Poll::ready_if(code == ResponseCode::Refused, code)
    })
    .await;
}

#[tokio::test]
async fn a_server_behind_that_says_nothing_holds_up_no_other_question() {
    let bench = Bench::new();
    let _silent = bench.namespace.run(|| UdpSocket::bind((OTHER, 53))).unwrap();
    bench.serve(&zone("example.com", &[("www.example.com", &[[10, 0, 0, 1]])], Some(OTHER))).await;
    // One after the other they would all have been given up before it has its turn.
    wait_until("another question is answered before theirs", LIMIT, async || {
        let asking = ask_in_vain(&bench);
        assert_eq!(bench.addresses(SERVER, "www.example.com."), [Ipv4Addr::new(10, 0, 0, 1)]);
        let waiting = asking.iter().filter(|socket| !has_answer(socket)).count();
        for socket in &asking {
            let mut buffer = [0; 512];
            let length = receive(socket, &mut buffer).unwrap();
            let answer = hickory_server::proto::op::Message::from_vec(&buffer[..length]).unwrap();
            assert_eq!(answer.metadata.response_code, ResponseCode::ServFail);
        }
        Poll::ready_if(waiting > 0, "all had their answers")
    })
    .await;
}

/// Several questions for the server behind.
fn ask_in_vain(bench: &Bench) -> Vec<UdpSocket> {
    (0..8)
        .map(|_| {
            let (_, bytes) = crate::support::question("www.example.org.", RecordType::A, None);
            bench.namespace.run(move || {
                let socket = UdpSocket::bind("127.0.0.1:0")?;
                socket.set_read_timeout(Some(LIMIT))?;
                socket.send_to(&bytes, (SERVER, 53))?;
                Ok(socket)
            })
        })
        .map(Result::unwrap)
        .collect()
}

fn has_answer(socket: &UdpSocket) -> bool {
    socket.set_nonblocking(true).unwrap();
    let peeked = socket.peek(&mut [0; 1]).is_ok();
    socket.set_nonblocking(false).unwrap();
    peeked
}

#[tokio::test]
async fn a_restarted_daemon_adopts_the_server_and_a_killed_one_is_replaced() {
    let bench = Bench::new();
    let data = zone("example.com", &[("www.example.com", &[[10, 0, 0, 1]])], None);
    bench.serve(&data).await;
    let before = bench.servers.pid("main").unwrap();
    let second = DnsServers::new(&bench.lab, PROGRAM);
    second.reconcile("main", &bench.namespace, &[SERVER], &data).await.unwrap();
    assert_eq!(second.pid("main"), Some(before));
    kill(Pid::from_raw(before), Signal::SIGKILL).unwrap();
    wait_until("the server is gone", LIMIT, async || {
        let pid = second.pid("main");
        Poll::ready_if(pid.is_none(), format!("{pid:?}"))
    })
    .await;
    second.reconcile("main", &bench.namespace, &[SERVER], &data).await.unwrap();
    assert_ne!(second.pid("main"), Some(before));
    assert_eq!(bench.addresses(SERVER, "www.example.com."), [Ipv4Addr::new(10, 0, 0, 1)]);
}

#[tokio::test]
async fn a_server_with_another_address_is_started_again() {
    let bench = Bench::new();
    let data = zone("example.com", &[("www.example.com", &[[10, 0, 0, 1]])], None);
    bench.serve(&data).await;
    let before = bench.servers.pid("main");
    bench.servers.reconcile("main", &bench.namespace, &[SERVER, OTHER], &data).await.unwrap();
    assert_ne!(bench.servers.pid("main"), before);
    for server in [SERVER, OTHER] {
        assert_eq!(bench.addresses(server, "www.example.com."), [Ipv4Addr::new(10, 0, 0, 1)]);
    }
}

#[tokio::test]
async fn a_server_whose_namespace_was_made_anew_is_started_again() {
    let bench = Bench::new();
    let data = zone("example.com", &[("www.example.com", &[[10, 0, 0, 1]])], None);
    bench.serve(&data).await;
    bench.namespace.delete().unwrap();
    bench.namespace.create().unwrap();
    let up =
        bench.namespace.run(|| std::process::Command::new("ip").args(["link", "set", "lo", "up"]).status());
    assert!(up.unwrap().success());
    bench.serve(&data).await;
    assert_eq!(bench.addresses(SERVER, "www.example.com."), [Ipv4Addr::new(10, 0, 0, 1)]);
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let bench = Bench::new();
    let _other = bench.namespace.run(|| UdpSocket::bind((SERVER, 53))).unwrap();
    let data = zone("example.com", &[], None);
    let error =
        bench.servers.reconcile("main", &bench.namespace, &[SERVER], &data).await.unwrap_err().to_string();
    assert!(error.contains("the DNS server main does not start"), "{error}");
    assert!(error.contains("cannot listen on 127.0.0.53:53"), "{error}");
}

#[tokio::test]
async fn a_server_is_unprivileged_and_small() {
    let bench = Bench::new();
    bench.serve(&zone("example.com", &[("www.example.com", &[[10, 0, 0, 1]])], None)).await;
    let pid = bench.servers.pid("main").unwrap();
    for _ in 0..100 {
        bench.addresses(SERVER, "www.example.com.");
    }
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = |name: &str| status.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    assert_eq!(line("Uid:"), "Uid:\t65534\t65534\t65534\t65534");
    assert_eq!(line("Groups:").trim_end(), "Groups:");
    for set in ["CapPrm:", "CapEff:", "CapInh:", "CapAmb:"] {
        assert!(line(set).ends_with("0000000000000000"), "{}", line(set));
    }
    assert_eq!(line("NoNewPrivs:"), "NoNewPrivs:\t1");
    assert_eq!(line("Threads:"), "Threads:\t1");
    // Nothing is written for each question.
    assert_eq!(fs::read_to_string(bench.lab.run("dns").join("main/log")).unwrap(), "");
    let memory = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    println!("{}", memory.lines().find(|line| line.starts_with("Pss:")).unwrap());
}

#[tokio::test]
async fn a_second_daemon_ends_the_servers_that_nobody_wants_any_more() {
    let bench = Bench::new();
    let data = zone("example.com", &[], None);
    bench.serve(&data).await;
    bench.servers.reconcile("behind", &bench.namespace, &[OTHER], &data).await.unwrap();
    let kept = bench.servers.pid("main");
    let second = DnsServers::new(&bench.lab, PROGRAM);
    let errors = second.delete_others(&["main".to_owned()].into()).await;
    assert!(errors.is_empty(), "{errors:?}");
    assert_eq!((second.pid("main"), second.pid("behind")), (kept, None));
    assert!(!bench.lab.run("dns").join("behind").exists());
}

#[tokio::test]
async fn teardown_leaves_neither_process_nor_file() {
    let bench = Bench::new();
    let data = zone("example.com", &[], None);
    bench.serve(&data).await;
    bench.servers.reconcile("behind", &bench.namespace, &[OTHER], &data).await.unwrap();
    let second = DnsServers::new(&bench.lab, PROGRAM);
    let errors = second.teardown().await;
    assert!(errors.is_empty(), "{errors:?}");
    assert_eq!((second.pid("main"), second.pid("behind")), (None, None));
    assert!(!bench.lab.run("dns").exists());
    assert_eq!(fs::read_dir(bench.lab.run("processes")).unwrap().count(), 0);
    assert_eq!(bench.lab.processes().kill_all(), 0);
    second.delete("main").await.unwrap();
}
