//! Starting, disturbing and ending the process.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::Context;
use millstream_host::{Clock, SystemClock};
use rusqlite::{Connection, OpenFlags};
use rustix::process::{Pid, Signal, kill_process};

use crate::faults::{DamagedCheckpoints, Disturbance, tear};
use crate::pipeline::{self, Load, VERSION};
use crate::puts::{Batch, Putting};
use crate::schedule::{FaultKind, Round, Schedule};

/// Reviews are rated slowly.
const REVIEW_RATE: f64 = 20.0;
/// A stop that was asked for is done by then.
const STOP_LIMIT: Duration = Duration::from_secs(10);
/// The last run has read everything by then.
const END_LIMIT: Duration = Duration::from_secs(900);
/// A busy machine may need so long from the start of a process to its `main`.
const EARLIEST_MAIN: Duration = Duration::from_millis(100);
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// What a test has done.
pub(crate) struct Done {
    pub(crate) load: Load,
    pub(crate) puts: Vec<Batch>,
    rounds: usize,
    /// How many rounds began while a process could not start because something was held.
    refused_starts: usize,
    damaged_checkpoints: usize,
    updates: u64,
    seconds: u64,
}

impl fmt::Display for Done {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let acknowledged = self.puts.iter().filter(|batch| batch.is_acknowledged).count();
        write!(
            formatter,
            "{} rounds in {} s: {} records, {} reviews, {} batches put ({acknowledged} acknowledged), {} starts refused, {} \
             checkpoints damaged, {} updates: everything is there once, and the output is that of a run without kills",
            self.rounds,
            self.seconds,
            self.load.records,
            self.load.reviews,
            self.puts.len(),
            self.refused_starts,
            self.damaged_checkpoints,
            self.updates
        )
    }
}

/// A process that goes with this value.
struct Process(Child);

impl Process {
    /// SIGKILL.
    fn end(&mut self) -> std::io::Result<()> {
        self.0.kill()?;
        self.0.wait().map(|_| ())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.end();
    }
}

/// Where everything lies.
struct Place<'a> {
    program: &'a Path,
    folder: &'a Path,
    data: PathBuf,
}

/// Runs all rounds, and then the last run to its end.
pub(crate) fn run(program: &Path, folder: &Path, schedule: &Schedule, rate: f64) -> anyhow::Result<Done> {
    let place = Place { program, folder, data: folder.join("data") };
    let uptime = schedule.uptime().as_secs_f64();
    // Something is left for the last run.
    let load = Load {
        records: (rate * (uptime + 1.0)) as u64 + 2 * schedule.rounds.len() as u64,
        reviews: (REVIEW_RATE * (uptime + 1.0)) as u64 + 2 * schedule.rounds.len() as u64,
        rate: Some(rate),
        review_rate: Some(REVIEW_RATE),
    };
    pipeline::write_inputs(folder, &load)?;
    let started_at = SystemClock.now();
    // A copy begins behind the newest record: everything is there before the first comes.
    place.write_pipeline(None, 0)?;
    let mut first = place.start("serve", "the first start")?;
    wait_until("the first start is done", STOP_LIMIT, || Ok(place.has_started()?.then_some(())))?;
    terminate(&mut first)?;
    place.write_pipeline(Some(&load), 0)?;
    let putting = Putting::start(program, &place.data)?;
    let (mut refused_starts, mut damaged, mut version) = (0, DamagedCheckpoints::default(), 0);
    for (number, round) in schedule.rounds.iter().enumerate() {
        let name = format!("round {} ({:?})", number + 1, round.fault);
        let refused = place.round(round, &load, &mut damaged, &name).with_context(|| name.clone())?;
        refused_starts += usize::from(refused);
        if round.fault == FaultKind::Update {
            version = place.version()?;
        }
        if (number + 1) % 50 == 0 {
            let seconds = SystemClock.now().since(started_at).as_secs();
            eprintln!("{} rounds in {seconds} s", number + 1);
        }
    }
    let puts = putting.stop();
    place.write_pipeline(Some(&Load { rate: None, review_rate: None, ..load }), version)?;
    for (number, end) in schedule.ends.iter().enumerate() {
        let mut process = place.start("close", &format!("end {}", number + 1))?;
        sleep(end.life);
        signal(&process);
        sleep(end.drain);
        process.end()?;
    }
    let mut last = place.start("close", "the last run")?;
    wait_until("the last run has read all input", END_LIMIT, || {
        anyhow::ensure!(last.0.try_wait()?.is_none(), "the last run has ended:{}", place.newest_errors());
        // All may have been read before it began; a signal during its start would end it early.
        Ok((place.has_started()? && place.all_is_read()?).then_some(()))
    })?;
    signal(&last);
    let status = end_of(&mut last, END_LIMIT)?
        .with_context(|| format!("the last run has not come to its end after {END_LIMIT:?}"))?;
    anyhow::ensure!(status.success(), "the last run ended with {status}: {}", place.newest_errors());
    let seconds = SystemClock.now().since(started_at).as_secs();
    Ok(Done {
        load,
        puts,
        rounds: schedule.rounds.len(),
        refused_starts,
        damaged_checkpoints: damaged.len(),
        updates: version,
        seconds,
    })
}

