//! `millstream run`: a pipeline that a file describes.

use std::path::Path;
use std::process::ExitCode;

use millstream_control::pipeline::{Declarations, Pipeline, ReferencePlace};
use millstream_control::producers::{Feed, FeedTarget, LineSource, RecordSource};

use super::files::read_pipeline;
use crate::arguments::RunArguments;
use crate::session::Session;

pub(super) fn run(arguments: RunArguments) -> anyhow::Result<ExitCode> {
    let pipeline = read(&arguments.file)?;
    let extra = match &arguments.input {
        Some(path) => {
            let target = target(&pipeline.declarations, arguments.into.as_deref())?;
            let is_standard_input = path.as_os_str() == "-";
            let source: Box<dyn RecordSource> = if is_standard_input {
                Box::new(LineSource::standard_input(arguments.header))
            } else {
                Box::new(LineSource::file(path, arguments.header, false)?)
            };
            let name = format!("input {}", path.display());
            Some((Feed { name, target, rate: arguments.rate, keeps_position: !is_standard_input }, source))
        }
        None => None,
    };
    let mut sources: Vec<String> =
        pipeline.declarations.inputs.iter().map(|input| input.name.get_ref().clone()).collect();
    sources.extend(arguments.input.iter().map(|path| path.display().to_string()));
    let from = if sources.is_empty() { "no input".to_owned() } else { sources.join(", ") };
    let file = arguments.file.clone();
    let session = Session {
        pipeline,
        source: format!("{} ({from})", arguments.file.display()),
        is_synthetic: false,
        until_end: arguments.until_end,
        reload: Some(Box::new(move || read(&file))),
    };
    session.run(&arguments.session, |server| {
        server.start_inputs()?;
        match extra {
            Some((feed, source)) => server.feed(feed, source),
            None => Ok(()),
        }
    })
}

/// The pipeline of a file, as it is now.
fn read(file: &Path) -> anyhow::Result<Pipeline> {
    let mut pipeline = read_pipeline(file)??;
    for warning in &pipeline.warnings {
        tracing::warn!("{warning}");
    }
    resolve_paths(&mut pipeline, file);
    Ok(pipeline)
}

/// Paths in a file are relative to it.
fn resolve_paths(pipeline: &mut Pipeline, file: &Path) {
    let Some(folder) = file.parent() else { return };
    let resolved = |path: &str| folder.join(path).display().to_string();
    for endpoint in &mut pipeline.declarations.endpoints {
        let model = endpoint.model.get_mut();
        if !model.starts_with("builtin:") {
            *model = resolved(model);
        }
    }
    for reference in pipeline.applications.iter_mut().flat_map(|application| &mut application.references) {
        if let ReferencePlace::File(path) = &mut reference.place {
            *path = folder.join(&*path);
        }
    }
    for input in &mut pipeline.declarations.inputs {
        if let Some(path) = &mut input.path
            && path.get_ref() != "-"
        {
            *path.get_mut() = resolved(path.get_ref());
        }
    }
}

/// Where the records of `--input` go.
fn target(declared: &Declarations, into: Option<&str>) -> anyhow::Result<FeedTarget> {
    let deliveries: Vec<&str> =
        declared.delivery_streams.iter().map(|delivery| delivery.name.get_ref().as_str()).collect();
    let streams: Vec<&str> = declared.streams.iter().map(|stream| stream.name.get_ref().as_str()).collect();
    match into {
        Some(name) if deliveries.contains(&name) => Ok(FeedTarget::DeliveryStream(name.to_owned())),
        Some(name) if streams.contains(&name) => Ok(FeedTarget::Stream(name.to_owned())),
        Some(name) => {
            let known = [deliveries, streams].concat().join(", ");
            anyhow::bail!(
                "--into {name}: the file declares no such delivery stream or stream; there are: {known}"
            )
        }
        None => match (deliveries.as_slice(), streams.as_slice()) {
            ([only], _) => Ok(FeedTarget::DeliveryStream((*only).to_owned())),
            ([], [only]) => Ok(FeedTarget::Stream((*only).to_owned())),
            ([], []) => anyhow::bail!("--input: the file declares no stream that could take records"),
            _ => {
                let known = [deliveries, streams].concat().join(", ");
                anyhow::bail!("--input: say with --into which of these takes the records: {known}")
            }
        },
    }
}
