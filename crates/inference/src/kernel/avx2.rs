//! The kernel for x86-64 with AVX2 and FMA: tiles of 6 rows by 16 columns kept in 12 registers.
//!
//! The shape follows from the machine: 12 sums, 2 weights and 1 broadcast input take 15 of 16 registers, and 12
//! independent sums hide the latency of a fused multiply-add. A panel of weights stays in the first-level cache
//! while a block of rows passes by, and the block stays in the second-level cache while all panels pass by.

use std::arch::x86_64::*;

use super::portable::{EXPONENTIAL, transpose_keys};
use super::{
    Activation, Attention, AttentionScratch, Kernel, LayerNorm, PANEL, PackedLinear, PanelRow, linear_rows,
};

/// Rows of a tile.
const TILE_ROWS: usize = 6;
/// Numbers in a register.
const LANES: usize = 8;
/// Numbers of input in a block of rows: 288 KiB.
const BLOCK_NUMBERS: usize = 192 * 384;
/// Queries that share a pass over the keys.
const QUERY_ROWS: usize = 4;

/// AVX2 and FMA. Exists only where [`Avx2::detect`] found both, which makes the calls below sound.
pub(super) struct Avx2(());

static AVX2: Avx2 = Avx2(());

impl Avx2 {
    /// The kernel, if this machine can run it.
    pub(super) fn detect() -> Option<&'static Avx2> {
        (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")).then_some(&AVX2)
    }
}

impl Kernel for Avx2 {
    fn name(&self) -> &'static str {
        "avx2"
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
        // SAFETY: an `Avx2` exists only where the processor has AVX2 and FMA.
        unsafe { linear(weights, input, output, activation, residual) }
    }

    fn layer_norm(&self, norm: &LayerNorm, input: &[f32], output: &mut [f32]) {
        // SAFETY: as above.
        unsafe { layer_norm(norm, input, output) }
    }

    fn attention(&self, attention: &Attention<'_>, output: &mut [f32], scratch: &mut AttentionScratch) {
        // SAFETY: as above.
        unsafe { attend(attention, output, scratch) }
    }

    fn register_operations(&self, rounds: u64) -> u64 {
        // SAFETY: as above.
        unsafe { register_operations(rounds) }
    }
}

/// Where a tile is written: `rows` apart by `stride`, all 16 columns present.
struct TileTarget<'a> {
    output: &'a mut [f32],
    stride: usize,
    residual: Option<&'a [f32]>,
    activation: Activation,
}

#[target_feature(enable = "avx2,fma")]
fn linear(
    weights: &PackedLinear,
    input: &[f32],
    output: &mut [f32],
    activation: Activation,
    residual: Option<&[f32]>,
) {
    let (inputs, outputs) = (weights.inputs, weights.outputs);
    let rows = input.len() / inputs;
    let block = (BLOCK_NUMBERS / inputs / TILE_ROWS).max(8) * TILE_ROWS;
    for block_start in (0..rows).step_by(block) {
        let block_end = rows.min(block_start + block);
        for panel in 0..outputs.div_ceil(PANEL) {
            let (panel_rows, bias) = weights.panel(panel);
            let column = panel * PANEL;
            let width = PANEL.min(outputs - column);
            for row in (block_start..block_end).step_by(TILE_ROWS) {
                let tile_rows = TILE_ROWS.min(block_end - row);
                let tile_input = &input[row * inputs..][..tile_rows * inputs];
                let at = row * outputs + column;
                if width == PANEL {
                    let residual = residual.map(|residual| &residual[at..]);
                    let target =
                        TileTarget { output: &mut output[at..], stride: outputs, residual, activation };
                    tile_of(tile_rows, tile_input, panel_rows, bias, target);
                } else {
                    // The last panel is partly padding: through a buffer, so as not to write beyond the row.
                    let mut buffer = [0.0; TILE_ROWS * PANEL];
                    let target =
                        TileTarget { output: &mut buffer, stride: PANEL, residual: None, activation };
                    tile_of(tile_rows, tile_input, panel_rows, bias, target);
                    for tile_row in 0..tile_rows {
                        for offset in 0..width {
                            let to = at + tile_row * outputs + offset;
                            let addition = residual.map_or(0.0, |residual| residual[to]);
                            output[to] = buffer[tile_row * PANEL + offset] + addition;
                        }
                    }
                }
            }
        }
    }
}

