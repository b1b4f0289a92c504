//! The default model, embedded: star ratings of English product reviews.

use crate::model::ModelFiles;

/// The files of `models/star-rating/`.
pub(crate) const FILES: ModelFiles<'static> = ModelFiles {
    config: include_bytes!("../../../models/star-rating/config.json"),
    tokenizer: include_bytes!("../../../models/star-rating/tokenizer.json"),
    weights: include_bytes!("../../../models/star-rating/model.safetensors"),
};
