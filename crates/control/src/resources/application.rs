//! Applications: a thread with the engine, and tasks for its outputs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use millstream_columns::formats::OutputFormat as EngineFormat;
use millstream_engine::{Manifest, RestoreReport, ScratchReason};
use millstream_wording::counted;

use super::{NotReady, Occasion, StateOutlook, Stopped, records_in};
use crate::applications::{
    ApplicationComponents, ApplicationHandle, BuildError, Checkpoints, Destination, ERROR_STREAM,
    Incarnation, OutputPlan, PartStore, Preprocessor, ReadTableError, ReferenceTableRows, RowsDependOn,
    Worker, read_file, read_object, table_of,
};
use crate::apply::FromScratch;
use crate::catalog::{EngineState, ResourceRow, StoredCheckpoint};
use crate::definition::{
    ApplicationDefinition, ApplicationOutput, Definition, Generation, OutputFormat, OutputTarget,
    ReferencePlace, ResourceId, StartingPosition,
};
use crate::pipeline::{CheckedApplication, CheckedReference};
use crate::producers;
use crate::supervise::TaskScope;
use crate::world::{World, log_key};

/// An application that is ready to start; where it goes on is looked up when its predecessor has stopped.
pub(crate) struct PreparedApplication {
    pub(super) id: ResourceId,
    pub(super) generation: Generation,
    source: ResourceId,
    checked: CheckedApplication,
    pub(super) definition: ApplicationDefinition,
    tables: Vec<ReferenceTableRows>,
    pub(super) occasion: Occasion,
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
    let prepared =
        PreparedApplication::new(world, row, source, checked, definition.clone(), occasion).await?;
    if occasion == Occasion::Again {
        // What runs now goes on when its successor could not.
        let newest = newest_checkpoint(world, row.id).await?;
        try_restore(world, row.id, &prepared.checked, definition.seed, newest).await?;
    }
    Ok(prepared)
}

/// The names of its pumps; none when its SQL does not compile.
pub(super) fn pumps(name: &str, definition: &ApplicationDefinition) -> Vec<String> {
    let checked = CheckedApplication::of(name, definition);
    let pumps = checked.into_iter().flat_map(|checked| checked.program.pumps.clone());
    pumps.map(|pump| pump.name).collect()
}

/// Looks whether it could run, and which of its pumps would keep their state.
pub(super) async fn look(
    world: &World,
    name: &str,
    definition: &ApplicationDefinition,
    before: Option<ResourceId>,
) -> Result<StateOutlook, NotReady> {
    let checked = CheckedApplication::of(name, definition).map_err(NotReady::ever)?;
    let mut remarks = Vec::new();
    for reference in &checked.references {
        remarks.extend(table(world, &checked, reference).await?.remarks());
    }
    let outlook = look_at_state(world, definition, before, &checked).await?;
    Ok(StateOutlook { remarks, ..outlook })
}

/// Which of its pumps would keep their state.
async fn look_at_state(
    world: &World,
    definition: &ApplicationDefinition,
    before: Option<ResourceId>,
    checked: &CheckedApplication,
) -> Result<StateOutlook, NotReady> {
    let all = |reason: &str| {
        let pumps = checked.program.pumps.iter();
        pumps.map(|pump| FromScratch { name: pump.name.clone(), reason: reason.to_owned() }).collect()
    };
    let Some(id) = before else {
        return Ok(StateOutlook {
            begins: first_records(world, definition).await,
            ..StateOutlook::default()
        });
    };
    let newest = newest_checkpoint(world, id).await?;
    if newest.is_some() && starts_over(wanted_position(definition, newest.as_ref())) {
        return Ok(StateOutlook {
            begins: first_records(world, definition).await,
            starts_from_scratch: all("starting_position has changed"),
            ..StateOutlook::default()
        });
    }
    let is_elsewhere = newest.as_ref().is_some_and(|newest| {
        let source = world.registry.find(&definition.input.source.reference());
        source.is_some_and(|source| source.id != newest.source)
    });
    match try_restore(world, id, checked, definition.seed, newest).await? {
        Some(report) => {
            let scratch = report.started_from_scratch.into_iter();
            let of_pump =
                |(name, why): (String, ScratchReason)| FromScratch { name, reason: why.to_string() };
            Ok(StateOutlook {
                begins: if is_elsewhere { all_records(world, definition).await } else { None },
                keeps_state: report.resumed,
                starts_from_scratch: scratch.map(of_pump).collect(),
                ..StateOutlook::default()
            })
        }
        None => Ok(StateOutlook {
            starts_from_scratch: all("it has stored no state yet"),
            ..StateOutlook::default()
        }),
    }
}

