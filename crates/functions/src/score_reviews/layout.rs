//! Where the fields of a review are in a raw record.

use std::borrow::Cow;

use millstream_wording::counted;
use serde_json::Value;

use crate::json_text::read_json;

/// The columns of the Amazon customer reviews data set, in their order.
const AMAZON_COLUMNS: [&str; 15] = [
    "marketplace",
    "customer_id",
    "review_id",
    "product_id",
    "product_parent",
    "product_title",
    "product_category",
    "star_rating",
    "helpful_votes",
    "total_votes",
    "vine",
    "verified_purchase",
    "review_headline",
    "review_body",
    "review_date",
];
const THREE_COLUMNS: [&str; 3] = ["review_id", "product_category", "review_body"];

/// How a raw record is laid out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ReviewLayout {
    /// Recognized record by record: `{` begins a JSON object, 15 tab-separated columns or more are the Amazon format, and
    /// anything else is `review_id<TAB>product_category<TAB>review_body`.
    #[default]
    Automatic,
    /// Columns in this order, which must name `review_id`, `product_category` and `review_body`. No quoting. When
    /// `review_body` is the last column it takes the rest of the line, delimiters and all; otherwise the record must
    /// have exactly these columns.
    Delimited {
        /// The names.
        columns: Vec<String>,
        /// What stands between them.
        delimiter: char,
    },
    /// A JSON object.
    Json(JsonMembers),
}

/// The names of the members of a JSON review.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonMembers {
    /// Of the id: text or a number.
    pub review_id: String,
    /// Of the product category: text or a number.
    pub product_category: String,
    /// Of the text.
    pub review_body: String,
}

impl Default for JsonMembers {
    fn default() -> JsonMembers {
        JsonMembers {
            review_id: "review_id".to_owned(),
            product_category: "product_category".to_owned(),
            review_body: "review_body".to_owned(),
        }
    }
}

/// A review as it came in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RawReview<'record> {
    pub review_id: Cow<'record, str>,
    pub product_category: Cow<'record, str>,
    pub review_body: Cow<'record, str>,
}

/// Why a record is not a review.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum LayoutError {
    #[error("the record is not UTF-8 text")]
    NotText,
    #[error("the record has {} and {needed} are needed", counted(*.present, "column"))]
    TooFewColumns { present: usize, needed: usize },
    #[error(
        "the record has {present} columns and {expected} are expected, so it is not clear which field is which"
    )]
    TooManyColumns { present: usize, expected: usize },
    #[error("the record is not a JSON object: {0}")]
    NotJson(String),
    #[error("the member \"{0}\" is missing or is not text")]
    NoMember(String),
    #[error("the review_id is empty")]
    NoReviewId,
}

impl ReviewLayout {
    /// The Amazon customer reviews format: 15 columns between tabs.
    pub fn amazon() -> ReviewLayout {
        ReviewLayout::tab_separated(&AMAZON_COLUMNS)
    }

    /// `review_id<TAB>product_category<TAB>review_body`.
    pub fn three_columns() -> ReviewLayout {
        ReviewLayout::tab_separated(&THREE_COLUMNS)
    }

    fn tab_separated(columns: &[&str]) -> ReviewLayout {
        let columns = columns.iter().map(|&column| column.to_owned()).collect();
        ReviewLayout::Delimited { columns, delimiter: '\t' }
    }

    /// Says what is wrong with the layout itself.
    pub(super) fn check(&self) -> Result<(), String> {
        let ReviewLayout::Delimited { columns, delimiter } = self else { return Ok(()) };
        if matches!(delimiter, '\n' | '\r') {
            return Err("the delimiter cannot be a line break".to_owned());
        }
        for needed in THREE_COLUMNS {
            match columns.iter().filter(|column| *column == needed).count() {
                1 => {}
                0 => return Err(format!("the columns do not name \"{needed}\"; add it at its place")),
                _ => return Err(format!("the columns name \"{needed}\" more than once")),
            }
        }
        Ok(())
    }

    /// Reads a record. One line break at its end does not count, nor does a byte order mark at its start.
    pub(super) fn read<'record>(&self, record: &'record [u8]) -> Result<RawReview<'record>, LayoutError> {
        let text = std::str::from_utf8(record).map_err(|_| LayoutError::NotText)?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let line = text.strip_suffix('\n').map_or(text, |line| line.strip_suffix('\r').unwrap_or(line));
        let review = match self {
            ReviewLayout::Automatic if line.trim_start().starts_with('{') => {
                json(line, &JsonMembers::default())
            }
            ReviewLayout::Automatic if line.split('\t').nth(AMAZON_COLUMNS.len() - 1).is_some() => {
                delimited(line, &AMAZON_COLUMNS, '\t')
            }
            ReviewLayout::Automatic => delimited(line, &THREE_COLUMNS, '\t'),
            ReviewLayout::Delimited { columns, delimiter } => delimited(line, columns, *delimiter),
            ReviewLayout::Json(members) => json(line, members),
        }?;
        if review.review_id.trim().is_empty() {
            return Err(LayoutError::NoReviewId);
        }
        Ok(review)
    }
}

