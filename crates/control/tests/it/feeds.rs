//! What becomes of a feed whose source cannot be read.

use std::io::Write;
use std::time::Duration;

use crate::support::{parse, records, start, stop};
use millstream_control::definition::{Kind, Reference};
use millstream_control::registry::Status;
use millstream_host::real_time;

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_cut_has_no_end_and_its_rest_is_read_when_it_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("numbers.gz");
    let expected: Vec<String> =
        (0..20_000_u64).map(|number| format!("{number} {}\n", number * 7_919 % 10_007)).collect();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(expected.concat().as_bytes()).unwrap();
    let whole = encoder.finish().unwrap();
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let pipeline = parse(&format!(
        "[[stream]]\nname = \"numbers\"\n[[input]]\nname = \"file\"\npath = \"{}\"\ninto_stream = \"numbers\"\n",
        path.display()
    ));
    let server = start(&pipeline, &folder.path().join("data")).await;
    let feed = Reference::new(Kind::Feed, "file");
    let mut changes = server.registry().changes();
    let failed = changes.wait_for(|rows| {
        let reason = rows.iter().find(|row| row.reference() == feed).and_then(|row| row.status.reason());
        reason.is_some_and(|reason| reason.contains("a part of the file is missing"))
    });
    real_time::within(Duration::from_secs(20), failed).await.expect("it says why").unwrap();
    let before = records(&server, "numbers").len();
    assert!(before > 0 && before < expected.len(), "{before}");
    std::fs::write(&path, &whole).unwrap();
    let all = async {
        while records(&server, "numbers").len() < expected.len() {
            real_time::sleep(Duration::from_millis(20)).await;
        }
    };
    real_time::within(Duration::from_secs(20), all).await.expect("it is tried again");
    assert_eq!(records(&server, "numbers"), expected, "nothing twice");
    let row = server.registry().find(&feed).unwrap();
    assert_eq!(row.status, Status::Active);
    stop(server).await;
}
