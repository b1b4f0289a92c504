//! The outputs of an application: rows become records, records wait for their destination, tasks deliver them.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use arrow_array::ArrayRef;
use millstream_engine::formats::{OutputColumn, OutputFormat, OutputWriter};
use millstream_engine::{Application, Batch, ErrorRow, value_at};
use millstream_host::{Backoff, Clock};
use millstream_sql::{SqlType, StreamId, Value};

use super::destination::Destination;
use super::error_stream;
use super::output_queue::OutputQueue;
use super::tail::Tails;
use super::{Counters, counted};
use crate::definition::{OutputTarget, Shown};
use crate::identifier::Identifiers;
use crate::live::Live;
use crate::supervise::{StopSignal, TaskScope};

const CALL_ROWS: usize = 500;
const CALL_BYTES: usize = 1 << 20;
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// What an output is.
pub(crate) struct OutputPlan {
    /// The in-application stream.
    pub(crate) from: String,
    /// Where to, as it is defined.
    pub(crate) target: OutputTarget,
    pub(crate) format: OutputFormat,
    pub(crate) destination: Destination,
    pub(crate) shown: Option<Shown>,
}

/// One output.
struct Output {
    /// Names it across restarts.
    key: String,
    /// `None` for the error stream.
    stream: Option<StreamId>,
    types: Vec<SqlType>,
    writer: OutputWriter,
    queue: Arc<OutputQueue>,
    shown: Option<Shown>,
}

/// All outputs of an application.
pub(crate) struct Outputs {
    outputs: Vec<Output>,
    counters: Arc<Counters>,
    live: Arc<Live>,
}

/// What the delivering tasks need.
pub(crate) struct OutputServices {
    pub(crate) application: String,
    pub(crate) counters: Arc<Counters>,
    pub(crate) live: Arc<Live>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) identifiers: Identifiers,
    pub(crate) scope: TaskScope,
}

/// Names an output over restarts: rows of one must not go to another.
fn key_of(from: &str, target: &OutputTarget) -> String {
    format!("{from} to {}", target.reference())
}

/// Waiting rows by output, as a checkpoint keeps them.
pub(crate) type WaitingRows = BTreeMap<String, Vec<Vec<u8>>>;

impl Outputs {
    /// Subscribes to the streams, takes over rows that waited, and starts the delivering tasks.
    pub(crate) fn start(
        plans: Vec<OutputPlan>,
        application: &mut Application,
        mut waiting: WaitingRows,
        services: &OutputServices,
    ) -> Outputs {
        let mut outputs = Vec::new();
        for plan in plans {
            let stream = application.program().stream(&plan.from);
            let columns: Vec<OutputColumn> = match stream {
                Some(id) => {
                    application.subscribe(id);
                    let columns = application.program().streams[id.0].columns.iter();
                    columns
                        .map(|column| OutputColumn { name: column.name.clone(), sql_type: column.sql_type })
                        .collect()
                }
                None => error_stream::columns(),
            };
            let key = key_of(&plan.from, &plan.target);
            let queue = Arc::new(OutputQueue::default());
            let old_key = format!("{} to {}", plan.from, plan.destination.name_of_layout_1());
            if let Some(rows) = waiting.remove(&key).or_else(|| waiting.remove(&old_key)) {
                queue.push(rows.iter().map(Vec::as_slice));
            }
            let delivering = Delivering {
                place: format!("{}: {}", services.application, plan.destination.name()),
                destination: plan.destination,
                queue: Arc::clone(&queue),
                counters: Arc::clone(&services.counters),
                live: Arc::clone(&services.live),
                clock: Arc::clone(&services.clock),
                identifiers: services.identifiers.clone(),
            };
            outputs.push(Output {
                key,
                stream,
                types: columns.iter().map(|column| column.sql_type).collect(),
                writer: OutputWriter::new(plan.format, columns),
                queue,
                shown: plan.shown,
            });
            services
                .scope
                .task(&format!("output {}", outputs.len()), delivering.run(services.scope.stop_signal()));
        }
        for (key, rows) in waiting.iter().filter(|(_, rows)| !rows.is_empty()) {
            let message = format!(
                "{} of an output that is no longer there skipped: {key}",
                counted(rows.len(), "waiting row is", "waiting rows are")
            );
            services.live.problem(services.clock.now(), &services.application, message, rows.len() as u64);
        }
        Outputs { outputs, counters: Arc::clone(&services.counters), live: Arc::clone(&services.live) }
    }

