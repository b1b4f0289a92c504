//! `millstream demo`: the pipeline of `examples/reviews.toml` with a feed.

use std::path::Path;
use std::process::ExitCode;

use millstream_control::definition::{
    Definition, Desired, FeedDefinition, FeedSource, FeedTarget, FunctionBody, Owner,
};
use millstream_control::feeds::{LineSource, REVIEW_COLUMNS};
use millstream_control::pipeline::Pipeline;
use millstream_host::files;

use crate::arguments::DemoArguments;
use crate::loading::absolute;
use crate::session::{Session, Starting, What};

/// The pipeline: a file that users can change and run themselves.
const REVIEWS: &str = include_str!("../../../../examples/reviews.toml");
/// The delivery stream in it.
const DELIVERY_STREAM: &str = "customer-reviews";

pub(super) fn run(arguments: DemoArguments, starting: Starting) -> anyhow::Result<ExitCode> {
    let no_files = |name: &str| Err(format!("{name}: the pipeline of the demo is whole in itself"));
    let mut pipeline = Pipeline::parse("examples/reviews.toml", REVIEWS, &no_files)?;
    let (source, feed, name) = match &arguments.input {
        Some(path) => {
            let review_columns = Some(columns_of(path)?);
            let name = path.display().to_string();
            let source =
                FeedSource::File { path: absolute(path), header: true, repeat: false, review_columns };
            (source, format!("demo {name}"), name)
        }
        None => {
            let seed = arguments.seed;
            let source = FeedSource::SyntheticReviews { seed, rate: arguments.rate };
            (source, format!("demo seed {seed}"), format!("synthetic reviews (seed {seed})"))
        }
    };
    for desired in &mut pipeline.desired {
        match &mut desired.definition {
            Definition::Function(function) => {
                if let FunctionBody::ScoreReviews { columns: given, .. } = &mut function.body {
                    *given = Some(REVIEW_COLUMNS.map(str::to_owned).to_vec());
                }
            }
            Definition::Application(application) => application.seed = arguments.seed,
            _ => {}
        }
    }
    pipeline.desired.push(Desired {
        name: feed,
        definition: Definition::Feed(FeedDefinition {
            source,
            target: FeedTarget::DeliveryStream(DELIVERY_STREAM.to_owned()),
            rate: Some(arguments.rate * arguments.speed),
            from_command_line: true,
        }),
    });
    let session = Session {
        what: What::Own { desired: pipeline.desired, owner: Owner::File("demo".to_owned()) },
        source: name,
        is_synthetic: arguments.input.is_none(),
        until_end: false,
        fail_on_errors: None,
        takes_over: false,
        data_directory: arguments.data.data_dir,
    };
    session.run(&arguments.session, starting)
}

/// The names of the columns of a file of reviews.
fn columns_of(path: &Path) -> anyhow::Result<Vec<String>> {
    let header = LineSource::first_line(path)?;
    let columns: Vec<String> = header.trim_start_matches('\u{feff}').split('\t').map(str::to_owned).collect();
    let missing: Vec<&str> =
        REVIEW_COLUMNS.into_iter().filter(|needed| !columns.iter().any(|column| column == needed)).collect();
    if !missing.is_empty() {
        anyhow::ensure!(
            files::length(path).map_or(true, |length| length > 0),
            "{} is empty: its first line must name the columns, separated by tabs",
            path.display()
        );
        let shown: String = header.chars().take(100).collect();
        anyhow::bail!(
            "{} is not a file of reviews: its first line must name the columns, separated by tabs, and {} {} missing; \
             it is: {shown:?}",
            path.display(),
            missing.join(", "),
            if missing.len() == 1 { "is" } else { "are" },
        );
    }
    Ok(columns)
}
