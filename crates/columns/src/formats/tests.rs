//! Records in and out: the documented cases and properties.

use super::*;
use crate::values::{array_from_values, value_at};
use crate::{ErrorName, values};
use millstream_sql::{SqlType, Value};
use proptest::prelude::*;

const TEXT: SqlType = SqlType::Varchar { length: 64 };

fn csv(delimiter: &str, quoting: bool, types: &[SqlType]) -> RecordParser {
    let columns = types
        .iter()
        .enumerate()
        .map(|(index, sql_type)| InputColumn {
            name: format!("c{index}"),
            sql_type: *sql_type,
            mapping: None,
        })
        .collect();
    let format =
        RecordFormat::Csv { row_delimiter: "\n".into(), column_delimiter: delimiter.into(), quoting };
    InputSchema { format, columns }.parser().unwrap()
}

fn json_schema(row_path: &str, columns: &[(&str, SqlType)]) -> InputSchema {
    let columns = columns
        .iter()
        .map(|(path, sql_type)| InputColumn {
            name: path.trim_start_matches("$.").into(),
            sql_type: *sql_type,
            mapping: Some((*path).into()),
        })
        .collect();
    InputSchema { format: RecordFormat::Json { record_row_path: row_path.into() }, columns }
}

fn json(row_path: &str, columns: &[(&str, SqlType)]) -> RecordParser {
    json_schema(row_path, columns).parser().unwrap()
}

/// The rows, each as its values.
fn rows(batch: &ParsedBatch, types: &[SqlType]) -> Vec<Vec<Value>> {
    (0..batch.row_to_record.len())
        .map(|row| {
            batch
                .columns
                .iter()
                .zip(types)
                .map(|(column, sql_type)| value_at(column, *sql_type, row))
                .collect()
        })
        .collect()
}

fn text(value: &str) -> Value {
    Value::Text(value.into())
}

#[test]
fn silent_5_the_line_end_of_a_record_is_part_of_no_field() {
    let types = [TEXT, SqlType::Integer];
    let expected = [vec![text("a"), Value::Integer(1)], vec![text("b"), Value::Integer(2)]];
    for (delimiter, records) in
        [(",", ["a,1\n", "b,2\r\n"]), (",", ["\"a\",\"1\"\r\n", "b,\"2\"\n"]), ("\t", ["a\t1\r\n", "b\t2"])]
    {
        let mut parser = csv(delimiter, true, &types);
        for record in ["\n", "\r\n"].iter().chain(&records) {
            parser.parse(record.as_bytes());
        }
        let batch = parser.finish();
        assert_eq!(rows(&batch, &types), expected, "{records:?}");
        assert!(batch.errors.is_empty(), "{:?}", batch.errors);
    }
}

#[test]
fn a_quote_may_itself_end_rows() {
    let columns = vec![InputColumn { name: "a".into(), sql_type: TEXT, mapping: None }];
    let format =
        RecordFormat::Csv { row_delimiter: "\"|".into(), column_delimiter: ",".into(), quoting: true };
    let mut parser = InputSchema { format, columns }.parser().unwrap();
    parser.parse(b"x\"|y\"|");
    let batch = parser.finish();
    assert_eq!(rows(&batch, &[TEXT]), [[text("x")], [text("y")]]);
    assert!(batch.errors.is_empty(), "{:?}", batch.errors);
}

#[test]
fn csv_rows_go_by_position() {
    let types = [TEXT, TEXT, SqlType::Integer];
    let mut parser = csv(",", true, &types);
    parser.parse(b"Doe,John,7\nRoe,Jane,8");
    parser.parse(b"\"a,\"\"b\"\"\nc\",,\n");
    parser.parse(b"only");
    parser.parse(b"1,2,3,4,5");
    parser.parse(b"x,y,z");
    parser.parse(b"\"open,1");
    parser.parse(b"\"\",\"q\" ,1");
    let batch = parser.finish();
    assert_eq!(
        rows(&batch, &types),
        [
            vec![text("Doe"), text("John"), Value::Integer(7)],
            vec![text("Roe"), text("Jane"), Value::Integer(8)],
            vec![text("a,\"b\"\nc"), text(""), Value::Null],
            vec![text("only"), Value::Null, Value::Null],
            vec![text("1"), text("2"), Value::Integer(3)],
        ]
    );
    assert_eq!(batch.row_to_record, [0, 0, 1, 2, 3]);
    let names: Vec<(u32, ErrorName)> = batch.errors.iter().map(|error| (error.record, error.name)).collect();
    use ErrorName::{CoercionError, ParseError};
    assert_eq!(names, [(4, CoercionError), (5, ParseError), (6, ParseError)]);
    assert!(batch.errors[0].message.contains("\"c2\""), "{}", batch.errors[0].message);
    assert_eq!(batch.errors[0].raw, b"x,y,z");
}

