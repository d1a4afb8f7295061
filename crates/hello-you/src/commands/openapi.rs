//! `openapi`: prints the OpenAPI document.

use std::io::Write;

/// Writes the document to standard output.
pub fn run() -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{}", crate::http::openapi::document())?;
    Ok(())
}
