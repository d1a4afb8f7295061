//! What a client and a target see: rules, headers, statuses, TLS.

use crate::support::{Bench, GROUP, NODES, Server, group, listener};
use hello_lab::{
    load_balancer::model::{Action, Condition, LoadBalancer, Rule, TargetHealth},
    tls::{Authority, Request},
};
use std::{
    fs,
    net::{Ipv4Addr, SocketAddrV4},
    time::{Duration, Instant},
};

async fn with_one_target() -> (Bench, Server) {
    let bench = Bench::new();
    let one = Server::start(&bench, [127, 0, 10, 1]);
    bench.balancers.reconcile(&bench.balancer(&[&one])).await.unwrap();
    bench.all(TargetHealth::Healthy).await;
    (bench, one)
}

fn fixed(body: &str) -> Action {
    Action::Fixed { status: 200, content_type: "text/plain".to_owned(), body: body.to_owned() }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// A load balancer that says which rule was taken.
fn with_rules(bench: &Bench, rules: Vec<(u32, Vec<Condition>)>) -> LoadBalancer {
    let mut model = bench.balancer(&[]);
    let listener = model.listeners.get_mut(&80).unwrap();
    listener.default = fixed("default");
    listener.rules = rules
        .into_iter()
        .map(|(priority, conditions)| Rule { priority, conditions, action: fixed(&priority.to_string()) })
        .collect();
    model
}

async fn said(bench: &Bench, request: &str) -> String {
    bench.client(NODES[0]).await.send(request).await.body
}

#[tokio::test]
async fn the_target_learns_who_asked_and_how() {
    let (bench, _one) = with_one_target().await;
    let first = said(&bench, "GET /echo HTTP/1.1\r\nHost: web.example\r\n\r\n").await.to_lowercase();
    assert!(first.contains("\r\nx-forwarded-for: 127.0.0.1\r\n"), "{first}");
    assert!(first.contains("\r\nx-forwarded-proto: http\r\n"), "{first}");
    assert!(first.contains("\r\nx-forwarded-port: 80\r\n"), "{first}");
    assert!(first.contains("\r\nhost: web.example\r\n"), "{first}");
    assert!(first.contains("\r\nx-amzn-trace-id: root=1-"), "{first}");
    let request = "GET /echo HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 203.0.113.7, 8.3.1.1\r\n\
                   X-Forwarded-Proto: gopher\r\nX-Amzn-Trace-Id: Root=1-67891233-abcdef012345678912345678\r\n\r\n";
    let second = said(&bench, request).await.to_lowercase();
    assert!(second.contains("\r\nx-forwarded-for: 203.0.113.7, 8.3.1.1, 127.0.0.1\r\n"), "{second}");
    assert!(second.contains("\r\nx-forwarded-proto: http\r\n"), "{second}");
    assert!(second.contains(";root=1-67891233-abcdef012345678912345678\r\n"), "{second}");
}

#[tokio::test]
async fn invalid_headers_are_dropped_where_that_is_asked_for() {
    let (bench, one) = with_one_target().await;
    let request = "GET /echo HTTP/1.1\r\nHost: x\r\nx_under_score: 1\r\nX-Good-1: 1\r\nx.dot: 1\r\n\r\n";
    let kept = said(&bench, request).await.to_lowercase();
    assert!(kept.contains("x_under_score") && kept.contains("x.dot"), "{kept}");
    let mut model = bench.balancer(&[&one]);
    model.drop_invalid_headers = true;
    bench.balancers.reconcile(&model).await.unwrap();
    let dropped = said(&bench, request).await.to_lowercase();
    assert!(!dropped.contains("x_under_score") && !dropped.contains("x.dot"), "{dropped}");
    assert!(dropped.contains("x-good-1: 1"), "{dropped}");
}

#[tokio::test]
async fn a_target_that_closes_or_answers_nonsense_or_refuses_is_a_502() {
    let (bench, one) = with_one_target().await;
    for path in ["/close", "/garbage"] {
        let answer = bench.get(path).await;
        assert_eq!((answer.status, answer.header("server")), (502, Some("awselb/2.0")), "{path}");
        assert!(answer.body.contains("502 Bad Gateway"), "{}", answer.body);
    }
    // Also where it is not the first request of its connection.
    let mut client = bench.client(NODES[0]).await;
    for (path, status) in [("/who", 200), ("/close", 502), ("/who", 200), ("/garbage", 502)] {
        assert_eq!(client.get(path).await.status, status, "{path}");
    }
    drop(one);
    let answer = bench.get("/who").await;
    assert_eq!(answer.status, 502);
    assert!(answer.body.contains("502 Bad Gateway"), "{}", answer.body);
}

#[tokio::test]
async fn a_targets_own_503_is_passed_on_as_it_is() {
    let (bench, _one) = with_one_target().await;
    let answer = bench.get("/status/503").await;
    assert_eq!((answer.status, answer.body.as_str(), answer.header("server")), (503, "127.0.10.1", None));
}

#[tokio::test]
async fn a_target_that_says_nothing_is_a_504_after_the_idle_timeout() {
    let (bench, one) = with_one_target().await;
    let mut model = bench.balancer(&[&one]);
    model.idle_timeout = Duration::from_secs(1);
    bench.balancers.reconcile(&model).await.unwrap();
    let answer = bench.get("/never").await;
    assert_eq!((answer.status, answer.header("server")), (504, Some("awselb/2.0")));
}

#[tokio::test]
async fn a_target_that_cannot_be_reached_is_a_504_after_ten_seconds() {
    let bench = Bench::new();
    // Packets to an address of this kind of route are lost without a word.
    bench.run(
        std::process::Command::new("ip")
            .args(["link", "add", "void", "type", "veth", "peer", "name", "other"]),
    );
    bench.run(std::process::Command::new("ip").args(["addr", "add", "192.0.2.1/24", "dev", "void"]));
    bench.run(std::process::Command::new("ip").args(["link", "set", "void", "up"]));
    bench.run(std::process::Command::new("ip").args(["link", "set", "other", "up"]));
    let neighbour =
        ["neigh", "add", "192.0.2.9", "lladdr", "02:00:00:00:00:09", "dev", "void", "nud", "permanent"];
    bench.run(std::process::Command::new("ip").args(neighbour));
    let mut model = bench.balancer(&[]);
    let mut group = group(GROUP, &[]);
    group.targets.push(hello_lab::load_balancer::model::Target {
        address: Ipv4Addr::new(192, 0, 2, 9),
        port: 8080,
        draining: false,
    });
    model.target_groups.insert(GROUP.to_owned(), group);
    bench.balancers.reconcile(&model).await.unwrap();
    let begun = Instant::now();
    let answer = bench.get("/who").await;
    assert_eq!(answer.status, 504, "after {:?}", begun.elapsed());
    assert!(answer.body.contains("504 Gateway Time-out"), "{}", answer.body);
    assert!(begun.elapsed() >= Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn what_is_no_http_is_a_400_and_trace_a_405() {
    let (bench, one) = with_one_target().await;
    let before = one.requests();
    for (request, status) in [
        ("GET / HTTP/1.1\r\nHost x\r\n\r\n".to_owned(), 400),
        ("nonsense\r\n\r\n".to_owned(), 400),
        ("TRACE / HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), 405),
        (
            format!("GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {}\r\n\r\n", ["10.0.0.1"; 31].join(", ")),
            463,
        ),
        (format!("GET / HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n\r\n", "x".repeat(70_000)), 400),
    ] {
        let answer = bench.client(NODES[0]).await.send(&request).await;
        assert_eq!(answer.status, status, "{}", &request[..request.len().min(40)]);
    }
    assert_eq!(one.requests(), before);
}

#[tokio::test]
async fn a_request_with_lines_of_sixteen_kilobytes_passes() {
    let (bench, _one) = with_one_target().await;
    let long = "x".repeat(15_900);
    let request = format!("GET /status/201?{long} HTTP/1.1\r\nHost: x\r\nX-Long: {long}\r\n\r\n");
    assert_eq!(bench.client(NODES[0]).await.send(&request).await.status, 200);
}

#[tokio::test]
async fn a_redirect_fills_its_placeholders() {
    let bench = Bench::new();
    let mut model = bench.balancer(&[]);
    let redirect =
        |protocol: &str, host: &str, port: &str, path: &str, query: &str, status| Action::Redirect {
            protocol: protocol.to_owned(),
            host: host.to_owned(),
            port: port.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            status,
        };
    model.listeners.insert(80, listener(redirect("HTTPS", "#{host}", "443", "/#{path}", "#{query}", 301)));
    let other =
        redirect("#{protocol}", "www.#{host}", "#{port}", "/new/#{path}", "from=#{port}&100%&#{query}", 302);
    model.listeners.insert(81, listener(other));
    bench.balancers.reconcile(&model).await.unwrap();
    for (port, path, status, location) in [
        (80, "/a/b?x=1&y=%20", 301, "https://web.example:443/a/b?x=1&y=%20"),
        (80, "/", 301, "https://web.example:443/"),
        (81, "/a?q", 302, "http://www.web.example:81/new/a?from=81&100%&q"),
    ] {
        let mut client =
            crate::support::Client::connect(&bench.namespace, SocketAddrV4::new(NODES[1], port)).await;
        let request = format!("GET {path} HTTP/1.1\r\nHost: web.example:{port}\r\n\r\n");
        let answer = client.send(&request).await;
        assert_eq!((answer.status, answer.header("location")), (status, Some(location)));
        assert_eq!(answer.header("server"), Some("awselb/2.0"));
    }
}

#[tokio::test]
async fn a_fixed_response_is_given_as_it_is_written() {
    let bench = Bench::new();
    let mut model = bench.balancer(&[]);
    let body = "line one\n\"quoted\" %[src] $HOME 'x' \\n\n";
    let answer =
        Action::Fixed { status: 404, content_type: "application/json".to_owned(), body: body.to_owned() };
    model.listeners.insert(80, listener(answer));
    let empty = Action::Fixed { status: 204, content_type: String::new(), body: String::new() };
    model.listeners.insert(81, listener(empty));
    bench.balancers.reconcile(&model).await.unwrap();
    let answer = bench.get("/").await;
    assert_eq!((answer.status, answer.body.as_str()), (404, body));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(bench.curl(&["-o", "/dev/null", "-w", "%{http_code}", "http://127.0.1.1:81/"]).await, "204");
}

#[tokio::test]
async fn the_first_rule_by_priority_whose_conditions_all_hold_is_taken() {
    let bench = Bench::new();
    let rules = vec![
        (30, vec![Condition::Path(words(&["/api/*"]))]),
        (20, vec![Condition::Path(words(&["/api/*"])), Condition::Method(words(&["PUT", "POST"]))]),
        (
            10,
            vec![Condition::Path(words(&["/api/*"])), Condition::Source(vec!["10.0.0.0/8".parse().unwrap()])],
        ),
        (5, vec![Condition::Host(words(&["*.Example.com", "exact.org"]))]),
        (6, vec![Condition::Header("X-Tenant".to_owned(), words(&["ac?e", "*.b"]))]),
        (
            8,
            vec![Condition::Query(vec![
                (Some("version".to_owned()), "v?".to_owned()),
                (None, "*beta*".to_owned()),
            ])],
        ),
        (
            7,
            vec![Condition::Path(words(&["/Case"])), Condition::Source(vec!["127.0.0.0/8".parse().unwrap()])],
        ),
    ];
    bench.balancers.reconcile(&with_rules(&bench, rules)).await.unwrap();
    for (request, expected) in [
        ("GET /api/a HTTP/1.1\r\nHost: x\r\n\r\n", "30"),
        ("PUT /api/a HTTP/1.1\r\nHost: x\r\ncontent-length: 0\r\n\r\n", "20"),
        ("GET /apis HTTP/1.1\r\nHost: x\r\n\r\n", "default"),
        ("GET /x?/api/a HTTP/1.1\r\nHost: x\r\n\r\n", "default"),
        ("GET /api/a HTTP/1.1\r\nHost: www.EXAMPLE.com:80\r\n\r\n", "5"),
        ("GET / HTTP/1.1\r\nHost: exact.org\r\n\r\n", "5"),
        ("GET / HTTP/1.1\r\nHost: wwwXexample.com\r\n\r\n", "default"),
        ("GET / HTTP/1.1\r\nHost: x\r\nx-tenant: ACME\r\n\r\n", "6"),
        ("GET / HTTP/1.1\r\nHost: x\r\nx-tenant: acne.b\r\n\r\n", "6"),
        ("GET / HTTP/1.1\r\nHost: x\r\nx-tenant: acmee\r\n\r\n", "default"),
        ("GET /Case HTTP/1.1\r\nHost: x\r\n\r\n", "7"),
        ("GET /q?a=1&Version=V2 HTTP/1.1\r\nHost: x\r\n\r\n", "8"),
        ("GET /q?a=1&version=v22 HTTP/1.1\r\nHost: x\r\n\r\n", "default"),
        ("GET /q?xversion=v2 HTTP/1.1\r\nHost: x\r\n\r\n", "default"),
        ("GET /q?b=a-beta-c&d=1 HTTP/1.1\r\nHost: x\r\n\r\n", "8"),
        ("GET /case HTTP/1.1\r\nHost: x\r\n\r\n", "default"),
    ] {
        assert_eq!(said(&bench, request).await, expected, "{request}");
    }
}

#[tokio::test]
async fn rules_forward_to_different_target_groups() {
    let bench = Bench::new();
    let (one, two) = (Server::start(&bench, [127, 0, 10, 1]), Server::start(&bench, [127, 0, 11, 1]));
    let mut model = bench.balancer(&[&one]);
    model.target_groups.insert("admin".to_owned(), group("admin", &[&two]));
    model.listeners.get_mut(&80).unwrap().rules = vec![Rule {
        priority: 1,
        conditions: vec![Condition::Path(words(&["/admin*"]))],
        action: Action::Forward("admin".to_owned()),
    }];
    bench.balancers.reconcile(&model).await.unwrap();
    bench.all(TargetHealth::Healthy).await;
    assert_eq!(bench.get("/who").await.body, "127.0.10.1");
    assert_eq!(bench.get("/admin").await.body, "127.0.11.1");
}

#[tokio::test]
async fn a_client_is_let_go_after_its_keep_alive_and_after_the_idle_timeout() {
    let (bench, one) = with_one_target().await;
    let mut model = bench.balancer(&[&one]);
    // A target has the idle timeout to answer in.
    (model.client_keep_alive, model.idle_timeout) = (Duration::from_secs(1), Duration::from_secs(5));
    bench.balancers.reconcile(&model).await.unwrap();
    let begun = Instant::now();
    let mut idle = bench.client(NODES[0]).await;
    let first = idle.get("/who").await;
    assert!(first.header("connection").is_none() || begun.elapsed() >= model.client_keep_alive, "{first:?}");
    let begun = Instant::now();
    let mut busy = bench.client(NODES[0]).await;
    let last = loop {
        let answer = busy.get("/who").await;
        if answer.header("connection") == Some("close") {
            break answer;
        }
    };
    assert_eq!(last.status, 200);
    assert!(begun.elapsed() >= Duration::from_millis(950), "{:?}", begun.elapsed());
    busy.closed().await;
    idle.closed().await;
}

fn request(names: &[&str]) -> Request {
    Request { names: names.iter().map(|name| (*name).to_owned()).collect(), addresses: [].into() }
}

/// The load balancer with a certificate on port 443.
fn with_tls(bench: &Bench, one: &Server, policy: Option<&str>) -> (LoadBalancer, String) {
    let authority = Authority::of(&bench.lab).unwrap();
    let issued = authority.issue(&request(&["hello.localhost"])).unwrap();
    let mut model = bench.balancer(&[one]);
    let mut tls = listener(Action::Forward(GROUP.to_owned()));
    tls.certificate = Some(issued.combined);
    tls.ssl_policy = policy.map(ToOwned::to_owned);
    model.listeners.insert(443, tls);
    // curl runs as root and reads it there.
    (model, authority.certificate().to_str().unwrap().to_owned())
}

const RESOLVED: [&str; 2] = ["--resolve", "hello.localhost:443:127.0.1.1"];

#[tokio::test]
async fn https_is_verified_and_speaks_http_2() {
    let (bench, one) = with_one_target().await;
    let (model, ca) = with_tls(&bench, &one, Some("ELBSecurityPolicy-TLS13-1-2-2021-06"));
    bench.balancers.reconcile(&model).await.unwrap();
    let url = "https://hello.localhost/echo";
    let trusted = ["--cacert", &ca, RESOLVED[0], RESOLVED[1], url];
    let echo = bench.curl(&trusted).await.to_lowercase();
    assert!(echo.starts_with("get /echo http/1.1\r\n"), "{echo}");
    assert!(echo.contains("\r\nx-forwarded-proto: https\r\nx-forwarded-port: 443\r\n"), "{echo}");
    let version = ["-o", "/dev/null", "-w", "%{http_version} %{ssl_verify_result}"];
    assert_eq!(bench.curl(&[&version[..], &trusted[..]].concat()).await, "2 0");
    assert_eq!(bench.curl(&[&["--http1.1"], &version[..], &trusted[..]].concat()).await, "1.1 0");
}

#[tokio::test]
async fn a_security_policy_decides_which_versions_of_tls_are_spoken() {
    let (bench, one) = with_one_target().await;
    for (policy, spoken, refused) in [
        ("ELBSecurityPolicy-TLS13-1-2-2021-06", &["1.2", "1.3"][..], &["1.1"][..]),
        ("ELBSecurityPolicy-TLS13-1-3-2021-06", &["1.3"], &["1.2"]),
        ("ELBSecurityPolicy-2016-08", &["1.0", "1.1", "1.2"], &["1.3"]),
    ] {
        let (model, ca) = with_tls(&bench, &one, Some(policy));
        bench.balancers.reconcile(&model).await.unwrap();
        let script = |version: &str| {
            format!(
                "timeout 20 openssl s_client -connect 127.0.1.1:443 -servername hello.localhost -CAfile {ca} \
                 -verify_return_error -cipher DEFAULT:@SECLEVEL=0 -tls{} </dev/null >/dev/null 2>&1 && echo yes || echo no",
                version.replace("1.0", "1").replace('.', "_")
            )
        };
        for (versions, expected) in [(spoken, "yes\n"), (refused, "no\n")] {
            for version in versions {
                let output = bench.run(std::process::Command::new("sh").args(["-c", &script(version)]));
                assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{policy} {version}");
            }
        }
    }
    let (model, _) = with_tls(&bench, &one, Some("ELBSecurityPolicy-1999-01"));
    let error = bench.balancers.reconcile(&model).await.unwrap_err().to_string();
    assert!(error.contains("does not know the security policy ELBSecurityPolicy-1999-01"), "{error}");
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_and_its_key_stays_private() {
    let (bench, one) = with_one_target().await;
    let (mut model, ca) = with_tls(&bench, &one, None);
    bench.balancers.reconcile(&model).await.unwrap();
    let authority = Authority::of(&bench.lab).unwrap();
    let renewed = authority.issue(&request(&["hello.localhost", "other.localhost"])).unwrap();
    model.listeners.get_mut(&443).unwrap().certificate = Some(renewed.combined);
    bench.balancers.reconcile(&model).await.unwrap();
    let other =
        ["--cacert", &ca, "--resolve", "other.localhost:443:127.0.1.1", "https://other.localhost/who"];
    assert_eq!(bench.curl(&other).await, "127.0.10.1");
    let generations =
        fs::read_dir(bench.lab.run("load-balancers").join("eu-central-1.web/127.0.1.1")).unwrap();
    for file in
        generations.flatten().flat_map(|generation| fs::read_dir(generation.path()).unwrap().flatten())
    {
        use std::os::unix::fs::PermissionsExt as _;
        if file.file_name().to_string_lossy().starts_with("certificate-") {
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o077, 0);
        }
    }
}