/// What a new application reads that came before it.
async fn first_records(world: &World, definition: &ApplicationDefinition) -> Option<String> {
    match definition.input.starting_position {
        Some(StartingPosition::Now | StartingPosition::LastStoppedPoint) => return None,
        Some(StartingPosition::TrimHorizon) | None => {}
    }
    all_records(world, definition).await
}

/// What one reads that begins with the oldest record of its source.
async fn all_records(world: &World, definition: &ApplicationDefinition) -> Option<String> {
    let source = definition.input.source.reference();
    world.registry.find(&source)?;
    match records_in(world, &source).await {
        0 => None,
        records => Some(format!("begins with what {source} already holds: {}", counted(records, "record"))),
    }
}

/// Reads a reference table, whose rows fit the memory limit of the application.
async fn table(
    world: &World,
    checked: &CheckedApplication,
    reference: &CheckedReference,
) -> Result<ReferenceTableRows, NotReady> {
    let failed = |reason: String| {
        NotReady::yet(format!("reference table \"{}\" cannot be read: {reason}", reference.name))
    };
    let bytes = match &reference.place {
        ReferencePlace::Object { bucket, key } => {
            let (directory, bucket) = (world.directory.clone(), bucket.clone());
            let opened = move || super::delivery_stream::existing_bucket(&directory, &bucket);
            let store = world.spawn().blocking(opened).await.map_err(failed)?;
            read_object(&store.map_err(|error| failed(error.to_string()))?, key).await.map_err(failed)?
        }
        ReferencePlace::File(path) => {
            let path = path.clone();
            world.spawn().blocking(move || read_file(&path)).await.map_err(failed)?.map_err(failed)?
        }
    };
    let (own, room, now) = (reference.clone(), checked.table_room(reference), world.clock.now().millis());
    let read = world.spawn().blocking(move || table_of(&own, room, &bytes, now)).await;
    read.map_err(failed)?.map_err(|error| match error {
        ReadTableError::Unreadable(reason) => failed(reason),
        ReadTableError::Table(error) => NotReady::ever(error),
    })
}

/// What a restart with this plan from this checkpoint would keep; `None` without one.
async fn try_restore(
    world: &World,
    id: ResourceId,
    checked: &CheckedApplication,
    seed: u64,
    newest: Option<StoredCheckpoint>,
) -> Result<Option<RestoreReport>, NotReady> {
    let Some(stored) = newest else { return Ok(None) };
    let checkpoints = store_of(world, id);
    let (program, settings) = (checked.program.clone(), checked.settings(seed, 0, false));
    let tried = move || checkpoints.plan(&program, &settings, &stored);
    let tried = world.spawn().blocking(tried).await.map_err(NotReady::ever)?;
    tried.map(Some).map_err(|error| NotReady::ever(cannot_go_on(&error)))
}

fn cannot_go_on(error: &dyn std::fmt::Display) -> String {
    format!(
        "it cannot go on from its checkpoint: {error}; use the version that wrote it, or let it start from scratch with \
         millstream reset application"
    )
}

/// Whether rows of this definition of an application left after a checkpoint of it, and have not come out again.
pub(super) fn is_behind(
    world: &World,
    id: ResourceId,
    (definition, checked): (&ApplicationDefinition, &CheckedApplication),
    checkpoint: &StoredCheckpoint,
) -> bool {
    let EngineState::Manifest(bytes) = &checkpoint.engine else { return false };
    // What cannot be read is refused by whoever goes on from it.
    let Ok(manifest) = Manifest::from_bytes(bytes) else { return false };
    let rows: BTreeMap<&str, u64> = manifest.rows_emitted().collect();
    definition.outputs.iter().any(|output| {
        let emitted = match output.from.as_str() {
            ERROR_STREAM => [checkpoint.input_errors, manifest.errors_emitted()],
            from => [rows.get(from).copied().unwrap_or(0), u64::MAX],
        };
        let name = producers::output_name(&output.from, &output.target);
        let producers = producers::of_output(id, checkpoint.epoch, &name);
        let destination = plan_of(world, checked, output).destination;
        let arrived = producers.map(|producer| destination.arrived(producer));
        arrived.iter().zip(emitted).any(|(arrived, emitted)| *arrived > emitted)
    })
}

/// Where the checkpoints of an application are.
fn store_of(world: &World, id: ResourceId) -> Checkpoints {
    let parts = PartStore::new(world.directory.checkpoints(id.0));
    Checkpoints { id, catalog: world.catalog.clone(), parts }
}

