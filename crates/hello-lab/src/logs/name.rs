//! Names of groups and streams as file names: reversible to the eye, and unique.

use crate::registry::oci::Digest;

/// The longest file name that is made: file systems take 255 bytes.
const LONGEST: usize = 200;

/// A file name for any name: what is no letter, digit, dash, underscore or dot stands as `%` and two digits, and so does
/// a dot at the beginning. A name that becomes too long ends in a hash of the whole.
pub fn encoded(name: &str) -> String {
    let hash = || format!("%%{}", Digest::of(name.as_bytes()).hex());
    let bytes = name.bytes().enumerate().map(|(position, byte)| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => char::from(byte).to_string(),
        b'.' if position > 0 => ".".to_owned(),
        other => format!("%{other:02X}"),
    });
    let mut encoded: String = bytes.collect();
    if encoded.is_empty() || encoded.len() > LONGEST {
        encoded.truncate(LONGEST - 70);
        // `%%` comes from no other name.
        encoded += &hash();
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slashes_and_dots_lead_nowhere() {
        assert_eq!(encoded("/ecs/hello"), "%2Fecs%2Fhello");
        assert_eq!(encoded(".."), "%2E.");
        assert_eq!(encoded("task/web/0a"), "task%2Fweb%2F0a");
    }

    #[test]
    fn different_names_stay_different() {
        let long = "x".repeat(400);
        let names = ["", "a", "A", "a.b", "a/b", "a%2Fb", &long, &format!("{long}y")];
        let mut files: Vec<_> = names.iter().map(|name| encoded(name)).collect();
        assert!(files.iter().all(|file| !file.is_empty() && file.len() <= 200 && !file.contains('/')));
        files.sort();
        files.dedup();
        assert_eq!(files.len(), names.len());
    }
}
