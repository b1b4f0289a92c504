//! The stages of what runs, in the order in which records pass them, with what each has done.

use std::collections::BTreeSet;

use millstream_delivery::DeliveryStatus;
use millstream_functions::InvokerStatistics;
use millstream_host::Timestamp;
use millstream_inference::ServerStatistics;

use super::Server;
use crate::applications::ApplicationHandle;
use crate::catalog::ResourceRow;
use crate::definition::{
    ApplicationDefinition, Definition, DeliveryStreamDefinition, FeedDefinition, FeedSource, Kind, Reference,
};
use crate::live::Seen;
use crate::resources::Running;
use crate::view::FlowStage;
use crate::world::log_key;

/// Nouns of stages that are no resources, and those that are named often.
const PRODUCER: &str = "producer";
const APPLICATION: &str = "application";
const PUMP: &str = "pump";
const BUCKET: &str = "bucket";

/// A stage under construction. Two stages of different kinds may bear one name.
struct Stage {
    kind: &'static str,
    name: String,
    /// Kind and name of what it feeds.
    feeds: Vec<(&'static str, String)>,
    counters: Vec<(String, u64)>,
    /// From when on they count.
    counts_since: Option<Timestamp>,
}

impl Stage {
    fn new(kind: &'static str, name: &str) -> Stage {
        Stage { kind, name: name.to_owned(), feeds: Vec::new(), counters: Vec::new(), counts_since: None }
    }

    fn feeding(mut self, kind: &'static str, name: &str) -> Stage {
        let fed = (kind, name.to_owned());
        if !self.feeds.contains(&fed) {
            self.feeds.push(fed);
        }
        self
    }

    fn since(self, counts_since: Option<Timestamp>) -> Stage {
        Stage { counts_since, ..self }
    }

    fn counting(mut self, what: &str, count: u64) -> Stage {
        self.counters.push((what.to_owned(), count));
        self
    }

    /// A counter that is shown only once there is something to count.
    fn counting_any(self, what: &str, count: u64) -> Stage {
        if count > 0 { self.counting(what, count) } else { self }
    }
}

impl Server {
    /// The streams and delivery streams that no feed and no application fills; first those that an application reads.
    pub fn unfilled(&self) -> Vec<Reference> {
        let rows = self.world.registry.rows();
        let (mut filled, mut read) = (BTreeSet::new(), BTreeSet::new());
        for row in rows.iter().filter(|row| !row.deleting) {
            match &row.definition {
                Definition::Application(application) => {
                    filled.extend(application.outputs.iter().map(|output| output.target.reference()));
                    read.insert(application.input.source.reference());
                }
                Definition::Feed(feed) => drop(filled.insert(feed.target.reference())),
                _ => {}
            }
        }
        let is_place = |kind| matches!(kind, Kind::Stream | Kind::DeliveryStream);
        let places = rows.iter().filter(|row| !row.deleting && is_place(row.kind()));
        let mut unfilled: Vec<Reference> =
            places.map(ResourceRow::reference).filter(|place| !filled.contains(place)).collect();
        unfilled.sort_by_key(|place| !read.contains(place));
        unfilled
    }

    /// All stages.
    pub(super) fn flow(&self, seen: &Seen) -> Vec<FlowStage> {
        let rows = self.world.registry.rows();
        let rows: Vec<&ResourceRow> = rows.iter().filter(|row| !row.deleting).collect();
        let mut stages: Vec<Stage> = Vec::new();
        for kind in [Kind::Feed, Kind::DeliveryStream, Kind::Function, Kind::Endpoint] {
            let of_kind = rows.iter().filter(|row| row.kind() == kind);
            stages.extend(of_kind.map(|row| self.stage(row, &rows).since(self.figures_since(row))));
        }
        for row in &rows {
            if let Definition::Application(application) = &row.definition {
                let of_application = self.application_stages(row, application).into_iter();
                stages.extend(of_application.map(|stage| stage.since(self.figures_since(row))));
            }
        }
        for kind in [Kind::Metric, Kind::Alarm, Kind::Topic, Kind::Stream] {
            let of_kind = rows.iter().filter(|row| row.kind() == kind);
            stages.extend(of_kind.map(|row| self.stage(row, &rows).since(self.figures_since(row))));
        }
        let topics: Vec<usize> =
            (0..stages.len()).filter(|index| stages[*index].kind == Kind::Topic.noun()).collect();
        if let [only] = topics.as_slice() {
            stages[*only].counters.push(("mails".to_owned(), seen.summary.mails));
        }
        for row in &rows {
            if let Definition::DeliveryStream(delivery) = &row.definition {
                let buckets = self.bucket_stages(row, delivery).into_iter();
                stages.extend(buckets.map(|stage| stage.since(self.figures_since(row))));
            }
        }
        shown(merged(stages), seen)
    }

