//! Reading the files that commands are given.

use std::io::{ErrorKind, Read};
use std::path::Path;
use std::time::Duration;

use anyhow::Context;

/// The largest file that is read whole.
const LARGEST: u64 = 16 << 20;
/// How long a pipe may be silent.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// The text of a file.
pub(crate) fn read_text(path: &Path) -> anyhow::Result<String> {
    let shown = path.display();
    let failed = |error: std::io::Error| match error.kind() {
        ErrorKind::TimedOut => anyhow::anyhow!(
            "cannot read {shown}: nothing has come through this pipe for {} s; give a file, or write to the pipe",
            PATIENCE.as_secs()
        ),
        _ => anyhow::anyhow!("cannot read {shown}: {}", millstream_host::files::reason(&error)),
    };
    let file = millstream_host::files::open_patiently(path, PATIENCE).map_err(failed)?;
    // A device or a pipe has no length of its own: what is read counts.
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(failed)?;
    anyhow::ensure!(
        bytes.len() as u64 <= LARGEST,
        "{shown} has more than {LARGEST} bytes: a pipeline, SQL or golden file has at most that many"
    );
    String::from_utf8(bytes).with_context(|| format!("{shown} is not UTF-8 text"))
}

/// Whether a file's name ends so.
pub(super) fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|found| found.eq_ignore_ascii_case(extension))
}
