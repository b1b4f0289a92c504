//! Finds an input schema for records of which only a sample is known (section 5.8 of the language specification).
//!
//! ```text
//!   sample ─▶ JSON? ─▶ row path, one level of nesting, one array ─┐
//!         └─▶ delimited? ─▶ delimiter, header ────────────────────┼─▶ names ─▶ types by what was seen ─▶ schema
//!         └─▶ else one column of text ────────────────────────────┘
//! ```
//!
//! The schema reads the sample without error. Types are those that the service infers ([`Types::Service`]), or as narrow as
//! the sample allows, or with room for what may come.

mod column_name;
mod column_type;
mod delimited;
mod document;
mod json;
mod log_lines;

use crate::formats::InputSchema;

/// Most columns of a schema.
const MOST_COLUMNS: usize = 1_000;

/// How types follow from a sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Types {
    /// As the service infers: INTEGER, BIGINT when too large, also of texts of digits; DOUBLE; BOOLEAN; VARCHAR of the next
    /// 4, 8, 16, 32, … characters, also of times.
    #[default]
    Service,
    /// As narrow as the sample allows: TINYINT to BIGINT, DECIMAL, TIMESTAMP.
    Narrow,
    /// As the service, with VARCHAR of the next 16, 64, 256, 1024, … characters.
    Roomy,
}

/// What was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Discovered {
    /// The schema.
    pub schema: InputSchema,
    /// The first row of a delimited sample names the columns: it is no data.
    pub has_header: bool,
    /// That first row.
    pub header: Option<Vec<String>>,
    /// The sample as rows of text, as the schema reads it; without the header.
    pub rows: Vec<Vec<String>>,
    /// Records of a sample of JSON that are none, by their number from 1: the schema refuses them.
    pub unreadable: Vec<usize>,
    /// What to know before using the schema, in sentences.
    pub notes: Vec<String>,
}

