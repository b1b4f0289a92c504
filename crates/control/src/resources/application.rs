//! Applications: a thread with the engine, and tasks for its outputs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use millstream_engine::formats::OutputFormat as EngineFormat;
use millstream_engine::{Application, RestoreReport};

use super::{NotReady, Occasion, StateOutlook, Stopped};
use crate::applications::{
    ApplicationComponents, ApplicationHandle, Destination, LogInput, OutputPlan, Preprocessor,
    ReferenceTableRows, Worker, read_file, read_object, rows_of,
};
use crate::catalog::{ResourceRow, StoredCheckpoint};
use crate::definition::{
    ApplicationDefinition, ApplicationOutput, OutputFormat, OutputTarget, ReferencePlace, ResourceId,
    StartingPosition,
};
use crate::pipeline::{CheckedApplication, CheckedReference};
use crate::supervise::TaskScope;
use crate::world::{World, log_key};

/// An application that is ready to start; where it goes on is looked up when its predecessor has stopped.
pub(crate) struct PreparedApplication {
    id: ResourceId,
    source: ResourceId,
    checked: CheckedApplication,
    definition: ApplicationDefinition,
    tables: Vec<ReferenceTableRows>,
    occasion: Occasion,
}

/// An application that runs.
pub(crate) struct RunningApplication {
    handle: ApplicationHandle,
    scope: TaskScope,
}

/// Compiles the SQL, reads the tables, and tries whether the stored state fits.
pub(super) async fn prepare(
    world: &World,
    row: &ResourceRow,
    definition: &ApplicationDefinition,
    occasion: Occasion,
) -> Result<PreparedApplication, NotReady> {
    let checked = CheckedApplication::of(&row.name, definition).map_err(NotReady::ever)?;
    let source = definition.input.source.reference();
    let Some(source) = world.registry.find(&source).map(|row| row.id) else {
        return Err(NotReady::yet(format!("{source} does not exist")));
    };
    let mut tables = Vec::new();
    for reference in &checked.references {
        tables.push(table(world, reference).await?);
    }
    if occasion == Occasion::Again {
        // What runs now goes on when its successor could not.
        try_restore(world, row.id, &checked, definition.seed).await?;
    }
    let definition = definition.clone();
    Ok(PreparedApplication { id: row.id, source, checked, definition, tables, occasion })
}

/// Looks whether it could run, and which of its pumps would keep their state.
pub(super) async fn look(
    world: &World,
    name: &str,
    definition: &ApplicationDefinition,
    before: Option<ResourceId>,
) -> Result<StateOutlook, NotReady> {
    let checked = CheckedApplication::of(name, definition).map_err(NotReady::ever)?;
    for reference in &checked.references {
        table(world, reference).await?;
    }
    let all = || checked.program.pumps.iter().map(|pump| pump.name.clone()).collect();
    let Some(id) = before else { return Ok(StateOutlook::default()) };
    match try_restore(world, id, &checked, definition.seed).await? {
        Some(report) => {
            Ok(StateOutlook { keeps_state: report.resumed, starts_from_scratch: report.started_afresh })
        }
        None => Ok(StateOutlook { keeps_state: Vec::new(), starts_from_scratch: all() }),
    }
}

/// Reads a reference table.
async fn table(world: &World, reference: &CheckedReference) -> Result<ReferenceTableRows, NotReady> {
    let failed = |reason: String| {
        NotReady::yet(format!("reference table \"{}\" cannot be read: {reason}", reference.name))
    };
    let bytes = match &reference.place {
        ReferencePlace::Object { bucket, key } => {
            let store = super::delivery_stream::bucket(&world.directory, bucket)
                .map_err(|error| failed(error.to_string()))?;
            read_object(&store, key).await.map_err(failed)?
        }
        ReferencePlace::File(path) => {
            let path = path.clone();
            world.spawn().blocking(move || read_file(&path)).await.map_err(failed)?.map_err(failed)?
        }
    };
    Ok(rows_of(reference, &bytes, world.clock.now().millis()))
}

