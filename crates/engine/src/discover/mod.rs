//! Finds an input schema for records of which only a sample is known (section 5.8 of the language specification).
//!
//! ```text
//!   sample ─▶ JSON? ─▶ row path, one level of nesting, one array ─┐
//!         └─▶ delimited? ─▶ delimiter, header ────────────────────┼─▶ names ─▶ types by what was seen ─▶ schema
//!         └─▶ else one column of text ────────────────────────────┘
//! ```
//!
//! The schema reads the sample without error. Types are as narrow as the sample allows: widen them for what may come.

mod column_name;
mod column_type;
mod delimited;
mod document;
mod json;

use crate::formats::InputSchema;

/// Most columns of a schema.
const MOST_COLUMNS: usize = 1_000;

/// What was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Discovered {
    /// The schema.
    pub schema: InputSchema,
    /// The first row of a delimited sample names the columns: it is no data.
    pub has_header: bool,
    /// The sample as rows of text, as the schema reads it; without the header.
    pub rows: Vec<Vec<String>>,
}

/// Why no schema was found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DiscoverError {
    /// Nothing to look at.
    #[error("the sample is empty: put some records first")]
    Empty,
    /// Not text.
    #[error(
        "record {record} is not UTF-8 text: byte {byte} is wrong; let a preprocessing function make text of it"
    )]
    NotText {
        /// Counted from 1.
        record: usize,
        /// Counted from 0.
        byte: usize,
    },
    /// Rows without anything in them.
    #[error("the records hold no members that could be columns")]
    NoColumns,
    /// Too wide.
    #[error(
        "the records have {0} columns; a schema has at most 1000: let a preprocessing function leave some out"
    )]
    TooManyColumns(usize),
}

