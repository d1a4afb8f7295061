use super::*;
use crate::schema::Catalogue;
use std::{fs, path::Path};

#[test]
fn each_answer_without_an_account_cites_where_it_was_read() {
    for offline in OFFLINE {
        let (package, symbols) = offline.source.split_once(", ").unwrap();
        let is_name = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '.');
        assert!(package.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()), "{}", offline.name);
        assert!(symbols.split(", ").all(is_name) && !symbols.is_empty(), "{}", offline.name);
    }
}

#[test]
fn the_table_is_sorted_and_names_data_sources_only() {
    assert!(OFFLINE.is_sorted_by_key(|offline| offline.name));
    for offline in OFFLINE {
        assert!(Catalogue::aws().data_source(offline.name).is_some(), "{}", offline.name);
    }
}

#[test]
fn the_document_says_of_each_whether_it_is_true() {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/PROVIDER.md");
    let text = fs::read_to_string(document).unwrap();
    for offline in OFFLINE {
        // Some are written with an ending in brackets: `aws_availability_zone(s)`.
        let singular = offline.name.trim_end_matches('s');
        assert!(
            text.contains(&format!("`{}`", offline.name)) || text.contains(&format!("`{singular}(s)`")),
            "docs/PROVIDER.md says nothing of {}",
            offline.name
        );
    }
}
