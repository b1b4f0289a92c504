//! The front end of streaming SQL: text in, checked and typed plan out.
//!
//! ```text
//!   text ─▶ lex ─▶ tokens ─▶ parse ─▶ syntax tree ─▶ resolve ─▶ Program (plan) + diagnostics
//!                                                       ▲
//!                              FunctionCatalog ─────────┘ which scalar functions exist: handed in
//! ```
//!
//! The dialect is the one of Kinesis Data Analytics for SQL applications. [`compile`] never stops at the first
//! mistake: it reports every [`Diagnostic`] with its place in the text, and gives a [`Program`] only when none
//! of them is an error.
//!
//! Start at [`compile`]; the plan is in `plan/`, its expressions in `expression.rs`.
//!
//! Invariants:
//! - Pure: no I/O, no clock, no randomness. The same text and inputs give the same plan.
//! - Nothing here knows how a plan runs, nor which scalar functions exist beyond the catalog that it is handed.
//! - Every expression of a plan is typed; every implicit conversion is an explicit [`ExpressionKind::Cast`].

mod catalog;
pub mod civil;
mod diagnostic;
mod excerpt;
mod expression;
mod foreign;
mod interval;
mod keywords;
mod lex;
pub mod limits;
mod parse;
mod plan;
mod resolve;
mod similar_name;
mod span;
mod syntax;
mod token;
mod types;
mod value;

pub use catalog::{Argument, FunctionCatalog, RecordField, Signature, SignatureError};
pub use diagnostic::{Diagnostic, Severity, Subject};
pub use excerpt::{Excerpt, excerpt};
pub use expression::{
    ArithmeticOperator, CaseBranch, CastMode, ClockFunction, ComparisonOperator, Expression, ExpressionKind,
    RoundingDirection, TruthTest,
};
pub use interval::{IntervalQualifier, TimeUnit};
pub use keywords::is_reserved_word;
pub use plan::{
    AggregateCall, AggregateFunction, Column, Frame, GroupDriver, GroupRankCall, HotspotsCall, InputStream,
    JoinSide, LogParserCall, Matching, Node, NodeKind, Output, Program, Projection, Pump,
    RandomCutForestCall, RankOrder, ReferenceTable, SetOperation, SlidingWindow, SortBucket, SortColumn,
    Stream, StreamId, SubqueryValue, TableFunction, TableId, WindowCall, WindowFunction,
};
pub use resolve::{
    Compilation, Feature, FeatureKind, Places, Support, UnfilledStream, WindowLength, check_expression,
    compile, compile_expression, compile_with_tables, features, parse_sql_type, shown_function_name,
    syntax_mistakes,
};
pub use similar_name::edit_distance;
pub use span::{Position, Span};
pub use types::{SqlType, TypeFamily};
pub use value::Value;
