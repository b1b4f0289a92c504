//! Overviews to show.

use millstream_control::view::{
    Agreement, AlarmView, ClassifiedReview, FlowStage, MailView, Overview, Point, Problem, Summary,
};

/// 2026-03-14 09:26:00 UTC.
pub const START: i64 = 1_773_480_360_000;

/// The flow of the review pipeline before anything has passed.
pub fn empty() -> Overview {
    Overview {
        version: "0.1.0 (1a2b3c4)".into(),
        started_at: START,
        now: START + 400,
        source: "synthetic reviews (seed 7)".into(),
        is_synthetic: true,
        data_directory: "./millstream-data".into(),
        flow: flow(0),
        score_threshold: Some(2.5),
        scores_reviews: true,
        ..Overview::default()
    }
}

/// The review pipeline after `seconds`, at 20 reviews a second, with a burst of bad reviews from 60 s to 75 s.
pub fn busy(seconds: u64) -> Overview {
    let records = seconds * 20;
    let now = START + seconds as i64 * 1000;
    let windows = seconds / 5;
    let is_bad = |second: u64| (60..75).contains(&second);
    let wobble = |index: u64, size: f64| ((index * 7919 % 101) as f64 / 100.0 - 0.5) * size;
    let averages: Vec<Point> = (1..=windows)
        .map(|window| {
            let mood = 3.7 + (window as f64 / 7.0).sin() * 0.35 + wobble(window, 0.3);
            let value = if is_bad(window * 5 - 1) { 1.6 + wobble(window, 0.3) } else { mood };
            Point { at: START + window as i64 * 5000, value }
        })
        .collect();
    let scores: Vec<Point> = (0..records)
        .map(|record| {
            let second = record / 20;
            let calm = 0.75 + wobble(record, 0.5) + if record % 37 == 0 { 0.5 } else { 0.0 };
            let value =
                if is_bad(second) { 3.4 - (second - 60) as f64 * 0.17 + wobble(record, 0.6) } else { calm };
            Point { at: START + record as i64 * 50, value }
        })
        .collect();
    let counts: Vec<Point> = (1..=windows)
        .map(|window| Point {
            at: START + window as i64 * 5000,
            value: (96.0 + wobble(window * 3, 12.0)).round(),
        })
        .collect();
    let mut mails: Vec<MailView> = (60..seconds.min(75))
        .step_by(7)
        .map(|second| MailView {
            at: START + second as i64 * 1000 + 310,
            to: "owner@example.com".into(),
            subject: format!("Anomaly in the reviews: score {:.2}", 3.4 - (second - 60) as f64 * 0.06),
            body: "The highest anomaly score of the last batch is above the threshold of 2.50.\n\n  scores in the batch  20\n  highest score        3.41\n\nLook at the newest reviews: http://127.0.0.1:4566/\n".into(),
            status: "local".into(),
        })
        .collect();
    mails.reverse();
    let newest = |points: &[Point]| points.last().map(|point| point.value);
    let max_score = scores.iter().map(|point| point.value).reduce(f64::max);
    Overview {
        scores_reviews: true,
        now,
        summary: Summary {
            records_in: records,
            records_classified: records.saturating_sub(6),
            objects_written: seconds / 10,
            backup_objects_written: seconds / 10,
            windows,
            newest_average: newest(&averages),
            newest_distinct_count: newest(&counts).map(|count| count as i64),
            max_anomaly_score: max_score,
            mails: mails.len() as u64,
            errors: 1,
        },
        flow: flow(records),
        rating_distribution: [records * 14 / 100, records * 9 / 100, records * 15 / 100, records * 27 / 100, records * 35 / 100],
        averages,
        scores,
        counts,
        reviews: reviews(now),
        agreement: Some(Agreement { known: 1_830, equal: 1_167, within_one: 1_702 }),
        mails,
        alarms: vec![
            AlarmView {
                name: "average-too-low".into(),
                state: if is_bad(seconds) { "ALARM" } else { "OK" }.into(),
                reason: "the average of the last 3 windows is 3.6, not below 2.5".into(),
                since: START + 15_000,
            },
            AlarmView {
                name: "no-reviews".into(),
                state: "INSUFFICIENT_DATA".into(),
                reason: "the metric has no values yet".into(),
                since: START,
            },
        ],
        problems: vec![Problem {
            at: START + 41_200,
            place: "score-reviews".into(),
            message: "record r-000823 has 3 columns, not 4; it went to processing-failed/. Fix the producer: a line is review_id, product_category, review_body, review_date apart by tabs.".into(),
        }],
        ..empty()
    }
}

