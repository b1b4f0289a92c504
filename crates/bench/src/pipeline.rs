//! Whole commands over a file: what a user runs, against a plain read of the same file.
//!
//! ```text
//!   file of five columns ─┬─▶ replay, average of each 5 s                                  rows a second of CPU
//!                         └─▶ run: durable log ─▶ application ─▶ stream, until the end     records a second of CPU
//! ```
//!
//! Time is that of the processor, of all threads and of the kernel on their behalf, from the start of a process to its end:
//! it holds on a machine that has other work.

#![expect(clippy::disallowed_methods, reason = "a benchmark measures the machine itself")]

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use rustix::time::{ClockId, clock_gettime};

use crate::{Budget, Measurement};

/// Rows of the file for each second of the bench.
const ROWS_A_SECOND: f64 = 500_000.0;
const FEWEST_ROWS: u64 = 100_000;
const MOST_ROWS: u64 = 20_000_000;
/// Each command runs so often; the fastest counts.
const RUNS: usize = 3;

const COLUMNS: &str =
    "review_id VARCHAR(16), category VARCHAR(16), star_rating INTEGER, price DOUBLE, customer INTEGER";
const CATEGORIES: [&str; 8] = ["Books", "Toys", "Music", "Garden", "Kitchen", "Shoes", "Games", "Tools"];

/// The average of each window of so many seconds.
fn sql(seconds: u32) -> String {
    format!(
        r#"
CREATE OR REPLACE STREAM "AVERAGES" ("average" DOUBLE, "rows" BIGINT);
CREATE OR REPLACE PUMP "AVERAGE" AS INSERT INTO "AVERAGES"
SELECT STREAM AVG("star_rating"), COUNT(*) FROM "SOURCE_SQL_STREAM_001"
GROUP BY STEP("SOURCE_SQL_STREAM_001".ROWTIME BY INTERVAL '{seconds}' SECOND);
"#
    )
}

/// Why the benchmark stopped.
#[derive(Debug, thiserror::Error)]
pub enum PipelineBenchError {
    /// A file of the benchmark itself, or the start of a process, failed.
    #[error("{what}: {source}")]
    Io {
        /// What was done.
        what: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// A command failed.
    #[error("{command} ended with {status}: {message}")]
    Command {
        /// Which.
        command: &'static str,
        /// How it ended.
        status: std::process::ExitStatus,
        /// What it said last.
        message: String,
    },
    /// A command gave other rows than its input makes.
    #[error("{command} did not count every row: {found}")]
    Rows {
        /// Which.
        command: &'static str,
        /// What it gave.
        found: String,
    },
}

fn io_error(what: &'static str) -> impl FnOnce(io::Error) -> PipelineBenchError {
    move |source| PipelineBenchError::Io { what, source }
}

/// Runs `program` (Millstream itself) over made-up rows, as many as fit about `duration`. Works in a folder of its own
/// below `directory`, which is removed afterwards; it takes about 100 bytes a row.
///
/// # Errors
/// See [`PipelineBenchError`].
pub fn run(
    program: &Path,
    directory: &Path,
    duration: Duration,
) -> Result<Vec<Measurement>, PipelineBenchError> {
    let folder = directory.join(format!("millstream-bench-{}", std::process::id()));
    fs::create_dir_all(&folder).map_err(io_error("the folder of the benchmark"))?;
    let folder = folder.canonicalize().map_err(io_error("the folder of the benchmark"))?;
    let rows = (duration.as_secs_f64() * ROWS_A_SECOND) as u64;
    let bench = PipelineBench { program, folder: &folder, rows: rows.clamp(FEWEST_ROWS, MOST_ROWS) };
    let measurements = bench.measure();
    fs::remove_dir_all(&folder).map_err(io_error("the folder of the benchmark"))?;
    measurements
}

struct PipelineBench<'b> {
    program: &'b Path,
    folder: &'b Path,
    rows: u64,
}