impl Place<'_> {
    fn write_pipeline(&self, load: Option<&Load>, version: u64) -> anyhow::Result<()> {
        // Whoever reads it gets all of one version.
        let new = self.folder.join("pipeline.toml.new");
        std::fs::write(&new, pipeline::text(load, version))?;
        Ok(std::fs::rename(new, self.folder.join("pipeline.toml"))?)
    }

    /// Begins to apply the next version. Where the process ends before, the next start applies it.
    fn update(&self, load: &Load) -> anyhow::Result<Process> {
        self.write_pipeline(Some(load), self.version()? + 1)?;
        let mut process = Command::new(self.program);
        process.args(["apply", "pipeline.toml", "--json", "--data-dir"]).arg(&self.data);
        let process = process.current_dir(self.folder).stdin(Stdio::null());
        Ok(Process(process.stdout(self.file("out.log")?).stderr(self.file("errors.log")?).spawn()?))
    }

    /// Which version is in the file.
    fn version(&self) -> anyhow::Result<u64> {
        let text = std::fs::read_to_string(self.folder.join("pipeline.toml"))?;
        let version = text.split_once(VERSION).context("the SQL says its version")?.1;
        Ok(version.chars().take_while(char::is_ascii_digit).collect::<String>().parse()?)
    }

    fn file(&self, name: &str) -> anyhow::Result<File> {
        Ok(OpenOptions::new().create(true).append(true).open(self.folder.join(name))?)
    }

    /// Starts the process. What it says goes behind what others have said.
    fn start(&self, command: &str, round: &str) -> anyhow::Result<Process> {
        use std::io::Write;
        let (mut out, mut errors) = (self.file("out.log")?, self.file("errors.log")?);
        writeln!(out, "== {round}: {command}")?;
        writeln!(errors, "== {round}: {command}")?;
        let what: &[&str] = match command {
            "run" => &["run", "pipeline.toml", "--until-end"],
            "close" => &["serve", "--apply", "pipeline.toml", "--close-windows"],
            _ => &["serve", "--apply", "pipeline.toml"],
        };
        let mut process = Command::new(self.program);
        process.args(what).args(["--json", "--no-console", "--data-dir"]).arg(&self.data);
        let process =
            process.current_dir(self.folder).stdin(Stdio::null()).stdout(out).stderr(errors).spawn();
        let process = process.with_context(|| format!("{} cannot be started", self.program.display()))?;
        Ok(Process(process))
    }

    /// Whether the process that was started last has come through its start: then it says how far it is.
    fn has_started(&self) -> anyhow::Result<bool> {
        let text = std::fs::read_to_string(self.folder.join("out.log"))?;
        Ok(text.rfind("== ").is_some_and(|start| text[start..].contains("\"phase\":\"running\"")))
    }

    /// Whether every feed has read its file to the end. Copies of streams have none.
    fn all_is_read(&self) -> anyhow::Result<bool> {
        let sql =
            "SELECT COUNT(*) FROM feed_position WHERE ended = 0 AND COALESCE(source, '') NOT LIKE 'stream %'";
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
        let catalog = Connection::open_with_flags(self.data.join("catalog.sqlite"), flags)?;
        catalog.busy_timeout(STOP_LIMIT)?;
        Ok(catalog.query_row(sql, [], |row| row.get::<_, i64>(0))? == 0)
    }

    /// The end of what the process has said.
    fn newest_errors(&self) -> String {
        let text = std::fs::read(self.folder.join("errors.log")).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        let start = text.rfind("\n== ").unwrap_or(0);
        text[start..].to_owned()
    }

    /// One life of the process. True when it could not start because of the disturbance.
    fn round(
        &self,
        round: &Round,
        load: &Load,
        damaged: &mut DamagedCheckpoints,
        name: &str,
    ) -> anyhow::Result<bool> {
        let command = if round.serves { "serve" } else { "run" };
        // Sometimes the catalog is held from before the start.
        let is_early = round.fault == FaultKind::Catalog && round.random.is_multiple_of(4);
        let mut disturbance = if is_early { self.disturb(round)? } else { None };
        let mut process = self.start(command, name)?;
        sleep(round.life);
        if !is_early {
            disturbance = self.disturb(round)?;
        }
        let updating = if round.fault == FaultKind::Update { Some(self.update(load)?) } else { None };
        sleep(round.disturbance);
        if !round.ends_disturbed {
            let was_disturbed = disturbance.take().is_some();
            if was_disturbed {
                sleep(Round::AFTER);
            }
        }
        if let Some(status) = process.0.try_wait()? {
            // With the catalog held, or without room, a start may fail; not for good.
            anyhow::ensure!(
                round.is_disturbed(),
                "the process has ended by itself with {status}:{}",
                self.newest_errors()
            );
            return Ok(true);
        }
        if round.terminates {
            let status = terminate(&mut process)?;
            // Before `main` the system ends a process by itself.
            let is_before_main = status.signal() == Some(Signal::TERM.as_raw()) && round.life < EARLIEST_MAIN;
            let is_expected = matches!(status.code(), Some(0 | 3)) || is_before_main || round.is_disturbed();
            anyhow::ensure!(is_expected, "SIGTERM ended it with {status}:{}", self.newest_errors());
        } else {
            process.end()?;
        }
        drop((disturbance, updating));
        match round.fault {
            FaultKind::Torn => tear(&self.data, round.random)?,
            FaultKind::Checkpoint => damaged.damage(&self.data, round.random)?,
            FaultKind::Kill
            | FaultKind::Terminate
            | FaultKind::Update
            | FaultKind::Catalog
            | FaultKind::Disk => {}
        }
        Ok(false)
    }

    fn disturb(&self, round: &Round) -> anyhow::Result<Option<Disturbance>> {
        match round.fault {
            FaultKind::Kill
            | FaultKind::Terminate
            | FaultKind::Torn
            | FaultKind::Checkpoint
            | FaultKind::Update => Ok(None),
            FaultKind::Catalog => Disturbance::hold_catalog(&self.data),
            FaultKind::Disk => Disturbance::fill_disk(self.folder, round.random).map(Some),
        }
    }
}

