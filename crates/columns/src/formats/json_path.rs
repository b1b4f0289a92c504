//! Paths to the values of a JSON document: `$.a.b`, `$['a.b'].c`, `$.items[0:].price`.

use crate::formats::schema::SchemaError;

/// A step of a path.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Step {
    /// `None` for the document itself.
    pub(super) name: Option<String>,
    /// Followed by `[0:]`.
    pub(super) array: bool,
}

/// Adds the step to a member of this name to a path: `.name`, or `['name']` for one that holds dots, brackets or blanks.
pub(crate) fn push_member(path: &mut String, name: &str) {
    if is_plain(name) {
        path.push('.');
        path.push_str(name);
        return;
    }
    path.push_str("['");
    for character in name.chars() {
        if matches!(character, '\'' | '\\') {
            path.push('\\');
        }
        path.push(character);
    }
    path.push_str("']");
}

/// Whether a name can be written behind a dot.
fn is_plain(name: &str) -> bool {
    let ends_name = |c: char| matches!(c, '.' | ',' | '[' | ']' | '"' | '\'' | '\\') || c.is_whitespace();
    !name.is_empty() && !name.contains(ends_name)
}

/// The steps of a path.
///
/// # Errors
/// The path is not written so.
pub(super) fn parse_path(path: &str) -> Result<Vec<Step>, SchemaError> {
    let refused = |reason| SchemaError::Path { path: path.to_owned(), reason };
    let mut rest = path.strip_prefix('$').ok_or_else(|| refused("it must begin with $"))?;
    let take_array = |rest: &mut &str| match rest.strip_prefix("[0:]") {
        Some(after) => {
            *rest = after;
            true
        }
        None => false,
    };
    let mut steps = vec![Step { name: None, array: take_array(&mut rest) }];
    while !rest.is_empty() {
        let name;
        if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(['.', '[']).unwrap_or(after.len());
            (name, rest) = (after[..end].to_owned(), &after[end..]);
            if name.is_empty() {
                return Err(refused("a name is missing after the dot"));
            }
            if name.contains(char::is_whitespace) {
                return Err(refused("a name with blanks is written ['a name']"));
            }
        } else if rest.starts_with('[') {
            (name, rest) = quoted_member(rest).map_err(refused)?;
        } else {
            return Err(refused("write names as .name or ['name'], and arrays as [0:]"));
        }
        steps.push(Step { name: Some(name), array: take_array(&mut rest) });
    }
    Ok(steps)
}

/// The name in `['name']` or `["name"]` at the start of a text, and what follows. A backslash keeps the next character as
/// it is.
fn quoted_member(text: &str) -> Result<(String, &str), &'static str> {
    let mut characters = text.char_indices().skip(1);
    let quote = match characters.next() {
        Some((_, quote @ ('\'' | '"'))) => quote,
        _ => return Err("in brackets is a name in quotes, or once for each array [0:]"),
    };
    let mut name = String::new();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => name.extend(characters.next().map(|(_, kept)| kept)),
            end if end == quote => {
                let rest = text[at + 1..].strip_prefix(']');
                return rest.map(|rest| (name, rest)).ok_or("a ] is missing after the quoted name");
            }
            other => name.push(other),
        }
    }
    Err("a quoted name is not closed")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(path: &str) -> Result<Vec<(String, bool)>, String> {
        let steps = parse_path(path).map_err(|error| error.to_string())?;
        Ok(steps.into_iter().map(|step| (step.name.unwrap_or_else(|| "$".to_owned()), step.array)).collect())
    }

    #[test]
    fn every_name_has_a_path_of_one_step() {
        for name in [
            "a", "a.b", "a b", "a[0:]", "[", "]", "it's", "\"q\"", "\\", "\\'", "']", "", ".", "$", "a,b",
            "é\u{a0}", "(a)", "0", "a\nb",
        ] {
            let mut path = "$".to_owned();
            push_member(&mut path, name);
            let expected = [("$".to_owned(), false), (name.to_owned(), false)];
            assert_eq!(names(&path).unwrap(), expected, "{path}");
        }
        let mut path = "$".to_owned();
        ["plain", "a.b", "c"].iter().for_each(|name| push_member(&mut path, name));
        assert_eq!(path, "$.plain['a.b'].c");
    }

    #[test]
    fn paths_are_read_or_refused() {
        let step = |name: &str, array| (name.to_owned(), array);
        assert_eq!(names("$").unwrap(), [step("$", false)]);
        assert_eq!(names("$[0:].a").unwrap(), [step("$", true), step("a", false)]);
        let both = [step("$", false), step("a.b", true), step("c d", false), step("e", false)];
        assert_eq!(names("$['a.b'][0:][\"c d\"].e").unwrap(), both);
        for (path, reason) in [
            ("a", "must begin with $"),
            ("$a", "write names as .name or ['name']"),
            ("$.", "a name is missing"),
            ("$.a..b", "a name is missing"),
            ("$.a b", "is written ['a name']"),
            ("$.a[1]", "in brackets is a name in quotes"),
            ("$.a[0:][0:]", "in brackets is a name in quotes"),
            ("$['a", "not closed"),
            ("$['a'", "a ] is missing"),
            ("$['a\\']", "not closed"),
        ] {
            let error = names(path).unwrap_err();
            assert!(error.contains(reason), "{path}: {error}");
        }
    }
}
