//! The limits of the front end, in one place.

/// Longest application text, in characters (the service's own limit).
pub const MAX_SCRIPT_CHARACTERS: usize = 102_400;

/// Mistakes and warnings of one text that are told: who has as many repairs some first.
pub const MOST_REMARKS: usize = 100;

/// Longest name, in characters.
pub const MAX_NAME_CHARACTERS: usize = 128;

/// How deep parentheses, subqueries, windows and signs may nest, and how many joins or set operators may follow each
/// other. A subquery in FROM and the window of a call count twice. All of it fits into 2 MB of stack.
pub const MAX_NESTING: usize = 64;

/// How many operators may stand above each other in one expression: `a + b + c` has two.
pub const MAX_EXPRESSION_HEIGHT: usize = 200;

/// How many operators a call of an application's own function may stand for, functions within functions counted out.
pub const MAX_FUNCTION_OPERATORS: usize = 5_000;

/// How many operators the query of a view may have, views within views counted out.
pub const MAX_VIEW_OPERATORS: usize = 1_000;

/// How many operators may stand above each other in the query of a view. All of it fits into 2 MB of stack.
pub const MAX_VIEW_HEIGHT: usize = 200;

/// Most columns of a stream or a select list.
pub const MAX_COLUMNS: usize = 1_000;

/// Longest CHAR, VARCHAR, BINARY or VARBINARY.
pub const MAX_LENGTH: u32 = 65_535;

/// By how many paths of pumps and UNION ALL a row of an input may reach a stream: each path makes a row of it.
pub const MAX_PATHS: u64 = 1_000;
