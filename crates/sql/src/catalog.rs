//! What the front end must know about scalar functions.

use crate::{SqlType, Value};

/// An argument of a call as the front end knows it before the program runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Argument {
    /// Its type; [`SqlType::Null`] for a bare NULL.
    pub sql_type: SqlType,
    /// Its value when it is a literal.
    pub literal: Option<Value>,
}

/// How a call of given arguments is typed.
#[derive(Clone, Debug, PartialEq)]
pub struct Signature {
    /// The type that each argument is converted to before the call; one for each argument.
    pub parameters: Vec<SqlType>,
    /// The type of the result.
    pub returns: SqlType,
}

/// Why a call does not fit the function.
#[derive(Clone, Debug, PartialEq)]
pub enum SignatureError {
    /// Wrong number of arguments; the text says how many it takes, e.g. `"1"` or `"2 or 3"`.
    ArgumentCount(&'static str),
    /// The argument at `index` (from 0) has a type that the function does not take; the text says what it takes.
    ArgumentType {
        /// Which argument, from 0.
        index: usize,
        /// What the function takes there, e.g. `"a number"`.
        expected: &'static str,
    },
    /// The argument at `index` (from 0) has a value that the function does not take.
    ArgumentValue {
        /// Which argument, from 0.
        index: usize,
        /// What is wrong and what would be right.
        message: String,
    },
}

/// A field of the record that a log parser gives.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordField {
    /// Exact name.
    pub name: String,
    /// Its type.
    pub sql_type: SqlType,
    /// How a DATE, TIME or TIMESTAMP is written in the text, as a pattern of CHAR_TO_TIMESTAMP; the standard form when
    /// absent.
    pub format: Option<String>,
    /// A field without a value is a row error.
    pub not_null: bool,
}

/// The scalar functions that exist.
///
/// Calls with syntax of their own arrive under these names: `SUBSTRING(s FROM p FOR n)` as `SUBSTRING_FROM(s, p, n)`
/// (with text for `p`: `SUBSTRING_REGEX(s, p)`), `SUBSTRING(s SIMILAR p ESCAPE e)` as `SUBSTRING_SIMILAR(s, p, e)`,
/// `TRIM(LEADING c FROM s)` as `TRIM_LEADING(c, s)` (also `TRIM_TRAILING`, `TRIM_BOTH`), `OVERLAY(s PLACING r FROM p
/// FOR n)` as `OVERLAY(s, r, p, n)`, `POSITION(x IN s)` as `POSITION(x, s)`.
pub trait FunctionCatalog {
    /// Types a call of `name` (upper case) with these arguments; `None` when there is no such function.
    fn signature(&self, name: &str, arguments: &[Argument]) -> Option<Result<Signature, SignatureError>>;

    /// The fields of the record that a call of `name` gives, for a function that takes a text apart: its first argument is
    /// that text, the others are constants. `None` when there is no such function.
    fn record(&self, name: &str, arguments: &[Argument]) -> Option<Result<Vec<RecordField>, SignatureError>> {
        let _ = (name, arguments);
        None
    }

    /// Whether a constant pattern of LIKE, with its ESCAPE, can be read.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    fn check_like(&self, pattern: &str, escape: Option<&str>) -> Result<(), String> {
        let _ = (pattern, escape);
        Ok(())
    }

    /// Whether a constant pattern of SIMILAR TO, with its ESCAPE, can be read.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    fn check_similar(&self, pattern: &str, escape: Option<&str>) -> Result<(), String> {
        let _ = (pattern, escape);
        Ok(())
    }

    /// The names of all functions, for hints.
    fn names(&self) -> Vec<&str>;
}
