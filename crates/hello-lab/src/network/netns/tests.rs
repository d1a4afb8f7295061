use super::*;
use std::net::TcpListener;

/// Removed when the test ends, however it ends.
struct Removed(Namespace);

impl Drop for Removed {
    fn drop(&mut self) {
        let _ = self.0.delete();
    }
}

fn fresh(word: &str) -> Removed {
    Removed(Namespace::named(format!("hltest-{word}-{}", std::process::id())))
}

#[test]
fn what_runs_inside_sees_only_the_namespace() {
    let namespace = fresh("inside");
    namespace.0.create().unwrap();
    let interfaces = namespace.0.run(|| fs::read_to_string("/proc/thread-self/net/dev")).unwrap();
    let names: Vec<_> =
        interfaces.lines().skip(2).filter_map(|line| line.split(':').next()).map(str::trim).collect();
    assert!(names.contains(&"lo") && !names.iter().any(|name| name.starts_with("eth")), "{interfaces}");
}

#[test]
fn creating_twice_and_deleting_twice_is_no_error() {
    let namespace = fresh("twice");
    namespace.0.create().unwrap();
    namespace.0.create().unwrap();
    assert!(namespace.0.exists());
    namespace.0.delete().unwrap();
    namespace.0.delete().unwrap();
    assert!(!namespace.0.exists());
}

#[test]
fn the_same_port_is_free_in_each_namespace() {
    let (one, other) = (fresh("one"), fresh("other"));
    one.0.create().unwrap();
    other.0.create().unwrap();
    let listen = || TcpListener::bind("0.0.0.0:80");
    let first = one.0.run(listen).unwrap();
    let second = other.0.run(listen).unwrap();
    drop((first, second));
}

#[test]
fn a_file_left_over_is_replaced_by_a_namespace() {
    let namespace = fresh("leftover");
    fs::create_dir_all(DIRECTORY).unwrap();
    File::create(namespace.0.path()).unwrap();
    assert!(!namespace.0.exists());
    namespace.0.create().unwrap();
    assert!(namespace.0.exists());
}

#[test]
fn a_namespace_can_be_removed_after_somebody_has_used_ip_netns_for_the_first_time() {
    assert!(nix::unistd::Uid::effective().is_root(), "this test makes mounts: run it as root");
    let removed = on_a_thread(|| {
        // A machine whose namespaces nobody has listed yet, in mounts of this thread's own.
        unshare(CloneFlags::CLONE_NEWNS)?;
        let private = MsFlags::MS_PRIVATE | MsFlags::MS_REC;
        mount(None::<&str>, "/", None::<&str>, private, None::<&str>)?;
        mount(Some("tmpfs"), "/run", Some("tmpfs"), MsFlags::empty(), None::<&str>)?;
        let first = Namespace::named("first");
        first.create()?;
        let ip = std::process::Command::new("ip").args(["netns", "add", "second"]).status()?;
        assert!(ip.success(), "ip netns add: {ip}");
        first.delete()?;
        Ok(!first.exists() && !first.path().exists())
    });
    assert!(removed.unwrap(), "it is still there");
}