    fn stage(&self, row: &ResourceRow, rows: &[&ResourceRow]) -> Stage {
        let stage = Stage::new(row.kind().noun(), &row.name);
        match &row.definition {
            Definition::Feed(feed) => {
                let records = self.running.with(row.id, |running| match running {
                    Running::Feed(feed) => feed.records(),
                    _ => 0,
                });
                let target = feed.target.reference();
                let stage = Stage::new(PRODUCER, &row.name).counting("records", records.unwrap_or(0));
                stage.feeding(target.kind.noun(), &target.name)
            }
            Definition::DeliveryStream(delivery) => self.delivery_stage(stage, row, delivery, rows),
            Definition::Function(function) => {
                let statistics = self.running.with(row.id, |running| match running {
                    Running::Function(function) => function.function().invoker.statistics(),
                    _ => InvokerStatistics::default(),
                });
                let statistics = statistics.unwrap_or_default();
                let stage =
                    stage.counting("calls", statistics.invocations).counting_any("errors", statistics.errors);
                feeding_all(stage, &Definition::Function(function.clone()))
            }
            Definition::Endpoint(_) => {
                let statistics = self.running.with(row.id, |running| match running {
                    Running::Endpoint(endpoint) => endpoint.server().statistics(),
                    _ => ServerStatistics::default(),
                });
                let statistics = statistics.unwrap_or_default();
                stage.counting("texts", statistics.texts).counting_any("truncated", statistics.truncated)
            }
            Definition::Metric(_) => {
                let alarms = rows.iter().filter(
                    |other| matches!(&other.definition, Definition::Alarm(alarm) if alarm.metric == row.name),
                );
                alarms.fold(stage, |stage, alarm| stage.feeding(Kind::Alarm.noun(), &alarm.name))
            }
            Definition::Alarm(alarm) => {
                alarm.topics().fold(stage, |stage, topic| stage.feeding(Kind::Topic.noun(), topic))
            }
            Definition::Stream(_) => self.stream_stage(stage, row, rows),
            _ => stage,
        }
    }

    fn delivery_stage(
        &self,
        stage: Stage,
        row: &ResourceRow,
        delivery: &DeliveryStreamDefinition,
        rows: &[&ResourceRow],
    ) -> Stage {
        let status = self.delivery_status(row);
        let mut stage =
            stage.counting("records", status.records_in).counting_any("failed", status.failed_records);
        if let Some(transform) = &delivery.transform {
            stage = stage.feeding(Kind::Function.noun(), &transform.function);
        }
        stage = stage.feeding(BUCKET, &delivery.bucket);
        if let Some(backup) = delivery.backup_bucket() {
            stage = stage.feeding(BUCKET, backup);
        }
        feeding_readers(stage, row, rows)
    }

    pub(super) fn delivery_status(&self, row: &ResourceRow) -> DeliveryStatus {
        let status = self.running.with(row.id, |running| match running {
            Running::DeliveryStream(delivery) => delivery.handle().status(),
            _ => DeliveryStatus::default(),
        });
        status.unwrap_or_default()
    }

    fn stream_stage(&self, stage: Stage, row: &ResourceRow, rows: &[&ResourceRow]) -> Stage {
        let stage = stage.counting("records", self.stream_records(row));
        feeding_readers(stage, row, rows)
    }

    /// Records that were ever put into a stream.
    pub(super) fn stream_records(&self, row: &ResourceRow) -> u64 {
        self.world.log.stream_describe(&log_key(&row.reference())).map_or(0, |found| found.records_put)
    }

    /// The application and its pumps.
    fn application_stages(&self, row: &ResourceRow, definition: &ApplicationDefinition) -> Vec<Stage> {
        let running = self.running.with(row.id, |running| match running {
            Running::Application(application) => Some(application.handle().clone()),
            _ => None,
        });
        let handle = running.flatten();
        let status = handle.as_ref().map(ApplicationHandle::status).unwrap_or_default();
        let mut application = Stage::new(APPLICATION, &row.name)
            .counting("rows in", status.rows_in)
            .counting_any("error rows", status.error_rows);
        if let Some(function) = &definition.input.preprocessor {
            application = application.feeding(Kind::Function.noun(), function);
        }
        let rows_out = handle.as_ref().map(ApplicationHandle::rows_by_stream).unwrap_or_default();
        let mut pumps = Vec::new();
        for (pump, target) in handle.iter().flat_map(ApplicationHandle::pumps) {
            application = application.feeding(PUMP, pump);
            let mut stage = Stage::new(PUMP, pump);
            if let Some(rows) = rows_out.get(target) {
                stage = stage.counting("rows out", *rows);
            }
            for output in definition.outputs.iter().filter(|output| output.from == *target) {
                let place = output.target.reference();
                stage = stage.feeding(place.kind.noun(), &place.name);
            }
            pumps.push(stage);
        }
        // What no pump writes, such as error_stream, comes from the application itself.
        let of_pumps: BTreeSet<&str> =
            handle.iter().flat_map(|handle| handle.pumps().map(|(_, to)| to.as_str())).collect();
        for output in definition.outputs.iter().filter(|output| !of_pumps.contains(output.from.as_str())) {
            let place = output.target.reference();
            application = application.feeding(place.kind.noun(), &place.name);
        }
        pumps.insert(0, application);
        pumps
    }