async fn newest_checkpoint(world: &World, id: ResourceId) -> Result<Option<StoredCheckpoint>, NotReady> {
    Ok(checkpoints_of(world, id).await?.into_iter().next().map(|(_, newest)| newest))
}

/// The checkpoints whose manifests are whole, with their numbers, newest first; a damaged one is named in a problem.
pub(super) async fn checkpoints_of(
    world: &World,
    id: ResourceId,
) -> Result<Vec<(i64, StoredCheckpoint)>, NotReady> {
    let catalog = world.catalog.clone();
    let found = world.spawn().blocking(move || catalog.checkpoints(id)).await.map_err(NotReady::yet)?;
    let (mut whole, mut damaged) = (Vec::new(), Vec::new());
    for (number, checkpoint) in found.map_err(NotReady::yet)? {
        match checkpoint {
            Ok(checkpoint) => whole.push((number, checkpoint)),
            Err(error) => damaged.push(error),
        }
    }
    if let Some(error) = damaged.pop() {
        if whole.is_empty() {
            return Err(NotReady::lost(cannot_go_on(&error)));
        }
        let text = format!("{error}; the checkpoint before it is taken");
        world.live.problem(world.clock.now(), &format!("application {id}"), text, 1);
    }
    Ok(whole)
}

impl PreparedApplication {
    /// Reads its tables.
    pub(super) async fn new(
        world: &World,
        row: &ResourceRow,
        source: ResourceId,
        checked: CheckedApplication,
        definition: ApplicationDefinition,
        occasion: Occasion,
    ) -> Result<PreparedApplication, NotReady> {
        let mut tables = Vec::new();
        for reference in &checked.references {
            tables.push(table(world, &checked, reference).await?);
        }
        let (id, generation) = (row.id, row.generation);
        Ok(PreparedApplication { id, generation, source, checked, definition, tables, occasion })
    }

    /// Its name.
    pub(super) fn name(&self) -> &str {
        &self.checked.name
    }

    /// Starts it where its predecessor stopped, or where its definition says.
    pub(super) async fn start(self, world: &World, scope: TaskScope) -> Result<RunningApplication, NotReady> {
        self.let_predecessor_catch_up(world).await;
        self.resume(world, scope).await
    }

    /// Starts it where its newest checkpoint is, whatever ran meanwhile.
    pub(super) async fn resume(
        &self,
        world: &World,
        scope: TaskScope,
    ) -> Result<RunningApplication, NotReady> {
        let built = self.built_at_newest(world, &scope).await?;
        self.run(scope, built)
    }

    /// It with the state of its newest checkpoint, or with none. A checkpoint whose parts are missing or damaged is passed
    /// over for the one before it, never for none.
    async fn built_at_newest(
        &self,
        world: &World,
        scope: &TaskScope,
    ) -> Result<(Worker, ApplicationHandle), NotReady> {
        // Its predecessor may not have ended in time: from here on it stores nothing, and what is read now is the newest.
        let (incarnations, id) = (world.incarnations.clone(), self.id);
        let begun = world.spawn().blocking(move || incarnations.begin(id)).await;
        let incarnation = &begun.map_err(NotReady::yet)?;
        let mut stored = checkpoints_of(world, self.id).await?;
        let next_epoch = next_epoch(world, self.id).await?;
        let wanted = wanted_position(&self.definition, stored.first().map(|(_, newest)| newest));
        if stored.is_empty() || starts_over(wanted) {
            // Rows that came out already go on to their destinations.
            let waiting = stored.drain(..).next().map(|(_, newest)| newest);
            let from = GoesOnFrom::Scratch { waiting };
            let built = self.build(world, scope, incarnation, from, next_epoch, wanted).await;
            return built.map_err(Failure::into_not_ready);
        }
        let last = stored.len() - 1;
        for (place, checkpoint) in stored.into_iter().enumerate() {
            let from = GoesOnFrom::Checkpoint(checkpoint);
            match self.build(world, scope, incarnation, from, next_epoch, wanted).await {
                Ok(built) => return Ok(built),
                Err(Failure::Damaged(reason)) if place < last => {
                    let text = format!("{reason}; the checkpoint before it is taken");
                    world.live.problem(world.clock.now(), &self.checked.name, text, 1);
                }
                Err(failure) => return Err(failure.into_not_ready()),
            }
        }
        unreachable!("the last checkpoint was built or refused")
    }

