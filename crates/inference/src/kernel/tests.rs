//! Every kernel against a plain computation in 64-bit floats, over shapes that meet every remainder.

use super::*;

fn kernels() -> Vec<&'static dyn Kernel> {
    vec![kernel(KernelChoice::Best), kernel(KernelChoice::Portable)]
}

/// Repeatable numbers in [-1, 1).
fn numbers(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(747_796_405) | 1;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    std::iter::repeat_with(next).take(count).collect()
}

#[track_caller]
fn assert_close(found: &[f32], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(found.len(), expected.len());
    for (position, (found, expected)) in found.iter().zip(expected).enumerate() {
        let difference = (f64::from(*found) - expected).abs();
        assert!(difference < tolerance, "{what} at {position}: {found} and not {expected}");
    }
}

fn plain_activation(number: f64, activation: Activation) -> f64 {
    match activation {
        Activation::Identity => number,
        Activation::Relu => number.max(0.0),
        Activation::Gelu => 0.5 * number * (1.0 + error_function(number / 2.0_f64.sqrt())),
        Activation::GeluTanh => {
            let inner = (2.0 / std::f64::consts::PI).sqrt() * (number + 0.044_715 * number.powi(3));
            0.5 * number * (1.0 + inner.tanh())
        }
    }
}

/// The error function by its series; beyond 5 it is 1 within 2e-12.
fn error_function(x: f64) -> f64 {
    if x.abs() > 5.0 {
        return x.signum();
    }
    let mut term = x;
    let mut sum = x;
    for n in 1..200 {
        term *= -x * x / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    sum * 2.0 / std::f64::consts::PI.sqrt()
}

#[test]
fn linear_layers() {
    for (rows, inputs, outputs) in [(1, 5, 3), (7, 16, 16), (13, 24, 40), (6, 384, 33), (300, 64, 17)] {
        let (input, weights) = (numbers(rows * inputs, 1), numbers(outputs * inputs, 2));
        let (bias, residual) = (numbers(outputs, 3), numbers(rows * outputs, 4));
        let packed = PackedLinear::new(&weights, &bias, inputs);
        for activation in [Activation::Identity, Activation::Gelu, Activation::GeluTanh, Activation::Relu] {
            for with_residual in [false, true] {
                let expected: Vec<f64> = (0..rows * outputs)
                    .map(|at| {
                        let (row, column) = (at / outputs, at % outputs);
                        let products = (0..inputs).map(|position| {
                            f64::from(input[row * inputs + position])
                                * f64::from(weights[column * inputs + position])
                        });
                        let sum = products.sum::<f64>() + f64::from(bias[column]);
                        let addition = if with_residual { f64::from(residual[at]) } else { 0.0 };
                        plain_activation(sum, activation) + addition
                    })
                    .collect();
                for kernel in kernels() {
                    let mut output = vec![9.0; rows * outputs];
                    let residual = with_residual.then_some(&residual[..]);
                    kernel.linear(&packed, &input, &mut output, activation, residual);
                    assert_close(&output, &expected, 2e-5, kernel.name());
                }
            }
        }
    }
}

#[test]
fn layer_norms() {
    for size in [3, 8, 20, 384] {
        let norm = LayerNorm { gain: numbers(size, 5), bias: numbers(size, 6), epsilon: 1e-5 };
        let input = numbers(4 * size, 7);
        let mut expected = Vec::new();
        for row in input.chunks_exact(size) {
            let mean = row.iter().map(|number| f64::from(*number)).sum::<f64>() / size as f64;
            let variance =
                row.iter().map(|number| (f64::from(*number) - mean).powi(2)).sum::<f64>() / size as f64;
            for (position, number) in row.iter().enumerate() {
                let normal = (f64::from(*number) - mean) / (variance + 1e-5).sqrt();
                expected.push(normal * f64::from(norm.gain[position]) + f64::from(norm.bias[position]));
            }
        }
        for kernel in kernels() {
            let mut output = vec![9.0; input.len()];
            kernel.layer_norm(&norm, &input, &mut output);
            assert_close(&output, &expected, 2e-5, kernel.name());
        }
    }
}

#[test]
fn attentions() {
    for (tokens, query_rows, heads, head_size) in
        [(1, 1, 1, 3), (9, 9, 2, 8), (17, 1, 3, 32), (30, 30, 2, 44)]
    {
        let hidden = heads * head_size;
        let data = numbers(tokens * 3 * hidden, 8);
        let columns = |part: usize| Columns { data: &data, stride: 3 * hidden, offset: part * hidden };
        let attention = Attention {
            queries: columns(0),
            query_rows,
            keys: columns(1),
            values: columns(2),
            tokens,
            heads,
            head_size,
        };
        let at = |token: usize, part: usize, column: usize| {
            f64::from(data[token * 3 * hidden + part * hidden + column])
        };
        let mut expected = Vec::new();
        for query in 0..query_rows {
            for column in 0..hidden {
                let from = column / head_size * head_size;
                let weight = |token: usize| {
                    let product: f64 =
                        (from..from + head_size).map(|c| at(query, 0, c) * at(token, 1, c)).sum();
                    (product / (head_size as f64).sqrt()).exp()
                };
                let sum: f64 = (0..tokens).map(weight).sum();
                expected
                    .push((0..tokens).map(|token| weight(token) * at(token, 2, column)).sum::<f64>() / sum);
            }
        }
        for kernel in kernels() {
            let mut output = vec![9.0; query_rows * hidden];
            kernel.attention(&attention, &mut output, &mut AttentionScratch::default());
            assert_close(&output, &expected, 1e-5, kernel.name());
        }
    }
}
