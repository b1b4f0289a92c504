//! The checked, typed plan of an application.
//!
//! A [`Program`] is a set of in-application streams and the pumps between them. Each pump is a tree of [`Node`]s;
//! every node gives rows with a ROWTIME that never decreases, and says by bounds how far time has come.

mod node;
mod table_function;
mod windows;

pub use node::{
    JoinSide, LogParserCall, Matching, Node, NodeKind, Output, SetOperation, SortBucket, SortColumn,
    SubqueryValue,
};
pub use table_function::{GroupRankCall, HotspotsCall, RandomCutForestCall, RankOrder, TableFunction};
pub use windows::{
    AggregateCall, AggregateFunction, Frame, GroupDriver, Projection, SlidingWindow, WindowCall,
    WindowFunction,
};

use crate::SqlType;
use serde::{Deserialize, Serialize};

/// A stream of the program, by its place in [`Program::streams`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StreamId(pub usize);

/// A reference table of the program, by its place in [`Program::tables`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TableId(pub usize);

/// A whole application.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    /// Inputs first, then the streams that the SQL creates, in order.
    pub streams: Vec<Stream>,
    /// The reference tables, as they were declared.
    pub tables: Vec<ReferenceTable>,
    /// The pumps in order.
    pub pumps: Vec<Pump>,
}

impl Program {
    /// The stream of this exact name.
    pub fn stream(&self, name: &str) -> Option<StreamId> {
        self.streams.iter().position(|stream| stream.name == name).map(StreamId)
    }

    /// The reference table of this exact name.
    pub fn table(&self, name: &str) -> Option<TableId> {
        self.tables.iter().position(|table| table.name == name).map(TableId)
    }
}

/// An input stream as the service would create it: names keep their case.
#[derive(Clone, Debug, PartialEq)]
pub struct InputStream {
    /// Exact name.
    pub name: String,
    /// Columns in order: those of the records, then what the service adds (`APPROXIMATE_ARRIVAL_TIME`, `PARTITION_KEY`,
    /// `SEQUENCE_NUMBER`, `SHARD_ID`), as far as the source has it.
    pub columns: Vec<Column>,
    /// How many of the last columns the service adds: they can be named, but `*` does not list them. Columns of the
    /// records may have the same names.
    pub metadata_columns: usize,
}

/// A reference table: finite rows that the service loads, in no order of time.
#[derive(Clone, Debug, PartialEq)]
pub struct ReferenceTable {
    /// Exact name.
    pub name: String,
    /// Columns in order.
    pub columns: Vec<Column>,
}

/// A named, typed column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Exact name.
    pub name: String,
    /// Its type.
    pub sql_type: SqlType,
    /// A NULL here is a row error.
    pub not_null: bool,
}

/// An in-application stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Stream {
    /// Exact name.
    pub name: String,
    /// Columns in order, without ROWTIME.
    pub columns: Vec<Column>,
    /// Fed from outside; all others are fed by pumps.
    pub is_input: bool,
    /// As in [`InputStream`]; 0 for streams that the SQL creates.
    pub metadata_columns: usize,
}

/// A continuous INSERT INTO … SELECT; or one that runs once, at the start: then its query is finite, and its name is
/// `INSERT INTO "stream"`, with a number behind it from the second on.
#[derive(Clone, Debug, PartialEq)]
pub struct Pump {
    /// Exact name.
    pub name: String,
    /// The stream that it writes.
    pub target: StreamId,
    /// False when declared STOPPED.
    pub started: bool,
    /// The rows that it writes: exactly the columns of the target, converted to their types. The node at the top is
    /// always a [`NodeKind::Project`]; NOT NULL columns are checked by the pump after it.
    pub query: Node,
}
