//! Texts that were cut to the length of their columns: counted for each column, and said before wrong rows are believed.

use std::collections::BTreeMap;

use millstream_sql::{SqlType, StreamId};
use millstream_wording::counted;

use super::failed_row::RecordPlace;

/// After the first, a column is spoken of again when it has cut so many times as many texts.
const GROWTH: u64 = 10;

/// What was cut, column by column.
#[derive(Default)]
pub(super) struct CutTexts {
    columns: BTreeMap<String, OfColumn>,
}

/// What a column has cut.
#[derive(Default)]
struct OfColumn {
    count: u64,
    /// The number at which it is spoken of next.
    said_at: u64,
}

/// Texts of some records that a column of an input has cut.
pub(super) struct InputCut {
    pub(super) stream: StreamId,
    /// By its place in the schema.
    pub(super) column: usize,
    pub(super) count: u64,
    /// The record of the first of them.
    pub(super) first: RecordPlace,
}

impl CutTexts {
    /// Counts what a column of a stream has cut meanwhile, the first of it in a record, if it came right out of one. Gives
    /// what there is to say of it.
    pub(super) fn add(
        &mut self,
        stream: &str,
        column: &str,
        sql_type: SqlType,
        count: u64,
        first: Option<RecordPlace>,
    ) -> Option<String> {
        let of_column = self.columns.entry(format!("{stream}.{column}")).or_default();
        let before = of_column.count;
        of_column.count += count;
        if of_column.count < of_column.said_at {
            return None;
        }
        while of_column.said_at <= of_column.count {
            of_column.said_at = of_column.said_at.max(1) * GROWTH;
        }
        let texts = match before {
            0 => format!("cut {}", counted(of_column.count, "text")),
            _ => format!("has cut {} so far", counted(of_column.count, "text")),
        };
        let place = match (first, before) {
            (None, _) => String::new(),
            (Some(place), 0) => format!(", the first in {place}"),
            (Some(place), _) => format!(", one of the newest in {place}"),
        };
        Some(format!(
            "column \"{column}\" {sql_type} of \"{stream}\" {texts} to its length{place}: lengthen it if they should stay whole"
        ))
    }

    /// How many texts each column has cut so far that has cut any, by stream and column.
    pub(super) fn counts(&self) -> BTreeMap<String, u64> {
        self.columns.iter().map(|(column, of_column)| (column.clone(), of_column.count)).collect()
    }

    /// How many a column has cut.
    pub(super) fn of(&self, stream: &str, column: &str) -> u64 {
        self.columns.get(&format!("{stream}.{column}")).map_or(0, |of_column| of_column.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_spoken_of_at_its_first_cut_and_then_ever_more_rarely() {
        let mut texts = CutTexts::default();
        let mut add = |count| texts.add("S", "sym", SqlType::Varchar { length: 4 }, count, None);
        assert_eq!(
            add(1).unwrap(),
            "column \"sym\" VARCHAR(4) of \"S\" cut 1 text to its length: lengthen it if they should stay whole"
        );
        assert_eq!([add(1), add(7)], [None, None]);
        assert!(add(1).unwrap().contains("has cut 10 texts so far to its length"));
        assert_eq!(add(89), None);
        assert!(add(5_000).unwrap().contains("has cut 5099 texts so far"));
        assert_eq!(add(4_900), None);
        assert!(add(1).is_some());
        let other = texts.add("S", "other", SqlType::Varchar { length: 4 }, 3, None);
        assert!(other.unwrap().contains("\"other\" VARCHAR(4) of \"S\" cut 3 texts"));
        assert_eq!(texts.counts(), BTreeMap::from([("S.other".to_owned(), 3), ("S.sym".to_owned(), 10_000)]));
        assert_eq!((texts.of("S", "sym"), texts.of("S", "none")), (10_000, 0));
    }
}
