//! The default model: stored reference logits, independence of the batch, long texts, agreement with people.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use millstream_inference::{KernelChoice, Model, Workspace};
use serde::Deserialize;

#[derive(Deserialize)]
struct Reference {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    text: String,
    ids: Vec<u32>,
    logits: Vec<f32>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/star-rating")
}

fn cases() -> Vec<Case> {
    let json = std::fs::read(folder().join("reference_logits.json")).unwrap();
    serde_json::from_slice::<Reference>(&json).unwrap().cases
}

fn greatest_difference(left: &[f32], right: &[f32]) -> f32 {
    assert_eq!(left.len(), right.len());
    left.iter().zip(right).map(|(left, right)| (left - right).abs()).fold(0.0, f32::max)
}

#[test]
fn logits_agree_with_the_reference_on_every_kernel() {
    let cases = cases();
    assert_eq!(cases.len(), 40);
    for choice in [KernelChoice::Best, KernelChoice::Portable] {
        let model = Model::load_with(&folder(), choice).unwrap();
        let texts: Vec<&str> = cases.iter().map(|case| case.text.as_str()).collect();
        let answers = model.classify(&texts, &mut Workspace::default()).unwrap();
        for (case, answer) in cases.iter().zip(answers) {
            assert_eq!(model.tokenize(&case.text).unwrap().0, case.ids, "{:?}", case.text);
            let difference = greatest_difference(&answer.logits, &case.logits);
            assert!(difference < 1e-3, "{:?} {:?}: {difference}", choice, case.text);
            assert_eq!(answer.token_count, case.ids.len());
            assert_eq!(answer.truncated, case.ids.len() == 128);
        }
    }
}

#[test]
#[cfg(feature = "default-model")]
fn the_embedded_model_is_the_folder() {
    let (embedded, loaded) = (Model::embedded_star_rating().unwrap(), Model::load(&folder()).unwrap());
    let mut workspace = Workspace::default();
    let texts = ["Works as expected!"];
    assert_eq!(embedded.classify(&texts, &mut workspace), loaded.classify(&texts, &mut workspace));
    assert_eq!(embedded.labels(), ["1 star", "2 stars", "3 stars", "4 stars", "5 stars"]);
    assert_eq!(embedded.longest_sequence(), 128);
}

#[test]
fn the_batch_does_not_change_the_logits() {
    let cases = cases();
    let model = Model::load(&folder()).unwrap();
    let mut workspace = Workspace::default();
    let texts: Vec<&str> = cases.iter().map(|case| case.text.as_str()).collect();
    let together = model.classify(&texts, &mut workspace).unwrap();
    let reversed: Vec<&str> = texts.iter().rev().copied().collect();
    let backward = model.classify(&reversed, &mut workspace).unwrap();
    for (number, text) in texts.iter().enumerate() {
        let alone = &model.classify(&[text], &mut workspace).unwrap()[0];
        assert!(greatest_difference(&alone.logits, &together[number].logits) < 1e-5);
        assert!(greatest_difference(&alone.logits, &backward[texts.len() - 1 - number].logits) < 1e-5);
    }
}

#[test]
fn a_long_text_is_read_as_far_as_needed_and_says_so() {
    let model = Model::load(&folder()).unwrap();
    let mut workspace = Workspace::default();
    let sentence = "Great value, would buy again! Arrived\tlate though;\nnot good. ";
    // Reading 300 bytes a time by hand gives the tokens of the beginning, whatever follows.
    let expected = model.tokenize(&sentence.repeat(12)).unwrap();
    assert!(expected.1);
    for repeats in [40, 800, (1 << 20) / sentence.len()] {
        assert_eq!(model.tokenize(&sentence.repeat(repeats)).unwrap(), expected);
    }
    let long_words = [
        "a".repeat(1 << 20),
        format!("{} fine", "b".repeat(300_000)),
        " ".repeat(1 << 20),
        format!("{}good", " \n".repeat(100_000)),
        "\u{0}".repeat(1 << 20),
        "好".repeat(300_000),
        "e\u{301}".repeat(200_000),
    ];
    for text in &long_words {
        let answer = &model.classify(&[text], &mut workspace).unwrap()[0];
        assert!(answer.token_count <= 128);
        assert!(!answer.truncated || answer.token_count == 128);
    }
    assert_eq!(model.tokenize(&long_words[1]).unwrap().0.len(), 4, "one unknown word and \"fine\"");
    assert_eq!(model.tokenize(&long_words[3]).unwrap(), model.tokenize("good").unwrap());
}

/// Whether whoever runs the tests has said that there are no reviews beside the checkout.
fn is_left_out() -> bool {
    std::env::var("MILLSTREAM_TEST_LEAVE_OUT")
        .is_ok_and(|names| names.split(',').any(|name| name == "reviews"))
}

/// The first 300 of the reviews kept for measuring; no text of them is part of this repository.
#[test]
fn stars_agree_with_reviewers() {
    if is_left_out() {
        return;
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/reviews_dev.tsv.gz");
    let file = std::fs::File::open(&path).unwrap_or_else(|error| {
        panic!(
            "{}: {error}; cargo xtask test leaves this test out, as does MILLSTREAM_TEST_LEAVE_OUT=reviews",
            path.display()
        )
    });
    let mut table = String::new();
    flate2::read::GzDecoder::new(file).read_to_string(&mut table).unwrap();
    let rows: Vec<Vec<&str>> = table.lines().skip(1).take(300).map(|row| row.split('\t').collect()).collect();
    let texts: Vec<&str> = rows.iter().map(|row| row[3]).collect();
    let model = Model::load(&folder()).unwrap();
    let answers = model.classify(&texts, &mut Workspace::default()).unwrap();
    let right = answers
        .iter()
        .zip(&rows)
        .filter(|(answer, row)| answer.label_index + 1 == row[1].parse::<usize>().unwrap())
        .count();
    assert!(right as f64 / 300.0 > 0.6, "{right} of 300");
}
