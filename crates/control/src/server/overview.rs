//! What people may look at, gathered.

use tokio::sync::watch;

use super::Server;
use crate::live::Seen;
use crate::pipeline::{
    ApplicationDeclaration, Builtin, Declarations, DeliveryStreamDeclaration, FunctionDeclaration,
};
use crate::view::{FlowStage, Overview, OverviewSource};

impl OverviewSource for Server {
    fn overview(&self) -> Overview {
        let seen = self.live.seen();
        let flow = self.flow(&seen);
        let thresholds =
            self.pipeline.declarations.functions.iter().filter(|function| function.topic.is_some());
        Overview {
            version: self.settings.version.clone(),
            started_at: self.started_at.millis(),
            now: self.clock.now().millis(),
            source: self.settings.source.clone(),
            is_synthetic: self.settings.is_synthetic,
            data_directory: self.settings.data_directory.display().to_string(),
            summary: seen.summary,
            flow,
            rating_distribution: seen.rating_distribution,
            averages: seen.averages.into(),
            scores: seen.scores.into(),
            score_threshold: thresholds.filter_map(|function| function.threshold).reduce(f64::min),
            counts: seen.counts.into(),
            reviews: seen.reviews.into(),
            agreement: seen.agreement,
            mails: seen.mails,
            alarms: seen.alarms,
            problems: seen.problems.into(),
        }
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.live.changes()
    }
}

impl Server {
    /// The stages in the order in which records pass them.
    fn flow(&self, seen: &Seen) -> Vec<FlowStage> {
        let declared = &self.pipeline.declarations;
        let mut stages: Vec<FlowStage> = Vec::new();
        for (name, producer) in self.producers.lock().iter() {
            let counters = vec![("records".to_owned(), producer.records())];
            stages.push(stage(name, "producer", vec![producer.target_name().to_owned()], counters));
        }
        for delivery in &declared.delivery_streams {
            stages.push(self.delivery_stage(declared, delivery));
        }
        for function in &declared.functions {
            stages.push(self.function_stage(function));
        }
        for endpoint in &declared.endpoints {
            let name = endpoint.name.get_ref();
            let statistics = self.endpoints[name].statistics();
            let counters = counters(&[("texts", statistics.texts), ("truncated", statistics.truncated)]);
            stages.push(stage(name, "endpoint", Vec::new(), counters));
        }
        let checked = declared.applications.iter().zip(&self.pipeline.applications);
        for (application, checked) in checked {
            stages.extend(self.application_stages(application, &checked.program));
        }
        for metric in &declared.metrics {
            let alarms =
                declared.alarms.iter().filter(|alarm| alarm.metric.get_ref() == metric.name.get_ref());
            let names = alarms.map(|alarm| alarm.name.get_ref().clone());
            stages.push(stage(metric.name.get_ref(), "metric", names.collect(), Vec::new()));
        }
        for alarm in &declared.alarms {
            let topics = [&alarm.topic, &alarm.ok_topic, &alarm.insufficient_data_topic];
            let mut topics: Vec<String> =
                topics.into_iter().flatten().map(|topic| topic.get_ref().clone()).collect();
            topics.dedup();
            stages.push(stage(alarm.name.get_ref(), "alarm", topics, Vec::new()));
        }
        for topic in &declared.topics {
            let mails = counters(&[("mails", seen.summary.mails)]);
            let mails = if declared.topics.len() == 1 { mails } else { Vec::new() };
            stages.push(stage(topic.name.get_ref(), "topic", Vec::new(), mails));
        }
        for stream in &declared.streams {
            let name = stream.name.get_ref();
            let key = super::streams::data_key(name);
            let shards = self.log.stream_describe(&key).map(|found| found.shards).unwrap_or_default();
            let ends = shards.iter().filter_map(|shard| self.log.shard_end(&key, shard.number).ok());
            // Positions count from 1.
            let records = ends.map(|end| end.0.saturating_sub(1)).sum();
            stages.push(stage(name, "stream", readers(declared, name), counters(&[("records", records)])));
        }
        for delivery in &self.deliveries {
            let Some(declared) = find_delivery(declared, &delivery.name) else { continue };
            let status = delivery.handle.status();
            let bucket = declared.bucket.get_ref();
            let written = [("objects", status.objects_written), ("failed", status.failed_objects_written)];
            let written = written.into_iter().filter(|(what, count)| *what == "objects" || *count > 0);
            stages.push(stage(bucket, "bucket", Vec::new(), counters(&written.collect::<Vec<_>>())));
            if let Some(backup) = &declared.backup {
                let bucket = backup.bucket.as_ref().unwrap_or(&declared.bucket).get_ref();
                let objects = counters(&[("backup objects", status.backup_objects_written)]);
                stages.push(stage(bucket, "bucket", Vec::new(), objects));
            }
        }
        let mut stages = merged(stages);
        for stage in &mut stages {
            let is_here = |place: &str| {
                place == stage.name
                    || place.strip_prefix(&stage.name).is_some_and(|rest| rest.starts_with(':'))
            };
            let newest = seen.problems.iter().find(|problem| is_here(&problem.place));
            stage.problem = newest.map(|problem| problem.message.clone());
        }
        stages
    }

