//! From text to tokens.
//!
//! The lexer never stops: what it cannot read becomes a diagnostic and is passed over.

use crate::foreign::foreign_operator;
use crate::limits::{MAX_NAME_CHARACTERS, MOST_REMARKS};
use crate::token::{Token, TokenKind};
use crate::{Diagnostic, Span, Subject};

const TWO_CHARACTER_SYMBOLS: [&str; 6] = ["<>", "!=", "<=", ">=", "||", "->"];
const ONE_CHARACTER_SYMBOLS: [&str; 17] =
    ["(", ")", ",", ";", ".", "+", "-", "*", "/", "=", "<", ">", "{", "}", "[", "]", "?"];

/// The tokens of `text`, the last of them [`TokenKind::End`]. A text with very many mistakes is not read on.
pub(crate) fn lex(text: &str, diagnostics: &mut Vec<Diagnostic>) -> Vec<Token> {
    let mut lexer = Lexer { text, position: 0, tokens: Vec::new(), diagnostics };
    while lexer.next_token() {
        if lexer.diagnostics.len() >= MOST_REMARKS {
            lexer.position = text.len();
        }
    }
    lexer.tokens
}

struct Lexer<'a> {
    text: &'a str,
    position: usize,
    tokens: Vec<Token>,
    diagnostics: &'a mut Vec<Diagnostic>,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        &self.text[self.position..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn push(&mut self, start: usize, kind: TokenKind) {
        self.tokens.push(Token { kind, span: Span::new(start, self.position) });
    }

    fn error(&mut self, start: usize, end: usize, message: &str, hint: &str) {
        self.diagnostics.push(Diagnostic::error(Span::new(start, end), message).with_hint(hint));
    }

    /// Everything behind the opening of `what` is gone.
    fn unterminated(&mut self, start: usize, opening: usize, what: &str, closing: &str) {
        let mistake = Diagnostic::error(Span::new(start, start + opening), format!("unterminated {what}"));
        let mistake = mistake.with_hint(format!("close it with {closing}"));
        self.diagnostics.push(mistake.about(Subject::Unterminated));
    }

    /// Reads one token; false at the end.
    fn next_token(&mut self) -> bool {
        self.skip_blanks_and_comments();
        let start = self.position;
        let Some(first) = self.peek() else {
            self.push(start, TokenKind::End);
            return false;
        };
        match first {
            '\'' => self.text_literal(start, false),
            '"' => self.quoted_name(start),
            '\u{2018}' | '\u{2019}' | '\u{201c}' | '\u{201d}' => self.typographic(start, first),
            '`' => self.back_quoted_name(start),
            '0'..='9' => self.number(start),
            '.' if self.rest()[1..].starts_with(|c: char| c.is_ascii_digit()) => self.number(start),
            'u' | 'U' if self.rest()[1..].starts_with("&'") => {
                self.position += 2;
                self.text_literal(start, true);
            }
            'x' | 'X' if self.rest()[1..].starts_with('\'') => self.binary(start),
            c if c.is_alphabetic() || c == '_' => self.word(start),
            _ => self.symbol(start),
        }
        true
    }

    fn skip_blanks_and_comments(&mut self) {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
            self.position += rest.len() - trimmed.len();
            let start = self.position;
            let rest = self.rest();
            if rest.starts_with("--") {
                self.skip_line();
            } else if rest.starts_with("//") {
                self.skip_line();
                self.foreign_comment(start, 2);
            } else if rest.starts_with(['\u{2013}', '\u{2014}']) {
                self.skip_line();
                self.foreign_comment(start, 3);
            } else if rest.starts_with('#') && self.is_hash_comment() {
                self.skip_line();
                self.error(start, start + 1, "# does not begin a comment", "comments begin with --");
            } else if let Some(comment) = rest.strip_prefix("/*") {
                match comment.find("*/") {
                    Some(end) => self.position += end + 4,
                    None => {
                        self.position = self.text.len();
                        self.unterminated(start, 2, "comment", "*/");
                    }
                }
            } else {
                return;
            }
        }
    }

    fn skip_line(&mut self) {
        self.position += self.rest().find('\n').unwrap_or(self.rest().len());
    }

    /// Whether the # here is meant to begin a comment: it is the first of its line, or a blank is behind it.
    fn is_hash_comment(&self) -> bool {
        let before = self.text[..self.position].trim_end_matches([' ', '\t', '\u{feff}']);
        let is_first = before.is_empty() || before.ends_with('\n');
        is_first || self.rest()[1..].starts_with(char::is_whitespace)
    }

    fn foreign_comment(&mut self, start: usize, length: usize) {
        let remark = Diagnostic::warning(Span::new(start, start + length), "read as the start of a comment");
        self.diagnostics.push(remark.with_hint("write comments as -- or /* */"));
    }

    fn text_literal(&mut self, start: usize, unicode: bool) {
        match self.quoted('\'') {
            Some(content) if unicode => self.push(start, TokenKind::UnicodeText(content)),
            Some(content) => self.push(start, TokenKind::Text(content)),
            None => {
                self.unterminated(start, 1, "string", "a single quote '");
                self.position = self.text.len();
            }
        }
    }

    /// Quotes of a web page or a word processor: said once, and read as what they stand for.
    fn typographic(&mut self, start: usize, quote: char) {
        let is_single = matches!(quote, '\u{2018}' | '\u{2019}');
        let closing: &[char] =
            if is_single { &['\u{2018}', '\u{2019}', '\''] } else { &['\u{201c}', '\u{201d}', '"'] };
        let plain = if is_single { "'" } else { "\"" };
        self.position += quote.len_utf8();
        let message = format!("{quote} is a typographic quote, not SQL");
        let hint = format!("write the plain quote {plain} here and at the other end");
        self.error(start, self.position, &message, &hint);
        let rest = self.rest();
        // What never closes on its line is not read on.
        let line = &rest[..rest.find('\n').unwrap_or(rest.len())];
        let Some(end) = line.find(closing) else { return };
        let content = line[..end].to_owned();
        let closes = line[end..].chars().next().map_or(0, char::len_utf8);
        self.position += end + closes;
        self.push(start, if is_single { TokenKind::Text(content) } else { TokenKind::QuotedName(content) });
    }

    /// The quotes of another dialect: said once, and read as a quoted name.
    fn back_quoted_name(&mut self, start: usize) {
        let name = self.quoted('`');
        if name.is_none() {
            self.position += 1;
        }
        let end = self.position;
        self.error(start, end, "` does not quote a name", "quote names that need it with \": \"name\"");
        if let Some(name) = name {
            self.push(start, TokenKind::QuotedName(name));
        }
    }

    fn quoted_name(&mut self, start: usize) {
        let Some(name) = self.quoted('"') else {
            self.unterminated(start, 1, "quoted name", "a double quote \"");
            self.position = self.text.len();
            return;
        };
        if name.is_empty() {
            self.error(start, self.position, "a name cannot be empty", "put a name between the quotes");
        } else if name.chars().any(|c| c < ' ') {
            self.error(start, self.position, "a name cannot hold control characters", "remove them");
        }
        self.check_name_length(start, &name);
        self.push(start, TokenKind::QuotedName(name));
    }

    fn check_name_length(&mut self, start: usize, name: &str) {
        if name.chars().count() > MAX_NAME_CHARACTERS {
            let message = format!("the name is longer than {MAX_NAME_CHARACTERS} characters");
            self.error(start, self.position, &message, "shorten it");
        }
    }

    /// Reads from an opening quote to the closing one, doubled quotes undone; `None` if it never closes.
    fn quoted(&mut self, quote: char) -> Option<String> {
        let mut content = String::new();
        let mut rest = self.rest()[1..].char_indices().peekable();
        while let Some((offset, c)) = rest.next() {
            if c != quote {
                content.push(c);
            } else if rest.peek().is_some_and(|(_, next)| *next == quote) {
                content.push(c);
                rest.next();
            } else {
                self.position += offset + 2;
                return Some(content);
            }
        }
        None
    }

    fn binary(&mut self, start: usize) {
        self.position += 1;
        let Some(digits) = self.quoted('\'') else {
            self.unterminated(start, 2, "binary string", "a single quote '");
            self.position = self.text.len();
            return;
        };
        let nibbles: Option<Vec<u8>> =
            digits.chars().map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
        match nibbles {
            Some(nibbles) if nibbles.len() % 2 == 0 => {
                let bytes = nibbles.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
                self.push(start, TokenKind::Binary(bytes));
            }
            _ => {
                let message = format!("binary string X'{digits}' is not an even number of hex digits");
                self.error(start, self.position, &message, "write two hex digits a byte, as in X'3F67'");
                self.push(start, TokenKind::Binary(Vec::new()));
            }
        }
    }

    fn number(&mut self, start: usize) {
        let bytes = self.text.as_bytes();
        let digits = |mut at: usize| {
            while bytes.get(at).is_some_and(u8::is_ascii_digit) {
                at += 1;
            }
            at
        };
        let mut end = digits(start);
        let mut has_point = false;
        if bytes.get(end) == Some(&b'.') {
            has_point = true;
            end = digits(end + 1);
        }
        let mut has_exponent = false;
        if matches!(bytes.get(end), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
            let after = digits(end + 1 + sign);
            if after > end + 1 + sign {
                has_exponent = true;
                end = after;
            }
        }
        self.position = end;
        let number = self.text[start..end].to_owned();
        self.push(
            start,
            match (has_exponent, has_point) {
                (true, _) => TokenKind::Approximate(number),
                (false, true) => TokenKind::Decimal(number),
                (false, false) => TokenKind::Integer(number),
            },
        );
    }

    fn word(&mut self, start: usize) {
        let rest = self.rest();
        let mut length = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
        if rest[..length].eq_ignore_ascii_case("END")
            && rest.get(length..length + 5).is_some_and(|tail| tail.eq_ignore_ascii_case("-EXEC"))
        {
            length += 5;
        }
        let word = rest[..length].to_uppercase();
        self.position += length;
        self.check_name_length(start, &word);
        self.push(start, TokenKind::Word(word));
    }

    fn symbol(&mut self, start: usize) {
        let rest = self.rest();
        let known =
            TWO_CHARACTER_SYMBOLS.iter().chain(&ONE_CHARACTER_SYMBOLS).find(|s| rest.starts_with(**s));
        let known_length = known.map_or(0, |symbol| symbol.len());
        if let Some(operator) = foreign_operator(rest).filter(|it| it.symbol.len() > known_length) {
            self.position += operator.symbol.len();
            self.diagnostics.push(operator.mistake(Span::new(start, self.position)));
            operator.reading().for_each(|token| self.push(start, token));
            return;
        }
        if let Some(symbol) = known {
            self.position += symbol.len();
            self.push(start, TokenKind::Symbol(symbol));
            return;
        }
        let character = self.peek().unwrap_or(' ');
        self.position += character.len_utf8();
        let message = format!("unexpected character {character:?}");
        let hint = match character {
            '#' => "comments begin with --; a name that holds # is quoted: \"a#b\"",
            '@' | '$' => "remove it; a name that holds it is quoted: \"a$b\"",
            _ => "remove it",
        };
        self.error(start, self.position, &message, hint);
    }
}

