//! Files of reviews as records of `review_id<TAB>product_category<TAB>review_body`; the author's rating goes beside them.

use std::sync::Arc;

use bytes::Bytes;

use super::{KnownRatings, LineSource, NextRecord, RecordSource};

/// The columns of a record.
pub const REVIEW_COLUMNS: [&str; 3] = ["review_id", "product_category", "review_body"];
const RATING: &str = "star_rating";

/// Lines of a file of reviews whose columns are known.
pub struct ReviewLines {
    lines: LineSource,
    columns: usize,
    places: [usize; 3],
    rating: Option<usize>,
    ratings: Arc<KnownRatings>,
}

impl ReviewLines {
    /// Reads lines with these columns, tabs between.
    ///
    /// # Errors
    /// One of [`REVIEW_COLUMNS`] is not among them.
    pub fn new(
        lines: LineSource,
        columns: &[String],
        ratings: Arc<KnownRatings>,
    ) -> Result<ReviewLines, String> {
        let place = |wanted: &str| columns.iter().position(|column| column == wanted);
        let mut places = [0; 3];
        for (found, wanted) in places.iter_mut().zip(REVIEW_COLUMNS) {
            *found = place(wanted).ok_or_else(|| format!("the file has no column {wanted}"))?;
        }
        Ok(ReviewLines { lines, columns: columns.len(), places, rating: place(RATING), ratings })
    }

    /// The record of a line. A line that cannot be taken for a record of three columns is passed on as it came: the function
    /// fails it, and keeps it with the reason.
    fn record(&self, line: &Bytes) -> Result<Bytes, String> {
        let Ok(text) = std::str::from_utf8(line) else { return Ok(line.clone()) };
        let text = text.strip_suffix('\n').map_or(text, |line| line.strip_suffix('\r').unwrap_or(line));
        let fields: Vec<&str> = text.split('\t').collect();
        if fields.len() < REVIEW_COLUMNS.len() {
            return Ok(line.clone());
        }
        if fields.len() != self.columns {
            return Err(format!("it has {} columns and the first line names {}", fields.len(), self.columns));
        }
        let [id, category, body] = self.places.map(|place| fields[place]);
        if let Some(stars) = self.rating.and_then(|place| fields[place].trim().parse().ok()) {
            self.ratings.note(id, stars);
        }
        Ok(Bytes::from(format!("{id}\t{category}\t{body}\n")))
    }
}

impl RecordSource for ReviewLines {
    fn next_record(&mut self) -> NextRecord {
        match self.lines.next_record() {
            NextRecord::Record(line) => match self.record(&line) {
                Ok(record) => NextRecord::Record(record),
                Err(reason) => {
                    let number = self.lines.line_number();
                    NextRecord::Unusable(format!("line {number} is no review and is skipped: {reason}"))
                }
            },
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silent_6_the_rating_of_the_author_is_not_in_the_record() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("reviews.tsv");
        std::fs::write(
            &path,
            "star_rating\treview_body\tx\treview_id\tproduct_category\r\n4\tgood\t?\tR1\tToys\r\n4\ttoo short\n4\tone\ttoo\tfew\nbad\tfine\t\tR2\tPets",
        )
        .unwrap();
        let columns = ["star_rating", "review_body", "x", "review_id", "product_category"].map(str::to_owned);
        let ratings = Arc::new(KnownRatings::default());
        let lines = || LineSource::file(&path, true, false).unwrap();
        let mut reviews = ReviewLines::new(lines(), &columns, Arc::clone(&ratings)).unwrap();
        assert_eq!(reviews.next_record(), NextRecord::Record(Bytes::from("R1\tToys\tgood\n")));
        assert_eq!(
            reviews.next_record(),
            NextRecord::Record(Bytes::from("4\ttoo short\n")),
            "the function fails it"
        );
        let skipped = reviews.next_record();
        assert!(matches!(&skipped, NextRecord::Unusable(why) if why.starts_with("line 4 ")), "{skipped:?}");
        assert_eq!(reviews.next_record(), NextRecord::Record(Bytes::from("R2\tPets\tfine\n")));
        assert_eq!(reviews.next_record(), NextRecord::End);
        assert_eq!((ratings.of("R1"), ratings.of("R2")), (Some(4), None));
        assert!(ReviewLines::new(lines(), &columns[..3], ratings).is_err());
    }
}
