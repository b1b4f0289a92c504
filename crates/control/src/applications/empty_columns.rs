//! Columns of an input that are NULL in every row, and what the records hold in their place.

use arrow_array::{Array, ArrayRef};
use millstream_columns::formats::{InputSchema, RecordFormat, near_member};
use millstream_wording::agreeing;

/// Fewer rows say too little, unless a record has a member that is nearly the one that a column names.
const FEWEST_ROWS: u64 = 3;
/// After so many a column is spoken of that had no value in any, although others had.
const ENOUGH_ROWS: u64 = 20;
/// Columns that are spoken of one by one.
const MOST_REMARKS: usize = 5;
/// Records that are looked into for such members.
const MOST_RECORDS: usize = 20;

/// What is asked where no cause is known.
const DOUBT: &str = "is that what the records have?";

/// Which columns had no value so far.
pub(crate) struct EmptyColumns {
    columns: Vec<OfColumn>,
    /// For JSON.
    record_row_path: Option<String>,
    rows: u64,
    /// Records that were looked into.
    looked_at: usize,
}

struct OfColumn {
    name: String,
    mapping: Option<String>,
    has_values: bool,
    /// A member of nearly the name.
    near: Option<String>,
    /// It was spoken of while more rows could come.
    is_said: bool,
}

/// A column that was NULL in every row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmptyColumn {
    /// In quotes, with its path if it has one.
    pub column: String,
    /// What is likely the cause, if something is.
    pub cause: Option<String>,
}

impl EmptyColumns {
    pub(crate) fn new(schema: &InputSchema) -> EmptyColumns {
        let columns = schema.columns.iter().map(|column| OfColumn {
            name: column.name.clone(),
            mapping: column.mapping.clone(),
            has_values: false,
            near: None,
            is_said: false,
        });
        let record_row_path = match &schema.format {
            RecordFormat::Json { record_row_path } => Some(record_row_path.clone()),
            RecordFormat::Csv { .. } => None,
        };
        EmptyColumns { columns: columns.collect(), record_row_path, rows: 0, looked_at: 0 }
    }

    /// Rows have come, made of these records.
    pub(crate) fn note<'r>(
        &mut self,
        columns: &[ArrayRef],
        rows: usize,
        records: impl Iterator<Item = &'r [u8]>,
    ) {
        self.rows += rows as u64;
        for (of_column, column) in self.columns.iter_mut().zip(columns) {
            of_column.has_values |= column.null_count() < rows;
        }
        if rows == 0 || self.columns.iter().all(|column| column.has_values || column.near.is_some()) {
            return;
        }
        let Some(row_path) = &self.record_row_path else { return };
        for record in records.take(MOST_RECORDS - self.looked_at) {
            self.looked_at += 1;
            let Ok(document) = serde_json::from_slice(record) else { continue };
            for column in self.columns.iter_mut().filter(|column| !column.has_values && column.near.is_none())
            {
                let mapping = column.mapping.as_deref();
                column.near = mapping.and_then(|mapping| near_member(&document, row_path, mapping));
            }
        }
    }

    /// The columns that were NULL in every row so far; of few rows only those of which the cause is known.
    pub(crate) fn found(&self) -> Vec<EmptyColumn> {
        let is_said =
            |column: &&OfColumn| !column.has_values && (column.near.is_some() || self.rows >= FEWEST_ROWS);
        let empty = self.columns.iter().filter(is_said);
        empty.map(OfColumn::describe).collect()
    }

    /// What there is to say of them while more rows may come: of each column once.
    pub(crate) fn remarks(&mut self) -> Vec<String> {
        let are_enough = self.rows >= ENOUGH_ROWS
            || self.rows >= FEWEST_ROWS && self.columns.iter().all(|column| !column.has_values);
        let is_said = |column: &&mut OfColumn| {
            !column.has_values && !column.is_said && (column.near.is_some() || are_enough)
        };
        let new = self.columns.iter_mut().filter(is_said).map(|column| {
            column.is_said = true;
            column.describe()
        });
        let (explained, others): (Vec<EmptyColumn>, Vec<EmptyColumn>) =
            new.partition(|new| new.cause.is_some());
        let mut remarks: Vec<String> = explained.iter().take(MOST_REMARKS).map(EmptyColumn::remark).collect();
        if explained.len() > MOST_REMARKS {
            let more = agreeing(explained.len() - MOST_REMARKS, "more column was", "more columns were");
            remarks.push(format!("{more} NULL in every row so far, with members of nearly their names"));
        }
        match others.as_slice() {
            [] => {}
            [only] => remarks.push(only.remark()),
            several => {
                let shown: Vec<&str> =
                    several.iter().take(MOST_REMARKS).map(|column| column.column.as_str()).collect();
                let more = match several.len() - shown.len() {
                    0 => String::new(),
                    more => format!(" and {more} more"),
                };
                remarks.push(format!(
                    "columns {}{more} were NULL in every row so far: {DOUBT}",
                    shown.join(", ")
                ));
            }
        }
        remarks
    }

    /// Whether more rows would change nothing in what was said.
    pub(crate) fn is_settled(&self) -> bool {
        self.rows >= ENOUGH_ROWS || self.columns.iter().all(|column| column.has_values)
    }
}