    fn delivery_stage(&self, declared: &Declarations, delivery: &DeliveryStreamDeclaration) -> FlowStage {
        let name = delivery.name.get_ref();
        let mut feeds: Vec<String> =
            delivery.transform.iter().map(|transform| transform.function.get_ref().clone()).collect();
        feeds.push(delivery.bucket.get_ref().clone());
        if let Some(backup) = &delivery.backup {
            feeds.push(backup.bucket.as_ref().unwrap_or(&delivery.bucket).get_ref().clone());
        }
        feeds.extend(declared.applications.iter().filter_map(|application| {
            let input = application.input.delivery_stream.as_ref()?;
            (input.get_ref() == name).then(|| application.name.get_ref().clone())
        }));
        feeds.dedup();
        let running = self.deliveries.iter().find(|running| running.name == *name);
        let status = running.map(|running| running.handle.status()).unwrap_or_default();
        let counts = [("records", status.records_in), ("failed", status.failed_records)];
        let counts: Vec<_> =
            counts.into_iter().filter(|(what, count)| *what == "records" || *count > 0).collect();
        stage(name, "delivery stream", feeds, counters(&counts))
    }

    fn function_stage(&self, function: &FunctionDeclaration) -> FlowStage {
        let name = function.name.get_ref();
        let target = match function.builtin {
            Builtin::ScoreReviews => &function.endpoint,
            Builtin::MetricFromAverage => &function.metric,
            Builtin::NotifyOnAnomaly => &function.topic,
        };
        let feeds = target.iter().map(|target| target.get_ref().clone()).collect();
        let statistics = self.functions[name].statistics();
        let counts = [("calls", statistics.invocations), ("errors", statistics.errors)];
        let counts: Vec<_> =
            counts.into_iter().filter(|(what, count)| *what == "calls" || *count > 0).collect();
        stage(name, "function", feeds, counters(&counts))
    }

    /// The application and its pumps.
    fn application_stages(
        &self,
        declared: &ApplicationDeclaration,
        program: &millstream_sql::Program,
    ) -> Vec<FlowStage> {
        let name = declared.name.get_ref();
        let status = self.application_status(name).unwrap_or_default();
        let mut feeds: Vec<String> = program.pumps.iter().map(|pump| pump.name.clone()).collect();
        feeds.extend(declared.input.preprocessor.iter().map(|function| function.get_ref().clone()));
        let counts = [("rows", status.rows_in), ("error rows", status.error_rows)];
        let counts: Vec<_> =
            counts.into_iter().filter(|(what, count)| *what == "rows" || *count > 0).collect();
        let mut stages = vec![stage(name, "application", feeds, counters(&counts))];
        let rows_out = self.rows_by_stream(name);
        for pump in &program.pumps {
            let target = &program.streams[pump.target.0].name;
            let outputs = declared.outputs.iter().filter(|output| output.from.get_ref() == target);
            let names = outputs.filter_map(|output| {
                let destination = [&output.function, &output.stream, &output.delivery_stream];
                destination.into_iter().flatten().next().map(|name| name.get_ref().clone())
            });
            let counts = rows_out.get(target).map(|rows| ("rows".to_owned(), *rows));
            stages.push(stage(&pump.name, "pump", names.collect(), counts.into_iter().collect()));
        }
        stages
    }
}

fn stage(name: &str, kind: &str, feeds: Vec<String>, counters: Vec<(String, u64)>) -> FlowStage {
    FlowStage { name: name.to_owned(), kind: kind.to_owned(), feeds, counters, problem: None }
}

fn counters(counts: &[(&str, u64)]) -> Vec<(String, u64)> {
    counts.iter().map(|(what, count)| ((*what).to_owned(), *count)).collect()
}

fn find_delivery<'a>(declared: &'a Declarations, name: &str) -> Option<&'a DeliveryStreamDeclaration> {
    declared.delivery_streams.iter().find(|delivery| delivery.name.get_ref() == name)
}

/// The applications that read a stream, and the inputs that copy it.
fn readers(declared: &Declarations, stream: &str) -> Vec<String> {
    let reads = |application: &&ApplicationDeclaration| {
        application.input.stream.as_ref().is_some_and(|name| name.get_ref() == stream)
    };
    declared.applications.iter().filter(reads).map(|application| application.name.get_ref().clone()).collect()
}

/// A bucket that several deliveries write to is one stage.
fn merged(stages: Vec<FlowStage>) -> Vec<FlowStage> {
    let mut merged: Vec<FlowStage> = Vec::new();
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
