//! `millstream bench`: figures of one part as ratios to a yardstick measured in the same run.

use std::borrow::Cow;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use millstream_bench::{Budget, Measurement, forest, log, model, pipeline, sql};
use serde::Serialize;

use crate::arguments::{Bench, BenchArguments};

/// One figure.
#[derive(Debug, Serialize)]
struct Line {
    name: Cow<'static, str>,
    figure: f64,
    unit: &'static str,
    yardstick: Cow<'static, str>,
    yardstick_figure: f64,
    yardstick_unit: &'static str,
    ratio: f64,
    ratio_unit: &'static str,
    /// `>= 30000` or `<= 4`, in the unit of the figure.
    budget: Option<String>,
    meets_budget: Option<bool>,
}

impl From<Measurement> for Line {
    fn from(found: Measurement) -> Line {
        Line {
            meets_budget: found.meets_budget(),
            budget: found.budget.map(|budget| match budget {
                Budget::AtLeast(least) => format!(">= {}", short(least)),
                Budget::AtMost(most) => format!("<= {}", short(most)),
                Budget::RatioAtLeast(least) => format!(">= {least:.2} {}", found.ratio_unit),
            }),
            name: found.name,
            figure: found.figure,
            unit: found.unit,
            yardstick: found.yardstick,
            yardstick_figure: found.yardstick_figure,
            yardstick_unit: found.yardstick_unit,
            ratio: found.ratio,
            ratio_unit: found.ratio_unit,
        }
    }
}

pub(super) fn run(arguments: &BenchArguments) -> anyhow::Result<ExitCode> {
    let total = Duration::from_secs_f64(arguments.seconds.min(3_600.0));
    let found = match arguments.part {
        // The time is shared among about twenty figures.
        Bench::Sql => sql::run(total / 20),
        Bench::Log => log::run(&arguments.data_dir, total).context("the bench of the log")?,
        Bench::Rcf => forest::run(total / 4),
        Bench::Pipeline => {
            let program = std::env::current_exe().context("the program does not know where it lies")?;
            pipeline::run(&program, &arguments.data_dir, total).context("the bench of whole commands")?
        }
        Bench::Model => model::run(total).context("the model in the program")?,
    };
    let lines: Vec<Line> = found.into_iter().map(Line::from).collect();
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
