//! Functions: the ones in this program, behind slots.

use std::sync::Arc;

use millstream_functions::{
    Classify, ClassifySettings, Function, Invoker, InvokerSettings, JsonPath, LabelOutput, MetricFromAverage,
    MetricFromAverageSettings, NotifyOnAnomaly, NotifyOnAnomalySettings, ReviewLayout, ScoreReviews,
    ScoreReviewsSettings, TextInput, check_star_labels,
};

use millstream_host::Clock;
use millstream_inference::ModelServer;
use millstream_streamlog::Log;

use super::{NotReady, Stopped};
use crate::catalog::ResourceRow;
use crate::connect::endpoint_to_classifier::EndpointClassifier;
use crate::connect::monitor_to_functions::MonitorServices;
use crate::connect::rejected_to_log::{RejectedCount, RejectedRows};
use crate::definition::{
    Definition, EndpointDefinition, FunctionBody, FunctionDefinition, Kind, MetricDefinition, Model,
    Reference, TextPlace,
};
use crate::live::Live;
use crate::slots::{Slot, Slots};
use crate::world::{CallableFunction, World};

/// A function with the slot that it is for.
pub(crate) struct PreparedFunction {
    slot: Arc<Slot<CallableFunction>>,
    function: Arc<CallableFunction>,
}

/// A function that can be called.
pub(crate) struct RunningFunction {
    slot: Arc<Slot<CallableFunction>>,
    function: Arc<CallableFunction>,
}

/// What functions are built with.
pub(crate) struct FunctionServices<'a> {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) monitor: MonitorServices,
    pub(crate) endpoints: &'a Slots<ModelServer>,
    /// The metric of a name.
    pub(crate) metric: &'a dyn Fn(&str) -> Option<MetricDefinition>,
    /// Where streams are, for rejected rows.
    pub(crate) log: Option<Arc<Log>>,
    /// Where rejected rows are shown.
    pub(crate) live: Arc<Live>,
}

/// Looks at the labels of its model, and builds the function.
pub(super) async fn prepare(
    world: &World,
    row: &ResourceRow,
    definition: &FunctionDefinition,
) -> Result<PreparedFunction, NotReady> {
    let (registry, looked_at) = (Arc::clone(&world.registry), definition.clone());
    let mistake = move || {
        let endpoint = |name: &str| match registry.find(&Reference::new(Kind::Endpoint, name)) {
            Some(ResourceRow { definition: Definition::Endpoint(endpoint), .. }) => Some(endpoint),
            _ => None,
        };
        labels_mistake(&looked_at, &endpoint)
    };
    if let Some(reason) = world.spawn().blocking(mistake).await.map_err(NotReady::yet)? {
        return Err(NotReady::yet(reason));
    }
    let metric = |name: &str| match world.registry.find(&Reference::new(Kind::Metric, name)) {
        Some(ResourceRow { definition: Definition::Metric(metric), .. }) => Some(metric),
        _ => None,
    };
    let services = FunctionServices {
        clock: Arc::clone(&world.clock),
        monitor: MonitorServices::new(world.monitor.clone(), world.spawn().clone())
            .with_page(world.page.clone()),
        endpoints: &world.endpoints,
        metric: &metric,
        log: Some(Arc::clone(&world.log)),
        live: Arc::clone(&world.live),
    };
    let function = Arc::new(build(&row.name, definition, &services)?);
    Ok(PreparedFunction { slot: world.functions.slot(&row.name), function })
}

/// Why the labels of a function's model do not fit it; `None` when they do, or nobody knows yet. Reads a small file.
pub(crate) fn labels_mistake(
    definition: &FunctionDefinition,
    endpoint: &dyn Fn(&str) -> Option<EndpointDefinition>,
) -> Option<String> {
    let FunctionBody::ScoreReviews { endpoint: name, .. } = &definition.body else { return None };
    let Model::Folder(folder) = endpoint(name)?.model else { return None };
    // A folder that cannot be read is the endpoint's mistake.
    let labels = millstream_inference::Model::labels_of_folder(&folder).ok()?;
    let reason = check_star_labels(&labels).err()?;
    Some(format!("score-reviews cannot use the model of endpoint \"{name}\": {reason}"))
}

