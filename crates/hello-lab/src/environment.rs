//! What a shell exports so that the user's own `terraform` works on the lab: where the provider is, the variables of our
//! roots, and credentials that open no account.

use crate::lab::Lab;
use base64::Engine as _;
use std::{collections::BTreeMap, path::PathBuf};
use terraform_provider_aws::serve::reattach_variable;

/// The domain of the lab: browsers and curl know that `*.localhost` is this machine (RFC 6761).
pub const DOMAIN: &str = "hello.localhost";
/// The user of the lab's container registry.
pub const REGISTRY_USER: &str = "hello-lab";
/// The repository under which `make lab` pushes the service's image.
pub const REPOSITORY: &str = "ghcr.io/hello-you/hello-you";
/// The lab that uses Terraform's default workspace.
pub const DEFAULT_LAB: &str = "default";

/// What the environment is made from.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Password of the registry's user.
    pub registry_password: String,
    /// The image by digest; `None` before one was pushed.
    pub image: Option<String>,
    /// Certificate of the lab's CA (PEM).
    pub ca: String,
    /// Major version of the machine's PostgreSQL.
    pub postgres_version: u32,
    /// Address of the administrator in the lab's internet.
    pub administrator: std::net::Ipv4Addr,
}

/// The sockets at which the daemon serves its providers, by the provider's name.
pub fn sockets(lab: &Lab) -> [(&'static str, PathBuf); 2] {
    ["aws", "random"].map(|name| {
        let full = if name == "aws" { "hashicorp/aws" } else { "hashicorp/random" };
        (full, lab.run("providers").join(format!("{name}.sock")))
    })
}

/// The variables, by name; made in the daemon, whose process number is one of them.
pub fn variables(lab: &Lab, facts: &Facts) -> BTreeMap<String, String> {
    let sockets = sockets(lab);
    let mut variables = BTreeMap::new();
    let mut set = |name: &str, value: String| variables.insert(name.to_owned(), value);
    let reattach = reattach_variable(sockets.iter().map(|(name, socket)| (*name, socket.as_path())));
    set("TF_REATTACH_PROVIDERS", reattach);
    if lab.name() != DEFAULT_LAB {
        set(WORKSPACE, lab.name().to_owned());
    }
    // Whatever else reads these finds credentials of nobody.
    set("AWS_ACCESS_KEY_ID", "lab".to_owned());
    set("AWS_SECRET_ACCESS_KEY", "lab".to_owned());
    set("AWS_SESSION_TOKEN", String::new());
    set("AWS_PROFILE", String::new());
    set("AWS_CONFIG_FILE", "/dev/null".to_owned());
    set("AWS_SHARED_CREDENTIALS_FILE", "/dev/null".to_owned());
    set("AWS_EC2_METADATA_DISABLED", "true".to_owned());
    set("TF_VAR_domain", DOMAIN.to_owned());
    set("TF_VAR_environment", "dev".to_owned());
    set("TF_VAR_github_user", REGISTRY_USER.to_owned());
    set("TF_VAR_github_token", facts.registry_password.clone());
    // The load balancer of a lab lets go of a target in milliseconds, so a task need not serve on for long.
    set("TF_VAR_service", r#"{"drain_delay":1}"#.to_owned());
    set("TF_VAR_image", facts.image.clone().unwrap_or_default());
    set("TF_VAR_postgres_version", facts.postgres_version.to_string());
    set("TF_VAR_database_ca_pem", facts.ca.clone());
    set("TF_VAR_admin_cidr", format!("{}/32", facts.administrator));
    set("TF_VAR_admin_public_key", public_key());
    variables
}

/// Terraform's variable for the workspace it works on.
const WORKSPACE: &str = "TF_WORKSPACE";

/// The variables as lines for a shell's `eval`.
pub fn shell(variables: &BTreeMap<String, String>) -> Vec<String> {
    let line =
        |(name, value): (&String, &String)| format!("export {name}='{}'", value.replace('\'', r"'\''"));
    let mut lines: Vec<String> = variables.iter().map(line).collect();
    if !variables.contains_key(WORKSPACE) {
        // Left by another lab's.
        lines.push(format!("unset {WORKSPACE}"));
    }
    lines
}

/// A public key in OpenSSH's form whose private half nobody has: the bastion is recorded only.
fn public_key() -> String {
    let mut blob = Vec::new();
    let key = ring::digest::digest(&ring::digest::SHA256, b"hello-lab's bastion");
    for part in [b"ssh-ed25519".as_slice(), key.as_ref()] {
        blob.extend(u32::try_from(part.len()).expect("a key is short").to_be_bytes());
        blob.extend(part);
    }
    format!("ssh-ed25519 {} hello-lab", base64::engine::general_purpose::STANDARD.encode(blob))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn facts() -> Facts {
        Facts {
            registry_password: "it's".to_owned(),
            image: None,
            ca: "PEM\nof two lines".to_owned(),
            postgres_version: 15,
            administrator: [198, 51, 100, 77].into(),
        }
    }

    fn lab(name: &str) -> Lab {
        Lab::new(name, Path::new("/var/lib/hello-lab"), Path::new("/run/hello-lab"))
    }

    #[test]
    fn only_the_default_lab_uses_the_default_workspace() {
        assert!(!variables(&lab("default"), &facts()).contains_key("TF_WORKSPACE"));
        assert_eq!(variables(&lab("second"), &facts())["TF_WORKSPACE"], "second");
    }

    #[test]
    fn a_shell_that_was_another_labs_is_the_default_ones_again() {
        let lines = |name| shell(&variables(&lab(name), &facts())).join("\n");
        let script = format!("{}\n{}\nprintf %s \"$TF_WORKSPACE\"", lines("second"), lines("default"));
        let output = std::process::Command::new("sh").arg("-c").arg(script).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), "");
    }

    #[test]
    fn a_shell_reads_back_what_was_meant() {
        let lines = shell(&variables(&lab("default"), &facts())).join("\n");
        let script = format!("{lines}\nprintf '%s|%s' \"$TF_VAR_github_token\" \"$TF_VAR_database_ca_pem\"");
        let output = std::process::Command::new("sh").arg("-c").arg(script).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), "it's|PEM\nof two lines");
    }

    #[test]
    fn no_real_account_can_be_meant() {
        let variables = variables(&lab("default"), &facts());
        assert_eq!(variables["AWS_ACCESS_KEY_ID"], "lab");
        assert_eq!(variables["AWS_PROFILE"], "");
        assert_eq!(variables["AWS_SHARED_CREDENTIALS_FILE"], "/dev/null");
    }
}
