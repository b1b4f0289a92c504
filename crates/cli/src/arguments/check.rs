//! The arguments of `millstream check`.

use std::path::PathBuf;

use clap::Args;

use super::format::Format;

/// The arguments of `check`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  millstream check examples/reviews.toml
  millstream check app.sql --stream 'TRADES (ticker VARCHAR(4), price DOUBLE)'
  millstream check reviews.toml --lint --sample reviews.tsv.gz --header")]
pub(crate) struct CheckArguments {
    /// A pipeline (.toml), SQL (.sql) or a golden file (.test).
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// For SQL: a stream that it reads, as NAME (COLUMN TYPE, …). May be given several times. Columns keep their case: SQL
    /// quotes those that are not in upper case, as "price".
    #[arg(long = "stream", value_name = "STREAM")]
    pub(crate) streams: Vec<String>,
    /// Also show what is legal and probably not meant: TSDIFF with the later time first, windows longer than records are
    /// kept, windows that reach back to the first row, columns that are filled in another order than their names say,
    /// streams that are read and never filled, joins without windows, comparisons with NULL, AVG and quotients of integers
    /// for a column that holds fractions, texts that are too long for their column, CURRENT_TIMESTAMP where the time of each
    /// row may be meant; and rows of reference tables that do not fit.
    #[arg(long)]
    pub(crate) lint: bool,
    /// Records of the input, one a line, to see which texts would be cut and which rows would fail. They go through the
    /// application's preprocessing function first.
    #[arg(long, value_name = "FILE", requires = "lint")]
    pub(crate) sample: Option<PathBuf>,
    /// Which application of the pipeline the sample is for; without it, it is tried with each.
    #[arg(long, value_name = "NAME", requires = "sample")]
    pub(crate) application: Option<String>,
    /// For SQL: how the records of the sample are written.
    #[arg(long, value_enum, default_value = "csv", requires = "sample")]
    pub(crate) format: Format,
    /// The first line of the sample is a header, not a record.
    #[arg(long, requires = "sample")]
    pub(crate) header: bool,
    /// The mistakes as JSON, one a line.
    #[arg(long)]
    pub(crate) json: bool,
}
