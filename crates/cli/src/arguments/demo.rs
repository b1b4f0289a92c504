//! The arguments of `millstream demo`.

use std::path::PathBuf;

use clap::Args;

use super::data_directory::DemoDataDirectoryArguments;
use super::number::{above_zero, whole_number};
use super::session::SessionArguments;

/// The arguments of `demo`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  millstream demo
  millstream demo --input amazon_reviews.tsv.gz --rate 50
  millstream demo --speed 10 --duration 30s --json --data-dir /tmp/demo

Reviews are lines of a TSV file, plain or gzip, whose header names review_id, product_category and review_body (and \
star_rating if it is known), such as the Amazon customer review files. No quoting.")]
pub(crate) struct DemoArguments {
    /// Real reviews instead of made-up ones.
    #[arg(long, value_name = "FILE")]
    pub(crate) input: Option<PathBuf>,
    /// Reviews a second.
    #[arg(long, value_name = "NUMBER", default_value_t = 10.0, value_parser = above_zero)]
    pub(crate) rate: f64,
    /// How many times faster the reviews come: multiplies the rate.
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = above_zero)]
    pub(crate) speed: f64,
    /// Which made-up reviews, and which random cuts of the anomaly detection.
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = whole_number(0..=u64::MAX))]
    pub(crate) seed: u64,
    #[command(flatten)]
    pub(crate) data: DemoDataDirectoryArguments,
    #[command(flatten)]
    pub(crate) session: SessionArguments,
}
