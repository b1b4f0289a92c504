//! Tiny random models: folders written to disk, and the same networks computed plainly in 64-bit floats.
#![allow(dead_code, reason = "each test file uses a part")]

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

/// Words of the tiny vocabulary; `w0` to `w19` after the special tokens.
pub const VOCABULARY: usize = 24;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Family {
    Bert,
    DistilBert,
    Roberta,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Numbers {
    F32,
    F16,
    Bf16,
}

#[derive(Clone, Debug)]
pub struct Tensor {
    pub shape: Vec<usize>,
    pub data: Vec<f32>,
}

/// A network of the given sizes with random weights.
#[derive(Clone)]
pub struct TinyModel {
    pub family: Family,
    pub numbers: Numbers,
    pub activation: &'static str,
    pub hidden: usize,
    pub heads: usize,
    pub layers: usize,
    pub intermediate: usize,
    pub positions: usize,
    pub labels: usize,
    pub tensors: BTreeMap<String, Tensor>,
    pub config: Value,
    pub tokenizer: Value,
}

impl TinyModel {
    pub fn new(family: Family, activation: &'static str, numbers: Numbers) -> TinyModel {
        let (hidden, heads, layers, intermediate, positions, labels) = (20, 2, 2, 36, 34, 3);
        let id2label: BTreeMap<String, String> =
            (0..labels).map(|label| (label.to_string(), format!("label {label}"))).collect();
        let config = match family {
            Family::DistilBert => json!({
                "model_type": "distilbert", "dim": hidden, "n_heads": heads, "n_layers": layers,
                "hidden_dim": intermediate, "max_position_embeddings": positions, "vocab_size": VOCABULARY,
                "activation": activation, "id2label": id2label,
            }),
            Family::Bert | Family::Roberta => json!({
                "model_type": if family == Family::Bert { "bert" } else { "roberta" },
                "hidden_size": hidden, "num_attention_heads": heads, "num_hidden_layers": layers,
                "intermediate_size": intermediate, "max_position_embeddings": positions,
                "vocab_size": VOCABULARY, "type_vocab_size": 2, "hidden_act": activation,
                "layer_norm_eps": 1e-5, "pad_token_id": 1, "id2label": id2label,
            }),
        };
        let mut model = TinyModel {
            family,
            numbers,
            activation,
            hidden,
            heads,
            layers,
            intermediate,
            positions,
            labels,
            tensors: BTreeMap::new(),
            config,
            tokenizer: tokenizer(),
        };
        model.fill();
        model
    }

    fn prefix(&self) -> &'static str {
        match self.family {
            Family::Bert => "bert.",
            Family::DistilBert => "distilbert.",
            Family::Roberta => "roberta.",
        }
    }

    /// Where a layer's parts are: query, key, value, output, its norm, widen, narrow, its norm.
    fn layer_names(&self, layer: usize) -> [String; 8] {
        let prefix = self.prefix();
        let names = match self.family {
            Family::DistilBert => [
                "attention.q_lin",
                "attention.k_lin",
                "attention.v_lin",
                "attention.out_lin",
                "sa_layer_norm",
                "ffn.lin1",
                "ffn.lin2",
                "output_layer_norm",
            ],
            Family::Bert | Family::Roberta => [
                "attention.self.query",
                "attention.self.key",
                "attention.self.value",
                "attention.output.dense",
                "attention.output.LayerNorm",
                "intermediate.dense",
                "output.dense",
                "output.LayerNorm",
            ],
        };
        let stem = if self.family == Family::DistilBert { "transformer" } else { "encoder" };
        names.map(|name| format!("{prefix}{stem}.layer.{layer}.{name}"))
    }

    fn head_names(&self) -> [&'static str; 2] {
        match self.family {
            Family::Bert => ["bert.pooler.dense", "classifier"],
            Family::DistilBert => ["pre_classifier", "classifier"],
            Family::Roberta => ["classifier.dense", "classifier.out_proj"],
        }
    }

    fn fill(&mut self) {
        let mut state = 12_345_u64;
        let mut random = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((state >> 40) as f32 / (1 << 24) as f32 - 0.5) * 1.2
        };
        let numbers = self.numbers;
        let mut tensors = BTreeMap::new();
        let mut add = |name: String, shape: Vec<usize>, offset: f32| {
            let count = shape.iter().product();
            let data = (0..count).map(|_| rounded(random() + offset, numbers)).collect();
            tensors.insert(name, Tensor { shape, data });
        };
        let (hidden, intermediate, prefix) = (self.hidden, self.intermediate, self.prefix());
        add(format!("{prefix}embeddings.word_embeddings.weight"), vec![VOCABULARY, hidden], 0.0);
        add(format!("{prefix}embeddings.position_embeddings.weight"), vec![self.positions, hidden], 0.0);
        if self.family != Family::DistilBert {
            add(format!("{prefix}embeddings.token_type_embeddings.weight"), vec![2, hidden], 0.0);
        }
        let add_norm = |name: &str, add: &mut dyn FnMut(String, Vec<usize>, f32)| {
            add(format!("{name}.weight"), vec![hidden], 1.0);
            add(format!("{name}.bias"), vec![hidden], 0.0);
        };
        add_norm(&format!("{prefix}embeddings.LayerNorm"), &mut add);
        let mut linears: Vec<(String, usize, usize)> = Vec::new();
        for layer in 0..self.layers {
            let [query, key, value, output, norm, widen, narrow, last_norm] = self.layer_names(layer);
            for name in [query, key, value, output] {
                linears.push((name, hidden, hidden));
            }
            linears.push((widen, hidden, intermediate));
            linears.push((narrow, intermediate, hidden));
            add_norm(&norm, &mut add);
            add_norm(&last_norm, &mut add);
        }
        let [dense, classifier] = self.head_names();
        linears.push((dense.to_owned(), hidden, hidden));
        linears.push((classifier.to_owned(), hidden, self.labels));
        for (name, inputs, outputs) in linears {
            add(format!("{name}.weight"), vec![outputs, inputs], 0.0);
            add(format!("{name}.bias"), vec![outputs], 0.0);
        }
        self.tensors = tensors;
    }

    /// Writes the three files.
    pub fn write(&self, folder: &Path) {
        std::fs::write(folder.join("config.json"), self.config.to_string()).unwrap();
        std::fs::write(folder.join("tokenizer.json"), self.tokenizer.to_string()).unwrap();
        std::fs::write(folder.join("model.safetensors"), self.safetensors()).unwrap();
    }

    /// The weights in the safetensors format: length of the header, header, data.
    pub fn safetensors(&self) -> Vec<u8> {
        let mut header = serde_json::Map::new();
        let mut data = Vec::new();
        for (name, tensor) in &self.tensors {
            let start = data.len();
            for number in &tensor.data {
                match self.numbers {
                    Numbers::F32 => data.extend(number.to_le_bytes()),
                    Numbers::F16 => data.extend(half::f16::from_f32(*number).to_le_bytes()),
                    Numbers::Bf16 => data.extend(half::bf16::from_f32(*number).to_le_bytes()),
                }
            }
            let dtype = match self.numbers {
                Numbers::F32 => "F32",
                Numbers::F16 => "F16",
                Numbers::Bf16 => "BF16",
            };
            let entry = json!({"dtype": dtype, "shape": tensor.shape, "data_offsets": [start, data.len()]});
            header.insert(name.clone(), entry);
        }
        let mut header = Value::Object(header).to_string().into_bytes();
        header.resize(header.len().next_multiple_of(8), b' ');
        let mut file = (header.len() as u64).to_le_bytes().to_vec();
        file.extend(header);
        file.extend(data);
        file
    }

    /// The logits of one sequence, plainly.
    pub fn logits(&self, ids: &[u32]) -> Vec<f64> {
        let prefix = self.prefix();
        let row = |name: &str, number: usize| -> Vec<f64> {
            let tensor = &self.tensors[&format!("{prefix}embeddings.{name}.weight")];
            tensor.data[number * self.hidden..][..self.hidden].iter().map(|n| f64::from(*n)).collect()
        };
        let offset = if self.family == Family::Roberta { 2 } else { 0 };
        let epsilon = if self.family == Family::DistilBert { 1e-12 } else { 1e-5 };
        let mut states: Vec<Vec<f64>> = Vec::new();
        for (position, id) in ids.iter().enumerate() {
            let mut sum =
                plus(&row("word_embeddings", *id as usize), &row("position_embeddings", position + offset));
            if self.family != Family::DistilBert {
                sum = plus(&sum, &row("token_type_embeddings", 0));
            }
            states.push(self.norm(&format!("{prefix}embeddings.LayerNorm"), &sum, epsilon));
        }
        for layer in 0..self.layers {
            let [query, key, value, output, norm, widen, narrow, last_norm] = self.layer_names(layer);
            let all = |name: &str, rows: &[Vec<f64>]| -> Vec<Vec<f64>> {
                rows.iter().map(|row| self.linear(name, row)).collect()
            };
            let (queries, keys, values) = (all(&query, &states), all(&key, &states), all(&value, &states));
            let head_size = self.hidden / self.heads;
            let mut next = Vec::new();
            for (token, state) in states.iter().enumerate() {
                let mut attended = vec![0.0; self.hidden];
                for head in 0..self.heads {
                    let part = head * head_size..(head + 1) * head_size;
                    let weights: Vec<f64> = keys
                        .iter()
                        .map(|key| {
                            let product: f64 =
                                part.clone().map(|column| queries[token][column] * key[column]).sum();
                            (product / (head_size as f64).sqrt()).exp()
                        })
                        .collect();
                    let sum: f64 = weights.iter().sum();
                    for column in part {
                        attended[column] = weights
                            .iter()
                            .zip(&values)
                            .map(|(weight, value)| weight * value[column])
                            .sum::<f64>()
                            / sum;
                    }
                }
                let state = self.norm(&norm, &plus(&self.linear(&output, &attended), state), epsilon);
                let wide: Vec<f64> = self.linear(&widen, &state).iter().map(|n| self.activate(*n)).collect();
                next.push(self.norm(&last_norm, &plus(&self.linear(&narrow, &wide), &state), epsilon));
            }
            states = next;
        }
        let [dense, classifier] = self.head_names();
        let relu = self.family == Family::DistilBert;
        let pooled: Vec<f64> = self
            .linear(dense, &states[0])
            .iter()
            .map(|number| if relu { number.max(0.0) } else { number.tanh() })
            .collect();
        self.linear(classifier, &pooled)
    }

    fn linear(&self, name: &str, input: &[f64]) -> Vec<f64> {
        let weights = &self.tensors[&format!("{name}.weight")].data;
        let bias = &self.tensors[&format!("{name}.bias")].data;
        let products = |row: &[f32]| row.iter().zip(input).map(|(w, n)| f64::from(*w) * n).sum::<f64>();
        weights.chunks(input.len()).zip(bias).map(|(row, bias)| products(row) + f64::from(*bias)).collect()
    }

    fn norm(&self, name: &str, input: &[f64], epsilon: f64) -> Vec<f64> {
        let mean = input.iter().sum::<f64>() / input.len() as f64;
        let variance = input.iter().map(|n| (n - mean).powi(2)).sum::<f64>() / input.len() as f64;
        let gain = &self.tensors[&format!("{name}.weight")].data;
        let bias = &self.tensors[&format!("{name}.bias")].data;
        let scale = 1.0 / (variance + epsilon).sqrt();
        let affine = gain.iter().zip(bias);
        input
            .iter()
            .zip(affine)
            .map(|(n, (g, b))| (n - mean) * scale * f64::from(*g) + f64::from(*b))
            .collect()
    }

    fn activate(&self, x: f64) -> f64 {
        match self.activation {
            "relu" => x.max(0.0),
            "gelu_new" => {
                let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3));
                0.5 * x * (1.0 + inner.tanh())
            }
            _ => 0.5 * x * (1.0 + error_function(x / 2.0_f64.sqrt())),
        }
    }
}

