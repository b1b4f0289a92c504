//! The kernel in plain Rust, written so that the compiler can vectorise it for any processor.

use super::{
    Activation, Attention, AttentionScratch, Kernel, LayerNorm, PANEL, PackedLinear, PanelRow, linear_rows,
};

/// Plain Rust.
pub(super) struct Portable;

/// Rows of a tile: their sums fit the registers of the least common processor.
const TILE_ROWS: usize = 2;

impl Kernel for Portable {
    fn name(&self) -> &'static str {
        "portable"
    }

    fn linear(
        &self,
        weights: &PackedLinear,
        input: &[f32],
        output: &mut [f32],
        activation: Activation,
        residual: Option<&[f32]>,
    ) {
        linear_rows(weights, input, output, residual);
        let (inputs, outputs) = (weights.inputs, weights.outputs);
        // A block of rows stays in the cache while all panels pass by.
        let block = 64;
        for (number, block_rows) in input.chunks(block * inputs).enumerate() {
            for panel in 0..outputs.div_ceil(PANEL) {
                let (panel_rows, bias) = weights.panel(panel);
                let column = panel * PANEL;
                let width = PANEL.min(outputs - column);
                for (tile, tile_rows) in block_rows.chunks(TILE_ROWS * inputs).enumerate() {
                    let sums = if tile_rows.len() == TILE_ROWS * inputs {
                        multiply::<TILE_ROWS>(tile_rows, panel_rows, bias)
                    } else {
                        let [sums] = multiply::<1>(tile_rows, panel_rows, bias);
                        [sums; TILE_ROWS]
                    };
                    let first_row = number * block + tile * TILE_ROWS;
                    for (offset, mut sums) in sums.into_iter().take(tile_rows.len() / inputs).enumerate() {
                        activate(&mut sums, activation);
                        let at = (first_row + offset) * outputs + column;
                        let target = &mut output[at..][..width];
                        target.copy_from_slice(&sums[..width]);
                        if let Some(residual) = residual {
                            for (number, addition) in target.iter_mut().zip(&residual[at..][..width]) {
                                *number += addition;
                            }
                        }
                    }
                }
            }
        }
    }

    fn layer_norm(&self, norm: &LayerNorm, input: &[f32], output: &mut [f32]) {
        let size = norm.gain.len();
        for (input, output) in input.chunks_exact(size).zip(output.chunks_exact_mut(size)) {
            let mean = sum(input.iter().copied()) / size as f32;
            let variance = sum(input.iter().map(|number| (number - mean) * (number - mean))) / size as f32;
            let scale = 1.0 / (variance + norm.epsilon).sqrt();
            let affine = norm.gain.iter().zip(&norm.bias);
            for ((target, number), (gain, bias)) in output.iter_mut().zip(input).zip(affine) {
                *target = (number - mean) * scale * gain + bias;
            }
        }
    }

    fn attention(&self, attention: &Attention<'_>, output: &mut [f32], scratch: &mut AttentionScratch) {
        let &Attention { queries, query_rows, values, tokens, heads, head_size, .. } = attention;
        let hidden = heads * head_size;
        let scale = 1.0 / (head_size as f32).sqrt();
        let scores = &mut scratch.scores;
        for head in 0..heads {
            let from = head * head_size;
            transpose_keys(attention, from, tokens, &mut scratch.keys_transposed);
            for query_row in 0..query_rows {
                scores.clear();
                scores.resize(tokens, 0.0);
                let query = queries.row(query_row, from, head_size);
                for (coordinate, key_row) in query.iter().zip(scratch.keys_transposed.chunks_exact(tokens)) {
                    let factor = coordinate * scale;
                    for (score, key) in scores.iter_mut().zip(key_row) {
                        *score += factor * key;
                    }
                }
                softmax(scores);
                let target = &mut output[query_row * hidden + from..][..head_size];
                target.fill(0.0);
                for (token, weight) in scores.iter().enumerate() {
                    for (number, value) in target.iter_mut().zip(values.row(token, from, head_size)) {
                        *number += weight * value;
                    }
                }
            }
        }
    }

    fn register_operations(&self, rounds: u64) -> u64 {
        let factor = std::hint::black_box(0.999_f32);
        let mut sums = [[1.0_f32; 4]; 8];
        for _ in 0..rounds {
            for lanes in &mut sums {
                for lane in lanes {
                    *lane = *lane * factor + 0.001;
                }
            }
        }
        std::hint::black_box(sums);
        rounds * 8 * 4 * 2
    }
}

