//! The numeric kernels behind one small trait: linear layers, layer norm, attention.
//!
//! ```text
//!   Kernel ─┬─ avx2       x86-64 with AVX2 and FMA, chosen when the machine has them
//!           └─ portable   plain Rust, for every other machine; the two are tested against each other
//! ```
//!
//! Matrices are row-major slices, one row a token, without padding between sequences. Weights are packed once
//! into panels of 16 columns, `[columns / 16][inputs][16]`, so that a tile of rows reads them in order.

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, reason = "vector instructions; tested against the portable kernel")]
mod avx2;
mod portable;

/// Columns of a panel of weights.
pub(crate) const PANEL: usize = 16;

/// What a linear layer applies to each output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activation {
    Identity,
    /// `x Phi(x)` with the exact normal distribution.
    Gelu,
    /// `gelu_new`: the same with a hyperbolic tangent.
    GeluTanh,
    Relu,
}

/// Sixteen numbers of one cache line.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(crate) struct PanelRow(pub(crate) [f32; PANEL]);

/// The weights of a linear layer, `output = input x weights + bias`, in panels; missing columns are 0.
#[derive(Clone, Debug)]
pub(crate) struct PackedLinear {
    panels: Vec<PanelRow>,
    bias: Vec<PanelRow>,
    inputs: usize,
    outputs: usize,
}

impl PackedLinear {
    /// Packs `weights` of the shape `[outputs, inputs]`, as PyTorch stores them.
    pub(crate) fn new(weights: &[f32], bias: &[f32], inputs: usize) -> PackedLinear {
        let outputs = bias.len();
        assert_eq!(weights.len(), outputs * inputs, "a weight for every input and output");
        let panel_count = outputs.div_ceil(PANEL);
        let mut panels = vec![PanelRow([0.0; PANEL]); panel_count * inputs];
        let mut packed_bias = vec![PanelRow([0.0; PANEL]); panel_count];
        for (output, row) in weights.chunks_exact(inputs).enumerate() {
            let panel = &mut panels[output / PANEL * inputs..][..inputs];
            for (target, weight) in panel.iter_mut().zip(row) {
                target.0[output % PANEL] = *weight;
            }
        }
        for (output, value) in bias.iter().enumerate() {
            packed_bias[output / PANEL].0[output % PANEL] = *value;
        }
        PackedLinear { panels, bias: packed_bias, inputs, outputs }
    }

    /// Columns of the output.
    pub(crate) fn outputs(&self) -> usize {
        self.outputs
    }

    /// Floating-point operations for one row.
    pub(crate) fn operations(&self) -> usize {
        2 * self.inputs * self.outputs
    }

    /// The panel that starts at column `16 * panel`, and its bias.
    fn panel(&self, panel: usize) -> (&[PanelRow], &PanelRow) {
        (&self.panels[panel * self.inputs..][..self.inputs], &self.bias[panel])
    }
}

/// A layer norm.
#[derive(Clone, Debug)]
pub(crate) struct LayerNorm {
    pub(crate) gain: Vec<f32>,
    pub(crate) bias: Vec<f32>,
    pub(crate) epsilon: f32,
}

/// One matrix inside a wider one: columns `offset..` of rows `stride` apart.
#[derive(Clone, Copy)]
pub(crate) struct Columns<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) stride: usize,
    pub(crate) offset: usize,
}

impl Columns<'_> {
    #[inline(always)]
    fn row(&self, row: usize, from: usize, width: usize) -> &[f32] {
        &self.data[row * self.stride + self.offset + from..][..width]
    }
}

/// Self-attention of one sequence: every query row attends to all `tokens` keys.
pub(crate) struct Attention<'a> {
    pub(crate) queries: Columns<'a>,
    pub(crate) query_rows: usize,
    pub(crate) keys: Columns<'a>,
    pub(crate) values: Columns<'a>,
    pub(crate) tokens: usize,
    pub(crate) heads: usize,
    pub(crate) head_size: usize,
}

/// Buffers of [`Kernel::attention`]; they keep their size between calls.
#[derive(Default)]
pub(crate) struct AttentionScratch {
    keys_transposed: Vec<f32>,
    scores: Vec<f32>,
}

/// The operations of an encoder.
pub(crate) trait Kernel: Send + Sync {
    /// How it is called in logs and reports.
    fn name(&self) -> &'static str;

    /// `output = activation(input x weights + bias) + residual`, for as many rows as `input` has.
    fn linear(
        &self,
        weights: &PackedLinear,
        input: &[f32],
        output: &mut [f32],
        activation: Activation,
        residual: Option<&[f32]>,
    );

    /// Normalises every row of `input` into `output`.
    fn layer_norm(&self, norm: &LayerNorm, input: &[f32], output: &mut [f32]);

    /// Attention into `output`, `[query_rows, heads * head_size]`.
    fn attention(&self, attention: &Attention<'_>, output: &mut [f32], scratch: &mut AttentionScratch);

    /// Multiplies and adds in registers only, `rounds` times; returns the floating-point operations done. The
    /// yardstick of benchmarks.
    fn register_operations(&self, rounds: u64) -> u64;
}

/// Which kernel a model uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KernelChoice {
    /// The fastest that this machine can run.
    #[default]
    Best,
    /// Plain Rust, the same on every machine.
    Portable,
}

/// The kernel of a choice.
pub(crate) fn kernel(choice: KernelChoice) -> &'static dyn Kernel {
    #[cfg(target_arch = "x86_64")]
    if choice == KernelChoice::Best
        && let Some(kernel) = avx2::Avx2::detect()
    {
        return kernel;
    }
    let _ = choice;
    &portable::Portable
}

/// Checks that the sizes of a linear layer's operands agree, once for every kernel; returns the rows.
fn linear_rows(weights: &PackedLinear, input: &[f32], output: &[f32], residual: Option<&[f32]>) -> usize {
    let rows = input.len() / weights.inputs;
    assert_eq!(input.len(), rows * weights.inputs, "the input has whole rows");
    assert_eq!(output.len(), rows * weights.outputs, "the output has a row for every input row");
    assert!(
        residual.is_none_or(|residual| residual.len() == output.len()),
        "the residual is like the output"
    );
    rows
}

#[cfg(test)]
mod tests;
