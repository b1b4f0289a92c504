//! The stages of a running pipeline in the order in which records pass them, with what each has done.

use millstream_sql::Program;

use super::{Delivery, Server};
use crate::live::Seen;
use crate::pipeline::{
    ApplicationDeclaration, Builtin, Declarations, DeliveryStreamDeclaration, FunctionDeclaration,
    StreamDeclaration,
};
use crate::producers::FeedTarget;
use crate::view::FlowStage;

/// The nouns, as people see them.
const PRODUCER: &str = "producer";
const DELIVERY_STREAM: &str = "delivery stream";
const STREAM: &str = "stream";
const FUNCTION: &str = "function";
const ENDPOINT: &str = "endpoint";
const APPLICATION: &str = "application";
const PUMP: &str = "pump";
const METRIC: &str = "metric";
const ALARM: &str = "alarm";
const TOPIC: &str = "topic";
const BUCKET: &str = "bucket";

/// A stage under construction. Two stages of different kinds may bear one name.
struct Stage {
    kind: &'static str,
    name: String,
    /// Kind and name of what it feeds.
    feeds: Vec<(&'static str, String)>,
    counters: Vec<(String, u64)>,
}

impl Stage {
    fn new(kind: &'static str, name: &str) -> Stage {
        Stage { kind, name: name.to_owned(), feeds: Vec::new(), counters: Vec::new() }
    }

