//! Sentences for people: numbers with their nouns.
//!
//! ```text
//!   noun      row, rows
//!   counted   1 row, 2 rows
//!   agreeing  1 row was, 2 rows were
//! ```
//!
//! Invariant: plain functions over numbers and text; everything that writes for people may use them.

use std::borrow::Cow;
use std::fmt::Display;

/// A noun as it stands behind a number: with an `s`, unless the number is one.
///
/// ```
/// assert_eq!(millstream_wording::noun(1, "row"), "row");
/// assert_eq!(millstream_wording::noun(0, "row"), "rows");
/// ```
pub fn noun<N: PartialEq + From<u8>>(count: N, singular: &str) -> Cow<'_, str> {
    if count == N::from(1) { Cow::Borrowed(singular) } else { Cow::Owned(format!("{singular}s")) }
}

/// A number with its noun.
///
/// ```
/// assert_eq!(millstream_wording::counted(1, "delivery stream"), "1 delivery stream");
/// assert_eq!(millstream_wording::counted(2, "delivery stream"), "2 delivery streams");
/// ```
pub fn counted<N: Copy + Display + PartialEq + From<u8>>(count: N, singular: &str) -> String {
    format!("{count} {}", noun(count, singular))
}

/// A number with what is said of one and of several, where more than the noun depends on it.
///
/// ```
/// assert_eq!(millstream_wording::agreeing(1, "entry is", "entries are"), "1 entry is");
/// assert_eq!(millstream_wording::agreeing(3, "entry is", "entries are"), "3 entries are");
/// ```
pub fn agreeing<N: Copy + Display + PartialEq + From<u8>>(count: N, one: &str, several: &str) -> String {
    format!("{count} {}", if count == N::from(1) { one } else { several })
}

/// What there is to choose from, for a hint.
pub fn there_are(names: &str) -> String {
    if names.is_empty() { "there is none".to_owned() } else { format!("there are: {names}") }
}