async fn try_restore(
    world: &World,
    id: ResourceId,
    checked: &CheckedApplication,
    seed: u64,
) -> Result<Option<RestoreReport>, NotReady> {
    let Some(stored) = newest_checkpoint(world, id).await? else { return Ok(None) };
    let (program, settings) = (checked.program.clone(), checked.settings(seed, 0, false));
    let tried =
        move || Application::restore(program, settings, &stored.engine_state).map(|(_, report)| report);
    let tried = world.spawn().blocking(tried).await.map_err(NotReady::ever)?;
    tried.map(Some).map_err(|error| NotReady::ever(cannot_go_on(&error)))
}

fn cannot_go_on(error: &dyn std::fmt::Display) -> String {
    format!(
        "it cannot go on from its checkpoint: {error}; use the version that wrote it, or let it start from scratch with \
         millstream reset application"
    )
}

/// The newest checkpoint that is whole; a damaged one is named in a problem.
async fn newest_checkpoint(world: &World, id: ResourceId) -> Result<Option<StoredCheckpoint>, NotReady> {
    let catalog = world.catalog.clone();
    let found = world.spawn().blocking(move || catalog.checkpoints(id)).await.map_err(NotReady::yet)?;
    let found = found.map_err(NotReady::yet)?;
    let is_empty = found.is_empty();
    let mut reasons = Vec::new();
    for checkpoint in found {
        match checkpoint {
            Ok(checkpoint) => {
                if let Some(reason) = reasons.pop() {
                    let reason: crate::catalog::CatalogError = reason;
                    let text = format!("{reason}; the checkpoint before it is taken");
                    world.live.problem(world.clock.now(), &format!("application {id}"), text, 1);
                }
                return Ok(Some(checkpoint));
            }
            Err(error) => reasons.push(error),
        }
    }
    match reasons.pop() {
        Some(error) if !is_empty => Err(NotReady::lost(cannot_go_on(&error))),
        _ => Ok(None),
    }
}

impl PreparedApplication {
    /// Starts it where its predecessor stopped, or where its definition says.
    pub(super) async fn start(self, world: &World, scope: TaskScope) -> Result<RunningApplication, NotReady> {
        let PreparedApplication { id, source, checked, definition, tables, occasion } = self;
        let stored = newest_checkpoint(world, id).await?;
        let key = log_key(&definition.input.source.reference());
        let wanted = definition.input.starting_position.filter(|_| occasion == Occasion::First);
        let waiting_output = stored.as_ref().map(|stored| stored.waiting_output.clone());
        let start = Start::of(wanted, source, stored);
        let mut input = LogInput::new(Arc::clone(&world.log), key.clone()).map_err(NotReady::yet)?;
        let engine_state = match start {
            Start::Resumed { positions, engine_state } => {
                input.go_to(&positions).map_err(|beyond| NotReady::lost(beyond.explain(&checked.name)))?;
                Some(engine_state)
            }
            // The state goes on, but in another stream.
            Start::OtherSource { engine_state } => {
                tracing::warn!(application = checked.name, now = %key, "the application reads another source now");
                Some(engine_state)
            }
            Start::Oldest => None,
            Start::Newest => {
                input.go_to_end().map_err(NotReady::yet)?;
                None
            }
        };
        let preprocessor = definition.input.preprocessor.as_ref().map(|function| Preprocessor {
            function: world.functions.slot(function),
            application: checked.name.clone(),
            source: key.clone(),
            time_unit: checked.switches.preprocessor_time_unit,
            identifiers: world.identifiers.clone(),
            clock: Arc::clone(&world.clock),
            live: Arc::clone(&world.live),
        });
        let outputs = definition.outputs.iter().map(|output| plan_of(world, &checked, output)).collect();
        // From here on nothing before this is trimmed from a buffer.
        let (catalog, positions) = (world.catalog.clone(), input.positions());
        let noted = world.spawn().blocking(move || catalog.put_positions(id, source, &positions)).await;
        noted.map_err(NotReady::yet)?.map_err(NotReady::yet)?;
        let components = ApplicationComponents {
            id,
            source,
            seed: definition.seed,
            checked,
            input,
            tables,
            engine_state,
            waiting_output,
            preprocessor,
            outputs,
            scope: scope.clone(),
            clock: Arc::clone(&world.clock),
            catalog: world.catalog.clone(),
            log: Arc::clone(&world.log),
            registry: Arc::clone(&world.registry),
            live: Arc::clone(&world.live),
            identifiers: world.identifiers.clone(),
        };
        let built = world.spawn().blocking(move || Worker::new(components)).await;
        let (worker, handle) = built.map_err(NotReady::ever)?.map_err(NotReady::ever)?;
        let name = format!("application-{}", handle.name());
        scope.dedicated(&name, worker.run()).map_err(NotReady::yet)?;
        Ok(RunningApplication { handle, scope })
    }
}

