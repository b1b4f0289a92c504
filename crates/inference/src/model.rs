//! A loaded model: files in, labels out.

use millstream_wording::counted;
use std::io::Read;
use std::path::Path;

use crate::config::Architecture;
use crate::encoder::{Encoder, Scratch, TokenSequence};
use crate::error::LoadError;
use crate::kernel::{Kernel, KernelChoice, kernel};
use crate::tokenize::TextTokenizer;

/// Tokens that pass through the network together: their activations stay in the cache.
const CHUNK_TOKENS: usize = 512;

/// The most bytes of each file. The largest supported models have about 1.5 GiB of weights.
const MOST_CONFIG_BYTES: u64 = 4 << 20;
const MOST_TOKENIZER_BYTES: u64 = 64 << 20;
const MOST_WEIGHT_BYTES: u64 = 4 << 30;

/// Reads a file of a folder; one that is too large, or has no end, takes no memory beyond the limit.
fn read(folder: &Path, name: &str, limit: u64) -> Result<Vec<u8>, LoadError> {
    let path = folder.join(name);
    let too_large = |path| LoadError::TooLarge { path, limit };
    let file = match millstream_host::files::open(&path) {
        Ok(file) => file,
        Err(source) => return Err(LoadError::Read { path, source }),
    };
    if file.metadata().is_ok_and(|metadata| metadata.len() > limit) {
        return Err(too_large(path));
    }
    let mut bytes = Vec::new();
    match file.take(limit + 1).read_to_end(&mut bytes) {
        Ok(_) if bytes.len() as u64 > limit => Err(too_large(path)),
        Ok(_) => Ok(bytes),
        Err(source) => Err(LoadError::Read { path, source }),
    }
}

/// What the model says of one text.
#[derive(Clone, Debug, PartialEq)]
pub struct Classification {
    /// The most probable label, by the model's `id2label`.
    pub label: String,
    /// Its number.
    pub label_index: usize,
    /// Its probability.
    pub score: f32,
    /// The probability of every label; they add up to 1.
    pub probabilities: Vec<f32>,
    /// What the network gave for every label, before the probabilities.
    pub logits: Vec<f32>,
    /// Tokens that were read, special ones counted.
    pub token_count: usize,
    /// Whether the text had more tokens than the model reads: then only its beginning counted.
    pub truncated: bool,
}

/// A text-classification model in memory. Shared between threads; every thread brings its [`Workspace`].
pub struct Model {
    encoder: Encoder,
    tokenizer: TextTokenizer,
    kernel: &'static dyn Kernel,
}

/// The three files of a model folder, as bytes.
#[derive(Clone, Copy)]
pub struct ModelFiles<'a> {
    /// `config.json`.
    pub config: &'a [u8],
    /// `tokenizer.json`.
    pub tokenizer: &'a [u8],
    /// `model.safetensors`.
    pub weights: &'a [u8],
}

/// Buffers of one thread; they grow to the largest batch, at most 512 tokens or one text.
#[derive(Default)]
pub struct Workspace {
    scratch: Scratch,
}

/// Why texts or tokens could not be classified.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// The tokenizer gave up.
    #[error("text {index} cannot be tokenized: {reason}")]
    Tokenizer {
        /// Which text of the call.
        index: usize,
        /// What the tokenizer said.
        reason: String,
    },
    /// The network gave infinity or no number at all.
    #[error(
        "the model gives no finite numbers for text {index}; its weights are damaged or beyond the range of \
         32-bit floats"
    )]
    NotFinite {
        /// Which text of the call.
        index: usize,
    },
    /// Token numbers the model does not have, or too many or none of them.
    #[error("sequence {index}: {reason}")]
    Tokens {
        /// Which sequence of the call.
        index: usize,
        /// What is wrong with it.
        reason: String,
    },
}

impl Model {
    /// Loads a Hugging Face folder: `config.json`, `tokenizer.json`, `model.safetensors`.
    ///
    /// # Errors
    /// The first thing that does not fit, by file and name.
    pub fn load(folder: &Path) -> Result<Model, LoadError> {
        Model::load_with(folder, KernelChoice::Best)
    }