/// By its series, which converges everywhere.
fn error_function(x: f64) -> f64 {
    if x.abs() > 5.0 {
        return x.signum();
    }
    let (mut term, mut sum) = (x, x);
    for n in 1..200 {
        term *= -x * x / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    sum * 2.0 / std::f64::consts::PI.sqrt()
}

fn plus(left: &[f64], right: &[f64]) -> Vec<f64> {
    left.iter().zip(right).map(|(left, right)| left + right).collect()
}

/// What is left of a number in the file.
fn rounded(number: f32, numbers: Numbers) -> f32 {
    match numbers {
        Numbers::F32 => number,
        Numbers::F16 => half::f16::from_f32(number).to_f32(),
        Numbers::Bf16 => half::bf16::from_f32(number).to_f32(),
    }
}

/// A word-level tokenizer: `[CLS]` 2, `[SEP]` 3, words `w0` to `w19` from 4 on.
pub fn tokenizer() -> Value {
    let mut vocabulary: BTreeMap<String, usize> =
        (0..20).map(|word| (format!("w{word}"), word + 4)).collect();
    for (id, special) in ["[PAD]", "[UNK]", "[CLS]", "[SEP]"].into_iter().enumerate() {
        vocabulary.insert(special.to_owned(), id);
    }
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
        "normalizer": null, "decoder": null,
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                       {"SpecialToken": {"id": "[SEP]", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {
                "[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]},
                "[SEP]": {"id": "[SEP]", "ids": [3], "tokens": ["[SEP]"]},
            },
        },
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "[UNK]"},
    })
}