/// The tile with as many rows as there are.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn tile_of(rows: usize, input: &[f32], panel: &[PanelRow], bias: &PanelRow, target: TileTarget<'_>) {
    match rows {
        1 => tile::<1>(input, panel, bias, target),
        2 => tile::<2>(input, panel, bias, target),
        3 => tile::<3>(input, panel, bias, target),
        4 => tile::<4>(input, panel, bias, target),
        5 => tile::<5>(input, panel, bias, target),
        _ => tile::<TILE_ROWS>(input, panel, bias, target),
    }
}

#[target_feature(enable = "avx2,fma")]
fn tile<const ROWS: usize>(input: &[f32], panel: &[PanelRow], bias: &PanelRow, target: TileTarget<'_>) {
    let inputs = panel.len();
    assert!(input.len() >= ROWS * inputs, "the tile's input rows are there");
    let mut sums = [[load(&bias.0, 0), load(&bias.0, LANES)]; ROWS];
    let input = input.as_ptr();
    for (position, weights) in panel.iter().enumerate() {
        let (low, high) = (load(&weights.0, 0), load(&weights.0, LANES));
        for (row, sums) in sums.iter_mut().enumerate() {
            // SAFETY: row < ROWS and position < inputs, and the assertion above covers ROWS * inputs numbers.
            let factor = unsafe { _mm256_broadcast_ss(&*input.add(row * inputs + position)) };
            sums[0] = _mm256_fmadd_ps(factor, low, sums[0]);
            sums[1] = _mm256_fmadd_ps(factor, high, sums[1]);
        }
    }
    let TileTarget { output, stride, residual, activation } = target;
    for (row, sums) in sums.iter().enumerate() {
        for (half, sum) in sums.iter().enumerate() {
            let at = row * stride + half * LANES;
            let mut value = activate(*sum, activation);
            if let Some(residual) = residual {
                value = _mm256_add_ps(value, load(residual, at));
            }
            store(output, at, value);
        }
    }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn activate(value: __m256, activation: Activation) -> __m256 {
    match activation {
        Activation::Identity => value,
        Activation::Relu => _mm256_max_ps(value, _mm256_setzero_ps()),
        Activation::Gelu => gelu(value),
        Activation::GeluTanh => gelu_tanh(value),
    }
}

#[target_feature(enable = "avx2,fma")]
fn layer_norm(norm: &LayerNorm, input: &[f32], output: &mut [f32]) {
    let size = norm.gain.len();
    let whole = size / LANES * LANES;
    for (input, output) in input.chunks_exact(size).zip(output.chunks_exact_mut(size)) {
        let mut sums = _mm256_setzero_ps();
        for at in (0..whole).step_by(LANES) {
            sums = _mm256_add_ps(sums, load(input, at));
        }
        let mean = (total(sums) + input[whole..].iter().sum::<f32>()) / size as f32;
        let means = _mm256_set1_ps(mean);
        let mut squares = _mm256_setzero_ps();
        for at in (0..whole).step_by(LANES) {
            let difference = _mm256_sub_ps(load(input, at), means);
            squares = _mm256_fmadd_ps(difference, difference, squares);
        }
        let rest: f32 = input[whole..].iter().map(|number| (number - mean) * (number - mean)).sum();
        let scale = 1.0 / ((total(squares) + rest) / size as f32 + norm.epsilon).sqrt();
        let scales = _mm256_set1_ps(scale);
        for at in (0..whole).step_by(LANES) {
            let normal = _mm256_mul_ps(_mm256_sub_ps(load(input, at), means), scales);
            store(output, at, _mm256_fmadd_ps(normal, load(&norm.gain, at), load(&norm.bias, at)));
        }
        for at in whole..size {
            output[at] = (input[at] - mean) * scale * norm.gain[at] + norm.bias[at];
        }
    }
}

#[target_feature(enable = "avx2,fma")]
fn attend(attention: &Attention<'_>, output: &mut [f32], scratch: &mut AttentionScratch) {
    let &Attention { query_rows, values, tokens, heads, head_size, .. } = attention;
    let hidden = heads * head_size;
    let padded = tokens.next_multiple_of(LANES);
    let AttentionScratch { keys_transposed, scores } = scratch;
    scores.clear();
    scores.resize(QUERY_ROWS * padded, 0.0);
    for head in 0..heads {
        let from = head * head_size;
        transpose_keys(attention, from, padded, keys_transposed);
        for first in (0..query_rows).step_by(QUERY_ROWS) {
            let rows = QUERY_ROWS.min(query_rows - first);
            score_rows(attention, from, first, rows, keys_transposed, scores);
            for (offset, scores) in scores.chunks_exact_mut(padded).take(rows).enumerate() {
                let scale = softmax(scores, tokens);
                let target = &mut output[(first + offset) * hidden + from..][..head_size];
                let mut column = 0;
                while column + 4 * LANES <= head_size {
                    weigh::<4>(scores, scale, &values, from + column, tokens, &mut target[column..]);
                    column += 4 * LANES;
                }
                while column + LANES <= head_size {
                    weigh::<1>(scores, scale, &values, from + column, tokens, &mut target[column..]);
                    column += LANES;
                }
                for (offset, number) in target[column..].iter_mut().enumerate() {
                    let value = |token: usize| values.row(token, from + column + offset, 1)[0];
                    let products = (0..tokens).map(|token| scores[token] * value(token));
                    *number = products.sum::<f32>() * scale;
                }
            }
        }
    }
}

/// Scaled products of up to four queries with every key.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn score_rows(
    attention: &Attention<'_>,
    from: usize,
    first: usize,
    rows: usize,
    keys_transposed: &[f32],
    scores: &mut [f32],
) {
    let head_size = attention.head_size;
    let padded = scores.len() / QUERY_ROWS;
    let scale = _mm256_set1_ps(1.0 / (head_size as f32).sqrt());
    // Rows beyond the last repeat it; their scores are not used.
    let queries: [&[f32]; QUERY_ROWS] =
        std::array::from_fn(|row| attention.queries.row(first + row.min(rows - 1), from, head_size));
    for at in (0..padded).step_by(LANES) {
        let mut sums = [_mm256_setzero_ps(); QUERY_ROWS];
        for position in 0..head_size {
            let keys = load(keys_transposed, position * padded + at);
            for (sum, query) in sums.iter_mut().zip(queries) {
                *sum = _mm256_fmadd_ps(_mm256_set1_ps(query[position]), keys, *sum);
            }
        }
        for (row, sum) in sums.into_iter().enumerate() {
            store(scores, row * padded + at, _mm256_mul_ps(sum, scale));
        }
    }
}

