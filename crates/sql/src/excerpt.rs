//! A line with a marked part, cut to what fits on a screen.

use std::ops::Range;

/// A longer line is cut.
const WIDEST: usize = 160;
/// Characters that stay before and behind the marked part, and of it.
const AROUND: usize = 50;
const MARKED: usize = 60;

/// What is shown of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    /// The line, or the surroundings of the marked part with … where something is skipped.
    pub shown: String,
    /// What of `shown` stands before the marked part.
    pub before: String,
    /// Characters of the marked part that are shown, at least 1.
    pub width: usize,
}

/// The excerpt of `line` around the bytes `marked`, which begin and end at characters.
pub fn excerpt(line: &str, marked: Range<usize>) -> Excerpt {
    let start = marked.start.min(line.len());
    let end = marked.end.clamp(start, line.len());
    let width = line[start..end].chars().count().max(1);
    if line.chars().nth(WIDEST).is_none() {
        return Excerpt { shown: line.to_owned(), before: line[..start].to_owned(), width };
    }
    let from = line[..start].char_indices().rev().nth(AROUND - 1).map_or(0, |(at, _)| at);
    let until = |from: usize, characters: usize| {
        line[from..].char_indices().nth(characters).map_or(line.len(), |(at, _)| from + at)
    };
    let end = end.min(until(start, MARKED));
    let last = until(end, AROUND);
    let mut before = line[from..start].to_owned();
    if from > 0 {
        before.insert(0, '…');
    }
    let rest = if last < line.len() { "…" } else { "" };
    let shown = format!("{before}{}{rest}", &line[start..last]);
    Excerpt { shown, before, width: line[start..end].chars().count().max(1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_lines_stay_whole_and_long_ones_are_cut_around_the_mark() {
        let short = excerpt("SELECT é FROM s", 7..9);
        assert_eq!(
            (short.shown.as_str(), short.before.as_str(), short.width),
            ("SELECT é FROM s", "SELECT ", 1)
        );
        let line = format!("{}<{}>{}", "a".repeat(300), "é".repeat(200), "b".repeat(300));
        let cut = excerpt(&line, 300..702);
        assert_eq!(cut.before, format!("…{}", "a".repeat(50)));
        assert_eq!(cut.width, 60);
        assert_eq!(cut.shown, format!("…{}<{}…", "a".repeat(50), "é".repeat(109)));
        let at_the_end = excerpt(&line, line.len()..line.len());
        assert_eq!((at_the_end.width, at_the_end.shown), (1, format!("…{}", "b".repeat(50))));
        let at_the_start = excerpt(&line, 0..2);
        assert_eq!((at_the_start.before.as_str(), at_the_start.width), ("", 2));
    }
}