    fn feeding(mut self, kind: &'static str, name: &str) -> Stage {
        let fed = (kind, name.to_owned());
        if !self.feeds.contains(&fed) {
            self.feeds.push(fed);
        }
        self
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
    /// All stages.
    pub(super) fn flow(&self, seen: &Seen) -> Vec<FlowStage> {
        let pipeline = self.pipeline();
        let declared = &pipeline.declarations;
        let mut stages: Vec<Stage> = Vec::new();
        for (name, producer) in self.producers.lock().iter() {
            let stage = Stage::new(PRODUCER, name).counting("records", producer.records());
            stages.push(match producer.target() {
                FeedTarget::DeliveryStream(name) => stage.feeding(DELIVERY_STREAM, name),
                FeedTarget::Stream(name) => stage.feeding(STREAM, name),
            });
        }
        stages
            .extend(declared.delivery_streams.iter().map(|delivery| self.delivery_stage(declared, delivery)));
        stages.extend(declared.functions.iter().map(|function| self.function_stage(function)));
        for endpoint in &declared.endpoints {
            let name = endpoint.name.get_ref();
            let statistics = self.endpoints[name].statistics();
            let stage = Stage::new(ENDPOINT, name).counting("texts", statistics.texts);
            stages.push(stage.counting_any("truncated", statistics.truncated));
        }
        for (application, checked) in declared.applications.iter().zip(&pipeline.applications) {
            stages.extend(self.application_stages(application, &checked.program));
        }
        for metric in &declared.metrics {
            let name = metric.name.get_ref();
            let alarms = declared.alarms.iter().filter(|alarm| alarm.metric.get_ref() == name);
            stages.push(
                alarms.fold(Stage::new(METRIC, name), |stage, alarm| {
                    stage.feeding(ALARM, alarm.name.get_ref())
                }),
            );
        }
        for alarm in &declared.alarms {
            let topics = [&alarm.topic, &alarm.ok_topic, &alarm.insufficient_data_topic];
            let stage = Stage::new(ALARM, alarm.name.get_ref());
            stages.push(
                topics
                    .into_iter()
                    .flatten()
                    .fold(stage, |stage, topic| stage.feeding(TOPIC, topic.get_ref())),
            );
        }
        for topic in &declared.topics {
            let stage = Stage::new(TOPIC, topic.name.get_ref());
            let is_only = declared.topics.len() == 1;
            stages.push(if is_only { stage.counting("mails", seen.summary.mails) } else { stage });
        }
        stages.extend(declared.streams.iter().map(|stream| self.stream_stage(declared, stream)));
        for delivery in &self.deliveries {
            let found = declared.delivery_streams.iter().find(|one| *one.name.get_ref() == delivery.name);
            stages.extend(found.into_iter().flat_map(|declared| bucket_stages(declared, delivery)));
        }
        shown(merged(stages), seen)
    }

    fn delivery_stage(&self, declared: &Declarations, delivery: &DeliveryStreamDeclaration) -> Stage {
        let name = delivery.name.get_ref();
        let running = self.deliveries.iter().find(|running| running.name == *name);
        let status = running.map(|running| running.handle.status()).unwrap_or_default();
        let mut stage = Stage::new(DELIVERY_STREAM, name)
            .counting("records", status.records_in)
            .counting_any("failed", status.failed_records);
        if let Some(transform) = &delivery.transform {
            stage = stage.feeding(FUNCTION, transform.function.get_ref());
        }
        stage = stage.feeding(BUCKET, delivery.bucket.get_ref());
        if let Some(backup) = &delivery.backup {
            stage = stage.feeding(BUCKET, backup.bucket.as_ref().unwrap_or(&delivery.bucket).get_ref());
        }
        let reads = |application: &&ApplicationDeclaration| {
            application.input.delivery_stream.as_ref().is_some_and(|input| input.get_ref() == name)
        };
        let readers = declared.applications.iter().filter(reads);
        readers.fold(stage, |stage, reader| stage.feeding(APPLICATION, reader.name.get_ref()))
    }

    fn stream_stage(&self, declared: &Declarations, stream: &StreamDeclaration) -> Stage {
        let name = stream.name.get_ref();
        let key = super::streams::data_key(name);
        let shards = self.log.stream_describe(&key).map(|found| found.shards).unwrap_or_default();
        let ends = shards.iter().filter_map(|shard| self.log.shard_end(&key, shard.number).ok());
        // Positions count from 1.
        let records = ends.map(|end| end.0.saturating_sub(1)).sum();
        let reads = |application: &&ApplicationDeclaration| {
            application.input.stream.as_ref().is_some_and(|input| input.get_ref() == name)
        };
        let readers = declared.applications.iter().filter(reads);
        let stage = Stage::new(STREAM, name).counting("records", records);
        readers.fold(stage, |stage, reader| stage.feeding(APPLICATION, reader.name.get_ref()))
    }

    fn function_stage(&self, function: &FunctionDeclaration) -> Stage {
        let name = function.name.get_ref();
        let statistics = self.functions[name].statistics();
        let stage = Stage::new(FUNCTION, name)
            .counting("calls", statistics.invocations)
            .counting_any("errors", statistics.errors);
        let (kind, target) = match function.builtin {
            Builtin::ScoreReviews => (ENDPOINT, &function.endpoint),
            Builtin::MetricFromAverage => (METRIC, &function.metric),
            Builtin::NotifyOnAnomaly => (TOPIC, &function.topic),
        };
        target.iter().fold(stage, |stage, target| stage.feeding(kind, target.get_ref()))
    }

    /// The application and its pumps.
    fn application_stages(&self, declared: &ApplicationDeclaration, program: &Program) -> Vec<Stage> {
        let name = declared.name.get_ref();
        let status = self.application_status(name).unwrap_or_default();
        let mut application = Stage::new(APPLICATION, name)
            .counting("rows", status.rows_in)
            .counting_any("error rows", status.error_rows);
        if let Some(function) = &declared.input.preprocessor {
            application = application.feeding(FUNCTION, function.get_ref());
        }
        let rows_out = self.rows_by_stream(name);
        let mut pumps = Vec::new();
        for pump in &program.pumps {
            application = application.feeding(PUMP, &pump.name);
            let target = &program.streams[pump.target.0].name;
            let mut stage = Stage::new(PUMP, &pump.name);
            if let Some(rows) = rows_out.get(target) {
                stage = stage.counting("rows", *rows);
            }
            for output in declared.outputs.iter().filter(|output| output.from.get_ref() == target) {
                let destinations = [
                    (FUNCTION, &output.function),
                    (STREAM, &output.stream),
                    (DELIVERY_STREAM, &output.delivery_stream),
                ];
                for (kind, destination) in destinations {
                    stage = destination.iter().fold(stage, |stage, name| stage.feeding(kind, name.get_ref()));
                }
            }
            pumps.push(stage);
        }
        pumps.insert(0, application);
        pumps
    }
}

fn bucket_stages(declared: &DeliveryStreamDeclaration, delivery: &Delivery) -> Vec<Stage> {
    let status = delivery.handle.status();
    let bucket = declared.bucket.get_ref();
    let main = Stage::new(BUCKET, bucket)
        .counting("objects", status.objects_written)
        .counting_any("failed objects", status.failed_objects_written);
    let backup = declared.backup.as_ref().map(|backup| {
        let bucket = backup.bucket.as_ref().map_or(bucket, |bucket| bucket.get_ref());
        Stage::new(BUCKET, bucket).counting("backup objects", status.backup_objects_written)
    });
    std::iter::once(main).chain(backup).collect()
}

/// A bucket that several deliveries write to is one stage.
fn merged(stages: Vec<Stage>) -> Vec<Stage> {
    let mut merged: Vec<Stage> = Vec::new();
    for stage in stages {
        match merged.iter_mut().find(|known| known.name == stage.name && known.kind == stage.kind) {
            Some(known) => {
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
            Stage::new(DELIVERY_STREAM, "reviews").feeding(BUCKET, "reviews").feeding(FUNCTION, "score"),
            Stage::new(FUNCTION, "score"),
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
