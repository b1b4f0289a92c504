//! Data of another shape than its schema says: found before wrong rows are believed.

use millstream_columns::formats::{InputSchema, RecordFormat};

/// Separators that people use.
const SEPARATORS: [char; 4] = [',', ';', '\t', '|'];

/// How the first line of an input is said to be a header.
pub(crate) const HEADER_OF_INPUT: &str = "give --header, or header = true where the file is read";

/// What is wrong with the shape of the first records, as far as it can be seen: another delimiter, JSON where text is
/// expected, JSON over several lines. `header` is how one says that the first line is a header.
pub(crate) fn wrong_shape<'r>(
    schema: &InputSchema,
    records: impl Iterator<Item = &'r [u8]>,
    header: &str,
) -> Option<String> {
    let records: Vec<&[u8]> =
        records.map(|record| record.trim_ascii()).filter(|record| !record.is_empty()).collect();
    let first = *records.first()?;
    match &schema.format {
        RecordFormat::Json { .. } => {
            let is_json = |record: &&[u8]| serde_json::from_slice::<serde::de::IgnoredAny>(record).is_ok();
            if records.iter().any(is_json) {
                return None;
            }
            match first[0] {
                b'{' | b'[' if is_in_lines(&records) => Some(
                    "this is JSON over several lines: put each document on a line of its own, such as with jq -c . FILE"
                        .to_owned(),
                ),
                b'{' | b'[' => None,
                _ => Some("none of the records is JSON: format = \"csv\", or --format csv beside SQL, reads text with delimiters".to_owned()),
            }
        }
        RecordFormat::Csv { column_delimiter, .. } => {
            if records.iter().all(|record| matches!(record[0], b'{' | b'[')) {
                return Some(
                    "this looks like JSON: format = \"json\", or --format json beside SQL, reads it"
                        .to_owned(),
                );
            }
            let columns = schema.columns.len();
            if is_header(schema, first, column_delimiter) {
                return Some(format!(
                    "the first record holds the names of the columns: if it is a header, {header}"
                ));
            }
            let fields =
                |record: &[u8], separator: &[u8]| memchr::memmem::find_iter(record, separator).count() + 1;
            let of_delimiter = |record: &&[u8]| fields(record, column_delimiter.as_bytes());
            if columns < 2 || records.iter().any(|record| of_delimiter(record) >= columns) {
                return None;
            }
            // Some texts hold separators: most records decide.
            let fits = |separator: &&char| {
                let separator = [**separator as u8];
                let fitting = records.iter().filter(|record| fields(record, &separator) == columns);
                4 * fitting.count() >= 3 * records.len()
            };
            let guess = SEPARATORS.iter().find(fits).map(|separator| {
                let separator =
                    if *separator == '\t' { "a tab".to_owned() } else { format!("`{separator}`") };
                format!(": is the delimiter {separator}?")
            });
            match records.iter().filter(|record| of_delimiter(record) == 1).count() {
                whole if whole == records.len() => {
                    Some(format!("every row has 1 of {columns} columns{}", guess.unwrap_or_default()))
                }
                // Rows that end early are nothing unusual.
                whole => guess.map(|guess| {
                    format!(
                        "{whole} of {} rows have 1 of {columns} columns, and none has all of them{guess}",
                        records.len()
                    )
                }),
            }
        }
    }
}

/// Whether the fields of a record are the names of the columns.
fn is_header(schema: &InputSchema, record: &[u8], delimiter: &str) -> bool {
    let Ok(text) = std::str::from_utf8(record) else { return false };
    let text = text.trim_start_matches('\u{feff}');
    let mut fields = text.split(delimiter).map(|field| field.trim().trim_matches('"'));
    let mut names = schema.columns.iter().map(|column| column.name.as_str());
    let is_name = |(field, name): (&str, &str)| field.eq_ignore_ascii_case(name);
    let all_are = fields.by_ref().zip(names.by_ref()).all(is_name);
    all_are && names.next().is_none()
}

/// Whether the lines are documents over several of them: at least one whole document stands at the beginning.
fn is_in_lines(lines: &[&[u8]]) -> bool {
    let text = lines.join(&b'\n');
    let mut documents = serde_json::Deserializer::from_slice(&text).into_iter::<serde::de::IgnoredAny>();
    matches!(documents.next(), Some(Ok(_)))
}

#[cfg(test)]
mod tests {
    use millstream_columns::formats::InputColumn;
    use millstream_sql::SqlType;

    use super::*;

    fn shape(format: RecordFormat, records: &[&'static str]) -> Option<String> {
        shape_of(&["a", "b"], format, records)
    }

    fn shape_of(columns: &[&str], format: RecordFormat, records: &[&'static str]) -> Option<String> {
        let column = |name: &&str| InputColumn::of_member(name, SqlType::Integer);
        let schema = InputSchema { format, columns: columns.iter().map(column).collect() };
        wrong_shape(&schema, records.iter().map(|record| record.as_bytes()), HEADER_OF_INPUT)
    }

    #[test]
    fn another_shape_is_seen() {
        let csv = || RecordFormat::Csv {
            row_delimiter: "\n".to_owned(),
            column_delimiter: ",".to_owned(),
            quoting: true,
        };
        let json = || RecordFormat::Json { record_row_path: "$".to_owned() };
        let said = |text: &str| Some(text.to_owned());
        assert_eq!(
            shape(csv(), &["1;2", "3;4"]),
            said("every row has 1 of 2 columns: is the delimiter `;`?")
        );
        assert_eq!(shape(csv(), &["1\t2"]), said("every row has 1 of 2 columns: is the delimiter a tab?"));
        assert_eq!(shape(csv(), &["1", "2"]), said("every row has 1 of 2 columns"));
        assert_eq!(
            shape(csv(), &["{\"a\":1,\"b\":2}"]),
            said("this looks like JSON: format = \"json\", or --format json beside SQL, reads it")
        );
        assert_eq!(
            shape_of(&["a", "b", "c"], csv(), &["1;a, b;2", "2;c;3", "4;d;1", "5;e;1"]),
            said("3 of 4 rows have 1 of 3 columns, and none has all of them: is the delimiter `;`?")
        );
        assert_eq!(shape_of(&["a", "b", "c"], csv(), &["1,a", "2,b", "3"]), None, "short rows");
        for header in ["a,b", "A,\"B\"", "\u{feff}a,b,more"] {
            assert!(shape(csv(), &[header, "1,2"]).unwrap().contains("header = true"), "{header}");
        }
        for fine in [["1,2", "3"].as_slice(), &["1;2", "3,4"], &["a,x", "1,2"], &["a", "1,2"], &["", ""], &[]]
        {
            assert_eq!(shape(csv(), fine), None, "{fine:?}");
        }
        let several = "this is JSON over several lines: put each document on a line of its own, such as with jq -c . FILE";
        assert_eq!(shape(json(), &["{", "  \"a\": 1", "}"]), said(several));
        assert_eq!(
            shape(json(), &["{", "  \"a\": 1", "}", "{", "  \"a\":"]),
            said(several),
            "and the next, cut"
        );
        assert_eq!(
            shape(json(), &["1,x", "2,y"]),
            said(
                "none of the records is JSON: format = \"csv\", or --format csv beside SQL, reads text with delimiters"
            )
        );
        for fine in [["{\"a\":1}", "no"].as_slice(), &["{\"a\":1", "{"], &["1"]] {
            assert_eq!(shape(json(), fine), None, "{fine:?}");
        }
    }
}
