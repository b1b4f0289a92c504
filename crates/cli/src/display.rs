//! What the terminal shows while a server runs: a calm block that is redrawn, lines now and then where there is no
//! terminal, or a line of JSON a second.
//!
//! Everything is shown by kind of resource; the figures about reviews only where a function rates reviews.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use millstream_control::definition::Kind;
use millstream_control::registry::Lifecycle;
use millstream_control::view::{Overview, OverviewSource, ResourceView};
use millstream_control::{ApplyReport, Server, StopReport};
use millstream_wording::counted;
use serde_json::{Map, Value, json};

use crate::arguments::{DATA_DIRECTORY, DATA_DIRECTORY_VARIABLE};
use crate::failure::say;
use crate::output::{Output, Shown};
use crate::report;
use crate::retrying::{self, short_time, time};

/// Without a terminal, a line this often (in ticks of a second).
const LINE_INTERVAL: u64 = 5;
/// Columns of a line, less the indent of the block.
const WIDTH: usize = 77;
/// Characters of a problem that are shown.
const SHOWN_PROBLEM: usize = 160;
/// Kinds that are shown in the block, in the order in which records pass them.
const SHOWN_KINDS: [Kind; 6] =
    [Kind::Feed, Kind::Stream, Kind::DeliveryStream, Kind::Application, Kind::Function, Kind::Endpoint];
/// Resources that are shown of each kind.
const SHOWN_RESOURCES: usize = 12;

/// How things are shown.
enum Mode {
    /// One line of JSON a second on standard output; each says where the page is, if one is served.
    Json {
        /// The page.
        page: Option<String>,
    },
    /// A block on the terminal.
    Block,
    /// A line now and then, on standard output for `run`, on standard error for `serve`.
    Lines {
        /// Nobody waits for figures.
        is_quiet: bool,
    },
}

/// The display of a session.
pub(crate) struct Display {
    mode: Mode,
    results: Output,
    /// That lines are lost was said.
    has_said_lost: bool,
    ticks: u64,
    heading: String,
    note: String,
}

impl Display {
    /// Says where things are.
    pub(crate) fn start(
        json: bool,
        url: Option<&str>,
        data_dir: &Path,
        source: &str,
        is_serve: bool,
    ) -> Display {
        let mut heading = format!("Millstream: {source}\n");
        if let Some(url) = url {
            let _ = writeln!(heading, "  page     {url}");
        }
        let _ = writeln!(heading, "  data     {}", data_dir.display());
        if !is_found_unnamed(data_dir) {
            let _ = writeln!(heading, "  look     millstream list --data-dir {}", data_dir.display());
        }
        let _ = write!(heading, "  objects  {}", data_dir.join("buckets").display());
        let can_redraw = std::io::stdout().is_terminal() && redraws(std::env::var("TERM").ok().as_deref());
        let (mode, results) = match (json, can_redraw && !is_serve) {
            (true, _) => (Mode::Json { page: url.map(str::to_owned) }, results_in_lines()),
            (false, true) => (Mode::Block, results_in_a_block()),
            (false, false) => (Mode::Lines { is_quiet: is_serve }, results_in_lines()),
        };
        let note = "Ctrl-C stops; all state is kept.".to_owned();
        let display = Display { mode, results, has_said_lost: false, ticks: 0, heading, note };
        if matches!(display.mode, Mode::Lines { .. }) {
            say(format_args!("{}", display.heading));
        }
        display
    }

    /// What a user may be waiting for in vain.
    pub(crate) fn hint(&mut self, server: &Server) {
        // Programs know what they feed.
        if matches!(self.mode, Mode::Json { .. }) {
            return;
        }
        if !server.list(Some(Kind::Feed)).is_empty() {
            return;
        }
        if let Some(place) = server.unfilled().first() {
            let directory = server.data_directory();
            let flag = match is_found_unnamed(directory) {
                true => String::new(),
                false => format!(" --data-dir {}", directory.display()),
            };
            let places = [Kind::Stream, Kind::DeliveryStream].map(|kind| server.list(Some(kind)));
            let is_shared = places.iter().flatten().filter(|one| one.name == place.name).count() > 1;
            let kind = match is_shared {
                true => format!(" --kind {}", place.kind.as_str()),
                false => String::new(),
            };
            let text = format!(
                "nothing feeds it: put records with  millstream put {}{kind} --input FILE{flag}",
                place.name
            );
            self.say("hint", &text);
        }
    }