    fn run(
        &self,
        scope: TaskScope,
        (worker, handle): (Worker, ApplicationHandle),
    ) -> Result<RunningApplication, NotReady> {
        let name = format!("application-{}", handle.name());
        scope.dedicated(&name, worker.run()).map_err(NotReady::yet)?;
        Ok(RunningApplication { handle, scope })
    }

    async fn build(
        &self,
        world: &World,
        scope: &TaskScope,
        incarnation: &Incarnation,
        from: GoesOnFrom,
        next_epoch: u64,
        wanted: Option<StartingPosition>,
    ) -> Result<(Worker, ApplicationHandle), Failure> {
        let PreparedApplication { id, generation, source, checked, definition, tables, .. } = self;
        let (follows, checkpoint, waiting_in) = match from {
            GoesOnFrom::Checkpoint((number, checkpoint)) => {
                let waiting = checkpoint.clone();
                (Some(number), Some(checkpoint), Some(waiting))
            }
            GoesOnFrom::Scratch { waiting } => (None, None, waiting),
        };
        let mut input = super::input_of(world, &definition.input.source.reference(), *source)?;
        let key = input.key().clone();
        match &checkpoint {
            Some(checkpoint) if checkpoint.source == *source => {
                input
                    .go_to(&checkpoint.positions, checkpoint.spent_records)
                    .map_err(|beyond| NotReady::lost(beyond.explain(&checked.name)))?;
            }
            // The state goes on, but in another stream.
            Some(_) => {
                tracing::warn!(application = checked.name, now = %key, "the application reads another source now");
            }
            None => match wanted {
                Some(StartingPosition::Now | StartingPosition::LastStoppedPoint) => {
                    input.go_to_end().map_err(NotReady::yet)?;
                }
                Some(StartingPosition::TrimHorizon) | None => {}
            },
        }
        let rows_depend_on = RowsDependOn::new(definition, *source, tables);
        let checkpoints = store_of(world, *id);
        let waiting = match waiting_in {
            Some(of) => {
                let checkpoints = checkpoints.clone();
                let read = world.spawn().blocking(move || checkpoints.waiting(&of)).await;
                read.map_err(NotReady::yet)?.map_err(Failure::Damaged)?
            }
            None => Default::default(),
        };
        let preprocessor = definition.input.preprocessor.as_ref().map(|function| Preprocessor {
            function: world.functions.slot(function),
            application: checked.name.clone(),
            source: key.clone(),
            time_unit: checked.switches.preprocessor_time_unit,
            clock: Arc::clone(&world.clock),
            live: Arc::clone(&world.live),
        });
        let components = ApplicationComponents {
            id: *id,
            generation: *generation,
            source: *source,
            seed: definition.seed,
            checked: checked.clone(),
            input,
            tables: tables.clone(),
            checkpoint,
            follows,
            waiting,
            next_epoch,
            rows_depend_on,
            starting_position: definition.input.starting_position,
            definition: serde_json::to_string(definition).expect("definitions are plain data"),
            checkpoints,
            incarnation: incarnation.clone(),
            preprocessor,
            outputs: definition.outputs.iter().map(|output| plan_of(world, checked, output)).collect(),
            scope: scope.clone(),
            clock: Arc::clone(&world.clock),
            spawn: world.spawn().clone(),
            log: Arc::clone(&world.log),
            registry: Arc::clone(&world.registry),
            live: Arc::clone(&world.live),
            waiting_tails: world.waiting_tails.clone(),
        };
        let built = world.spawn().blocking(move || Worker::new(components)).await;
        built.map_err(NotReady::ever)?.map_err(|error| match error {
            // A part is missing or damaged: the checkpoint before may be whole.
            BuildError::Checkpoint(error) if error.part().is_some() => Failure::Damaged(error.to_string()),
            BuildError::FirstCheckpoint(_) => Failure::Other(NotReady::yet(error)),
            error => Failure::Other(NotReady::ever(error)),
        })
    }
}

/// What an application goes on from.
enum GoesOnFrom {
    /// A checkpoint, with its number.
    Checkpoint((i64, StoredCheckpoint)),
    /// Nothing; but rows that wait in a checkpoint of its are delivered.
    Scratch { waiting: Option<StoredCheckpoint> },
}

/// Where an application is asked to begin, unless it has begun there already: a restart goes on.
fn wanted_position(
    definition: &ApplicationDefinition,
    newest: Option<&StoredCheckpoint>,
) -> Option<StartingPosition> {
    let wanted = definition.input.starting_position;
    wanted.filter(|wanted| newest.is_none_or(|newest| newest.starting_position != Some(*wanted)))
}

