//! A pipeline as a file describes it: parsed, checked whole, ready to start.
//!
//! ```text
//!   text ─▶ declarations (TOML, unknown keys refused) ─▶ check (names, references, SQL, schemas) ─▶ lower ─▶ Pipeline
//!                                                    └─▶ every mistake with line, column and hint
//! ```

mod check;
mod check_application;
mod check_delivery;
mod checked_application;
mod circles;
mod classify;
mod declarations;
mod durations;
mod gaps;
mod layout_1;
mod lower;
mod metadata_column;
mod mistake;
mod other_kind;
mod reference;
mod reference_remarks;
mod schema_text;
mod shape;
mod similar_name;
mod source_text;
mod sql_file;
mod start_mistakes;
mod switches;
mod toml_syntax;
mod toml_tree;
mod unread_inputs;
mod value_messages;
mod written_application;

pub use check::SqlFiles;
pub use checked_application::CheckedApplication;
pub use declarations::{
    AlarmDeclaration, ApplicationDeclaration, ApplicationInputDeclaration, ApplicationOutputDeclaration,
    BackupDeclaration, Builtin, Comparison, CompressionChoice, Declarations, DeliveryStreamDeclaration,
    EndpointDeclaration, FunctionDeclaration, InputDeclaration, MetricDeclaration, OutputFormatChoice,
    RecordFormatChoice, ReferenceDeclaration, Shown, SmtpDeclaration, SmtpSecurity, StartingPosition,
    StatisticChoice, StreamDeclaration, SubscriptionDeclaration, SwitchValue, TopicDeclaration,
    TransformDeclaration,
};
pub use durations::{ByteSize, Period};
pub(crate) use layout_1::definitions_of_layout_1;
pub use metadata_column::MetadataColumn;
pub use mistake::{Mistake, Mistakes};
pub use other_kind::{has_section, other_kind};
pub use reference::CheckedReference;
pub use schema_text::{DeclaredColumn, SchemaTextError, parse_columns, parse_input_stream};
pub use similar_name::nearest;
pub use sql_file::{CheckedSql, SqlInput, check_sql};
pub use switches::{ApplicationSwitches, PreprocessorTimeUnit, RowtimeSource};
pub use written_application::WrittenApplication;

use std::path::Path;

use crate::definition::{
    Definition, Desired, EndpointDefinition, FeedDefinition, FeedSource, Model, Reference, ReferencePlace,
};

/// A checked pipeline.
#[derive(Clone, Debug)]
pub struct Pipeline {
    /// What the file is called in messages.
    pub source_name: String,
    /// The text of the file.
    text: String,
    /// What the file declares.
    pub declarations: Declarations,
    /// What it declares as definitions, in the order of the file.
    pub desired: Vec<Desired>,
    /// The applications with their plans, in the order of the file.
    pub applications: Vec<CheckedApplication>,
    /// Remarks that do not keep it from running, rendered.
    pub warnings: Vec<Mistake>,
}

impl Pipeline {
    /// Takes the relative paths in it as relative to this folder.
    pub fn resolve_paths(&mut self, folder: &Path) {
        for desired in &mut self.desired {
            match &mut desired.definition {
                Definition::Endpoint(EndpointDefinition { model: Model::Folder(path), .. })
                | Definition::Feed(FeedDefinition { source: FeedSource::File { path, .. }, .. }) => {
                    *path = folder.join(&*path);
                }
                Definition::Application(application) => {
                    for reference in &mut application.references {
                        if let ReferencePlace::File(path) = &mut reference.place {
                            *path = folder.join(&*path);
                        }
                    }
                }
                _ => {}
            }
        }
        for reference in self.applications.iter_mut().flat_map(|one| &mut one.references) {
            if let ReferencePlace::File(path) = &mut reference.place {
                *path = folder.join(&*path);
            }
        }
    }

    /// Parses and checks a file. `files` gives the text of the SQL files that it names.
    ///
    /// # Errors
    /// Every mistake, in the order of the text.
    pub fn parse(source_name: &str, text: &str, files: &SqlFiles<'_>) -> Result<Pipeline, Mistakes> {
        Pipeline::parse_beside(source_name, text, files, &[])
    }

    /// The same for a file that may also refer to what exists beside it.
    ///
    /// # Errors
    /// Every mistake, in the order of the text.
    pub fn parse_beside(
        source_name: &str,
        text: &str,
        files: &SqlFiles<'_>,
        existing: &[Reference],
    ) -> Result<Pipeline, Mistakes> {
        check::parse(source_name, text, files, existing, None)
    }

    /// The same, with a look at the files that it names, without starting anything: relative to a folder. Reads the first
    /// bytes of each file.
    ///
    /// # Errors
    /// Every mistake, and every file that a start could not use, in the order of the text.
    pub fn check(
        source_name: &str,
        text: &str,
        files: &SqlFiles<'_>,
        folder: &Path,
    ) -> Result<Pipeline, Mistakes> {
        check::parse(source_name, text, files, &[], Some(folder))
    }
}