#[test]
fn tsv_without_quoting_keeps_quotes() {
    let types = [TEXT, SqlType::Integer];
    let mut parser = csv("\t", false, &types);
    parser.parse_bulk(b"\"great\t5\nbad \"one\t1\nbad\tx\nlast\t2");
    let batch = parser.finish();
    assert_eq!(
        rows(&batch, &types),
        [
            vec![text("\"great"), Value::Integer(5)],
            vec![text("bad \"one"), Value::Integer(1)],
            vec![text("last"), Value::Integer(2)],
        ]
    );
    assert_eq!(batch.row_to_record, [0, 1, 3]);
    assert_eq!(batch.errors[0].record, 2);
}

#[test]
fn arrays_make_rows() {
    let record = br#"{"customerName":"John Doe","orders":[{"orderId":"23284","itemName":"Widget"},
        {"orderId":"63122"},{"orderId":"77284","itemName":"Sprocket"}]}"#;
    let check = |columns: &[(&str, SqlType)], expected: &[Vec<Value>]| {
        let mut parser = json("$", columns);
        parser.parse(record);
        let batch = parser.finish();
        let types: Vec<SqlType> = columns.iter().map(|column| column.1).collect();
        assert_eq!(rows(&batch, &types), expected);
        assert_eq!(batch.errors, []);
    };
    let john = || text("John Doe");
    let ids = [vec![john(), text("23284")], vec![john(), text("63122")], vec![john(), text("77284")]];
    check(&[("$.customerName", TEXT), ("$.orders[0:].orderId", TEXT)], &ids);
    check(&[("$.customerName", TEXT), ("$.orders.orderId", TEXT)], &ids);
    check(&[("$.customername", TEXT)], &[vec![Value::Null]]);
    check(
        &[("$.orders[0:].itemName", TEXT)],
        &[vec![text("Widget")], vec![Value::Null], vec![text("Sprocket")]],
    );
    check(&[("$.orders[0:].itemId", TEXT)], &[vec![Value::Null]]);
    let source = r#"[{"orderId":"23284","itemName":"Widget"},{"orderId":"63122"},{"orderId":"77284","itemName":"Sprocket"}]"#;
    check(&[("$.orders[0:]", SqlType::Varchar { length: 200 })], &[vec![text(source)]]);
    let two = json_schema("$", &[("$.a[0:].x", TEXT), ("$.b[0:].y", TEXT)]);
    assert!(matches!(two.parser(), Err(SchemaError::TwoArrays { .. })));
    let deep = json_schema("$", &[("$.a[0:].b[0:].c", TEXT)]);
    assert!(matches!(deep.parser(), Err(SchemaError::Path { .. })));
}

