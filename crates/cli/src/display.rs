//! What the terminal shows while a pipeline runs: a calm block that is redrawn, lines now and then where there is no
//! terminal, or a line of JSON a second.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write};
use std::path::Path;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use millstream_control::view::{Overview, OverviewSource, Summary};
use millstream_control::{Server, UpdateReport};
use serde::Serialize;

/// Without a terminal, a line this often (in ticks of a second).
const LINE_INTERVAL: u64 = 5;

/// How things are shown.
enum Mode {
    /// One line of JSON a second on standard output; each says where the page is, if one is served.
    Json {
        /// The page.
        page: Option<String>,
    },
    /// A block on the terminal.
    Block(ProgressBar),
    /// A line now and then on standard output.
    Lines,
}

/// The display of a session.
pub(crate) struct Display {
    mode: Mode,
    ticks: u64,
    heading: String,
    note: String,
}

/// A line of `--json`.
#[derive(Serialize)]
struct JsonLine<'a> {
    /// Milliseconds since the epoch.
    at: i64,
    /// `running`, `draining` or `summary`.
    phase: &'a str,
    /// Where the page is; null with `--no-console`.
    page: Option<&'a str>,
    /// What feeds the pipeline.
    source: &'a str,
    /// The records are made up.
    is_synthetic: bool,
    #[serde(flatten)]
    summary: &'a Summary,
    rating_distribution: [u64; 5],
}

