//! What lies below `DATA_DIR/buckets/`.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;

/// The demo's delivery stream.
pub const DELIVERY_STREAM: &str = "customer-reviews";
/// Where the demo's reviews with their ratings lie.
pub const MAIN: &str = "reviews/kinesis-data-firehose/";
/// Where its raw reviews lie.
pub const BACKUP: &str = "reviews/kinesis-data-firehose-source-record/";
/// Where its records lie that the function could not process.
pub const FAILED: &str = "reviews/kinesis-data-firehose-error/processing-failed/";

/// An object.
#[derive(Clone, Debug)]
pub struct Object {
    /// Below `buckets/`, with the bucket's name first.
    pub path: String,
    /// What it holds.
    pub bytes: Vec<u8>,
    written_at: SystemTime,
}

/// All objects whose path begins so, in the order in which they were written.
pub fn objects_of(data_directory: &Path, prefix: &str) -> Vec<Object> {
    let root = data_directory.join("buckets");
    let mut files = Vec::new();
    gather(&root, &mut files);
    let mut objects = Vec::new();
    for file in files {
        let path = file.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        if path.starts_with(prefix) {
            let written_at = std::fs::metadata(&file).unwrap().modified().unwrap();
            objects.push(Object { path, bytes: std::fs::read(&file).unwrap(), written_at });
        }
    }
    objects.sort_by(|one, other| (one.written_at, &one.path).cmp(&(other.written_at, &other.path)));
    objects
}

/// Every file below a directory.
fn gather(directory: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        // While the program runs: an object that is being written has `#` in its name until it is whole.
        if path.is_dir() {
            gather(&path, files);
        } else if !path.to_string_lossy().contains('#') {
            files.push(path);
        }
    }
}

/// The bytes of objects, one behind the other.
pub fn joined(objects: &[Object]) -> Vec<u8> {
    objects.iter().flat_map(|object| object.bytes.clone()).collect()
}

/// The lines of objects; each ends with a line break.
pub fn lines(objects: &[Object]) -> Vec<String> {
    let text = String::from_utf8(joined(objects)).expect("objects of text");
    assert!(text.is_empty() || text.ends_with('\n'), "the last line is whole: {text:?}");
    text.lines().map(str::to_owned).collect()
}

/// A review as the demo delivers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// Its id.
    pub review_id: String,
    /// What the model says.
    pub star_rating: u8,
    /// Its category.
    pub product_category: String,
    /// Its text.
    pub review_body: String,
}

/// The reviews of the demo's main objects.
pub fn delivered(data_directory: &Path) -> Vec<Delivered> {
    let lines = lines(&objects_of(data_directory, MAIN));
    lines.iter().map(|line| delivered_review(line)).collect()
}

fn delivered_review(line: &str) -> Delivered {
    let fields: Vec<&str> = line.split('\t').collect();
    let [review_id, star_rating, product_category, review_body] = fields.as_slice() else {
        panic!("{} fields: {line:?}", fields.len());
    };
    let star_rating = star_rating.parse().unwrap_or_else(|_| panic!("no rating: {line:?}"));
    assert!((1..=5).contains(&star_rating), "{line:?}");
    Delivered {
        review_id: (*review_id).to_owned(),
        star_rating,
        product_category: (*product_category).to_owned(),
        review_body: (*review_body).to_owned(),
    }
}

/// A record of the processing-failed objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// As it came in.
    pub data: Vec<u8>,
    /// Such as `Lambda.FunctionError`.
    pub code: String,
    /// In words.
    pub message: String,
}

/// The records of the demo's processing-failed objects, each line with the documented members and no others.
pub fn failed(data_directory: &Path) -> Vec<Failed> {
    let mut failed = Vec::new();
    for line in lines(&objects_of(data_directory, FAILED)) {
        let document: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let mut names: Vec<&str> = document.as_object().unwrap().keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(
            names,
            [
                "arrivalTimestamp",
                "attemptEndingTimestamp",
                "attemptsMade",
                "errorCode",
                "errorMessage",
                "lambdaArn",
                "rawData"
            ]
        );
        assert_eq!(document["attemptsMade"], 1, "{line}");
        let (arrival, end) = (&document["arrivalTimestamp"], &document["attemptEndingTimestamp"]);
        assert!(arrival.as_i64().unwrap() <= end.as_i64().unwrap(), "{line}");
        let text = |name: &str| document[name].as_str().unwrap().to_owned();
        failed.push(Failed {
            data: BASE64.decode(text("rawData")).unwrap(),
            code: text("errorCode"),
            message: text("errorMessage"),
        });
    }
    failed
}

/// Asserts that the rest of a path behind a prefix is `YYYY/MM/DD/HH/<delivery stream>-1-YYYY-MM-DD-HH-MM-SS-<uuid>`.
#[track_caller]
pub fn assert_dated(object: &Object, prefix: &str, delivery_stream: &str) {
    let path = &object.path;
    let rest = path.strip_prefix(prefix).unwrap_or_else(|| panic!("{path} is not below {prefix}"));
    let parts: Vec<&str> = rest.split('/').collect();
    let [year, month, day, hour, name] = parts.as_slice() else { panic!("{path}") };
    let start = format!("{delivery_stream}-1-{year}-{month}-{day}-{hour}-");
    let tail = name.strip_prefix(&start).unwrap_or_else(|| panic!("{path}: the name begins with {start}"));
    let number = |text: &str, digits: usize| text.len() == digits && text.bytes().all(|c| c.is_ascii_digit());
    assert!(number(year, 4) && number(month, 2) && number(day, 2) && number(hour, 2), "{path}");
    let parts: Vec<&str> = tail.split('-').collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    assert_eq!(lengths, [2, 2, 8, 4, 4, 4, 12], "{path}: minute, second and a UUID");
}
