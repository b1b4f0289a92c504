//! `millstream demo`: the pipeline of `examples/reviews.toml` with a producer.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use millstream_control::pipeline::{Builtin, Pipeline};
use millstream_control::producers::{Feed, FeedTarget, LineSource, RecordSource, SyntheticReviews};

use crate::arguments::DemoArguments;
use crate::session::Session;

/// The pipeline: a file that users can change and run themselves.
const REVIEWS: &str = include_str!("../../../../examples/reviews.toml");
/// The delivery stream in it.
const DELIVERY_STREAM: &str = "customer-reviews";
/// What a header must name.
const NEEDED_COLUMNS: [&str; 3] = ["review_id", "product_category", "review_body"];

pub(super) fn run(arguments: DemoArguments) -> anyhow::Result<ExitCode> {
    let no_files = |name: &str| Err(format!("{name}: the pipeline of the demo is whole in itself"));
    let mut pipeline = Pipeline::parse("examples/reviews.toml", REVIEWS, &no_files)?;
    let (source, columns, producer, name): (Box<dyn RecordSource>, _, _, _) = match &arguments.input {
        Some(path) => {
            let (source, columns) = reviews_of(path)?;
            let name = path.display().to_string();
            (Box::new(source), columns, format!("demo {name}"), name)
        }
        None => {
            let seed = arguments.seed;
            let columns = SyntheticReviews::COLUMNS.map(str::to_owned).to_vec();
            let source = SyntheticReviews::new(seed, arguments.rate);
            (
                Box::new(source),
                columns,
                format!("demo seed {seed}"),
                format!("synthetic reviews (seed {seed})"),
            )
        }
    };
    let functions = &mut pipeline.declarations.functions;
    for function in functions.iter_mut().filter(|function| function.builtin == Builtin::ScoreReviews) {
        function.columns = Some(columns.clone());
    }
    for application in &mut pipeline.declarations.applications {
        application.seed = arguments.seed;
    }
    let feed = Feed {
        name: producer,
        target: FeedTarget::DeliveryStream(DELIVERY_STREAM.to_owned()),
        rate: Some(arguments.rate * arguments.speed),
        keeps_position: true,
    };
    let is_synthetic = arguments.input.is_none();
    let session = Session { pipeline, source: name, is_synthetic, until_end: false, reload: None };
    session.run(&arguments.session, |server| server.feed(feed, source))
}

/// The reviews of a file, and the names of their columns.
fn reviews_of(path: &Path) -> anyhow::Result<(LineSource, Vec<String>)> {
    let header = LineSource::first_line(path)?;
    let columns: Vec<String> = header.trim_start_matches('\u{feff}').split('\t').map(str::to_owned).collect();
    let missing: Vec<&str> =
        NEEDED_COLUMNS.into_iter().filter(|needed| !columns.iter().any(|column| column == needed)).collect();
    if !missing.is_empty() {
        anyhow::ensure!(
            std::fs::metadata(path).map_or(true, |found| found.len() > 0),
            "{} is empty: its first line must name the columns with tabs between",
            path.display()
        );
        let shown: String = header.chars().take(100).collect();
        anyhow::bail!(
            "{} is not a file of reviews: its first line must name the columns with tabs between, and {} {} missing; \
             it is: {shown:?}",
            path.display(),
            missing.join(", "),
            if missing.len() == 1 { "is" } else { "are" },
        );
    }
    let source =
        LineSource::file(path, true, false).with_context(|| format!("--input {}", path.display()))?;
    Ok((source, columns))
}
