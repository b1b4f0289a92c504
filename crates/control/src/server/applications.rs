//! Applications, as the pipeline declares them.

use std::sync::Arc;

use millstream_engine::formats::OutputFormat;
use millstream_host::Clock;
use millstream_streamlog::{Log, StreamKind};
use tokio::runtime::Handle;

use super::functions::Functions;
use super::streams::{buffer_key, data_key};
use crate::applications::{
    ApplicationComponents, Destination, LogInput, OutputPlan, Preprocessor, RunningApplication,
};
use crate::catalog::{Catalog, StoredCheckpoint};
use crate::consumers::BufferConsumers;
use crate::error::StartError;
use crate::identifier::Identifiers;
use crate::live::Live;
use crate::pipeline::{
    ApplicationDeclaration, ApplicationOutputDeclaration, CheckedApplication, OutputFormatChoice,
};

/// What applications share.
pub(super) struct ApplicationServices<'a> {
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
    checkpoint: Option<StoredCheckpoint>,
}

impl ApplicationServices<'_> {
    /// Finds where the application goes on reading, and makes it known as a consumer.
    pub(super) fn prepare<'a>(
        &self,
        declared: &'a ApplicationDeclaration,
        checked: &'a CheckedApplication,
    ) -> Result<PreparedApplication<'a>, StartError> {
        let key = match (&declared.input.delivery_stream, &declared.input.stream) {
            (Some(name), _) => buffer_key(name.get_ref()),
            (None, Some(name)) => data_key(name.get_ref()),
            (None, None) => unreachable!("the pipeline was checked"),
        };
        let checkpoint = self.catalog.checkpoint(&checked.name)?;
        let positions = match &checkpoint {
            Some(stored) if stored.input == key.to_string() => stored.input_positions.clone(),
            Some(stored) => {
                tracing::warn!(
                    application = checked.name,
                    before = stored.input,
                    now = %key,
                    "the application reads another stream now, from its beginning"
                );
                Vec::new()
            }
            None => Vec::new(),
        };
        let input = LogInput::new(Arc::clone(self.log), key.clone(), &positions)?;
        if key.kind == StreamKind::Delivery {
            let position = input.positions().first().copied().unwrap_or(0);
            self.consumers.add_consumer(key.name.as_str(), &checked.name, position);
        }
        Ok(PreparedApplication { declared, checked, input, checkpoint })
    }

    /// Starts it.
    pub(super) fn start(&self, prepared: PreparedApplication<'_>) -> Result<RunningApplication, StartError> {
        let PreparedApplication { declared, checked, input, checkpoint } = prepared;
        let preprocessor = declared.input.preprocessor.as_ref().map(|function| Preprocessor {
            function: Arc::clone(&self.functions[function.get_ref()]),
            application: checked.name.clone(),
            source: input.key().clone(),
            identifiers: self.identifiers.clone(),
            clock: Arc::clone(self.clock),
            live: Arc::clone(self.live),
        });
        RunningApplication::start(ApplicationComponents {
            checked: checked.clone(),
            seed: declared.seed,
            input,
            checkpoint,
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
            // The service writes nothing between records.
            OutputFormatChoice::Json => OutputFormat::Json { newline: false },
            OutputFormatChoice::Csv => OutputFormat::Csv,
        };
        OutputPlan { from: declared.from.get_ref().clone(), format, destination, shown: declared.show }
    }
}
