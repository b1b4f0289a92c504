//! Tests of `score-reviews` with a model that rates by simple words.

use parking_lot::Mutex;

use super::*;
use crate::classifier::ClassifierError;
use crate::events::transform::{TransformAnswer, TransformEvent, TransformRecord, TransformResult};
use crate::function::FunctionErrorKind;

/// "good" is 5 stars, "bad" 1, "odd" no star rating, else 3. Refuses "refuse" (by index) and "poison" (without), takes at
/// most `most` at once, and is busy the first `busy` times.
struct Words {
    most: usize,
    busy: Mutex<usize>,
    calls: Mutex<Vec<usize>>,
}

#[async_trait]
impl Classifier for Words {
    fn labels(&self) -> Option<Vec<String>> {
        Some(["1 star", "2 stars", "3 stars", "4 stars", "5 stars"].map(str::to_owned).to_vec())
    }

    async fn classify(&self, texts: Vec<String>) -> Result<Vec<Prediction>, ClassifierError> {
        self.calls.lock().push(texts.len());
        if texts.len() > self.most {
            return Err(ClassifierError::TooMany(format!("{} texts", texts.len())));
        }
        {
            let mut busy = self.busy.lock();
            if *busy > 0 {
                *busy -= 1;
                return Err(ClassifierError::Busy("queue full".to_owned()));
            }
        }
        if let Some(index) = texts.iter().position(|text| text == "refuse") {
            return Err(ClassifierError::Refused { index: Some(index), message: "too long".to_owned() });
        }
        if texts.iter().any(|text| text == "poison") {
            return Err(ClassifierError::Refused { index: None, message: "not finite".to_owned() });
        }
        if texts.iter().any(|text| text == "busy") {
            return Err(ClassifierError::Busy("queue full".to_owned()));
        }
        if texts.iter().any(|text| text == "loading") {
            return Err(ClassifierError::NotReady("being loaded".to_owned()));
        }
        if texts.iter().any(|text| text == "broken") {
            return Err(ClassifierError::Other("its weights are gone".to_owned()));
        }
        let label = |text: &String| match text.as_str() {
            "good" => "5 stars",
            "bad" => "1 star",
            "odd" => "neutral",
            _ => "3 stars",
        };
        Ok(texts
            .iter()
            .map(|text| Prediction {
                label: label(text).to_owned(),
                label_index: 0,
                probability: 0.9,
                truncated: text.len() > 1_000,
            })
            .collect())
    }
}

fn words(most: usize) -> Arc<Words> {
    Arc::new(Words { most, busy: Mutex::default(), calls: Mutex::default() })
}

fn function(most: usize) -> (ScoreReviews, Arc<Words>) {
    let words = words(most);
    let settings = ScoreReviewsSettings { max_body_bytes: 10_000, ..ScoreReviewsSettings::default() };
    (ScoreReviews::new(settings, words.clone()).unwrap(), words)
}

/// Answers in short: the data, or `failed`.
async fn score(function: &ScoreReviews, records: &[&[u8]]) -> Result<Vec<String>, FunctionError> {
    let records = records.iter().enumerate().map(|(index, data)| TransformRecord {
        record_id: format!("id-{index}"),
        data: Bytes::copy_from_slice(data),
        ..TransformRecord::default()
    });
    let event = TransformEvent { records: records.collect(), ..TransformEvent::default() };
    let answer = TransformAnswer::decode_for(&event, &function.invoke(event.encode()).await?).unwrap();
    Ok(answer
        .records
        .into_iter()
        .map(|record| match record.result {
            TransformResult::Ok => String::from_utf8(record.data.unwrap().to_vec()).unwrap(),
            TransformResult::Dropped => "dropped".to_owned(),
            TransformResult::ProcessingFailed => "failed".to_owned(),
        })
        .collect())
}

