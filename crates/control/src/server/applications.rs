//! Applications, as the pipeline declares them.

use std::sync::Arc;

use millstream_engine::formats::OutputFormat;
use millstream_host::Clock;
use millstream_streamlog::{Log, StreamKey, StreamKind};
use tokio::runtime::Handle;

use super::functions::Functions;
use super::streams::{buffer_key, data_key};
use crate::applications::{
    ApplicationComponents, Destination, LogInput, OutputPlan, Preprocessor, ReferenceTableRows,
    RunningApplication, read_file, read_object, rows_of,
};
use crate::catalog::{Catalog, StoredCheckpoint};
use crate::consumers::BufferConsumers;
use crate::data_directory::DataDirectory;
use crate::deliveries;
use crate::error::StartError;
use crate::identifier::Identifiers;
use crate::live::Live;
use crate::pipeline::{
    ApplicationDeclaration, ApplicationOutputDeclaration, CheckedApplication, CheckedReference,
    OutputFormatChoice, ReferencePlace, StartingPosition,
};

/// What applications share.
pub(super) struct ApplicationServices<'a> {
    pub(super) directory: &'a DataDirectory,
    pub(super) log: &'a Arc<Log>,
    pub(super) catalog: &'a Catalog,
    pub(super) consumers: &'a Arc<BufferConsumers>,
    pub(super) functions: &'a Functions,
    pub(super) clock: &'a Arc<dyn Clock>,
    pub(super) live: &'a Arc<Live>,
    pub(super) identifiers: &'a Identifiers,
    pub(super) runtime: &'a Handle,
}

/// An application with its input found, not running yet: every consumer of a buffer must be known before any runs.
pub(super) struct PreparedApplication<'a> {
    declared: &'a ApplicationDeclaration,
    checked: &'a CheckedApplication,
    input: LogInput,
    engine_state: Option<Vec<u8>>,
    waiting_output: Option<Vec<u8>>,
}