/// Looks at a sample of records. Costs a few passes over it; some hundred records are enough.
///
/// # Errors
/// See [`DiscoverError`].
pub fn discover(records: &[&[u8]]) -> Result<Discovered, DiscoverError> {
    let mut texts = Vec::new();
    for (index, record) in records.iter().enumerate() {
        let text = std::str::from_utf8(record)
            .map_err(|error| DiscoverError::NotText { record: index + 1, byte: error.valid_up_to() })?;
        if !text.trim().is_empty() {
            texts.push(text);
        }
    }
    if texts.is_empty() {
        return Err(DiscoverError::Empty);
    }
    let discovered = match document::parse_all(&texts) {
        Some(documents) => json::discover(&documents)?,
        None => delimited::discover(&texts),
    };
    match discovered.schema.columns.len() {
        0 => Err(DiscoverError::NoColumns),
        count if count > MOST_COLUMNS => Err(DiscoverError::TooManyColumns(count)),
        _ => Ok(discovered),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::RecordFormat;

    fn found(records: &[&str]) -> Discovered {
        let bytes: Vec<&[u8]> = records.iter().map(|record| record.as_bytes()).collect();
        let discovered = discover(&bytes).unwrap();
        // The schema reads its own sample.
        let mut parser = discovered.schema.parser().unwrap();
        let skipped = usize::from(discovered.has_header);
        bytes.iter().skip(skipped).for_each(|record| parser.parse(record));
        let parsed = parser.finish();
        assert!(parsed.errors.is_empty(), "{:?}", parsed.errors);
        discovered
    }

    fn columns(discovered: &Discovered) -> Vec<String> {
        let columns = discovered.schema.columns.iter();
        columns
            .map(|column| {
                let mapping =
                    column.mapping.as_ref().map(|mapping| format!(" {mapping}")).unwrap_or_default();
                format!("{} {}{mapping}", column.name, column.sql_type)
            })
            .collect()
    }

    #[test]
    fn members_become_columns_of_the_narrowest_types() {
        let discovered = found(&[
            r#"{"ticker":"AMZN","price":12.25,"n":1,"at":"2024-01-01 10:00:00","up":true,"big":70000}"#,
            r#"{"ticker":"IBM","price":100,"n":200,"at":"2024-01-01T10:00:01.5","up":false,"big":null}"#,
        ]);
        assert_eq!(
            columns(&discovered),
            [
                "ticker VARCHAR(4) $.ticker",
                "price DECIMAL(5,2) $.price",
                "n SMALLINT $.n",
                "COL_at TIMESTAMP $.at",
                "up BOOLEAN $.up",
                "big INTEGER $.big",
            ]
        );
        assert_eq!(discovered.rows[1], ["IBM", "100", "200", "2024-01-01T10:00:01.5", "false", ""]);
    }

    #[test]
    fn nested_members_and_one_array_are_flattened() {
        let discovered = found(&[
            r#"{"id":1,"address":{"street":"a","geo":{"x":1}},"items":[{"sku":"s1","n":1},{"sku":"s22","n":300}],"tags":["x"]}"#,
            r#"{"id":2,"address":{"street":"bcdef"},"items":[],"tags":[]}"#,
        ]);
        assert_eq!(
            columns(&discovered),
            [
                "id TINYINT $.id",
                "street VARCHAR(8) $.address.street",
                "x TINYINT $.address.geo.x",
                "sku VARCHAR(4) $.items[0:].sku",
                "n SMALLINT $.items[0:].n",
                "tags VARCHAR(8) $.tags[0:]",
            ]
        );
        assert_eq!(discovered.rows.len(), 3);
    }

    #[test]
    fn an_envelope_of_records_is_the_row_path() {
        for (record, path) in
            [(r#"{"Records":[{"a":1},{"a":2}]}"#, "$.Records[0:]"), (r#"[{"a":1},{"a":2}]"#, "$[0:]")]
        {
            let discovered = found(&[record]);
            let expected = RecordFormat::Json { record_row_path: path.to_owned() };
            assert_eq!(discovered.schema.format, expected);
            assert_eq!(discovered.rows, [["1"], ["2"]]);
        }
    }

    #[test]
    fn names_that_sql_cannot_take_are_changed() {
        let discovered =
            found(&[r#"{"USER":1,"USER@DOMAIN":2,"@@":3,"1st":4,"ok_1":5,"select":6,"Ok_1":7}"#]);
        let names: Vec<&str> = discovered.schema.columns.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(names, ["COL_USER", "COL_USERDOMAIN", "COL_2", "COL_1st", "ok_1", "COL_select", "Ok_1"]);
    }

    #[test]
    fn delimited_rows_are_told_by_their_delimiter() {
        let discovered = found(&["AMZN,12.50,3", "\"a,b\",7.125,100000"]);
        assert_eq!(columns(&discovered), ["COL_0 VARCHAR(4)", "COL_1 DECIMAL(5,3)", "COL_2 INTEGER"]);
        assert!(!discovered.has_header);
        let discovered = found(&["review_id\tstars\ttext", "R1\t5\tgood, very good", "R2\t1\tbad"]);
        assert!(discovered.has_header);
        assert_eq!(columns(&discovered), ["review_id VARCHAR(4)", "stars TINYINT", "text VARCHAR(16)"]);
        let RecordFormat::Csv { column_delimiter, quoting, .. } = &discovered.schema.format else { panic!() };
        assert_eq!((column_delimiter.as_str(), *quoting), ("\t", false));
    }

    #[test]
    fn anything_else_is_one_column_of_text() {
        let discovered = found(&["Jan  1 10:00:00 host started", "free text"]);
        assert_eq!(columns(&discovered), ["COL_0 VARCHAR(32)"]);
        assert_eq!(discover(&[]), Err(DiscoverError::Empty));
        assert_eq!(discover(&[b" \n"]), Err(DiscoverError::Empty));
        assert_eq!(discover(&[b"a", b"\xff"]), Err(DiscoverError::NotText { record: 2, byte: 0 }));
        assert_eq!(discover(&[b"{}"]), Err(DiscoverError::NoColumns));
    }
}
