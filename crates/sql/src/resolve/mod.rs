//! From the syntax tree to the typed plan: names, types, and the rules of streaming.
//!
//! The resolver notes a mistake and goes on: an expression that does not resolve is `None`, and whatever needs it is
//! passed over silently, so that one mistake gives one diagnostic. What does not need it is looked at all the same: a text
//! with several mistakes has all of them reported at once.

mod aggregate;
mod call;
mod column_order;
mod compatibility;
mod conversion;
mod distinct;
mod expression;
mod from;
mod function;
mod group;
mod join;
mod lint;
mod literal;
mod monotonic;
mod name_check;
mod operator;
mod order;
mod paths;
mod period;
mod query;
mod record;
mod scope;
mod set_operation;
mod slide;
mod statement;
mod subquery;
mod table_function;
mod value_lint;
mod view;

pub use call::shown_function_name;
pub use compatibility::{Feature, FeatureKind, Support, features};

use crate::lex::lex;
use crate::limits::{MAX_SCRIPT_CHARACTERS, MOST_REMARKS};
use crate::parse::{parse_expression, parse_script, parse_type};
use crate::{
    Diagnostic, Expression, FunctionCatalog, InputStream, Program, Pump, ReferenceTable, Span, SqlType,
    Stream, StreamId, Subject,
};
use std::collections::{HashMap, HashSet};

/// What became of a text.
#[derive(Clone, Debug)]
pub struct Compilation {
    /// The plan; absent when any diagnostic is an error.
    pub program: Option<Program>,
    /// Every remark, in the order of the text.
    pub diagnostics: Vec<Diagnostic>,
    /// What is legal and probably not meant, as warnings, in the order of the text.
    pub lints: Vec<Diagnostic>,
    /// The streams that no pump fills, or none that runs, whether or not something reads them, in the order of the text.
    pub unfilled: Vec<UnfilledStream>,
    /// The windows of the text, for whoever knows how long records are kept.
    pub windows: Vec<WindowLength>,
    /// Where the text says what, for whoever has a remark on it.
    pub places: Places,
}

/// Where a text declares columns and pumps.
#[derive(Clone, Debug, Default)]
pub struct Places {
    columns: HashMap<(String, String), Span>,
    pumps: HashMap<String, Span>,
    streams: HashMap<String, Span>,
}

impl Places {
    /// The declaration of a column of an in-application stream.
    pub fn column(&self, stream: &str, column: &str) -> Option<Span> {
        self.columns.get(&(stream.to_owned(), column.to_owned())).copied()
    }

    /// The name of a pump; the query of an INSERT that has none.
    pub fn pump(&self, name: &str) -> Option<Span> {
        self.pumps.get(name).copied()
    }
}

/// An in-application stream that nothing of its application fills, or only pumps that are stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnfilledStream {
    /// Its name.
    pub name: String,
    /// Where it is declared.
    pub span: Span,
    /// The first of the pumps that would fill it: all of them are stopped.
    pub stopped: Option<String>,
    /// The first pump, by its name, that reads it and runs.
    pub reader: Option<String>,
}

/// How far back a window reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowLength {
    /// Where it is written.
    pub span: Span,
    /// Milliseconds; months count 31 days.
    pub millis: i64,
}

/// Compiles the text of an application over its input streams.
///
/// Never fails: mistakes are diagnostics, each with its place. Cost grows with the length of the text, which is
/// limited to 102,400 characters.
pub fn compile(text: &str, inputs: &[InputStream], catalog: &dyn FunctionCatalog) -> Compilation {
    compile_with_tables(text, inputs, &[], catalog)
}

/// The same for an application that has reference tables, too.
pub fn compile_with_tables(
    text: &str,
    inputs: &[InputStream],
    tables: &[ReferenceTable],
    catalog: &dyn FunctionCatalog,
) -> Compilation {
    if text.chars().count() > MAX_SCRIPT_CHARACTERS {
        let message = format!("the application text is longer than {MAX_SCRIPT_CHARACTERS} characters");
        return Compilation {
            program: None,
            diagnostics: vec![Diagnostic::error(Span::default(), message)],
            lints: Vec::new(),
            unfilled: Vec::new(),
            windows: Vec::new(),
            places: Places::default(),
        };
    }
    let mut diagnostics = Vec::new();
    let tokens = lex(text, &mut diagnostics);
    let statements = if diagnostics.iter().any(is_unterminated) {
        // Everything behind the opening quote is gone: what the parser would say of it helps nobody.
        Vec::new()
    } else {
        parse_script(&tokens, &mut diagnostics)
    };
    let mut resolver = Resolver::new(text, inputs, tables, catalog, diagnostics);
    for statement in &statements {
        resolver.statement(statement);
    }
    resolver.bound_paths();
    let failed = resolver.diagnostics.iter().any(Diagnostic::is_error);
    let unfilled = resolver.unfilled_streams();
    let diagnostics = in_order(resolver.diagnostics);
    let lints = in_order(resolver.lints);
    let mut windows = resolver.windows;
    windows.sort_by_key(|window| (window.span.start, window.millis));
    windows.dedup();
    let program = (!failed).then_some(Program {
        streams: resolver.streams,
        tables: tables.to_vec(),
        pumps: resolver.pumps,
    });
    Compilation { program, diagnostics, lints, unfilled, windows, places: resolver.places }
}

fn is_unterminated(remark: &Diagnostic) -> bool {
    remark.subject == Subject::Unterminated
}

