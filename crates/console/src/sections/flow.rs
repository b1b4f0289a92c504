//! The flow: stages as boxes, what feeds what as arrows; on narrow screens and for screen readers a list.

use std::fmt::Write as _;

use askama::Template;
use millstream_control::view::{FlowStage, Overview};

use crate::{
    flow_layout::{self, Arrow, Measures},
    show::{Moment, excerpt, named},
};

/// The most stages on the picture.
const MOST_STAGES: usize = 60;

const MEASURES: Measures =
    Measures { box_width: 168.0, box_height: 76.0, column_gap: 28.0, row_gap: 14.0, margin: 4.0 };

/// Width for text inside of a box, pixels.
const TEXT_WIDTH: f64 = 146.0;

/// The fragment `flow`.
#[derive(Template)]
#[template(path = "flow.html")]
pub(crate) struct Flow {
    is_synthetic: bool,
    width: String,
    height: String,
    box_width: f64,
    box_height: f64,
    arrows: Vec<ArrowShown>,
    stages: Vec<StageShown>,
    left_out: usize,
}

struct ArrowShown {
    /// `source → target`, shown when pointed at.
    title: String,
    path: String,
    class: &'static str,
}

struct StageShown {
    corner: String,
    family: &'static str,
    kind: String,
    name: String,
    /// The name cut into at most two lines that fit the box.
    name_lines: Vec<String>,
    counters: Vec<String>,
    /// The counters in one line that fits the box.
    counters_line: String,
    /// From when on they count.
    since: Option<Moment>,
    feeds: String,
    problem: Option<String>,
}

impl Flow {
    pub(crate) fn new(overview: &Overview) -> Flow {
        let stages = &overview.flow[..overview.flow.len().min(MOST_STAGES)];
        let names: Vec<&str> = stages.iter().map(|stage| stage.name.as_str()).collect();
        let feeds: Vec<Vec<&str>> =
            stages.iter().map(|stage| stage.feeds.iter().map(String::as_str).collect()).collect();
        let layout = flow_layout::lay_out(stages.len(), &flow_layout::edges(&names, &feeds), MEASURES);
        Flow {
            is_synthetic: overview.is_synthetic,
            width: format!("{:.0}", layout.width),
            height: format!("{:.0}", layout.height),
            box_width: MEASURES.box_width,
            box_height: MEASURES.box_height,
            arrows: layout.arrows.iter().map(|arrow| ArrowShown::new(arrow, &names)).collect(),
            stages: stages
                .iter()
                .zip(layout.corners)
                .map(|(stage, corner)| StageShown::new(stage, corner))
                .collect(),
            left_out: overview.flow.len() - stages.len(),
        }
    }
}

impl ArrowShown {
    /// Curves between the columns, straight lines across them; right angles where it leads back.
    fn new(arrow: &Arrow, names: &[&str]) -> ArrowShown {
        let mut path = String::new();
        for (index, (x, y)) in arrow.way.iter().enumerate() {
            // Writing to a string does not fail.
            let _ = match index {
                0 => write!(path, "M{x:.0} {y:.0}"),
                _ if arrow.is_backward || index % 2 == 0 => write!(path, "L{x:.0} {y:.0}"),
                _ => {
                    let (from_x, from_y) = arrow.way[index - 1];
                    let middle = (from_x + x) / 2.0;
                    write!(path, "C{middle:.0} {from_y:.0} {middle:.0} {y:.0} {x:.0} {y:.0}")
                }
            };
        }
        let title = format!("{} → {}", excerpt(names[arrow.from], 120), excerpt(names[arrow.to], 120));
        ArrowShown { title, path, class: if arrow.is_backward { "arrow backward" } else { "arrow" } }
    }
}

impl StageShown {
    fn new(stage: &FlowStage, (x, y): (f64, f64)) -> StageShown {
        let counters: Vec<String> =
            stage.counters.iter().take(8).map(|(name, value)| named(*value, &excerpt(name, 60))).collect();
        let both = counters[..counters.len().min(2)].join(" · ");
        let first = counters.first().cloned().unwrap_or_default();
        let fits = text_width(&both, 11.0) <= TEXT_WIDTH;
        let name = excerpt(&stage.name, 120);
        StageShown {
            corner: format!("{x:.0} {y:.0}"),
            family: family(&stage.kind),
            kind: excerpt(&stage.kind, 24),
            name_lines: name_lines(&name),
            name,
            counters_line: fitted(if fits { &both } else { &first }, 11.0),
            since: stage.counts_since.filter(|_| !counters.is_empty()).map(Moment::at),
            counters,
            feeds: excerpt(&stage.feeds.join(", "), 300),
            problem: stage.problem.as_deref().map(|problem| excerpt(problem, 400)),
        }
    }