#[tokio::test]
async fn bad_records_fail_alone_and_the_model_is_asked_once() {
    let (function, words) = function(100);
    let long_body = format!("R5\tToys\t{}", "x".repeat(10_001));
    let truncated_body = format!("R6\tToys\t{}", "x".repeat(2_000));
    let records: [&[u8]; 8] = [
        b"R1\tToys\tgood\n",
        b"R2\tToys",
        b"R3\tToys\t\xff",
        b"R4\tToys\t",
        long_body.as_bytes(),
        truncated_body.as_bytes(),
        br#"{"review_id":"R7","product_category":"Toys\tand\nGames","review_body":"bad"}"#,
        b"US\t1\tR8\tB1\t2\tA title\tToys\t100\t0\t0\tN\tY\tFine\tbad\t2015-08-31",
    ];
    let answers = score(&function, &records).await.unwrap();
    assert_eq!(answers[0], "R1\t5\tToys\tgood\n");
    assert_eq!(answers[1..3], ["failed", "failed"]);
    assert_eq!(answers[3..5], ["failed", "failed"]);
    assert!(answers[5].starts_with("R6\t3\tToys\txxx"));
    assert_eq!(answers[6], "R7\t1\tToys and Games\tbad\n");
    assert_eq!(answers[7], "R8\t1\tToys\tbad\n", "the given rating is not used");
    assert_eq!(*words.calls.lock(), [4]);
    let statistics = function.statistics();
    assert_eq!((statistics.classified, statistics.truncated, statistics.failed), (4, 1, 4));
    assert!(statistics.newest_failure.unwrap().contains("max_body_bytes"));
}

#[tokio::test]
async fn a_refused_text_fails_its_record_only() {
    let bodies = ["good", "refuse", "bad", "poison", "good", "refuse", "x"];
    let records: Vec<String> = bodies.iter().map(|body| format!("R\tToys\t{body}")).collect();
    let records: Vec<&[u8]> = records.iter().map(String::as_bytes).collect();
    for most in [1, 2, 100] {
        let (function, words) = function(most);
        let answers = score(&function, &records).await.unwrap();
        for (body, answer) in bodies.iter().zip(&answers) {
            assert_eq!(answer == "failed", ["refuse", "poison"].contains(body), "{body}: {answer}");
        }
        assert!(words.calls.lock().len() <= 2 * bodies.len());
    }
}

#[tokio::test(start_paused = true)]
async fn h2_a_model_that_may_work_later_fails_no_record() {
    let (function, _) = function(100);
    let kind = async |body: &str| {
        let record = format!("R\tToys\t{body}");
        score(&function, &[b"R\tToys\tgood", record.as_bytes()]).await.unwrap_err().kind
    };
    assert_eq!(kind("busy").await, FunctionErrorKind::Throttled, "for as long as its patience lasts");
    assert_eq!(kind("loading").await, FunctionErrorKind::NotReady);
    assert_eq!(kind("broken").await, FunctionErrorKind::Failed);
    assert!(function.invoke(Bytes::from_static(b"not json")).await.is_err());
    assert_eq!(score(&function, &[]).await.unwrap(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn h2_a_small_queue_that_is_busy_now_and_then_fails_no_record() {
    let (function, words) = function(4);
    *words.busy.lock() = 50;
    let records = vec![&b"R\tToys\tgood\n"[..]; 5_000];
    assert_eq!(score(&function, &records).await.unwrap(), vec!["R\t5\tToys\tgood\n"; 5_000]);
}

#[tokio::test]
async fn silent_7_a_label_that_is_no_star_rating_fails_its_record_only() {
    let (function, _) = function(100);
    let mut records = vec![&b"R\tToys\tgood"[..]; 60];
    records[17] = b"R\tToys\todd";
    let answers = score(&function, &records).await.unwrap();
    assert_eq!(answers.iter().filter(|answer| *answer == "R\t5\tToys\tgood\n").count(), 59);
    assert_eq!(answers[17], "failed");
    assert!(function.statistics().newest_failure.unwrap().contains("\"neutral\""));
}

#[tokio::test]
async fn failures_carry_their_reason() {
    let (function, _) = function(100);
    let record = TransformRecord { record_id: "a".into(), data: "R1".into(), ..TransformRecord::default() };
    let event = TransformEvent { records: vec![record], ..TransformEvent::default() };
    let answer = function.invoke(event.encode()).await.unwrap();
    let answer: serde_json::Value = serde_json::from_slice(&answer).unwrap();
    assert_eq!(answer["records"][0]["errorMessage"], "the record has 1 column and 3 are needed");
}

#[tokio::test]
async fn a_review_without_a_text_fails_alone() {
    let (function, _) = function(100);
    let answers = score(&function, &[b"R1\tToys\t  ", b"R2\tToys\tgood", b"R3\tToys\t"]).await.unwrap();
    assert_eq!(answers, ["failed", "R2\t5\tToys\tgood\n", "failed"]);
}

#[tokio::test]
async fn settings_refuse_bad_layouts() {
    let layout = ReviewLayout::Delimited { columns: vec!["review_id".to_owned()], delimiter: '\t' };
    let settings = ScoreReviewsSettings { layout, ..ScoreReviewsSettings::default() };
    assert!(ScoreReviews::new(settings, words(10)).is_err());
}
