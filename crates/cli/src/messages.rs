//! Messages and logs on standard error. Those of a server are written by a thread: whoever does not read them must not hold
//! up what it does.

use std::io::{self, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::output::Output;

/// The thread of a server. There is one standard error, and one of this.
static WRITTEN_BY_A_THREAD: OnceLock<Output> = OnceLock::new();
/// Messages that had no room, since one had.
static LOST: AtomicU64 = AtomicU64::new(0);

/// From now on a thread writes them.
pub(crate) fn start() {
    WRITTEN_BY_A_THREAD.get_or_init(|| {
        Output::start("messages", |one| {
            write(one.text());
            Ok(())
        })
    });
}

/// Writes lines with their ends, whether somebody reads them or not.
pub(crate) fn say(text: String) {
    let Some(output) = WRITTEN_BY_A_THREAD.get() else { return write(&text) };
    let lost = LOST.swap(0, Ordering::Relaxed);
    if lost > 0 && !output.line(format!("{lost} messages are missing here: nobody read them\n")) {
        LOST.fetch_add(lost, Ordering::Relaxed);
    }
    if !output.line(text) {
        LOST.fetch_add(1, Ordering::Relaxed);
    }
}

/// Waits until all of them are written, for no longer than `limit`.
pub(crate) fn finish(limit: Duration) {
    if let Some(output) = WRITTEN_BY_A_THREAD.get() {
        output.finish(limit);
    }
}

/// Where logs go, an event a write.
pub(crate) struct LogWriter;

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        say(String::from_utf8_lossy(bytes).into_owned());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn write(text: &str) {
    // Whoever closed standard error does not want it.
    let _ = io::stderr().write_all(text.as_bytes());
}
