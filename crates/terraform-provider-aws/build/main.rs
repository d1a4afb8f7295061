//! Turns the protocol definition, the schemas and the facts into what the binary carries.
//!
//! - `proto/*.proto` become Rust types.
//! - `schemas/*.json` and `schemas/*.json.gz`, joined with what the facts know of a schema (version, sensitive,
//!   write-only, item limits), become the whole answer to `GetProviderSchema`, encoded, with an index of where each
//!   type stands in it.
//! - `facts/*.toml` become one compact JSON text a type, with an index.

#![expect(clippy::print_stdout, reason = "how a build script speaks to cargo")]

mod facts;
mod schemas;
mod wire;

use std::{error::Error, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    for watched in ["build", "proto", "schemas", "facts"] {
        println!("cargo:rerun-if-changed={watched}");
    }
    let out = std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?;
    let out = Path::new(&out);

    let descriptors = protox::compile(["proto/tfplugin6.proto", "proto/plugin.proto"], ["proto"])?;
    tonic_prost_build::configure()
        .build_client(false)
        .extern_path(".tfplugin6.GetProviderSchema.Response", "crate::schema::SchemaAnswer")
        .compile_fds(descriptors)?;

    let facts = facts::read_all(Path::new("facts"))?;
    facts::write(&facts, out)?;
    let providers = schemas::read_all(Path::new("schemas"))?;
    for name in ["aws", "random"] {
        let provider = providers.get(name).ok_or_else(|| format!("schemas/ describes no {name} provider"))?;
        schemas::write(name, provider, &facts, out)?;
    }
    Ok(())
}

/// A position as Rust code, in groups of digits as the lints want it.
fn position(number: usize) -> String {
    let digits = number.to_string();
    let first = digits.len() % 3;
    let groups =
        digits.as_bytes()[first..].chunks(3).map(|group| String::from_utf8_lossy(group).into_owned());
    let groups: Vec<String> =
        Some(digits[..first].to_owned()).into_iter().filter(|g| !g.is_empty()).chain(groups).collect();
    groups.join("_")
}
