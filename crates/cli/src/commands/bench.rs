//! `millstream bench`: figures of one part as ratios to a yardstick measured in the same run.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use millstream_inference::bench as inference_bench;
use serde::Serialize;

use crate::arguments::{Bench, BenchArguments};

/// The share of the processor's peak that the best runtimes reach with such weights.
const BEST_SHARE_OF_PEAK: f64 = 0.72;

/// One figure.
#[derive(Debug, Serialize)]
struct Line {
    name: String,
    figure: f64,
    unit: String,
    yardstick: String,
    yardstick_figure: f64,
    yardstick_unit: String,
    ratio: f64,
    ratio_unit: String,
    /// `>= 30000` or `<= 4`, in the unit of the figure.
    budget: Option<String>,
    meets_budget: Option<bool>,
}

/// The benches of the crates give the same fields in types of their own.
macro_rules! line_from {
    ($($bench:ident),*) => {$(
        impl From<parts::$bench::Measurement> for Line {
            fn from(found: parts::$bench::Measurement) -> Line {
                use parts::$bench::Budget;
                Line {
                    meets_budget: found.meets_budget(),
                    name: found.name.to_owned(),
                    figure: found.figure,
                    unit: found.unit.to_owned(),
                    yardstick: found.yardstick.to_owned(),
                    yardstick_figure: found.yardstick_figure,
                    yardstick_unit: found.yardstick_unit.to_owned(),
                    ratio: found.ratio,
                    ratio_unit: found.ratio_unit.to_owned(),
                    budget: found.budget.map(|budget| match budget {
                        Budget::AtLeast(least) => format!(">= {}", short(least)),
                        Budget::AtMost(most) => format!("<= {}", short(most)),
                    }),
                }
            }
        }
    )*};
}

mod parts {
    pub(super) use millstream_engine::bench as engine;
    pub(super) use millstream_sketch::bench as sketch;
    pub(super) use millstream_streamlog::bench as streamlog;
}

line_from!(engine, sketch, streamlog);

pub(super) fn run(arguments: &BenchArguments) -> anyhow::Result<ExitCode> {
    let total = Duration::from_secs_f64(arguments.seconds.min(3_600.0));
    let lines: Vec<Line> = match arguments.part {
        // The time is shared among about twenty figures.
        Bench::Sql => parts::engine::run(total / 20).into_iter().map(Line::from).collect(),
        Bench::Log => {
            let found = parts::streamlog::run(&arguments.data_dir, total).context("the bench of the log")?;
            found.into_iter().map(Line::from).collect()
        }
        Bench::Rcf => parts::sketch::run(total / 4).into_iter().map(Line::from).collect(),
        Bench::Model => model(total)?,
    };
    let mut out = std::io::stdout().lock();
    for line in &lines {
        if arguments.json {
            writeln!(out, "{}", serde_json::to_string(line)?)?;
            continue;
        }
        let budget = match (&line.budget, line.meets_budget) {
            (Some(budget), Some(true)) => format!("budget {budget}: met"),
            (Some(budget), _) => format!("budget {budget}: NOT met"),
            (None, _) => String::new(),
        };
        let figure = format!("{} {}", short(line.figure), line.unit);
        let ratio = format!("{:.3} {}", line.ratio, line.ratio_unit);
        writeln!(out, "{:<46} {figure:>18}   {ratio:<40} {budget}", line.name)?;
    }
    if let (false, Some(line)) = (arguments.json, lines.first()) {
        let figure = short(line.yardstick_figure);
        writeln!(out, "yardstick: {}, {figure} {}", line.yardstick, line.yardstick_unit)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn model(total: Duration) -> anyhow::Result<Vec<Line>> {
    let (loading, model) = inference_bench::loading().context("the model in the program")?;
    let found = inference_bench::model(&model, total.as_secs_f64());
    let line = |name: String, figure: f64, unit: &str, ratio: f64, budget: Option<f64>| Line {
        name,
        figure,
        unit: unit.to_owned(),
        yardstick: format!("multiplications and additions in registers, kernel {}", found.kernel),
        yardstick_figure: found.peak_gigaflops,
        yardstick_unit: "GFLOP/s".to_owned(),
        ratio,
        ratio_unit: "of the peak".to_owned(),
        budget: budget.map(|least| format!(">= {least:.2} of the peak")),
        meets_budget: budget.map(|least| ratio >= least),
    };
    let reviews_at_peak = found.peak_gigaflops * 1e3 / found.megaflops_per_review;
    // Within a tenth of the best runtime.
    let budget = Some(BEST_SHARE_OF_PEAK * 0.9);
    let threads = found.threads;
    Ok(vec![
        line(
            "a linear layer of 192 x 384 x 1536".to_owned(),
            found.linear_gigaflops,
            "GFLOP/s",
            found.linear_gigaflops / found.peak_gigaflops,
            None,
        ),
        line(
            format!("batches, 1 thread, {:.0} tokens a review", found.mean_tokens),
            found.batch_tokens_per_second,
            "tokens/s",
            found.batch_share_of_peak,
            budget,
        ),
        line(
            "batches, 1 thread".to_owned(),
            found.batch_reviews_per_second,
            "reviews/s",
            found.batch_share_of_peak,
            budget,
        ),
        line(
            format!("one at a time, 1 thread, median {:.1} ms", found.single_median_milliseconds),
            found.single_reviews_per_second,
            "reviews/s",
            found.single_share_of_peak,
            None,
        ),
        line(
            format!("batches, {threads} threads"),
            found.all_threads_reviews_per_second,
            "reviews/s",
            found.all_threads_reviews_per_second / (reviews_at_peak * threads as f64),
            None,
        ),
        Line {
            budget: None,
            meets_budget: None,
            ..line("loading".to_owned(), loading.as_secs_f64() * 1e3, "ms", 0.0, None)
        },
    ])
}

/// A number as people read it.
fn short(number: f64) -> String {
    match number.abs() {
        size if size >= 1e9 => format!("{:.2} G", number / 1e9),
        size if size >= 1e6 => format!("{:.1} M", number / 1e6),
        size if size >= 1e4 => format!("{:.1} k", number / 1e3),
        size if size >= 100.0 => format!("{number:.0}"),
        _ => format!("{number:.2}"),
    }
}
