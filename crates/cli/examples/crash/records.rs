//! Reading streams and objects when the process has ended.

use std::collections::VecDeque;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use millstream_host::SystemClock;
use millstream_streamlog::{Log, LogSettings, Positions, StreamKey};

const BATCH_RECORDS: usize = 8_192;
const BATCH_BYTES: usize = 4 << 20;

/// A record.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) arrival: i64,
    pub(crate) shard: u32,
    pub(crate) data: Bytes,
}

/// Opens the log of a data directory.
pub(crate) fn open_log(data: &Path) -> anyhow::Result<Arc<Log>> {
    let opened = Log::open(&data.join("log"), LogSettings::default(), Arc::new(SystemClock));
    Ok(opened.context("the log cannot be opened")?.0)
}

/// The records of a stream in the order of their commits.
pub(crate) struct Stream {
    log: Arc<Log>,
    key: StreamKey,
    positions: Positions,
    read: VecDeque<Stored>,
}

impl Stream {
    pub(crate) fn new(log: &Arc<Log>, name: &str) -> anyhow::Result<Stream> {
        let key = StreamKey::data(name.parse()?);
        Ok(Stream { log: Arc::clone(log), key, positions: Positions::new(), read: VecDeque::new() })
    }

    /// The next record; `None` at the end.
    pub(crate) fn next(&mut self) -> anyhow::Result<Option<Stored>> {
        if self.read.is_empty() {
            let batch = self.log.read_merged(&self.key, &self.positions, BATCH_RECORDS, BATCH_BYTES)?;
            self.read.extend(batch.iter().map(|record| Stored {
                arrival: record.arrival().millis(),
                shard: record.shard().0,
                data: record.data_shared(),
            }));
            self.positions = batch.next;
        }
        Ok(self.read.pop_front())
    }

    /// Gives the text of every record to `visit`.
    pub(crate) fn for_each(
        mut self,
        mut visit: impl FnMut(&str) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        while let Some(record) = self.next()? {
            visit(std::str::from_utf8(&record.data).context("a record is no text")?)?;
        }
        Ok(())
    }
}

/// Gives the text of every object whose path below `buckets/` begins so to `visit`.
pub(crate) fn for_each_object(
    data: &Path,
    prefix: &str,
    mut visit: impl FnMut(&str, &str) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut files = Vec::new();
    gather(&data.join("buckets").join(prefix), &mut files)?;
    files.sort();
    for file in files {
        let mut bytes = std::fs::read(&file)?;
        if bytes.starts_with(&[0x1f, 0x8b]) {
            let mut plain = Vec::new();
            MultiGzDecoder::new(bytes.as_slice())
                .read_to_end(&mut plain)
                .with_context(|| format!("{} is cut", file.display()))?;
            bytes = plain;
        }
        let text = String::from_utf8(bytes).with_context(|| format!("{} is no text", file.display()))?;
        let name = file.display().to_string();
        visit(&name, &text).with_context(|| name.clone())?;
    }
    Ok(())
}

/// Every file below a folder.
pub(crate) fn gather(folder: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            gather(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
