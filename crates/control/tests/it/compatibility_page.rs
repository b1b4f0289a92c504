//! `docs/compatibility.md` says what is true now.

use std::path::Path;

/// `MILLSTREAM_COMPLETE=1` writes the page; otherwise it must be as it would be written.
#[test]
fn the_page_is_fresh() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/compatibility.md");
    let page = millstream_control::compatibility_page();
    if std::env::var_os("MILLSTREAM_COMPLETE").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap();
    assert!(found == page, "docs/compatibility.md is out of date: run cargo xtask compatibility");
}
