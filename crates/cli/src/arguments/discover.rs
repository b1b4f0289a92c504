//! The arguments of `millstream discover`.

use std::path::PathBuf;

use clap::Args;

use super::number::whole_number;

/// The arguments of `discover`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  millstream discover orders.json
  zcat clicks.csv.gz | millstream discover - --records 1000 --json

It prints the section of a pipeline file: format, row path, columns with types and paths. Columns are named as the \
service names them: COL_… stands for a name that is a reserved word, begins with a digit or holds other characters than \
letters, digits and _, and COL_0, COL_1, … for fields without names.")]
pub(crate) struct DiscoverArguments {
    /// Records, one a line, plain or gzip; - for standard input.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// How many records to read.
    #[arg(long, value_name = "NUMBER", default_value_t = 500, value_parser = whole_number(1..=100_000))]
    pub(crate) records: u64,
    /// Types as narrow as the sample allows, TIMESTAMP and DECIMAL among them; not together with --roomy. Without either:
    /// those that the service infers.
    #[arg(long)]
    pub(crate) typed: bool,
    /// Longer VARCHAR than the sample needs, the next of 16, 64, 256, 1024, … characters; other types are those that the
    /// service infers, so not together with --typed.
    #[arg(long, conflicts_with = "typed")]
    pub(crate) roomy: bool,
    /// The schema and the sample's rows as one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}