    /// A second has passed.
    pub(crate) fn tick(&mut self, server: &Server) {
        self.ticks += 1;
        match &self.mode {
            Mode::Json { page } => {
                let phase = if self.note.is_empty() { "draining" } else { "running" };
                let line = json_of(phase, page.as_deref(), &server.overview());
                self.results.status(Value::Object(line).to_string());
            }
            Mode::Block => self.results.status(self.block(&server.overview())),
            Mode::Lines { is_quiet: false } if self.ticks % LINE_INTERVAL == 1 => {
                self.results.status(line(&server.overview()));
            }
            Mode::Lines { .. } => {}
        }
    }

    /// A file was applied.
    pub(crate) fn applied(&mut self, report: &ApplyReport) {
        let report = serde_json::to_value(report).unwrap_or_default();
        match &self.mode {
            Mode::Json { .. } => {
                self.result(json!({ "phase": "applied", "report": report }).to_string());
            }
            _ => self.say("applied", &report::lines(&report).join("\n")),
        }
    }

    /// What a file that was applied at the start has taken over from others.
    pub(crate) fn taken_over(&mut self, report: &ApplyReport) {
        let report = serde_json::to_value(report).unwrap_or_default();
        for line in report::taken_over(&report) {
            self.say("taken over", &line);
        }
    }

    /// A file was not applied.
    pub(crate) fn not_applied(&mut self, reason: &str) {
        self.say("not applied", &format!("not applied, what runs goes on: {reason}"));
    }

    /// A remark between the figures.
    pub(crate) fn say(&mut self, phase: &str, text: &str) {
        match &self.mode {
            Mode::Json { .. } => self.result(json!({ "phase": phase, "message": text }).to_string()),
            Mode::Block => self.result(text.to_owned()),
            Mode::Lines { .. } => say(format_args!("{text}")),
        }
    }

    /// A line that counts.
    fn result(&mut self, line: String) {
        if !self.results.line(line) && !std::mem::replace(&mut self.has_said_lost, true) {
            say(format_args!("error: nobody reads standard output: lines are lost; work goes on"));
        }
    }

    /// What came in is being delivered.
    pub(crate) fn draining(&mut self, why: &str) {
        match self.mode {
            Mode::Json { .. } => self.note.clear(),
            Mode::Block => self.note = why.to_owned(),
            Mode::Lines { .. } => say(format_args!("{why}")),
        }
    }

    /// Which applications' windows are waited for, and until when; a line says it once.
    pub(crate) fn closing(&mut self, applications: &[(String, i64)]) {
        let times = applications.iter().map(|(name, at)| format!("{name} until {}", time(&json!(at))));
        let times: Vec<String> = times.collect();
        if times.is_empty() || matches!(self.mode, Mode::Json { .. }) {
            return;
        }
        let note = format!(
            "waiting for open windows to close: {}; Ctrl-C stops now, and the next run goes on",
            times.join(", ")
        );
        if note != self.note {
            if matches!(self.mode, Mode::Lines { .. }) {
                say(format_args!("{note}"));
            }
            self.note = note;
        }
    }

    /// The last word; with `failed` so many records were no rows that the run has failed. It may take as long as `limit` to be
    /// read.
    pub(crate) fn finish(
        &mut self,
        overview: &Overview,
        is_delivered: bool,
        stopped: &StopReport,
        failed: Option<&str>,
        limit: Duration,
    ) {
        self.note = match (is_delivered, stopped.is_clean()) {
            (true, true) => "everything that came in is delivered, and all state is stored".to_owned(),
            (false, true) => {
                "all state is stored; open windows and what is not delivered yet go on with the next run on this directory"
                    .to_owned()
            }
            (_, false) => {
                let reasons = [stopped.left.as_slice(), stopped.unsaved.as_slice()].concat().join("; ");
                format!("the stop was cut short ({reasons}); the next run goes on from the state before")
            }
        };
        if let Some(failed) = failed {
            self.note = format!("error: {failed}");
        }
        match &self.mode {
            Mode::Json { page } => {
                let mut summary = json_of("summary", page.as_deref(), overview);
                summary.insert("is_delivered".to_owned(), json!(is_delivered));
                summary.insert("is_stored".to_owned(), json!(stopped.is_clean()));
                self.results.last(Value::Object(summary).to_string());
            }
            Mode::Block => self.results.last(self.block(overview)),
            Mode::Lines { is_quiet: false } => self.results.last(line(overview)),
            Mode::Lines { is_quiet: true } => {}
        }
        let is_read = self.results.finish(limit);
        if matches!(self.mode, Mode::Lines { .. })
            || failed.is_some() && matches!(self.mode, Mode::Json { .. })
        {
            say(format_args!("{}", self.note));
        }
        if !is_read {
            say(format_args!("error: nobody reads standard output: what came last is lost"));
        }
    }

