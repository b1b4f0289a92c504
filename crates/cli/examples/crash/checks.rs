//! What must be true in the end.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use millstream_streamlog::Log;
use serde_json::Value;

use crate::once::Counts;
use crate::pipeline::{BAD_REVIEW, REPLAYED, UNRATED, is_good, value};
use crate::puts::Batch;
use crate::records::{Stream, for_each_object, gather, open_log};
use crate::replayed;
use crate::rounds::Done;

/// Most mistakes that are shown.
const SHOWN: usize = 40;

/// Looks at everything that a test has left.
pub(crate) fn run(folder: &Path, done: &Done) -> anyhow::Result<()> {
    let data = folder.join("data");
    let log = open_log(&data)?;
    let checks = Checks { data: &data, log: &log, done };
    let mut mistakes = Vec::new();
    mistakes.extend(checks.inputs().context("input streams")?);
    mistakes.extend(checks.copies().context("copies")?);
    mistakes.extend(checks.windows().context("windows")?);
    mistakes.extend(checks.objects().context("objects")?);
    mistakes.extend(checks.reviews().context("reviews")?);
    mistakes.extend(checks.puts().context("puts")?);
    mistakes.extend(checks.replayed().context("the run without kills")?);
    mistakes.extend(checks.leftovers(folder).context("leftovers")?);
    if mistakes.is_empty() {
        return Ok(());
    }
    let count = mistakes.len();
    mistakes.truncate(SHOWN);
    anyhow::bail!("{count} mistakes:\n  {}", mistakes.join("\n  "))
}

struct Checks<'a> {
    data: &'a Path,
    log: &'a Arc<Log>,
    done: &'a Done,
}

/// The id that a record begins with.
fn id_of(record: &str) -> anyhow::Result<u64> {
    let (id, _) = record.trim_start().split_once(',').with_context(|| format!("no record: {record:?}"))?;
    id.parse().with_context(|| format!("no record: {record:?}"))
}

fn number(row: &Value, column: &str) -> anyhow::Result<u64> {
    row[column].as_u64().with_context(|| format!("no number in column {column}: {row}"))
}

/// The fields of a CSV line, as numbers where they are.
fn field(line: &str, place: usize) -> anyhow::Result<u64> {
    let field = line.split(',').nth(place).with_context(|| format!("no such row: {line:?}"))?;
    field.parse().with_context(|| format!("no such row: {line:?}"))
}

/// Sums of windows, and windows that are there more than once.
#[derive(Default)]
struct Windows {
    seen: BTreeMap<String, u64>,
    records: u64,
    total: u64,
}

impl Windows {
    fn see(&mut self, window: String, records: u64, total: u64) {
        *self.seen.entry(window).or_default() += 1;
        self.records += records;
        self.total += total;
    }

    fn mistakes(&self, what: &str, expected: (u64, u64), most_rows: u64) -> Vec<String> {
        let mut mistakes: Vec<String> = self
            .seen
            .iter()
            .filter(|(_, rows)| **rows > most_rows)
            .map(|(window, rows)| format!("{what}: window {window} has {rows} rows"))
            .collect();
        if (self.records, self.total) != expected {
            let (found, total) = (self.records, self.total);
            mistakes
                .push(format!("{what}: windows sum to {found} records and {total}; expected {expected:?}"));
        }
        mistakes
    }
}

