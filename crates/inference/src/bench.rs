//! Throughput of a model, with the machine's peak measured in the same run.
//!
//! The yardstick is a loop of multiply-adds on registers, on one thread: nothing computed by the same
//! instructions can be faster. Texts are synthetic token numbers of the lengths of real reviews (mean 53).

use std::hint::black_box;
use std::time::{Duration, Instant};

use crate::kernel::{Activation, PackedLinear};
use crate::model::{Model, Workspace};

/// Sequences of the synthetic set.
const SEQUENCES: usize = 512;

/// What [`model`] measured.
#[derive(Clone, Debug)]
pub struct Report {
    /// The kernel in use.
    pub kernel: &'static str,
    /// The yardstick, one thread: 10^9 floating-point operations a second on registers.
    pub peak_gigaflops: f64,
    /// A linear layer of 192 rows, 384 inputs and 1,536 outputs.
    pub linear_gigaflops: f64,
    /// Mean tokens of a synthetic review.
    pub mean_tokens: f64,
    /// Operations computed for one review of that mix, on average, in 10^6.
    pub megaflops_per_review: f64,
    /// Tokens a second in large batches on one thread.
    pub batch_tokens_per_second: f64,
    /// Reviews a second in large batches on one thread.
    pub batch_reviews_per_second: f64,
    /// Reviews a second one at a time on one thread.
    pub single_reviews_per_second: f64,
    /// Median time of one review alone, in milliseconds.
    pub single_median_milliseconds: f64,
    /// Operations in batches as a share of the yardstick.
    pub batch_share_of_peak: f64,
    /// Operations one at a time as a share of the yardstick.
    pub single_share_of_peak: f64,
    /// Threads of the next figure: all processors.
    pub threads: usize,
    /// Reviews a second in large batches on all processors.
    pub all_threads_reviews_per_second: f64,
}

/// Loads the embedded model and says how long that took.
///
/// # Errors
/// As [`Model::embedded_star_rating`].
#[cfg(feature = "default-model")]
pub fn loading() -> Result<(Duration, Model), crate::LoadError> {
    let (time, model) = timed(Model::embedded_star_rating);
    Ok((time, model?))
}

/// Measures for about `seconds` seconds.
pub fn model(model: &Model, seconds: f64) -> Report {
    let share = Duration::from_secs_f64((seconds / 6.0).clamp(0.01, 3_600.0));
    let reviews = synthetic_reviews(model.vocabulary(), model.longest_sequence());
    let tokens: usize = reviews.iter().map(Vec::len).sum();
    let operations = model.operations(reviews.iter().map(Vec::len)) as f64;
    let peak = peak_flops(model, share);
    let linear = linear_flops(model, share);
    let batch_passes = passes_per_second(model, &reviews, share);

    let mut workspace = Workspace::default();
    let mut times = Vec::new();
    let singles_per_second = per_second(share, || {
        for review in reviews.iter().step_by(16) {
            let (time, _) = timed(|| run(model, std::slice::from_ref(review), &mut workspace));
            times.push(time.as_secs_f64() * 1e3);
        }
    }) * reviews.iter().step_by(16).count() as f64;
    let single_operations = model.operations(reviews.iter().step_by(16).map(Vec::len)) as f64
        / reviews.iter().step_by(16).count() as f64;
    times.sort_by(f64::total_cmp);

    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    #[expect(clippy::disallowed_methods, reason = "a benchmark measures threads of its own")]
    let all_threads: f64 = std::thread::scope(|scope| {
        let workers: Vec<_> =
            (0..threads).map(|_| scope.spawn(|| passes_per_second(model, &reviews, share))).collect();
        workers.into_iter().map(|worker| worker.join().expect("a measurement does not panic")).sum()
    });
    Report {
        kernel: model.kernel_name(),
        peak_gigaflops: peak / 1e9,
        linear_gigaflops: linear / 1e9,
        mean_tokens: tokens as f64 / SEQUENCES as f64,
        megaflops_per_review: operations / SEQUENCES as f64 / 1e6,
        batch_tokens_per_second: batch_passes * tokens as f64,
        batch_reviews_per_second: batch_passes * SEQUENCES as f64,
        single_reviews_per_second: singles_per_second,
        single_median_milliseconds: times[times.len() / 2],
        batch_share_of_peak: batch_passes * operations / peak,
        single_share_of_peak: singles_per_second * single_operations / peak,
        threads,
        all_threads_reviews_per_second: all_threads * SEQUENCES as f64,
    }
}

/// Token numbers with the lengths of reviews: at least 4, exponential, cut at the limit; mean 53 with 128.
fn synthetic_reviews(vocabulary: usize, longest: usize) -> Vec<Vec<u32>> {
    let mut reviews = Vec::with_capacity(SEQUENCES);
    for number in 0..SEQUENCES {
        // A fixed permutation of the quantiles: 197 and 512 have no common divisor.
        let quantile = ((number * 197) % SEQUENCES) as f64 + 0.5;
        let length = 4.0 - 55.0 * (1.0 - quantile / SEQUENCES as f64).ln();
        let length = (length.round() as usize).min(longest).max(1);
        reviews.push((0..length).map(|token| ((number * 31 + token * 7_919) % vocabulary) as u32).collect());
    }
    reviews
}

fn run(model: &Model, reviews: &[Vec<u32>], workspace: &mut Workspace) {
    black_box(model.logits(reviews, workspace).expect("synthetic tokens are in the vocabulary"));
}

fn passes_per_second(model: &Model, reviews: &[Vec<u32>], share: Duration) -> f64 {
    let mut workspace = Workspace::default();
    let parts: Vec<&[Vec<u32>]> = reviews.chunks(64).collect();
    let mut next = 0;
    per_second(share, || {
        run(model, parts[next % parts.len()], &mut workspace);
        next += 1;
    }) / parts.len() as f64
}

fn peak_flops(model: &Model, share: Duration) -> f64 {
    let mut operations = 0;
    let rounds = per_second(share, || operations = model.kernel().register_operations(1_000_000));
    rounds * operations as f64
}

fn linear_flops(model: &Model, share: Duration) -> f64 {
    let (rows, inputs, outputs) = (192, 384, 1_536);
    let number = |position: usize| ((position * 7_919) % 255) as f32 / 255.0 - 0.5;
    let weights: Vec<f32> = (0..inputs * outputs).map(number).collect();
    let packed = PackedLinear::new(&weights, &vec![0.0; outputs], inputs);
    let input: Vec<f32> = (0..rows * inputs).map(number).collect();
    let mut output = vec![0.0; rows * outputs];
    let rounds = per_second(share, || {
        model.kernel().linear(&packed, &input, &mut output, Activation::Identity, None);
        black_box(&output);
    });
    rounds * (rows * packed.operations()) as f64
}

/// How often `work` runs in a second, after one run to warm up.
fn per_second(share: Duration, mut work: impl FnMut()) -> f64 {
    work();
    let mut rounds = 0_u32;
    let (time, ()) = timed(|| {
        let mut spent = Duration::ZERO;
        while spent < share {
            let (time, ()) = timed(&mut work);
            spent += time;
            rounds += 1;
        }
    });
    f64::from(rounds) / time.as_secs_f64()
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let result = work();
    (start.elapsed(), result)
}
