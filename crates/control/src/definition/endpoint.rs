//! Endpoints.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// An endpoint: a model that is loaded and answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointDefinition {
    /// Which model.
    pub model: Model,
    /// Worker threads; one a processor unless given.
    pub threads: Option<usize>,
    /// Texts that may wait.
    pub queue_texts: Option<usize>,
}

/// Where a model comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Model {
    /// The star-rating model in the program.
    BuiltinStarRating,
    /// A Hugging Face folder: `config.json`, `tokenizer.json`, `model.safetensors`.
    Folder(PathBuf),
}

impl Model {
    /// As a pipeline file writes it.
    pub fn to_text(&self) -> String {
        match self {
            Model::BuiltinStarRating => "builtin:star-rating".to_owned(),
            Model::Folder(folder) => folder.display().to_string(),
        }
    }
}
