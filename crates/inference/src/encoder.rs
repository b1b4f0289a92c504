//! The network: embeddings, transformer layers, classification head, over sequences without padding.
//!
//! ```text
//!   token rows of all sequences, one after the other        [tokens, hidden]
//!        │ embed, norm
//!        ▼
//!   every layer but the last      q,k,v in one product ─▶ attention per sequence ─▶ tail
//!        ▼
//!   the last layer                k,v of every token, q of first tokens only ─▶ tail on first tokens only
//!        ▼
//!   head                          dense ─▶ tanh or relu ─▶ classifier                [sequences, labels]
//! ```
//!
//! All three families classify by the first token, so in the last layer nothing else is computed for the other
//! tokens: the same numbers for less work. The `tail` of a layer is: output product + residual, norm, feed
//! forward + residual, norm.

use crate::config::{Architecture, Family};
use crate::error::LoadError;
use crate::kernel::{Activation, Attention, AttentionScratch, Columns, Kernel, LayerNorm, PackedLinear};
use crate::weights::Weights;

/// The tokens of one text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TokenSequence {
    pub(crate) ids: Vec<u32>,
    /// As long as `ids`, or empty for all 0.
    pub(crate) type_ids: Vec<u32>,
}

/// A network with its weights.
pub(crate) struct Encoder {
    architecture: Architecture,
    word_embeddings: Vec<f32>,
    position_embeddings: Vec<f32>,
    /// Empty where the family has none.
    token_type_embeddings: Vec<f32>,
    embedding_norm: LayerNorm,
    layers: Vec<Layer>,
    last_layer: LastLayer,
    head: Head,
}

struct Layer {
    query_key_value: PackedLinear,
    tail: LayerTail,
}

struct LastLayer {
    query: PackedLinear,
    key_value: PackedLinear,
    tail: LayerTail,
}

struct LayerTail {
    output: PackedLinear,
    attention_norm: LayerNorm,
    widen: PackedLinear,
    narrow: PackedLinear,
    output_norm: LayerNorm,
}

struct Head {
    dense: PackedLinear,
    tanh: bool,
    classifier: PackedLinear,
}

/// Buffers of a forward pass; they grow to the largest batch and are then reused.
#[derive(Default)]
pub(crate) struct Scratch {
    states: Vec<f32>,
    projections: Vec<f32>,
    attended: Vec<f32>,
    widened: Vec<f32>,
    sums: Vec<f32>,
    first_states: Vec<f32>,
    first_queries: Vec<f32>,
    attention: AttentionScratch,
}

/// Names of a layer's tensors, after `layer.N.`.
struct LayerNames {
    layers: &'static str,
    query_key_value: [&'static str; 3],
    output: &'static str,
    attention_norm: &'static str,
    widen: &'static str,
    narrow: &'static str,
    output_norm: &'static str,
}

const BERT_NAMES: LayerNames = LayerNames {
    layers: "encoder.layer",
    query_key_value: ["attention.self.query", "attention.self.key", "attention.self.value"],
    output: "attention.output.dense",
    attention_norm: "attention.output.LayerNorm",
    widen: "intermediate.dense",
    narrow: "output.dense",
    output_norm: "output.LayerNorm",
};

const DISTILBERT_NAMES: LayerNames = LayerNames {
    layers: "transformer.layer",
    query_key_value: ["attention.q_lin", "attention.k_lin", "attention.v_lin"],
    output: "attention.out_lin",
    attention_norm: "sa_layer_norm",
    widen: "ffn.lin1",
    narrow: "ffn.lin2",
    output_norm: "output_layer_norm",
};

impl Encoder {
    /// Takes the weights out of a file and packs them.
    pub(crate) fn load(architecture: Architecture, file: &[u8]) -> Result<Encoder, LoadError> {
        let (prefix, names) = match architecture.family {
            Family::Bert => ("bert.", &BERT_NAMES),
            Family::Roberta => ("roberta.", &BERT_NAMES),
            Family::DistilBert => ("distilbert.", &DISTILBERT_NAMES),
        };
        let weights = Weights::parse(file, prefix)?;
        let hidden = architecture.hidden;
        let embedding = |name: &str, rows: usize| {
            weights.encoder_tensor(&format!("embeddings.{name}.weight"), &[rows, hidden])
        };
        let token_type_embeddings = match architecture.token_types {
            0 => Vec::new(),
            rows => embedding("token_type_embeddings", rows)?,
        };
        let mut layers = Vec::new();
        for number in 0..architecture.layers - 1 {
            layers.push(Layer::load(&architecture, &weights, names, number)?);
        }
        Ok(Encoder {
            word_embeddings: embedding("word_embeddings", architecture.vocabulary)?,
            position_embeddings: embedding("position_embeddings", architecture.positions)?,
            token_type_embeddings,
            embedding_norm: weights.encoder_norm(
                "embeddings.LayerNorm",
                hidden,
                architecture.norm_epsilon,
            )?,
            layers,
            last_layer: LastLayer::load(&architecture, &weights, names)?,
            head: Head::load(&architecture, &weights)?,
            architecture,
        })
    }