    /// Takes what came out of the engine into the queues.
    pub(crate) fn collect(&self, application: &mut Application, tails: &mut Tails) {
        let mut taken: BTreeMap<StreamId, Vec<Batch>> = BTreeMap::new();
        for stream in tails.streams() {
            if self.outputs.iter().all(|output| output.stream != Some(stream)) {
                tails.rows(stream, &application.take_output(stream));
            }
        }
        for output in &self.outputs {
            let Some(stream) = output.stream else { continue };
            let is_first = !taken.contains_key(&stream);
            let batches = taken.entry(stream).or_insert_with(|| application.take_output(stream));
            if is_first {
                let rows: usize = batches.iter().map(Batch::len).sum();
                self.counters.add_rows(&application.program().streams[stream.0].name, rows as u64);
                tails.rows(stream, batches);
            }
            for batch in batches.iter().filter(|batch| !batch.is_empty()) {
                let encoded = output.writer.write(&batch.columns);
                self.counters.add(|status| status.rows_out += encoded.len() as u64);
                output.queue.push(encoded.iter());
                if let Some(shown) = output.shown {
                    show(&self.live, shown, batch, &output.types);
                }
            }
        }
    }

    /// Error rows go to the outputs that ask for them.
    pub(crate) fn errors(&self, rows: &[ErrorRow]) {
        for output in self.outputs.iter().filter(|output| output.stream.is_none()) {
            let encoded = error_stream::write(&output.writer, rows);
            output.queue.push(encoded.iter());
        }
    }

    /// Everything that waits.
    pub(crate) fn waiting(&self) -> WaitingRows {
        self.outputs.iter().map(|output| (output.key.clone(), output.queue.all())).collect()
    }

    pub(crate) fn are_empty(&self) -> bool {
        self.outputs.iter().all(|output| output.queue.is_empty())
    }

    pub(crate) fn are_full(&self) -> bool {
        self.outputs.iter().any(|output| output.queue.is_full())
    }
}

/// The first number of each row, for people to see.
fn show(live: &Live, shown: Shown, batch: &Batch, types: &[SqlType]) {
    let is_number = |(_, sql_type): &(&ArrayRef, &SqlType)| sql_type.is_numeric();
    let Some((column, sql_type)) = batch.columns.iter().zip(types).find(is_number) else { return };
    for row in 0..batch.len() {
        let value = match (value_at(column, *sql_type, row), sql_type) {
            (Value::Double(value), _) => value,
            (Value::Integer(value), _) => value as f64,
            (Value::Decimal(value), SqlType::Decimal { scale, .. }) => {
                value as f64 / 10_f64.powi(i32::from(*scale))
            }
            _ => continue,
        };
        live.number(shown, batch.rowtimes[row], value);
    }
}

/// The task of one output.
struct Delivering {
    place: String,
    destination: Destination,
    queue: Arc<OutputQueue>,
    counters: Arc<Counters>,
    live: Arc<Live>,
    clock: Arc<dyn Clock>,
    identifiers: Identifiers,
}

impl Delivering {
    /// Delivers in order until its scope stops; what fails is tried again, for ever. A call under way is not waited for:
    /// its rows come again.
    async fn run(self, mut stop: StopSignal) {
        tokio::select! {
            () = self.deliver() => {}
            () = stop.stopped() => {}
        }
    }

    async fn deliver(&self) {
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        loop {
            self.queue.filled().await;
            let rows = self.queue.oldest(CALL_ROWS, CALL_BYTES);
            let sent = self.destination.send(&rows, &self.identifiers).await;
            let (mut delivered, mut failed) = (HashSet::new(), HashSet::new());
            for (row, arrived) in rows.iter().zip(&sent.arrived) {
                if *arrived {
                    delivered.insert(row.number)
                } else {
                    failed.insert(row.number)
                };
            }
            self.counters.add(|status| status.rows_delivered += delivered.len() as u64);
            self.queue.settle(&delivered, &failed);
            if let Some(problem) = sent.problem {
                self.live.problem(self.clock.now(), &self.place, problem, 1);
            }
            if failed.is_empty() {
                backoff.reset();
                let is_behind = rows.len() == CALL_ROWS;
                if !is_behind {
                    self.clock.sleep(self.destination.pause()).await;
                }
            } else {
                self.clock.sleep(backoff.wait()).await;
            }
        }
    }
}
