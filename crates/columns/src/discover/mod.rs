//! Finds an input schema for records of which only a sample is known (section 5.8 of the language specification).
//!
//! ```text
//!   sample ─▶ JSON? ─▶ row path, one level of nesting, one array ─┐
//!         └─▶ delimited? ─▶ delimiter, header ────────────────────┼─▶ names ─▶ types by what was seen ─▶ schema
//!         └─▶ else one column of text ────────────────────────────┘
//! ```
//!
//! The schema reads the sample without error, but for the records that are named in [`Discovered::irregular`]: some that are
//! not as nearly all others spoil nothing. Types are those that the service infers ([`Types::Service`]), or as narrow as
//! the sample allows, or with room for what may come.

mod column_name;
mod column_type;
mod delimited;
mod document;
mod irregular;
mod json;
mod log_lines;
mod sample;

pub use irregular::Irregular;

use crate::formats::InputSchema;
use delimited::Delimited;
use irregular::refused;
use millstream_wording::counted;
use sample::Sample;

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
    /// How many records the schema was found in: those that hold something, without the header. JSON documents that span
    /// several lines count as one each.
    pub records: usize,
    /// The sample as rows of text, as the schema reads it; without the header.
    pub rows: Vec<Vec<String>>,
    /// Records that the schema does not fit, in order.
    pub irregular: Vec<Irregular>,
    /// Members of JSON that are no columns as no path can name them: the names from the row down, as JSON writes them.
    pub left_members: Vec<String>,
    /// What to know before using the schema, in sentences.
    pub notes: Vec<String>,
}

impl Discovered {
    fn of(schema: InputSchema) -> Discovered {
        Discovered {
            schema,
            has_header: false,
            header: None,
            records: 0,
            rows: Vec::new(),
            irregular: Vec::new(),
            left_members: Vec::new(),
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
    /// Most of it is no text.
    #[error(
        "{count} of {} not UTF-8 text, the first is record {first}: byte {byte} is wrong; let a preprocessing function make \
         text of them",
        records_are(*count, *records)
    )]
    NotText {
        /// How many are none.
        count: usize,
        /// Of how many.
        records: usize,
        /// The first of them, counted from 1.
        first: usize,
        /// The first wrong byte of that, counted from 0.
        byte: usize,
    },
    /// It begins as JSON does, and most of it is none.
    #[error(
        "most records are no JSON, though record {first} begins like it: {reason}; a record is one line: put each document on \
         a line of its own, such as with jq -c . FILE"
    )]
    BrokenJson {
        /// The first record, counted from 1.
        first: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// Rows without anything in them.
    #[error("the records hold no members that could be columns")]
    NoColumns,
    /// Nothing but members that no path can name.
    #[error(
        "the names of all {0} members hold line ends or other control characters, and no path can name them: let a \
         preprocessing function rename them"
    )]
    NoNames(usize),
    /// Too wide.
    #[error(
        "the records have {0} columns; a schema has at most 1000: let a preprocessing function leave some out"
    )]
    TooManyColumns(usize),
}