impl Checks<'_> {
    fn records(&self) -> u64 {
        self.done.load.records
    }

    /// How many good records there are, and what their values sum to.
    fn expected(&self) -> (u64, u64) {
        let good = (0..self.records()).filter(|id| is_good(*id));
        good.fold((0, 0), |(count, sum), id| (count + 1, sum + value(id)))
    }

    fn counts(&self, what: &str) -> Counts {
        Counts::new(what, self.records())
    }

    /// Feeds repeat no line; copies carry each record once.
    fn inputs(&self) -> anyhow::Result<Vec<String>> {
        let mut mistakes = Vec::new();
        let mut counts = self.counts("stream events");
        Stream::new(self.log, "events")?.for_each(|record| {
            counts.see(id_of(record)?);
            Ok(())
        })?;
        mistakes.extend(counts.mistakes(|_| true));
        // A copy keeps the order within a shard.
        let mut counts = self.counts("stream spread");
        let mut newest: BTreeMap<u32, u64> = BTreeMap::new();
        let mut stream = Stream::new(self.log, "spread")?;
        while let Some(record) = stream.next()? {
            let id = id_of(std::str::from_utf8(&record.data)?)?;
            counts.see(id);
            if let Some(before) = newest.insert(record.shard, id).filter(|before| *before >= id) {
                mistakes
                    .push(format!("stream spread, shard {}: id {id} comes behind {before}", record.shard));
            }
        }
        mistakes.extend(counts.mistakes_in_any_order(|_| true));
        Ok(mistakes)
    }

    /// Plain copies of rows: each good one once; each bad one once in the error stream.
    fn copies(&self) -> anyhow::Result<Vec<String>> {
        let mut mistakes = Vec::new();
        for name in ["copied", "slid", "scores"] {
            let mut counts = self.counts(&format!("stream {name}"));
            Stream::new(self.log, name)?.for_each(|row| {
                counts.see(number(&serde_json::from_str(row)?, "id")?);
                Ok(())
            })?;
            mistakes.extend(counts.mistakes(is_good));
        }
        let mut counts = self.counts("stream merged");
        Stream::new(self.log, "merged")?.for_each(|row| {
            counts.see(number(&serde_json::from_str(row)?, "id")?);
            Ok(())
        })?;
        mistakes.extend(counts.mistakes_in_any_order(is_good));
        let mut counts = self.counts("stream errors");
        Stream::new(self.log, "errors")?.for_each(|row| {
            let row: Value = serde_json::from_str(row)?;
            let raw = row["DATA_ROW"].as_str().with_context(|| format!("no data: {row}"))?;
            counts.see(id_of(&hexadecimal(raw)?)?);
            Ok(())
        })?;
        mistakes.extend(counts.mistakes(|id| !is_good(id)));
        Ok(mistakes)
    }

    /// Windows hold each record once, also in a second application.
    fn windows(&self) -> anyhow::Result<Vec<String>> {
        let (good, total) = self.expected();
        let mut mistakes = Vec::new();
        for (name, key, has_total, most_rows) in [
            ("tumbled", &["at", "k"][..], true, 1),
            ("staggered", &["at", "k"], false, 1),
            ("totals", &["at"], true, 1),
            // Two pumps fill it.
            ("spread-counts", &["at", "k"], false, 2),
        ] {
            let mut windows = Windows::default();
            Stream::new(self.log, name)?.for_each(|row| {
                let row: Value = serde_json::from_str(row)?;
                let window: Vec<String> = key.iter().map(|column| row[column].to_string()).collect();
                let total = if has_total { number(&row, "total")? } else { 0 };
                windows.see(window.join(" "), number(&row, "n")?, total);
                Ok(())
            })?;
            let expected = (good, if has_total { total } else { 0 });
            mistakes.extend(windows.mistakes(&format!("stream {name}"), expected, most_rows));
        }
        Ok(mistakes)
    }

    /// The ids of a delivery stream's objects; records of raw objects have nothing between them.
    fn ids_in_objects(&self, prefix: &str, separator: char) -> anyhow::Result<Counts> {
        let mut counts = self.counts(prefix);
        for_each_object(self.data, prefix, |_, text| {
            counts.begin();
            for record in text.split(separator).filter(|record| !record.trim().is_empty()) {
                counts.see(id_of(record)?);
            }
            Ok(())
        })?;
        Ok(counts)
    }

    fn objects(&self) -> anyhow::Result<Vec<String>> {
        let (good, total) = self.expected();
        let mut mistakes = Vec::new();
        for prefix in ["raw/main", "raw/backup"] {
            mistakes.extend(self.ids_in_objects(prefix, '#')?.mistakes(|_| true));
        }
        for prefix in ["copied-objects", "buffered-objects"] {
            mistakes.extend(self.ids_in_objects(prefix, '\n')?.mistakes(is_good));
        }
        // Where the columns of a row are: the window's key, its records, its total.
        for (name, key, records, sum) in [
            ("tumbled-objects", 2, 2, Some(3)),
            ("buffered-counts", 2, 2, None),
            ("totals-objects", 1, 1, Some(2)),
        ] {
            let mut windows = Windows::default();
            for_each_object(self.data, name, |_, text| {
                for line in text.lines() {
                    let window: Vec<&str> = line.split(',').take(key).collect();
                    let total = sum.map_or(Ok(0), |sum| field(line, sum))?;
                    windows.see(window.join(" "), field(line, records)?, total);
                }
                Ok(())
            })?;
            mistakes.extend(windows.mistakes(name, (good, sum.map_or(0, |_| total)), 1));
        }
        Ok(mistakes)
    }

    /// Each review is in one object of its kind: rated, not rated or failed; and in one of the raw ones.
    fn reviews(&self) -> anyhow::Result<Vec<String>> {
        let reviews = self.done.load.reviews;
        let id_of = |text: &str| -> anyhow::Result<u64> {
            let digits = text
                .trim_start()
                .trim_start_matches('V')
                .get(..7)
                .with_context(|| format!("no review: {text:?}"))?;
            digits.parse().with_context(|| format!("no review: {text:?}"))
        };
        let mut mistakes = Vec::new();
        let mut raw = Counts::new("rated/backup", reviews);
        for_each_object(self.data, "rated/backup", |_, text| {
            raw.begin();
            for record in text.split('|').filter(|record| !record.trim().is_empty()) {
                raw.see(id_of(record)?);
            }
            Ok(())
        })?;
        mistakes.extend(raw.mistakes(|_| true));
        let mut main = Counts::new("rated/main", reviews);
        for (prefix, separator) in [("main/rated/", '\n'), (UNRATED, '|')] {
            for_each_object(self.data, &format!("rated/{prefix}"), |_, text| {
                main.begin();
                for record in text.split(separator).filter(|record| !record.trim().is_empty()) {
                    main.see(id_of(record)?);
                }
                Ok(())
            })?;
        }
        let mut failed = Counts::new("rated/failed", reviews);
        for_each_object(self.data, "rated/failed", |_, text| {
            failed.begin();
            for line in text.lines() {
                let line: Value = serde_json::from_str(line)?;
                let data = BASE64.decode(line["rawData"].as_str().context("no raw data")?)?;
                failed.see(id_of(&String::from_utf8(data)?)?);
            }
            Ok(())
        })?;
        mistakes.extend(main.mistakes(|id| failed.of(id) == 0));
        // Only a fault of the record itself fails it, where it is rated.
        mistakes.extend(failed.mistakes(|id| id.is_multiple_of(BAD_REVIEW) && main.of(id) == 0));
        Ok(mistakes)
    }

    /// Acknowledged batches are there once, the others as a whole or not at all; and in objects as in the stream.
    fn puts(&self) -> anyhow::Result<Vec<String>> {
        let puts = &self.done.puts;
        let ids = puts.last().map_or(0, |last| last.first + last.records);
        let mut stored = Counts::new("stream puts", ids);
        Stream::new(self.log, "puts")?.for_each(|record| {
            stored.see(record.trim().parse()?);
            Ok(())
        })?;
        let mut delivered = Counts::new("put-objects", ids);
        for_each_object(self.data, "put-objects", |_, text| {
            for line in text.lines() {
                delivered.see(line.parse()?);
            }
            Ok(())
        })?;
        let is_there = |batch: &Batch| stored.of(batch.first) > 0;
        let mut expected = vec![false; ids as usize];
        for batch in puts.iter().filter(|batch| batch.is_acknowledged || is_there(batch)) {
            expected[batch.first as usize..(batch.first + batch.records) as usize].fill(true);
        }
        let mut mistakes = stored.mistakes_in_any_order(|id| expected[id as usize]);
        mistakes.extend(delivered.mistakes_in_any_order(|id| expected[id as usize]));
        Ok(mistakes)
    }

    fn replayed(&self) -> anyhow::Result<Vec<String>> {
        let mut mistakes = Vec::new();
        for one in &REPLAYED {
            mistakes.extend(replayed::compare(self.log, one)?);
        }
        Ok(mistakes)
    }

    /// No half objects; and nothing has panicked.
    fn leftovers(&self, folder: &Path) -> anyhow::Result<Vec<String>> {
        let mut files = Vec::new();
        gather(&self.data.join("buckets"), &mut files)?;
        let left = files.iter().filter(|path| path.to_string_lossy().contains('#'));
        let mut mistakes: Vec<String> = left.map(|path| format!("{} is left", path.display())).collect();
        for name in ["out.log", "errors.log"] {
            let text = String::from_utf8_lossy(&std::fs::read(folder.join(name))?).into_owned();
            let unexpected =
                text.lines().filter(|line| line.contains("panick") || line.contains("unexpected"));
            mistakes.extend(unexpected.map(|line| format!("{name}: {line}")));
        }
        Ok(mistakes)
    }
}

/// The text that bytes in hexadecimal digits are.
fn hexadecimal(digits: &str) -> anyhow::Result<String> {
    let bytes = (0..digits.len() / 2).map(|place| u8::from_str_radix(&digits[2 * place..2 * place + 2], 16));
    Ok(String::from_utf8(bytes.collect::<Result<Vec<u8>, _>>()?)?)
}
