//! Records of CSV and JSON: sound ones, damaged ones, noise.

use crate::random::Random;
use millstream_columns::discover::discover;
use millstream_columns::formats::{InputColumn, InputSchema, RecordFormat};
use millstream_sql::SqlType;

/// Records with a schema that may fit.
pub(crate) struct Records {
    schema: InputSchema,
    records: Vec<Vec<u8>>,
}

const TYPES: [SqlType; 12] = [
    SqlType::Varchar { length: 8 },
    SqlType::Char { length: 3 },
    SqlType::TinyInt,
    SqlType::Integer,
    SqlType::BigInt,
    SqlType::Decimal { precision: 10, scale: 2 },
    SqlType::Double,
    SqlType::Boolean,
    SqlType::Timestamp,
    SqlType::Date,
    SqlType::Time,
    SqlType::Varbinary { length: 8 },
];

const PATHS: [&str; 9] =
    ["$.a", "$.b", "$.a.b", "$.list[0:]", "$.list[0:].x", "$", "$.a.b.c", "$.list[1]", "$['a']"];

const ROW_PATHS: [&str; 5] = ["$", "$.rows[0:]", "$.a", "$[0:]", "$.rows"];

const PIECES: [&str; 30] = [
    "{\"a\":1,\"b\":\"x\"}",
    "{\"rows\":[{\"a\":1},{\"a\":2}]}",
    "{\"list\":[1,2,{\"x\":3}]}",
    "{\"a\":{\"b\":{\"c\":null}}}",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\\",
    "\\u00e9",
    "\\ud800",
    "null",
    "true",
    "-0.0",
    "1e400",
    "123456789012345678901",
    "2024-01-01 10:00:00",
    "2024-13-99",
    "10:00:00.123",
    "12.345",
    "x,y,z",
    "\"q\"\"q\"",
    "\t",
    "\n",
    "\r\n",
    "é",
    "\u{1f600}",
];

const DELIMITERS: [&str; 6] = [",", "\t", "||", "x", "\n", ";"];

pub(crate) fn records(random: &mut Random) -> Records {
    let columns = (0..1 + random.below(5)).map(|place| InputColumn {
        name: format!("C{place}"),
        sql_type: TYPES[random.below(TYPES.len())],
        mapping: (random.below(8) > 0).then(|| random.one_of(&PATHS).to_owned()),
    });
    let columns = columns.collect();
    let format = if random.below(2) == 0 {
        RecordFormat::Json { record_row_path: random.one_of(&ROW_PATHS).to_owned() }
    } else {
        RecordFormat::Csv {
            row_delimiter: random.one_of(&DELIMITERS).to_owned(),
            column_delimiter: random.one_of(&DELIMITERS).to_owned(),
            quoting: random.below(2) == 0,
        }
    };
    let records = (0..random.length(30)).map(|_| record(random)).collect();
    Records { schema: InputSchema { format, columns }, records }
}

fn record(random: &mut Random) -> Vec<u8> {
    if random.below(40) == 0 {
        // Deeper than any reader likes.
        let depth = [60, 130, 5_000, 100_000][random.below(4)];
        return random.one_of(&["[", "{\"a\":", "{\"rows\":[", "\"", "[[]"]).repeat(depth).into_bytes();
    }
    let mut bytes = Vec::new();
    for _ in 0..1 + random.length(12) {
        bytes.extend_from_slice(random.one_of(&PIECES).as_bytes());
    }
    for _ in 0..random.below(3) {
        let place = random.below(bytes.len());
        match random.below(3) {
            0 => bytes[place] = random.next() as u8,
            1 => drop(bytes.remove(place)),
            _ => bytes.truncate(place + 1),
        }
        if bytes.is_empty() {
            break;
        }
    }
    bytes
}

impl Records {
    pub(crate) fn shown(&self) -> String {
        let records = self.records.iter().map(|record| format!("{:?}\n", String::from_utf8_lossy(record)));
        format!("{:?}\n{}", self.schema, records.collect::<String>())
    }

    /// Reads the records with the schema, one by one and all at once, and looks for a schema of their own, which must
    /// then read them.
    pub(crate) fn run(&self) {
        read(&self.schema, &self.records);
        let sample: Vec<&[u8]> = self.records.iter().map(Vec::as_slice).collect();
        if let Ok(discovered) = discover(&sample) {
            let parser = discovered.schema.parser();
            assert!(parser.is_ok(), "the schema that was found is refused: {:?}", parser.err());
            read(&discovered.schema, &self.records);
        }
    }
}

fn read(schema: &InputSchema, records: &[Vec<u8>]) {
    let Ok(mut parser) = schema.parser() else { return };
    records.iter().for_each(|record| parser.parse(record));
    let parsed = parser.finish();
    let rows = parsed.row_to_record.len();
    assert!(parsed.columns.iter().all(|column| column.len() == rows), "columns of different lengths");
    assert!(parsed.row_to_record.iter().all(|record| (*record as usize) < records.len()));
    parser.parse_bulk(&records.join(&b"\n"[..]));
    let parsed = parser.finish();
    let rows = parsed.row_to_record.len();
    assert!(parsed.columns.iter().all(|column| column.len() == rows), "columns of different lengths");
}
