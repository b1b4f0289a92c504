//! The windows by definition: for each result, all rows are looked at again.

use crate::aggregates::AGGREGATES;
use crate::program::{Frame, Sliding, Staggered, Tumbling, window_function};
use crate::rows::Row;
use crate::running::OutputRow;
use millstream_sql::Value;

/// Groups in order of their first row, each with its keys and rows.
type Groups<'r> = Vec<(Vec<Value>, Vec<&'r Row>)>;

fn result(rowtime: i64, keys: Vec<Value>, aggregates: &[usize], rows: &[&Row]) -> OutputRow {
    let mut values = keys;
    values.extend(aggregates.iter().map(|place| (AGGREGATES[*place].over)(rows)));
    OutputRow { rowtime, values }
}

pub(crate) fn tumbling(query: &Tumbling, rows: &[Row]) -> Vec<OutputRow> {
    let period = query.step * 1_000;
    let end = |row: &Row| (row.rowtime / period + 1) * period;
    let mut output = Vec::new();
    let mut rest: Vec<&Row> =
        rows.iter().filter(|row| !query.filtered || row.n.is_some_and(|n| n > 0)).collect();
    while let Some(first) = rest.first() {
        let ends_at = end(first);
        let (window, later): (Vec<&Row>, Vec<&Row>) = rest.iter().partition(|row| end(row) == ends_at);
        rest = later;
        let mut groups: Groups<'_> = Vec::new();
        for row in window {
            let keys = query.keys.of(row);
            match groups.iter_mut().find(|(known, _)| *known == keys) {
                Some((_, rows)) => rows.push(row),
                None => groups.push((keys, vec![row])),
            }
        }
        output.extend(groups.into_iter().map(|(keys, rows)| result(ends_at, keys, &query.aggregates, &rows)));
    }
    output
}

pub(crate) fn staggered(query: &Staggered, rows: &[Row]) -> Vec<OutputRow> {
    let range = query.range * 1_000;
    let mut windows: Vec<(i64, Vec<Value>, Vec<&Row>)> = Vec::new();
    for row in rows {
        let keys = query.keys.of(row);
        let open =
            windows.iter_mut().find(|(opened, known, _)| *known == keys && row.rowtime < opened + range);
        match open {
            Some((_, _, rows)) => rows.push(row),
            None => windows.push((row.rowtime, keys, vec![row])),
        }
    }
    // They were opened in order of time, and all are of one length.
    let closed = windows.into_iter();
    closed.map(|(opened, keys, rows)| result(opened + range, keys, &query.aggregates, &rows)).collect()
}

pub(crate) fn sliding(query: &Sliding, rows: &[Row]) -> Vec<OutputRow> {
    let output = rows.iter().enumerate().map(|(place, row)| {
        let values = query.calls.iter().map(|(function, window)| {
            let (keys, frame) = query.windows[*window];
            let partition = keys.of(row);
            let mut seen: Vec<&Row> =
                rows[..=place].iter().filter(|other| keys.of(other) == partition).collect();
            match frame {
                Frame::Range(millis) => seen.retain(|other| other.rowtime >= row.rowtime - millis),
                Frame::Rows(count) => {
                    seen.drain(..seen.len().saturating_sub(count + 1));
                }
                Frame::Unbounded => {}
            }
            (window_function(*function).over)(&seen)
        });
        OutputRow { rowtime: row.rowtime, values: values.collect() }
    });
    output.collect()
}
