//! What is wrong with a plan.

use millstream_columns::ValueTypeError;
use millstream_sql::{SqlType, Value};

/// Why a plan cannot be built. Apart from a lack of memory the front end lets none of these through: meeting one is a
/// defect of the plan, not of the user's text.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CompileError {
    /// No such conversion.
    #[error("no CAST from {from} to {to}")]
    Cast {
        /// Source type.
        from: SqlType,
        /// Target type.
        to: SqlType,
    },
    /// An operation on types that it does not take.
    #[error("{operation} does not take {types}")]
    OperandTypes {
        /// The operation.
        operation: &'static str,
        /// The operand types, as text.
        types: String,
    },
    /// A function that the catalog does not have.
    #[error("there is no function {0}")]
    UnknownFunction(String),
    /// A function called with the wrong number of arguments.
    #[error("{function} was planned with {count} arguments")]
    ArgumentCount {
        /// The function.
        function: String,
        /// Arguments in the plan.
        count: usize,
    },
    /// A literal that is not of its type.
    #[error(transparent)]
    Literal(#[from] ValueTypeError),
    /// A STEP of zero or less, or of the wrong kind.
    #[error("STEP BY {0:?} is not a positive interval")]
    Step(Value),
    /// Forests that do not fit the memory limit.
    #[error(transparent)]
    Memory(#[from] MemoryShortage),
}

/// A program that cannot fit its memory limit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "pump \"{pump}\" needs {needed} bytes for its {what}, all forests and sketches of the application need {all}, and its \
     memory limit is {limit} bytes: raise the limit to more than {all}, or lower numberOfTrees, subSampleSize or \
     shingleSize, or select fewer columns"
)]
pub struct MemoryShortage {
    /// The pump that needs most.
    pub pump: String,
    /// For what it needs it.
    pub what: &'static str,
    /// Bytes that it needs.
    pub needed: u64,
    /// Bytes that all pumps need.
    pub all: u64,
    /// Bytes that there are.
    pub limit: u64,
}
