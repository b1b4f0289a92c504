//! A producer that puts batches while the process comes and goes. It never repeats itself: a batch is there once when it
//! was acknowledged, and once or not at all otherwise.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;

/// Most records of a batch.
const BATCH: u64 = 40;
const PAUSE: Duration = Duration::from_millis(100);

/// Records that were put together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Batch {
    pub(crate) first: u64,
    pub(crate) records: u64,
    pub(crate) is_acknowledged: bool,
}

/// The producer.
pub(crate) struct Putting {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Batch>>,
}

impl Putting {
    pub(crate) fn start(program: &Path, data: &Path) -> anyhow::Result<Putting> {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, program, data) = (Arc::clone(&stop), program.to_owned(), data.to_owned());
        let thread = std::thread::Builder::new()
            .name("puts".to_owned())
            .spawn(move || put_until(&stopped, &program, &data))?;
        Ok(Putting { stop, thread })
    }

    /// Ends it. What it has put.
    pub(crate) fn stop(self) -> Vec<Batch> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("putting does not panic")
    }
}

fn put_until(stop: &AtomicBool, program: &Path, data: &PathBuf) -> Vec<Batch> {
    let mut batches = Vec::new();
    let mut first = 0;
    while !stop.load(Ordering::Relaxed) {
        let records = 1 + first % BATCH;
        let is_acknowledged = put(program, data, first, records).is_some_and(|put| put == records);
        batches.push(Batch { first, records, is_acknowledged });
        first += records;
        std::thread::sleep(PAUSE);
    }
    batches
}

/// How many records were acknowledged.
fn put(program: &Path, data: &PathBuf, first: u64, records: u64) -> Option<u64> {
    let lines: String = (first..first + records).map(|id| format!("{id}\n")).collect();
    let mut command = Command::new(program);
    command.args(["put", "puts", "--json", "--data-dir"]).arg(data);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
    // It may have ended already because there is no server.
    let _ = child.stdin.take()?.write_all(lines.as_bytes());
    let output = child.wait_with_output().ok()?;
    let answer: Value = serde_json::from_slice(&output.stdout).ok()?;
    answer["records"].as_u64().filter(|_| output.status.success())
}
