//! Reference tables: loaded from outside, whole, as often as they change.

use super::{Application, ErrorRow};
use crate::operators::RowSize;
use millstream_columns::{Batch, physical_type};
use millstream_sql::{ReferenceTable, SqlType, TableId};

/// Why rows were refused for a reference table. The table is then as it was before.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// The program has no such table.
    #[error("the application has no reference table number {0}")]
    Unknown(usize),
    /// The columns are not those of the table.
    #[error("reference table \"{table}\" has the columns ({expected}), the rows have ({found})")]
    Columns {
        /// Name of the table.
        table: String,
        /// Types of its columns.
        expected: String,
        /// Types of the columns of the rows.
        found: String,
    },
    /// The rows do not fit the memory limit.
    #[error(
        "the rows of reference table \"{table}\" take at least {bytes} bytes, and the memory limit of the application is {limit} \
         bytes; raise the limit, or load fewer rows or columns"
    )]
    TooLarge {
        /// Name of the table.
        table: String,
        /// Bytes of the rows, as far as they were counted.
        bytes: usize,
        /// Bytes of the limit.
        limit: u64,
    },
    /// So many rows are refused that the error stream would not take them.
    #[error(
        "the first {rows} rows of reference table \"{table}\" that are refused take more than the memory limit of the \
         application, {limit} bytes: is its format what its schema says?"
    )]
    Refused {
        /// Name of the table.
        table: String,
        /// Rows that were refused so far.
        rows: u64,
        /// Bytes of the limit.
        limit: u64,
    },
}

/// What an error row takes beside its texts.
const ERROR_OVERHEAD: usize = size_of::<ErrorRow>();

/// How much of the memory limit of an application the rows of a reference table take, before they are loaded.
#[derive(Clone)]
pub struct TableRoom {
    table: String,
    row_size: RowSize,
    bytes: usize,
    refused: u64,
    refused_bytes: usize,
    limit: u64,
}

impl TableRoom {
    /// For the rows of a table in an application with this limit; 0 is none.
    pub fn new(table: &ReferenceTable, memory_limit: u64) -> TableRoom {
        let types: Vec<SqlType> = table.columns.iter().map(|column| column.sql_type).collect();
        let row_size = RowSize::of_types(&types);
        let (table, limit) = (table.name.clone(), memory_limit);
        TableRoom { table, row_size, bytes: 0, refused: 0, refused_bytes: 0, limit }
    }

    /// Counts more of the rows, whose columns are those of the table.
    ///
    /// # Errors
    /// All rows so far do not fit the memory limit.
    pub fn take(&mut self, rows: &Batch) -> Result<(), TableError> {
        self.bytes += self.row_size.of_all(rows);
        if self.limit > 0 && self.bytes as u64 > self.limit {
            let TableRoom { table, bytes, limit, .. } = self;
            return Err(TableError::TooLarge { table: table.clone(), bytes: *bytes, limit: *limit });
        }
        Ok(())
    }

    /// Counts a row that does not fit the columns of the table, as it goes to the error stream.
    ///
    /// # Errors
    /// All of them so far do not fit the memory limit.
    pub fn take_refused(&mut self, row: &ErrorRow) -> Result<(), TableError> {
        self.refused += 1;
        self.refused_bytes += ERROR_OVERHEAD + row.message.len() + row.data_row.len();
        if self.limit > 0 && self.refused_bytes as u64 > self.limit {
            let TableRoom { table, refused, limit, .. } = self;
            return Err(TableError::Refused { table: table.clone(), rows: *refused, limit: *limit });
        }
        Ok(())
    }
}

impl Application {
    /// Replaces all rows of a reference table. Rows of streams that are pushed from now on meet the new rows. ROWTIMEs
    /// of the batch mean nothing. Until its first load a table is empty; a checkpoint does not hold tables, so load
    /// them again after [`Application::restore`].
    ///
    /// Cost: what the queries make of the table is computed once, with the next row that needs it.
    ///
    /// # Errors
    /// When there is no such table, the columns are not its own, or the rows do not fit the memory limit.
    pub fn load_table(&mut self, table: TableId, rows: &Batch) -> Result<(), TableError> {
        let declared = self.program.tables.get(table.0).ok_or(TableError::Unknown(table.0))?;
        let expected = declared.columns.iter().map(|column| physical_type(column.sql_type));
        if !expected.eq(rows.columns.iter().map(|column| column.data_type().clone())) {
            let types = declared.columns.iter().map(|column| column.sql_type.to_string());
            return Err(TableError::Columns {
                table: declared.name.clone(),
                expected: types.collect::<Vec<_>>().join(", "),
                found: rows
                    .columns
                    .iter()
                    .map(|column| column.data_type().to_string())
                    .collect::<Vec<_>>()
                    .join(", "),
            });
        }
        TableRoom::new(declared, self.settings.memory_limit).take(rows)?;
        self.tables.batches[table.0] = Some(rows.clone());
        self.tables.version += 1;
        Ok(())
    }

    /// The reference tables that have not been loaded since the application was built.
    pub fn tables_not_loaded(&self) -> impl Iterator<Item = TableId> {
        let tables = self.tables.batches.iter().enumerate();
        tables.filter(|(_, rows)| rows.is_none()).map(|(index, _)| TableId(index))
    }
}
