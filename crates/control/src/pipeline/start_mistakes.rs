//! What a start would meet and the text of a file does not show: models, inputs and tables that are not there, and what does
//! not fit together.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;

use millstream_host::files;

use super::Pipeline;
use super::check::Check;
use super::declarations::Declarations;
use super::lower;
use super::mistake::{Mistake, Mistakes};
use super::source_text::SourceText;
use crate::definition::{Definition, Kind, Reference};
use crate::feeds::{LineSource, is_endless};
use crate::resources::endpoint::folder_mistake;
use crate::resources::function::labels_mistake;
use crate::resources::notification::smtp_password;

/// How to set a variable.
const WHERE_TO_SET: &str = "set it where run or serve is started: the server sends the mails";

impl Check<'_> {
    /// Looks at the files that a file names, also one with other mistakes. Each that a start could not use is a mistake at the
    /// place where it is named.
    pub(super) fn named_files(&mut self, declared: &Declarations, folder: &Path) {
        for endpoint in &declared.endpoints {
            let model = endpoint.model.get_ref();
            if !model.starts_with("builtin:")
                && let Some(message) = model_mistake(&folder.join(model))
            {
                self.wrong(endpoint.model.span(), message, None);
            }
        }
        if let Some((place, message)) = password_mistake(declared) {
            self.wrong(place, message, Some(WHERE_TO_SET.to_owned()));
        }
        for path in declared.inputs.iter().filter_map(|input| input.path.as_ref()) {
            if path.get_ref() != "-"
                && let Some(message) = input_mistake(&folder.join(path.get_ref()))
            {
                self.wrong(path.span(), message, None);
            }
        }
        let references = declared.applications.iter().flat_map(|application| &application.references);
        for path in references.filter_map(|reference| reference.path.as_ref()) {
            if let Some(message) = table_mistake(&folder.join(path.get_ref())) {
                self.wrong(path.span(), message, None);
            }
        }
    }
}

impl Pipeline {
    /// Looks whether the environment holds what the file expects there. To be asked in the process that is to run it.
    ///
    /// # Errors
    /// A variable is not set.
    pub fn check_environment(&self) -> Result<(), Mistakes> {
        let Some((place, message)) = password_mistake(&self.declarations) else { return Ok(()) };
        let source = SourceText::new(&self.source_name, &self.text);
        Err(Mistakes(vec![Mistake::within(&source, place, message, Some(WHERE_TO_SET.to_owned()))]))
    }

    /// Functions whose models have other labels than they need, and rows without the columns that functions read. Reads a
    /// small file of each model.
    pub(super) fn misfits(&self) -> Vec<Mistake> {
        let source = SourceText::new(&self.source_name, &self.text);
        let mut mistakes = Vec::new();
        let mut wrong = |span, message: String| mistakes.push(Mistake::within(&source, span, message, None));
        let desired: HashMap<Reference, &Definition> =
            self.desired.iter().map(|one| (one.reference(), &one.definition)).collect();
        let find = |kind, name: &str| desired.get(&Reference::new(kind, name)).copied();
        let endpoint = |name: &str| match find(Kind::Endpoint, name) {
            Some(Definition::Endpoint(endpoint)) => Some(endpoint.clone()),
            _ => None,
        };
        for declared in &self.declarations.functions {
            let Some(Definition::Function(function)) = find(Kind::Function, declared.name.get_ref()) else {
                continue;
            };
            if let Some(message) = labels_mistake(function, &endpoint) {
                let place = declared.endpoint.as_ref().unwrap_or(&declared.name);
                wrong(place.span(), message);
            }
        }
        for (declared, checked) in self.declarations.applications.iter().zip(&self.applications) {
            for output in &declared.outputs {
                let Some(name) = &output.function else { continue };
                let Some(Definition::Function(function)) = find(Kind::Function, name.get_ref()) else {
                    continue;
                };
                let from = output.from.get_ref();
                let Some(stream) = checked.program.stream(from) else { continue };
                let columns = &checked.program.streams[stream.0].columns;
                if let Some(wanted) = function.row_column()
                    && !columns.iter().any(|column| column.name == wanted)
                {
                    let has: Vec<String> =
                        columns.iter().map(|column| format!("\"{}\"", column.name)).collect();
                    let message = format!(
                        "function \"{}\" reads column \"{wanted}\", which {from} does not have (names are \
                         case-sensitive); it has {}: name one of them with column = \"…\" of the function",
                        name.get_ref(),
                        has.join(", ")
                    );
                    wrong(name.span(), message);
                }
            }
        }
        mistakes
    }
}

/// Where the variable of a mail server's password is named that is not set, and what to say.
fn password_mistake(declared: &Declarations) -> Option<(Range<usize>, String)> {
    let smtp = declared.smtp.as_ref()?;
    let variable = smtp.password_variable.as_ref()?;
    let message = smtp_password(&lower::mail_server(smtp)).err()?;
    Some((variable.span(), message))
}

/// What is wrong with a model folder, as far as its configuration shows.
fn model_mistake(folder: &Path) -> Option<String> {
    folder_mistake(folder).or_else(|| {
        let labels = millstream_inference::Model::labels_of_folder(folder);
        labels.err().map(|error| format!("{}: {error}", folder.display()))
    })
}

/// Why a file of records cannot be read. A pipe or a device is not looked at: it would wait.
fn input_mistake(path: &Path) -> Option<String> {
    if is_endless(path) {
        return None;
    }
    unreadable(path).or_else(|| LineSource::file(path, false, false).err().map(|error| error.to_string()))
}

/// Why a file cannot be a reference table: it is read to its end at each start.
fn table_mistake(path: &Path) -> Option<String> {
    if is_endless(path) {
        return Some(format!(
            "cannot read {}: it is a pipe or a device; a reference table is a file",
            path.display()
        ));
    }
    if path.is_dir() {
        return Some(format!("cannot read {}: it is a directory", path.display()));
    }
    unreadable(path)
}

/// Why a file cannot be opened.
fn unreadable(path: &Path) -> Option<String> {
    if is_endless(path) {
        return None;
    }
    let error = files::open(path).err()?;
    Some(format!("cannot read {}: {}", path.display(), files::reason(&error)))
}
