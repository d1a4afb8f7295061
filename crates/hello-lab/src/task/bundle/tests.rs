use super::*;
use crate::secret::Secret;
use std::time::Duration;

fn container() -> Container {
    Container {
        name: "web".to_owned(),
        image: "ghcr.io/owner/name:1".to_owned(),
        registry_credentials: None,
        essential: true,
        entry_point: None,
        command: None,
        environment: vec![("A".to_owned(), "task".to_owned())],
        secrets: vec![("S".to_owned(), Secret::new("hidden"))],
        user: None,
        dropped_capabilities: Vec::new(),
        read_only_root: true,
        health_check: None,
        stop_timeout: Duration::from_secs(30),
        log: None,
    }
}

fn task() -> Task {
    Task {
        id: "0123456789abcdef0123456789abcdef".to_owned(),
        region: "eu-west-1".to_owned(),
        namespace: "hl-x-task".to_owned(),
        address: [10, 0, 10, 50].into(),
        resolver: [10, 0, 0, 2].into(),
        cpu: 256,
        memory: 512,
        registry_ca: "/ca.pem".into(),
        containers: Vec::new(),
    }
}

fn execution() -> Execution {
    Execution {
        env: Some(vec!["A=image".to_owned(), "B=image".to_owned(), "PATH=/app".to_owned()]),
        entrypoint: Some(vec!["/app".to_owned()]),
        cmd: Some(vec!["serve".to_owned()]),
        working_dir: Some(String::new()),
        ..Execution::default()
    }
}

fn config(container: &Container, execution: &Execution, ids: &Ids) -> Result<Value, String> {
    let bundle = Bundle {
        task: &task(),
        container,
        execution,
        ids,
        directory: Path::new("/bundle"),
        root: Path::new("/bundle/root"),
        namespace: "/run/netns/hl-x-task".into(),
        group: "/hello-lab/x/task/web".into(),
        most_open_files: 4096,
    };
    bundle.config()
}

fn strings(value: &Value) -> Vec<String> {
    serde_json::from_value(value.clone()).unwrap()
}

const NOBODY: Ids = Ids { uid: 65532, gid: 65532, groups: Vec::new() };

#[test]
fn a_user_has_no_capability_and_root_those_that_are_not_dropped() {
    let mut web = container();
    let of = |web: &Container, ids: &Ids| {
        strings(&config(web, &execution(), ids).unwrap()["process"]["capabilities"]["bounding"])
    };
    assert!(of(&web, &NOBODY).is_empty());
    let root = Ids::default();
    assert_eq!(of(&web, &root).len(), 14);
    web.dropped_capabilities = vec!["NET_RAW".to_owned(), "CAP_MKNOD".to_owned()];
    let left = of(&web, &root);
    assert!(left.len() == 12 && !left.iter().any(|name| name == "CAP_NET_RAW" || name == "CAP_MKNOD"));
    web.dropped_capabilities = vec!["ALL".to_owned()];
    assert!(of(&web, &root).is_empty());
}

#[test]
fn the_task_is_told_what_counts_last_and_each_name_once() {
    let config = config(&container(), &execution(), &NOBODY).unwrap();
    let environment = strings(&config["process"]["env"]);
    let expected = [
        "PATH=/app",
        "A=task",
        "B=image",
        "AWS_EXECUTION_ENV=AWS_ECS_FARGATE",
        "AWS_DEFAULT_REGION=eu-west-1",
        "AWS_REGION=eu-west-1",
        "HOSTNAME=ip-10-0-10-50.eu-west-1.compute.internal",
        "S=hidden",
    ];
    assert_eq!(environment, expected);
}

#[test]
fn an_entry_point_of_the_task_takes_the_images_command_away() {
    let mut web = container();
    let of = |web: &Container| strings(&config(web, &execution(), &NOBODY).unwrap()["process"]["args"]);
    assert_eq!(of(&web), ["/app", "serve"]);
    web.command = Some(vec!["check".to_owned()]);
    assert_eq!(of(&web), ["/app", "check"]);
    web.entry_point = Some(vec!["/other".to_owned()]);
    assert_eq!(of(&web), ["/other", "check"]);
    web.command = None;
    assert_eq!(of(&web), ["/other"]);
    let nothing = config(&container(), &Execution::default(), &NOBODY);
    assert!(nothing.unwrap_err().contains("no command specified"));
}

#[test]
fn it_is_closed_in() {
    let config = config(&container(), &execution(), &NOBODY).unwrap();
    let process = &config["process"];
    assert_eq!(
        (&process["noNewPrivileges"], &process["user"]["uid"], &process["cwd"]),
        (&json!(true), &json!(65532), &json!("/"))
    );
    assert_eq!(process["rlimits"][0]["hard"], json!(4096));
    assert_eq!(config["root"]["readonly"], json!(true));
    assert_eq!(config["linux"]["resources"]["devices"], json!([{ "allow": false, "access": "rwm" }]));
    let namespaces = config["linux"]["namespaces"].as_array().unwrap();
    assert!(namespaces.contains(&json!({ "type": "network", "path": "/run/netns/hl-x-task" })));
    assert_eq!(namespaces.len(), 5);
    let mounts = config["mounts"].as_array().unwrap();
    assert!(
        !mounts.iter().any(|mount| mount["destination"] == json!("/tmp")),
        "Fargate gives no /tmp of its own"
    );
}

#[test]
fn names_are_asked_of_the_vpc() {
    let bundle = Bundle {
        task: &task(),
        container: &container(),
        execution: &execution(),
        ids: &NOBODY,
        directory: Path::new("/"),
        root: Path::new("/"),
        namespace: PathBuf::new(),
        group: PathBuf::new(),
        most_open_files: 1,
    };
    let files = bundle.files();
    assert_eq!(files[0].1, "nameserver 10.0.0.2\n");
    assert_eq!(
        files[1].1,
        "127.0.0.1 localhost\n10.0.10.50 ip-10-0-10-50.eu-west-1.compute.internal ip-10-0-10-50\n"
    );
}