    /// Whether a line of results was lost, other than to somebody who reads no more.
    pub(crate) fn has_lost_results(&self) -> bool {
        self.results.has_lost()
    }

    /// The block on the terminal.
    fn block(&self, overview: &Overview) -> String {
        let mut text = format!("{}\n\n", self.heading);
        for kind in SHOWN_KINDS {
            let of_kind: Vec<&ResourceView> =
                overview.resources.iter().filter(|one| one.kind == kind).collect();
            for resource in of_kind.iter().take(SHOWN_RESOURCES) {
                let _ = writeln!(text, "  {}", resource_line(resource, overview.now));
            }
            if of_kind.len() > SHOWN_RESOURCES {
                let _ = writeln!(text, "  … and {} more {kind}s", of_kind.len() - SHOWN_RESOURCES);
            }
        }
        if overview.scores_reviews {
            text.push_str(&reviews_block(overview));
        }
        let summary = &overview.summary;
        let _ = writeln!(text, "  mails {}, errors {}", summary.mails, summary.errors);
        if let Some(problem) = overview.problems.first() {
            let message: String = problem.message.chars().take(SHOWN_PROBLEM).collect();
            let _ = writeln!(text, "  newest problem  {}: {}", problem.place, message.replace('\n', " "));
        }
        let _ = write!(text, "\n{}", self.note);
        text
    }
}

/// Whether other commands find the data directory by themselves.
fn is_found_unnamed(data_dir: &Path) -> bool {
    let unnamed = std::env::var_os(DATA_DIRECTORY_VARIABLE).unwrap_or_else(|| DATA_DIRECTORY.into());
    Path::new(&unnamed) == data_dir
}

/// The stars, the windows.
fn reviews_block(overview: &Overview) -> String {
    let mut text = String::new();
    let summary = &overview.summary;
    let total: u64 = overview.rating_distribution.iter().sum();
    let _ = writeln!(text, "\n  reviews rated {}", summary.records_classified);
    for stars in (1..=5).rev() {
        let count = overview.rating_distribution[stars - 1];
        let width = if total == 0 { 0 } else { (count * 30).div_ceil(total) as usize };
        let marks = format!("{}{}", "★".repeat(stars), "☆".repeat(5 - stars));
        let _ = writeln!(text, "  {marks}  {:<30} {count}", "█".repeat(width));
    }
    let distinct = summary.newest_distinct_count.map_or_else(|| "-".to_owned(), |count| count.to_string());
    let _ = writeln!(
        text,
        "  average {} ({}), distinct {distinct}, highest score {}",
        shown(summary.newest_average, 2),
        counted(summary.windows, "window"),
        shown(summary.max_anomaly_score, 2)
    );
    text
}

/// A resource with what it has done; what is too long for a line goes on below.
fn resource_line(resource: &ResourceView, now: i64) -> String {
    let mut parts = Vec::new();
    let number = |name: &str| resource.figures.get(name).and_then(Value::as_u64);
    let counted = |names: &[(&str, &str)]| -> Vec<String> {
        let counts =
            names.iter().filter_map(|(name, label)| Some((label, number(name).filter(|count| *count > 0)?)));
        counts.map(|(label, count)| format!("{label} {count}")).collect()
    };
    match resource.kind {
        Kind::Feed | Kind::DeliveryStream => parts.extend(counted(&[("records_in", "records")])),
        Kind::Stream => parts.extend(counted(&[("records_put", "records")])),
        Kind::Application => {
            parts.extend(counted(&[("records_in", "records in"), ("rows_out", "rows out")]));
            parts.extend(rows_by_stream(resource));
            parts.extend(counted(&[("lag_records", "behind by"), ("error_rows", "error rows")]));
        }
        _ => {}
    }
    parts.extend(counted(&[
        ("objects", "objects"),
        ("backup_objects", "backup objects"),
        ("failed_records", "failed"),
        ("calls", "calls"),
        ("errors", "errors"),
        ("texts", "texts"),
    ]));
    if let Some(since) = resource.figures_since.filter(|_| !parts.is_empty()) {
        parts.push(format!("since {}", short_time(since, now)));
    }
    if resource.figures.get("ended") == Some(&Value::Bool(true)) {
        parts.push("ended".to_owned());
    }
    if resource.state != Lifecycle::Active {
        parts.push(resource.state.to_string());
    }
    if let Some(reason) = &resource.reason {
        parts.push(reason.chars().take(SHOWN_PROBLEM).collect());
    }
    let retrying = serde_json::to_value(&resource.retrying).unwrap_or_default();
    for text in retrying::texts(&retrying) {
        parts.push(format!("retrying {}", text.chars().take(SHOWN_PROBLEM).collect::<String>()));
    }
    in_lines(&format!("{:<16} {:<24}", resource.kind.noun(), resource.name), &parts)
}

