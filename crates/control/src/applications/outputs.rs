//! The outputs of an application: rows become records, records wait for their destination, tasks deliver them.
//!
//! Rows are numbered by what came out of the engine, so that a row that is sent again after a restart is known: the log
//! drops it, and functions can.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use arrow_array::ArrayRef;
use millstream_columns::formats::{OutputColumn, OutputFormat, OutputWriter};
use millstream_columns::{Batch, value_at};
use millstream_engine::{Application, ErrorRow};
use millstream_host::{Backoff, Clock};
use millstream_sql::{SqlType, StreamId, Value};
use millstream_wording::agreeing;

use super::Counters;
use super::destination::Destination;
use super::error_stream;
use super::output_queue::{OutputQueue, RowNumber, StoredRow};
use super::tail::Tails;
use crate::definition::{OutputTarget, ResourceId, Shown};
use crate::live::Live;
use crate::producers;
use crate::supervise::{StopSignal, TaskScope};

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
    /// Number its rows, the same in every run; the second is for error rows of pumps.
    producers: [u64; 2],
    /// What the destination has of them already: one past the highest number, 0 for nothing.
    arrived: [u64; 2],
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
    /// The number of the next row of each stream that has an output.
    next_rows: BTreeMap<StreamId, u64>,
    /// The streams that pumps write or that have outputs, with how many rows each had given before this run.
    counted: BTreeMap<StreamId, u64>,
    next_errors: ErrorNumbers,
    counters: Arc<Counters>,
    live: Arc<Live>,
}

/// The numbers of the next error rows: of the input, and of the pumps. Each sequence is the same in every run; how they
/// mix is not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ErrorNumbers {
    pub(crate) input: u64,
    pub(crate) pumps: u64,
}

/// What the outputs of a run are started with.
pub(crate) struct OutputServices {
    pub(crate) application: String,
    pub(crate) id: ResourceId,
    /// In which rows are numbered.
    pub(crate) epoch: u64,
    pub(crate) counters: Arc<Counters>,
    pub(crate) live: Arc<Live>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) scope: TaskScope,
}

/// Waiting rows by output, as a checkpoint keeps them.
pub(crate) type WaitingRows = BTreeMap<String, Vec<StoredRow>>;

impl Outputs {
    /// Subscribes to the streams, takes over rows that waited, and starts the delivering tasks.
    pub(crate) fn start(
        plans: Vec<OutputPlan>,
        application: &mut Application,
        mut waiting: WaitingRows,
        input_errors: u64,
        services: &OutputServices,
    ) -> Outputs {
        let mut outputs = Vec::new();
        let mut next_rows = BTreeMap::new();
        for plan in plans {
            let stream = application.program().stream(&plan.from);
            let columns: Vec<OutputColumn> = match stream {
                Some(id) => {
                    application.subscribe(id);
                    next_rows.insert(id, application.rows_emitted(id));
                    let columns = application.program().streams[id.0].columns.iter();
                    columns
                        .map(|column| OutputColumn { name: column.name.clone(), sql_type: column.sql_type })
                        .collect()
                }
                None => error_stream::columns(),
            };
            let key = producers::output_name(&plan.from, &plan.target);
            let producers = producers::of_output(services.id, services.epoch, &key);
            let queue = Arc::new(OutputQueue::default());
            let old_key = format!("{} to {}", plan.from, plan.destination.name_of_layout_1());
            if let Some(rows) = waiting.remove(&key).or_else(|| waiting.remove(&old_key)) {
                queue.take_over(rows);
            }
            let delivering = Delivering {
                place: format!("{}: {}", services.application, plan.destination.name()),
                what: format!("output {key}"),
                destination: plan.destination,
                queue: Arc::clone(&queue),
                counters: Arc::clone(&services.counters),
                live: Arc::clone(&services.live),
                clock: Arc::clone(&services.clock),
            };
            let arrived = producers.map(|producer| delivering.destination.arrived(producer));
            let name = format!("output {}", outputs.len() + 1);
            services.scope.task(&name, delivering.run(services.scope.stop_signal()));
            outputs.push(Output {
                key,
                producers,
                arrived,
                stream,
                types: columns.iter().map(|column| column.sql_type).collect(),
                writer: OutputWriter::new(plan.format, columns),
                queue,
                shown: plan.shown,
            });
        }
        for (key, rows) in waiting.iter().filter(|(_, rows)| !rows.is_empty()) {
            let message = format!(
                "{} skipped: the output {key}, for which they waited, no longer exists",
                agreeing(rows.len(), "row is", "rows are")
            );
            services.live.problem(services.clock.now(), &services.application, message, rows.len() as u64);
        }
        let pumps = application.program().pumps.iter().map(|pump| pump.target);
        let counted = pumps.chain(next_rows.keys().copied());
        let counted = counted.map(|stream| (stream, application.rows_emitted(stream))).collect();
        let next_errors = ErrorNumbers { input: input_errors, pumps: application.errors_emitted() };
        let (counters, live) = (Arc::clone(&services.counters), Arc::clone(&services.live));
        Outputs { outputs, next_rows, counted, next_errors, counters, live }
    }

