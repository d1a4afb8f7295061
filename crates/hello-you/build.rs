//! Puts the git revision into the program, or `unknown` where it is built from something else than a checkout.

use std::path::Path;
use std::process::Command;

fn main() {
    // An image is often built without `.git`; who builds it may say the revision.
    println!("cargo:rerun-if-env-changed=HELLO_YOU_REVISION");
    let given = std::env::var_os("HELLO_YOU_REVISION").and_then(|revision| revision.into_string().ok());
    let revision = given
        .filter(|revision| !revision.is_empty() && revision.bytes().all(|byte| byte.is_ascii_graphic()))
        .or_else(|| git(&["rev-parse", "--short=12", "HEAD"]))
        .unwrap_or_else(|| "unknown".to_owned());
    println!("cargo:rustc-env=BUILD_REVISION={revision}");

    // HEAD changes with a checkout, its log with a commit too. In a worktree they are not under `.git`, so git says where.
    for name in ["HEAD", "logs/HEAD"] {
        if let Some(path) = git(&["rev-parse", "--git-path", name])
            && Path::new(&path).exists()
        {
            println!("cargo:rerun-if-changed={path}");
        }
    }
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