    /// The name in the parts between which it may be broken.
    fn name_parts(&self) -> impl Iterator<Item = &str> {
        self.name.split_inclusive(is_separator)
    }
}

/// The colour of a kind: what takes in, what computes, what asks, what comes out.
fn family(kind: &str) -> &'static str {
    match kind {
        "producer" | "delivery stream" | "stream" => "carries",
        "function" | "endpoint" => "computes",
        "application" | "pump" | "in-application stream" => "queries",
        "bucket" | "metric" | "alarm" | "topic" | "mailbox" | "dashboard" => "holds",
        _ => "other",
    }
}

/// A name in at most two lines; it breaks after a separator if it can.
fn name_lines(name: &str) -> Vec<String> {
    const SIZE: f64 = 12.0;
    if text_width(name, SIZE) <= TEXT_WIDTH {
        return vec![name.to_owned()];
    }
    let mut width = 0.0;
    let mut fitting = 0;
    let mut after_separator = None;
    for (index, character) in name.char_indices() {
        width += character_width(character) * SIZE;
        if width > TEXT_WIDTH {
            break;
        }
        fitting = index + character.len_utf8();
        if is_separator(character) {
            after_separator = Some(fitting);
        }
    }
    let (first, second) = name.split_at(after_separator.filter(|end| end * 3 > fitting).unwrap_or(fitting));
    vec![first.trim_end().to_owned(), fitted(second, SIZE)]
}

/// A name may be broken after these.
fn is_separator(character: char) -> bool {
    matches!(character, '_' | '-' | ' ' | '.' | '/' | ':')
}

/// `text`, cut with an ellipsis if it is wider than a box.
fn fitted(text: &str, size: f64) -> String {
    if text_width(text, size) <= TEXT_WIDTH {
        return text.to_owned();
    }
    let mut width = size;
    let kept = text.chars().take_while(|character| {
        width += character_width(*character) * size;
        width <= TEXT_WIDTH
    });
    kept.collect::<String>() + "…"
}

fn text_width(text: &str, size: f64) -> f64 {
    text.chars().map(character_width).sum::<f64>() * size
}

/// A generous guess at the width of a character in a sans-serif face, in parts of its size.
fn character_width(character: char) -> f64 {
    match character {
        'i' | 'l' | 'j' | '.' | ',' | ':' | ';' | '|' | '\'' | ' ' | '·' => 0.33,
        'f' | 't' | 'r' | 'I' | '-' => 0.42,
        'm' | 'w' | 'M' | 'W' => 0.88,
        'A'..='Z' => 0.70,
        '\0'..='\u{2000}' => 0.57,
        _ => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_break_after_a_separator() {
        assert_eq!(name_lines("reviews"), ["reviews"]);
        assert_eq!(name_lines("APPROXIMATE_COUNT_STREAM_PUMP"), ["APPROXIMATE_", "COUNT_STREAM_PUMP"]);
        assert_eq!(name_lines("AVG_STAR_RATING_SQL_STREAM"), ["AVG_STAR_RATING_", "SQL_STREAM"]);
        let long = name_lines(&"x".repeat(400));
        assert_eq!(long.len(), 2);
        assert!(long.iter().all(|line| text_width(line, 12.0) <= TEXT_WIDTH + 12.0), "{long:?}");
        assert!(long[1].ends_with('…'));
    }

    #[test]
    fn one_counter_stands_alone_when_two_do_not_fit() {
        let stage = |second: &str| FlowStage {
            counters: vec![("records".into(), 1_234), (second.into(), 12)],
            ..FlowStage::default()
        };
        assert_eq!(StageShown::new(&stage("mails"), (0.0, 0.0)).counters_line, "1,234 records · 12 mails");
        assert_eq!(StageShown::new(&stage("processing failures"), (0.0, 0.0)).counters_line, "1,234 records");
    }
}
