//! Text to tokens: `tokenizer.json`, truncation that shows, and huge texts read only as far as needed.
//!
//! A text of a mebibyte is cut to 128 tokens or so; tokenizing all of it would cost a thousand times what the
//! model costs. So a long text is tokenized up to a boundary that no word crosses (before an ASCII white
//! space), four times as far when that was not enough. A prefix that already overflows the limit gives the
//! same tokens as the whole text, because tokenizers that split at white space first look at one word at a
//! time. Other tokenizers, and those that truncate on the left, get the whole text.

use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::utils::truncation::{TruncationDirection, TruncationParams};
use tokenizers::{Encoding, PostProcessor as _, Tokenizer};

use crate::encoder::TokenSequence;
use crate::error::LoadError;

/// Bytes of text read at first, per token of the limit.
const BYTES_PER_TOKEN: usize = 16;

/// A tokenizer with the limit of its model.
pub(crate) struct TextTokenizer {
    tokenizer: Tokenizer,
    longest_sequence: usize,
    reads_prefixes: bool,
}

/// The tokens of a text, and whether that is all of it.
#[derive(Debug)]
pub(crate) struct Tokenized {
    pub(crate) sequence: TokenSequence,
    pub(crate) truncated: bool,
}

impl TextTokenizer {
    /// Reads `tokenizer.json` for a model of `vocabulary` embeddings, `token_types` token types (0: they are
    /// ignored) and positions for `longest_sequence` tokens. The file's own truncation, if shorter, counts.
    pub(crate) fn load(
        json: &[u8],
        vocabulary: usize,
        token_types: usize,
        longest_sequence: usize,
    ) -> Result<TextTokenizer, LoadError> {
        let refused = |error: tokenizers::Error| LoadError::Tokenizer(error.to_string());
        check_size(json, vocabulary).map_err(LoadError::Tokenizer)?;
        let mut tokenizer = Tokenizer::from_bytes(json).map_err(refused)?;
        let greatest_token = tokenizer.get_vocab(true).into_values().max().unwrap_or(0);
        if greatest_token as usize >= vocabulary {
            return Err(LoadError::VocabularyMismatch { greatest_token, vocabulary });
        }
        tokenizer.with_padding(None);
        let stored = tokenizer.get_truncation().cloned();
        let longest_sequence =
            stored.as_ref().map_or(longest_sequence, |stored| stored.max_length.min(longest_sequence));
        let special_tokens =
            tokenizer.get_post_processor().map_or(0, |processor| processor.added_tokens(false));
        if longest_sequence <= special_tokens {
            return Err(LoadError::Tokenizer(format!(
                "sequences of {longest_sequence} tokens leave no room beside {special_tokens} special tokens"
            )));
        }
        let direction = stored.map_or(TruncationDirection::Right, |stored| stored.direction);
        let truncation =
            TruncationParams { max_length: longest_sequence, stride: 0, direction, ..Default::default() };
        tokenizer.with_truncation(Some(truncation)).map_err(refused)?;
        let splits_at_white_space = matches!(
            tokenizer.get_pre_tokenizer(),
            Some(
                PreTokenizerWrapper::BertPreTokenizer(_)
                    | PreTokenizerWrapper::ByteLevel(_)
                    | PreTokenizerWrapper::Whitespace(_)
                    | PreTokenizerWrapper::WhitespaceSplit(_)
            )
        );
        let reads_prefixes = splits_at_white_space && matches!(direction, TruncationDirection::Right);
        let tokenizer = TextTokenizer { tokenizer, longest_sequence, reads_prefixes };
        tokenizer.check(token_types)?;
        Ok(tokenizer)
    }

    /// Any text must give at least one token (the models classify by the first) of a known type.
    fn check(&self, token_types: usize) -> Result<(), LoadError> {
        let empty = self.tokenize("").map_err(LoadError::Tokenizer)?.sequence;
        if empty.ids.is_empty() {
            return Err(LoadError::Tokenizer(
                "an empty text gives no token at all; a post-processor that adds the special tokens is missing"
                    .to_owned(),
            ));
        }
        let sample = self.tokenize("a sample").map_err(LoadError::Tokenizer)?.sequence;
        // A template may add to a sequence, and repeat it.
        let long = self.tokenize(&"a sample ".repeat(self.longest_sequence)).map_err(LoadError::Tokenizer)?;
        if long.sequence.ids.len() > self.longest_sequence {
            return Err(LoadError::Tokenizer(format!(
                "a long text gives {} tokens and the model takes {}; is its post-processor for pairs of texts?",
                long.sequence.ids.len(),
                self.longest_sequence
            )));
        }
        if token_types > 0 && sample.type_ids.iter().any(|type_id| *type_id as usize >= token_types) {
            return Err(LoadError::Tokenizer(format!(
                "its token types are {:?} and config.json has type_vocab_size {token_types}",
                sample.type_ids
            )));
        }
        Ok(())
    }

    /// The most tokens a sequence may have, special ones counted.
    pub(crate) fn longest_sequence(&self) -> usize {
        self.longest_sequence
    }

