//! Checks a file whole: names, references between nouns, numbers, schemas, SQL.

use std::collections::HashSet;
use std::ops::Range;
use std::path::Path;

use millstream_functions::ClassifyKey;
use millstream_monitor::{check_email, check_topic_name};
use toml::Spanned;

use super::checked_application::CheckedApplication;
use super::declarations::{Builtin, Declarations};
use super::durations::Period;
use super::gaps::Gaps;
use super::lower::{self, lower};
use super::mistake::{Mistake, Mistakes};
use super::similar_name::nearest;
use super::source_text::SourceText;
use super::{Pipeline, circles, classify, declarations, shape};
use crate::definition::{Kind, Reference, check_name};
use crate::resources::notification;

/// Names that are compared with a wrong one, and names that a message lists, at most.
const MOST_COMPARED: usize = 1_000;
const MOST_LISTED: usize = 20;

/// Gives the text of a SQL file that a pipeline names, or says that it cannot be read, with the reason.
pub type SqlFiles<'a> = dyn Fn(&str) -> Result<String, String> + 'a;

pub(super) fn parse(
    source_name: &str,
    text: &str,
    files: &SqlFiles<'_>,
    existing: &[Reference],
    folder: Option<&Path>,
) -> Result<Pipeline, Mistakes> {
    let source = SourceText::new(source_name, text);
    let shape::Read { declarations, mistakes, gaps } = shape::read(&source);
    let mut check = Check {
        source: &source,
        files,
        existing: existing.iter().collect(),
        gaps,
        mistakes,
        warnings: Vec::new(),
        applications: Vec::new(),
    };
    if let Some(declarations) = &declarations {
        check.all(declarations);
        if let Some(folder) = folder {
            check.named_files(declarations, folder);
        }
    }
    let Check { mistakes, warnings, applications, .. } = check;
    if let (true, Some(declarations)) = (mistakes.is_empty(), declarations) {
        let desired = lower(&declarations, &applications);
        let (source_name, text) = (source_name.to_owned(), text.to_owned());
        let mut pipeline = Pipeline { source_name, text, declarations, desired, applications, warnings };
        let Some(folder) = folder else { return Ok(pipeline) };
        pipeline.resolve_paths(folder);
        return match pipeline.misfits() {
            found if found.is_empty() => Ok(pipeline),
            found => Err(in_order(found)),
        };
    }
    Err(in_order(mistakes))
}

fn in_order(mut mistakes: Vec<Mistake>) -> Mistakes {
    mistakes.sort_by_key(|mistake| (mistake.line, mistake.column));
    Mistakes(mistakes)
}

pub(super) struct Check<'a> {
    pub(super) source: &'a SourceText<'a>,
    pub(super) files: &'a SqlFiles<'a>,
    /// What exists beside the file.
    existing: HashSet<&'a Reference>,
    /// What of the file could not be read.
    pub(super) gaps: Gaps,
    pub(super) mistakes: Vec<Mistake>,
    pub(super) warnings: Vec<Mistake>,
    pub(super) applications: Vec<CheckedApplication>,
}

/// The names of one noun.
pub(super) struct Names<'d> {
    kind: Kind,
    /// In the order of the file.
    names: Vec<&'d str>,
    known: HashSet<&'d str>,
    /// A section has lost its name by a mistake: it may be the one that something refers to.
    is_one_lost: bool,
}

impl Names<'_> {
    /// What else could have been meant: of the file, or of what exists beside it.
    fn hint(&self, wanted: &str, existing: &HashSet<&Reference>) -> String {
        let section = self.kind.noun().replace(' ', "_");
        let mut beside: Vec<&str> =
            existing.iter().filter(|one| one.kind == self.kind).map(|one| one.name.as_str()).collect();
        beside.retain(|name| !self.known.contains(name));
        beside.sort_unstable();
        let names = [self.names.as_slice(), &beside].concat();
        // Among very many, the way to the nearest is long.
        let near = nearest(wanted, names.iter().copied().take(MOST_COMPARED));
        match near {
            Some(name) => format!("did you mean \"{name}\"?"),
            None if names.is_empty() => format!(
                "declare it: [[{section}]] name = \"{wanted}\"; one of another file is known to those who apply both"
            ),
            None => format!("there are: {}", listed(&names)),
        }
    }
}