impl ApplicationServices<'_> {
    /// Finds where the application begins to read, as declared, and makes it known as a consumer.
    pub(super) fn prepare<'a>(
        &self,
        declared: &'a ApplicationDeclaration,
        checked: &'a CheckedApplication,
    ) -> Result<PreparedApplication<'a>, StartError> {
        let wanted = declared.input.starting_position.as_ref().map(|position| *position.get_ref());
        self.prepare_at(wanted, declared, checked)
    }

    /// The same, but it goes on where it was stopped a moment ago.
    pub(super) fn prepare_to_go_on<'a>(
        &self,
        declared: &'a ApplicationDeclaration,
        checked: &'a CheckedApplication,
    ) -> Result<PreparedApplication<'a>, StartError> {
        self.prepare_at(None, declared, checked)
    }

    fn prepare_at<'a>(
        &self,
        wanted: Option<StartingPosition>,
        declared: &'a ApplicationDeclaration,
        checked: &'a CheckedApplication,
    ) -> Result<PreparedApplication<'a>, StartError> {
        let key = match (&declared.input.delivery_stream, &declared.input.stream) {
            (Some(name), _) => buffer_key(name.get_ref()),
            (None, Some(name)) => data_key(name.get_ref()),
            (None, None) => unreachable!("the pipeline was checked"),
        };
        let stored = self.catalog.checkpoint(&checked.name)?;
        let waiting_output = stored.as_ref().map(|stored| stored.waiting_output.clone());
        let start = start(wanted, &checked.name, &key, stored);
        let newest = || LogInput::new(Arc::clone(self.log), key.clone(), &[])?.ends();
        let positions = match &start {
            Start::Resumed { positions, .. } => positions.clone(),
            Start::Oldest => Vec::new(),
            Start::Newest => newest()?,
        };
        let engine_state = match start {
            Start::Resumed { engine_state, .. } => Some(engine_state),
            Start::Oldest | Start::Newest => None,
        };
        let input = LogInput::new(Arc::clone(self.log), key.clone(), &positions)?;
        if key.kind == StreamKind::Delivery {
            let position = input.positions().first().copied().unwrap_or(0);
            self.consumers.add_consumer(key.name.as_str(), &checked.name, position);
        }
        Ok(PreparedApplication { declared, checked, input, engine_state, waiting_output })
    }

    /// Starts it.
    pub(super) async fn start(
        &self,
        prepared: PreparedApplication<'_>,
    ) -> Result<RunningApplication, StartError> {
        let PreparedApplication { declared, checked, input, engine_state, waiting_output } = prepared;
        let preprocessor = declared.input.preprocessor.as_ref().map(|function| Preprocessor {
            function: Arc::clone(&self.functions[function.get_ref()]),
            application: checked.name.clone(),
            source: input.key().clone(),
            time_unit: checked.switches.preprocessor_time_unit,
            identifiers: self.identifiers.clone(),
            clock: Arc::clone(self.clock),
            live: Arc::clone(self.live),
        });
        let mut tables = Vec::new();
        for reference in &checked.references {
            tables.push(self.table(&checked.name, reference).await?);
        }
        RunningApplication::start(ApplicationComponents {
            tables,
            checked: checked.clone(),
            seed: declared.seed,
            input,
            engine_state,
            waiting_output,
            preprocessor,
            outputs: declared.outputs.iter().map(|output| self.output(checked, output)).collect(),
            clock: Arc::clone(self.clock),
            catalog: self.catalog.clone(),
            consumers: Arc::clone(self.consumers),
            live: Arc::clone(self.live),
            identifiers: self.identifiers.clone(),
            runtime: self.runtime.clone(),
        })
    }

    /// Reads a reference table.
    async fn table(
        &self,
        application: &str,
        reference: &CheckedReference,
    ) -> Result<ReferenceTableRows, StartError> {
        let failed = |reason: String| StartError::ReferenceTable {
            application: application.to_owned(),
            table: reference.name.clone(),
            reason,
        };
        let bytes = match &reference.place {
            ReferencePlace::Object { bucket, key } => {
                let store = deliveries::bucket(self.directory, bucket)?;
                read_object(&store, key).await.map_err(failed)?
            }
            ReferencePlace::File(path) => {
                let path = path.clone();
                let reading = tokio::task::spawn_blocking(move || read_file(&path));
                reading.await.map_err(|error| failed(error.to_string()))?.map_err(failed)?
            }
        };
        Ok(rows_of(reference, &bytes, self.clock.now().millis()))
    }

    fn output(&self, checked: &CheckedApplication, declared: &ApplicationOutputDeclaration) -> OutputPlan {
        let log = |key| Destination::Log { log: Arc::clone(self.log), key };
        let destination = match (&declared.function, &declared.stream, &declared.delivery_stream) {
            (Some(function), _, _) => {
                let function = Arc::clone(&self.functions[function.get_ref()]);
                Destination::Function { function, application: checked.name.clone() }
            }
            (None, Some(stream), _) => log(data_key(stream.get_ref())),
            (None, None, Some(delivery)) => log(buffer_key(delivery.get_ref())),
            (None, None, None) => unreachable!("the pipeline was checked"),
        };
        let format = match declared.format {
            OutputFormatChoice::Json => OutputFormat::Json { newline: checked.switches.json_newline },
            OutputFormatChoice::Csv => OutputFormat::Csv,
        };
        OutputPlan { from: declared.from.get_ref().clone(), format, destination, shown: declared.show }
    }
}

/// Where an application begins.
enum Start {
    /// Where it stopped, with its state.
    Resumed { positions: Vec<u64>, engine_state: Vec<u8> },
    /// At the oldest record, afresh.
    Oldest,
    /// Behind the newest record, afresh.
    Newest,
}

fn start(
    wanted: Option<StartingPosition>,
    application: &str,
    source: &StreamKey,
    stored: Option<StoredCheckpoint>,
) -> Start {
    let first = match wanted {
        Some(StartingPosition::Now) => return Start::Newest,
        Some(StartingPosition::TrimHorizon) => return Start::Oldest,
        Some(StartingPosition::LastStoppedPoint) => Start::Newest,
        None => Start::Oldest,
    };
    match stored {
        None => first,
        Some(stored) if stored.input == source.to_string() => {
            Start::Resumed { positions: stored.input_positions, engine_state: stored.engine_state }
        }
        Some(stored) => {
            tracing::warn!(application, before = stored.input, now = %source, "the application reads another source now");
            Start::Resumed { positions: Vec::new(), engine_state: stored.engine_state }
        }
    }
}
