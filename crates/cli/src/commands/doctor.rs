//! `millstream doctor`: what is missing on this machine, and the line that fixes it.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use millstream_host::{Disk, Open, RealDisk, files};
use millstream_inference::{Model, Workspace};
use millstream_wording::counted;
use serde::Serialize;

use crate::arguments::DoctorArguments;
use crate::socket::{check_length, path_of};
use crate::version::VERSION;

/// With less room on the disk a warning is due.
const LITTLE_ROOM: u64 = 1 << 30;
/// A slower disk makes every acknowledged write slow.
const SLOW_SYNC: Duration = Duration::from_millis(20);
/// Files and connections together.
const FEW_FILES: u64 = 1_024;

/// How a finding is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Ok,
    /// Works, but slowly or not for long.
    Warning,
    /// Does not work.
    Problem,
}

/// What was found of one thing.
#[derive(Clone, Debug, Serialize)]
struct Finding {
    what: &'static str,
    level: Level,
    found: String,
    /// The line that fixes it.
    fix: Option<String>,
}

impl Finding {
    fn ok(what: &'static str, found: impl Into<String>) -> Finding {
        Finding { what, level: Level::Ok, found: found.into(), fix: None }
    }

    fn warning(what: &'static str, found: impl Into<String>, fix: impl Into<String>) -> Finding {
        Finding { what, level: Level::Warning, found: found.into(), fix: Some(fix.into()) }
    }

    fn problem(what: &'static str, found: impl Into<String>, fix: impl Into<String>) -> Finding {
        Finding { what, level: Level::Problem, found: found.into(), fix: Some(fix.into()) }
    }
}

