//! Headers that name the columns of a schema in another order: of delimited text columns go by position.

use millstream_columns::formats::{InputSchema, RecordFormat};

use crate::definition::{Definition, Desired, FeedDefinition, FeedSource, RecordFormatDefinition};
use crate::feeds::{LineSource, is_endless};

/// Columns that are named in a remark.
const SHOWN: usize = 12;

/// What is odd about the headers of files that a pipeline reads: of those whose records go right to an application. Reads
/// the beginnings of the files; one that cannot be read is found where it is fed.
pub fn headers_in_other_order(desired: &[Desired]) -> Vec<String> {
    let feeds = desired.iter().filter_map(|one| match &one.definition {
        Definition::Feed(feed) => Some(feed),
        _ => None,
    });
    feeds.flat_map(|feed| of_feed(feed, desired)).collect()
}

fn of_feed(feed: &FeedDefinition, desired: &[Desired]) -> Vec<String> {
    let FeedSource::File { path, header: true, review_columns: None, .. } = &feed.source else {
        return Vec::new();
    };
    let schemas = desired.iter().filter_map(|one| match &one.definition {
        Definition::Application(application)
            if application.input.preprocessor.is_none()
                && application.input.source.reference() == feed.target.reference() =>
        {
            Some((&one.name, &application.input.schema))
        }
        _ => None,
    });
    let schemas: Vec<_> = schemas.collect();
    if schemas.is_empty() || is_endless(path) {
        return Vec::new();
    }
    let Ok(header) = LineSource::first_line(path) else { return Vec::new() };
    let remark = |(application, schema): (&String, &crate::definition::SchemaDefinition)| {
        let RecordFormatDefinition::Csv { column_delimiter, .. } = &schema.format else { return None };
        let names = schema.columns.iter().map(|column| column.name.as_str());
        let odd = in_other_order(names, column_delimiter, &header)?;
        Some(format!("{}, which application \"{application}\" reads: {odd}", path.display()))
    };
    schemas.into_iter().filter_map(remark).collect()
}

/// What is odd about a header of records of this schema.
pub(crate) fn header_in_other_order(schema: &InputSchema, header: &str) -> Option<String> {
    let RecordFormat::Csv { column_delimiter, .. } = &schema.format else { return None };
    in_other_order(schema.columns.iter().map(|column| column.name.as_str()), column_delimiter, header)
}

fn in_other_order<'n>(
    columns: impl Iterator<Item = &'n str>,
    delimiter: &str,
    header: &str,
) -> Option<String> {
    let columns: Vec<&str> = columns.collect();
    let fields: Vec<&str> =
        header.split(delimiter).map(|field| field.trim().trim_matches('"').trim()).collect();
    let has_moved = |(place, field): (usize, &&str)| {
        let named = columns.iter().position(|column| column.eq_ignore_ascii_case(field));
        let stands_right = columns.get(place).is_some_and(|column| column.eq_ignore_ascii_case(field));
        named.is_some() && !stands_right
    };
    if !fields.iter().enumerate().any(has_moved) {
        return None;
    }
    Some(format!(
        "the header names the columns in another order ({}) than the schema ({}): columns of delimited text go by position, \
         so give the schema the order of the header",
        shown(&fields),
        shown(&columns)
    ))
}

fn shown(names: &[&str]) -> String {
    let more = if names.len() > SHOWN { ", …" } else { "" };
    format!("{}{more}", names[..names.len().min(SHOWN)].join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_of_another_order_is_said() {
        let odd = |columns: &[&str], header: &str| in_other_order(columns.iter().copied(), ",", header);
        let remark = odd(&["A", "B", "C"], "b,\"A\", c").unwrap();
        assert!(remark.contains("another order (b, A, c) than the schema (A, B, C)"), "{remark}");
        assert!(odd(&["A", "B"], "x,A,B").is_some(), "one more before them");
        for (columns, header) in [
            (["A", "B"].as_slice(), "a, B "),
            (&["A", "B"], "a,b,c"),
            (&["A", "B"], "x,y"),
            (&["A", "B"], "x,b"),
            (&["A", "B", "C"], "a,b"),
            (&["A"], ""),
        ] {
            assert_eq!(odd(columns, header), None, "{header}");
        }
    }
}