/// Exponentials of the scores, the padding 0; returns one over their sum.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn softmax(scores: &mut [f32], tokens: usize) -> f32 {
    scores[tokens..].fill(f32::MIN);
    let mut greatest = _mm256_set1_ps(f32::MIN);
    for at in (0..scores.len()).step_by(LANES) {
        greatest = _mm256_max_ps(greatest, load(scores, at));
    }
    let mut lanes = [0.0; LANES];
    store(&mut lanes, 0, greatest);
    let greatest = _mm256_set1_ps(lanes.into_iter().fold(f32::MIN, f32::max));
    for at in (0..scores.len()).step_by(LANES) {
        store(scores, at, exponential(_mm256_sub_ps(load(scores, at), greatest)));
    }
    scores[tokens..].fill(0.0);
    let mut sums = _mm256_setzero_ps();
    for at in (0..scores.len()).step_by(LANES) {
        sums = _mm256_add_ps(sums, load(scores, at));
    }
    1.0 / total(sums)
}

/// The weighted mean of the values in `REGISTERS * 8` columns.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn weigh<const REGISTERS: usize>(
    scores: &[f32],
    scale: f32,
    values: &super::Columns<'_>,
    column: usize,
    tokens: usize,
    target: &mut [f32],
) {
    let mut sums = [_mm256_setzero_ps(); REGISTERS];
    for (token, score) in scores[..tokens].iter().enumerate() {
        let score = _mm256_set1_ps(*score);
        let row = values.row(token, column, REGISTERS * LANES);
        for (register, sum) in sums.iter_mut().enumerate() {
            *sum = _mm256_fmadd_ps(score, load(row, register * LANES), *sum);
        }
    }
    for (register, sum) in sums.into_iter().enumerate() {
        store(target, register * LANES, _mm256_mul_ps(sum, _mm256_set1_ps(scale)));
    }
}