/// Whether it is asked to begin without its state.
fn starts_over(wanted: Option<StartingPosition>) -> bool {
    matches!(wanted, Some(StartingPosition::Now | StartingPosition::TrimHorizon))
}

/// Why an application could not be built.
enum Failure {
    /// Its checkpoint is damaged.
    Damaged(String),
    Other(NotReady),
}

impl From<NotReady> for Failure {
    fn from(error: NotReady) -> Failure {
        Failure::Other(error)
    }
}

impl Failure {
    fn into_not_ready(self) -> NotReady {
        match self {
            Failure::Damaged(reason) => NotReady::lost(cannot_go_on(&reason)),
            Failure::Other(error) => error,
        }
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

impl RunningApplication {
    /// Asks it things.
    pub(crate) fn handle(&self) -> &ApplicationHandle {
        &self.handle
    }

    /// Stops it with a last checkpoint.
    pub(super) async fn stop(self, limit: Duration) -> Stopped {
        self.scope.begin_stop();
        self.handle.stop();
        let left = self.scope.stop(limit).await;
        let name = self.handle.name();
        let left = left.into_iter().map(|task| format!("{task} of application {name}")).collect();
        let unsaved = self.handle.last_checkpoint_error();
        let unsaved = unsaved.map(|error| format!("the state of application {name}: {error}"));
        Stopped { left, unsaved: unsaved.into_iter().collect() }
    }
}

/// Forgets its producers in every stream of the log: it may have had other outputs before. Known are those of streams that its
/// SQL has, and those that it had when its checkpoints were stored.
async fn forget_producers(
    world: &World,
    row: &ResourceRow,
    definition: &ApplicationDefinition,
) -> Result<(), NotReady> {
    let (catalog, id) = (world.catalog.clone(), row.id);
    let stored = world.spawn().blocking(move || catalog.checkpoints(id)).await;
    let stored = stored.map_err(NotReady::yet)?.map_err(NotReady::yet)?;
    let next_epoch = next_epoch(world, id).await?;
    let mut from = streams_with_outputs(&row.name, definition);
    for checkpoint in stored.into_iter().filter_map(|(_, checkpoint)| checkpoint.ok()) {
        let earlier = checkpoint.definition.and_then(|text| serde_json::from_str(&text).ok());
        from.extend(earlier.iter().flat_map(|earlier| streams_with_outputs(&row.name, earlier)));
    }
    for stream in world.log.stream_list() {
        let target = producers::target_of(&stream.key);
        let names = from.iter().map(|from| producers::output_name(from, &target));
        let of_epochs = names
            .flat_map(|name| (0..next_epoch).flat_map(move |epoch| producers::of_output(id, epoch, &name)));
        producers::forget(&world.log, &stream.key, of_epochs.collect()).await.map_err(NotReady::yet)?;
    }
    Ok(())
}

/// The in-application streams that an output may be of: those that have one, and all others as far as the SQL compiles.
fn streams_with_outputs(name: &str, definition: &ApplicationDefinition) -> BTreeSet<String> {
    let with_output = definition.outputs.iter().map(|output| output.from.clone());
    let checked = CheckedApplication::of(name, definition);
    let of_sql = checked.into_iter().flat_map(|checked| checked.program.streams).map(|stream| stream.name);
    with_output.chain(of_sql).chain([ERROR_STREAM.to_owned()]).collect()
}

/// The first epoch in which none of its rows was ever numbered.
async fn next_epoch(world: &World, id: ResourceId) -> Result<u64, NotReady> {
    let catalog = world.catalog.clone();
    let next = world.spawn().blocking(move || catalog.next_epoch(id)).await;
    next.map_err(NotReady::yet)?.map_err(NotReady::yet)
}

/// Deletes its state, and what the log knows of it.
pub(super) async fn erase(world: &World, row: &ResourceRow) -> Result<(), NotReady> {
    if let Definition::Application(definition) = &row.definition {
        forget_producers(world, row, definition).await?;
    }
    let parts = PartStore::new(world.directory.checkpoints(row.id.0));
    let (incarnations, waiting_tails, id) = (world.incarnations.clone(), world.waiting_tails.clone(), row.id);
    let erase = move || {
        // One that has not ended in time writes nothing any more.
        incarnations.end(id);
        waiting_tails.end(id);
        parts.erase()
    };
    world.spawn().blocking(erase).await.map_err(NotReady::yet)?.map_err(NotReady::yet)
}
