//! Functions: the ones in this program, behind slots.

use std::sync::Arc;

use millstream_functions::{
    Function, Invoker, InvokerSettings, MetricFromAverage, MetricFromAverageSettings, NotifyOnAnomaly,
    NotifyOnAnomalySettings, ReviewLayout, ScoreReviews, ScoreReviewsSettings,
};

use millstream_host::Clock;
use millstream_inference::ModelServer;

use super::{NotReady, Stopped};
use crate::catalog::ResourceRow;
use crate::connect::endpoint_to_classifier::EndpointClassifier;
use crate::connect::monitor_to_functions::MonitorServices;
use crate::definition::{Definition, FunctionBody, FunctionDefinition, Kind, MetricDefinition, Reference};
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
}

/// Builds the function.
pub(super) fn prepare(
    world: &World,
    row: &ResourceRow,
    definition: &FunctionDefinition,
) -> Result<PreparedFunction, NotReady> {
    let metric = |name: &str| match world.registry.find(&Reference::new(Kind::Metric, name)) {
        Some(ResourceRow { definition: Definition::Metric(metric), .. }) => Some(metric),
        _ => None,
    };
    let services = FunctionServices {
        clock: Arc::clone(&world.clock),
        monitor: MonitorServices::new(world.monitor.clone(), world.spawn().clone()),
        endpoints: &world.endpoints,
        metric: &metric,
    };
    let function = Arc::new(build(definition, &services)?);
    Ok(PreparedFunction { slot: world.functions.slot(&row.name), function })
}

/// A function behind its limits.
pub(crate) fn build(
    definition: &FunctionDefinition,
    services: &FunctionServices<'_>,
) -> Result<CallableFunction, NotReady> {
    let clock = || Arc::clone(&services.clock);
    let monitor = || Arc::new(services.monitor.clone());
    let (mut scorer, mut review_columns) = (None, None);
    let function: Arc<dyn Function> = match &definition.body {
        FunctionBody::ScoreReviews { endpoint, columns } => {
            let layout = columns.as_ref().map_or(ReviewLayout::Automatic, |columns| {
                ReviewLayout::Delimited { columns: columns.clone(), delimiter: '\t' }
            });
            let settings = ScoreReviewsSettings { layout, ..ScoreReviewsSettings::default() };
            let classifier = Arc::new(EndpointClassifier(services.endpoints.slot(endpoint)));
            let function = Arc::new(ScoreReviews::new(settings, classifier).map_err(NotReady::ever)?);
            (scorer, review_columns) = (Some(Arc::clone(&function)), columns.clone());
            function
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
            Arc::new(MetricFromAverage::new(settings, monitor(), clock()))
        }
        FunctionBody::NotifyOnAnomaly { topic, column, threshold, quiet_period } => {
            let settings = NotifyOnAnomalySettings {
                topic: topic.clone(),
                threshold: *threshold,
                quiet_period: *quiet_period,
                column: column.clone(),
                ..NotifyOnAnomalySettings::default()
            };
            Arc::new(NotifyOnAnomaly::new(settings, monitor(), clock()))
        }
    };
    let settings = InvokerSettings { timeout: definition.timeout, ..InvokerSettings::default() };
    Ok(CallableFunction {
        invoker: Invoker::new(function, settings, clock()),
        scorer,
        review_columns,
        reads_rows: definition.row_column().is_some(),
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
