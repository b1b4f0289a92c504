//! The arguments of `millstream replay`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use millstream_control::replay::LEAST_RATE;

use super::format::Format;
use super::number::{above_zero, share, whole_number};
use super::time::{Instant, instant, period};

/// The arguments of `replay`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  millstream replay examples/reviews.toml --input reviews.tsv.gz --header
  millstream replay app.sql --stream 'TRADES (at TIMESTAMP, price DOUBLE)' \\
      --format csv --input prices.csv --header --rowtime at

Rows come out as ROWTIME, stream and columns; with --json as one object a line.")]
pub(crate) struct ReplayArguments {
    /// A pipeline (.toml), or SQL (.sql) with --stream.
    #[arg(value_name = "APP")]
    pub(crate) app: PathBuf,
    /// The recorded records, one a line, plain or gzip; - for standard input.
    #[arg(long, value_name = "DATA")]
    pub(crate) input: PathBuf,
    /// Which application of the pipeline, when it has several; not for SQL.
    #[arg(long, value_name = "NAME")]
    pub(crate) application: Option<String>,
    /// For SQL: the stream that it reads, as NAME (COLUMN TYPE, …). Its columns keep their case: SQL quotes those that are not
    /// in upper case, as "price".
    #[arg(long, value_name = "STREAM")]
    pub(crate) stream: Option<String>,
    /// For SQL: how records are written; csv unless given.
    #[arg(long, value_enum)]
    pub(crate) format: Option<Format>,
    /// The column that holds each row's ROWTIME: a TIMESTAMP, a DATE, milliseconds since 1970 (BIGINT) or a text such as
    /// 2024-01-01 00:00:05. Rows go in by this time, whatever the order of their records; one without it is an error row.
    #[arg(long, value_name = "COLUMN", conflicts_with = "rate")]
    pub(crate) rowtime: Option<String>,
    /// By how much times may go back (`10s`): rows wait no longer than this, and a record that is later ends the replay with
    /// code 1. Without it the whole input is sorted, as long as its rows fit into 1 GiB.
    #[arg(long, value_name = "TIME", requires = "rowtime", value_parser = period)]
    pub(crate) lateness: Option<Duration>,
    /// Rows a second of virtual time, when no column holds it; at least 0.000001, a row in about eleven days.
    #[arg(long, value_name = "NUMBER", default_value_t = 10.0, value_parser = replay_rate)]
    pub(crate) rate: f64,
    /// When the first row arrives, with --rate.
    #[arg(long, value_name = "TIME", default_value = "2024-01-01 00:00:00", value_parser = instant)]
    pub(crate) start: Instant,
    /// The first line is a header, not a record.
    #[arg(long)]
    pub(crate) header: bool,
    /// The records have been through the application's preprocessing function already; not for SQL.
    #[arg(long)]
    pub(crate) preprocessed: bool,
    /// Where random cut forests start; for SQL only.
    #[arg(long, value_name = "NUMBER", default_value_t = 0, value_parser = whole_number(0..=u64::MAX))]
    pub(crate) seed: u64,
    /// Only these in-application streams.
    #[arg(long, value_name = "NAME")]
    pub(crate) only: Vec<String>,
    /// End with code 1 when more than this share of the records fails, from 0 to 1. Without it: when records fail and
    /// none becomes a row.
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub(crate) fail_on_errors: Option<f64>,
    /// One JSON object a line.
    #[arg(long)]
    pub(crate) json: bool,
}

fn replay_rate(text: &str) -> Result<f64, String> {
    let rate = above_zero(text)?;
    if rate >= LEAST_RATE { Ok(rate) } else { Err(format!("must be at least {LEAST_RATE}")) }
}