    /// Takes what came out of the engine into the queues, and shows it to those who follow its streams.
    pub(crate) fn collect(&mut self, application: &mut Application, tails: &mut Tails) {
        tails.collect(application, |stream| self.next_rows.contains_key(&stream));
        let streams: Vec<StreamId> = self.next_rows.keys().copied().collect();
        for stream in streams {
            let batches = application.take_output(stream);
            let rows: usize = batches.iter().map(Batch::len).sum();
            if rows == 0 {
                continue;
            }
            tails.rows(stream, &batches);
            let first = self.next_rows.entry(stream).or_default();
            let mut number = *first;
            *first += rows as u64;
            for batch in batches.iter().filter(|batch| !batch.is_empty()) {
                for output in self.outputs.iter().filter(|output| output.stream == Some(stream)) {
                    let encoded = output.writer.write(&batch.columns);
                    self.counters.add(|status| status.rows_out += encoded.len() as u64);
                    output.queue.push(RowNumber { producer: output.producers[0], number }, encoded);
                    if let Some(shown) = output.shown {
                        show(&self.live, shown, batch, &output.types);
                    }
                }
                number += batch.len() as u64;
            }
        }
        for (stream, before) in &self.counted {
            let rows = application.rows_emitted(*stream) - before;
            self.counters.set_rows(&application.program().streams[stream.0].name, rows);
        }
    }

    /// Error rows go to the outputs that ask for them.
    pub(crate) fn errors(&mut self, of_input: &[ErrorRow], of_pumps: &[ErrorRow]) {
        let numbers = self.next_errors;
        for output in self.outputs.iter().filter(|output| output.stream.is_none()) {
            let [input, pumps] = output.producers;
            for (rows, number, producer) in
                [(of_input, numbers.input, input), (of_pumps, numbers.pumps, pumps)]
            {
                if !rows.is_empty() {
                    let encoded = error_stream::write(&output.writer, rows);
                    output.queue.push(RowNumber { producer, number }, encoded);
                }
            }
        }
        self.next_errors.input += of_input.len() as u64;
        self.next_errors.pumps += of_pumps.len() as u64;
    }

    /// Error rows of the input so far.
    pub(crate) fn input_errors(&self) -> u64 {
        self.next_errors.input
    }

    /// Whether destinations have rows that have not come out again yet since a crash.
    pub(crate) fn are_behind(&self) -> bool {
        self.outputs.iter().any(|output| match output.stream {
            Some(stream) => self.next_rows.get(&stream).is_some_and(|next| *next < output.arrived[0]),
            None => {
                let ErrorNumbers { input, pumps } = self.next_errors;
                input < output.arrived[0] || pumps < output.arrived[1]
            }
        })
    }

