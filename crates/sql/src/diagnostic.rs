//! What the front end tells people about their text.

use crate::excerpt::{Excerpt, excerpt};
use crate::{Position, Span};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The program cannot run.
    Error,
    /// The program runs, but perhaps not as its author thinks.
    Warning,
}

/// What a remark is about, for whoever does more than show it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Subject {
    /// What its message says.
    #[default]
    Text,
    /// A string, name or comment that is never closed: the text behind its opening quote was not read.
    Unterminated,
    /// A stream that a query reads and nothing declares. It may be an input that the compiler was not told of.
    UnknownStream,
}

/// One remark on the text: what is wrong, where, and how to fix it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What it is about.
    pub subject: Subject,
    /// The offending text.
    pub span: Span,
    /// What is wrong and why.
    pub message: String,
    /// How to fix it.
    pub hint: Option<String>,
}

impl Diagnostic {
    /// An error at `span`.
    pub fn error(span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            severity: Severity::Error,
            subject: Subject::default(),
            span,
            message: message.into(),
            hint: None,
        }
    }

    /// A warning at `span`.
    pub fn warning(span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            severity: Severity::Warning,
            subject: Subject::default(),
            span,
            message: message.into(),
            hint: None,
        }
    }

    /// The same with a hint.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Diagnostic {
        self.hint = Some(hint.into());
        self
    }

    /// The same about something.
    #[must_use]
    pub(crate) fn about(mut self, subject: Subject) -> Diagnostic {
        self.subject = subject;
        self
    }

    /// True when the program cannot run.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// The message and the hint, for a place that has one line.
    pub fn in_a_line(&self) -> String {
        match &self.hint {
            Some(hint) => format!("{}; {hint}", self.message),
            None => self.message.clone(),
        }
    }

    /// Line and column in `text`.
    pub fn position(&self, text: &str) -> Position {
        self.span.position(text)
    }

    /// The remark as people read it, with the line of `text` and the offending part underlined.
    ///
    /// ```text
    /// error: column "PRICEE" does not exist
    ///   --> app.sql:3:8
    ///    |
    ///  3 | SELECT pricee
    ///    |        ^^^^^^
    ///   hint: did you mean "PRICE"?
    /// ```
    pub fn render(&self, source_name: &str, text: &str) -> String {
        let position = self.position(text);
        let start = text.floor_char_boundary(self.span.start as usize);
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line = text[line_start..].lines().next().unwrap_or("");
        let length = self.span.slice(text).lines().next().unwrap_or("").len();
        let Excerpt { shown, before, width } =
            excerpt(line, start - line_start..(start - line_start + length).min(line.len()));
        let number = position.line.to_string();
        let gutter = " ".repeat(number.len());
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let shown = shown.replace('\t', " ");
        let mut out = format!(
            "{severity}: {}\n{gutter} --> {source_name}:{position}\n{gutter}  |\n{number}  | {shown}\n{gutter}  | {}{}\n",
            self.message,
            " ".repeat(before.chars().count()),
            "^".repeat(width),
        );
        if let Some(hint) = &self.hint {
            out.push_str(&format!("{gutter}  hint: {hint}\n"));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remark_shows_the_line_and_underlines_the_text() {
        let text = "SELECT STREAM\n  pricee FROM s";
        let remark = Diagnostic::error(Span::new(16, 22), "no such column").with_hint("did you mean PRICE?");
        let shown = remark.render("app.sql", text);
        assert!(shown.contains("--> app.sql:2:3"), "{shown}");
        assert!(shown.contains("2  |   pricee FROM s\n   |   ^^^^^^\n"), "{shown}");
        assert!(shown.contains("hint: did you mean PRICE?"), "{shown}");
    }
}