impl EmptyColumn {
    fn remark(&self) -> String {
        format!("column {} was NULL in every row so far: {}", self.column, self.doubt())
    }

    /// The cause, or the question that is left.
    pub fn doubt(&self) -> &str {
        self.cause.as_deref().unwrap_or(DOUBT)
    }
}

impl OfColumn {
    fn describe(&self) -> EmptyColumn {
        let column = match &self.mapping {
            Some(path) => format!("\"{}\" ({path})", self.name),
            None => format!("\"{}\"", self.name),
        };
        let cause = self.near.as_ref().map(|member| {
            format!(
                "a member \"{member}\" is there: names of JSON members are compared letter by letter, with their case"
            )
        });
        EmptyColumn { column, cause }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::Int32Array;
    use millstream_columns::formats::InputColumn;
    use millstream_sql::SqlType;

    use super::*;

    fn noted(rows: &[(&'static str, [Option<i32>; 2])]) -> EmptyColumns {
        let columns = ["a", "b"].map(|name| InputColumn::of_member(name, SqlType::Integer));
        let format = RecordFormat::Json { record_row_path: "$".to_owned() };
        let mut found = EmptyColumns::new(&InputSchema { format, columns: columns.to_vec() });
        for (record, values) in rows {
            let columns = values.map(|value| Arc::new(Int32Array::from(vec![value])) as ArrayRef);
            found.note(&columns, 1, [record.as_bytes()].into_iter());
        }
        found
    }

    fn empty(rows: &[(&'static str, [Option<i32>; 2])]) -> Vec<(String, bool)> {
        let found = noted(rows).found().into_iter();
        found
            .map(|column| (column.column, column.cause.is_some_and(|cause| cause.contains("\"A\""))))
            .collect()
    }

    #[test]
    fn columns_that_are_empty_are_found_with_the_cause() {
        let of = |name: &str, has_cause| (format!("\"{name}\" ($.{name})"), has_cause);
        let row = (r#"{"A": 1, "b": 2}"#, [None, Some(2)]);
        assert_eq!(empty(&[row]), [of("a", true)]);
        let other = (r#"{"b": 2}"#, [None, Some(2)]);
        assert_eq!(empty(&[other, other]), [], "too few");
        assert_eq!(empty(&[other, other, other]), [of("a", false)]);
        assert_eq!(empty(&[row, ("{}", [None, None]), (r#"{"a": 1}"#, [Some(1), None])]), []);
        assert_eq!(empty(&[]), []);
    }

    #[test]
    fn while_rows_come_each_column_is_spoken_of_once() {
        let near = (r#"{"A": 1, "b": 2}"#, [None, Some(2)]);
        let none = ("{}", [None, None]);
        let other = (r#"{"b": 2}"#, [None, Some(2)]);
        let mut columns = noted(&[near]);
        let said = "column \"a\" ($.a) was NULL in every row so far: a member \"A\" is there: names of JSON members are \
                    compared letter by letter, with their case";
        assert_eq!(columns.remarks(), [said]);
        assert_eq!(columns.remarks(), [""; 0]);
        assert!(!columns.is_settled());
        assert_eq!(
            noted(&[none; 3]).remarks(),
            [
                "columns \"a\" ($.a), \"b\" ($.b) were NULL in every row so far: is that what the records have?"
            ]
        );
        assert_eq!(noted(&[other; 19]).remarks(), [""; 0], "it may be rare");
        let mut columns = noted(&[other; 20]);
        let said = "column \"a\" ($.a) was NULL in every row so far: is that what the records have?";
        assert_eq!(columns.remarks(), [said]);
        assert!(columns.is_settled());
        assert!(noted(&[("{\"a\": 1, \"b\": 1}", [Some(1), Some(1)])]).is_settled());
    }
}