    /// What the network is made of.
    pub(crate) fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// The logits of every sequence, `[sequences, labels]`. Sequences must not be empty, not longer than
    /// [`Architecture::longest_sequence`], and of known tokens.
    pub(crate) fn logits(
        &self,
        kernel: &dyn Kernel,
        sequences: &[&TokenSequence],
        scratch: &mut Scratch,
    ) -> Vec<f32> {
        let Architecture { hidden, heads, .. } = self.architecture;
        let tokens: usize = sequences.iter().map(|sequence| sequence.ids.len()).sum();
        let lengths = || sequences.iter().map(|sequence| sequence.ids.len());
        let activation = self.architecture.activation;
        scratch.reserve(&self.architecture, tokens, sequences.len());
        let Scratch { states, projections, attended, widened, sums, first_states, first_queries, attention } =
            scratch;

        self.embed(sequences, &mut attended[..tokens * hidden]);
        kernel.layer_norm(&self.embedding_norm, &attended[..tokens * hidden], &mut states[..tokens * hidden]);

        for layer in &self.layers {
            let projections = &mut projections[..tokens * 3 * hidden];
            let states = &mut states[..tokens * hidden];
            kernel.linear(&layer.query_key_value, states, projections, Activation::Identity, None);
            let mut row = 0;
            for length in lengths() {
                let part = |number: usize| Columns {
                    data: &projections[row * 3 * hidden..(row + length) * 3 * hidden],
                    stride: 3 * hidden,
                    offset: number * hidden,
                };
                let job = Attention {
                    queries: part(0),
                    query_rows: length,
                    keys: part(1),
                    values: part(2),
                    tokens: length,
                    heads,
                    head_size: self.architecture.head_size(),
                };
                kernel.attention(&job, &mut attended[row * hidden..(row + length) * hidden], attention);
                row += length;
            }
            layer.tail.apply(kernel, activation, &attended[..tokens * hidden], states, sums, widened);
        }

        let sequence_count = sequences.len();
        let first_states = &mut first_states[..sequence_count * hidden];
        let first_queries = &mut first_queries[..sequence_count * hidden];
        let states = &states[..tokens * hidden];
        let mut row = 0;
        for (number, length) in lengths().enumerate() {
            first_states[number * hidden..][..hidden].copy_from_slice(&states[row * hidden..][..hidden]);
            row += length;
        }
        let projections = &mut projections[..tokens * 2 * hidden];
        kernel.linear(&self.last_layer.key_value, states, projections, Activation::Identity, None);
        kernel.linear(&self.last_layer.query, first_states, first_queries, Activation::Identity, None);
        let mut row = 0;
        for (number, length) in lengths().enumerate() {
            let part = |number: usize| Columns {
                data: &projections[row * 2 * hidden..(row + length) * 2 * hidden],
                stride: 2 * hidden,
                offset: number * hidden,
            };
            let queries =
                Columns { data: &first_queries[number * hidden..][..hidden], stride: hidden, offset: 0 };
            let job = Attention {
                queries,
                query_rows: 1,
                keys: part(0),
                values: part(1),
                tokens: length,
                heads,
                head_size: self.architecture.head_size(),
            };
            kernel.attention(&job, &mut attended[number * hidden..][..hidden], attention);
            row += length;
        }
        let attended = &attended[..sequence_count * hidden];
        self.last_layer.tail.apply(kernel, activation, attended, first_states, sums, widened);
        self.head.logits(kernel, first_states, first_queries)
    }

