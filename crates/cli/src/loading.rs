//! A pipeline file on its way into a server: read, checked beside what exists, its paths made absolute.

use std::path::{Path, PathBuf};

use millstream_control::catalog::Catalog;
use millstream_control::definition::{Desired, Owner, Reference};
use millstream_control::pipeline::{Mistakes, Pipeline};
use millstream_control::{DataDirectory, Server};
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

/// The same of a data directory that no server of this process has open; nothing of one that cannot be read.
pub(crate) fn existing_in(data_directory: &Path, owner: &Owner) -> Vec<Reference> {
    let rows = Catalog::owned_in(&DataDirectory::catalog_in(data_directory));
    rows.into_iter().filter(|(_, other)| other != owner).map(|(reference, _)| reference).collect()
}

/// Reads files that this process is to run, which may refer to each other and to what others own. Gives them in an order in
/// which each refers only to those before it, and to what exists.
pub(crate) fn load_together(
    files: &[PathBuf],
    existing: &[(Reference, Owner)],
) -> anyhow::Result<Result<Vec<(PathBuf, Loaded)>, Mistakes>> {
    let mut loaded: Vec<(PathBuf, Loaded)> = Vec::new();
    let mut left: Vec<&PathBuf> = files.iter().collect();
    while !left.is_empty() {
        let before = left.len();
        let mut mistakes = None;
        for file in std::mem::take(&mut left) {
            let owner = owner_of(file);
            let of_others = existing.iter().filter(|(_, other)| *other != owner).map(|(one, _)| one.clone());
            let of_files =
                loaded.iter().flat_map(|(_, loaded)| loaded.desired.iter().map(Desired::reference));
            match load(file, &of_others.chain(of_files).collect::<Vec<_>>())? {
                Ok(one) => loaded.push((file.clone(), one)),
                Err(of_file) => {
                    mistakes.get_or_insert(of_file);
                    left.push(file);
                }
            }
        }
        if let Some(mistakes) = mistakes.filter(|_| left.len() == before) {
            return Ok(Err(mistakes));
        }
    }
    Ok(Ok(loaded))
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