    /// The tokens of a text, cut to the limit. The error says what the tokenizer said.
    pub(crate) fn tokenize(&self, text: &str) -> Result<Tokenized, String> {
        let mut reach = self.longest_sequence.saturating_mul(BYTES_PER_TOKEN);
        while self.reads_prefixes && reach < text.len() {
            let prefix = before_white_space(text, reach);
            if prefix.len() == text.len() {
                break;
            }
            let encoding = self.encode(prefix)?;
            if !encoding.get_overflowing().is_empty() {
                return Ok(tokenized(&encoding));
            }
            reach = prefix.len().saturating_mul(4);
        }
        Ok(tokenized(&self.encode(text)?))
    }

    fn encode(&self, text: &str) -> Result<Encoding, String> {
        self.tokenizer.encode_fast(text, true).map_err(|error| error.to_string())
    }
}

/// Bytes of a tokenizer file: so many, and so many more for each token of the vocabulary (32 is usual).
const FILE_BYTES: usize = 1 << 20;
const FILE_BYTES_PER_TOKEN: usize = 128;
/// Values in it: so many, and so many more for each token (1 to 4 are usual). Each takes a hundred bytes while it is read.
const FILE_VALUES: usize = 1 << 16;
const FILE_VALUES_PER_TOKEN: usize = 8;
/// How much longer a text may become before it is split: by the replacements of the file, multiplied.
const MOST_GROWTH: usize = 256;

/// Checks the file before it is read: what that takes must be in proportion to the vocabulary, and what a text takes
/// later to the text.
fn check_size(json: &[u8], vocabulary: usize) -> Result<(), String> {
    let bytes = vocabulary.saturating_mul(FILE_BYTES_PER_TOKEN).saturating_add(FILE_BYTES);
    if json.len() > bytes {
        return Err(format!(
            "it has {} bytes: more than {bytes}, which a vocabulary of {vocabulary} tokens can need",
            json.len()
        ));
    }
    let values = vocabulary.saturating_mul(FILE_VALUES_PER_TOKEN).saturating_add(FILE_VALUES);
    if values_of(json) > values {
        return Err(format!(
            "it has more than {values} values, which a vocabulary of {vocabulary} tokens can need"
        ));
    }
    #[derive(serde::Deserialize)]
    struct Steps {
        normalizer: Option<serde_json::Value>,
        post_processor: Option<serde_json::Value>,
    }
    let steps: Steps = serde_json::from_slice(json).map_err(|error| error.to_string())?;
    let growth = steps.normalizer.as_ref().map_or(1, growth_of);
    if growth > MOST_GROWTH {
        return Err(format!(
            "its normalizer makes texts up to {growth} times as long; at most {MOST_GROWTH} times is accepted"
        ));
    }
    // Each repetition multiplies the parts of a text that is too long for the model.
    let repetitions = steps.post_processor.as_ref().map_or(0, repetitions_of);
    if repetitions > 1 {
        return Err(format!(
            "its post-processor puts a text {repetitions} times into a sequence; once is accepted"
        ));
    }
    Ok(())
}

/// How often the templates of a post-processor name the text.
fn repetitions_of(processor: &serde_json::Value) -> usize {
    let list = |key: &str| processor.get(key).and_then(serde_json::Value::as_array).into_iter().flatten();
    let own = list("single").filter(|piece| piece.get("Sequence").is_some()).count();
    own + list("processors").map(repetitions_of).sum::<usize>()
}

/// At most so many values are in a JSON text: one behind each comma, bracket and brace outside of strings.
fn values_of(json: &[u8]) -> usize {
    let (mut count, mut in_string, mut is_escaped) = (1, false, false);
    for byte in json {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_string => is_escaped = true,
            b'"' => in_string = !in_string,
            b',' | b'[' | b'{' if !in_string => count += 1,
            _ => {}
        }
    }
    count
}

/// How much longer a normalizer makes a text at most: a replacement may stand for nothing, between any two characters.
fn growth_of(normalizer: &serde_json::Value) -> usize {
    let content = |key: &str| normalizer.get(key).and_then(serde_json::Value::as_str).map_or(0, str::len);
    let own = match normalizer.get("type").and_then(serde_json::Value::as_str) {
        Some("Replace") => content("content") + 1,
        Some("Prepend") => content("prepend") + 1,
        _ => 1,
    };
    let parts = normalizer.get("normalizers").and_then(serde_json::Value::as_array);
    parts.into_iter().flatten().map(growth_of).fold(own, usize::saturating_mul)
}

fn tokenized(encoding: &Encoding) -> Tokenized {
    let sequence =
        TokenSequence { ids: encoding.get_ids().to_vec(), type_ids: encoding.get_type_ids().to_vec() };
    Tokenized { sequence, truncated: !encoding.get_overflowing().is_empty() }
}

/// The text up to the first ASCII white space at or after `reach` that follows something else.
fn before_white_space(text: &str, reach: usize) -> &str {
    let bytes = text.as_bytes();
    let is_boundary = |at: &usize| bytes[*at].is_ascii_whitespace() && !bytes[*at - 1].is_ascii_whitespace();
    let end = (reach.max(1)..bytes.len()).find(is_boundary).unwrap_or(bytes.len());
    &text[..end]
}
