//! `config.json` of a Hugging Face folder, checked: what a network is made of.

use millstream_wording::agreeing;
use std::collections::BTreeMap;

use serde::Deserialize;

use crate::error::LoadError;
use crate::kernel::Activation;

/// The families whose tensors and heads are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    Bert,
    DistilBert,
    Roberta,
}

/// Sizes and choices of a network, all consistent.
#[derive(Clone, Debug)]
pub(crate) struct Architecture {
    pub(crate) family: Family,
    pub(crate) vocabulary: usize,
    pub(crate) hidden: usize,
    pub(crate) heads: usize,
    pub(crate) layers: usize,
    pub(crate) intermediate: usize,
    /// Rows of the position embedding.
    pub(crate) positions: usize,
    /// The row of the first token's position.
    pub(crate) position_offset: usize,
    /// 0 where the family has none.
    pub(crate) token_types: usize,
    pub(crate) activation: Activation,
    pub(crate) norm_epsilon: f32,
    pub(crate) labels: Vec<String>,
}

/// The keys that are read; each family has names of its own for some.
#[derive(Deserialize)]
struct RawConfig {
    model_type: Option<String>,
    vocab_size: Option<usize>,
    #[serde(alias = "dim")]
    hidden_size: Option<usize>,
    #[serde(alias = "n_heads")]
    num_attention_heads: Option<usize>,
    #[serde(alias = "n_layers")]
    num_hidden_layers: Option<usize>,
    #[serde(alias = "hidden_dim")]
    intermediate_size: Option<usize>,
    max_position_embeddings: Option<usize>,
    type_vocab_size: Option<usize>,
    #[serde(alias = "activation")]
    hidden_act: Option<String>,
    layer_norm_eps: Option<f32>,
    pad_token_id: Option<usize>,
    id2label: Option<BTreeMap<String, Label>>,
    num_labels: Option<usize>,
    problem_type: Option<String>,
    position_embedding_type: Option<String>,
}

/// A label; some training scripts write numbers.
#[derive(Deserialize)]
#[serde(untagged)]
enum Label {
    Text(String),
    Number(i64),
}

impl Label {
    fn text(&self) -> String {
        match self {
            Label::Text(text) => text.clone(),
            Label::Number(number) => number.to_string(),
        }
    }
}

impl Architecture {
    /// Reads and checks `config.json`.
    pub(crate) fn parse(json: &[u8]) -> Result<Architecture, LoadError> {
        let raw: RawConfig =
            serde_json::from_slice(json).map_err(|error| LoadError::Config(error.to_string()))?;
        let model_type = raw.model_type.clone().ok_or_else(|| missing("model_type"))?;
        let family = match model_type.as_str() {
            "bert" => Family::Bert,
            "distilbert" => Family::DistilBert,
            "roberta" => Family::Roberta,
            _ => return Err(LoadError::UnsupportedModelType(model_type)),
        };
        only("problem_type", &raw.problem_type, "single_label_classification")?;
        only("position_embedding_type", &raw.position_embedding_type, "absolute")?;
        let hidden = at_least_one("hidden_size", raw.hidden_size)?;
        let heads = at_least_one("num_attention_heads", raw.num_attention_heads)?;
        if !hidden.is_multiple_of(heads) {
            return Err(LoadError::Config(format!(
                "hidden_size {hidden} is not divisible by num_attention_heads {heads}"
            )));
        }
        let position_offset = match family {
            Family::Roberta => raw.pad_token_id.unwrap_or(1).saturating_add(1),
            Family::Bert | Family::DistilBert => 0,
        };
        let positions = at_least_one("max_position_embeddings", raw.max_position_embeddings)?;
        if positions <= position_offset {
            return Err(LoadError::Config(format!(
                "max_position_embeddings {positions} leaves no room after pad_token_id"
            )));
        }
        Ok(Architecture {
            family,
            vocabulary: at_least_one("vocab_size", raw.vocab_size)?,
            hidden,
            heads,
            layers: at_least_one("num_hidden_layers", raw.num_hidden_layers)?,
            intermediate: at_least_one("intermediate_size", raw.intermediate_size)?,
            positions,
            position_offset,
            token_types: match family {
                Family::DistilBert => 0,
                Family::Bert | Family::Roberta => at_least_one("type_vocab_size", raw.type_vocab_size)?,
            },
            activation: activation(raw.hidden_act.as_deref())?,
            norm_epsilon: raw.layer_norm_eps.unwrap_or(1e-12),
            labels: labels(raw.id2label, raw.num_labels)?,
        })
    }

    /// Numbers a head works on.
    pub(crate) fn head_size(&self) -> usize {
        self.hidden / self.heads
    }

    /// The longest sequence, in tokens.
    pub(crate) fn longest_sequence(&self) -> usize {
        self.positions - self.position_offset
    }
}

fn missing(key: &str) -> LoadError {
    LoadError::Config(format!("\"{key}\" is missing"))
}

fn at_least_one(key: &str, value: Option<usize>) -> Result<usize, LoadError> {
    match value {
        Some(0) => Err(LoadError::Config(format!("\"{key}\" is 0"))),
        Some(value) => Ok(value),
        None => Err(missing(key)),
    }
}

fn only(setting: &'static str, value: &Option<String>, supported: &'static str) -> Result<(), LoadError> {
    match value {
        Some(value) if value != supported => {
            Err(LoadError::Unsupported { setting, value: value.clone(), supported })
        }
        _ => Ok(()),
    }
}

fn activation(name: Option<&str>) -> Result<Activation, LoadError> {
    match name {
        None | Some("gelu") => Ok(Activation::Gelu),
        Some("gelu_new" | "gelu_pytorch_tanh") => Ok(Activation::GeluTanh),
        Some("relu") => Ok(Activation::Relu),
        Some(other) => Err(LoadError::UnsupportedActivation(other.to_owned())),
    }
}

/// The labels in order; where the file names none, `LABEL_0` and so on.
fn labels(named: Option<BTreeMap<String, Label>>, count: Option<usize>) -> Result<Vec<String>, LoadError> {
    let Some(named) = named else {
        let count = count.unwrap_or(2);
        if !(1..=100_000).contains(&count) {
            return Err(LoadError::Config(format!("num_labels is {count}")));
        }
        return Ok((0..count).map(|label| format!("LABEL_{label}")).collect());
    };
    if named.is_empty() {
        return Err(LoadError::Config("id2label is empty".to_owned()));
    }
    (0..named.len())
        .map(|label| {
            named.get(&label.to_string()).map(Label::text).ok_or_else(|| {
                let entries = agreeing(named.len(), "entry", "entries");
                LoadError::Config(format!("id2label has {entries} and none for {label}"))
            })
        })
        .collect()
}
