//! Endpoints and functions, as the pipeline declares them.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use millstream_functions::{
    Function, Invoker, InvokerSettings, MetricFromAverage, MetricFromAverageSettings, NotifyOnAnomaly,
    NotifyOnAnomalySettings, ReviewLayout, RowFormat, ScoreReviews, ScoreReviewsSettings,
};
use millstream_host::Clock;
use millstream_inference::{ModelServer, ModelSource, ServerSettings};

use crate::connect::endpoint_to_classifier::EndpointClassifier;
use crate::connect::monitor_to_functions::MonitorServices;
use crate::error::StartError;
use crate::pipeline::{
    ApplicationOutputDeclaration, Builtin, EndpointDeclaration, FunctionDeclaration, OutputFormatChoice,
    Pipeline,
};

/// A call of a function may take so long, unless the pipeline says otherwise.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Endpoints by name.
pub(crate) type Endpoints = HashMap<String, Arc<ModelServer>>;
/// Functions by name.
pub(crate) type Functions = HashMap<String, Arc<Invoker>>;
/// Those of them that rate reviews: they can say why one could not be rated.
pub(crate) type Scorers = HashMap<String, Arc<ScoreReviews>>;

/// Starts the endpoints; their models load meanwhile.
pub(crate) fn start_endpoints(declared: &[EndpointDeclaration]) -> Result<Endpoints, StartError> {
    let mut endpoints = Endpoints::new();
    for endpoint in declared {
        let name = endpoint.name.get_ref().clone();
        let failed = |reason: String| StartError::Endpoint { name: name.clone(), reason };
        let source = match endpoint.model.get_ref().as_str() {
            "builtin:star-rating" => ModelSource::EmbeddedStarRating,
            folder => {
                let folder = PathBuf::from(folder);
                if !folder.join("config.json").is_file() {
                    let reason = format!(
                        "{} is no model folder: it has no config.json; name a Hugging Face folder or builtin:star-rating",
                        folder.display()
                    );
                    return Err(failed(reason));
                }
                ModelSource::Folder(folder)
            }
        };
        let defaults = ServerSettings::default();
        let settings = ServerSettings {
            threads: endpoint.threads.and_then(NonZeroUsize::new),
            max_queue_texts: endpoint.queue_texts.unwrap_or(defaults.max_queue_texts),
            ..defaults
        };
        let server = ModelServer::start(source, settings).map_err(|error| failed(error.to_string()))?;
        endpoints.insert(name, server);
    }
    Ok(endpoints)
}

/// Builds the functions.
pub(crate) fn build(
    pipeline: &Pipeline,
    endpoints: &Endpoints,
    services: &MonitorServices,
    clock: &Arc<dyn Clock>,
) -> Result<(Functions, Scorers), StartError> {
    let mut functions = Functions::new();
    let mut scorers = Scorers::new();
    for declared in &pipeline.declarations.functions {
        let name = declared.name.get_ref().clone();
        let function = function(pipeline, declared, endpoints, services, clock, &mut scorers)
            .map_err(|reason| StartError::Function { name: name.clone(), reason })?;
        let settings = InvokerSettings {
            timeout: declared.timeout.map_or(TIMEOUT, |timeout| timeout.0),
            ..InvokerSettings::default()
        };
        functions.insert(name, Arc::new(Invoker::new(function, settings, Arc::clone(clock))));
    }
    Ok((functions, scorers))
}

fn function(
    pipeline: &Pipeline,
    declared: &FunctionDeclaration,
    endpoints: &Endpoints,
    services: &MonitorServices,
    clock: &Arc<dyn Clock>,
    scorers: &mut Scorers,
) -> Result<Arc<dyn Function>, String> {
    let clock = Arc::clone(clock);
    match declared.builtin {
        Builtin::ScoreReviews => {
            let endpoint = declared.endpoint.as_ref().and_then(|name| endpoints.get(name.get_ref()));
            let endpoint = endpoint.expect("references were checked with the pipeline");
            let layout = declared.columns.as_ref().map_or(ReviewLayout::Automatic, |columns| {
                ReviewLayout::Delimited { columns: columns.clone(), delimiter: '\t' }
            });
            let settings = ScoreReviewsSettings { layout, ..ScoreReviewsSettings::default() };
            let classifier = Arc::new(EndpointClassifier(Arc::clone(endpoint)));
            let scorer = Arc::new(ScoreReviews::new(settings, classifier)?);
            scorers.insert(declared.name.get_ref().clone(), Arc::clone(&scorer));
            Ok(scorer)
        }
        Builtin::MetricFromAverage => {
            let name = declared.metric.as_ref().expect("the pipeline was checked").get_ref();
            let metrics = &pipeline.declarations.metrics;
            let metric = metrics.iter().find(|metric| metric.name.get_ref() == name);
            let metric = metric.expect("references were checked with the pipeline");
            let settings = MetricFromAverageSettings {
                namespace: metric.namespace.clone(),
                metric_name: name.clone(),
                dimensions: Vec::new(),
                unit: metric.unit.clone().unwrap_or_else(|| "None".to_owned()),
                row: row_format(pipeline, declared, "AVG_STAR_RATING")?,
            };
            Ok(Arc::new(MetricFromAverage::new(settings, Arc::new(services.clone()), clock)))
        }
        Builtin::NotifyOnAnomaly => {
            let defaults = NotifyOnAnomalySettings::default();
            let settings = NotifyOnAnomalySettings {
                topic: declared.topic.as_ref().expect("the pipeline was checked").get_ref().clone(),
                threshold: declared.threshold.unwrap_or(defaults.threshold),
                quiet_period: declared.quiet_period.map_or(defaults.quiet_period, |period| period.0),
                row: row_format(pipeline, declared, "ANOMALY_SCORE")?,
                ..defaults
            };
            Ok(Arc::new(NotifyOnAnomaly::new(settings, Arc::new(services.clone()), clock)))
        }
    }
}

/// How the rows that reach a function are written, and which column it reads: all outputs to it must agree.
fn row_format(
    pipeline: &Pipeline,
    declared: &FunctionDeclaration,
    default: &str,
) -> Result<RowFormat, String> {
    let column = declared.column.as_deref().unwrap_or(default);
    let mut formats = Vec::new();
    for (application, checked) in pipeline.declarations.applications.iter().zip(&pipeline.applications) {
        let is_mine = |output: &&ApplicationOutputDeclaration| {
            output.function.as_ref().is_some_and(|name| name.get_ref() == declared.name.get_ref())
        };
        for output in application.outputs.iter().filter(is_mine) {
            let stream = output.from.get_ref();
            // The error stream has no such column: its rows are refused one by one, with the reason.
            let Some(id) = checked.program.stream(stream) else { continue };
            let columns = &checked.program.streams[id.0].columns;
            let Some(place) = columns.iter().position(|known| known.name == column) else {
                let known: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
                return Err(format!(
                    "it reads column \"{column}\", and in-application stream \"{stream}\" has {}; name one with column",
                    known.join(", ")
                ));
            };
            formats.push(match output.format {
                OutputFormatChoice::Json => RowFormat::Json { column: column.to_owned() },
                OutputFormatChoice::Csv => RowFormat::Csv { column: place },
            });
        }
    }
    formats.dedup();
    match formats.len() {
        0 => Ok(RowFormat::Json { column: column.to_owned() }),
        1 => Ok(formats.remove(0)),
        _ => Err("its rows come in different formats or columns; declare one function for each".to_owned()),
    }
}
