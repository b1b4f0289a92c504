//! What a start would meet and the text of a file does not show: models, inputs and tables that are not there.

use std::collections::HashMap;
use std::path::Path;

use super::Pipeline;
use super::lower;
use super::mistake::{Mistake, Mistakes};
use super::source_text::SourceText;
use crate::definition::{
    Definition, EndpointDefinition, FeedDefinition, FeedSource, Kind, Model, Reference, ReferencePlace,
};
use crate::feeds::{LineSource, is_endless};
use crate::resources::endpoint::folder_mistake;
use crate::resources::function::labels_mistake;
use crate::resources::notification::smtp_password;

impl Pipeline {
    /// Looks at the files that it names, without starting anything. To be called when its paths are resolved. Reads the
    /// first bytes of each file.
    ///
    /// # Errors
    /// Every file that a start could not use, at the place where it is named.
    pub fn check_files(&self) -> Result<(), Mistakes> {
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
        for declared in &self.declarations.endpoints {
            let Some(EndpointDefinition { model: Model::Folder(folder), .. }) =
                endpoint(declared.name.get_ref())
            else {
                continue;
            };
            if let Some(message) = model_mistake(&folder) {
                wrong(declared.model.span(), message);
            }
        }
        for declared in &self.declarations.functions {
            let Some(Definition::Function(function)) = find(Kind::Function, declared.name.get_ref()) else {
                continue;
            };
            if let Some(message) = labels_mistake(function, &endpoint) {
                let place = declared.endpoint.as_ref().unwrap_or(&declared.name);
                wrong(place.span(), message);
            }
        }
        if let Some(declared) = &self.declarations.smtp
            && let Some(variable) = &declared.password_variable
            && let Err(message) = smtp_password(&lower::mail_server(declared))
        {
            wrong(variable.span(), message);
        }
        for declared in &self.declarations.inputs {
            let Some(Definition::Feed(FeedDefinition { source: FeedSource::File { path, .. }, .. })) =
                find(Kind::Feed, declared.name.get_ref())
            else {
                continue;
            };
            if !is_endless(path)
                && let Err(error) = LineSource::file(path, false, false)
            {
                let place = declared.path.as_ref().unwrap_or(&declared.name);
                wrong(place.span(), error.to_string());
            }
        }
        for (declared, checked) in self.declarations.applications.iter().zip(&self.applications) {
            for (declared, reference) in declared.references.iter().zip(&checked.references) {
                let ReferencePlace::File(path) = &reference.place else { continue };
                if !is_endless(path)
                    && let Err(error) = millstream_host::files::open(path)
                {
                    let place = declared.path.as_ref().unwrap_or(&declared.name);
                    wrong(place.span(), format!("cannot read {}: {error}", path.display()));
                }
            }
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
        mistakes.sort_by_key(|mistake| (mistake.line, mistake.column));
        if mistakes.is_empty() { Ok(()) } else { Err(Mistakes(mistakes)) }
    }
}

/// What is wrong with a model folder, as far as its configuration shows.
fn model_mistake(folder: &Path) -> Option<String> {
    folder_mistake(folder).or_else(|| {
        let labels = millstream_inference::Model::labels_of_folder(folder);
        labels.err().map(|error| format!("{}: {error}", folder.display()))
    })
}
