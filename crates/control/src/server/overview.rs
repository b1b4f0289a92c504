//! What people can see, gathered.

use millstream_host::Timestamp;
use serde_json::{Map, Value, json};
use tokio::sync::watch;

use super::Server;
use super::monitor_figures::monitor_figures;
use crate::catalog::ResourceRow;
use crate::definition::{Definition, FunctionBody, Kind, Reference, ResourceId};
use crate::registry::Lifecycle;
use crate::resources::{Running, delivery_stream, records_in};
use crate::view::{Overview, OverviewSource, ResourceView, RetryingView};

impl OverviewSource for Server {
    fn overview(&self) -> Overview {
        let seen = self.world.live.seen();
        let flow = self.flow(&seen);
        let rows = self.world.registry.rows();
        let thresholds = rows.iter().filter_map(|row| match &row.definition {
            Definition::Function(function) => match &function.body {
                FunctionBody::NotifyOnAnomaly { threshold, .. } => Some(*threshold),
                _ => None,
            },
            _ => None,
        });
        let scores_reviews = rows.iter().any(|row| match &row.definition {
            Definition::Function(function) => matches!(function.body, FunctionBody::ScoreReviews { .. }),
            _ => false,
        });
        Overview {
            version: self.settings.version.clone(),
            started_at: self.started_at.millis(),
            now: self.world.clock.now().millis(),
            source: self.settings.source.clone(),
            is_synthetic: self.settings.is_synthetic,
            data_directory: self.settings.data_directory.display().to_string(),
            scores_reviews,
            summary: seen.summary,
            flow,
            resources: rows.iter().map(|row| self.resource_view(row)).collect(),
            rating_distribution: seen.rating_distribution,
            averages: seen.averages.into(),
            scores: seen.scores.into(),
            score_threshold: thresholds.reduce(f64::min),
            counts: seen.counts.into(),
            reviews: seen.reviews.into(),
            agreement: seen.agreement,
            mails: seen.mails,
            alarms: seen.alarms,
            problems: seen.problems.into(),
        }
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.world.live.changes()
    }
}

impl Server {
    /// Notes the address of the live page: mails name it from now on.
    pub fn set_page(&self, address: Option<String>) {
        self.world.page.set(address);
    }

    /// One resource as people see it.
    pub fn describe(&self, reference: &Reference) -> Option<ResourceView> {
        self.world.registry.find(reference).map(|row| self.resource_view(&row))
    }

    /// All resources, or those of one kind, in the order of their kinds and creation.
    pub fn list(&self, kind: Option<Kind>) -> Vec<ResourceView> {
        let rows = self.world.registry.rows();
        let mut rows: Vec<&ResourceRow> =
            rows.iter().filter(|row| kind.is_none_or(|kind| row.kind() == kind)).collect();
        rows.sort_by_key(|row| (row.kind(), row.id));
        rows.into_iter().map(|row| self.resource_view(row)).collect()
    }

    /// As [`Server::describe`], with what only files know: the records of a stream that could be read now, those of a
    /// delivery stream that are not delivered yet, the mails that wait for a mail server or were published to a topic, the
    /// newest value of a metric, and the state of an alarm.
    pub async fn describe_counted(&self, reference: &Reference) -> Option<ResourceView> {
        self.counted(self.describe(reference)?).await.into()
    }

    /// As [`Server::list`], with what only files know.
    pub async fn list_counted(&self, kind: Option<Kind>) -> Vec<ResourceView> {
        let mut counted = Vec::new();
        for view in self.list(kind) {
            counted.push(self.counted(view).await);
        }
        counted
    }

    async fn counted(&self, mut view: ResourceView) -> ResourceView {
        match view.kind {
            Kind::Stream => {
                let records = records_in(&self.world, &Reference::new(view.kind, &view.name)).await;
                view.figures.insert("records".to_owned(), records.into());
            }
            Kind::DeliveryStream => {
                let id = ResourceId(view.id);
                let waiting = delivery_stream::waiting_records(&self.world, id, &view.name).await;
                view.figures.insert("waiting_records".to_owned(), waiting.into());
            }
            Kind::MailServer => {
                let monitor = self.world.monitor.clone();
                let counted = self.world.spawn().blocking(move || monitor.mail_counts()).await;
                let Ok(Ok(mails)) = counted else { return view };
                for (name, count) in [
                    ("waiting_mails", mails.waiting),
                    ("sent_mails", mails.sent),
                    ("refused_mails", mails.refused),
                ] {
                    view.figures.insert(name.to_owned(), count.into());
                }
                view.figures.insert("newest_refusal".to_owned(), mails.newest_refusal.into());
                view.retrying.extend(mails.retried.map(|mail| RetryingView {
                    what: "the oldest mail".to_owned(),
                    since: mail.since.millis(),
                    attempts: mail.attempts.into(),
                    reason: mail.error,
                }));
            }
            Kind::Topic | Kind::Metric | Kind::Alarm => {
                let Some(row) = self.world.registry.row(ResourceId(view.id)) else { return view };
                let monitor = self.world.monitor.clone();
                let figures = self.world.spawn().blocking(move || monitor_figures(&monitor, &row)).await;
                view.figures.extend(figures.unwrap_or_default());
            }
            Kind::Application | Kind::Function | Kind::Endpoint | Kind::Feed | Kind::Subscription => {}
        }
        view
    }

