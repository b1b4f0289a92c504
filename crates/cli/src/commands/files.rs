//! Reading the files that commands are given.

use std::path::Path;

use anyhow::Context;
use millstream_control::pipeline::{Mistakes, Pipeline};

/// The largest file that is read whole.
const LARGEST: u64 = 16 << 20;

/// The text of a file.
pub(super) fn read_text(path: &Path) -> anyhow::Result<String> {
    let shown = path.display();
    let length = std::fs::metadata(path).with_context(|| format!("cannot read {shown}"))?.len();
    anyhow::ensure!(length <= LARGEST, "{shown} has {length} bytes; such a file has at most {LARGEST}");
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {shown}"))?;
    String::from_utf8(bytes).with_context(|| format!("{shown} is not UTF-8 text"))
}

/// A pipeline file, checked. SQL files that it names are relative to it.
pub(super) fn read_pipeline(path: &Path) -> anyhow::Result<Result<Pipeline, Mistakes>> {
    let text = read_text(path)?;
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    let files = move |name: &str| read_text(&folder.join(name)).map_err(|error| format!("{error:#}"));
    Ok(Pipeline::parse(&path.display().to_string(), &text, &files))
}

/// Whether a file's name ends so.
pub(super) fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|found| found.eq_ignore_ascii_case(extension))
}
