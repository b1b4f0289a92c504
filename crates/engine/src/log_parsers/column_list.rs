//! The list of columns that some log parsers take: `name TYPE type [format] [NOT NULL] [START n [FOR m]], …`.

use millstream_sql::{RecordField, SqlType, parse_sql_type};

/// A column of the list.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ListedColumn {
    pub(super) field: RecordField,
    /// First character, from 0.
    pub(super) start: Option<usize>,
    /// How many characters.
    pub(super) length: Option<usize>,
}

/// Reads a list. A column without a type is a VARCHAR(1024).
///
/// # Errors
/// What is wrong with the list.
pub(super) fn read(text: &str) -> Result<Vec<ListedColumn>, String> {
    let words = words(text)?;
    let mut columns: Vec<ListedColumn> = Vec::new();
    for column in words.split(|word| matches!(word, Word::Comma)) {
        let column = read_column(column)?;
        if columns.iter().any(|known| known.field.name == column.field.name) {
            return Err(format!("column {} is listed twice", column.field.name));
        }
        columns.push(column);
    }
    Ok(columns)
}

enum Word {
    /// A word or number, in upper case; a type keeps its parentheses.
    Plain(String),
    Quoted(String),
    /// A text in single quotes.
    Text(String),
    Comma,
}

fn words(text: &str) -> Result<Vec<Word>, String> {
    let mut words = Vec::new();
    let mut characters = text.chars().peekable();
    while let Some(first) = characters.next() {
        match first {
            blank if blank.is_whitespace() => {}
            ',' => words.push(Word::Comma),
            quote @ ('"' | '\'') => {
                let mut content = String::new();
                loop {
                    match characters.next() {
                        Some(c) if c == quote => {
                            if characters.next_if_eq(&quote).is_none() {
                                break;
                            }
                            content.push(quote);
                        }
                        Some(c) => content.push(c),
                        None => return Err(format!("the quote {quote} is not closed")),
                    }
                }
                words.push(if quote == '"' { Word::Quoted(content) } else { Word::Text(content) });
            }
            first => {
                let mut word = String::from(first);
                let mut depth = usize::from(first == '(');
                while let Some(next) = characters.peek().copied() {
                    if depth == 0 && (next.is_whitespace() || matches!(next, ',' | '"' | '\'')) {
                        break;
                    }
                    depth += usize::from(next == '(');
                    depth = depth.saturating_sub(usize::from(next == ')'));
                    word.push(next);
                    characters.next();
                }
                words.push(Word::Plain(word.to_uppercase()));
            }
        }
    }
    Ok(words)
}

fn read_column(words: &[Word]) -> Result<ListedColumn, String> {
    let mut words = words.iter().peekable();
    let name = match words.next() {
        Some(Word::Plain(name)) | Some(Word::Quoted(name)) => name.clone(),
        _ => return Err("a column begins with its name".to_owned()),
    };
    let is = |word: Option<&&Word>, wanted: &str| matches!(word, Some(Word::Plain(found)) if found == wanted);
    if is(words.peek(), "TYPE") {
        words.next();
    }
    let mut type_text = String::new();
    while let Some(Word::Plain(word)) = words.peek() {
        if matches!(word.as_str(), "NOT" | "START" | "FOR") {
            break;
        }
        type_text.push_str(word);
        type_text.push(' ');
        words.next();
    }
    let sql_type = if type_text.is_empty() {
        super::DEFAULT_FIELD
    } else {
        parse_sql_type(type_text.trim())
            .map_err(|mistake| format!("column {name}: {}", mistake.in_a_line()))?
    };
    if sql_type.is_interval() {
        return Err(format!("column {name}: a field cannot be an INTERVAL"));
    }
    let mut column =
        ListedColumn { field: super::plain_field(name.clone(), sql_type), start: None, length: None };
    if let Some(Word::Text(format)) = words.peek() {
        if !matches!(sql_type, SqlType::Date | SqlType::Time | SqlType::Timestamp) {
            return Err(format!("column {name}: only a DATE, TIME or TIMESTAMP has a format"));
        }
        column.field.format = Some(format.clone());
        words.next();
    }
    if is(words.peek(), "NOT") {
        words.next();
        if !is(words.peek(), "NULL") {
            return Err(format!("column {name}: NULL follows NOT"));
        }
        words.next();
        column.field.not_null = true;
    }
    for (keyword, place) in [("START", &mut column.start), ("FOR", &mut column.length)] {
        if is(words.peek(), keyword) {
            words.next();
            match words.next() {
                Some(Word::Plain(number)) => {
                    let number = number
                        .parse()
                        .map_err(|_| format!("column {name}: {keyword} takes a number, not {number}"));
                    *place = Some(number?);
                }
                _ => return Err(format!("column {name}: {keyword} takes a number")),
            }
        }
    }
    match words.next() {
        None => Ok(column),
        Some(_) => Err(format!("column {name}: write NAME TYPE type, with START n FOR m for fixed columns")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_whole() {
        let columns = read(
            "a TYPE DECIMAL(5, 2) NOT NULL START 0 FOR 4, \"b c\" TYPE TIMESTAMP 'dd/MM', d VARCHAR(3), e",
        )
        .unwrap();
        let decimal = SqlType::Decimal { precision: 5, scale: 2 };
        assert_eq!((columns[0].field.name.as_str(), columns[0].field.sql_type), ("A", decimal));
        assert!(columns[0].field.not_null);
        assert_eq!((columns[0].start, columns[0].length), (Some(0), Some(4)));
        assert_eq!(
            (columns[1].field.name.as_str(), columns[1].field.format.as_deref()),
            ("b c", Some("dd/MM"))
        );
        assert_eq!(columns[2].field.sql_type, SqlType::Varchar { length: 3 });
        assert_eq!(columns[3].field.sql_type, SqlType::Varchar { length: 1_024 });
        for wrong in [
            "",
            "a TYPE NOTHING",
            "a, a",
            "a TYPE INTEGER 'x'",
            "a NOT b",
            "a START x",
            "\"a",
            "a TYPE INTEGER,",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