    fn resource_view(&self, row: &ResourceRow) -> ResourceView {
        // The outer member only names the kind.
        ResourceView {
            id: row.id.0,
            kind: row.kind(),
            name: row.name.clone(),
            state: Lifecycle::of(row),
            reason: row.status.reason().map(str::to_owned),
            owner: row.owner.to_text(),
            created_at: row.created_at.millis(),
            changed_at: row.changed_at.millis(),
            generation: row.generation.0,
            definition: Value::Object(row.definition.parts()),
            figures: self.figures(row),
            figures_since: self.figures_since(row).map(Timestamp::millis),
            retrying: self.retrying(row),
        }
    }

    /// What in it fails now and is tried again.
    fn retrying(&self, row: &ResourceRow) -> Vec<RetryingView> {
        let found = self.running.with(row.id, |running| match running {
            Running::DeliveryStream(delivery) => {
                let retrying = delivery.handle().status().retrying.into_iter();
                let views = retrying.map(|(stage, retrying)| RetryingView {
                    what: stage.to_string(),
                    since: retrying.since,
                    attempts: retrying.attempts,
                    reason: retrying.error,
                });
                views.collect()
            }
            Running::Application(application) => application.handle().retrying(),
            _ => Vec::new(),
        });
        found.unwrap_or_default()
    }

    /// From when on its figures count.
    pub(super) fn figures_since(&self, row: &ResourceRow) -> Option<Timestamp> {
        match row.kind() {
            Kind::Stream | Kind::MailServer => Some(row.created_at),
            Kind::DeliveryStream | Kind::Application | Kind::Function | Kind::Endpoint | Kind::Feed => {
                self.running.since(row.id)
            }
            Kind::Topic | Kind::Subscription | Kind::Metric | Kind::Alarm => None,
        }
    }

    /// What it has done since its last start, by name.
    fn figures(&self, row: &ResourceRow) -> Map<String, Value> {
        let figures = match &row.definition {
            Definition::Stream(_) => self.stream_figures(row),
            Definition::DeliveryStream(_) => self.delivery_figures(row),
            Definition::Application(_) => self.application_figures(row),
            Definition::Function(_) => self.running.with(row.id, |running| match running {
                Running::Function(function) => {
                    let statistics = function.function().invoker.statistics();
                    let newest = function.function().invoker.newest_errors();
                    json!({
                        "calls": statistics.invocations,
                        "errors": statistics.errors,
                        "throttles": statistics.throttles,
                        "rejected_rows": function.function().rejected_rows.get(),
                        "newest_error": newest.first().map(|error| &error.message),
                    })
                }
                _ => json!({}),
            }),
            Definition::Endpoint(_) => self.running.with(row.id, |running| match running {
                Running::Endpoint(endpoint) => {
                    let statistics = endpoint.server().statistics();
                    json!({ "texts": statistics.texts, "truncated": statistics.truncated })
                }
                _ => json!({}),
            }),
            Definition::Feed(_) => self.running.with(row.id, |running| match running {
                Running::Feed(feed) => {
                    json!({ "records_in": feed.records(), "ended": feed.has_ended() })
                }
                _ => json!({}),
            }),
            _ => None,
        };
        match figures {
            Some(Value::Object(figures)) => figures,
            _ => Map::new(),
        }
    }

    fn stream_figures(&self, row: &ResourceRow) -> Option<Value> {
        let key = crate::world::log_key(&row.reference());
        let described = self.world.log.stream_describe(&key).ok()?;
        let open = described.shards.iter().filter(|shard| shard.closed_at.is_none()).count();
        Some(json!({
            "records_put": described.records_put,
            "open_shards": open,
            "shards": described.shards.len(),
        }))
    }

    fn delivery_figures(&self, row: &ResourceRow) -> Option<Value> {
        let status = self.delivery_status(row);
        Some(json!({
            "records_in": status.records_in,
            "failed_records": status.failed_records,
            "objects": status.objects_written,
            "backup_objects": status.backup_objects_written,
            "failed_objects": status.failed_objects_written,
        }))
    }

    fn application_figures(&self, row: &ResourceRow) -> Option<Value> {
        let handle = self.running.with(row.id, |running| match running {
            Running::Application(application) => Some(application.handle().clone()),
            _ => None,
        });
        let handle = handle.flatten()?;
        let status = handle.status();
        let now = self.world.clock.now().millis();
        let rows_by_stream = handle.rows_by_stream();
        let Definition::Application(definition) = &row.definition else { return None };
        let has_output = |stream: &String| definition.outputs.iter().any(|output| output.from == *stream);
        let rows_out: u64 =
            rows_by_stream.iter().filter_map(|(stream, rows)| has_output(stream).then_some(*rows)).sum();
        let age = status.checkpointed_at.map(|at| now.saturating_sub(at));
        Some(json!({
            "records_in": status.records_in,
            "bytes_in": status.bytes_in,
            "lost_records": status.lost_records,
            "failed_records": status.failed_records,
            "rows_in": status.rows_in,
            "rows_out": rows_out,
            "rows_delivered": status.rows_delivered,
            "rows_by_stream": rows_by_stream,
            "error_rows": status.error_rows,
            "errors": handle.errors_by_name(),
            "cut_texts": handle.cut_texts(),
            "lag_records": handle.lag_records(),
            "waiting_rows": handle.waiting_rows(),
            "checkpoints": status.checkpoints,
            "checkpoint_age_ms": age,
        }))
    }
}