/// Undoes the escapes of a `u&'…'` string: `\hhhh` is a code point, a doubled escape is itself.
pub(crate) fn unescape_unicode(content: &str, escape: char) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = content.chars();
    while let Some(c) = rest.next() {
        if c != escape {
            out.push(c);
            continue;
        }
        let tail = rest.as_str();
        if tail.starts_with(escape) {
            out.push(escape);
            rest.next();
            continue;
        }
        let digits: String = tail.chars().take(4).collect();
        let code = (digits.len() == 4).then(|| u32::from_str_radix(&digits, 16).ok()).flatten();
        match code.and_then(char::from_u32) {
            Some(decoded) => {
                out.push(decoded);
                rest.nth(3);
            }
            None => {
                return Err(format!(
                    "{escape}{digits} is not {escape}hhhh with the four hex digits of a character"
                ));
            }
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<TokenKind> {
        let mut diagnostics = Vec::new();
        let tokens = lex(text, &mut diagnostics);
        assert!(diagnostics.iter().all(|d| !d.is_error()), "{diagnostics:?}");
        tokens.into_iter().map(|token| token.kind).collect()
    }

    #[test]
    fn words_fold_and_quoted_names_do_not() {
        assert_eq!(
            kinds("Select \"a\"\"B\" x1"),
            vec![
                TokenKind::Word("SELECT".into()),
                TokenKind::QuotedName("a\"B".into()),
                TokenKind::Word("X1".into()),
                TokenKind::End
            ]
        );
    }

    #[test]
    fn numbers_have_three_kinds() {
        assert_eq!(
            kinds("12 1.5 .5 1e2 1.5E-6 7.x"),
            vec![
                TokenKind::Integer("12".into()),
                TokenKind::Decimal("1.5".into()),
                TokenKind::Decimal(".5".into()),
                TokenKind::Approximate("1e2".into()),
                TokenKind::Approximate("1.5E-6".into()),
                TokenKind::Decimal("7.".into()),
                TokenKind::Word("X".into()),
                TokenKind::End
            ]
        );
    }

    #[test]
    fn comments_of_every_kind_are_blank() {
        assert_eq!(
            kinds("-- a\n/* b\n */ // c\n\u{2013}- d\n1"),
            vec![TokenKind::Integer("1".into()), TokenKind::End]
        );
    }

    #[test]
    fn unclosed_things_are_named_at_their_opening() {
        for (text, at) in [("x 'abc", 2), ("/* abc", 0), ("a \"b", 2), ("X'ab", 0)] {
            let mut diagnostics = Vec::new();
            lex(text, &mut diagnostics);
            assert_eq!(diagnostics.len(), 1, "{text}");
            assert!(diagnostics[0].message.contains("unterminated"), "{text}");
            assert_eq!(diagnostics[0].span.start, at, "{text}");
        }
    }

    #[test]
    fn unicode_escapes_are_code_points() {
        assert_eq!(unescape_unicode("a\\0009\\\\", '\\').unwrap(), "a\t\\");
        assert!(unescape_unicode("\\00", '\\').is_err());
    }
}
