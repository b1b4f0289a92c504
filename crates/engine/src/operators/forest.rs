//! RANDOM_CUT_FOREST and RANDOM_CUT_FOREST_WITH_EXPLANATION: an anomaly score for each row.

use super::numbers::number;
use super::row_failures::report;
use super::{Operator, Outbox, RunContext, StateError, StateReader, StateWriter, column_types};
use arrow_array::{Float64Array, StringArray};
use millstream_columns::{Batch, RowError, RowErrors};
use millstream_sketch::{ColumnAttribution, Explanation, ForestSettings, RandomCutForest};
use millstream_sql::{Node, RandomCutForestCall, SqlType};
use std::sync::Arc;

pub(super) struct Forest {
    columns: Vec<usize>,
    names: Vec<String>,
    explanation: Option<bool>,
    input_types: Vec<SqlType>,
    forest: RandomCutForest,
    /// Nanoseconds, as measured: about 300 a tree for a point of one number, half as much more for ten.
    row_cost: u64,
}

impl Forest {
    pub(super) fn new(call: &RandomCutForestCall, input: &Node, seed: u64) -> Forest {
        let settings = forest_settings(call, seed);
        Forest {
            columns: call.columns.clone(),
            names: call.columns.iter().map(|column| input.output[*column].name.clone()).collect(),
            explanation: call.explanation,
            input_types: column_types(input),
            row_cost: 300 * u64::from(call.number_of_trees),
            forest: RandomCutForest::new(settings).expect("the front end has checked every range"),
        }
    }

    /// Score and explanation of a point; `None` for a row with a NULL, which scores 0 and teaches nothing.
    fn score(&mut self, point: Option<&[f32]>) -> Result<(f64, Option<String>), RowError> {
        let refuse = |error: millstream_sketch::PointError| RowError::function(error.to_string());
        match (point, self.explanation) {
            (None, None) => Ok((0.0, None)),
            (Some(point), None) => Ok((self.forest.score_and_update(point).map_err(refuse)?, None)),
            (None, Some(directionality)) => {
                let attribution = vec![ColumnAttribution::default(); self.names.len()];
                let text = explain(&self.names, &attribution, directionality);
                Ok((0.0, Some(text)))
            }
            (Some(point), Some(directionality)) => {
                let Explanation { score, attribution } =
                    self.forest.explain_and_update(point).map_err(refuse)?;
                Ok((score, Some(explain(&self.names, &attribution, directionality))))
            }
        }
    }
}

/// The settings of the forest of a call.
pub(crate) fn forest_settings(call: &RandomCutForestCall, seed: u64) -> ForestSettings {
    ForestSettings {
        number_of_trees: call.number_of_trees,
        sample_size: call.sub_sample_size,
        time_decay: call.time_decay,
        shingle_size: call.shingle_size,
        columns: u32::try_from(call.columns.len()).unwrap_or(u32::MAX),
        seed,
    }
}

/// The JSON of ANOMALY_EXPLANATION: one member a column, every number a text with four decimals.
fn explain(names: &[String], attribution: &[ColumnAttribution], with_directionality: bool) -> String {
    let mut out = String::from("{");
    for (index, (name, part)) in names.iter().zip(attribution).enumerate() {
        if index > 0 {
            out.push(',');
        }
        millstream_columns::formats::push_json_text(&mut out, name);
        out.push_str(":{");
        if with_directionality {
            let direction = if part.high >= part.low && part.high > 0.0 { "HIGH" } else { "LOW" };
            let strength = (part.high - part.low).abs();
            out.push_str(&format!("\"DIRECTION\":\"{direction}\",\"STRENGTH\":\"{strength:.4}\","));
        }
        out.push_str(&format!("\"ATTRIBUTION_SCORE\":\"{:.4}\"}}", part.high + part.low));
    }
    out.push('}');
    out
}

impl Operator for Forest {
    fn rows(&mut self, _port: usize, batch: Batch, context: &mut RunContext<'_>, outbox: &mut Outbox) {
        let Some(last) = batch.rowtimes.last().copied() else { return };
        let mut scores = Vec::with_capacity(batch.len());
        let mut explanations = Vec::new();
        let mut errors = RowErrors::default();
        let mut point = Vec::with_capacity(self.columns.len());
        for row in 0..batch.len() {
            point.clear();
            point.extend(
                self.columns.iter().map_while(|column| Some(number(&batch.columns[*column], row)? as f32)),
            );
            let complete = point.len() == self.columns.len();
            let (score, explanation) =
                self.score(complete.then_some(point.as_slice())).unwrap_or_else(|error| {
                    errors.push(row, error);
                    (0.0, self.explanation.map(|_| String::new()))
                });
            scores.push(score);
            explanations.extend(explanation);
        }
        let mut columns = batch.columns.clone();
        columns.push(Arc::new(Float64Array::from(scores)));
        if self.explanation.is_some() {
            columns.push(Arc::new(StringArray::from(explanations)));
        }
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
        self.row_cost
    }

    fn bounds_change_state(&self) -> bool {
        false
    }

    fn save(&mut self, state: &mut StateWriter<'_>) -> Result<(), StateError> {
        state.whole(|| postcard::to_allocvec(&self.forest))
    }

    fn restore(&mut self, state: &mut StateReader<'_>) -> Result<(), StateError> {
        let state = state.whole()?;
        self.forest = postcard::from_bytes(&state)?;
        Ok(())
    }
}
