//! SQL texts: from noise to golden files with damage.

use crate::random::Random;
use crate::rows;
use millstream_engine::{Application, ApplicationSettings, catalog};
use millstream_golden::{self as golden, GoldenFile};
use millstream_sql::compile;
use std::path::Path;

const WORDS: [&str; 96] = [
    "SELECT",
    "STREAM",
    "FROM",
    "WHERE",
    "GROUP BY",
    "ORDER BY",
    "HAVING",
    "INSERT INTO",
    "CREATE",
    "OR REPLACE",
    "PUMP",
    "AS",
    "VIEW",
    "FUNCTION",
    "RETURNS",
    "RETURN",
    "DROP",
    "STARTED",
    "STOPPED",
    "NOT",
    "NULL",
    "AND",
    "OR",
    "IS",
    "IN",
    "BETWEEN",
    "LIKE",
    "ESCAPE",
    "SIMILAR TO",
    "CASE",
    "WHEN",
    "THEN",
    "ELSE",
    "END",
    "CAST",
    "INTERVAL",
    "'5'",
    "'1:30'",
    "SECOND",
    "MINUTE",
    "TO",
    "YEAR",
    "STEP",
    "BY",
    "FLOOR",
    "CEIL",
    "OVER",
    "PARTITION BY",
    "RANGE",
    "ROWS",
    "PRECEDING",
    "UNBOUNDED",
    "WINDOW",
    "WINDOWED BY",
    "STAGGER",
    "JOIN",
    "LEFT",
    "FULL",
    "ON",
    "USING",
    "UNION",
    "ALL",
    "INTERSECT",
    "EXCEPT",
    "VALUES",
    "DISTINCT",
    "TABLE",
    "CURSOR",
    "COUNT",
    "AVG",
    "SUM",
    "MAX",
    "TIMESTAMP",
    "DATE",
    "DECIMAL(10,2)",
    "VARCHAR(10)",
    "INTEGER",
    "BOOLEAN",
    "ROWTIME",
    "S",
    "T",
    "K",
    "N",
    "D",
    "\"K\"",
    "'text'",
    "u&'\\0009'",
    "1",
    "1.5E3",
    "99999999999999999999",
    "*",
    "=",
    "<>",
    "||",
    "-- note\n",
    "/*",
];

const SIGNS: [&str; 14] = ["(", ")", ",", ";", ".", "+", "-", "*", "/", "<", ">", "'", "\"", "}"];

/// What nests: openings and closings.
const NESTS: [(&str, &str); 14] = [
    ("(", ")"),
    ("- ", ""),
    ("NOT ", ""),
    ("1 + ", ""),
    ("(1 + ", ")"),
    ("CASE WHEN TRUE THEN ", " END"),
    ("ABS(", ")"),
    ("CAST(", " AS INTEGER)"),
    ("COALESCE(N, ", ")"),
    ("N || ", ""),
    ("TRUE AND ", ""),
    ("N IN (", ")"),
    ("(SELECT STREAM N FROM ", ")"),
    ("FLOOR(", " TO DAY)"),
];

/// A text.
pub(crate) fn text(random: &mut Random, golden: &[String]) -> String {
    match random.below(8) {
        0 => {
            let bytes: Vec<u8> = (0..random.length(2_000)).map(|_| random.next() as u8).collect();
            String::from_utf8_lossy(&bytes).into_owned()
        }
        1 => words(random),
        2 => nested(random),
        _ => damaged(random, golden),
    }
}

fn word<'a>(random: &mut Random) -> &'a str {
    if random.below(3) == 0 { random.one_of(&SIGNS) } else { random.one_of(&WORDS) }
}

fn words(random: &mut Random) -> String {
    let mut text = String::new();
    if random.below(2) == 0 {
        text.push_str("CREATE STREAM T (A INTEGER); CREATE PUMP P AS INSERT INTO T SELECT STREAM ");
    }
    for _ in 0..random.length(400) {
        text.push_str(word(random));
        text.push(' ');
    }
    text
}

fn nested(random: &mut Random) -> String {
    let kinds = 1 + random.below(3);
    let nests: Vec<(&str, &str)> = (0..kinds).map(|_| NESTS[random.below(NESTS.len())]).collect();
    let depth = [3, 20, 60, 64, 70, 190, 200, 210, 2_000, 9_000][random.below(10)];
    let mut text = String::from("CREATE STREAM T (A INTEGER); CREATE PUMP P AS INSERT INTO T SELECT STREAM ");
    (0..depth).for_each(|level: usize| text.push_str(nests[level % kinds].0));
    text.push('N');
    (0..depth).rev().for_each(|level| text.push_str(nests[level % kinds].1));
    text.push_str(" FROM S;");
    text
}

/// A golden file in which something is missing, doubled, exchanged or new.
fn damaged(random: &mut Random, golden: &[String]) -> String {
    if golden.is_empty() {
        return words(random);
    }
    let mut characters: Vec<char> = golden[random.below(golden.len())].chars().collect();
    for _ in 0..1 + random.below(4) {
        let start = random.below(characters.len() + 1);
        let end = (start + random.length(40)).min(characters.len());
        let piece: Vec<char> = characters[start..end].to_vec();
        match random.below(6) {
            0 => drop(characters.drain(start..end)),
            1 => drop(characters.splice(start..start, piece)),
            2 => drop(characters.splice(start..end, format!(" {} ", word(random)).chars())),
            3 => {
                let numbers = ["0", "-1", "1", "9223372036854775807", "1e308", "0.0000001", "65536", "''"];
                drop(characters.splice(start..end, random.one_of(&numbers).chars()));
            }
            4 => {
                let other: Vec<char> = golden[random.below(golden.len())].chars().collect();
                let from = random.below(other.len());
                let to = (from + random.length(120)).min(other.len());
                drop(characters.splice(start..end, other[from..to].iter().copied()));
            }
            _ => {
                if let Some(character) = characters.get_mut(start) {
                    *character = char::from_u32(random.below(0x250) as u32).unwrap_or('\u{fffd}');
                }
            }
        }
    }
    characters.into_iter().collect()
}

/// The project's golden files.
pub(crate) fn golden_files() -> Vec<String> {
    let mut texts = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden")];
    while let Some(folder) = folders.pop() {
        let mut paths: Vec<_> =
            std::fs::read_dir(folder).into_iter().flatten().flatten().map(|it| it.path()).collect();
        paths.sort();
        for path in paths {
            if path.is_dir() {
                folders.push(path);
            } else {
                texts.extend(std::fs::read_to_string(path));
            }
        }
    }
    texts
}

/// Compiles the text, and runs it: as a golden file if it is one, else over no rows.
pub(crate) fn run(text: &str) {
    if let Ok(file) = GoldenFile::parse(text) {
        golden::run(&file);
        return;
    }
    if let Some(program) = compile(text, &[rows::input()], &catalog()).program {
        let built = Application::new(program, ApplicationSettings::default());
        assert!(built.is_ok(), "a program that was accepted cannot be built: {:?}", built.err());
    }
}
