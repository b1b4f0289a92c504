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
