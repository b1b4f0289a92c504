//! Declarations of a file become definitions: defaults are filled in, places of the text are left behind.

use std::time::Duration;

use toml::Spanned;

use super::checked_application::{CheckedApplication, schema_definition};
use super::classify;
use super::declarations::{self, Declarations};
use super::durations::{ByteSize, Period};
use crate::definition::{
    AlarmDefinition, ApplicationDefinition, ApplicationOutput, ApplicationSource, BackupDefinition,
    BufferingDefinition, Comparison, Compression, Definition, DeliveryStreamDefinition, Desired,
    EndpointDefinition, FeedDefinition, FeedSource, FeedTarget, FunctionBody, FunctionDefinition,
    InputDefinition, MailServerDefinition, MetricDefinition, Model, OutputFormat, OutputTarget,
    ReferenceDefinition, Shown, SmtpSecurity, StartingPosition, Statistic, StreamDefinition,
    SubscriptionDefinition, TopicDefinition, TransformDefinition,
};

/// Time limit of a call of a function, unless the file says otherwise.
const TIMEOUT: Duration = Duration::from_secs(60);
/// The period of an alarm that names none.
const ALARM_PERIOD: Duration = Duration::from_secs(10);
/// No second notice within this time, and no notice below this score, unless the file says otherwise.
const QUIET_PERIOD: Duration = Duration::from_secs(60);
const THRESHOLD: f64 = 2.0;

/// Everything that a checked file declares, in its order.
pub(super) fn lower(declared: &Declarations, applications: &[CheckedApplication]) -> Vec<Desired> {
    let mut all = Vec::new();
    let mut add =
        |name: &str, definition: Definition| all.push(Desired { name: name.to_owned(), definition });
    if let Some(smtp) = &declared.smtp {
        add(MailServerDefinition::NAME, Definition::MailServer(mail_server(smtp)));
    }
    for topic in &declared.topics {
        add(topic.name.get_ref(), Definition::Topic(TopicDefinition {}));
    }
    for subscription in &declared.subscriptions {
        let definition =
            SubscriptionDefinition { topic: text(&subscription.topic), email: text(&subscription.email) };
        add(&definition.name(), Definition::Subscription(definition));
    }
    for metric in &declared.metrics {
        add(metric.name.get_ref(), Definition::Metric(self::metric(metric)));
    }
    for alarm in &declared.alarms {
        add(alarm.name.get_ref(), Definition::Alarm(self::alarm(alarm)));
    }
    for stream in &declared.streams {
        let definition =
            StreamDefinition { shards: value(&stream.shards), retention_hours: stream.retention() };
        add(stream.name.get_ref(), Definition::Stream(definition));
    }
    for endpoint in &declared.endpoints {
        add(endpoint.name.get_ref(), Definition::Endpoint(self::endpoint(endpoint)));
    }
    for function in &declared.functions {
        add(function.name.get_ref(), Definition::Function(self::function(function)));
    }
    for delivery in &declared.delivery_streams {
        add(delivery.name.get_ref(), Definition::DeliveryStream(delivery_stream(delivery)));
    }
    for (application, checked) in declared.applications.iter().zip(applications) {
        let definition = Definition::Application(Box::new(self::application(application, checked)));
        add(application.name.get_ref(), definition);
    }
    for input in &declared.inputs {
        add(input.name.get_ref(), Definition::Feed(feed(input)));
    }
    all
}

fn text(name: &Spanned<String>) -> String {
    name.get_ref().clone()
}

fn optional(name: &Option<Spanned<String>>) -> Option<String> {
    name.as_ref().map(text)
}

/// The check has made sure that it is there.
fn needed(name: &Option<Spanned<String>>) -> String {
    optional(name).expect("the file was checked")
}

/// A value without its place.
pub(super) fn value<T: Copy>(given: &Option<Spanned<T>>) -> Option<T> {
    given.as_ref().map(|value| *value.get_ref())
}

fn period(given: &Option<Spanned<Period>>) -> Option<Duration> {
    value(given).map(|period| period.0)
}

fn buffering(interval: &Option<Spanned<Period>>, size: &Option<Spanned<ByteSize>>) -> BufferingDefinition {
    BufferingDefinition { interval: period(interval), bytes: value(size).map(|size| size.0) }
}

fn compression(choice: declarations::CompressionChoice) -> Compression {
    match choice {
        declarations::CompressionChoice::None => Compression::None,
        declarations::CompressionChoice::Gzip => Compression::Gzip,
    }
}

