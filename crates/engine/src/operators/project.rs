//! The select list: new columns for each row, and perhaps a new ROWTIME.

use super::row_failures::{evaluate_all, report_row};
use super::{END_OF_TIME, Operator, Outbox, RunContext, StateError, StateReader, StateWriter};
use crate::expression::{CompileError, CompiledExpression};
use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;
use arrow_array::{Array, UInt32Array};
use arrow_buffer::ScalarBuffer;
use millstream_columns::{Batch, ErrorName, RowError};
use millstream_sql::{Expression, ExpressionKind, Projection, SqlType, Value};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub(super) struct Project {
    expressions: Vec<CompiledExpression>,
    /// For each, how many texts were cut to the length of its column, where that can happen.
    cut_texts: Vec<Option<Arc<AtomicU64>>>,
    rowtime: Option<CompiledExpression>,
    /// The new ROWTIME never goes back while the old one does not: bounds can be carried over.
    rowtime_follows: bool,
    input_types: Vec<SqlType>,
    /// The largest ROWTIME given so far, when the query sets it.
    latest: Option<i64>,
}

impl Project {
    pub(super) fn new(projection: &Projection, input_types: Vec<SqlType>) -> Result<Project, CompileError> {
        let rowtime = projection.rowtime.as_ref().map(CompiledExpression::compile).transpose()?;
        let compiled = projection.expressions.iter().map(CompiledExpression::compile_assignment);
        let (expressions, cut_texts) =
            compiled.collect::<Result<Vec<_>, CompileError>>()?.into_iter().unzip();
        Ok(Project {
            expressions,
            cut_texts,
            rowtime,
            rowtime_follows: projection.rowtime.as_ref().is_some_and(follows_rowtime),
            input_types,
            latest: None,
        })
    }

    /// The bound of the output for one of the input, above what was given before.
    fn retimed_bound(&self, bound: i64, context: &RunContext<'_>) -> Option<i64> {
        let rowtime = self.rowtime.as_ref().filter(|_| self.rowtime_follows)?;
        match rowtime.evaluate_rowtime_only(bound, &context.evaluation) {
            Ok(Value::Timestamp(bound)) if self.latest.is_none_or(|latest| bound > latest) => Some(bound),
            _ => None,
        }
    }

    /// Gives each row its own time; rows that would go backwards, or have none, are refused.
    fn retime(
        &mut self,
        input: &Batch,
        output: Batch,
        times: &dyn Array,
        context: &mut RunContext<'_>,
    ) -> Batch {
        let times = times.as_primitive::<TimestampMillisecondType>();
        let mut kept: Vec<u32> = Vec::with_capacity(times.len());
        let mut rowtimes = Vec::with_capacity(times.len());
        for row in 0..times.len() {
            let problem = if times.is_null(row) {
                "ROWTIME is NULL".to_owned()
            } else {
                let time = times.value(row);
                match self.latest {
                    Some(latest) if time < latest => format!(
                        "rows are out of order: ROWTIME {} is before {}",
                        timestamp_text(time),
                        timestamp_text(latest)
                    ),
                    _ => {
                        self.latest = Some(time);
                        kept.push(row as u32);
                        rowtimes.push(time);
                        continue;
                    }
                }
            };
            let error = RowError::new(ErrorName::OutOfOrder, problem);
            report_row(&error, input, row, &self.input_types, context);
        }
        let batch = if kept.len() == output.len() {
            output
        } else {
            output.take(&UInt32Array::from(kept)).expect("the rows are there")
        };
        Batch::new(ScalarBuffer::from(rowtimes), batch.columns)
    }
}

/// Whether the expression is ROWTIME, moved by a constant time, or that rounded down or up.
fn follows_rowtime(expression: &Expression) -> bool {
    match &expression.kind {
        ExpressionKind::RowTime => true,
        ExpressionKind::RoundTo { operand, .. } | ExpressionKind::StepDatetime { operand, .. } => {
            follows_rowtime(operand)
        }
        ExpressionKind::DatetimeShift { datetime, interval, .. } => {
            interval.literal().is_some() && follows_rowtime(datetime)
        }
        _ => false,
    }
}

fn timestamp_text(millis: i64) -> String {
    let mut text = Vec::new();
    millstream_columns::datetime_text::write_timestamp(&mut text, millis, true);
    String::from_utf8_lossy(&text).into_owned()
}

impl Operator for Project {
    fn rows(&mut self, _port: usize, batch: Batch, context: &mut RunContext<'_>, outbox: &mut Outbox) {
        let Some(last) = batch.rowtimes.last().copied() else { return };
        let mut expressions: Vec<&CompiledExpression> = self.expressions.iter().collect();
        expressions.extend(&self.rowtime);
        let (batch, mut columns) = evaluate_all(&expressions, batch, &self.input_types, context);
        if self.rowtime.is_none() {
            outbox.rows(Batch::new(batch.rowtimes, columns));
            outbox.bound(last);
            return;
        }
        let times = columns.pop().expect("the new ROWTIME is the last column");
        let output = Batch::new(batch.rowtimes.clone(), columns);
        let output = self.retime(&batch, output, times.as_ref(), context);
        let latest = output.rowtimes.last().copied();
        outbox.rows(output);
        // A row that failed still shows how far time has come.
        if let Some(bound) = self.retimed_bound(last, context).or(latest) {
            outbox.bound(bound);
        }
    }

    fn bound(&mut self, _port: usize, bound: i64, context: &mut RunContext<'_>, outbox: &mut Outbox) {
        if self.rowtime.is_none() {
            outbox.bound(bound);
        } else if let Some(bound) = self.retimed_bound(bound, context) {
            // Any other new ROWTIME says nothing of the times to come by the times that were.
            outbox.bound(bound);
        }
    }

    fn cut_texts(&self) -> Vec<u64> {
        let count = |cut: &Option<Arc<AtomicU64>>| cut.as_ref().map_or(0, |cut| cut.load(Ordering::Relaxed));
        self.cut_texts.iter().map(count).collect()
    }

    fn end(&mut self, _context: &mut RunContext<'_>, outbox: &mut Outbox) {
        outbox.bound(END_OF_TIME);
    }

    fn save(&mut self, state: &mut StateWriter<'_>) -> Result<(), StateError> {
        state.whole(|| postcard::to_allocvec(&self.latest))
    }

    fn restore(&mut self, state: &mut StateReader<'_>) -> Result<(), StateError> {
        let state = state.whole()?;
        self.latest = postcard::from_bytes(&state)?;
        Ok(())
    }
}
