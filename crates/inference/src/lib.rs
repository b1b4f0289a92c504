//! Text classification on the CPU: loads a model folder, batches requests, answers with labels.
//!
//! ```text
//!  classify(texts) ─▶ bounded queue ─▶ worker threads ─▶ tokenize ─▶ sort, chunk ─▶ encoder ─▶ answers
//!        │                                 one model, shared, read-only                │
//!        └─ refused at once when full                                   kernel: avx2 or portable
//! ```
//!
//! | module | holds |
//! |---|---|
//! | [`server`] | [`ModelServer`]: queue, dynamic batches, worker threads, shutdown |
//! | [`model`] | [`Model`]: a loaded folder; texts or tokens in, logits and labels out |
//! | `answer_cache` | the newest answers by text |
//! | `tokenize` | `tokenizer.json`, truncation, long texts |
//! | `config`, `weights`, [`error`] | reading and checking the files |
//! | `encoder` | the network over padding-free batches |
//! | `kernel` | linear layers, norms and attention, for AVX2 and portable |
//! | [`mod@bench`] | tokens per second against the machine's peak, measured in the same run |
//!
//! Supported: BERT, DistilBERT and RoBERTa for single-label sequence classification, weights in fp32, fp16 or
//! bf16, computed in fp32; activations gelu, gelu_new, relu; any hidden size divisible by the heads.
//!
//! Invariants of the crate:
//!
//! - Whatever a file or a text holds is met with an error, not a panic; memory is bounded by the settings.
//! - The answer to a text does not depend on the batch it travelled in, beyond rounding (1e-5 in the logits).
//! - `unsafe` stands in `kernel/avx2.rs` only.

mod answer_cache;
pub mod bench;
mod config;
mod encoder;
pub mod error;
mod kernel;
pub mod model;
pub mod server;
#[cfg(feature = "default-model")]
mod star_rating;
mod tokenize;
mod weights;

pub use error::LoadError;
pub use kernel::KernelChoice;
pub use model::{Classification, Model, ModelError, ModelFiles, Workspace};
pub use server::{
    ClassifyError, ModelServer, ModelSource, ServerSettings, ServerSettingsError, ServerStatistics,
};