/// The rows of each in-application stream, where there are several: `(A 1`, `B 2)`.
fn rows_by_stream(resource: &ResourceView) -> Vec<String> {
    let Some(Value::Object(rows)) = resource.figures.get("rows_by_stream") else { return Vec::new() };
    let mut rows: Vec<String> = rows.iter().map(|(stream, rows)| format!("{stream} {rows}")).collect();
    match rows.as_mut_slice() {
        [first, .., last] => {
            first.insert(0, '(');
            last.push(')');
            rows
        }
        _ => Vec::new(),
    }
}

/// A beginning and parts with commas between, broken between parts where a line would get wider than [`WIDTH`].
fn in_lines(beginning: &str, parts: &[String]) -> String {
    /// Blanks before a line that goes on.
    const INDENT: usize = 42;
    let mut text = beginning.to_owned();
    let mut width = beginning.chars().count();
    for (number, part) in parts.iter().enumerate() {
        let is_first = number == 0;
        let length = part.chars().count();
        if !is_first && !part.starts_with('(') {
            text.push(',');
            width += 1;
        }
        // One that fits in no line goes on where it is.
        if !is_first && width + 1 + length + 1 > WIDTH && width > INDENT {
            let _ = write!(text, "\n  {:INDENT$}", "");
            width = INDENT;
        } else {
            text.push(' ');
            width += 1;
        }
        text.push_str(part);
        width += length;
    }
    text
}

fn shown(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
}

/// A line for where there is no terminal.
fn line(overview: &Overview) -> String {
    let summary = &overview.summary;
    let total = |kind: Kind, name: &str| -> u64 {
        let of_kind = overview.resources.iter().filter(|one| one.kind == kind);
        of_kind.filter_map(|one| one.figures.get(name).and_then(Value::as_u64)).sum()
    };
    let mut parts = vec![format!("records in {}", summary.records_in)];
    if overview.resources.iter().any(|one| one.kind == Kind::Application) {
        parts.push(format!("rows out {}", total(Kind::Application, "rows_out")));
    }
    if overview.scores_reviews {
        parts.push(format!("reviews rated {}", summary.records_classified));
        parts.push(format!(
            "average {} ({})",
            shown(summary.newest_average, 2),
            counted(summary.windows, "window")
        ));
    }
    parts.push(format!("objects {} + {} backup", summary.objects_written, summary.backup_objects_written));
    parts.push(format!("mails {}, errors {}", summary.mails, summary.errors));
    parts.join(", ")
}

