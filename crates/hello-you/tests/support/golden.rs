//! Texts that are kept in files: a difference is a failed test, and `UPDATE_GOLDEN=1` writes the files anew.

use std::fs;
use std::path::Path;

/// Compares with the file at that path, relative to this crate.
pub(crate) fn assert_golden(path: &str, actual: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, actual).unwrap();
        return;
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        actual,
        expected,
        "{} is stale; run this test with UPDATE_GOLDEN=1 and look at the difference",
        path.display()
    );
}