    fn bucket_stages(&self, row: &ResourceRow, delivery: &DeliveryStreamDefinition) -> Vec<Stage> {
        let status = self.delivery_status(row);
        let main = Stage::new(BUCKET, &delivery.bucket)
            .counting("objects", status.objects_written)
            .counting_any("failed objects", status.failed_objects_written);
        let backup = delivery.backup_bucket().map(|bucket| {
            Stage::new(BUCKET, bucket).counting("backup objects", status.backup_objects_written)
        });
        std::iter::once(main).chain(backup).collect()
    }
}

/// Everything that a definition names.
fn feeding_all(stage: Stage, definition: &Definition) -> Stage {
    let references = definition.references().into_iter();
    references.fold(stage, |stage, reference| stage.feeding(reference.kind.noun(), &reference.name))
}

/// The applications and copies that read a stream or delivery stream.
fn feeding_readers(stage: Stage, place: &ResourceRow, rows: &[&ResourceRow]) -> Stage {
    let reader = |row: &&ResourceRow| match &row.definition {
        Definition::Application(application) => {
            (application.input.source.reference() == place.reference()).then_some(APPLICATION)
        }
        Definition::Feed(FeedDefinition { source: FeedSource::Stream { stream }, .. }) => {
            (Reference::new(Kind::Stream, stream) == place.reference()).then_some(PRODUCER)
        }
        _ => None,
    };
    rows.iter().fold(stage, |stage, row| match reader(row) {
        Some(kind) => stage.feeding(kind, &row.name),
        None => stage,
    })
}

/// A bucket that several deliveries write to is one stage.
fn merged(stages: Vec<Stage>) -> Vec<Stage> {
    let mut merged: Vec<Stage> = Vec::new();
    for stage in stages {
        match merged.iter_mut().find(|known| known.name == stage.name && known.kind == stage.kind) {
            Some(known) => {
                // Counts from different times have none in common.
                known.counts_since = known.counts_since.filter(|since| stage.counts_since == Some(*since));
                for (what, count) in stage.counters {
                    match known.counters.iter_mut().find(|(name, _)| *name == what) {
                        Some((_, total)) => *total += count,
                        None => known.counters.push((what, count)),
                    }
                }
            }
            None => merged.push(stage),
        }
    }
    merged
}

/// As people see them: a name that several stages bear is told apart by the kind; each has its newest problem.
fn shown(stages: Vec<Stage>, seen: &Seen) -> Vec<FlowStage> {
    let label = |kind: &str, name: &str| {
        let is_shared = stages.iter().filter(|stage| stage.name == name).count() > 1;
        if is_shared { format!("{name} ({kind})") } else { name.to_owned() }
    };
    let problem_of = |name: &str| {
        let is_here =
            |place: &str| place == name || place.strip_prefix(name).is_some_and(|rest| rest.starts_with(':'));
        seen.problems.iter().find(|problem| is_here(&problem.place)).map(|problem| problem.message.clone())
    };
    let show = |stage: &Stage| FlowStage {
        name: label(stage.kind, &stage.name),
        kind: stage.kind.to_owned(),
        feeds: stage.feeds.iter().map(|(kind, name)| label(kind, name)).collect(),
        counters: stage.counters.clone(),
        counts_since: stage.counts_since.map(Timestamp::millis),
        problem: problem_of(&stage.name),
    };
    stages.iter().map(show).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_of_one_name_are_told_apart() {
        let stages = vec![
            Stage::new("delivery stream", "reviews").feeding(BUCKET, "reviews").feeding("function", "score"),
            Stage::new("function", "score"),
            Stage::new(BUCKET, "reviews").counting("objects", 2),
            Stage::new(BUCKET, "reviews").counting("objects", 1).counting("backup objects", 4),
        ];
        let shown = shown(merged(stages), &Seen::default());
        let names: Vec<&str> = shown.iter().map(|stage| stage.name.as_str()).collect();
        assert_eq!(names, ["reviews (delivery stream)", "score", "reviews (bucket)"]);
        assert_eq!(shown[0].feeds, ["reviews (bucket)", "score"]);
        assert_eq!(shown[2].counters, [("objects".to_owned(), 3), ("backup objects".to_owned(), 4)]);
    }
}