fn plan_of(world: &World, checked: &CheckedApplication, output: &ApplicationOutput) -> OutputPlan {
    let format = match output.format {
        OutputFormat::Json => EngineFormat::Json { newline: checked.switches.json_newline },
        OutputFormat::Csv => EngineFormat::Csv,
    };
    let destination = match &output.target {
        OutputTarget::Function(function) => Destination::Function {
            function: world.functions.slot(function),
            application: checked.name.clone(),
            columns: (output.format == OutputFormat::Csv).then(|| checked.columns_of(&output.from)),
        },
        OutputTarget::Stream(_) | OutputTarget::DeliveryStream(_) => {
            Destination::Log { log: Arc::clone(&world.log), key: log_key(&output.target.reference()) }
        }
    };
    OutputPlan {
        from: output.from.clone(),
        target: output.target.clone(),
        format,
        destination,
        shown: output.show,
    }
}

/// Where an application begins.
enum Start {
    /// Where it stopped, with its state.
    Resumed { positions: BTreeMap<u32, u64>, engine_state: Vec<u8> },
    /// At the oldest record of another source than before, with its state.
    OtherSource { engine_state: Vec<u8> },
    /// At the oldest record, from scratch.
    Oldest,
    /// Behind the newest record, from scratch.
    Newest,
}

impl Start {
    fn of(wanted: Option<StartingPosition>, source: ResourceId, stored: Option<StoredCheckpoint>) -> Start {
        let first = match wanted {
            Some(StartingPosition::Now) => return Start::Newest,
            Some(StartingPosition::TrimHorizon) => return Start::Oldest,
            Some(StartingPosition::LastStoppedPoint) => Start::Newest,
            None => Start::Oldest,
        };
        match stored {
            None => first,
            Some(StoredCheckpoint { source: known, positions, engine_state, .. }) if known == source => {
                Start::Resumed { positions, engine_state }
            }
            Some(StoredCheckpoint { engine_state, .. }) => Start::OtherSource { engine_state },
        }
    }
}

impl RunningApplication {
    /// Asks it things.
    pub(crate) fn handle(&self) -> &ApplicationHandle {
        &self.handle
    }

    /// Stops it with a last checkpoint.
    pub(super) async fn stop(self, limit: Duration) -> Stopped {
        self.handle.stop();
        let left = self.scope.stop(limit).await;
        let name = self.handle.name();
        let left = left.into_iter().map(|task| format!("{task} of application {name}")).collect();
        let unsaved = self.handle.last_checkpoint_error();
        let unsaved = unsaved.map(|error| format!("the state of application {name}: {error}"));
        Stopped { left, unsaved: unsaved.into_iter().collect() }
    }
}

/// Deletes what is kept of it beside the catalog.
pub(super) async fn erase(_world: &World, _row: &ResourceRow) -> Result<(), NotReady> {
    Ok(())
}
