//! The page answers as soon as the program has said where it is.

use crate::support::{Program, page};

#[test]
fn the_page_answers_when_its_address_is_printed() {
    let folder = tempfile::tempdir().unwrap();
    let data_directory = folder.path().to_str().unwrap();
    let listen = ["--listen", "127.0.0.1:0", "--data-dir", data_directory];
    let mut program = Program::start(&[["demo", "--json"].as_slice(), &listen].concat());
    let line = program.next_json();
    let url = line["page"].as_str().unwrap_or_else(|| panic!("{line}"));
    // Asked once: the first question is answered.
    assert_eq!(page::get(url, "/health").unwrap(), (200, "ok".to_owned()));
    program.kill();

    // The same on a data directory that a kill has left.
    let mut program = Program::start(&[["demo", "--json"].as_slice(), &listen].concat());
    let line = program.next_json();
    let url = line["page"].as_str().unwrap_or_else(|| panic!("{line}"));
    assert_eq!(page::get(url, "/health").unwrap(), (200, "ok".to_owned()));
    assert!(page::get(url, "/").unwrap().1.contains("<html"));
    let (status, _) = page::get(url, "/nowhere").unwrap();
    assert_eq!(status, 404);
}
