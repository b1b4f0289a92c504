//! Tensors of a `model.safetensors` file, by name, checked, as 32-bit floats.

use half::slice::HalfFloatSliceExt as _;
use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors};

use crate::error::LoadError;
use crate::kernel::{LayerNorm, PackedLinear};

/// The tensors of one file.
pub(crate) struct Weights<'data> {
    tensors: SafeTensors<'data>,
    /// What stands before the names of the encoder's tensors, such as `bert.`; empty in some files.
    prefix: &'static str,
}

impl<'data> Weights<'data> {
    /// Reads the table of contents. `prefix` is what the family puts before the encoder's tensors.
    pub(crate) fn parse(bytes: &'data [u8], prefix: &'static str) -> Result<Weights<'data>, LoadError> {
        let tensors =
            SafeTensors::deserialize(bytes).map_err(|error| LoadError::Weights(error.to_string()))?;
        let prefixed = tensors.names().iter().any(|name| name.starts_with(prefix));
        Ok(Weights { tensors, prefix: if prefixed { prefix } else { "" } })
    }

    /// A tensor of the encoder.
    pub(crate) fn encoder_tensor(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, LoadError> {
        self.tensor(&format!("{}{name}", self.prefix), shape)
    }

    /// A tensor by its full name, which must have this shape.
    pub(crate) fn tensor(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, LoadError> {
        let view = self.tensors.tensor(name).map_err(|_| LoadError::MissingTensor(name.to_owned()))?;
        if view.shape() != shape {
            return Err(LoadError::WrongShape {
                name: name.to_owned(),
                expected: shape.to_vec(),
                found: view.shape().to_vec(),
            });
        }
        let bytes = view.data();
        match view.dtype() {
            Dtype::F32 => {
                let (numbers, _) = bytes.as_chunks();
                Ok(numbers.iter().map(|number| f32::from_le_bytes(*number)).collect())
            }
            Dtype::F16 => {
                let (numbers, _) = bytes.as_chunks();
                let halves: Vec<f16> = numbers.iter().map(|number| f16::from_le_bytes(*number)).collect();
                Ok(halves.to_f32_vec())
            }
            Dtype::BF16 => {
                let (numbers, _) = bytes.as_chunks();
                Ok(numbers.iter().map(|number| bf16::from_le_bytes(*number).to_f32()).collect())
            }
            other => {
                Err(LoadError::UnsupportedNumbers { name: name.to_owned(), found: format!("{other:?}") })
            }
        }
    }

    /// Linear layers of the encoder that share an input, side by side as one.
    pub(crate) fn encoder_linear(
        &self,
        names: &[String],
        inputs: usize,
        outputs: usize,
    ) -> Result<PackedLinear, LoadError> {
        let full_names: Vec<String> = names.iter().map(|name| format!("{}{name}", self.prefix)).collect();
        self.linear(&full_names, inputs, outputs)
    }

    /// Linear layers by their full names, each with `outputs` outputs, side by side as one.
    pub(crate) fn linear(
        &self,
        names: &[String],
        inputs: usize,
        outputs: usize,
    ) -> Result<PackedLinear, LoadError> {
        // Grown by what the file really holds: the sizes are only claims until the shapes are checked.
        let mut weights = Vec::new();
        let mut bias = Vec::new();
        for name in names {
            weights.extend(self.tensor(&format!("{name}.weight"), &[outputs, inputs])?);
            bias.extend(self.tensor(&format!("{name}.bias"), &[outputs])?);
        }
        Ok(PackedLinear::new(&weights, &bias, inputs))
    }

    /// A layer norm of the encoder.
    pub(crate) fn encoder_norm(&self, name: &str, size: usize, epsilon: f32) -> Result<LayerNorm, LoadError> {
        Ok(LayerNorm {
            gain: self.encoder_tensor(&format!("{name}.weight"), &[size])?,
            bias: self.encoder_tensor(&format!("{name}.bias"), &[size])?,
            epsilon,
        })
    }
}
