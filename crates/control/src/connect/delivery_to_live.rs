//! What a delivery tells, for people to see.

use std::sync::Arc;

use millstream_delivery::{DeliveredObject, ObjectKind, Observer, Outcome, TransformedRecord};
use millstream_host::{Clock, Timestamp};
use millstream_wording::agreeing;

use crate::feeds::KnownRatings;
use crate::live::Live;
use crate::slots::Slot;
use crate::view::ClassifiedReview;
use crate::world::CallableFunction;

/// The columns of the Amazon customer review format, and where its author's rating stands.
const AMAZON_COLUMNS: usize = 15;
const AMAZON_STAR_RATING: usize = 7;

/// Watches one delivery stream.
pub(crate) struct LiveDelivery {
    pub(crate) name: String,
    pub(crate) live: Arc<Live>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Ratings of authors that are not in the records.
    pub(crate) known_ratings: Arc<KnownRatings>,
    /// The function that the records go through; what it is may change.
    pub(crate) function: Option<Arc<Slot<CallableFunction>>>,
}

impl LiveDelivery {
    /// The rating that the author gave, if the raw record has one from 1 to 5.
    fn known_rating(columns: Option<&[String]>, record: &[u8]) -> Option<u8> {
        let text = std::str::from_utf8(record).ok()?;
        let fields = || text.trim_end_matches(['\n', '\r']).split('\t');
        let place = match columns {
            Some(columns) => columns.iter().position(|column| column == "star_rating")?,
            None if fields().count() >= AMAZON_COLUMNS => AMAZON_STAR_RATING,
            None => return None,
        };
        fields().nth(place)?.trim().parse().ok().filter(|rating| (1..=5).contains(rating))
    }

    fn review(
        columns: Option<&[String]>,
        record: &[u8],
        rated: &[u8],
        now: Timestamp,
    ) -> Option<ClassifiedReview> {
        let line = std::str::from_utf8(rated).ok()?.trim_end_matches('\n');
        let mut fields = line.splitn(4, '\t');
        let (id, rating, category, body) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        Some(ClassifiedReview {
            at: now.millis(),
            review_id: id.to_owned(),
            product_category: category.to_owned(),
            review_body: body.to_owned(),
            star_rating: rating.parse().ok()?,
            known_rating: LiveDelivery::known_rating(columns, record),
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
        let function = self.function.as_ref().and_then(|slot| slot.get());
        let scores_reviews = function.as_ref().is_some_and(|function| function.scores_reviews);
        let columns = function.as_ref().and_then(|function| function.review_columns.as_deref());
        let mut failed = 0;
        let mut reason = None;
        for TransformedRecord { record, outcome } in records {
            match outcome {
                Outcome::Ok(data) if scores_reviews => {
                    if let Some(mut review) = LiveDelivery::review(columns, &record.data, data, now) {
                        let beside = self.known_ratings.of(&review.review_id);
                        review.known_rating = review.known_rating.or(beside);
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
        if let Some(reason) = reason {
            let message = format!(
                "{} to the processing-failed objects; the newest: {reason}",
                agreeing(failed as usize, "record went", "records went")
            );
            self.live.problem(now, &self.name, message, failed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratings_of_authors_are_found_where_the_columns_say() {
        let columns = ["review_id", "star_rating", "product_category", "review_body"].map(str::to_owned);
        let named = |record: &[u8]| LiveDelivery::known_rating(Some(&columns), record);
        assert_eq!(named(b"R1\t4\tToys\tnice"), Some(4));
        assert_eq!(named(b"R1\t100\tToys\tnice"), None);
        assert_eq!(named(b"R1"), None);
        let amazon = b"US\t1\tR8\tB1\t2\tA title\tToys\t2\t0\t0\tN\tY\tFine\tbad\t2015-08-31";
        assert_eq!(LiveDelivery::known_rating(None, amazon), Some(2));
        assert_eq!(LiveDelivery::known_rating(None, b"R1\tToys\tnice"), None);
        let review = LiveDelivery::review(None, amazon, b"R8\t1\tToys\tbad\n", Timestamp(5)).unwrap();
        assert_eq!((review.star_rating, review.known_rating), (1, Some(2)));
        assert_eq!(review.review_body, "bad");
    }
}