/// Asks a process to end.
fn signal(process: &Process) {
    // Whoever waits for it finds one that has ended already.
    let _ = kill_process(Pid::from_child(&process.0), Signal::TERM);
}

/// Asks a process to end, and waits for it.
fn terminate(process: &mut Process) -> anyhow::Result<ExitStatus> {
    signal(process);
    match end_of(process, STOP_LIMIT)? {
        Some(status) => Ok(status),
        None => {
            process.end()?;
            anyhow::bail!("it has not ended {STOP_LIMIT:?} after SIGTERM")
        }
    }
}

/// How a process ended; `None` when it still runs after `limit`.
fn end_of(process: &mut Process, limit: Duration) -> anyhow::Result<Option<ExitStatus>> {
    let started_at = SystemClock.now();
    loop {
        if let Some(status) = process.0.try_wait()? {
            return Ok(Some(status));
        }
        if SystemClock.now().since(started_at) >= limit {
            return Ok(None);
        }
        sleep(LOOK_AGAIN);
    }
}

fn wait_until<T>(
    what: &str,
    limit: Duration,
    mut look: impl FnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let started_at = SystemClock.now();
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        anyhow::ensure!(SystemClock.now().since(started_at) < limit, "{what}: not within {limit:?}");
        sleep(LOOK_AGAIN * 10);
    }
}
