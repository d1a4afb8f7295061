//! Storage that the kernel does not write to any more, and state that cannot be read.

use crate::fixture::{Bench, of};
use std::{fs, path::PathBuf, process::Command};

fn directory(bench: &Bench) -> PathBuf {
    bench.lab.data("databases").join("eu-west-1/hello")
}

/// As after an error of the disk that the volume lies on.
fn make_read_only(bench: &Bench) {
    let volume = directory(bench).join("volume");
    // What has a file open for writing keeps the kernel from it, unless it is told to do it all the same.
    let remount = |option: &str| Command::new("mount").args(["-o", option]).arg(&volume).status().unwrap();
    assert!(remount("remount,ro").success(), "the volume cannot be made read-only");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_that_was_made_read_only_is_checked_and_written_to_again() {
    let bench = Bench::new("readonly");
    let instance = bench.primary("hello", 1);
    bench.make(&instance).await;
    let client = bench.client(&instance);
    client.tell("create table kept as select 1 as i");
    bench.databases.stop(&of("hello")).await.unwrap();
    make_read_only(&bench);
    bench.databases.start(&instance).await.unwrap();
    bench.make(&instance).await;
    assert_eq!(client.tell("select count(*) from kept"), "1");
    client.tell("insert into kept values (2)");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_on_a_read_only_volume_is_removed_wholly() {
    let bench = Bench::new("goesro");
    let instance = bench.primary("hello", 1);
    bench.make(&instance).await;
    bench.databases.stop(&of("hello")).await.unwrap();
    make_read_only(&bench);
    bench.databases.teardown().await.unwrap();
    assert_eq!(bench.leftovers(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_whose_state_cannot_be_read_is_removed_wholly() {
    let bench = Bench::new("badstate");
    let source = bench.primary("hello", 1);
    bench.make(&source).await;
    bench.make(&bench.replica("replica", 2, &source)).await;
    fs::write(directory(&bench).join("state.json"), "{").unwrap();
    bench.databases.teardown().await.unwrap();
    assert_eq!(bench.leftovers(), Vec::<String>::new());
}