/// Rows of `input` times one panel.
#[inline(always)]
fn multiply<const ROWS: usize>(input: &[f32], panel: &[PanelRow], bias: &PanelRow) -> [[f32; PANEL]; ROWS] {
    let inputs = panel.len();
    let mut sums = [bias.0; ROWS];
    let rows: [&[f32]; ROWS] = std::array::from_fn(|row| &input[row * inputs..][..inputs]);
    for (position, weights) in panel.iter().enumerate() {
        for (sums, row) in sums.iter_mut().zip(rows) {
            let factor = row[position];
            for (sum, weight) in sums.iter_mut().zip(&weights.0) {
                *sum += factor * weight;
            }
        }
    }
    sums
}

/// Adds with eight sums in turn, which is faster and more exact than one.
fn sum(numbers: impl Iterator<Item = f32>) -> f32 {
    let mut lanes = [0.0_f32; 8];
    for (position, number) in numbers.enumerate() {
        lanes[position % 8] += number;
    }
    lanes.iter().sum()
}

/// Copies one head's keys as `[head_size][padded_tokens]`; the padding is 0.
pub(super) fn transpose_keys(
    attention: &Attention<'_>,
    from: usize,
    padded_tokens: usize,
    target: &mut Vec<f32>,
) {
    target.clear();
    target.resize(attention.head_size * padded_tokens, 0.0);
    for token in 0..attention.tokens {
        let key = attention.keys.row(token, from, attention.head_size);
        for (position, number) in key.iter().enumerate() {
            target[position * padded_tokens + token] = *number;
        }
    }
}

fn softmax(scores: &mut [f32]) {
    let greatest = scores.iter().copied().fold(f32::MIN, f32::max);
    for score in scores.iter_mut() {
        *score = exponential(*score - greatest);
    }
    let scale = 1.0 / sum(scores.iter().copied());
    for score in scores {
        *score *= scale;
    }
}

/// Applies an activation to one row of a tile.
pub(super) fn activate(numbers: &mut [f32; PANEL], activation: Activation) {
    match activation {
        Activation::Identity => {}
        Activation::Relu => numbers.iter_mut().for_each(|number| *number = number.max(0.0)),
        Activation::Gelu => numbers.iter_mut().for_each(|number| *number = gelu(*number)),
        Activation::GeluTanh => numbers.iter_mut().for_each(|number| *number = gelu_tanh(*number)),
    }
}

/// `x Phi(x)`, the error function by Abramowitz and Stegun 7.1.26 (absolute error below 1.5e-7).
fn gelu(number: f32) -> f32 {
    let scaled = number * std::f32::consts::FRAC_1_SQRT_2;
    let magnitude = scaled.abs();
    let t = 1.0 / (1.0 + 0.327_591_1 * magnitude);
    let polynomial =
        t * (0.254_829_6 + t * (-0.284_496_74 + t * (1.421_413_7 + t * (-1.453_152 + t * 1.061_405_4))));
    let error_function = 1.0 - polynomial * exponential(-magnitude * magnitude);
    0.5 * number * (1.0 + error_function.copysign(scaled))
}

/// The tangent form: `0.5 x (1 + tanh u) = x / (1 + exp(-2 u))`.
fn gelu_tanh(number: f32) -> f32 {
    let inner = 0.797_884_6 * (number + 0.044_715 * number * number * number);
    number / (1.0 + exponential(-2.0 * inner))
}

/// `e^x` for x clamped to [-87, 88], relative error about 2e-7: a power of two times a polynomial of degree 6
/// for `2^f`, `f` in [-0.5, 0.5].
fn exponential(number: f32) -> f32 {
    let powers = number.clamp(-87.0, 88.0) * std::f32::consts::LOG2_E;
    // Adding and taking away 1.5 * 2^23 rounds to the nearest integer.
    const ROUNDING: f32 = 12_582_912.0;
    let whole = (powers + ROUNDING) - ROUNDING;
    let rest = powers - whole;
    let mut polynomial = EXPONENTIAL[0];
    for coefficient in &EXPONENTIAL[1..] {
        polynomial = polynomial * rest + coefficient;
    }
    polynomial * f32::from_bits(((whole as i32 + 127) << 23) as u32)
}

/// Coefficients of `2^f`, highest power first: the polynomial through the seven Chebyshev nodes of
/// [-0.5, 0.5], relative error 2e-8 before rounding.
pub(super) const EXPONENTIAL: [f32; 7] =
    [1.546_144_5e-4, 1.340_042_8e-3, 9.618_057e-3, 5.550_327e-2, 0.240_226_5, std::f32::consts::LN_2, 1.0];
