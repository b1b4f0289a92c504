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
    /// What it says that is odd, but no mistake.
    warnings: Vec<String>,
}

impl Loaded {
    /// Logs what is odd in it. For whoever applies it: a file may be read several times before that.
    pub(crate) fn say_warnings(&self) {
        for warning in &self.warnings {
            tracing::warn!("{warning}");
        }
    }
}

/// To whom the resources of a file belong: to its path, whatever way leads there.
pub(crate) fn owner_of(file: &Path) -> Owner {
    Owner::File(absolute(file).display().to_string())
}

/// The path without links and dots; as it is, when there is no such file.
pub(crate) fn absolute(file: &Path) -> PathBuf {
    files::canonical(file).or_else(|_| std::path::absolute(file)).unwrap_or_else(|_| file.to_owned())
}

/// What exists on a server, and to whom it belongs.
pub(crate) fn owned(server: &Server) -> Vec<(Reference, Owner)> {
    let rows = server.registry().rows();
    rows.iter().filter(|row| !row.deleting).map(|row| (row.reference(), row.owner.clone())).collect()
}

/// What exists that is not this owner's, for a file to refer to.
pub(crate) fn existing(server: &Server, owner: &Owner) -> Vec<Reference> {
    owned(server).into_iter().filter(|(_, other)| other != owner).map(|(reference, _)| reference).collect()
}

/// The same of a data directory that no server of this process has open; nothing of one that cannot be read.
pub(crate) fn existing_in(data_directory: &Path, owner: &Owner) -> Vec<Reference> {
    let rows = Catalog::owned_in(&DataDirectory::catalog_in(data_directory));
    rows.into_iter().filter(|(_, other)| other != owner).map(|(reference, _)| reference).collect()
}

/// Files that were read together.
#[derive(Default)]
pub(crate) struct LoadedTogether {
    /// Each refers only to those before it, and to what exists.
    pub(crate) loaded: Vec<(PathBuf, Loaded)>,
    /// What is wrong with the others.
    pub(crate) refused: Vec<anyhow::Error>,
}

impl LoadedTogether {
    /// All of them.
    ///
    /// # Errors
    /// One of them could not be loaded.
    pub(crate) fn all(self) -> anyhow::Result<Vec<(PathBuf, Loaded)>> {
        match self.refused.into_iter().next() {
            Some(error) => Err(error),
            None => Ok(self.loaded),
        }
    }
}

/// Reads files that this process is to run, which may refer to each other and to what others own.
pub(crate) fn load_together(files: &[PathBuf], existing: &[(Reference, Owner)]) -> LoadedTogether {
    let mut together = LoadedTogether::default();
    let mut left: Vec<&PathBuf> = files.iter().collect();
    loop {
        let before = left.len();
        let mut mistakes = Vec::new();
        for file in std::mem::take(&mut left) {
            let owner = owner_of(file);
            let of_others = existing.iter().filter(|(_, other)| *other != owner).map(|(one, _)| one.clone());
            let of_files =
                together.loaded.iter().flat_map(|(_, loaded)| loaded.desired.iter().map(Desired::reference));
            match load(file, &of_others.chain(of_files).collect::<Vec<_>>()) {
                Ok(Ok(one)) => together.loaded.push((file.clone(), one)),
                // It may refer to one behind it.
                Ok(Err(of_file)) => {
                    mistakes.push(of_file);
                    left.push(file);
                }
                Err(error) => together.refused.push(error),
            }
        }
        if left.is_empty() || left.len() == before {
            together.refused.extend(mistakes.into_iter().map(anyhow::Error::from));
            return together;
        }
    }
}

/// Reads a file that this process is to run.
pub(crate) fn load(file: &Path, existing: &[Reference]) -> anyhow::Result<Result<Loaded, Mistakes>> {
    Ok(read_pipeline(file, existing)?.and_then(|pipeline| {
        pipeline.check_environment()?;
        let warnings = pipeline.warnings.iter();
        let warnings =
            warnings.map(|warning| warning.rendered.trim_start_matches("warning: ").trim_end().to_owned());
        Ok(Loaded { warnings: warnings.collect(), desired: pipeline.desired, owner: owner_of(file) })
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