    /// Floating-point operations of the products of one forward pass, attention included.
    pub(crate) fn operations(&self, lengths: impl Iterator<Item = usize>) -> u64 {
        let hidden = self.architecture.hidden;
        let attention = |queries: usize, tokens: usize| 4 * queries * tokens * hidden;
        let mut operations = 0;
        for tokens in lengths {
            for layer in &self.layers {
                let per_token = layer.query_key_value.operations() + layer.tail.operations();
                operations += tokens * per_token + attention(tokens, tokens);
            }
            let LastLayer { query, key_value, tail } = &self.last_layer;
            operations += tokens * key_value.operations() + attention(1, tokens);
            operations += query.operations() + tail.operations();
            operations += self.head.dense.operations() + self.head.classifier.operations();
        }
        operations as u64
    }

    /// The sum of the embeddings of every token.
    fn embed(&self, sequences: &[&TokenSequence], rows: &mut [f32]) {
        let Architecture { hidden, position_offset, .. } = self.architecture;
        let mut rows = rows.chunks_exact_mut(hidden);
        for sequence in sequences {
            for (position, (id, row)) in sequence.ids.iter().zip(&mut rows).enumerate() {
                let word = &self.word_embeddings[*id as usize * hidden..][..hidden];
                let place = &self.position_embeddings[(position_offset + position) * hidden..][..hidden];
                for ((number, word), place) in row.iter_mut().zip(word).zip(place) {
                    *number = word + place;
                }
                if !self.token_type_embeddings.is_empty() {
                    let type_id = sequence.type_ids.get(position).copied().unwrap_or(0);
                    let token_type = &self.token_type_embeddings[type_id as usize * hidden..][..hidden];
                    for (number, token_type) in row.iter_mut().zip(token_type) {
                        *number += token_type;
                    }
                }
            }
        }
    }
}

impl Layer {
    fn load(
        architecture: &Architecture,
        weights: &Weights<'_>,
        names: &LayerNames,
        number: usize,
    ) -> Result<Layer, LoadError> {
        let inputs = names.query_key_value.map(|name| names.of(number, name));
        Ok(Layer {
            query_key_value: weights.encoder_linear(&inputs, architecture.hidden, architecture.hidden)?,
            tail: LayerTail::load(architecture, weights, names, number)?,
        })
    }
}

impl LastLayer {
    fn load(
        architecture: &Architecture,
        weights: &Weights<'_>,
        names: &LayerNames,
    ) -> Result<LastLayer, LoadError> {
        let number = architecture.layers - 1;
        let [query, key, value] = names.query_key_value.map(|name| names.of(number, name));
        let hidden = architecture.hidden;
        Ok(LastLayer {
            query: weights.encoder_linear(&[query], hidden, hidden)?,
            key_value: weights.encoder_linear(&[key, value], hidden, hidden)?,
            tail: LayerTail::load(architecture, weights, names, number)?,
        })
    }
}

impl LayerTail {
    fn load(
        architecture: &Architecture,
        weights: &Weights<'_>,
        names: &LayerNames,
        number: usize,
    ) -> Result<LayerTail, LoadError> {
        let &Architecture { hidden, intermediate, norm_epsilon, .. } = architecture;
        let of = |name: &str| names.of(number, name);
        Ok(LayerTail {
            output: weights.encoder_linear(&[of(names.output)], hidden, hidden)?,
            attention_norm: weights.encoder_norm(&of(names.attention_norm), hidden, norm_epsilon)?,
            widen: weights.encoder_linear(&[of(names.widen)], hidden, intermediate)?,
            narrow: weights.encoder_linear(&[of(names.narrow)], intermediate, hidden)?,
            output_norm: weights.encoder_norm(&of(names.output_norm), hidden, norm_epsilon)?,
        })
    }