#[test]
fn documents_may_stand_together_and_rows_lie_deep() {
    let mut parser = json("$", &[("$.a", SqlType::Integer)]);
    parser.parse(br#"{"a":1}{"a":2} {"b":3}"#);
    parser.parse(br#"{"a":4}{"a":"#);
    parser.parse(b"");
    parser.parse(b"\xff\xfe");
    let batch = parser.finish();
    let values: Vec<Value> = (0..4).map(|row| value_at(&batch.columns[0], SqlType::Integer, row)).collect();
    assert_eq!(values, [Value::Integer(1), Value::Integer(2), Value::Null, Value::Integer(4)]);
    assert_eq!(batch.errors.iter().map(|error| error.record).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(batch.errors[2].message.contains("UTF-8"));

    let mut parser = json("$.Records[0:].row", &[("$.a", SqlType::Integer)]);
    parser.parse(br#"{"Records":[{"row":{"a":1}},{"other":0},{"row":{"a":2}}]}"#);
    assert_eq!(parser.finish().row_to_record.len(), 2);
    let mut parser = json("$[0:]", &[("$.a", SqlType::Integer)]);
    parser.parse(br#"[{"a":1},{"a":2}]"#);
    assert_eq!(parser.finish().row_to_record.len(), 2);
}

#[test]
fn values_are_coerced_by_the_table() {
    let varchar = |length| SqlType::Varchar { length };
    let decimal = SqlType::Decimal { precision: 5, scale: 2 };
    let good = [
        ("true", SqlType::Integer, Value::Integer(1)),
        ("true", varchar(2), text("tr")),
        ("false", SqlType::Varbinary { length: 4 }, Value::Binary(vec![0])),
        ("0", SqlType::Boolean, Value::Boolean(false)),
        ("7", SqlType::Boolean, Value::Boolean(true)),
        (r#""TRUE""#, SqlType::Boolean, Value::Boolean(true)),
        (r#""yes""#, SqlType::Boolean, Value::Boolean(false)),
        (r#""abcdef""#, varchar(4), text("abcd")),
        (r#""äöüß""#, varchar(3), text("äöü")),
        (r#""ab""#, SqlType::Char { length: 4 }, text("ab  ")),
        (r#""1992-02-14 18:35:44.0""#, SqlType::Timestamp, Value::Timestamp(698_092_544_000)),
        (r#""2018-05-09T12:50:41.337510""#, SqlType::Timestamp, Value::Timestamp(1_525_870_241_337)),
        (r#""1992-02-14""#, SqlType::Date, Value::Date(8_079)),
        (r#"{ "a" : 1 }"#, varchar(20), text(r#"{"a":1}"#)),
        ("1.50", varchar(20), text("1.50")),
        ("1e2", SqlType::Integer, Value::Integer(100)),
        ("12.345", decimal, Value::Decimal(1235)),
        (r#""42""#, SqlType::SmallInt, Value::Integer(42)),
        (r#""X'3F67'""#, SqlType::Varbinary { length: 8 }, Value::Binary(vec![0x3F, 0x67])),
        (r#""a\u00e9\n\"\ud83d\ude00""#, TEXT, text("aé\n\"😀")),
        ("null", SqlType::Integer, Value::Null),
        ("1e-3", SqlType::Double, Value::Double(0.001)),
    ];
    for (source, sql_type, expected) in good {
        let mut parser = json("$", &[("$.v", sql_type)]);
        parser.parse(format!("{{\"v\":{source}}}").as_bytes());
        let batch = parser.finish();
        assert_eq!(batch.errors, [], "{source} into {sql_type}");
        assert_eq!(value_at(&batch.columns[0], sql_type, 0), expected, "{source} into {sql_type}");
    }
    let bad = [
        ("123.4", SqlType::Integer),
        ("300", SqlType::TinyInt),
        ("true", SqlType::Timestamp),
        (r#"{"a":1}"#, SqlType::Integer),
        (r#""abc""#, SqlType::Integer),
        (r#""X'3F6'""#, SqlType::Varbinary { length: 8 }),
        ("1", SqlType::Date),
        ("1000", decimal),
        ("1e400", SqlType::Double),
    ];
    for (source, sql_type) in bad {
        let mut parser = json("$", &[("$.v", sql_type)]);
        parser.parse(format!("{{\"v\":{source}}}").as_bytes());
        let batch = parser.finish();
        assert_eq!(batch.row_to_record.len(), 0, "{source} into {sql_type}");
        assert_eq!(batch.errors[0].name, ErrorName::CoercionError, "{source} into {sql_type}");
    }
}

#[test]
fn a_scalar_is_no_row_unless_a_column_takes_it_whole() {
    let types = [SqlType::Integer];
    for (record, what) in
        [("42", "a number"), (" \"x\" ", "a string"), ("true", "true or false"), ("null", "null")]
    {
        for columns in [[("$.a", types[0])].as_slice(), &[("$.a.b", types[0])]] {
            let mut parser = json("$", columns);
            parser.parse(record.as_bytes());
            parser.parse(b"{\"a\":7}");
            let batch = parser.finish();
            assert_eq!(batch.row_to_record, [1], "{record} {columns:?}");
            let [error] = batch.errors.as_slice() else { panic!("{record}: {:?}", batch.errors) };
            assert_eq!((error.name, error.raw.as_slice()), (ErrorName::ParseError, record.trim().as_bytes()));
            assert_eq!(error.message, format!("the row is {what}: a JSON object is expected"));
        }
    }
    let mut parser = json("$", &[("$", types[0])]);
    parser.parse(b"42");
    assert_eq!(rows(&parser.finish(), &types), [[Value::Integer(42)]]);
    // The elements of a row path, and documents that follow each other.
    let mut parser = json("$.rows[0:]", &[("$.a", types[0])]);
    parser.parse(b"{\"rows\":[1,{\"a\":2},\"x\"]} {\"rows\":[{\"a\":3}]}");
    let batch = parser.finish();
    assert_eq!(rows(&batch, &types), [[Value::Integer(2)], [Value::Integer(3)]]);
    assert_eq!(batch.errors.len(), 2, "{:?}", batch.errors);
}

#[test]
fn a_text_that_is_no_json_is_told_where() {
    for (text, expected) in [
        ("nope", Some("a value is expected at byte 0")),
        ("", Some("the text ends early at byte 0")),
        ("{\"a\":1", Some("a comma or } is expected at byte 6")),
        ("{} {a}", Some("a name in quotes is expected at byte 4")),
        (" {\"a\":[1]} 5 ", None),
    ] {
        assert_eq!(not_json(text).as_deref(), expected, "{text}");
    }
}

#[test]
fn an_element_that_is_no_object_is_no_row() {
    let check =
        |columns: &[(&str, SqlType)], record: &str, expected: &[Vec<Value>], refused: &[(&str, &str)]| {
            let mut parser = json("$", columns);
            parser.parse(record.as_bytes());
            let batch = parser.finish();
            let types: Vec<SqlType> = columns.iter().map(|column| column.1).collect();
            assert_eq!(rows(&batch, &types), expected, "{record}");
            let message = |what: &str| format!("the row is {what}: a JSON object is expected");
            let refused: Vec<_> =
                refused.iter().map(|(what, raw)| (message(what), raw.as_bytes().to_vec())).collect();
            let found: Vec<_> = batch.errors.into_iter().map(|error| (error.message, error.raw)).collect();
            assert_eq!(found, refused, "{record}");
        };
    let integer = |value| vec![Value::Integer(value)];
    let plain = [("$.i", SqlType::Integer)];
    check(&plain, r#"[1, {"i":2}]"#, &[integer(2)], &[("a number", "1")]);
    check(&plain, "[null]", &[], &[("null", "null")]);
    check(
        &plain,
        r#"[[{"i":4}],"x",true]"#,
        &[],
        &[("an array", r#"[{"i":4}]"#), ("a string", "\"x\""), ("true or false", "true")],
    );
    check(&plain, r#"[{"i":1},{"j":2}]"#, &[integer(1), vec![Value::Null]], &[]);
    // Arrays further in; what stands beside them is kept.
    let nested = [("$.name", TEXT), ("$.rows.i", SqlType::Integer)];
    let named = |value| vec![text("a"), value];
    check(&nested[1..], r#"{"rows":[5,{"i":6}]}"#, &[integer(6)], &[("a number", "5")]);
    check(&nested[1..], r#"{"rows":[5]}"#, &[], &[("a number", "5")]);
    check(&nested, r#"{"rows":[5,{"i":6}],"name":"a"}"#, &[named(Value::Integer(6))], &[("a number", "5")]);
    check(&nested, r#"{"rows":[5],"name":"a"}"#, &[named(Value::Null)], &[("a number", "5")]);
    check(&nested, r#"{"rows":[],"name":"a"}"#, &[named(Value::Null)], &[]);
    // A column that takes the whole array has them.
    check(
        &[("$.rows[0:]", TEXT), ("$.rows.i", SqlType::Integer)],
        r#"{"rows":[5]}"#,
        &[vec![text("[5]"), Value::Null]],
        &[],
    );
}

#[test]
fn hostile_records_are_refused() {
    let mut parser = json("$", &[("$.v.w", TEXT)]);
    for record in [
        "[".repeat(100_000),
        "{\"v\":".repeat(100_000),
        format!("{{\"v\":{{\"w\":{}}}}}", "[".repeat(5_000)),
        "{\"v\":01}".into(),
        "{\"v\":1,}".into(),
        "{\"v\":\"".into(),
        "{\"v\":{\"w\":\"\\q\"}}".into(),
        "nul".into(),
    ] {
        parser.parse(record.as_bytes());
    }
    let batch = parser.finish();
    assert_eq!((batch.row_to_record.len(), batch.errors.len()), (0, 8));
    let columns: Vec<(String, SqlType)> =
        (0..1000).map(|index| (format!("$.a[0:].c{index}"), TEXT)).collect();
    let columns: Vec<(&str, SqlType)> = columns.iter().map(|(path, t)| (path.as_str(), *t)).collect();
    let mut parser = json("$", &columns);
    parser.parse(format!("{{\"a\":[{}{{\"c1\":1}}]}}", "{},".repeat(100_000)).as_bytes());
    assert_eq!(parser.finish().errors.len(), 1);
}

#[test]
fn rows_become_records() {
    let columns = vec![
        OutputColumn { name: "TICKER".into(), sql_type: TEXT },
        OutputColumn { name: "N".into(), sql_type: SqlType::Integer },
        OutputColumn { name: "at".into(), sql_type: SqlType::Timestamp },
        OutputColumn { name: "d".into(), sql_type: SqlType::Double },
        OutputColumn { name: "x".into(), sql_type: SqlType::Decimal { precision: 5, scale: 2 } },
        OutputColumn { name: "b".into(), sql_type: SqlType::Varbinary { length: 4 } },
        OutputColumn { name: "ok".into(), sql_type: SqlType::Boolean },
    ];
    let values = [
        vec![text("A,\"\n"), Value::Null],
        vec![Value::Integer(2), Value::Integer(3)],
        vec![Value::Timestamp(1_525_870_241_337), Value::Null],
        vec![Value::Double(4.5), Value::Double(f64::NAN)],
        vec![Value::Decimal(-5), Value::Null],
        vec![Value::Binary(vec![1, 2, 3]), Value::Null],
        vec![Value::Boolean(true), Value::Null],
    ];
    let arrays: Vec<_> = columns
        .iter()
        .zip(&values)
        .map(|(column, values)| values::array_from_values(column.sql_type, values).unwrap())
        .collect();
    let written = OutputWriter::new(OutputFormat::Json { newline: false }, columns.clone()).write(&arrays);
    let records: Vec<&str> = written.iter().map(|record| std::str::from_utf8(record).unwrap()).collect();
    assert_eq!(
        records,
        [
            r#"{"TICKER":"A,\"\n","N":2,"at":"2018-05-09 12:50:41.337","d":4.5,"x":-0.05,"b":"AQID","ok":true}"#,
            r#"{"TICKER":null,"N":3,"at":null,"d":null,"x":null,"b":null,"ok":null}"#,
        ]
    );
    let written = OutputWriter::new(OutputFormat::Csv, columns).write(&arrays);
    let records: Vec<&str> = written.iter().map(|record| std::str::from_utf8(record).unwrap()).collect();
    assert_eq!(records, ["\"A,\"\"\n\",2,2018-05-09 12:50:41.337,4.5,-0.05,AQID,true\n", ",3,,,,,\n"]);
}

proptest! {
    #[test]
    fn no_bytes_panic(records in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..60), 1..5)) {
        let types = [TEXT, SqlType::Integer, SqlType::Timestamp];
        let paths = [("$.a", types[0]), ("$.b[0:].c", types[1]), ("$.b[0:].d", types[2])];
        for mut parser in [csv(",", true, &types), csv("\t", false, &types), json("$", &paths), json("$.a[0:]", &paths)] {
            for record in &records {
                parser.parse(record);
                parser.parse_bulk(record);
            }
            let batch = parser.finish();
            prop_assert!(batch.columns.iter().all(|column| column.len() == batch.row_to_record.len()));
        }
    }

    /// Many records together are what each is alone, whatever bytes they are of.
    #[test]
    fn records_together_are_records_one_by_one(
        records in proptest::collection::vec(
            proptest::collection::vec(
                proptest::sample::select(b"a1,\"\n\r{}: \xc3\xa9".to_vec()), 0..14,
            ),
            0..8,
        ),
        is_json in any::<bool>(),
    ) {
        let parser = || if is_json { json("$", &[("$.a", TEXT)]) } else { csv(",", true, &[TEXT, SqlType::Integer]) };
        let (mut one_by_one, mut together) = (parser(), parser());
        for record in &records {
            one_by_one.parse(record);
        }
        let ends: Vec<usize> = records
            .iter()
            .scan(0, |end, record| {
                *end += record.len();
                Some(*end)
            })
            .collect();
        together.parse_all(&records.concat(), &ends);
        let (expected, found) = (one_by_one.finish(), together.finish());
        prop_assert_eq!(expected.columns, found.columns);
        prop_assert_eq!(expected.row_to_record, found.row_to_record);
        prop_assert_eq!(expected.errors, found.errors);
    }

    #[test]
    fn no_almost_json_panics(record in r#"[\[\]{},:"\\a-d01.e\-u ]{0,40}"#) {
        let mut parser = json("$", &[("$.a", TEXT), ("$.b.c", SqlType::Integer), ("$.b.d", TEXT)]);
        parser.parse(record.as_bytes());
        let mut quoted = csv(",", true, &[TEXT, TEXT]);
        quoted.parse(record.as_bytes());
        let (json, csv) = (parser.finish(), quoted.finish());
        prop_assert!(json.columns.iter().all(|column| column.len() == json.row_to_record.len()));
        prop_assert!(csv.columns.iter().all(|column| column.len() == csv.row_to_record.len()));
    }

    #[test]
    fn json_written_can_be_read(items in proptest::collection::vec((proptest::option::of("\\PC{0,20}"), any::<i64>(), any::<f64>()), 1..20)) {
        let types = [SqlType::Varchar { length: 200 }, SqlType::BigInt, SqlType::Double];
        let names = ["a", "b", "c"];
        let columns = names.iter().zip(types).map(|(name, sql_type)| OutputColumn { name: (*name).into(), sql_type }).collect();
        let texts: Vec<Value> = items.iter().map(|item| item.0.as_ref().map_or(Value::Null, |text| Value::Text(text.clone()))).collect();
        let integers: Vec<Value> = items.iter().map(|item| Value::Integer(item.1)).collect();
        let doubles: Vec<Value> = items.iter().map(|item| if item.2.is_finite() { Value::Double(item.2) } else { Value::Null }).collect();
        let arrays: Vec<_> = types.iter().zip([texts, integers, doubles]).map(|(t, values)| array_from_values(*t, &values).unwrap()).collect();
        let written = OutputWriter::new(OutputFormat::Json { newline: true }, columns).write(&arrays);
        let mut parser = json("$", &[("$.a", types[0]), ("$.b", types[1]), ("$.c", types[2])]);
        parser.parse_bulk(&written.bytes);
        let batch = parser.finish();
        prop_assert_eq!(&batch.errors, &[]);
        for (read, written) in batch.columns.iter().zip(&arrays) {
            prop_assert_eq!(read, written);
        }
    }
}

#[test]
fn texts_that_are_cut_are_counted_by_column() {
    let column = |name: &str, sql_type| InputColumn { name: name.to_owned(), sql_type, mapping: None };
    let schema = InputSchema {
        format: RecordFormat::Csv {
            row_delimiter: "\n".to_owned(),
            column_delimiter: ",".to_owned(),
            quoting: true,
        },
        columns: vec![
            column("T", SqlType::Varchar { length: 4 }),
            column("C", SqlType::Char { length: 2 }),
            column("N", SqlType::Integer),
        ],
    };
    let mut parser = schema.parser().unwrap();
    // The last row has no number and goes as a whole.
    for record in ["GOOGL,ab,1", "GOOG,abc,2", "GÖÖGL,\"xyz\",3", "GÖÖG,a,4", "GOOGL,abc,none"] {
        parser.parse(record.as_bytes());
    }
    let parsed = parser.finish();
    assert_eq!((parsed.row_to_record.len(), parsed.errors.len()), (4, 1));
    assert_eq!(parsed.cut_rows, [vec![0, 2], vec![1, 2], vec![]]);
    assert_eq!(parser.finish().cut_rows, [const { Vec::<usize>::new() }; 3]);
}
