//! The arguments of `millstream tail`.

use clap::Args;

use super::data_directory::DataDirectoryArguments;
use super::number::whole_number;
use super::place_kind::PlaceKindArguments;

/// The arguments of `tail`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  millstream tail trades
  millstream tail trades --from trim-horizon --where '\"price\" > 100'
  millstream tail review-analytics/AVG_STAR_RATING_SQL_STREAM
  millstream tail review-analytics/error_stream --json

Rows come out as in replay: with --json as objects with rowtime, stream and row. Rows of error_stream also bear what \
failed as text, and which record it was.

Unquoted names in --where are in upper case, as everywhere in the SQL: quote others.")]
pub(crate) struct TailArguments {
    /// A stream, a delivery stream (its buffer, where delivered records stay for a while), APPLICATION/IN_APPLICATION_STREAM,
    /// or error_stream.
    #[arg(value_name = "WHAT")]
    pub(crate) what: String,
    #[command(flatten)]
    pub(crate) kind: PlaceKindArguments,
    /// Where to begin: latest, trim-horizon, a time (UTC), or a sequence number, of other shards with what arrived from then
    /// on. Rows of applications: latest only.
    #[arg(long, value_name = "PLACE", default_value = "latest")]
    pub(crate) from: String,
    /// Only records or rows that meet this SQL condition.
    #[arg(long = "where", value_name = "CONDITION")]
    pub(crate) condition: Option<String>,
    /// End after this many, at least 1.
    #[arg(long, value_name = "NUMBER", value_parser = whole_number(1..=u64::MAX))]
    pub(crate) limit: Option<u64>,
    #[command(flatten)]
    pub(crate) data: DataDirectoryArguments,
    /// One JSON object a line.
    #[arg(long)]
    pub(crate) json: bool,
}
