//! Renders the table of types in `docs/LAB.md`. The test below fails when the file is stale.

use super::catalogue::{Depth, TYPES};
use std::fmt::Write as _;

/// The table, as Markdown.
pub fn types() -> String {
    let mut text =
        "| type | here it is | arguments and blocks that have an effect here |\n|---|---|---|\n".to_owned();
    for known in TYPES {
        let depth = match known.depth {
            Depth::Real => "real",
            Depth::Stored => "stored",
            Depth::Recorded => "recorded",
        };
        let arguments: Vec<String> = known.arguments.iter().map(|name| format!("`{name}`")).collect();
        let arguments =
            if arguments.is_empty() { "whatever its users read".to_owned() } else { arguments.join(", ") };
        // A text can always be written to a text.
        let _ = writeln!(text, "| `{}` | {depth} | {arguments} |", known.name);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, path::Path};

    const BEGIN: &str = "<!-- types: begin -->\n";
    const END: &str = "<!-- types: end -->";

    #[test]
    fn the_manual_has_the_table_that_the_catalogue_renders() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/LAB.md");
        let manual = fs::read_to_string(&path).unwrap();
        let (before, rest) = manual.split_once(BEGIN).unwrap();
        let (found, after) = rest.split_once(END).unwrap();
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&path, format!("{before}{BEGIN}{}{END}{after}", types())).unwrap();
            return;
        }
        assert_eq!(found, types(), "the table of docs/LAB.md is stale; run this test with UPDATE_GOLDEN=1");
    }
}