/// A line of `--json`: totals, every resource with its figures, and what is known of reviews where some are rated.
fn json_of(phase: &str, page: Option<&str>, overview: &Overview) -> Map<String, Value> {
    let summary = &overview.summary;
    let resources: Vec<Value> = overview
        .resources
        .iter()
        .filter(|one| !one.figures.is_empty() || one.state != Lifecycle::Active)
        .map(|one| {
            json!({
                "kind": one.kind,
                "name": one.name,
                "state": one.state,
                "reason": one.reason,
                "figures": one.figures,
                "figures_since": one.figures_since,
                "retrying": one.retrying,
            })
        })
        .collect();
    let line = json!({
        "at": overview.now,
        "phase": phase,
        "page": page,
        "source": overview.source,
        "is_synthetic": overview.is_synthetic,
        "records_in": summary.records_in,
        "objects_written": summary.objects_written,
        "backup_objects_written": summary.backup_objects_written,
        "mails": summary.mails,
        "errors": summary.errors,
        "resources": resources,
        "problems": overview.problems.iter().take(5).collect::<Vec<_>>(),
    });
    let Value::Object(mut line) = line else { return Map::new() };
    // What outputs show, once there is something.
    if overview.scores_reviews || summary.windows > 0 {
        line.insert("windows".to_owned(), json!(summary.windows));
    }
    let shown = [
        ("newest_average", summary.newest_average.map(|value| json!(value))),
        ("newest_distinct_count", summary.newest_distinct_count.map(|value| json!(value))),
        ("max_anomaly_score", summary.max_anomaly_score.map(|value| json!(value))),
    ];
    for (name, value) in shown {
        if overview.scores_reviews || value.is_some() {
            line.insert(name.to_owned(), value.unwrap_or(Value::Null));
        }
    }
    if overview.scores_reviews {
        let reviews = json!({
            "records_classified": summary.records_classified,
            "rating_distribution": overview.rating_distribution,
        });
        if let Value::Object(reviews) = reviews {
            line.extend(reviews);
        }
    }
    line
}

/// Lines on standard output.
fn results_in_lines() -> Output {
    Output::start("results", |one| {
        let mut out = io::stdout().lock();
        writeln!(out, "{}", one.text()).and_then(|()| out.flush())
    })
}

/// A block on the terminal that is redrawn, and lines above it.
fn results_in_a_block() -> Output {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stdout());
    bar.set_style(ProgressStyle::with_template("{msg}").expect("the template is right"));
    Output::start("results", move |one| {
        match one {
            Shown::Line(text) => bar.println(text),
            Shown::Status(text) => bar.set_message(text.clone()),
            Shown::Last(text) => bar.finish_with_message(text.clone()),
        }
        Ok(())
    })
}

/// Whether a terminal can redraw; a dumb one, or one that does not say what it is, gets lines.
fn redraws(terminal: Option<&str>) -> bool {
    terminal.is_some_and(|terminal| !matches!(terminal, "" | "dumb"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_broken_between_their_parts() {
        let parts = |parts: &[&str]| parts.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>();
        let beginning = format!("{:<16} {:<24}", "application", "review-analytics");
        assert_eq!(in_lines("stream a", &parts(&["records 1", "ended"])), "stream a records 1, ended");
        let streams = ["rows out 603", "(ANOMALY_SCORE_SQL_STREAM 601", "AVG_STAR_RATING_SQL_STREAM 1)"];
        let shown = in_lines(&beginning, &parts(&[["records in 601"].as_slice(), &streams].concat()));
        let indent = " ".repeat(44);
        assert_eq!(
            shown,
            format!(
                "{beginning} records in 601, rows out 603\n{indent}(ANOMALY_SCORE_SQL_STREAM 601,\n{indent}\
                 AVG_STAR_RATING_SQL_STREAM 1)"
            )
        );
        assert!(shown.lines().all(|line| line.chars().count() <= WIDTH + 2), "{shown}");
        let long = "x".repeat(200);
        assert_eq!(in_lines(&beginning, &parts(&[&long])), format!("{beginning} {long}"));
    }

    #[test]
    fn figures_say_from_when_on_they_count() {
        let view = |records: u64| ResourceView {
            id: 1,
            kind: Kind::Stream,
            name: "s".to_owned(),
            state: Lifecycle::Active,
            reason: None,
            owner: "api".to_owned(),
            created_at: 0,
            changed_at: 0,
            generation: 1,
            definition: Value::Null,
            figures: Map::from_iter([("records_put".to_owned(), records.into())]),
            figures_since: Some(1_700_000_000_000),
            retrying: Vec::new(),
        };
        let (same_day, later) = (1_700_000_001_000, 1_800_000_000_000);
        let shown = |records, now| resource_line(&view(records), now);
        assert!(shown(7, same_day).ends_with(" records 7, since 22:13:20"), "{}", shown(7, same_day));
        assert!(shown(7, later).ends_with(" records 7, since 2023-11-14"), "{}", shown(7, later));
        assert!(!shown(0, later).contains("since"));
    }

    #[test]
    fn term_dumb_gets_lines() {
        assert!(redraws(Some("xterm-256color")));
        assert!(!redraws(Some("dumb")) && !redraws(Some("")) && !redraws(None));
    }
}
