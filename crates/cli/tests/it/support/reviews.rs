//! Reviews that tests write, in the layouts that the demo reads.

use std::collections::HashSet;
use std::io::Write;
use std::path::Path;

/// The columns of the Amazon customer review files.
pub const AMAZON_HEADER: &str = "marketplace\tcustomer_id\treview_id\tproduct_id\tproduct_parent\tproduct_title\t\
    product_category\tstar_rating\thelpful_votes\ttotal_votes\tvine\tverified_purchase\treview_headline\t\
    review_body\treview_date";

/// Texts with the stars that nobody would doubt.
const SENTENCES: [(u8, &str); 6] = [
    (5, "I love it, it is perfect and I use it every day. Best purchase of the year!"),
    (1, "Terrible. It broke on the first day and nobody answers. Complete waste of money."),
    (5, "Absolutely wonderful, works great and looks beautiful. Highly recommended!"),
    (1, "Awful quality, it smells and it does not work at all. I want my money back."),
    (4, "Good and solid. I like it, though the lid could fit a little better."),
    (3, "It is okay. Not bad, not great, it does the job for now."),
];

/// The stars and the text of a review; both repeat, the id does not.
pub fn sentence(number: usize) -> (u8, String) {
    let (stars, text) = SENTENCES[number % SENTENCES.len()];
    (stars, format!("{text} Item {number}."))
}

/// The id of a review.
pub fn id(number: usize) -> String {
    format!("RT{number:06}")
}

/// A line of the Amazon layout.
pub fn amazon_line(number: usize) -> String {
    let (stars, body) = sentence(number);
    format!(
        "US\t4{number:05}\t{}\tB{number:05}\t7{number:05}\tA kettle\tKitchen\t{stars}\t0\t0\tN\tY\tMy words\t{body}\t2015-08-31",
        id(number)
    )
}

/// A line of `review_id`, `product_category`, `review_body`.
pub fn short_line(number: usize) -> String {
    format!("{}\tKitchen\t{}", id(number), sentence(number).1)
}

/// Writes a file, compressed if its name ends in `.gz`.
pub fn write_file(path: &Path, bytes: &[u8]) {
    if path.extension().is_some_and(|extension| extension == "gz") {
        let file = std::fs::File::create(path).unwrap();
        let mut encoder = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap();
    } else {
        std::fs::write(path, bytes).unwrap();
    }
}

/// The numbers of the made-up reviews in raw bytes, in order. An id is `S`, eight digits of the seed in hexadecimal,
/// the number, and a tab; no text of a made-up review looks like that. Raw records have nothing between them.
pub fn made_up_numbers(bytes: &[u8], seed: u32) -> Vec<usize> {
    let start = format!("S{seed:08X}");
    let text = std::str::from_utf8(bytes).expect("made-up reviews are text");
    text.match_indices(&start)
        .map(|(at, _)| {
            let rest = &text[at + start.len()..];
            let digits = rest.split('\t').next().unwrap();
            digits.parse().unwrap_or_else(|_| panic!("no number: {digits:?}"))
        })
        .collect()
}

/// Numbers without those that were there before.
pub fn first_occurrences(numbers: &[usize]) -> Vec<usize> {
    let mut seen = HashSet::new();
    numbers.iter().copied().filter(|number| seen.insert(*number)).collect()
}