    /// From what attention gave and the states before it to the states after the layer, in place.
    fn apply(
        &self,
        kernel: &dyn Kernel,
        activation: Activation,
        attended: &[f32],
        states: &mut [f32],
        sums: &mut [f32],
        widened: &mut [f32],
    ) {
        let rows = states.len() / self.output.outputs();
        let sums = &mut sums[..states.len()];
        let widened = &mut widened[..rows * self.widen.outputs()];
        kernel.linear(&self.output, attended, sums, Activation::Identity, Some(states));
        kernel.layer_norm(&self.attention_norm, sums, states);
        kernel.linear(&self.widen, states, widened, activation, None);
        kernel.linear(&self.narrow, widened, sums, Activation::Identity, Some(states));
        kernel.layer_norm(&self.output_norm, sums, states);
    }

    fn operations(&self) -> usize {
        self.output.operations() + self.widen.operations() + self.narrow.operations()
    }
}

impl LayerNames {
    fn of(&self, number: usize, name: &str) -> String {
        format!("{}.{number}.{name}", self.layers)
    }
}

impl Head {
    fn load(architecture: &Architecture, weights: &Weights<'_>) -> Result<Head, LoadError> {
        let (hidden, labels) = (architecture.hidden, architecture.labels.len());
        let (dense, classifier, tanh) = match architecture.family {
            Family::Bert => {
                let pooler = weights.encoder_linear(&["pooler.dense".to_owned()], hidden, hidden)?;
                (pooler, "classifier", true)
            }
            Family::DistilBert => {
                (weights.linear(&["pre_classifier".to_owned()], hidden, hidden)?, "classifier", false)
            }
            Family::Roberta => (
                weights.linear(&["classifier.dense".to_owned()], hidden, hidden)?,
                "classifier.out_proj",
                true,
            ),
        };
        let classifier = weights.linear(&[classifier.to_owned()], hidden, labels)?;
        Ok(Head { dense, tanh, classifier })
    }

    fn logits(&self, kernel: &dyn Kernel, first_states: &[f32], pooled: &mut [f32]) -> Vec<f32> {
        let activation = if self.tanh { Activation::Identity } else { Activation::Relu };
        kernel.linear(&self.dense, first_states, pooled, activation, None);
        if self.tanh {
            for number in pooled.iter_mut() {
                *number = number.tanh();
            }
        }
        let rows = first_states.len() / self.dense.outputs();
        let mut logits = vec![0.0; rows * self.classifier.outputs()];
        kernel.linear(&self.classifier, pooled, &mut logits, Activation::Identity, None);
        logits
    }
}

impl Scratch {
    fn reserve(&mut self, architecture: &Architecture, tokens: usize, sequences: usize) {
        let &Architecture { hidden, intermediate, .. } = architecture;
        let grow = |buffer: &mut Vec<f32>, length: usize| {
            if buffer.len() < length {
                buffer.resize(length, 0.0);
            }
        };
        grow(&mut self.states, tokens * hidden);
        grow(&mut self.projections, tokens * 3 * hidden);
        grow(&mut self.attended, tokens * hidden);
        grow(&mut self.widened, tokens * intermediate);
        grow(&mut self.sums, tokens * hidden);
        grow(&mut self.first_states, sequences * hidden);
        grow(&mut self.first_queries, sequences * hidden);
    }
}
