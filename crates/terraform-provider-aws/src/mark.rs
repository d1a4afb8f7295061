//! The mark that tells the lab's state from production's.
//!
//! Every resource's private data (the part of state that only the provider reads) names the place that made it.
//! State without a mark may describe real infrastructure, so it is refused before anything is planned; state with a
//! mark of another place is refused likewise.

use crate::diagnostic::Diagnostic;
use serde::{Deserialize, Serialize};

#[derive(Deserialize, Serialize)]
struct Private {
    hello_you: Mark,
}

#[derive(Deserialize, Serialize)]
struct Mark {
    made_by: String,
    /// Only what the import's id says is known yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    imported: bool,
}

/// Private data with the mark of `place`.
pub fn private(place: &str) -> Vec<u8> {
    write(place, false)
}

/// Private data of a resource of `place` that has just been imported and not been read yet.
pub fn imported(place: &str) -> Vec<u8> {
    write(place, true)
}

fn write(place: &str, imported: bool) -> Vec<u8> {
    let private = Private { hello_you: Mark { made_by: place.to_owned(), imported } };
    serde_json::to_vec(&private).expect("strings and truth values are JSON")
}

/// Has the resource with this private data been imported and not been read yet?
pub fn is_imported(private: &[u8]) -> bool {
    serde_json::from_slice::<Private>(private).is_ok_and(|private| private.hello_you.imported)
}

/// Refuses private data that `place` did not write. `place` is `None` where nothing can be applied: any mark will do.
pub fn check(type_name: &str, private: &[u8], place: Option<&str>) -> Result<(), Diagnostic> {
    let found = serde_json::from_slice::<Private>(private).ok().map(|private| private.hello_you.made_by);
    match (found, place) {
        (None, _) => Err(Diagnostic::error(
            "State that the lab did not make",
            format!(
                "The state of this {type_name} does not carry the lab's mark, so it may describe real infrastructure \
                 and is refused: give the lab a state of its own (another workspace or backend), or use HashiCorp's \
                 provider."
            ),
        )),
        (Some(found), Some(place)) if found != place => Err(Diagnostic::error(
            "State of another lab",
            format!(
                "The state of this {type_name} was made by {found:?} and cannot be changed by {place:?}: use the \
                 workspace that belongs to {place:?}."
            ),
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_accepts_its_own_mark_only() {
        assert_eq!(check("aws_vpc", &private("lab"), Some("lab")), Ok(()));
        assert_eq!(check("aws_vpc", &private("lab"), None), Ok(()));
        assert!(check("aws_vpc", &private("lab"), Some("other")).is_err());
    }

    #[test]
    fn an_import_is_remembered_until_it_is_read() {
        assert!(is_imported(&imported("lab")) && !is_imported(&private("lab")));
        assert_eq!(check("aws_vpc", &imported("lab"), Some("lab")), Ok(()));
    }

    #[test]
    fn private_data_as_hashicorp_writes_it_is_refused() {
        for private in ["", "null", "{}", "{\"schema_version\":\"2\"}", "\"hello_you\"", "{\"hello_you\":{}}"]
        {
            assert!(check("aws_db_instance", private.as_bytes(), None).is_err(), "{private}");
        }
    }
}
