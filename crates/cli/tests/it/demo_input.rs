//! The demo with reviews from a file.

use std::io::Read;
use std::path::Path;

use crate::support::objects::{BACKUP, DELIVERY_STREAM, Delivered, delivered, failed, joined};
use crate::support::reviews::{AMAZON_HEADER, amazon_line, id, sentence, short_line, write_file};
use crate::support::{Finished, Program, objects_of, page, repository, run, wait_for};
use rustix::process::Signal;
use serde_json::{Value, json};

fn demo(folder: &Path, file: &Path, rate: &str) -> Program {
    let data_directory = folder.join("data");
    Program::start(&[
        "demo",
        "--input",
        file.to_str().unwrap(),
        "--rate",
        rate,
        "--json",
        "--listen",
        "127.0.0.1:0",
        "--close-windows",
        "--data-dir",
        data_directory.to_str().unwrap(),
    ])
}

/// Runs the demo until all records of the file have been through the model; what the page shows then, and the end.
fn demo_of_all(folder: &Path, file: &Path, rate: &str, records: usize) -> (Value, Finished) {
    let mut program = demo(folder, file, rate);
    let page = program.next_json()["page"].as_str().unwrap().to_owned();
    let overview = wait_for("every record is rated or has failed", || {
        let overview = page::overview(&page);
        let rated = overview["summary"]["records_classified"].as_u64().unwrap();
        let failed = page::counter(&overview, "delivery stream", DELIVERY_STREAM, "failed").unwrap_or(0);
        (rated + failed >= records as u64).then_some(overview)
    });
    program.signal(Signal::TERM);
    (overview, program.finish())
}

fn star_ratings(reviews: &[Delivered]) -> Vec<u8> {
    reviews.iter().map(|review| review.star_rating).collect()
}

/// What the page says of the agreement.
fn agreement(known: &[u8], rated: &[u8]) -> Value {
    let near =
        |most: u8| known.iter().zip(rated).filter(|(one, other)| one.abs_diff(**other) <= most).count();
    json!({"known": known.len(), "equal": near(0), "within_one": near(1)})
}

/// The reviews arrive whole and in order.
fn assert_bodies(reviews: &[Delivered], records: usize) {
    let expected: Vec<(String, String, String)> =
        (0..records).map(|number| (id(number), "Kitchen".to_owned(), sentence(number).1)).collect();
    let found: Vec<(String, String, String)> = reviews
        .iter()
        .map(|review| (review.review_id.clone(), review.product_category.clone(), review.review_body.clone()))
        .collect();
    assert_eq!(found, expected);
}

fn amazon_file(path: &Path, records: usize) {
    let lines: Vec<String> = (0..records).map(amazon_line).collect();
    write_file(path, format!("{AMAZON_HEADER}\n{}\n", lines.join("\n")).as_bytes());
}

#[test]
fn amazon_reviews_plain_and_compressed_with_agreement() {
    for name in ["reviews.tsv", "reviews.tsv.gz"] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(name);
        amazon_file(&file, 48);
        let (overview, finished) = demo_of_all(folder.path(), &file, "200", 48);
        let summary = finished.summary_of_success();
        assert_eq!((&summary["records_in"], &summary["records_classified"]), (&json!(48), &json!(48)));
        assert_eq!(summary["errors"], 0, "{summary}");
        let data_directory = folder.path().join("data");
        let reviews = delivered(&data_directory);
        assert_bodies(&reviews, 48);
        let known: Vec<u8> = (0..48).map(|number| sentence(number).0).collect();
        let rated = star_ratings(&reviews);
        assert_eq!(overview["agreement"], agreement(&known, &rated));
        let within_one = overview["agreement"]["within_one"].as_u64().unwrap();
        assert!(within_one >= 40, "the sentences leave no doubt: {known:?} {rated:?}");
        assert_eq!(overview["is_synthetic"], false);
        assert_eq!(overview["source"], file.to_str().unwrap());
        assert_eq!(overview["reviews"][0]["known_rating"], sentence(47).0);
        // silent_6: raw records have three columns and no rating. silent_5: each is a line.
        let backup = String::from_utf8(joined(&objects_of(&data_directory, BACKUP))).unwrap();
        let raw: String = (0..48).map(|number| format!("{}\n", short_line(number))).collect();
        assert_eq!(backup, raw);
    }
}

#[test]
fn other_columns_are_found_by_their_names() {
    // Written on another system: a byte order mark, and carriage returns.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("short.tsv");
    let lines: Vec<String> = (0..12).map(short_line).collect();
    let text = format!("\u{feff}review_id\tproduct_category\treview_body\r\n{}\r\n", lines.join("\r\n"));
    write_file(&file, text.as_bytes());
    let (overview, finished) = demo_of_all(folder.path(), &file, "200", 12);
    assert_eq!(finished.summary_of_success()["records_classified"], 12);
    assert_eq!(overview["agreement"], Value::Null, "no author's rating is known");
    assert_bodies(&delivered(&folder.path().join("data")), 12);

    // In another order, with the author's rating and a column more.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rated.tsv.gz");
    let mut text = "star_rating\tproduct_category\tshop\treview_body\treview_id".to_owned();
    for number in 0..12 {
        let (stars, body) = sentence(number);
        text.push_str(&format!("\n{stars}\tKitchen\tnorth\t{body}\t{}", id(number)));
    }
    write_file(&file, text.as_bytes());
    let (overview, finished) = demo_of_all(folder.path(), &file, "200", 12);
    assert_eq!(finished.summary_of_success()["records_classified"], 12);
    let reviews = delivered(&folder.path().join("data"));
    assert_bodies(&reviews, 12);
    let known: Vec<u8> = (0..12).map(|number| sentence(number).0).collect();
    assert_eq!(overview["agreement"], agreement(&known, &star_ratings(&reviews)));
}

