//! HOTSPOTS: for each row where the latest rows crowd.

use super::numbers::number;
use super::row_failures::report;
use super::{Operator, Outbox, RunContext, StateError, StateReader, StateWriter};
use arrow_array::StringArray;
use millstream_columns::{Batch, RowError, RowErrors};
use millstream_sketch::{Hotspot, HotspotSettings, Hotspots};
use millstream_sql::{HotspotsCall, SqlType};
use std::fmt::Write;
use std::sync::Arc;

pub(super) struct HotspotsOperator {
    columns: Vec<usize>,
    input_types: Vec<SqlType>,
    window: Hotspots,
}

impl HotspotsOperator {
    pub(super) fn new(call: &HotspotsCall, input_types: Vec<SqlType>) -> HotspotsOperator {
        let settings = HotspotSettings {
            window_size: call.window_size,
            scan_radius: call.scan_radius,
            minimum_points: call.minimum_points,
            dimensions: call.columns.len(),
        };
        let window = Hotspots::new(settings).expect("the front end has checked every range");
        HotspotsOperator { columns: call.columns.clone(), input_types, window }
    }
}

/// `{"num_hotspots":1,"hotspots":[{"density":…,"minValues":[…],"maxValues":[…]}]}`
fn json(hotspots: &[Hotspot]) -> String {
    let mut out = format!("{{\"num_hotspots\":{},\"hotspots\":[", hotspots.len());
    for (index, hotspot) in hotspots.iter().enumerate() {
        let comma = if index > 0 { "," } else { "" };
        // Writing to a String does not fail.
        let _ = write!(out, "{comma}{{\"density\":{},\"minValues\":[", hotspot.density);
        push_numbers(&mut out, &hotspot.minimum);
        out.push_str("],\"maxValues\":[");
        push_numbers(&mut out, &hotspot.maximum);
        out.push_str("]}");
    }
    out.push_str("]}");
    out
}

fn push_numbers(out: &mut String, numbers: &[f64]) {
    for (index, number) in numbers.iter().enumerate() {
        let comma = if index > 0 { "," } else { "" };
        let _ = write!(out, "{comma}{number}");
    }
}

impl Operator for HotspotsOperator {
    fn rows(&mut self, _port: usize, batch: Batch, context: &mut RunContext<'_>, outbox: &mut Outbox) {
        let Some(last) = batch.rowtimes.last().copied() else { return };
        let mut results = Vec::with_capacity(batch.len());
        let mut errors = RowErrors::default();
        let mut point = Vec::with_capacity(self.columns.len());
        for row in 0..batch.len() {
            point.clear();
            point.extend(self.columns.iter().map_while(|column| number(&batch.columns[*column], row)));
            // A row with a NULL is no point of the window.
            if point.len() == self.columns.len()
                && let Err(error) = self.window.add(&point)
            {
                errors.push(row, RowError::function(error.to_string()));
            }
            results.push(json(&self.window.find()));
        }
        let mut columns = batch.columns.clone();
        columns.push(Arc::new(StringArray::from(results)));
        let mut output = Batch::new(batch.rowtimes.clone(), columns);
        if !errors.is_empty() {
            let kept = report(&errors, &batch, &self.input_types, context);
            output = output.filter(&kept).expect("the mask has one value for each row");
        }
        outbox.rows(output);
        outbox.bound(last);
    }

    fn bound(&mut self, _port: usize, bound: i64, _context: &mut RunContext<'_>, outbox: &mut Outbox) {
        outbox.bound(bound);
    }

    fn nanoseconds_a_row(&self) -> u64 {
        20_000
    }

    fn bounds_change_state(&self) -> bool {
        false
    }

    fn save(&mut self, state: &mut StateWriter<'_>) -> Result<(), StateError> {
        state.whole(|| postcard::to_allocvec(&self.window))
    }

    fn restore(&mut self, state: &mut StateReader<'_>) -> Result<(), StateError> {
        let state = state.whole()?;
        self.window = postcard::from_bytes(&state)?;
        Ok(())
    }
}
