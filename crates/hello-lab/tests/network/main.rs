//! The network with real packets: needs root, and the programs `nft` and `ip`.
//!
//! Every test builds the network of a region of its own, in namespaces that begin with the name of its own lab, and
//! removes it however it ends. Connections are made by ordinary sockets from inside the namespaces.
//!
//! - `fixture`: the network, as our Terraform has it, and the servers in it
//! - `arrows`: who reaches whom, and as whom
//! - `changes`: what a change of the model does to new and to standing flows
//! - `repair`: drift, interruption, more than is wanted, tear-down
//! - `resources`: rules as Terraform applies them, in their three styles
//! - `regions`: two VPCs side by side

#![expect(clippy::unwrap_used, reason = "helpers of tests unwrap as tests do")]
#![expect(
    clippy::print_stderr,
    reason = "a drop guard that cannot clean up must not panic, and has nothing else to say it by"
)]

mod arrows;
mod changes;
mod fixture;
mod regions;
mod repair;
mod resources;
