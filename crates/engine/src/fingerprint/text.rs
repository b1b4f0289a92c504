//! The text that a plan is written into, and how plain values are.

use millstream_sql::Program;
use std::fmt::Write;

/// A text in the making.
pub(super) struct Text<'p> {
    out: String,
    /// What numbers of streams and tables stand for; absent in the style of format 2.
    program: Option<&'p Program>,
    /// Constants that LAG takes are written as expressions.
    lag_takes_expressions: bool,
}

/// What can be written into it.
pub(super) trait Describe {
    fn describe(&self, text: &mut Text<'_>);
}

impl<'p> Text<'p> {
    /// Streams and tables by name.
    pub(super) fn canonical(program: &'p Program) -> Text<'p> {
        Text { out: String::new(), program: Some(program), lag_takes_expressions: false }
    }

    /// The same, with the constants that LAG takes written as expressions.
    pub(super) fn canonical_with_lag_expressions(program: &'p Program) -> Text<'p> {
        Text { lag_takes_expressions: true, ..Text::canonical(program) }
    }

    /// As in format 2.
    pub(super) fn format_2() -> Text<'static> {
        Text { out: String::new(), program: None, lag_takes_expressions: false }
    }

    /// Whether constants that LAG takes are written as expressions.
    pub(super) fn lag_takes_expressions(&self) -> bool {
        self.lag_takes_expressions
    }

    /// The program, unless the style is that of format 2.
    pub(super) fn program(&self) -> Option<&'p Program> {
        self.program
    }

    pub(super) fn push(&mut self, part: &str) {
        self.out.push_str(part);
    }

    pub(super) fn into_string(self) -> String {
        self.out
    }

    fn debug(&mut self, value: impl std::fmt::Debug) {
        // Writing to a String does not fail.
        let _ = write!(self.out, "{value:?}");
    }
}

/// `Name { field: value, … }`
macro_rules! fields {
    ($text:expr, $name:literal, $($field:literal: $value:expr),+ $(,)?) => {{
        let text = $text;
        text.push($name);
        let mut separator = " { ";
        $(
            text.push(separator);
            text.push($field);
            text.push(": ");
            $crate::fingerprint::text::Describe::describe($value, text);
            #[allow(unused_assignments, reason = "the last one has nothing behind it")]
            { separator = ", "; }
        )+
        text.push(" }");
    }};
}

/// `Name(value, …)`
macro_rules! tuple {
    ($text:expr, $name:literal, $($value:expr),+ $(,)?) => {{
        let text = $text;
        text.push($name);
        let mut separator = "(";
        $(
            text.push(separator);
            $crate::fingerprint::text::Describe::describe($value, text);
            #[allow(unused_assignments, reason = "the last one has nothing behind it")]
            { separator = ", "; }
        )+
        text.push(")");
    }};
}

pub(super) use {fields, tuple};

/// Values whose Debug text is part of the language's promises, or as good as that.
macro_rules! plain {
    ($($kind:ty),*) => {
        $(impl Describe for $kind {
            fn describe(&self, text: &mut Text<'_>) {
                text.debug(self);
            }
        })*
    };
}

plain!(bool, u8, u32, u64, usize, i32, i64, i128, f64, String);

impl<T: Describe + ?Sized> Describe for &T {
    fn describe(&self, text: &mut Text<'_>) {
        (**self).describe(text);
    }
}

impl<T: Describe> Describe for Box<T> {
    fn describe(&self, text: &mut Text<'_>) {
        (**self).describe(text);
    }
}

impl<T: Describe> Describe for Option<T> {
    fn describe(&self, text: &mut Text<'_>) {
        match self {
            None => text.push("None"),
            Some(value) => tuple!(text, "Some", value),
        }
    }
}

impl<T: Describe> Describe for Vec<T> {
    fn describe(&self, text: &mut Text<'_>) {
        text.push("[");
        for (index, item) in self.iter().enumerate() {
            if index > 0 {
                text.push(", ");
            }
            item.describe(text);
        }
        text.push("]");
    }
}

impl<A: Describe, B: Describe> Describe for (A, B) {
    fn describe(&self, text: &mut Text<'_>) {
        tuple!(text, "", &self.0, &self.1);
    }
}
