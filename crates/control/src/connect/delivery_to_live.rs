//! What a delivery tells, for people to see.

use std::sync::Arc;

use millstream_delivery::{DeliveredObject, ObjectKind, Observer, Outcome, TransformedRecord};
use millstream_functions::ScoreReviews;
use millstream_host::{Clock, Timestamp};

use crate::live::Live;
use crate::view::ClassifiedReview;

/// The columns of the Amazon customer review format, and where its author's rating stands.
const AMAZON_COLUMNS: usize = 15;
const AMAZON_STAR_RATING: usize = 7;

/// Watches one delivery stream.
pub(crate) struct LiveDelivery {
    pub(crate) name: String,
    pub(crate) live: Arc<Live>,
    pub(crate) clock: Arc<dyn Clock>,
    /// The records are reviews that this function rates.
    pub(crate) scorer: Option<Arc<ScoreReviews>>,
    /// The columns of a raw record, when they are configured.
    pub(crate) columns: Option<Vec<String>>,
}

impl LiveDelivery {
    /// The rating that the author gave, if the raw record has one from 1 to 5.
    fn known_rating(&self, record: &[u8]) -> Option<u8> {
        let text = std::str::from_utf8(record).ok()?;
        let fields = || text.trim_end_matches(['\n', '\r']).split('\t');
        let place = match &self.columns {
            Some(columns) => columns.iter().position(|column| column == "star_rating")?,
            None if fields().count() >= AMAZON_COLUMNS => AMAZON_STAR_RATING,
            None => return None,
        };
        fields().nth(place)?.trim().parse().ok().filter(|rating| (1..=5).contains(rating))
    }

    fn review(&self, record: &[u8], rated: &[u8], now: Timestamp) -> Option<ClassifiedReview> {
        let line = std::str::from_utf8(rated).ok()?.trim_end_matches('\n');
        let mut fields = line.splitn(4, '\t');
        let (id, rating, category, body) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        Some(ClassifiedReview {
            at: now.millis(),
            review_id: id.to_owned(),
            product_category: category.to_owned(),
            review_body: body.to_owned(),
            star_rating: rating.parse().ok()?,
            known_rating: self.known_rating(record),
        })
    }
}

impl Observer for LiveDelivery {
    fn object_delivered(&self, object: &DeliveredObject) {
        self.live.note(|seen| match object.kind {
            ObjectKind::Main => seen.summary.objects_written += 1,
            ObjectKind::Backup => seen.summary.backup_objects_written += 1,
            ObjectKind::Failed => {}
        });
    }

    fn records_transformed(&self, records: &[TransformedRecord]) {
        let now = self.clock.now();
        let mut failed = 0;
        let mut reason = None;
        for TransformedRecord { record, outcome } in records {
            match outcome {
                Outcome::Ok(data) if self.scorer.is_some() => {
                    if let Some(review) = self.review(&record.data, data, now) {
                        self.live.review(review);
                    }
                }
                Outcome::Ok(_) | Outcome::Dropped => {}
                Outcome::Failed { code, message } => {
                    failed += 1;
                    reason = Some(format!("{code}: {message}"));
                }
            }
        }
        if let Some(mut reason) = reason {
            // The contract of a transform has no room for a reason; the function itself knows it.
            if let Some(why) = self.scorer.as_ref().and_then(|scorer| scorer.statistics().newest_failure) {
                reason = format!("{reason}: {why}");
            }
            let message =
                format!("{failed} record(s) went to the processing-failed objects; the newest: {reason}");
            self.live.problem(now, &self.name, message, failed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millstream_host::ManualClock;

    #[test]
    fn ratings_of_authors_are_found_where_the_columns_say() {
        let delivery = |columns: Option<&[&str]>| LiveDelivery {
            name: "reviews".to_owned(),
            live: Arc::new(Live::new()),
            clock: Arc::new(ManualClock::default()),
            scorer: None,
            columns: columns.map(|columns| columns.iter().map(|&column| column.to_owned()).collect()),
        };
        let named = delivery(Some(&["review_id", "star_rating", "product_category", "review_body"]));
        assert_eq!(named.known_rating(b"R1\t4\tToys\tnice"), Some(4));
        assert_eq!(named.known_rating(b"R1\t100\tToys\tnice"), None);
        assert_eq!(named.known_rating(b"R1"), None);
        let automatic = delivery(None);
        let amazon = b"US\t1\tR8\tB1\t2\tA title\tToys\t2\t0\t0\tN\tY\tFine\tbad\t2015-08-31";
        assert_eq!(automatic.known_rating(amazon), Some(2));
        assert_eq!(automatic.known_rating(b"R1\tToys\tnice"), None);
        let review = automatic.review(amazon, b"R8\t1\tToys\tbad\n", Timestamp(5)).unwrap();
        assert_eq!((review.star_rating, review.known_rating), (1, Some(2)));
        assert_eq!(review.review_body, "bad");
    }
}
