//! Rows of `error_stream`, for an output that asks for them.

use millstream_columns::array_from_values;
use millstream_columns::formats::{EncodedRows, OutputColumn, OutputWriter};
use millstream_engine::ErrorRow;
use millstream_sql::{SqlType, Value};

/// The name of the stream.
pub(crate) const ERROR_STREAM: &str = "error_stream";

/// Its columns.
pub(crate) fn columns() -> Vec<OutputColumn> {
    let columns = [
        ("ERROR_TIME", SqlType::Timestamp),
        ("ERROR_LEVEL", SqlType::Varchar { length: 10 }),
        ("ERROR_NAME", SqlType::Varchar { length: 32 }),
        ("MESSAGE", SqlType::Varchar { length: 4_096 }),
        ("DATA_ROWTIME", SqlType::Timestamp),
        ("DATA_ROW", SqlType::Varchar { length: 49_152 }),
        ("PUMP_NAME", SqlType::Varchar { length: 128 }),
    ];
    columns.into_iter().map(|(name, sql_type)| OutputColumn { name: name.to_owned(), sql_type }).collect()
}

/// The rows as records.
pub(crate) fn write(writer: &OutputWriter, rows: &[ErrorRow]) -> EncodedRows {
    let values: [Vec<Value>; 7] = [
        rows.iter().map(|row| Value::Timestamp(row.error_time)).collect(),
        rows.iter().map(|_| Value::Text(ErrorRow::LEVEL.to_owned())).collect(),
        rows.iter().map(|row| Value::Text(row.error_name.clone())).collect(),
        rows.iter().map(|row| Value::Text(row.message.clone())).collect(),
        rows.iter().map(|row| row.data_rowtime.map_or(Value::Null, Value::Timestamp)).collect(),
        rows.iter().map(|row| Value::Text(row.data_row.clone())).collect(),
        rows.iter().map(|row| Value::Text(row.pump_name.clone())).collect(),
    ];
    let columns = columns();
    let arrays = columns.iter().zip(&values).map(|(column, values)| {
        array_from_values(column.sql_type, values).expect("each column is made of values of its type")
    });
    writer.write(&arrays.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use millstream_columns::formats::OutputFormat;

    #[test]
    fn a_row_has_the_documented_columns() {
        let row = ErrorRow {
            error_time: 0,
            error_name: "PARSE_ERROR".to_owned(),
            message: "no".to_owned(),
            data_rowtime: None,
            data_row: "00FF".to_owned(),
            pump_name: String::new(),
        };
        let writer = OutputWriter::new(OutputFormat::Json { newline: false }, columns());
        let encoded = write(&writer, &[row]);
        assert_eq!(
            String::from_utf8(encoded.bytes).unwrap(),
            "{\"ERROR_TIME\":\"1970-01-01 00:00:00.000\",\"ERROR_LEVEL\":\"ERROR\",\
             \"ERROR_NAME\":\"PARSE_ERROR\",\"MESSAGE\":\"no\",\"DATA_ROWTIME\":null,\"DATA_ROW\":\"00FF\",\
             \"PUMP_NAME\":\"\"}"
        );
    }
}