/// The settings of `classify`.
///
/// # Errors
/// They do not fit together, in words.
pub(crate) fn classify_settings(
    text: &TextPlace,
    delimiter: char,
    output: Option<&Vec<String>>,
) -> Result<ClassifySettings, String> {
    let settings = ClassifySettings {
        input: match text {
            TextPlace::Line => TextInput::Line,
            TextPlace::Column { columns, text } => {
                TextInput::Delimited { columns: columns.clone(), delimiter, text: text.clone() }
            }
            TextPlace::JsonPath(path) => TextInput::Json { text: JsonPath::parse(path)? },
        },
        output: output.map_or(LabelOutput::Json, |columns| LabelOutput::Delimited {
            columns: columns.clone(),
            delimiter,
        }),
        ..ClassifySettings::default()
    };
    settings.check()?;
    Ok(settings)
}

/// A function behind its limits.
pub(crate) fn build(
    name: &str,
    definition: &FunctionDefinition,
    services: &FunctionServices<'_>,
) -> Result<CallableFunction, NotReady> {
    let clock = || Arc::clone(&services.clock);
    let monitor = || Arc::new(services.monitor.clone());
    let rejected_rows = RejectedCount::default();
    let rejected = || {
        Arc::new(RejectedRows {
            function: name.to_owned(),
            stream: definition.dead_letter.clone(),
            log: services.log.clone(),
            live: Arc::clone(&services.live),
            clock: clock(),
            count: rejected_rows.clone(),
        })
    };
    // A call that waits for its model gives up in time: running into its limit would count against the records.
    let patience = definition.timeout / 2;
    let classifier = |endpoint: &str| Arc::new(EndpointClassifier(services.endpoints.slot(endpoint)));
    let (mut scores_reviews, mut review_columns) = (false, None);
    let function: Arc<dyn Function> = match &definition.body {
        FunctionBody::Classify { endpoint, text, delimiter, output } => {
            let settings = classify_settings(text, *delimiter, output.as_ref()).map_err(NotReady::ever)?;
            let settings = ClassifySettings { patience, ..settings };
            Arc::new(Classify::new(settings, classifier(endpoint)).map_err(NotReady::ever)?)
        }
        FunctionBody::ScoreReviews { endpoint, columns } => {
            let layout = columns.as_ref().map_or(ReviewLayout::Automatic, |columns| {
                ReviewLayout::Delimited { columns: columns.clone(), delimiter: '\t' }
            });
            let settings = ScoreReviewsSettings { layout, patience, ..ScoreReviewsSettings::default() };
            (scores_reviews, review_columns) = (true, columns.clone());
            Arc::new(ScoreReviews::new(settings, classifier(endpoint)).map_err(NotReady::ever)?)
        }
        FunctionBody::MetricFromAverage { metric, column } => {
            let Some(found) = (services.metric)(metric) else {
                let wanted = Reference::new(Kind::Metric, metric);
                return Err(NotReady::yet(format!("{wanted} does not exist")));
            };
            let settings = MetricFromAverageSettings {
                namespace: found.namespace,
                metric_name: metric.clone(),
                dimensions: Vec::new(),
                unit: found.unit,
                column: column.clone(),
            };
            Arc::new(MetricFromAverage::new(settings, monitor(), clock(), rejected()))
        }
        FunctionBody::NotifyOnAnomaly { topic, column, threshold, quiet_period } => {
            let settings = NotifyOnAnomalySettings {
                topic: topic.clone(),
                threshold: *threshold,
                quiet_period: *quiet_period,
                column: column.clone(),
                ..NotifyOnAnomalySettings::default()
            };
            Arc::new(NotifyOnAnomaly::new(settings, monitor(), clock(), rejected()))
        }
    };
    let settings = InvokerSettings { timeout: definition.timeout, ..InvokerSettings::default() };
    Ok(CallableFunction {
        invoker: Invoker::new(function, settings, clock()),
        scores_reviews,
        review_columns,
        reads_rows: definition.row_column().is_some(),
        rejected_rows,
    })
}

impl PreparedFunction {
    pub(super) fn start(self) -> RunningFunction {
        self.slot.replace(Some(Arc::clone(&self.function)));
        RunningFunction { slot: self.slot, function: self.function }
    }
}

impl RunningFunction {
    /// What is called.
    pub(crate) fn function(&self) -> &CallableFunction {
        &self.function
    }

    /// Calls under way go on to their end.
    pub(super) fn stop(self, succeeded: bool) -> Stopped {
        if !succeeded {
            self.slot.replace(None);
        }
        Stopped::default()
    }
}