    /// Rows that come out from now on are not delivered before they are let go.
    pub(crate) fn hold(&self) {
        self.outputs.iter().for_each(|output| output.queue.hold());
    }

    /// All rows may be delivered.
    pub(crate) fn let_go(&self) {
        self.outputs.iter().for_each(|output| output.queue.let_go());
    }

    /// How far each output is, for [`Outputs::let_go_before`].
    pub(crate) fn ends(&self) -> Vec<u64> {
        self.outputs.iter().map(|output| output.queue.end()).collect()
    }

    /// Rows before these places may be delivered; later ones stay held back, if they are.
    pub(crate) fn let_go_before(&self, ends: &[u64]) {
        self.outputs.iter().zip(ends).for_each(|(output, end)| output.queue.let_go_before(*end));
    }

    /// Whether rows are held back.
    pub(crate) fn hold_some(&self) -> bool {
        self.outputs.iter().any(|output| output.queue.holds_some())
    }

    /// Comes back when rows have arrived or failed since it was last asked; never without outputs.
    pub(crate) async fn settled(&self) {
        let settled = self.outputs.iter().map(|output| Box::pin(output.queue.settled()));
        match settled.collect::<Vec<_>>() {
            none if none.is_empty() => std::future::pending().await,
            some => drop(futures::future::select_all(some).await),
        }
    }

    /// Everything that waits.
    pub(crate) fn waiting(&self) -> WaitingRows {
        let queues = self.outputs.iter().filter(|output| !output.queue.is_empty());
        queues.map(|output| (output.key.clone(), output.queue.all())).collect()
    }

    /// Rows that wait.
    pub(crate) fn waiting_count(&self) -> usize {
        self.outputs.iter().map(|output| output.queue.len()).sum()
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
    /// What it is called among what is tried again.
    what: String,
    destination: Destination,
    queue: Arc<OutputQueue>,
    counters: Arc<Counters>,
    live: Arc<Live>,
    clock: Arc<dyn Clock>,
}

impl Delivering {
    /// Delivers in order until its scope stops; what fails is tried again, for ever. A call under way is not waited for:
    /// its rows come again, and count once.
    async fn run(self, mut stop: StopSignal) {
        tokio::select! {
            () = self.deliver() => {}
            () = stop.stopped() => {}
        }
    }

    async fn deliver(&self) {
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        let (most_rows, most_bytes) = self.destination.limits();
        loop {
            self.queue.filled().await;
            let rows = self.queue.oldest(most_rows, most_bytes);
            let sent = self.destination.send(&rows).await;
            let failed = sent.arrived.iter().filter(|arrived| !**arrived).count();
            self.counters.add(|status| status.rows_delivered += (rows.len() - failed) as u64);
            if failed == 0 {
                self.queue.settle_first(rows.len());
            } else {
                let places = |wanted: bool| -> HashSet<u64> {
                    let rows = rows.iter().zip(&sent.arrived).filter(|(_, arrived)| **arrived == wanted);
                    rows.map(|(row, _)| row.place).collect()
                };
                self.queue.settle(&places(true), &places(false));
            }
            let retrying = self.counters.retrying();
            if failed == 0 {
                retrying.worked(&self.what);
            } else {
                let reason = sent.problem.clone().unwrap_or_else(|| "the rows are not taken".to_owned());
                retrying.failed(&self.what, self.clock.now(), reason);
            }
            if let Some(problem) = sent.problem {
                self.live.problem(self.clock.now(), &self.place, problem, 1);
            }
            if failed == 0 {
                backoff.reset();
                let is_behind = rows.len() == most_rows;
                if !is_behind {
                    self.clock.sleep(self.destination.pause()).await;
                }
            } else {
                self.clock.sleep(backoff.wait()).await;
            }
        }
    }
}