fn delimited<'record>(
    line: &'record str,
    columns: &[impl AsRef<str>],
    delimiter: char,
) -> Result<RawReview<'record>, LayoutError> {
    let takes_the_rest = columns.last().is_some_and(|last| last.as_ref() == "review_body");
    let (mut review_id, mut product_category, mut review_body) = ("", "", "");
    let mut present = 0;
    let mut fields = line.splitn(if takes_the_rest { columns.len() } else { usize::MAX }, delimiter);
    for column in columns {
        let Some(field) = fields.next() else {
            return Err(LayoutError::TooFewColumns { present, needed: columns.len() });
        };
        present += 1;
        match column.as_ref() {
            "review_id" => review_id = field,
            "product_category" => product_category = field,
            "review_body" => review_body = field,
            _ => {}
        }
    }
    match fields.count() {
        0 => Ok(RawReview {
            review_id: review_id.into(),
            product_category: product_category.into(),
            review_body: review_body.into(),
        }),
        more => Err(LayoutError::TooManyColumns { present: present + more, expected: columns.len() }),
    }
}

fn json(line: &str, members: &JsonMembers) -> Result<RawReview<'static>, LayoutError> {
    let mut object: serde_json::Map<String, Value> = read_json(line).map_err(LayoutError::NotJson)?;
    let mut take = |member: &str, may_be_number: bool| match object.remove(member) {
        Some(Value::String(text)) => Ok(Cow::Owned(text)),
        Some(Value::Number(number)) if may_be_number => Ok(Cow::Owned(number.to_string())),
        _ => Err(LayoutError::NoMember(member.to_owned())),
    };
    Ok(RawReview {
        review_id: take(&members.review_id, true)?,
        product_category: take(&members.product_category, true)?,
        review_body: take(&members.review_body, false)?,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fields(layout: &ReviewLayout, record: &[u8]) -> Result<[String; 3], LayoutError> {
        let review = layout.read(record)?;
        Ok([review.review_id, review.product_category, review.review_body].map(Cow::into_owned))
    }

    fn amazon_line(body: &str) -> String {
        format!("US\t1\tR1\tB1\t2\tA title\tToys\t5\t0\t0\tN\tY\tFine\t{body}\t2015-08-31")
    }

    #[test]
    fn each_layout_finds_its_fields() {
        let automatic = ReviewLayout::Automatic;
        let expected = Ok(["R1", "Toys", "Good"].map(str::to_owned));
        assert_eq!(fields(&automatic, b"R1\tToys\tGood\n"), expected);
        assert_eq!(fields(&automatic, b"R1\tToys\tGood\r\n"), expected);
        assert_eq!(fields(&automatic, amazon_line("Good").as_bytes()), expected);
        assert_eq!(fields(&ReviewLayout::amazon(), amazon_line("Good").as_bytes()), expected);
        let json = br#"{"review_body":"Good","product_category":"Toys","review_id":"R1","more":[1]}"#;
        assert_eq!(fields(&automatic, json), expected);
        let own = ReviewLayout::Delimited {
            columns: ["review_body", "x", "review_id", "product_category"].map(str::to_owned).to_vec(),
            delimiter: '|',
        };
        assert_eq!(own.check(), Ok(()));
        assert_eq!(fields(&own, b"Good|7|R1|Toys"), expected);
        let members = JsonMembers { review_id: "id".to_owned(), ..JsonMembers::default() };
        let json = br#"{"review_body":"Good","product_category":"Toys","id":17}"#;
        assert_eq!(fields(&ReviewLayout::Json(members), json).unwrap()[0], "17");
    }

    #[test]
    fn a_body_at_the_end_takes_the_rest_and_elsewhere_must_not_split() {
        assert_eq!(fields(&ReviewLayout::three_columns(), b"R1\tToys\ta\tb\tc").unwrap()[2], "a\tb\tc");
        assert_eq!(fields(&ReviewLayout::three_columns(), b"R1\t\t").unwrap()[2], "");
        let error = fields(&ReviewLayout::amazon(), amazon_line("a\tb").as_bytes()).unwrap_err();
        assert_eq!(error, LayoutError::TooManyColumns { present: 16, expected: 15 });
    }

    #[test]
    fn what_is_not_a_review_is_refused_with_the_reason() {
        let automatic = ReviewLayout::Automatic;
        let cases: [(&[u8], &str); 10] = [
            (b"", "1 column and 3"),
            (b"R1\tToys", "2 columns and 3"),
            (b"R1\tToys\t\xff", "UTF-8"),
            (b"\tToys\tGood", "review_id is empty"),
            (b"{\"review_id\":", "not a JSON object"),
            (b"{review_id", "not a JSON object: a name in quotes is expected at byte 1"),
            (b"{\"review_id\":\"\\x\"}", "not a JSON object: invalid escape"),
            (
                b"{\"review_id\":1,\"review_body\":5,\"product_category\":2}",
                "\"review_body\" is missing or is not text",
            ),
            (b"{\"review_id\":\"R1\",\"review_body\":\"b\"}", "\"product_category\" is missing"),
            (b"{\"review_id\":\"R1\",\"review_body\":null,\"product_category\":\"c\"}", "\"review_body\""),
        ];
        for (record, reason) in cases {
            let error = fields(&automatic, record).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn a_layout_must_name_the_three_fields_once() {
        let columns = |names: &[&str]| ReviewLayout::tab_separated(names).check();
        assert!(columns(&["review_id", "review_body"]).unwrap_err().contains("product_category"));
        let twice = ["review_id", "review_body", "product_category", "review_id"];
        assert!(columns(&twice).unwrap_err().contains("more than once"));
    }

    proptest! {
        #[test]
        fn no_record_panics(record: Vec<u8>) {
            let _ = ReviewLayout::Automatic.read(&record);
            let _ = ReviewLayout::amazon().read(&record);
        }
    }
}
