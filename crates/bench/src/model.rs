//! Throughput of the model in the program, as a share of the machine's peak.

use std::time::Duration;

use millstream_inference::{LoadError, bench};

use crate::{Budget, Measurement};

/// The share of the processor's peak that the best runtimes reach with such weights.
const BEST_SHARE_OF_PEAK: f64 = 0.72;

/// Loads the model and measures it for about `duration`.
///
/// # Errors
/// As [`bench::loading`].
pub fn run(duration: Duration) -> Result<Vec<Measurement>, LoadError> {
    let (loading, model) = bench::loading()?;
    let found = bench::model(&model, duration.as_secs_f64());
    let measured = |name: String, figure: f64, unit: &'static str, ratio: f64| Measurement {
        name: name.into(),
        figure,
        unit,
        yardstick: format!("multiplications and additions in registers, kernel {}", found.kernel).into(),
        yardstick_figure: found.peak_gigaflops,
        yardstick_unit: "GFLOP/s",
        ratio,
        ratio_unit: "of the peak",
        budget: None,
    };
    let reviews_at_peak = found.peak_gigaflops * 1e3 / found.megaflops_per_review;
    // Within a tenth of the best runtime.
    let budget = Some(Budget::RatioAtLeast(BEST_SHARE_OF_PEAK * 0.9));
    let threads = found.threads;
    Ok(vec![
        measured(
            "a linear layer of 192 x 384 x 1536".to_owned(),
            found.linear_gigaflops,
            "GFLOP/s",
            found.linear_gigaflops / found.peak_gigaflops,
        ),
        Measurement {
            budget,
            ..measured(
                format!("batches, 1 thread, {:.0} tokens a review", found.mean_tokens),
                found.batch_tokens_per_second,
                "tokens/s",
                found.batch_share_of_peak,
            )
        },
        Measurement {
            budget,
            ..measured(
                "batches, 1 thread".to_owned(),
                found.batch_reviews_per_second,
                "reviews/s",
                found.batch_share_of_peak,
            )
        },
        measured(
            format!("one at a time, 1 thread, median {:.1} ms", found.single_median_milliseconds),
            found.single_reviews_per_second,
            "reviews/s",
            found.single_share_of_peak,
        ),
        measured(
            format!("batches, {threads} threads"),
            found.all_threads_reviews_per_second,
            "reviews/s",
            found.all_threads_reviews_per_second / (reviews_at_peak * threads as f64),
        ),
        measured("loading".to_owned(), loading.as_secs_f64() * 1e3, "ms", 0.0),
    ])
}