/// A metric; also for its check.
pub(super) fn metric(declared: &declarations::MetricDeclaration) -> MetricDefinition {
    let unit = declared.unit.clone().unwrap_or_else(|| "None".to_owned());
    MetricDefinition { namespace: declared.namespace.clone(), unit }
}

/// The mail server; also for its check.
pub(super) fn mail_server(declared: &declarations::SmtpDeclaration) -> MailServerDefinition {
    MailServerDefinition {
        host: text(&declared.host),
        port: declared.port,
        from: text(&declared.from),
        security: match declared.security {
            declarations::SmtpSecurity::None => SmtpSecurity::None,
            declarations::SmtpSecurity::Starttls => SmtpSecurity::Starttls,
            declarations::SmtpSecurity::Tls => SmtpSecurity::Tls,
        },
        user: declared.user.clone(),
        password_variable: declared.password_variable.as_ref().map(text),
    }
}

/// An alarm; also for its check.
pub(super) fn alarm(declared: &declarations::AlarmDeclaration) -> AlarmDefinition {
    AlarmDefinition {
        metric: text(&declared.metric),
        statistic: match declared.statistic {
            declarations::StatisticChoice::Average => Statistic::Average,
            declarations::StatisticChoice::Minimum => Statistic::Minimum,
            declarations::StatisticChoice::Maximum => Statistic::Maximum,
            declarations::StatisticChoice::Sum => Statistic::Sum,
            declarations::StatisticChoice::SampleCount => Statistic::SampleCount,
        },
        comparison: match declared.comparison {
            declarations::Comparison::LessThan => Comparison::LessThan,
            declarations::Comparison::LessThanOrEqual => Comparison::LessThanOrEqual,
            declarations::Comparison::GreaterThan => Comparison::GreaterThan,
            declarations::Comparison::GreaterThanOrEqual => Comparison::GreaterThanOrEqual,
        },
        threshold: declared.threshold,
        period: period(&declared.period).unwrap_or(ALARM_PERIOD),
        evaluation_periods: value(&declared.evaluation_periods).unwrap_or(1),
        topic: optional(&declared.topic),
        ok_topic: optional(&declared.ok_topic),
        insufficient_data_topic: optional(&declared.insufficient_data_topic),
    }
}

fn endpoint(declared: &declarations::EndpointDeclaration) -> EndpointDefinition {
    EndpointDefinition {
        model: match declared.model.get_ref().as_str() {
            "builtin:star-rating" => Model::BuiltinStarRating,
            folder => Model::Folder(folder.into()),
        },
        threads: value(&declared.threads),
        queue_texts: value(&declared.queue_texts),
    }
}

fn function(declared: &declarations::FunctionDeclaration) -> FunctionDefinition {
    let column = |default: &str| optional(&declared.column).unwrap_or_else(|| default.to_owned());
    let body = match declared.builtin {
        declarations::Builtin::Classify => classify::body(declared),
        declarations::Builtin::ScoreReviews => FunctionBody::ScoreReviews {
            endpoint: needed(&declared.endpoint),
            columns: list(&declared.columns),
        },
        declarations::Builtin::MetricFromAverage => FunctionBody::MetricFromAverage {
            metric: needed(&declared.metric),
            column: column("AVG_STAR_RATING"),
        },
        declarations::Builtin::NotifyOnAnomaly => FunctionBody::NotifyOnAnomaly {
            topic: needed(&declared.topic),
            column: column("ANOMALY_SCORE"),
            threshold: value(&declared.threshold).unwrap_or(THRESHOLD),
            quiet_period: period(&declared.quiet_period).unwrap_or(QUIET_PERIOD),
        },
    };
    FunctionDefinition {
        timeout: period(&declared.timeout).unwrap_or(TIMEOUT),
        body,
        dead_letter: optional(&declared.dead_letter),
    }
}

fn list(declared: &Option<Spanned<Vec<String>>>) -> Option<Vec<String>> {
    declared.as_ref().map(|list| list.get_ref().clone())
}