pub(super) fn run(arguments: &DoctorArguments) -> anyhow::Result<ExitCode> {
    let findings = [
        vec![Finding::ok("version", VERSION), processor(), model(), memory(), open_files()],
        data_directory(&arguments.data_dir),
        vec![port(arguments.listen)],
    ]
    .concat();
    let mut out = std::io::stdout().lock();
    for finding in &findings {
        if arguments.json {
            writeln!(out, "{}", serde_json::to_string(finding)?)?;
            continue;
        }
        let mark = match finding.level {
            Level::Ok => "ok      ",
            Level::Warning => "warning ",
            Level::Problem => "PROBLEM ",
        };
        writeln!(out, "{mark} {:<16} {}", finding.what, finding.found)?;
        if let Some(fix) = &finding.fix {
            writeln!(out, "         {:<16} fix it: {fix}", "")?;
        }
    }
    let is_well = findings.iter().all(|finding| finding.level != Level::Problem);
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn processor() -> Finding {
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    let found = format!("{}, {}", counted(count, "core"), std::env::consts::ARCH);
    Finding::ok("processor", found)
}

/// Loads the default model and rates one sentence.
fn model() -> Finding {
    let (started, text) = (now(), "I love this kettle, it is perfect!");
    let rated = || -> Result<_, String> {
        let model = Model::embedded_star_rating().map_err(|error| error.to_string())?;
        let loaded = started.elapsed();
        let answers =
            model.classify(&[text], &mut Workspace::default()).map_err(|error| error.to_string())?;
        let label = answers.into_iter().next().map(|answer| answer.label).unwrap_or_default();
        Ok((model.kernel_name(), loaded, label))
    };
    match rated() {
        Ok((kernel, loaded, label)) if kernel.contains("avx2") => Finding::ok(
            "model",
            format!("loads in {} ms, kernel {kernel}; \"{text}\" gets: {label}", loaded.as_millis()),
        ),
        Ok((kernel, loaded, _)) => Finding::warning(
            "model",
            format!("loads in {} ms, kernel {kernel}: several times slower than AVX2", loaded.as_millis()),
            "use a processor with AVX2 and FMA, or lower the rate",
        ),
        Err(error) => Finding::problem("model", error, "build the program again from a clean checkout"),
    }
}

fn memory() -> Finding {
    let kilobytes = |name: &str| {
        let text = files::read_to_string(Path::new("/proc/meminfo")).ok()?;
        let line = text.lines().find(|line| line.starts_with(name))?.to_owned();
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    };
    match kilobytes("MemAvailable:") {
        Some(available) if available < 300 << 10 => Finding::warning(
            "memory",
            format!("{} MiB are free", available >> 10),
            "close other programs: the default model and its buffers take about 200 MiB",
        ),
        Some(available) => Finding::ok("memory", format!("{} MiB are free", available >> 10)),
        None => Finding::ok("memory", "this system does not say how much is free"),
    }
}

fn open_files() -> Finding {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    match limit {
        Some(limit) if limit < FEW_FILES => {
            Finding::warning("open files", format!("at most {limit}"), "ulimit -n 4096")
        }
        Some(limit) => Finding::ok("open files", format!("at most {limit}")),
        None => Finding::ok("open files", "no limit"),
    }
}

/// The directory, the room on its disk, and how long the disk takes to make a write durable.
fn data_directory(directory: &Path) -> Vec<Finding> {
    let shown = directory.display();
    // What does not exist yet would be made: its nearest parent tells.
    let existing = nearest_existing(directory);
    let probe = existing.join(format!(".millstream-doctor-{}", std::process::id()));
    let written = files::write(&probe, b"x").and_then(|()| sync_time(&probe));
    let removed = files::remove(&probe);
    let mut findings = Vec::new();
    if let Err(too_long) = check_length(&path_of(directory)) {
        findings.push(Finding::problem(
            "control socket",
            too_long.to_string(),
            "choose another: --data-dir DIR",
        ));
    }
    match written.and_then(|time| removed.map(|()| time)) {
        Ok(time) if time > SLOW_SYNC => findings.push(Finding::warning(
            "data directory",
            format!("{shown}: the disk takes {:.1} ms to make a write durable", time.as_secs_f64() * 1e3),
            "put it on another disk: --data-dir DIR",
        )),
        Ok(time) => findings.push(Finding::ok(
            "data directory",
            format!("{shown}: can be written; a write is durable after {:.1} ms", time.as_secs_f64() * 1e3),
        )),
        Err(error) => findings.push(Finding::problem(
            "data directory",
            format!("{shown} cannot be written: {error}"),
            "choose another: --data-dir DIR",
        )),
    }
    if let Ok(disk) = rustix::fs::statvfs(&existing) {
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        let found = format!("{} MiB free", free >> 20);
        findings.push(if free < LITTLE_ROOM {
            Finding::warning("disk", found, "delete old objects, or choose another disk: --data-dir DIR")
        } else {
            Finding::ok("disk", found)
        });
    }
    findings
}

fn nearest_existing(path: &Path) -> PathBuf {
    // A file in the way is found, too: nothing can be made below it.
    let found = path.ancestors().find(|ancestor| ancestor.exists());
    match found {
        Some(found) if !found.as_os_str().is_empty() => found.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// The median of some writes.
fn sync_time(path: &Path) -> std::io::Result<Duration> {
    let file = RealDisk.open(path, Open::Write)?;
    let mut times = Vec::new();
    for round in 0..9 {
        file.write_all_at(&[b'x'; 4096], round * 4096)?;
        let started = now();
        file.sync()?;
        times.push(started.elapsed());
    }
    times.sort_unstable();
    Ok(times[times.len() / 2])
}

fn port(listen: SocketAddr) -> Finding {
    match std::net::TcpListener::bind(listen) {
        Ok(_) => Finding::ok("port", format!("{listen} is free")),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            let by = if is_millstream(listen) { "by a running millstream" } else { "by another program" };
            let fix = format!("choose another: --listen {}:0", listen.ip());
            Finding::warning("port", format!("{listen} is in use {by}"), fix)
        }
        Err(error) => {
            Finding::problem("port", format!("{listen}: {error}"), "choose another: --listen 127.0.0.1:4566")
        }
    }
}

/// Asks whoever listens there.
fn is_millstream(address: SocketAddr) -> bool {
    let time = Duration::from_millis(500);
    let ask = || -> std::io::Result<bool> {
        let mut stream = std::net::TcpStream::connect_timeout(&address, time)?;
        stream.set_read_timeout(Some(time))?;
        stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.take(4_096).read_to_string(&mut answer)?;
        Ok(answer.starts_with("HTTP/1.1 200") && answer.trim_end().ends_with("ok"))
    };
    ask().unwrap_or(false)
}

#[expect(clippy::disallowed_methods, reason = "how long something takes here and now is what is asked")]
fn now() -> Instant {
    Instant::now()
}
