//! Files of reviews as records of `review_id<TAB>product_category<TAB>review_body`; the author's rating goes beside them.

use std::sync::Arc;

use millstream_wording::counted;

use super::lines::Line;
use super::{KnownRatings, LineSource, RecordSource, SourceBatch, SourceState};

/// The columns of a record.
pub const REVIEW_COLUMNS: [&str; 3] = ["review_id", "product_category", "review_body"];
const RATING: &str = "star_rating";

/// Lines of a file of reviews whose columns are known.
pub struct ReviewLines {
    lines: LineSource,
    columns: Columns,
}

/// Where a line has what.
struct Columns {
    count: usize,
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
        let columns = Columns { count: columns.len(), places, rating: place(RATING), ratings };
        Ok(ReviewLines { lines, columns })
    }
}

impl Columns {
    /// Adds the record of a line to `batch`. A line that cannot be taken for a record of three columns is passed on as it
    /// came: the function fails it, and keeps it with the reason.
    fn add(&self, number: u64, line: &[u8], batch: &mut SourceBatch) {
        let Ok(text) = std::str::from_utf8(line) else { return batch.push(line) };
        let text = text.strip_suffix('\n').map_or(text, |line| line.strip_suffix('\r').unwrap_or(line));
        let fields: Vec<&str> = text.split('\t').collect();
        if fields.len() < REVIEW_COLUMNS.len() {
            return batch.push(line);
        }
        if fields.len() != self.count {
            return batch.push_unusable(format!(
                "line {number} is not a review and is skipped: it has {}, but the first line names {}",
                counted(fields.len(), "column"),
                self.count
            ));
        }
        let [id, category, body] = self.places.map(|place| fields[place]);
        if let Some(stars) = self.rating.and_then(|place| fields[place].trim().parse().ok()) {
            self.ratings.note(id, stars);
        }
        batch.push(format!("{id}\t{category}\t{body}\n").as_bytes());
    }
}

impl RecordSource for ReviewLines {
    fn read(&mut self, batch: &mut SourceBatch, most: usize) -> SourceState {
        self.lines.read_lines(most, |line| match line {
            Line::Record { number, data } => self.columns.add(number, data, batch),
            Line::Unusable(reason) => batch.push_unusable(reason),
        })
    }

    fn rounds(&self) -> u64 {
        self.lines.rounds()
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
        let mut batch = SourceBatch::default();
        while reviews.read(&mut batch, 10).is_open() {}
        let records: Vec<&[u8]> = batch.iter().collect();
        let expected = [b"R1\tToys\tgood\n".as_slice(), b"4\ttoo short\n", b"R2\tPets\tfine\n"];
        assert_eq!(records, expected, "the function fails the second");
        assert!(batch.unusable()[0].starts_with("line 4 "), "{:?}", batch.unusable());
        assert_eq!((ratings.of("R1"), ratings.of("R2")), (Some(4), None));
        assert!(ReviewLines::new(lines(), &columns[..3], ratings).is_err());
    }
}