impl PipelineBench<'_> {
    fn measure(&self) -> Result<Vec<Measurement>, PipelineBenchError> {
        let mut measurements = Vec::new();
        fs::write(self.folder.join("average.sql"), sql(5)).map_err(io_error("the SQL of the benchmark"))?;
        for (format, replay, run, budget) in [
            ("csv", "replay csv, average of each 5 s", "run csv: durable log, average, stream", 7e6),
            ("json", "replay JSON, average of each 5 s", "run JSON: durable log, average, stream", 4e6),
        ] {
            let file = self.write_rows(format).map_err(io_error("the rows of the benchmark"))?;
            let plain = fastest(|| plain_read(&file, self.rows))?;
            let figure = |name: &'static str, unit: &'static str, seconds: f64, least: f64| Measurement {
                name: name.into(),
                figure: self.rows as f64 / seconds,
                unit,
                yardstick: format!("a plain read of the {format} file, its lines counted").into(),
                yardstick_figure: self.rows as f64 / plain,
                yardstick_unit: "lines/CPU-s",
                ratio: seconds / plain,
                ratio_unit: "plain reads",
                budget: Some(Budget::AtLeast(least)),
            };
            let seconds = fastest(|| self.replay(format, &file))?;
            measurements.push(figure(replay, "rows/CPU-s", seconds, budget));
            let seconds = fastest(|| self.run(format, &file))?;
            measurements.push(figure(run, "records/CPU-s", seconds, 1.2e6));
            fs::remove_file(&file).map_err(io_error("the rows of the benchmark"))?;
        }
        Ok(measurements)
    }

    fn write_rows(&self, format: &str) -> io::Result<PathBuf> {
        let path = self.folder.join(format!("rows.{format}"));
        let mut file = BufWriter::new(File::create(&path)?);
        for row in 0..self.rows {
            let mixed = row.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
            let (stars, cents) = (1 + mixed % 5, mixed / 5 % 100_000);
            let (category, customer) = (CATEGORIES[(mixed % 8) as usize], row % 1_000);
            let (whole, hundredths) = (cents / 100, cents % 100);
            match format {
                "csv" => {
                    writeln!(file, "R{row:08},{category},{stars},{whole}.{hundredths:02},{customer}")?;
                }
                _ => writeln!(
                    file,
                    "{{\"review_id\":\"R{row:08}\",\"category\":\"{category}\",\"star_rating\":{stars},\
                     \"price\":{whole}.{hundredths:02},\"customer\":{customer}}}"
                )?,
            }
        }
        file.flush()?;
        Ok(path)
    }

    fn replay(&self, format: &str, file: &Path) -> Result<f64, PipelineBenchError> {
        let mut command = Command::new(self.program);
        command.arg("replay").arg(self.folder.join("average.sql")).args(["--format", format, "--json"]);
        command.args(["--stream", &format!("SOURCE_SQL_STREAM_001 ({COLUMNS})")]);
        // Some ten windows, however many rows.
        command.args(["--rate", &(self.rows / 50).to_string(), "--input"]).arg(file);
        let (seconds, out) = self.time("millstream replay", command)?;
        self.check_rows("millstream replay", &out)?;
        Ok(seconds)
    }

    fn run(&self, format: &str, file: &Path) -> Result<f64, PipelineBenchError> {
        let data = self.folder.join("data");
        let pipeline = self.folder.join("pipeline.toml");
        fs::write(&pipeline, pipeline_file(format)).map_err(io_error("the pipeline of the benchmark"))?;
        let mut command = Command::new(self.program);
        command.arg("run").arg(&pipeline).args(["--no-console", "--json", "--until-end", "--into", "rows"]);
        command.arg("--input").arg(file).arg("--data-dir").arg(&data);
        let (seconds, out) = self.time("millstream run", command)?;
        fs::remove_dir_all(&data).map_err(io_error("the data directory of the benchmark"))?;
        let summary = out.lines().last().unwrap_or_default();
        let taken = format!("\"rows_in\":{},", self.rows);
        if !summary.contains(&taken) || !summary.contains("\"is_delivered\":true") {
            let found = summary.to_owned();
            return Err(PipelineBenchError::Rows { command: "millstream run", found });
        }
        Ok(seconds)
    }

    /// The windows of a replay sum to the number of rows.
    fn check_rows(&self, command: &'static str, out: &str) -> Result<(), PipelineBenchError> {
        let count = |line: &str| {
            let (_, count) = line.rsplit_once("\"rows\":")?;
            count.trim_end_matches('}').parse::<u64>().ok()
        };
        let sum: Option<u64> = out.lines().map(count).sum();
        if sum == Some(self.rows) {
            return Ok(());
        }
        let found = match sum {
            Some(sum) => format!("{sum} of {}", self.rows),
            None => out.lines().next().unwrap_or_default().to_owned(),
        };
        Err(PipelineBenchError::Rows { command, found })
    }

    /// The CPU seconds of a command, and what it wrote to standard output.
    fn time(&self, name: &'static str, mut command: Command) -> Result<(f64, String), PipelineBenchError> {
        // Settings of the caller's shell are not part of the figure.
        for (variable, _) in std::env::vars_os() {
            if variable.to_string_lossy().starts_with("MILLSTREAM_") {
                command.env_remove(variable);
            }
        }
        let before = children_seconds()?;
        let output = command.stdin(Stdio::null()).output().map_err(io_error("starting Millstream"))?;
        let seconds = children_seconds()? - before;
        if !output.status.success() {
            let message = String::from_utf8_lossy(&output.stderr);
            let message = message.lines().last().unwrap_or_default().to_owned();
            return Err(PipelineBenchError::Command { command: name, status: output.status, message });
        }
        Ok((seconds, String::from_utf8_lossy(&output.stdout).into_owned()))
    }
}

