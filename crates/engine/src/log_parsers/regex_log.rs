//! `REGEX_LOG_PARSE(text, pattern [, columns])`: one field for each group of a Java regular expression that matches the
//! whole text.

use super::{LogParser, Prepared, check_arguments, column_list, constant_text, numbered_fields, refused};
use crate::expression::java_regex::{JavaRegex, StepBudget};
use millstream_sql::{Argument, SignatureError};
use millstream_wording::counted;
use std::borrow::Cow;

pub(super) const PARSER: LogParser = LogParser { name: "REGEX_LOG_PARSE", prepare };

fn prepare(arguments: &[Argument]) -> Result<Prepared, SignatureError> {
    check_arguments(arguments, 2..=3, "2 or 3")?;
    let pattern = constant_text(arguments, 1, "the pattern")?;
    // By itself first: what is wrong with it is said in its own terms.
    let refuse = |error: millstream_columns::RowError| refused(1, error.message.as_ref());
    JavaRegex::new(pattern).map_err(refuse)?;
    let whole = JavaRegex::new(&format!("\\A(?:{pattern})\\z")).map_err(refuse)?;
    let groups = whole.group_count().saturating_sub(1);
    if groups == 0 {
        return Err(refused(1, "the pattern has no group: each group in parentheses gives a column"));
    }
    let fields = match arguments.get(2) {
        None => numbered_fields(groups),
        Some(_) => {
            let list = column_list::read(constant_text(arguments, 2, "the list of columns")?)
                .map_err(|message| refused(2, message))?;
            if list.len() != groups {
                let message = format!(
                    "the list has {}, the pattern {}: they must be as many",
                    counted(list.len(), "column"),
                    counted(groups, "group")
                );
                return Err(refused(2, message));
            }
            list.into_iter().map(|column| column.field).collect()
        }
    };
    let split: super::Split = Box::new(move |text, _| {
        let Some(found) = whole.groups_at(text, 0, &mut StepBudget::of_row())? else { return Ok(None) };
        let ranges = found.iter().skip(1);
        Ok(Some(ranges.map(|range| range.map(|(start, end)| Cow::Borrowed(&text[start..end]))).collect()))
    });
    Ok(Prepared { fields, split })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{arguments, split};
    use super::*;
    use millstream_sql::Value;

    #[test]
    fn the_whole_text_has_to_match() {
        let vowels = ".*([E].).*([R].*)";
        assert_eq!(split(&PARSER, &[vowels], "HEALTHCARE"), "EA|RE");
        assert_eq!(split(&PARSER, &[vowels], "ENERGY"), "EN|RGY");
        assert_eq!(split(&PARSER, &[vowels], "TECHNOLOGY"), "no match");
        assert_eq!(split(&PARSER, &["(a)|(b)"], "b"), "-|b");
        assert_eq!(split(&PARSER, &["(a)|(b)"], "bc"), "no match");
        assert_eq!(split(&PARSER, &[r"(a+)(?=b)(.*)\1"], "aabcaa"), "aa|bc");
        assert_eq!(split(&PARSER, &["(a)", "first CHAR(1)"], "a"), "a");
    }

    #[test]
    fn a_bad_pattern_or_list_is_refused() {
        let refusal = |texts: &[&str]| {
            let constants: Vec<Value> = texts.iter().map(|text| Value::Text((*text).to_owned())).collect();
            (PARSER.prepare)(&arguments(&constants)).is_err()
        };
        assert!(refusal(&["(a"]));
        assert!(refusal(&["a"]));
        assert!(refusal(&["(a)", "x, y"]));
        assert!((PARSER.prepare)(&arguments(&[Value::Integer(1)])).is_err());
    }
}
