//! The columns that the service adds to the input streams (section 5.2 of the language specification).

use millstream_sql::{Column, SqlType};

/// A column about a record, not in it. `*` leaves them out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetadataColumn {
    /// When the record was put.
    ApproximateArrivalTime,
    /// The key that chose its shard.
    PartitionKey,
    /// Its number in the shard.
    SequenceNumber,
    /// Its shard.
    ShardId,
}

impl MetadataColumn {
    /// Those of a stream's records.
    pub const OF_STREAM: [MetadataColumn; 4] = [
        MetadataColumn::ApproximateArrivalTime,
        MetadataColumn::PartitionKey,
        MetadataColumn::SequenceNumber,
        MetadataColumn::ShardId,
    ];
    /// Those of a delivery stream's records: it has no shards.
    pub const OF_DELIVERY_STREAM: [MetadataColumn; 1] = [MetadataColumn::ApproximateArrivalTime];

    /// Whether its values are worth making: always where that costs nothing, else when a query may read it, which is not so
    /// only when its name is nowhere in the text.
    pub(crate) fn may_be_named_in(self, sql: &str) -> bool {
        if self == MetadataColumn::ApproximateArrivalTime {
            return true;
        }
        let sql = sql.to_uppercase();
        // Letters of a name can be written as U&"\\0053HARD_ID".
        sql.contains(self.name()) || sql.contains("U&")
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            MetadataColumn::ApproximateArrivalTime => "APPROXIMATE_ARRIVAL_TIME",
            MetadataColumn::PartitionKey => "PARTITION_KEY",
            MetadataColumn::SequenceNumber => "SEQUENCE_NUMBER",
            MetadataColumn::ShardId => "SHARD_ID",
        }
    }

    /// Its type.
    pub fn sql_type(self) -> SqlType {
        match self {
            MetadataColumn::ApproximateArrivalTime => SqlType::Timestamp,
            MetadataColumn::PartitionKey => SqlType::Varchar { length: 512 },
            MetadataColumn::SequenceNumber => SqlType::Varchar { length: 128 },
            MetadataColumn::ShardId => SqlType::Varchar { length: 64 },
        }
    }

    /// As a column of an input stream.
    pub fn column(self) -> Column {
        Column { name: self.name().to_owned(), sql_type: self.sql_type(), not_null: false }
    }
}