#[test]
fn the_next_run_goes_on_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("reviews.tsv");
    amazon_file(&file, 90);
    let mut program = demo(folder.path(), &file, "20");
    program.json_until(|line| line["records_in"].as_u64().unwrap() >= 20);
    program.signal(Signal::TERM);
    let first = program.finish().summary_of_success()["records_in"].as_u64().unwrap();
    assert!((20..90).contains(&first), "stopped in the middle, after {first}");
    let (_, finished) = demo_of_all(folder.path(), &file, "200", 90 - first as usize);
    assert_eq!(finished.summary_of_success()["records_in"], 90 - first);
    assert_bodies(&delivered(&folder.path().join("data")), 90);
}

#[test]
fn reviews_of_real_customers() {
    // Whoever runs the tests may have said that there are no reviews beside the checkout.
    if std::env::var("MILLSTREAM_TEST_LEAVE_OUT")
        .is_ok_and(|names| names.split(',').any(|name| name == "reviews"))
    {
        return;
    }
    let file = repository("../shared/data/amazon_reviews_us_Gift_Card_v1_00.tsv.gz");
    let mut text = Vec::new();
    let compressed = std::fs::File::open(&file).unwrap_or_else(|error| {
        panic!(
            "{}: {error}; cargo xtask test leaves this test out, as does MILLSTREAM_TEST_LEAVE_OUT=reviews",
            file.display()
        )
    });
    flate2::read::MultiGzDecoder::new(compressed).read_to_end(&mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    let rows: Vec<Vec<&str>> = text.lines().skip(1).map(|line| line.split('\t').collect()).collect();
    let (good, bad): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.len() == 15);
    assert!(good.len() > 1_000, "{} rows", rows.len());
    assert!(bad.iter().all(|row| row.len() < 3), "none could be mistaken for another review");

    let folder = tempfile::tempdir().unwrap();
    let (overview, finished) = demo_of_all(folder.path(), &file, "400", rows.len());
    let summary = finished.summary_of_success();
    assert_eq!(
        (&summary["records_in"], &summary["records_classified"]),
        (&json!(rows.len()), &json!(good.len()))
    );
    assert_eq!(summary["errors"], 2 * bad.len(), "a line that is no review fails, for both readers");
    let data_directory = folder.path().join("data");
    assert_eq!(failed(&data_directory).len(), bad.len());
    let reviews = delivered(&data_directory);
    let found: Vec<(&str, &str, &str)> = reviews
        .iter()
        .map(|review| {
            (review.review_id.as_str(), review.product_category.as_str(), review.review_body.as_str())
        })
        .collect();
    let expected: Vec<(&str, &str, &str)> = good.iter().map(|row| (row[2], row[6], row[13])).collect();
    assert_eq!(found, expected);
    let known: Vec<u8> = good.iter().map(|row| row[7].parse().unwrap()).collect();
    assert_eq!(overview["agreement"], agreement(&known, &star_ratings(&reviews)));
    let equal = overview["agreement"]["equal"].as_f64().unwrap() / known.len() as f64;
    let within_one = overview["agreement"]["within_one"].as_f64().unwrap() / known.len() as f64;
    assert!(
        equal > 0.6 && within_one > 0.85,
        "the model agrees with {equal:.3}, within one star {within_one:.3}"
    );
}

#[test]
fn what_is_no_file_of_reviews_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("columns.tsv"), "review_id\ttext\nR1\tgood\n").unwrap();
    std::fs::write(path("commas.csv"), "review_id,product_category,review_body\nR1,Toys,good\n").unwrap();
    std::fs::write(path("empty.tsv"), "").unwrap();
    std::fs::write(path("image.png"), b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR").unwrap();
    write_file(Path::new(&path("whole.tsv.gz")), AMAZON_HEADER.as_bytes());
    let whole = std::fs::read(path("whole.tsv.gz")).unwrap();
    std::fs::write(path("cut.tsv.gz"), &whole[..whole.len() / 2]).unwrap();
    std::fs::create_dir(path("directory")).unwrap();
    let cases = [
        (
            "columns.tsv",
            "is not a file of reviews: its first line must name the columns, separated by tabs, and product_category, \
             review_body are missing; it is: \"review_id\\ttext\"",
        ),
        (
            "commas.csv",
            "is not a file of reviews: its first line must name the columns, separated by tabs, and review_id, \
             product_category, review_body are missing; it is: \"review_id,product_category,review_body\"",
        ),
        ("empty.tsv", "is empty: its first line must name the columns, separated by tabs"),
        ("image.png", "is not a file of reviews"),
        ("cut.tsv.gz", ":"),
        ("missing.tsv", ": there is no such file\n"),
        ("directory", ": it is a directory\n"),
    ];
    for (name, words) in cases {
        let data_directory = path("data");
        let finished = run(&["demo", "--input", &path(name), "--no-console", "--data-dir", &data_directory]);
        let is_unreadable = words.starts_with(':');
        let start = if is_unreadable { "error: cannot read " } else { "error: " };
        let separator = if is_unreadable { "" } else { " " };
        finished.assert_failed(1, &[&format!("{start}{}{separator}{words}", path(name))]);
        assert_eq!(finished.stderr.lines().count(), 1, "{}", finished.stderr);
        assert!(finished.lines.is_empty(), "results only on standard output: {finished:#?}");
        assert!(!Path::new(&data_directory).exists(), "{name}: no data directory is left behind");
    }
}
