//! A pipeline as a file describes it: parsed, checked whole, ready to start.
//!
//! ```text
//!   text ─▶ declarations (TOML, unknown keys refused) ─▶ check (names, references, SQL, schemas) ─▶ Pipeline
//!                                                    └─▶ every mistake with line, column and hint
//! ```

mod check;
mod check_application;
mod circles;
mod declarations;
mod durations;
mod lint;
mod metadata_column;
mod mistake;
mod reference;
mod schema_text;
mod similar_name;
mod sql_file;
mod switches;

pub use check::{CheckedApplication, SqlFiles};
pub use declarations::{
    AlarmDeclaration, ApplicationDeclaration, ApplicationInputDeclaration, ApplicationOutputDeclaration,
    BackupDeclaration, Builtin, Comparison, CompressionChoice, Declarations, DeliveryStreamDeclaration,
    EndpointDeclaration, FunctionDeclaration, InputDeclaration, MetricDeclaration, OutputFormatChoice,
    RecordFormatChoice, ReferenceDeclaration, Shown, SmtpDeclaration, SmtpSecurity, StartingPosition,
    StatisticChoice, StreamDeclaration, SubscriptionDeclaration, TopicDeclaration, TransformDeclaration,
};
pub use durations::{ByteSize, Period};
pub use lint::lint_sql;
pub use metadata_column::MetadataColumn;
pub use mistake::{Mistake, Mistakes};
pub use reference::{CheckedReference, ReferencePlace};
pub use schema_text::{SchemaTextError, parse_columns, parse_input_stream};
pub use similar_name::nearest;
pub use sql_file::{CheckedSql, SqlInput, check_sql};
pub use switches::{ApplicationSwitches, PreprocessorTimeUnit};

/// A checked pipeline.
#[derive(Clone, Debug)]
pub struct Pipeline {
    /// What the file is called in messages.
    pub source_name: String,
    /// What the file declares.
    pub declarations: Declarations,
    /// The applications with their plans, in the order of the file.
    pub applications: Vec<CheckedApplication>,
    /// Remarks that do not keep it from running, rendered.
    pub warnings: Vec<String>,
}

impl Pipeline {
    /// Parses and checks a file. `files` gives the text of the SQL files that it names.
    ///
    /// # Errors
    /// Every mistake, in the order of the text.
    pub fn parse(source_name: &str, text: &str, files: &SqlFiles<'_>) -> Result<Pipeline, Mistakes> {
        check::parse(source_name, text, files)
    }
}