/// How many records some of them are of, with the verb of these.
fn records_are(count: usize, records: usize) -> String {
    format!("{} {}", counted(records, "record"), if count == 1 { "is" } else { "are" })
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
    let sample = Sample::of(records)?;
    let discovered = match document::parse_all(&sample.texts) {
        Some(documents) => {
            let mut discovered = json::discover(&documents.all, types)?;
            discovered.records = sample.records.len();
            if documents.spans_records {
                discovered.records = documents.all.len();
                let note = "the JSON documents span several lines, and an input of lines reads one record a line: put each \
                            document on a line of its own, such as with jq -c . FILE";
                discovered.notes.push(note.to_owned());
            } else {
                discovered.irregular = refused(&discovered, &sample);
            }
            discovered
        }
        None => {
            if let Some(reason) = document::broken_json(&sample.texts) {
                return Err(DiscoverError::BrokenJson { first: sample.text_numbers[0], reason });
            }
            let Delimited { mut discovered, irregular } = delimited::discover(&sample.texts, types);
            discovered.records = sample.records.len() - usize::from(discovered.has_header);
            discovered.irregular = refused(&discovered, &sample);
            for (place, reason) in irregular {
                let record = sample.text_numbers[place];
                if !discovered.irregular.iter().any(|known| known.record == record) {
                    discovered.irregular.push(Irregular { record, reason, is_refused: false });
                }
            }
            discovered.irregular.sort_by_key(|irregular| irregular.record);
            discovered
        }
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

    fn irregular(discovered: &Discovered) -> Vec<String> {
        discovered.irregular.iter().map(|one| format!("{} {}", one.record, one.reason)).collect()
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
        let discovered = found(&[r#"{"(":1,"it's)\\":{"n":2}}"#]);
        assert_eq!(columns(&discovered), ["COL_0 TINYINT $['(']", r"n TINYINT $['it\'s)\\'].n"]);
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
        let not_text = DiscoverError::NotText { count: 1, records: 2, first: 2, byte: 0 };
        assert_eq!(discover(&[b"a", b"\xff"]), Err(not_text));
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
    fn records_are_counted_and_not_lines() {
        for (lines, records) in [
            (["a,b", "x,1", "", "y,2"].as_slice(), 2),
            (&["x,1", "y,2"], 2),
            (&["{", "\"a\": 1", "}", "{", "\"a\": 2", "}"], 2),
            (&["[", "{\"a\": 1},", "{\"a\": 2}", "]"], 1),
            (&["{\"a\":1}", "{\"a\":2}", "oops"], 3),
            (&["some text"], 1),
        ] {
            let bytes: Vec<&[u8]> = lines.iter().map(|line| line.as_bytes()).collect();
            assert_eq!(discover(&bytes).unwrap().records, records, "{lines:?}");
        }
    }

    #[test]
    fn one_bad_line_among_many_spoils_no_other() {
        let mut records: Vec<String> = (0..40).map(|n| format!("{{\"a\":{n},\"b\":\"x\"}}")).collect();
        records[7] = "Traceback (most recent call last):".to_owned();
        let bytes: Vec<&[u8]> = records.iter().map(|record| record.as_bytes()).collect();
        let discovered = discover(&bytes).unwrap();
        assert_eq!(columns(&discovered), ["a INTEGER $.a", "b VARCHAR(4) $.b"]);
        assert_eq!(
            irregular(&discovered),
            ["8 the record is not JSON: a value is expected at byte 0, so it goes to error_stream"]
        );
        // Where most are none, the sample is no JSON.
        let text = discover(&[b"{\"a\":1}", b"free text", b"more text"]).unwrap();
        assert_eq!(columns(&text), ["COL_0 VARCHAR(16)"]);
    }

    #[test]
    fn one_line_of_another_width_spoils_no_other() {
        for (delimiter, text) in
            [(',', "oops"), ('\t', "a tab\tis here"), (';', "a;b;c;d;e"), (' ', "no such line")]
        {
            let line = |n: usize| format!("x{n},{n},1.5").replace(',', &delimiter.to_string());
            let line = |n: usize| if delimiter == ' ' { line(n) + " 7" } else { line(n) };
            let mut records: Vec<String> = (0..8).map(line).collect();
            records[5] = text.to_owned();
            let bytes: Vec<&[u8]> = records.iter().map(|record| record.as_bytes()).collect();
            let discovered = discover(&bytes).unwrap();
            let found = columns(&discovered);
            assert_eq!(found[..3], ["COL_0 VARCHAR(4)", "COL_1 INTEGER", "COL_2 DOUBLE"], "{delimiter}");
            assert_eq!((discovered.rows.len(), discovered.irregular.len()), (7, 1), "{delimiter}");
            assert_eq!(discovered.irregular[0].record, 6, "{delimiter}");
        }
        let short = discover(&[b"a,1,2", b"b,2,3", b"c"]).unwrap();
        assert_eq!(irregular(&short), ["3 it has 1 of 3 fields: the missing ones are NULL"]);
        assert!(!short.irregular[0].is_refused);
        let long = discover(&[b"a,1", b"b,2,3", b"c,3"]).unwrap();
        assert_eq!(irregular(&long), ["2 it has 3 fields where most have 2: the further ones are ignored"]);
        let refused = discover(&[b"a,1,2", b"b,2,3", b"c,d"]).unwrap();
        let reason = "column \"COL_1\": 'd' is not a valid INTEGER, so it goes to error_stream";
        assert_eq!(irregular(&refused), [format!("3 {reason}")]);
        // A title above the header is no header, and the rows are not given up for it.
        let titled = discover(&[b"Report", b"a,b", b"c,d", b"e,f"]).unwrap();
        assert_eq!((titled.has_header, titled.irregular[0].record), (false, 1));
        // Two of four are no exception.
        let text = discover(&[b"a,1", b"b", b"c,2", b"d"]).unwrap();
        assert_eq!(columns(&text), ["COL_0 VARCHAR(4)"]);
    }

    #[test]
    fn one_line_that_is_no_text_or_no_log_spoils_no_other() {
        let discovered = discover(&[b"a,b", b"x,1", b"\xff\xfe,2", b"", b"z,3"]).unwrap();
        assert!(discovered.has_header);
        assert_eq!(columns(&discovered), ["a VARCHAR(4)", "b INTEGER"]);
        let reason = "the record is not UTF-8: byte 0 is wrong, so it goes to error_stream";
        assert_eq!(irregular(&discovered), [format!("3 {reason}")]);
        let log = [
            "Jan  1 10:00:00 host started, really",
            "Jan  1 10:00:01 host went on, and on",
            "Traceback",
            "Feb 12 10:00:01 host stopped, again",
        ];
        let bytes: Vec<&[u8]> = log.iter().map(|line| line.as_bytes()).collect();
        assert!(discover(&bytes).unwrap().notes[0].contains("SYS_LOG_PARSE"));
        // A value that is none of its column hides no header.
        let odd = discover(&[b"a,b", b"x,1", b"y,2", b"z,n/a"]).unwrap();
        assert_eq!((odd.has_header, columns(&odd)[1].as_str()), (true, "b VARCHAR(4)"));
        let half = discover(&[b"a", b"\xff"]).unwrap_err().to_string();
        assert!(half.starts_with("1 of 2 records is not UTF-8 text, the first is record 2"), "{half}");
        let most = discover(&[b"\xff", b"a", b"\xfe", b"\xfd"]).unwrap_err().to_string();
        assert!(
            most.starts_with("3 of 4 records are not UTF-8 text, the first is record 1: byte 0 is wrong"),
            "{most}"
        );
    }

    #[test]
    fn json_of_which_nothing_can_be_read_is_named() {
        for records in [
            ["{", "  \"a\": [1, 2,", "  \"b\": 2", "}"].as_slice(),
            &["{\"Records\": [", "{\"a\": 1},", "{\"a\": 2},"],
            &["[", "  1,", "  2"],
            &["{\"a\": 1", "{\"a\": 2", "{\"a\": 3"],
        ] {
            let bytes: Vec<&[u8]> = records.iter().map(|record| record.as_bytes()).collect();
            let error = discover(&bytes).unwrap_err().to_string();
            assert!(error.contains("record 1 begins like it"), "{records:?}: {error}");
            assert!(error.contains("put each document on a line of its own"), "{error}");
        }
        // Times in brackets are no JSON.
        let log = discover(&[b"[10:00:00] one", b"[10:00:01] two, or more"]).unwrap();
        assert_eq!(columns(&log), ["COL_0 VARCHAR(32)"]);
    }

    #[test]
    fn members_that_no_path_can_name_are_said() {
        let discovered =
            discover(&[br#"{"a":1,"line\nend":3,"o":{"tab\t":{"x":1}},"i":[{"n":1,"\u0000":2}]}"#]).unwrap();
        assert_eq!(columns(&discovered), ["a INTEGER $.a", "n INTEGER $.i[0:].n"]);
        assert_eq!(discovered.left_members, [r#""i"."\u0000""#, r#""line\nend""#, r#""o"."tab\t"."x""#]);
        let error = discover(&[br#"{"line\nend":3}"#]).unwrap_err();
        assert_eq!(error, DiscoverError::NoNames(1));
    }

    #[test]
    fn names_of_the_service_are_explained() {
        let discovered = discover(&[br#"{"at":1,"USER@DOMAIN":2,"1st":4,"ok":5,"o":{"ok":6}}"#]).unwrap();
        assert_eq!(
            discovered.notes,
            [
                "columns are named as Kinesis Data Analytics names them: COL_at is \"at\" (a reserved word), COL_USERDOMAIN is \
              \"USER@DOMAIN\" (characters other than letters, digits and _), COL_1st is \"1st\" (a digit at its start), ok_2 \
              is \"ok\" (the name is taken); rename them as you like"
            ]
        );
        let many: Vec<String> = (0..9).map(|n| format!("\"{n}{}\":1", "x".repeat(200))).collect();
        let many = discover(&[format!("{{{}}}", many.join(",")).as_bytes()]).unwrap();
        assert!(many.notes[0].contains("xxx…\" (a digit at its start), and 4 more;"), "{:?}", many.notes);
        let plain = discover(&[b"1,y", b"2,z"]).unwrap();
        assert!(
            plain.notes[0].starts_with("no line names the columns: COL_0 is the first field"),
            "{plain:?}"
        );
        assert!(discover(&[br#"{"a":1}"#]).unwrap().notes.is_empty());
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