/// `e^x`: see the portable kernel.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn exponential(value: __m256) -> __m256 {
    let clamped = _mm256_max_ps(_mm256_min_ps(value, _mm256_set1_ps(88.0)), _mm256_set1_ps(-87.0));
    let powers = _mm256_mul_ps(clamped, _mm256_set1_ps(std::f32::consts::LOG2_E));
    let whole = _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(powers);
    let rest = _mm256_sub_ps(powers, whole);
    let mut polynomial = _mm256_set1_ps(EXPONENTIAL[0]);
    for coefficient in &EXPONENTIAL[1..] {
        polynomial = _mm256_fmadd_ps(polynomial, rest, _mm256_set1_ps(*coefficient));
    }
    let exponent = _mm256_add_epi32(_mm256_cvtps_epi32(whole), _mm256_set1_epi32(127));
    _mm256_mul_ps(polynomial, _mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponent)))
}

/// `x Phi(x)`: see the portable kernel.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn gelu(value: __m256) -> __m256 {
    let one = _mm256_set1_ps(1.0);
    let sign_bit = _mm256_set1_ps(-0.0);
    let scaled = _mm256_mul_ps(value, _mm256_set1_ps(std::f32::consts::FRAC_1_SQRT_2));
    let magnitude = _mm256_andnot_ps(sign_bit, scaled);
    let t = _mm256_div_ps(one, _mm256_fmadd_ps(magnitude, _mm256_set1_ps(0.327_591_1), one));
    let mut polynomial = _mm256_set1_ps(1.061_405_4);
    for coefficient in [-1.453_152, 1.421_413_7, -0.284_496_74, 0.254_829_6] {
        polynomial = _mm256_fmadd_ps(polynomial, t, _mm256_set1_ps(coefficient));
    }
    let polynomial = _mm256_mul_ps(polynomial, t);
    let square = _mm256_mul_ps(magnitude, magnitude);
    let error_function = _mm256_fnmadd_ps(polynomial, exponential(_mm256_xor_ps(square, sign_bit)), one);
    let signed = _mm256_or_ps(error_function, _mm256_and_ps(scaled, sign_bit));
    let half = _mm256_mul_ps(value, _mm256_set1_ps(0.5));
    _mm256_fmadd_ps(half, signed, half)
}

/// `gelu_new`: see the portable kernel.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn gelu_tanh(value: __m256) -> __m256 {
    let square = _mm256_mul_ps(value, value);
    let cubic = _mm256_fmadd_ps(_mm256_mul_ps(square, value), _mm256_set1_ps(0.044_715), value);
    let exponential = exponential(_mm256_mul_ps(cubic, _mm256_set1_ps(-2.0 * 0.797_884_6)));
    _mm256_div_ps(value, _mm256_add_ps(_mm256_set1_ps(1.0), exponential))
}

/// The sum of the lanes.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn total(value: __m256) -> f32 {
    let mut lanes = [0.0; LANES];
    store(&mut lanes, 0, value);
    lanes.iter().sum()
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn load(numbers: &[f32], at: usize) -> __m256 {
    let lanes = &numbers[at..at + LANES];
    // SAFETY: the slice has eight numbers.
    unsafe { _mm256_loadu_ps(lanes.as_ptr()) }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn store(numbers: &mut [f32], at: usize, value: __m256) {
    let lanes = &mut numbers[at..at + LANES];
    // SAFETY: the slice has eight numbers.
    unsafe { _mm256_storeu_ps(lanes.as_mut_ptr(), value) }
}

#[target_feature(enable = "avx2,fma")]
fn register_operations(rounds: u64) -> u64 {
    let mut sums = [_mm256_set1_ps(1.0); 10];
    let factor = _mm256_set1_ps(std::hint::black_box(0.999));
    let addition = _mm256_set1_ps(std::hint::black_box(0.001));
    for _ in 0..rounds {
        for sum in &mut sums {
            *sum = _mm256_fmadd_ps(*sum, factor, addition);
        }
    }
    std::hint::black_box(sums.map(|sum| total(sum)));
    rounds * 10 * LANES as u64 * 2
}
