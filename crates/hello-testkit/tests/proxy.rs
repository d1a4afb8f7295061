//! The proxy, between real sockets.

#![expect(clippy::unwrap_used, reason = "helpers of tests unwrap as tests do")]

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use hello_testkit::{FaultProxy, Mode, Poll, wait_until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};

const LIMIT: Duration = Duration::from_secs(60);

/// How long silence must last to count as silence.
const SILENCE: Duration = Duration::from_millis(100);

/// A server that answers each byte with that byte plus `offset`, and an end with an end.
async fn start_server(offset: u8) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                while let Ok(byte) = socket.read_u8().await {
                    if socket.write_u8(byte + offset).await.is_err() {
                        break;
                    }
                }
            });
        }
    });
    address
}

async fn ask(socket: &mut TcpStream, byte: u8) -> std::io::Result<u8> {
    socket.write_u8(byte).await?;
    timeout(LIMIT, socket.read_u8()).await.expect("an answer or an error comes in time")
}

#[tokio::test]
async fn pass_forwards_both_ways_and_counts() {
    let proxy = FaultProxy::start(start_server(1).await);
    let mut first = TcpStream::connect(proxy.addr()).await.unwrap();
    let mut second = TcpStream::connect(proxy.addr()).await.unwrap();
    assert_eq!(ask(&mut first, 10).await.unwrap(), 11);
    assert_eq!(ask(&mut second, 20).await.unwrap(), 21);
    assert_eq!((proxy.accepted(), proxy.open()), (2, 2));
    drop(first);
    wait_until("one connection is left", LIMIT, async || Poll::ready_if(proxy.open() == 1, proxy.open()))
        .await;
    assert_eq!(proxy.accepted(), 2);
}

#[tokio::test]
async fn a_large_transfer_and_a_half_close_arrive_whole() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = FaultProxy::start(listener.local_addr().unwrap());
    let client = tokio::spawn({
        let address = proxy.addr();
        async move {
            let mut client = TcpStream::connect(address).await.unwrap();
            client.write_all(&vec![7; 3_000_000]).await.unwrap();
            client.shutdown().await.unwrap();
            client.read_u64().await.unwrap()
        }
    });
    let (mut server, _) = listener.accept().await.unwrap();
    let mut received = Vec::new();
    server.read_to_end(&mut received).await.unwrap();
    server.write_u64(received.len() as u64).await.unwrap();
    assert_eq!(client.await.unwrap(), 3_000_000);
}

#[tokio::test]
async fn refuse_resets_old_connections_and_refuses_new_ones() {
    let proxy = FaultProxy::start(start_server(1).await);
    let mut old = TcpStream::connect(proxy.addr()).await.unwrap();
    assert_eq!(ask(&mut old, 1).await.unwrap(), 2);
    let fault = proxy.fault(Mode::Refuse);
    assert_eq!(TcpStream::connect(proxy.addr()).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    assert_eq!(old.read_u8().await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(proxy.open(), 0);
    fault.heal();
    let mut new = TcpStream::connect(proxy.addr()).await.unwrap();
    assert_eq!(ask(&mut new, 1).await.unwrap(), 2);
}

#[tokio::test]
async fn reset_resets_old_and_new_connections() {
    let proxy = FaultProxy::start(start_server(1).await);
    let mut old = TcpStream::connect(proxy.addr()).await.unwrap();
    assert_eq!(ask(&mut old, 1).await.unwrap(), 2);
    let fault = proxy.fault(Mode::Reset);
    assert_eq!(old.read_u8().await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    let mut new = TcpStream::connect(proxy.addr()).await.unwrap();
    assert_eq!(timeout(LIMIT, new.read_u8()).await.unwrap().unwrap_err().kind(), ErrorKind::ConnectionReset);
    drop(fault);
    assert_eq!(proxy.mode(), Mode::Pass);
}

#[tokio::test]
async fn a_black_hole_is_silent_and_delivers_when_it_ends() {
    let proxy = FaultProxy::start(start_server(1).await);
    let mut old = TcpStream::connect(proxy.addr()).await.unwrap();
    assert_eq!(ask(&mut old, 1).await.unwrap(), 2);
    let fault = proxy.fault(Mode::BlackHole);
    let mut new = TcpStream::connect(proxy.addr()).await.unwrap();
    old.write_u8(5).await.unwrap();
    new.write_u8(6).await.unwrap();
    assert!(timeout(SILENCE, old.read_u8()).await.is_err());
    assert!(timeout(SILENCE, new.read_u8()).await.is_err());
    assert_eq!(proxy.accepted(), 1);
    fault.heal();
    assert_eq!(timeout(LIMIT, old.read_u8()).await.unwrap().unwrap(), 6);
    assert_eq!(timeout(LIMIT, new.read_u8()).await.unwrap().unwrap(), 7);
}

#[tokio::test]
async fn delay_holds_up_each_direction() {
    let proxy = FaultProxy::start(start_server(1).await);
    let mut socket = TcpStream::connect(proxy.addr()).await.unwrap();
    let one_way = Duration::from_millis(40);
    let _fault = proxy.fault(Mode::Delay(one_way));
    let started = Instant::now();
    assert_eq!(ask(&mut socket, 1).await.unwrap(), 2);
    assert!(started.elapsed() >= 2 * one_way, "{:?}", started.elapsed());
}

#[tokio::test]
async fn new_connections_go_to_a_new_upstream() {
    let proxy = FaultProxy::start(start_server(1).await);
    let mut old = TcpStream::connect(proxy.addr()).await.unwrap();
    assert_eq!(ask(&mut old, 1).await.unwrap(), 2);
    proxy.set_upstream(start_server(2).await);
    let mut new = TcpStream::connect(proxy.addr()).await.unwrap();
    assert_eq!(ask(&mut new, 1).await.unwrap(), 3);
    assert_eq!(ask(&mut old, 1).await.unwrap(), 2);
}

#[tokio::test]
async fn an_upstream_that_is_gone_resets_the_client() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let proxy = FaultProxy::start(gone);
    // The reset may come so fast that connecting already tells of it.
    let read = async { TcpStream::connect(proxy.addr()).await?.read_u8().await };
    assert_eq!(timeout(LIMIT, read).await.unwrap().unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn dropping_the_proxy_closes_its_port() {
    let proxy = FaultProxy::start(start_server(1).await);
    let address = proxy.addr();
    drop(proxy);
    assert_eq!(TcpStream::connect(address).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
}
