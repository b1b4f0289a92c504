//! What can go wrong while a model is loaded.

use std::path::PathBuf;

/// Why a folder is not a model that can be served.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file is absent or unreadable.
    #[error(
        "cannot read {path}: {source}; a model folder holds config.json, tokenizer.json and model.safetensors"
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is larger than any model's that is supported.
    #[error("{path} has more than {limit} bytes, which is the limit for this file")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The most bytes it may have.
        limit: u64,
    },
    /// `config.json` is not what it should be.
    #[error("config.json: {0}")]
    Config(String),
    /// Another kind of network.
    #[error(
        "config.json: model_type \"{0}\" is not supported; supported are bert, distilbert and roberta, each for \
         sequence classification"
    )]
    UnsupportedModelType(String),
    /// Another activation function.
    #[error("config.json: activation \"{0}\" is not supported; supported are gelu, gelu_new and relu")]
    UnsupportedActivation(String),
    /// A variant of the network that is computed in another way.
    #[error("config.json: {setting} \"{value}\" is not supported; supported is {supported}")]
    Unsupported {
        /// The key in the file.
        setting: &'static str,
        /// Its value.
        value: String,
        /// What would do.
        supported: &'static str,
    },
    /// `tokenizer.json` cannot be used.
    #[error("tokenizer.json: {0}")]
    Tokenizer(String),
    /// `model.safetensors` is damaged.
    #[error("model.safetensors: {0}")]
    Weights(String),
    /// A tensor is not there.
    #[error(
        "model.safetensors: tensor \"{0}\" is missing; is this a sequence-classification model of that type?"
    )]
    MissingTensor(String),
    /// A tensor does not fit the configuration.
    #[error(
        "model.safetensors: tensor \"{name}\" has the shape {found:?} and config.json asks for {expected:?}; \
         the files belong to different models"
    )]
    WrongShape {
        /// Its name.
        name: String,
        /// By the configuration.
        expected: Vec<usize>,
        /// In the file.
        found: Vec<usize>,
    },
    /// A tensor is not in a floating-point format that is read.
    #[error("model.safetensors: tensor \"{name}\" is {found}; supported are F32, F16 and BF16")]
    UnsupportedNumbers {
        /// Its name.
        name: String,
        /// Its format.
        found: String,
    },
    /// The tokenizer makes tokens for which the model has no embedding.
    #[error(
        "tokenizer.json has tokens up to number {greatest_token} and the model has {vocabulary} embeddings; \
         the files belong to different models"
    )]
    VocabularyMismatch {
        /// The greatest token number.
        greatest_token: u32,
        /// Rows of the embedding.
        vocabulary: usize,
    },
}