impl Discovered {
    fn of(schema: InputSchema) -> Discovered {
        Discovered {
            schema,
            has_header: false,
            header: None,
            rows: Vec::new(),
            unreadable: Vec::new(),
            notes: Vec::new(),
        }
    }
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

/// Looks at a sample of records with the types of the service: see [`discover_types`].
///
/// # Errors
/// See [`DiscoverError`].
pub fn discover(records: &[&[u8]]) -> Result<Discovered, DiscoverError> {
    discover_types(records, Types::Service)
}

/// Looks at a sample of records. Costs a few passes over it; some hundred records are enough.
///
/// # Errors
/// See [`DiscoverError`].
pub fn discover_types(records: &[&[u8]], types: Types) -> Result<Discovered, DiscoverError> {
    let mut texts = Vec::new();
    let mut numbers = Vec::new();
    for (index, record) in records.iter().enumerate() {
        let text = std::str::from_utf8(record)
            .map_err(|error| DiscoverError::NotText { record: index + 1, byte: error.valid_up_to() })?;
        let text = if index == 0 { text.trim_start_matches('\u{feff}') } else { text };
        if !text.trim().is_empty() {
            texts.push(text);
            numbers.push(index + 1);
        }
    }
    if texts.is_empty() {
        return Err(DiscoverError::Empty);
    }
    let discovered = match document::parse_all(&texts) {
        Some(documents) => {
            let mut discovered = json::discover(&documents.all, types)?;
            discovered.unreadable = documents.unreadable.iter().map(|place| numbers[place - 1]).collect();
            if let Some(first) = discovered.unreadable.first() {
                discovered.notes.push(match discovered.unreadable.len() {
                    1 => format!("record {first} is no JSON: it goes to error_stream"),
                    count => format!(
                        "{count} records are no JSON, the first is record {first}: they go to error_stream"
                    ),
                });
            }
            if documents.spans_records {
                let note = "the JSON documents span several lines, and an input of lines reads one record a line: put each \
                            document on a line of its own, such as with jq -c . FILE";
                discovered.notes.push(note.to_owned());
            }
            discovered
        }
        None => delimited::discover(&texts, types),
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
        found_types(records, Types::Narrow)
    }

    fn found_types(records: &[&str], types: Types) -> Discovered {
        let bytes: Vec<&[u8]> = records.iter().map(|record| record.as_bytes()).collect();
        let discovered = discover_types(&bytes, types).unwrap();
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
    fn members_whose_names_need_quotes_in_a_path_become_columns() {
        let discovered = found(&[r#"{"a.b":1,"c d":{"it's":[{"x[0]":2}]},"line\nend":3}"#]);
        assert_eq!(
            columns(&discovered),
            ["COL_ab TINYINT $['a.b']", r"COL_x0 TINYINT $['c d']['it\'s'][0:]['x[0]']"]
        );
        assert_eq!(discovered.rows, [["1", "2"]]);
        let discovered = found(&[r#"{"all rows":[{"a":1},{"a":2}]}"#]);
        let expected = RecordFormat::Json { record_row_path: "$['all rows'][0:]".to_owned() };
        assert_eq!((discovered.schema.format, discovered.rows.len()), (expected, 2));
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

    #[test]
    fn types_are_those_that_the_service_infers() {
        let discovered = found_types(
            &[
                r#"{"id":5,"n":"123","big":3000000000,"bigtext":"3000000000","at":"2021-03-01T10:00:00.000Z","plain":"2021-03-01 10:00:00","price":1.5,"up":true,"k2":"ab","k5":"abcde"}"#,
                r#"{"id":2001,"n":"45","big":1,"bigtext":"1","at":"2021-03-01T10:00:01.000Z","plain":"2021-03-01 10:00:01","price":2,"up":false,"k2":"abcd","k5":"abcdefgh","later":"12345678901234"}"#,
            ],
            Types::Service,
        );
        assert_eq!(
            columns(&discovered),
            [
                "id INTEGER $.id",
                "n INTEGER $.n",
                "big BIGINT $.big",
                "bigtext BIGINT $.bigtext",
                "COL_at VARCHAR(32) $.at",
                "plain VARCHAR(32) $.plain",
                "price DOUBLE $.price",
                "up BOOLEAN $.up",
                "k2 VARCHAR(4) $.k2",
                "k5 VARCHAR(8) $.k5",
                "later BIGINT $.later",
            ]
        );
        // Numbers that no BIGINT holds stay texts.
        let long = found_types(&[r#"{"a":"99999999999999999999"}"#], Types::Service);
        assert_eq!(columns(&long), ["a VARCHAR(32) $.a"]);
        for (length, expected) in [(2, 4), (4, 4), (5, 8), (8, 8), (14, 16), (30, 32), (40, 64)] {
            let record = format!("{{\"a\":\"{}\"}}", "x".repeat(length));
            assert_eq!(
                columns(&found_types(&[&record], Types::Service)),
                [format!("a VARCHAR({expected}) $.a")]
            );
        }
        let roomy = found_types(&[r#"{"a":"x","b":"12345678901234567","c":1}"#], Types::Roomy);
        assert_eq!(columns(&roomy), ["a VARCHAR(16) $.a", "b BIGINT $.b", "c INTEGER $.c"]);
    }

    #[test]
    fn one_bad_line_among_many_spoils_no_other() {
        let mut records: Vec<String> = (0..40).map(|n| format!("{{\"a\":{n},\"b\":\"x\"}}")).collect();
        records[7] = "Traceback (most recent call last):".to_owned();
        let bytes: Vec<&[u8]> = records.iter().map(|record| record.as_bytes()).collect();
        let discovered = discover(&bytes).unwrap();
        assert_eq!(columns(&discovered), ["a INTEGER $.a", "b VARCHAR(4) $.b"]);
        assert_eq!(discovered.unreadable, [8]);
        assert!(discovered.notes[0].contains("record 8 is no JSON"), "{:?}", discovered.notes);
        // Where most are none, the sample is no JSON.
        let text = discover(&[b"{\"a\":1}", b"free text", b"more text"]).unwrap();
        assert_eq!(columns(&text), ["COL_0 VARCHAR(16)"]);
    }

    #[test]
    fn documents_over_several_lines_are_documents() {
        let pretty = "{\n  \"a\": 1,\n  \"b\": {\n    \"c\": \"x\"\n  }\n}\n{\n  \"a\": 2,\n  \"b\": {}\n}\n{\n  \"a\": ";
        let array = "[\n  {\n    \"a\": 1\n  },\n  {\"a\": 2},\n  {\"a\": 3";
        let closed = "[\n{\"a\":1},\n{\"a\":2}\n]";
        for (text, path, expected) in [
            (pretty, "$", vec!["a INTEGER $.a", "c VARCHAR(4) $.b.c", "b VARCHAR(4) $.b"]),
            (array, "$[0:]", vec!["a INTEGER $.a"]),
            (closed, "$[0:]", vec!["a INTEGER $.a"]),
        ] {
            let lines: Vec<&[u8]> = text.lines().map(str::as_bytes).collect();
            let discovered = discover(&lines).unwrap();
            assert_eq!(
                discovered.schema.format,
                RecordFormat::Json { record_row_path: path.to_owned() },
                "{text}"
            );
            assert_eq!(columns(&discovered), expected, "{text}");
            assert_eq!(discovered.rows.len(), 2, "{text}");
            assert!(discovered.notes.iter().any(|note| note.contains("jq -c")), "{:?}", discovered.notes);
        }
    }

    #[test]
    fn logs_name_what_reads_them() {
        let apache = [
            r#"127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif HTTP/1.0" 200 2326"#,
            r#"10.0.0.1 - - [10/Oct/2000:13:55:37 -0700] "GET / HTTP/1.0" 404 -"#,
        ];
        let discovered = found_types(&apache, Types::Service);
        assert_eq!(columns(&discovered), ["COL_0 VARCHAR(128)"]);
        assert!(discovered.notes[0].contains("W3C_LOG_PARSE(COL_0, 'COMMON')"), "{:?}", discovered.notes);
        let combined = apache.map(|line| format!("{line} \"-\" \"Mozilla/5.0 (X11)\""));
        let combined: Vec<&str> = combined.iter().map(String::as_str).collect();
        assert!(found_types(&combined, Types::Service).notes[0].contains("'NCSA EXTENDED'"));
        let sys_log = ["Jan  1 10:00:00 host started, really", "Feb 12 10:00:01 host stopped, again"];
        assert!(found_types(&sys_log, Types::Service).notes[0].contains("SYS_LOG_PARSE"));
        let free = ["nothing of the kind", "at all, and more words"];
        assert!(found_types(&free, Types::Service).notes[0].contains("VARIABLE_COLUMN_LOG_PARSE"));
    }

    #[test]
    fn flow_logs_are_delimited_by_blanks() {
        let lines = [
            "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status",
            "2 123456789010 eni-1235b8ca 172.31.16.139 172.31.16.21 20641 22 6 20 4249 1418530010 1418530070 ACCEPT OK",
            "2 123456789010 eni-1235b8ca 172.31.9.69 172.31.9.12 49761 3389 6 20 4249 1418530010 1418530070 REJECT OK",
        ];
        let discovered = found_types(&lines, Types::Service);
        let RecordFormat::Csv { column_delimiter, quoting, .. } = &discovered.schema.format else { panic!() };
        assert_eq!((column_delimiter.as_str(), *quoting), (" ", false));
        assert!(discovered.has_header);
        assert_eq!(
            columns(&discovered)[..3],
            ["version INTEGER", "COL_accountid BIGINT", "COL_interfaceid VARCHAR(16)"]
        );
        assert_eq!(discovered.header.as_ref().map(Vec::len), Some(14));
        let without = found_types(&lines[1..], Types::Service);
        assert_eq!((without.has_header, without.schema.columns.len()), (false, 14));
        // Sentences of equal length are no columns.
        let sentences = ["one two three four five", "six seven eight nine ten"];
        assert_eq!(found_types(&sentences, Types::Service).schema.columns.len(), 1);
    }

    #[test]
    fn many_keys_take_time_in_their_number() {
        let record: Vec<String> = (0..200_000).map(|n| format!("\"k{n}\":{n}")).collect();
        let record = format!("{{{}}}", record.join(","));
        // Quadratic, it would take minutes.
        assert_eq!(discover(&[record.as_bytes()]), Err(DiscoverError::TooManyColumns(200_000)));
        let same: Vec<String> = (0..900).map(|n| format!("\"@{}\":{n}", "@".repeat(n))).collect();
        let same = format!("{{{}}}", same.join(","));
        assert_eq!(discover(&[same.as_bytes()]).unwrap().schema.columns.len(), 900);
    }

    #[test]
    fn the_first_row_of_a_delimited_sample_is_kept_and_its_line_end_found() {
        let discovered = discover(&[b"Rank,Name\r\n1,a\r\n2,b\r\n"]).unwrap();
        assert_eq!(discovered.header, Some(vec!["Rank".to_owned(), "Name".to_owned()]));
        let RecordFormat::Csv { row_delimiter, .. } = &discovered.schema.format else { panic!() };
        assert_eq!(row_delimiter, "\r\n");
    }
}
