//! Tokens of the SQL text.

use crate::Span;

/// A piece of the text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    pub(crate) span: Span,
}

/// What a token is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TokenKind {
    /// A keyword or a plain name, folded to upper case.
    Word(String),
    /// A name in double quotes, as written.
    QuotedName(String),
    /// `'text'`.
    Text(String),
    /// `u&'text'` with its escapes still in place.
    UnicodeText(String),
    /// `X'3F67'`.
    Binary(Vec<u8>),
    /// Digits alone.
    Integer(String),
    /// Digits with a point.
    Decimal(String),
    /// A number with an exponent.
    Approximate(String),
    /// An operator or a punctuation mark.
    Symbol(&'static str),
    /// The end of the text.
    End,
}

impl TokenKind {
    /// How a message names the token.
    pub(crate) fn describe(&self) -> String {
        match self {
            TokenKind::Word(word) => word.clone(),
            TokenKind::QuotedName(name) => format!("\"{name}\""),
            TokenKind::Text(_) | TokenKind::UnicodeText(_) => "a string".to_owned(),
            TokenKind::Binary(_) => "a binary string".to_owned(),
            TokenKind::Integer(digits) | TokenKind::Decimal(digits) | TokenKind::Approximate(digits) => {
                digits.clone()
            }
            TokenKind::Symbol(symbol) => format!("\"{symbol}\""),
            TokenKind::End => "the end of the text".to_owned(),
        }
    }
}
