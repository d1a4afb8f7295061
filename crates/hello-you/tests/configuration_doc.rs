//! `docs/CONFIGURATION.md` is what the table of settings renders.

#![expect(clippy::unwrap_used, reason = "helpers of tests unwrap as tests do")]

#[path = "support/golden.rs"]
mod golden;

use hello_you::config::document;

#[test]
fn the_document_is_what_the_table_renders() {
    golden::assert_golden("../../docs/CONFIGURATION.md", &document::render());
}
