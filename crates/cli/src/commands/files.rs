//! Reading the files that commands are given.

use std::io::Read;
use std::path::Path;

use anyhow::Context;

/// The largest file that is read whole.
const LARGEST: u64 = 16 << 20;

/// The text of a file.
pub(crate) fn read_text(path: &Path) -> anyhow::Result<String> {
    let shown = path.display();
    let file = millstream_host::files::open(path).with_context(|| format!("cannot read {shown}"))?;
    // A device or a pipe has no length of its own: what is read counts.
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes).with_context(|| format!("cannot read {shown}"))?;
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
