//! What is wrong with a file, where, and how to fix it.

use std::fmt;
use std::ops::Range;

use millstream_sql::{Excerpt, excerpt};

use super::source_text::SourceText;

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// What is wrong and why.
    pub message: String,
    /// How to fix it.
    pub hint: Option<String>,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The mistake as people read it, with the line of the file.
    pub rendered: String,
}

impl Mistake {
    /// A mistake at a range of bytes of `text`. Reads the text up to there.
    pub fn at(
        source_name: &str,
        text: &str,
        span: Range<usize>,
        message: impl Into<String>,
        hint: Option<String>,
    ) -> Mistake {
        Mistake::within(&SourceText::new(source_name, text), span, message, hint)
    }

    /// A mistake at a range of bytes of a text whose lines are known.
    pub(super) fn within(
        source: &SourceText<'_>,
        span: Range<usize>,
        message: impl Into<String>,
        hint: Option<String>,
    ) -> Mistake {
        let SourceText { name: source_name, text, .. } = source;
        let start = floor_to_character(text, span.start);
        let (line, line_start) = source.line_of(start);
        let line = line + 1;
        let shown = text[line_start..].lines().next().unwrap_or("");
        let column = text[line_start..start].chars().count() + 1;
        let end = floor_to_character(text, span.end).min(line_start + shown.len()).max(start);
        let Excerpt { shown, before, width } = excerpt(shown, start - line_start..end - line_start);
        let message = message.into();
        let number = line.to_string();
        let gutter = " ".repeat(number.len());
        // Tabs are kept, so that the marks stand below what they mark.
        let indent: String = before.chars().map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        let mut rendered = format!(
            "error: {message}\n{gutter} --> {source_name}:{line}:{column}\n{gutter}  |\n{number}  | {shown}\n\
             {gutter}  | {indent}{}\n",
            "^".repeat(width)
        );
        if let Some(hint) = &hint {
            rendered.push_str(&format!("{gutter}  hint: {hint}\n"));
        }
        Mistake { message, hint, line, column, rendered }
    }

    /// The same as a remark that does not keep anything from running.
    #[must_use]
    pub(super) fn into_warning(self) -> Mistake {
        Mistake { rendered: self.rendered.replacen("error:", "warning:", 1), ..self }
    }
}

fn floor_to_character(text: &str, offset: usize) -> usize {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

/// All mistakes of a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Mistakes(pub Vec<Mistake>);

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            f.write_str(&mistake.rendered)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_shows_its_line() {
        let text = "a = 1\nbé = 2\n";
        let mistake = Mistake::at("f.toml", text, 6..9, "no", Some("fix".into()));
        assert_eq!((mistake.line, mistake.column), (2, 1));
        assert_eq!(
            mistake.rendered,
            "error: no\n  --> f.toml:2:1\n   |\n2  | bé = 2\n   | ^^\n   hint: fix\n"
        );
        // Beyond the end, or inside a character: no panic.
        Mistake::at("f", text, 8..99, "x", None);
        Mistake::at("f", "", 5..9, "x", None);
    }
}