fn pipeline_file(format: &str) -> String {
    let columns: Vec<String> = COLUMNS
        .split(", ")
        .map(|column| match (format, column.split_once(' ')) {
            ("json", Some((name, _))) => format!("  {column} $.{name}"),
            _ => format!("  {column}"),
        })
        .collect();
    format!(
        "[[stream]]\nname = \"rows\"\n\n[[stream]]\nname = \"averages\"\n\n[[application]]\nname = \"average\"\n\
         sql = '''{}'''\n\n[application.input]\nstream = \"rows\"\nformat = \"{format}\"\ncolumns = '''\n{}'''\n\n\
         [[application.output]]\nfrom = \"AVERAGES\"\nstream = \"averages\"\n",
        // At the end a run waits for its open window.
        sql(1),
        columns.join(",\n")
    )
}

/// The CPU seconds of reading a file and counting its lines.
fn plain_read(file: &Path, lines: u64) -> Result<f64, PipelineBenchError> {
    let failed = "reading the rows of the benchmark";
    let before = own_seconds();
    let mut file = File::open(file).map_err(io_error(failed))?;
    let mut buffer = vec![0; 256 << 10];
    let mut found = 0;
    loop {
        let read = file.read(&mut buffer).map_err(io_error(failed))?;
        if read == 0 {
            break;
        }
        found += memchr::memchr_iter(b'\n', &buffer[..read]).count() as u64;
    }
    let seconds = own_seconds() - before;
    if found != lines {
        let found = format!("{found} of {lines}");
        return Err(PipelineBenchError::Rows { command: "a plain read", found });
    }
    Ok(seconds)
}

fn own_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// The CPU seconds of all processes that this one has started and that have ended.
fn children_seconds() -> Result<f64, PipelineBenchError> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN);
    let usage = usage.map_err(|error| io_error("the time of the processes")(error.into()))?;
    let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    Ok(seconds(usage.user_time()) + seconds(usage.system_time()))
}

fn fastest(mut once: impl FnMut() -> Result<f64, PipelineBenchError>) -> Result<f64, PipelineBenchError> {
    let mut best = f64::INFINITY;
    for _ in 0..RUNS {
        best = best.min(once()?);
    }
    Ok(best)
}