fn reviews(now: i64) -> Vec<ClassifiedReview> {
    let texts = [
        (
            5,
            Some(5),
            "Camera",
            "Sharp pictures even at dusk, and the battery went through a whole weekend in the hills. I would buy it again tomorrow.",
        ),
        (2, Some(1), "Kitchen", "The lid does not close and the handle gets hot. Went back the same day."),
        (4, Some(4), "Books", "A warm, patient book about rivers. The maps could be larger."),
        (3, None, "Garden", "Does what it says, no more. The hose is a little short for our yard."),
        (5, Some(5), "Toys", "Three children, one afternoon, no quarrel: what else is there to say?"),
        (1, Some(2), "Electronics", "Stopped charging after nine days and the shop never answered."),
        (4, Some(5), "Music", "Lovely tone for the price. The strap feels cheap, the rest does not."),
        (3, Some(3), "Office", "A decent chair once it was together, which took two people and an evening."),
    ];
    texts
        .into_iter()
        .enumerate()
        .map(|(index, (star_rating, known_rating, category, body))| ClassifiedReview {
            at: now - index as i64 * 50,
            review_id: format!("r-{:06}", now / 50 % 1_000_000 - index as i64),
            product_category: category.into(),
            review_body: body.into(),
            star_rating,
            known_rating,
        })
        .collect()
}

/// The stages of the review pipeline.
fn flow(records: u64) -> Vec<FlowStage> {
    let stage = |name: &str, kind: &str, feeds: &[&str], counters: &[(&str, u64)]| FlowStage {
        name: name.into(),
        kind: kind.into(),
        feeds: feeds.iter().map(|feed| (*feed).to_owned()).collect(),
        counters: counters.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect(),
        counts_since: None,
        problem: None,
    };
    let mut flow = vec![
        stage(
            "reviews",
            "delivery stream",
            &["score-reviews", "review-backup", "review-watch"],
            &[("records", records)],
        ),
        stage(
            "score-reviews",
            "function",
            &["star-rating", "reviews-with-stars"],
            &[("calls", records / 20), ("errors", records.min(1))],
        ),
        stage("star-rating", "endpoint", &[], &[("texts", records)]),
        stage("reviews-with-stars", "bucket", &[], &[("objects", records / 200)]),
        stage("review-backup", "bucket", &[], &[("objects", records / 200)]),
        stage(
            "review-watch",
            "application",
            &[
                "AVG_STAR_RATING_SQL_STREAM_PUMP",
                "ANOMALY_SCORE_STREAM_PUMP",
                "APPROXIMATE_COUNT_STREAM_PUMP",
            ],
            &[("rows", records)],
        ),
        stage(
            "AVG_STAR_RATING_SQL_STREAM_PUMP",
            "pump",
            &["metric-from-average"],
            &[("rows", records / 100)],
        ),
        stage("ANOMALY_SCORE_STREAM_PUMP", "pump", &["notify-on-anomaly"], &[("rows", records)]),
        stage("APPROXIMATE_COUNT_STREAM_PUMP", "pump", &["distinct-counts"], &[("rows", records / 100)]),
        stage("metric-from-average", "function", &["AverageStarRating"], &[("calls", records / 100)]),
        stage("notify-on-anomaly", "function", &["review-anomalies"], &[("calls", records / 20)]),
        stage("AverageStarRating", "metric", &["average-too-low"], &[("values", records / 100)]),
        stage("average-too-low", "alarm", &[], &[]),
        stage("review-anomalies", "topic", &["mailbox"], &[("messages", u64::from(records > 1_200))]),
        stage("mailbox", "mailbox", &[], &[("mails", u64::from(records > 1_200))]),
        stage("distinct-counts", "stream", &[], &[("records", records / 100)]),
    ];
    if records > 0 {
        flow[1].problem = Some("record r-000823 has 3 columns, not 4".into());
    }
    flow
}

/// Hostile text in every field that takes text.
pub const HOSTILE: &str =
    "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&</details></svg>\r\n\0\u{202E}";

/// A busy overview with hostile text in every field.
pub fn hostile() -> Overview {
    let text = || HOSTILE.to_owned();
    let mut overview = busy(70);
    overview.version = text();
    overview.source = text();
    overview.data_directory = text();
    for stage in &mut overview.flow {
        *stage = FlowStage {
            name: text(),
            kind: text(),
            feeds: vec![text()],
            counters: vec![(text(), u64::MAX)],
            counts_since: Some(i64::MAX),
            problem: Some(text()),
        };
    }
    for review in &mut overview.reviews {
        review.review_body = text();
        review.review_id = text();
        review.product_category = text();
        review.star_rating = 255;
        review.known_rating = Some(0);
    }
    for mail in &mut overview.mails {
        *mail = MailView { at: i64::MAX, to: text(), subject: text(), body: text(), status: text() };
    }
    for alarm in &mut overview.alarms {
        *alarm = AlarmView { name: text(), state: text(), reason: text(), since: i64::MIN };
    }
    for problem in &mut overview.problems {
        *problem = Problem { at: 0, place: text(), message: text() };
    }
    overview.averages.push(Point { at: i64::MAX, value: f64::NAN });
    overview.scores.push(Point { at: i64::MIN, value: f64::INFINITY });
    overview.summary.newest_average = Some(f64::NAN);
    overview.summary.newest_distinct_count = Some(i64::MIN);
    overview.score_threshold = Some(f64::NAN);
    overview
}
