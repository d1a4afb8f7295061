//! The end of a lab: every part, whether a daemon runs or not.

use crate::{
    database::Databases, dns::DnsServers, files::gone, lab::Lab, load_balancer::LoadBalancers, network,
    publish::PublishedPorts, registry::Registry, task::tasks::Tasks,
};
use std::fmt::Display;

/// Ends every part of the lab and removes its files. Goes on after an error; all errors come back, as sentences.
///
/// Directories that no lab has made are refused before anything is touched.
pub async fn tear_down(lab: &Lab) -> Vec<String> {
    if let Err(error) = lab.is_nobody_elses() {
        return vec![error.to_string()];
    }
    let program = std::env::current_exe().unwrap_or_default();
    let mut errors = Vec::new();
    let mut failed = |what: &str, error: &dyn Display| errors.push(format!("{what}: {error}"));
    for error in PublishedPorts::new(lab, &program).teardown().await {
        failed("published port", &error);
    }
    for error in LoadBalancers::new(lab).teardown().await {
        failed("load balancers", &error);
    }
    match Tasks::new(lab) {
        Ok(tasks) => {
            for error in tasks.teardown().await.err().into_iter().flatten() {
                failed("tasks", &error);
            }
        }
        Err(error) => failed("tasks", &error),
    }
    if let Err(error) = Registry::remove(lab).await {
        failed("registry", &error);
    }
    if let Err(error) = Databases::new(lab).teardown().await {
        failed("databases", &error);
    }
    for error in DnsServers::new(lab, &program).teardown().await {
        failed("DNS servers", &error);
    }
    lab.processes().kill_all();
    let own = lab.clone();
    match tokio::task::spawn_blocking(move || network::teardown(&own)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => failed("network", &error),
        Err(error) => failed("network", &error),
    }
    for directory in [lab.run(""), lab.data("")] {
        if let Err(error) = gone(std::fs::remove_dir_all(&directory)) {
            failed("files", &format!("{}: {error}", directory.display()));
        }
    }
    // The default ones go with the last lab. Others are the user's, who may have made them.
    for root in <[_; 2]>::from(lab.roots()).into_iter().filter(|root| root.ends_with("hello-lab")) {
        let _ = std::fs::remove_dir(root);
    }
    errors
}