/// Names in a message, not more than fit.
pub(super) fn listed(names: &[&str]) -> String {
    let shown = names.iter().take(MOST_LISTED).copied().collect::<Vec<_>>().join(", ");
    if names.len() > MOST_LISTED { format!("{shown}, … ({} in all)", names.len()) } else { shown }
}

impl Check<'_> {
    pub(super) fn wrong(&mut self, span: Range<usize>, message: impl Into<String>, hint: Option<String>) {
        if !self.gaps.is_substitute(&span) {
            self.mistakes.push(Mistake::within(self.source, span, message, hint));
        }
    }

    /// Notes a mistake of a whole section, at its name: of one that has another mistake it may be the consequence.
    pub(super) fn wrong_section(&mut self, name: &Spanned<String>, message: impl Into<String>) {
        if self.gaps.is_whole(&name.span()) {
            self.wrong(name.span(), message, None);
        }
    }

    /// Names of a noun; a name that is declared twice, or cannot be one, is a mistake.
    fn names<'d>(&mut self, kind: Kind, given: impl Iterator<Item = &'d Spanned<String>>) -> Names<'d> {
        let mut names: Vec<&str> = Vec::new();
        let mut known: HashSet<&str> = HashSet::new();
        let mut is_one_lost = false;
        for name in given {
            if self.gaps.is_substitute(&name.span()) {
                is_one_lost = true;
                continue;
            }
            if let Err(error) = check_name(kind, name.get_ref()) {
                self.wrong(name.span(), error.to_string(), None);
            }
            if !known.insert(name.get_ref()) {
                let message = format!("{kind} \"{}\" is declared twice", name.get_ref());
                self.wrong(name.span(), message, Some("give one of them another name".to_owned()));
                continue;
            }
            names.push(name.get_ref());
        }
        Names { kind, names, known, is_one_lost }
    }

    /// A reference must name something that is declared.
    pub(super) fn reference(&mut self, reference: &Spanned<String>, names: &Names<'_>) {
        let wanted = reference.get_ref().as_str();
        let exists =
            names.known.contains(wanted) || self.existing.contains(&Reference::new(names.kind, wanted));
        if exists || names.is_one_lost || self.gaps.is_lost(wanted) {
            return;
        }
        let message = format!("there is no {} \"{wanted}\"", names.kind);
        self.wrong(reference.span(), message, Some(names.hint(wanted, &self.existing)));
    }

    /// Exactly one of several ways must be chosen; none may be what remains of a mistake.
    pub(super) fn exactly_one(&mut self, place: Range<usize>, what: &str, keys: &[(&str, bool)]) {
        let count = keys.iter().filter(|(_, given)| *given).count();
        if count > 1 || count == 0 && self.gaps.is_whole(&place) {
            let all: Vec<&str> = keys.iter().map(|(key, _)| *key).collect();
            let found = if count == 0 { "none is" } else { "several are" };
            self.wrong(place, format!("{what} needs exactly one of {}; {found} given", all.join(", ")), None);
        }
    }

    /// A number that is given must be one of those that something can run with. False when it is not.
    pub(super) fn number<T: Copy>(
        &mut self,
        given: &Option<Spanned<T>>,
        is_possible: impl Fn(T) -> bool,
        rule: &str,
    ) -> bool {
        let Some(number) = given.as_ref().filter(|number| !is_possible(*number.get_ref())) else {
            return true;
        };
        self.wrong(number.span(), rule, None);
        false
    }

    fn all(&mut self, declared: &Declarations) {
        let streams = self.names(Kind::Stream, declared.streams.iter().map(|one| &one.name));
        let delivery_streams =
            self.names(Kind::DeliveryStream, declared.delivery_streams.iter().map(|one| &one.name));
        let endpoints = self.names(Kind::Endpoint, declared.endpoints.iter().map(|one| &one.name));
        let functions = self.names(Kind::Function, declared.functions.iter().map(|one| &one.name));
        let topics = self.names(Kind::Topic, declared.topics.iter().map(|one| &one.name));
        let metrics = self.names(Kind::Metric, declared.metrics.iter().map(|one| &one.name));
        self.names(Kind::Alarm, declared.alarms.iter().map(|one| &one.name));
        self.names(Kind::Application, declared.applications.iter().map(|one| &one.name));
        self.names(Kind::Feed, declared.inputs.iter().map(|one| &one.name));

        for stream in &declared.streams {
            self.number(
                &stream.shards,
                |shards| (1..=10_000).contains(&shards),
                "a stream has 1 to 10000 shards",
            );
            let is_period = |hours| (1..=8_760).contains(&hours);
            self.number(&stream.retention_hours, is_period, "retention_hours must be 1 to 8760");
        }
        for delivery in &declared.delivery_streams {
            self.bucket(&delivery.bucket);
            if let Some(bucket) = delivery.backup.as_ref().and_then(|backup| backup.bucket.as_ref()) {
                self.bucket(bucket);
            }
            if let Some(transform) = &delivery.transform {
                self.reference(&transform.function, &functions);
            }
            self.delivery(delivery);
        }
        for endpoint in &declared.endpoints {
            let model = endpoint.model.get_ref();
            if model.starts_with("builtin:") && model != "builtin:star-rating" {
                let hint = "the model in this program is builtin:star-rating".to_owned();
                self.wrong(endpoint.model.span(), format!("there is no model \"{model}\""), Some(hint));
            }
            let are_threads = |threads| (1..=1_024).contains(&threads);
            self.number(&endpoint.threads, are_threads, "threads must be 1 to 1024");
            self.number(&endpoint.queue_texts, |texts| texts > 0, "queue_texts must be at least 1");
        }
        for function in &declared.functions {
            self.function(function, &endpoints, &metrics, &topics, &streams);
        }
        for subscription in &declared.subscriptions {
            self.reference(&subscription.topic, &topics);
            if let Err(error) = check_email(subscription.email.get_ref()) {
                self.wrong(subscription.email.span(), error.to_string(), None);
            }
        }
        for topic in &declared.topics {
            if let Err(error) = check_topic_name(topic.name.get_ref()) {
                self.wrong(topic.name.span(), error.to_string(), None);
            }
        }
        for metric in &declared.metrics {
            if let Err(error) = notification::check_metric(metric.name.get_ref(), &lower::metric(metric)) {
                self.wrong_section(&metric.name, error);
            }
        }
        if let Some(smtp) = &declared.smtp
            && let Err(error) = notification::check_mail_server(&lower::mail_server(smtp))
            && self.gaps.is_whole(&smtp.host.span())
        {
            let is_of_sender = error.contains("the sender");
            self.wrong(if is_of_sender { smtp.from.span() } else { smtp.host.span() }, error, None);
        }
        for alarm in &declared.alarms {
            self.reference(&alarm.metric, &metrics);
            for topic in [&alarm.topic, &alarm.ok_topic, &alarm.insufficient_data_topic].into_iter().flatten()
            {
                self.reference(topic, &topics);
            }
            let are_periods = |periods: u32| (1..=100).contains(&periods);
            if !self.number(&alarm.evaluation_periods, are_periods, "evaluation_periods must be 1 to 100") {
                continue;
            }
            if let Err(error) = notification::check_alarm(alarm.name.get_ref(), &lower::alarm(alarm)) {
                self.wrong_section(&alarm.name, error);
            }
        }
        for input in &declared.inputs {
            self.exactly_one(
                input.name.span(),
                "an input",
                &[("path", input.path.is_some()), ("stream", input.stream.is_some())],
            );
            self.exactly_one(
                input.name.span(),
                "an input",
                &[
                    ("delivery_stream", input.delivery_stream.is_some()),
                    ("into_stream", input.into_stream.is_some()),
                ],
            );
            for stream in input.stream.iter().chain(&input.into_stream) {
                self.reference(stream, &streams);
            }
            if let Some(delivery) = &input.delivery_stream {
                self.reference(delivery, &delivery_streams);
            }
            let is_above_zero = |value: f64| value.is_finite() && value > 0.0;
            self.number(&input.rate, is_above_zero, "rate must be a number above 0");
            self.number(&input.speed, is_above_zero, "speed must be a number above 0");
        }
        if let Some(circle) = circles::find(declared) {
            let message = format!("records would run in a circle forever: {}", circle.way);
            self.wrong(circle.span, message, Some("let the last one write to another stream".to_owned()));
        }
        for application in &declared.applications {
            self.application(application, &streams, &delivery_streams, &functions);
        }
    }

    /// A bucket is a directory: its name must not lead elsewhere.
    pub(super) fn bucket(&mut self, bucket: &Spanned<String>) {
        let name = bucket.get_ref();
        let fits = (3..=63).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-".contains(&b))
            && name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && !name.contains("..");
        if !fits {
            let message = format!("\"{name}\" cannot name a bucket");
            let hint = "use 3 to 63 lower-case letters, digits, dots and hyphens".to_owned();
            self.wrong(bucket.span(), message, Some(hint));
        }
    }

    fn function(
        &mut self,
        function: &declarations::FunctionDeclaration,
        endpoints: &Names<'_>,
        metrics: &Names<'_>,
        topics: &Names<'_>,
        streams: &Names<'_>,
    ) {
        for (reference, names) in [
            (&function.endpoint, endpoints),
            (&function.metric, metrics),
            (&function.topic, topics),
            (&function.dead_letter, streams),
        ] {
            if let Some(reference) = reference {
                self.reference(reference, names);
            }
        }
        fn place<T>(given: &Option<Spanned<T>>) -> Option<Range<usize>> {
            given.as_ref().map(Spanned::span)
        }
        let given = [
            ("endpoint", place(&function.endpoint)),
            ("columns", place(&function.columns)),
            ("text", place(&function.text)),
            ("delimiter", place(&function.delimiter)),
            ("output", place(&function.output)),
            ("metric", place(&function.metric)),
            ("column", place(&function.column)),
            ("topic", place(&function.topic)),
            ("threshold", place(&function.threshold)),
            ("quiet_period", place(&function.quiet_period)),
            ("dead_letter", place(&function.dead_letter)),
        ];
        let (kind, needed, allowed): (_, &[&str], &[&str]) = match function.builtin {
            Builtin::Classify => ("classify", &["endpoint"], &["columns", "text", "delimiter", "output"]),
            Builtin::ScoreReviews => ("score-reviews", &["endpoint"], &["columns"]),
            Builtin::MetricFromAverage => ("metric-from-average", &["metric"], &["column", "dead_letter"]),
            Builtin::NotifyOnAnomaly => {
                ("notify-on-anomaly", &["topic"], &["threshold", "quiet_period", "column", "dead_letter"])
            }
        };
        let is_whole = self.gaps.is_whole(&function.name.span());
        for (key, span) in &given {
            let is_needed = needed.contains(key);
            match span {
                None if is_needed => {
                    self.wrong_section(&function.name, format!("a function of kind {kind} needs {key}"));
                }
                // Of a function whose kind could not be read nothing is known.
                Some(span) if !is_needed && !allowed.contains(key) && is_whole => {
                    let message = format!("a function of kind {kind} does not take {key}");
                    self.wrong(span.clone(), message, None);
                }
                _ => {}
            }
        }
        if function.builtin == Builtin::Classify && is_whole {
            for mistake in classify::mistakes(function) {
                let place = match mistake.key {
                    ClassifyKey::Columns => place(&function.columns),
                    ClassifyKey::Text => place(&function.text),
                    ClassifyKey::Delimiter => place(&function.delimiter),
                    ClassifyKey::Output => place(&function.output),
                };
                self.wrong(place.unwrap_or_else(|| function.name.span()), mistake.reason, None);
            }
        }
        if function.builtin == Builtin::ScoreReviews
            && let Some(columns) = &function.columns
        {
            for needed in ["review_id", "product_category", "review_body"] {
                if columns.get_ref().iter().filter(|column| *column == needed).count() != 1 {
                    self.wrong(columns.span(), format!("columns must name \"{needed}\" once"), None);
                }
            }
        }
        self.number(&function.threshold, f64::is_finite, "threshold must be a number");
        let is_time = |limit: Period| !limit.0.is_zero();
        self.number(&function.timeout, is_time, "timeout must be above 0: no call takes no time");
    }
}
