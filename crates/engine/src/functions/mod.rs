//! The scalar functions. Each file holds a function, or a tight family: its signature and its body together.
//!
//! To add one: write its file with a `FUNCTIONS` table, and name the file in `TABLES`; nothing else knows the list.

mod absolute;
mod character_dates;
mod exponential;
mod length;
mod letter_case;
mod modulo;
mod overlay;
mod position;
mod regex_replace;
mod rounding;
mod signature;
mod simple_date_format;
mod substring;
mod substring_pattern;
mod trim;
mod unix_time;

use crate::expression::CompileError;
use crate::expression::datum::{Arguments, Kernel};
use crate::expression::like::{LikePattern, TextPattern};
use crate::expression::similar::SimilarPattern;
use crate::log_parsers;
use arrow_array::{ArrayRef, StringArray};
use millstream_columns::text_builder::TextBuilder;
use millstream_columns::{RowError, RowErrors};
use millstream_sql::{
    Argument, Expression, ExpressionKind, FunctionCatalog, RecordField, Signature, SignatureError, SqlType,
    Value,
};
use std::sync::Arc;

/// All functions, file by file, with the section of the language specification that describes them.
const TABLES: &[(&str, &[Function])] = &[
    ("4.5", absolute::FUNCTIONS),
    ("4.6", character_dates::FUNCTIONS),
    ("4.5", exponential::FUNCTIONS),
    ("4.8", length::FUNCTIONS),
    ("4.8", letter_case::FUNCTIONS),
    ("4.5", modulo::FUNCTIONS),
    ("4.8", overlay::FUNCTIONS),
    ("4.8", position::FUNCTIONS),
    ("4.8", regex_replace::FUNCTIONS),
    ("4.5", rounding::FUNCTIONS),
    ("4.8", substring::FUNCTIONS),
    ("4.8", substring_pattern::FUNCTIONS),
    ("4.8", trim::FUNCTIONS),
    ("4.6", unix_time::FUNCTIONS),
];

/// All functions, each with its section.
pub(crate) fn all() -> impl Iterator<Item = (&'static str, &'static Function)> {
    TABLES.iter().flat_map(|(section, functions)| functions.iter().map(move |function| (*section, function)))
}

/// A scalar function.
pub(crate) struct Function {
    /// Upper case, as calls name it.
    pub(crate) name: &'static str,
    /// Types a call.
    pub(crate) signature: fn(&[Argument]) -> Result<Signature, SignatureError>,
    /// Makes the operation for a call whose arguments have the types of the signature.
    pub(crate) compile: fn(&CallSite<'_>) -> Result<Kernel, CompileError>,
    /// Whether a row can fail.
    pub(crate) can_fail: bool,
    /// Whether the result depends on the clock, so that constants are not computed beforehand.
    pub(crate) uses_clock: bool,
}

/// What a function knows about one call when it is compiled.
pub(crate) struct CallSite<'a> {
    pub(crate) function: &'a str,
    pub(crate) parameters: Vec<SqlType>,
    /// The values of the arguments that are constant.
    pub(crate) constants: Vec<Option<Value>>,
    pub(crate) returns: SqlType,
}

impl CallSite<'_> {
    /// The text of a constant argument.
    pub(crate) fn constant_text(&self, index: usize) -> Option<&str> {
        match self.constants.get(index) {
            Some(Some(Value::Text(text))) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn wrong_types(&self, operation: &'static str) -> CompileError {
        let types: Vec<String> = self.parameters.iter().map(SqlType::to_string).collect();
        CompileError::OperandTypes { operation, types: types.join(", ") }
    }
}

/// The function of that name.
pub(crate) fn find(name: &str) -> Option<&'static Function> {
    all().map(|(_, function)| function).find(|function| function.name == name)
}

/// The function that a plan names: one of all, or a variant that a switch has put in its place.
pub(crate) fn find_planned(name: &str) -> Option<&'static Function> {
    const SIGNED_DIFFERENCE: &Function = &unix_time::SIGNED_DIFFERENCE;
    find(name).or_else(|| (name == SIGNED_DIFFERENCE.name).then_some(SIGNED_DIFFERENCE))
}

/// Puts the TSDIFF that has a sign in place of the one that has none.
pub fn use_signed_tsdiff(expression: &mut Expression) {
    expression.for_each_mut(&mut |e| {
        if let ExpressionKind::Call { function, .. } = &mut e.kind
            && function == "TSDIFF"
        {
            unix_time::SIGNED_DIFFERENCE.name.clone_into(function);
        }
    });
}

/// The catalog that the front end asks about functions.
pub fn catalog() -> impl FunctionCatalog {
    BuiltInFunctions
}

struct BuiltInFunctions;

impl FunctionCatalog for BuiltInFunctions {
    fn signature(&self, name: &str, arguments: &[Argument]) -> Option<Result<Signature, SignatureError>> {
        find(name).map(|function| (function.signature)(arguments))
    }

    fn record(&self, name: &str, arguments: &[Argument]) -> Option<Result<Vec<RecordField>, SignatureError>> {
        log_parsers::find(name).map(|parser| (parser.prepare)(arguments).map(|prepared| prepared.fields))
    }

    fn check_like(&self, pattern: &str, escape: Option<&str>) -> Result<(), String> {
        LikePattern::prepare(pattern, escape).map(|_| ()).map_err(|error| error.message.to_string())
    }

    fn check_similar(&self, pattern: &str, escape: Option<&str>) -> Result<(), String> {
        SimilarPattern::prepare(pattern, escape).map(|_| ()).map_err(|error| error.message.to_string())
    }

    fn names(&self) -> Vec<&str> {
        let parsers = log_parsers::PARSERS.iter().map(|parser| parser.name);
        all().map(|(_, function)| function.name).chain(parsers).collect()
    }
}

/// Runs a strict function that makes text: `write` writes the row and says whether it has a value (else it is NULL).
pub(crate) fn text_rows(
    arguments: &Arguments<'_>,
    errors: &mut RowErrors,
    capacity: usize,
    mut write: impl FnMut(usize, &mut TextBuilder) -> Result<bool, RowError>,
) -> ArrayRef {
    if arguments.has_null_constant() {
        return Arc::new(StringArray::new_null(arguments.rows));
    }
    let nulls = arguments.strict_nulls();
    let mut builder = TextBuilder::with_capacity(arguments.rows, capacity.min(i32::MAX as usize));
    for row in 0..arguments.rows {
        if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            builder.push_null();
            continue;
        }
        match write(row, &mut builder) {
            Ok(true) if builder.has_room(0) => builder.finish_value(),
            Ok(true) => {
                errors.push(row, RowError::function("a batch may hold 2 GiB of text in a column"));
                builder.push_null();
            }
            Ok(false) => builder.push_null(),
            Err(error) => {
                errors.push(row, error);
                builder.push_null();
            }
        }
    }
    Arc::new(builder.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalog_names_each_function_once() {
        let mut names: Vec<&str> = all().map(|(_, function)| function.name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        assert!(catalog().signature("NO_SUCH", &[]).is_none());
        assert!(matches!(catalog().signature("ABS", &[]), Some(Err(SignatureError::ArgumentCount("1")))));
    }
}
