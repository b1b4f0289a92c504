//! A pipeline file on its way into a server: read, checked beside what exists, its paths made absolute.

use std::path::{Path, PathBuf};

use millstream_control::Server;
use millstream_control::definition::{Desired, Owner, Reference};
use millstream_control::pipeline::{Mistakes, Pipeline};
use millstream_host::files;

use crate::commands::files::read_text;

/// A file that has no mistakes.
pub(crate) struct Loaded {
    pub(crate) desired: Vec<Desired>,
    pub(crate) owner: Owner,
}

/// To whom the resources of a file belong: to its path, whatever way leads there.
pub(crate) fn owner_of(file: &Path) -> Owner {
    Owner::File(absolute(file).display().to_string())
}

/// The path without links and dots; as it is, when there is no such file.
pub(crate) fn absolute(file: &Path) -> PathBuf {
    files::canonical(file).or_else(|_| std::path::absolute(file)).unwrap_or_else(|_| file.to_owned())
}

/// What exists that is not this owner's, for a file to refer to.
pub(crate) fn existing(server: &Server, owner: &Owner) -> Vec<Reference> {
    let rows = server.registry().rows();
    let others = rows.iter().filter(|row| !row.deleting && row.owner != *owner);
    others.map(|row| row.reference()).collect()
}

/// Reads a file that this process is to run; what it says that is odd, but no mistake, is logged.
pub(crate) fn load(file: &Path, existing: &[Reference]) -> anyhow::Result<Result<Loaded, Mistakes>> {
    Ok(read_pipeline(file, existing)?.and_then(|pipeline| {
        pipeline.check_environment()?;
        for warning in &pipeline.warnings {
            tracing::warn!("{}", warning.rendered.trim_start_matches("warning: ").trim_end());
        }
        Ok(Loaded { desired: pipeline.desired, owner: owner_of(file) })
    }))
}

/// A pipeline file, checked. Files that it names are relative to it.
pub(crate) fn read_pipeline(
    file: &Path,
    existing: &[Reference],
) -> anyhow::Result<Result<Pipeline, Mistakes>> {
    let text = read_text(file)?;
    let parsed = Pipeline::parse_beside(&file.display().to_string(), &text, &sql_beside(file), existing);
    Ok(parsed.map(|mut pipeline| {
        pipeline.resolve_paths(&folder_of(file));
        pipeline
    }))
}

/// The same with a look at the files that it names, as a start would find them.
pub(crate) fn check_pipeline(file: &Path) -> anyhow::Result<Result<Pipeline, Mistakes>> {
    let text = read_text(file)?;
    Ok(Pipeline::check(&file.display().to_string(), &text, &sql_beside(file), &folder_of(file)))
}

/// The text of SQL files, relative to a pipeline file.
fn sql_beside(file: &Path) -> impl Fn(&str) -> Result<String, String> {
    let folder = file.parent().unwrap_or(Path::new("")).to_owned();
    move |name: &str| read_text(&folder.join(name)).map_err(|error| format!("{error:#}"))
}

/// The folder of a file, without links and dots.
fn folder_of(file: &Path) -> PathBuf {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    absolute(folder.unwrap_or(Path::new(".")))
}