    /// As [`Self::load`], with a choice of kernel.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_with(folder: &Path, choice: KernelChoice) -> Result<Model, LoadError> {
        let config = read(folder, "config.json", MOST_CONFIG_BYTES)?;
        let tokenizer = read(folder, "tokenizer.json", MOST_TOKENIZER_BYTES)?;
        let weights = read(folder, "model.safetensors", MOST_WEIGHT_BYTES)?;
        let files = ModelFiles { config: &config, tokenizer: &tokenizer, weights: &weights };
        Model::from_files(files, choice)
    }

    /// The star-rating model that is part of the product: see `models/star-rating/MODEL_CARD.md`.
    ///
    /// # Errors
    /// None that a test has not ruled out; the type is that of every other model.
    #[cfg(feature = "default-model")]
    pub fn embedded_star_rating() -> Result<Model, LoadError> {
        Model::from_files(crate::star_rating::FILES, KernelChoice::Best)
    }

    /// Loads a model from the bytes of its files.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn from_files(files: ModelFiles<'_>, choice: KernelChoice) -> Result<Model, LoadError> {
        let architecture = Architecture::parse(files.config)?;
        // The weights first: what the configuration claims, the vocabulary above all, is then known to be true.
        let encoder = Encoder::load(architecture, files.weights)?;
        let architecture = encoder.architecture();
        let tokenizer = TextTokenizer::load(
            files.tokenizer,
            architecture.vocabulary,
            architecture.token_types,
            architecture.longest_sequence(),
        )?;
        Ok(Model { encoder, tokenizer, kernel: kernel(choice) })
    }

    /// The labels that the model of a folder gives, in the order of their numbers. Reads `config.json` only.
    ///
    /// # Errors
    /// The file cannot be read, or is not that of a supported model.
    pub fn labels_of_folder(folder: &Path) -> Result<Vec<String>, LoadError> {
        Ok(Architecture::parse(&read(folder, "config.json", MOST_CONFIG_BYTES)?)?.labels)
    }

    /// The labels in the order of their numbers.
    pub fn labels(&self) -> &[String] {
        &self.encoder.architecture().labels
    }

    /// The most tokens of a text that count, special ones included.
    pub fn longest_sequence(&self) -> usize {
        self.tokenizer.longest_sequence()
    }

    /// Token numbers are below this.
    pub fn vocabulary(&self) -> usize {
        self.encoder.architecture().vocabulary
    }

    /// The kernel that computes: `avx2` or `portable`.
    pub fn kernel_name(&self) -> &'static str {
        self.kernel.name()
    }

    /// The token numbers of a text, cut to [`Self::longest_sequence`], and whether it was cut.
    ///
    /// # Errors
    /// The tokenizer gave up.
    pub fn tokenize(&self, text: &str) -> Result<(Vec<u32>, bool), ModelError> {
        let tokenized =
            self.tokenizer.tokenize(text).map_err(|reason| ModelError::Tokenizer { index: 0, reason })?;
        Ok((tokenized.sequence.ids, tokenized.truncated))
    }

    /// Classifies texts on this thread, in an order and in chunks of its own; answers in the order of the texts.
    /// What stands beside a text does not change its answer beyond rounding.
    ///
    /// # Errors
    /// The tokenizer gave up on a text, or damaged weights gave something that is no number.
    pub fn classify(
        &self,
        texts: &[&str],
        workspace: &mut Workspace,
    ) -> Result<Vec<Classification>, ModelError> {
        let mut sequences = Vec::with_capacity(texts.len());
        let mut truncated = Vec::with_capacity(texts.len());
        for (index, text) in texts.iter().enumerate() {
            let tokenized =
                self.tokenizer.tokenize(text).map_err(|reason| ModelError::Tokenizer { index, reason })?;
            sequences.push(tokenized.sequence);
            truncated.push(tokenized.truncated);
        }
        let logits = self.logits_of_sequences(&sequences, workspace);
        if let Some(index) = logits.iter().position(|row| row.iter().any(|logit| !logit.is_finite())) {
            return Err(ModelError::NotFinite { index });
        }
        let answers = logits.into_iter().zip(&sequences).zip(truncated);
        Ok(answers
            .map(|((logits, sequence), truncated)| self.classification(logits, sequence.ids.len(), truncated))
            .collect())
    }

    /// The logits of token sequences, special tokens included.
    ///
    /// # Errors
    /// A sequence is empty, too long, or has a token the model does not know.
    pub fn logits(
        &self,
        sequences: &[Vec<u32>],
        workspace: &mut Workspace,
    ) -> Result<Vec<Vec<f32>>, ModelError> {
        let longest = self.encoder.architecture().longest_sequence();
        let vocabulary = self.vocabulary();
        for (index, ids) in sequences.iter().enumerate() {
            let refused = |reason: String| Err(ModelError::Tokens { index, reason });
            if ids.is_empty() || ids.len() > longest {
                return refused(format!(
                    "it has {}; from 1 to {longest} are accepted",
                    counted(ids.len(), "token")
                ));
            }
            if let Some(unknown) = ids.iter().find(|id| **id as usize >= vocabulary) {
                return refused(format!("token {unknown} is not below the vocabulary size {vocabulary}"));
            }
        }
        let sequences: Vec<TokenSequence> =
            sequences.iter().map(|ids| TokenSequence { ids: ids.clone(), type_ids: Vec::new() }).collect();
        Ok(self.logits_of_sequences(&sequences, workspace))
    }

    /// Floating-point operations of a forward pass over sequences of these lengths.
    pub(crate) fn operations(&self, lengths: impl Iterator<Item = usize>) -> u64 {
        self.encoder.operations(lengths)
    }

    pub(crate) fn kernel(&self) -> &'static dyn Kernel {
        self.kernel
    }

    /// Sorted by length, in chunks of at most [`CHUNK_TOKENS`]; the logits in the order of the sequences.
    fn logits_of_sequences(&self, sequences: &[TokenSequence], workspace: &mut Workspace) -> Vec<Vec<f32>> {
        let labels = self.labels().len();
        let mut order: Vec<usize> = (0..sequences.len()).collect();
        order.sort_by_key(|index| sequences[*index].ids.len());
        let mut logits = vec![Vec::new(); sequences.len()];
        let mut rest = order.as_slice();
        while !rest.is_empty() {
            let mut tokens = 0;
            let fitting = rest.iter().take_while(|index| {
                tokens += sequences[**index].ids.len();
                tokens <= CHUNK_TOKENS
            });
            let (chunk, after) = rest.split_at(fitting.count().max(1));
            let batch: Vec<&TokenSequence> = chunk.iter().map(|index| &sequences[*index]).collect();
            let chunk_logits = self.encoder.logits(self.kernel, &batch, &mut workspace.scratch);
            for (index, row) in chunk.iter().zip(chunk_logits.chunks_exact(labels)) {
                logits[*index] = row.to_vec();
            }
            rest = after;
        }
        logits
    }

    fn classification(&self, logits: Vec<f32>, token_count: usize, truncated: bool) -> Classification {
        let greatest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let label_index = logits.iter().position(|logit| *logit == greatest).unwrap_or(0);
        let mut probabilities: Vec<f32> = logits.iter().map(|logit| (logit - greatest).exp()).collect();
        let sum: f32 = probabilities.iter().sum();
        for probability in &mut probabilities {
            *probability /= sum;
        }
        Classification {
            label: self.labels()[label_index].clone(),
            label_index,
            score: probabilities[label_index],
            probabilities,
            logits,
            token_count,
            truncated,
        }
    }
}

impl std::fmt::Debug for Model {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Model")
            .field("architecture", self.encoder.architecture())
            .field("kernel", &self.kernel.name())
            .finish_non_exhaustive()
    }
}
