//! A pipeline file that is applied to a server that runs.

use std::path::Path;

use millstream_control::{ApplyOptions, Server};
use millstream_host::Spawn;

use super::protocol::{Applied, ApplyAnswer};
use crate::loading::{self, owner_of};

/// Reads a file and applies it. What it says that is odd, but no mistake, is logged, too.
pub(super) async fn apply_file(
    server: &Server,
    file: &Path,
    options: ApplyOptions,
) -> anyhow::Result<ApplyAnswer> {
    let existing = loading::existing(server, &owner_of(file));
    let path = file.to_owned();
    let reading = move || -> anyhow::Result<_> {
        let read = loading::read_pipeline(&path, &existing)?;
        Ok(read.and_then(|pipeline| pipeline.check_environment().map(|()| pipeline)))
    };
    let pipeline = match Spawn::current().awaited_blocking(reading).await?? {
        Ok(pipeline) => pipeline,
        Err(mistakes) => {
            return Ok(ApplyAnswer {
                applied: Applied::Mistakes(mistakes.to_string()),
                warnings: Vec::new(),
            });
        }
    };
    let warnings: Vec<String> = pipeline.warnings.into_iter().map(|warning| warning.rendered).collect();
    for warning in &warnings {
        tracing::warn!("{}", warning.trim_start_matches("warning: ").trim_end());
    }
    let report = server.apply(pipeline.desired, owner_of(file), options).await?;
    Ok(ApplyAnswer { applied: Applied::Report(report), warnings })
}