/// A delivery stream; also for the check of its prefixes.
pub(super) fn delivery_stream(
    declared: &declarations::DeliveryStreamDeclaration,
) -> DeliveryStreamDefinition {
    DeliveryStreamDefinition {
        bucket: text(&declared.bucket),
        prefix: optional(&declared.prefix).unwrap_or_default(),
        error_prefix: optional(&declared.error_prefix),
        compression: compression(declared.compression),
        buffering: buffering(&declared.buffer_interval, &declared.buffer_size),
        transform: declared.transform.as_ref().map(|transform| TransformDefinition {
            function: text(&transform.function),
            buffering: buffering(&transform.buffer_interval, &transform.buffer_size),
            retries: value(&transform.retries),
        }),
        backup: declared.backup.as_ref().map(|backup| BackupDefinition {
            bucket: optional(&backup.bucket),
            prefix: text(&backup.prefix),
            buffering: buffering(&backup.buffer_interval, &backup.buffer_size),
            compression: compression(backup.compression),
        }),
    }
}

/// What an application reads.
pub(super) fn source(declared: &declarations::ApplicationInputDeclaration) -> Option<ApplicationSource> {
    match (&declared.delivery_stream, &declared.stream) {
        (Some(delivery), _) => Some(ApplicationSource::DeliveryStream(text(delivery))),
        (None, Some(stream)) => Some(ApplicationSource::Stream(text(stream))),
        (None, None) => None,
    }
}

fn application(
    declared: &declarations::ApplicationDeclaration,
    checked: &CheckedApplication,
) -> ApplicationDefinition {
    let input = &declared.input;
    let references = checked.references.iter().map(|reference| ReferenceDefinition {
        name: reference.name.clone(),
        place: reference.place.clone(),
        schema: schema_definition(&reference.schema),
        header: reference.header,
    });
    let switches = declared.switches.iter().map(|(name, value)| (name.clone(), value.get_ref().text()));
    ApplicationDefinition {
        sql: checked.sql.clone(),
        input: InputDefinition {
            source: source(input).expect("the file was checked"),
            preprocessor: optional(&input.preprocessor),
            name_prefix: input.name_prefix.clone(),
            parallelism: input.parallelism.as_ref().map_or(1, |parallelism| *parallelism.get_ref()),
            starting_position: input.starting_position.as_ref().map(|position| match position.get_ref() {
                declarations::StartingPosition::Now => StartingPosition::Now,
                declarations::StartingPosition::TrimHorizon => StartingPosition::TrimHorizon,
                declarations::StartingPosition::LastStoppedPoint => StartingPosition::LastStoppedPoint,
            }),
            schema: schema_definition(&checked.schema),
        },
        references: references.collect(),
        outputs: declared.outputs.iter().map(output).collect(),
        seed: declared.seed,
        memory_limit: value(&declared.memory_limit).map(|limit| limit.0),
        threads: declared.threads,
        switches: switches.collect(),
    }
}

fn output(declared: &declarations::ApplicationOutputDeclaration) -> ApplicationOutput {
    let target = match (&declared.function, &declared.stream) {
        (Some(function), _) => OutputTarget::Function(text(function)),
        (None, Some(stream)) => OutputTarget::Stream(text(stream)),
        (None, None) => OutputTarget::DeliveryStream(needed(&declared.delivery_stream)),
    };
    ApplicationOutput {
        from: text(&declared.from),
        target,
        format: match declared.format {
            declarations::OutputFormatChoice::Json => OutputFormat::Json,
            declarations::OutputFormatChoice::Csv => OutputFormat::Csv,
        },
        show: declared.show.map(|shown| match shown {
            declarations::Shown::Average => Shown::Average,
            declarations::Shown::Score => Shown::Score,
            declarations::Shown::Count => Shown::Count,
        }),
    }
}

fn feed(declared: &declarations::InputDeclaration) -> FeedDefinition {
    let header = declared.header;
    let source = match (&declared.path, &declared.stream) {
        (Some(path), _) if path.get_ref() == "-" => FeedSource::StandardInput { header },
        (Some(path), _) => FeedSource::File {
            path: path.get_ref().into(),
            header,
            repeat: declared.repeat,
            review_columns: None,
        },
        (None, stream) => FeedSource::Stream { stream: needed(stream) },
    };
    let target = match &declared.delivery_stream {
        Some(delivery) => FeedTarget::DeliveryStream(text(delivery)),
        None => FeedTarget::Stream(needed(&declared.into_stream)),
    };
    let rate = value(&declared.rate).map(|rate| rate * value(&declared.speed).unwrap_or(1.0));
    FeedDefinition { source, target, rate, from_command_line: false }
}