/// The mistakes of a text that need no input to be seen: those of its syntax, in the order of the text.
pub fn syntax_mistakes(text: &str) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    if text.chars().count() <= MAX_SCRIPT_CHARACTERS {
        let tokens = lex(text, &mut diagnostics);
        if !diagnostics.iter().any(is_unterminated) {
            parse_script(&tokens, &mut diagnostics);
        }
    }
    diagnostics.retain(Diagnostic::is_error);
    in_order(diagnostics)
}

/// The mistakes in the syntax of one expression, which stands in no statement.
///
/// # Errors
/// All mistakes of the lexer, or else the first of the syntax.
pub fn check_expression(text: &str) -> Result<(), Vec<Diagnostic>> {
    let mut diagnostics = Vec::new();
    let tokens = lex(text, &mut diagnostics);
    diagnostics.retain(Diagnostic::is_error);
    if diagnostics.is_empty() {
        diagnostics.extend(parse_expression(&tokens).err());
    }
    if diagnostics.is_empty() { Ok(()) } else { Err(diagnostics) }
}

/// Remarks in the order of the text, each once, and not more than [`MOST_REMARKS`], mistakes before warnings.
fn in_order(mut remarks: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let mut known = HashSet::new();
    remarks.retain(|remark| known.insert((remark.span, remark.message.clone())));
    remarks.sort_by_key(|remark| (!remark.is_error(), remark.span.start));
    remarks.truncate(MOST_REMARKS);
    remarks.sort_by_key(|remark| remark.span.start);
    remarks
}

/// Compiles one expression over no row, as tests of scalar functions use it.
///
/// # Errors
/// All mistakes of the text.
pub fn compile_expression(text: &str, catalog: &dyn FunctionCatalog) -> Result<Expression, Vec<Diagnostic>> {
    let mut diagnostics = Vec::new();
    let tokens = lex(text, &mut diagnostics);
    if diagnostics.iter().any(Diagnostic::is_error) {
        return Err(diagnostics);
    }
    let expr = parse_expression(&tokens).map_err(|mistake| vec![mistake])?;
    let mut resolver = Resolver::new(text, &[], &[], catalog, diagnostics);
    match resolver.scalar(&expr, &scope::Scope::default(), "an expression of its own") {
        Some(expression) if !resolver.diagnostics.iter().any(Diagnostic::is_error) => Ok(expression),
        _ => Err(resolver.diagnostics),
    }
}

/// Parses the text of a type, such as `VARCHAR(16)` or `DECIMAL(5,2)`, in any case.
///
/// # Errors
/// What is wrong with the text.
pub fn parse_sql_type(text: &str) -> Result<SqlType, Diagnostic> {
    let mut diagnostics = Vec::new();
    let tokens = lex(text, &mut diagnostics);
    match diagnostics.into_iter().find(Diagnostic::is_error) {
        Some(mistake) => Err(mistake),
        None => parse_type(&tokens),
    }
}

struct Resolver<'a> {
    /// What is resolved, for hints that repeat a part of it.
    text: &'a str,
    catalog: &'a dyn FunctionCatalog,
    diagnostics: Vec<Diagnostic>,
    lints: Vec<Diagnostic>,
    windows: Vec<WindowLength>,
    places: Places,
    streams: Vec<Stream>,
    tables: &'a [ReferenceTable],
    pumps: Vec<Pump>,
    functions: Vec<function::UserFunction>,
    views: Vec<view::View>,
    /// The columns that hold what subqueries give, by where those stand; `None` for those that were refused.
    subqueries: HashMap<Span, Option<Expression>>,
    /// Calls of AVG over integers, which give integers.
    integer_averages: HashSet<Span>,
    /// Quotients of integers, which are integers.
    integer_divisions: HashSet<Span>,
    /// Calls of MONOTONIC: their authors vouch for them.
    asserted_monotonic: HashSet<Span>,
    /// Streams, functions and views whose definition was refused: that is said once, not again at each use.
    refused_names: HashSet<String>,
}

impl<'a> Resolver<'a> {
    fn new(
        text: &'a str,
        inputs: &[InputStream],
        tables: &'a [ReferenceTable],
        catalog: &'a dyn FunctionCatalog,
        diagnostics: Vec<Diagnostic>,
    ) -> Resolver<'a> {
        let streams = inputs
            .iter()
            .map(|input| Stream {
                name: input.name.clone(),
                columns: input.columns.clone(),
                is_input: true,
                metadata_columns: input.metadata_columns.min(input.columns.len()),
            })
            .collect();
        Resolver {
            text,
            catalog,
            diagnostics,
            lints: Vec::new(),
            windows: Vec::new(),
            places: Places::default(),
            streams,
            tables,
            pumps: Vec::new(),
            functions: Vec::new(),
            views: Vec::new(),
            subqueries: HashMap::new(),
            integer_averages: HashSet::new(),
            integer_divisions: HashSet::new(),
            asserted_monotonic: HashSet::new(),
            refused_names: HashSet::new(),
        }
    }

    fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    fn error<T>(&mut self, span: Span, message: impl Into<String>) -> Option<T> {
        self.report(Diagnostic::error(span, message));
        None
    }

    fn error_with_hint<T>(
        &mut self,
        span: Span,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Option<T> {
        self.report(Diagnostic::error(span, message).with_hint(hint));
        None
    }

    fn stream(&self, id: StreamId) -> &Stream {
        &self.streams[id.0]
    }

    fn stream_named(&self, name: &str) -> Option<StreamId> {
        self.streams.iter().position(|stream| stream.name == name).map(StreamId)
    }
}