impl Display {
    /// Says where things are.
    pub(crate) fn start(json: bool, url: Option<&str>, data_dir: &Path, source: &str) -> Display {
        let mut heading = format!("Millstream: {source}\n");
        if let Some(url) = url {
            let _ = writeln!(heading, "  page     {url}");
        }
        let _ = writeln!(heading, "  data     {}", data_dir.display());
        let _ = write!(heading, "  objects  {}", data_dir.join("buckets").display());
        let mode = match (json, std::io::stdout().is_terminal()) {
            (true, _) => Mode::Json { page: url.map(str::to_owned) },
            (false, true) => {
                let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stdout());
                bar.set_style(ProgressStyle::with_template("{msg}").expect("the template is right"));
                Mode::Block(bar)
            }
            (false, false) => Mode::Lines,
        };
        let display =
            Display { mode, ticks: 0, heading, note: "Ctrl-C delivers what came in and ends.".to_owned() };
        if matches!(display.mode, Mode::Lines) {
            print_line(&display.heading);
        }
        display
    }

    /// A second has passed.
    pub(crate) fn tick(&mut self, server: &Server) {
        self.ticks += 1;
        match &self.mode {
            Mode::Json { page } => {
                let phase = if self.note.is_empty() { "draining" } else { "running" };
                print_json(phase, page.as_deref(), &server.overview());
            }
            Mode::Block(bar) => bar.set_message(self.block(&server.overview())),
            Mode::Lines if self.ticks % LINE_INTERVAL == 1 => print_line(&line(&server.summary())),
            Mode::Lines => {}
        }
    }

    /// Applications run new SQL.
    pub(crate) fn updated(&mut self, report: &UpdateReport) {
        if report.applications.is_empty() {
            self.say("updated", "the SQL is the same as before: nothing changed");
        }
        for application in &report.applications {
            let list = |pumps: &[String]| if pumps.is_empty() { "none".to_owned() } else { pumps.join(", ") };
            let text = format!(
                "application {} runs new SQL; pumps that go on with their state: {}; pumps that start afresh: {}",
                application.name,
                list(&application.resumed),
                list(&application.started_afresh)
            );
            self.say("updated", &text);
        }
    }

    /// The new SQL was refused.
    pub(crate) fn not_updated(&mut self, error: &anyhow::Error) {
        self.say("not updated", &format!("not updated, the old SQL goes on: {error:#}"));
    }

    /// A remark between the figures.
    fn say(&mut self, phase: &str, text: &str) {
        match &self.mode {
            Mode::Json { .. } => {
                let line = serde_json::json!({"phase": phase, "message": text});
                print_line(&line.to_string());
            }
            Mode::Block(bar) => bar.println(text),
            Mode::Lines => print_line(text),
        }
    }

    /// What came in is being delivered.
    pub(crate) fn draining(&mut self, why: &str) {
        match self.mode {
            Mode::Json { .. } => self.note.clear(),
            Mode::Block(_) => self.note = why.to_owned(),
            Mode::Lines => print_line(why),
        }
    }

    /// The last word.
    pub(crate) fn finish(&mut self, server: &Server, is_drained: bool) {
        let overview = server.overview();
        if !is_drained {
            self.note =
                "stopped before everything was delivered; the next run on this directory goes on".to_owned();
        } else {
            self.note = "everything that came in is delivered".to_owned();
        }
        match &self.mode {
            Mode::Json { page } => print_json("summary", page.as_deref(), &overview),
            Mode::Block(bar) => bar.finish_with_message(self.block(&overview)),
            Mode::Lines => {
                print_line(&line(&overview.summary));
                print_line(&self.note);
            }
        }
    }

    /// The block on the terminal.
    fn block(&self, overview: &Overview) -> String {
        let summary = &overview.summary;
        let mut text = format!("{}\n\n", self.heading);
        let _ = writeln!(
            text,
            "  records in  {:>8}    classified {:>8}",
            summary.records_in, summary.records_classified
        );
        let total: u64 = overview.rating_distribution.iter().sum();
        for stars in (1..=5).rev() {
            let count = overview.rating_distribution[stars - 1];
            let width = if total == 0 { 0 } else { (count * 30).div_ceil(total.max(1)) as usize };
            let marks = format!("{}{}", "★".repeat(stars), "☆".repeat(5 - stars));
            let _ = writeln!(text, "  {marks}  {:<30} {count}", "█".repeat(width));
        }
        let _ = writeln!(
            text,
            "  average     {:>8}    windows    {:>8}",
            shown(summary.newest_average, 2),
            summary.windows
        );
        let count = summary.newest_distinct_count.map_or_else(|| "-".to_owned(), |count| count.to_string());
        let score = shown(summary.max_anomaly_score, 2);
        let _ = writeln!(text, "  distinct    {count:>8}    highest score {score:>5}");
        let objects = format!("{} + {} backup", summary.objects_written, summary.backup_objects_written);
        let _ = writeln!(text, "  objects     {objects}");
        let _ = writeln!(text, "  mails       {:>8}    errors     {:>8}", summary.mails, summary.errors);
        if let Some(problem) = overview.problems.first() {
            let message: String = problem.message.chars().take(160).collect();
            let _ = writeln!(text, "  newest problem  {}: {}", problem.place, message.replace('\n', " "));
        }
        let _ = write!(text, "\n{}", self.note);
        text
    }
}

fn shown(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
}

/// A line for where there is no terminal.
fn line(summary: &Summary) -> String {
    format!(
        "records in {}, classified {}, average {} ({} windows), distinct {}, highest score {}, objects {} + {} backup, \
         mails {}, errors {}",
        summary.records_in,
        summary.records_classified,
        shown(summary.newest_average, 2),
        summary.windows,
        summary.newest_distinct_count.map_or_else(|| "-".to_owned(), |count| count.to_string()),
        shown(summary.max_anomaly_score, 2),
        summary.objects_written,
        summary.backup_objects_written,
        summary.mails,
        summary.errors,
    )
}

fn print_json(phase: &str, page: Option<&str>, overview: &Overview) {
    let line = JsonLine {
        at: overview.now,
        phase,
        page,
        source: &overview.source,
        is_synthetic: overview.is_synthetic,
        summary: &overview.summary,
        rating_distribution: overview.rating_distribution,
    };
    print_line(&serde_json::to_string(&line).expect("the summary is plain data"));
}

fn print_line(line: &str) {
    let mut out = std::io::stdout().lock();
    // Nobody reads any more: that is no reason to stop.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
