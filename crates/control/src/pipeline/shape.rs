//! The shape of a file: which sections and keys there are, and what kind of value each has. Every mistake is found, not
//! only the first.

use std::collections::{BTreeSet, HashSet};
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::declarations::Declarations;
use super::gaps::Gaps;
use super::mistake::Mistake;
use super::other_kind::{has_section, json, other_kind};
use super::source_text::SourceText;
use super::toml_syntax;
use super::toml_tree::{find, make_several, make_single, remove, section_of, table_at, value_at};
use super::value_messages::{expected_word, hint_for, meant_by, reworded};

/// Sections of which there may be several.
const SECTIONS: [&str; 10] = [
    "stream",
    "delivery_stream",
    "endpoint",
    "function",
    "application",
    "topic",
    "subscription",
    "metric",
    "alarm",
    "input",
];
/// Sections within others: of which there may be several, and of which there is one.
const PARTS: [(&str, &str); 2] = [("application", "output"), ("application", "reference")];
const SINGLE_PARTS: [(&str, &str); 3] =
    [("application", "input"), ("delivery_stream", "transform"), ("delivery_stream", "backup")];
/// Mistakes of one file that are looked for; each takes a look at the whole file.
const MOST_MISTAKES: usize = 50;

/// What a file declares, as far as it can be read.
pub(super) struct Read {
    /// Without what is wrong; `None` when that leaves nothing to look at.
    pub(super) declarations: Option<Declarations>,
    /// Every mistake of its shape.
    pub(super) mistakes: Vec<Mistake>,
    /// What was skipped.
    pub(super) gaps: Gaps,
}

/// Reads the declarations of a file.
pub(super) fn read(source: &SourceText<'_>) -> Read {
    let unreadable = |mistakes| Read { declarations: None, mistakes, gaps: Gaps::default() };
    if let Some(mistake) = json(source) {
        return unreadable(vec![mistake]);
    }
    if let Ok(declarations) = toml::from_str(source.text) {
        return Read { declarations: Some(declarations), mistakes: Vec::new(), gaps: Gaps::default() };
    }
    match DeTable::parse_recoverable(source.text) {
        (table, errors) if errors.is_empty() => readable_part(source, table),
        (_, errors) if errors.len() > 1 && !has_section(source.text) => {
            let reason = "this is no pipeline file: it has no section, such as [[stream]], and is no TOML";
            unreadable(vec![other_kind(source.name, source.text, reason)])
        }
        (_, errors) => unreadable(syntax_mistakes(source, &errors)),
    }
}

/// Mistakes of a file that is no TOML: of a line the first, of which others may be the consequence.
fn syntax_mistakes(source: &SourceText<'_>, errors: &[toml::de::Error]) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    // The keys of a section that is declared twice are there twice, too.
    let mut repeated = 0..0;
    for error in errors {
        let start = error.span().map_or(0, |span| span.start).min(source.text.len());
        if repeated.contains(&start) && is_duplicate(error) {
            continue;
        }
        mistakes.extend(not_toml(source, error));
        let (_, line_start) = source.line_of(start);
        if is_duplicate(error) && source.text[line_start..].starts_with('[') {
            let length = source.text[start..].find("\n[").unwrap_or(source.text.len() - start);
            repeated = start..start + length;
        }
    }
    if let ([], Some(first)) = (mistakes.as_slice(), errors.first()) {
        mistakes.push(match errors.iter().find_map(toml::de::Error::span) {
            Some(place) => toml_syntax::unclosed(source, place),
            // Such as keys within keys, deeper than anything is read.
            None => Mistake::within(
                source,
                0..0,
                format!("this cannot be read as TOML: {}", first.message()),
                None,
            ),
        });
    }
    mistakes.sort_by_key(|mistake| (mistake.line, mistake.column));
    mistakes.dedup_by_key(|mistake| mistake.line);
    mistakes.truncate(MOST_MISTAKES);
    mistakes
}

fn is_duplicate(error: &toml::de::Error) -> bool {
    error.message().contains("duplicate")
}

/// What cannot be read at all; `None` for what follows from something before it.
fn not_toml(source: &SourceText<'_>, error: &toml::de::Error) -> Option<Mistake> {
    let span = error.span().unwrap_or(0..0);
    // `[stream]` a second time is a duplicate key.
    let (_, start) = source.line_of(span.start.min(source.text.len()));
    let line = source.text[start..].lines().next().unwrap_or_default().trim();
    let name = line.strip_prefix("[[").or_else(|| line.strip_prefix('['));
    if let Some(section) = name.and_then(|name| name.split(']').next())
        && is_repeatable(section)
        && is_duplicate(error)
    {
        // With `[stream]` first, every `[[stream]]` after it is the duplicate.
        let single = format!("[{section}]");
        let first = match line.strip_prefix("[[") {
            Some(_) => source.text.lines().find(|line| line.trim() == single),
            None => None,
        };
        let span = first.map_or(span, |line| {
            let start = line.as_ptr() as usize - source.text.as_ptr() as usize;
            let start = start + line.find('[').unwrap_or(0) + 1;
            start..start + section.len()
        });
        return Some(Mistake::within(source, span, several(section), None));
    }
    if is_duplicate(error) {
        let key = source.text.get(span.clone()).unwrap_or("a key");
        let hint = "remove one of them".to_owned();
        return Some(Mistake::within(source, span.clone(), format!("{key} is given twice"), Some(hint)));
    }
    toml_syntax::mistake(source, span)
}

fn is_repeatable(section: &str) -> bool {
    let parts = section.split_once('.');
    SECTIONS.contains(&section) || parts.is_some_and(|part| PARTS.contains(&part))
}

fn several(section: &str) -> String {
    format!("write [[{section}]]: there may be several")
}

/// What of a file that is TOML can be read, and the mistakes of the rest. Wrong parts are taken out one after the other,
/// missing ones put in, until what is left has the right shape.
fn readable_part(source: &SourceText<'_>, table: Spanned<DeTable<'_>>) -> Read {
    let mut reading = Reading {
        source,
        gaps: Gaps::new(section_starts(table.get_ref())),
        mistakes: section_mistakes(source, table.get_ref()),
        table,
        taken_out: HashSet::new(),
        substitute: None,
    };
    reading.regroup();
    let mut declarations = None;
    while reading.mistakes.len() < MOST_MISTAKES {
        match Declarations::deserialize(toml::Deserializer::from(reading.table.clone())) {
            Ok(read) => {
                declarations = Some(read);
                break;
            }
            Err(error) if reading.amend(&error) => {}
            Err(_) => break,
        }
    }
    let Reading { mut mistakes, gaps, .. } = reading;
    mistakes.sort_by_key(|mistake| (mistake.line, mistake.column));
    Read { declarations, mistakes, gaps }
}

/// Where each section begins.
fn section_starts(table: &DeTable<'_>) -> BTreeSet<usize> {
    let mut starts = BTreeSet::new();
    for (_, value) in table.iter() {
        match value.get_ref() {
            DeValue::Table(_) => {
                starts.insert(value.span().start);
            }
            DeValue::Array(items) => {
                starts.extend(
                    items.iter().filter(|item| item.get_ref().is_table()).map(|item| item.span().start),
                );
            }
            _ => {}
        }
    }
    starts
}

/// A file that is read although it has mistakes.
struct Reading<'r, 'text> {
    source: &'r SourceText<'text>,
    /// What is left of it.
    table: Spanned<DeTable<'text>>,
    mistakes: Vec<Mistake>,
    gaps: Gaps,
    /// Keys that were taken out because of what they hold, each with the section.
    taken_out: HashSet<(Option<usize>, String)>,
    /// What was put in last in place of a missing value: in which table, under which key.
    substitute: Option<(Range<usize>, String, DeValue<'text>)>,
}

impl<'text> Reading<'_, 'text> {
    /// Notes a mistake, and takes it out of the table. False when that cannot be done.
    fn amend(&mut self, error: &toml::de::Error) -> bool {
        let span = error.span().unwrap_or(0..0);
        if self.gaps.is_substitute(&span) {
            return match self.substitute.take() {
                Some((table, key, DeValue::String(text))) if text.is_empty() => {
                    let value = match expected_word(error.message()) {
                        Some(word) => DeValue::String(word.to_owned().into()),
                        None => DeValue::parse("1").expect("1 is TOML").into_inner(),
                    };
                    self.put_in(&table, &key, value)
                }
                _ => self.take_section_out(span.start),
            };
        }
        self.substitute = None;
        let message = error.message().lines().next().unwrap_or("not valid").to_owned();
        let section = self.gaps.section_at(span.start);
        let missing = message.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
        if let Some(key) = missing {
            // It may be missing because it was wrong.
            if !self.taken_out.contains(&(section, key.to_owned())) {
                let needing = section_of(self.table.get_ref(), &span);
                self.wrong(span.start..span.start + 1, format!("{key} is missing: {needing} needs it"), None);
            }
            return self.put_in(&span, key, DeValue::String("".into()));
        }
        let found = find(self.table.get_ref(), &span, &mut Vec::new());
        let value = value_at(self.table.get_ref(), &span);
        let text = match &found {
            Some(path) if path.len() == 1 && is_repeatable(&path[0]) && !message.starts_with("unknown") => {
                format!("write [[{}]]: a section for each", path[0])
            }
            Some(path) => reworded(&message, path.last().map_or("", String::as_str), value),
            None => message.clone(),
        };
        self.wrong(span.clone(), text, hint_for(&message));
        // The key that was meant is not missing.
        self.taken_out.extend(meant_by(&message).map(|key| (section, key.to_owned())));
        let Some(path) = found else { return false };
        if let [section] = path.as_slice()
            && let Some(items) = self.table.get_ref().get(section.as_str())
        {
            lose_names(items, &mut self.gaps);
        }
        self.taken_out.extend(path.last().map(|key| (section, key.clone())));
        self.gaps.leave_out(span.start);
        remove(self.table.get_mut(), &span);
        true
    }

    fn wrong(&mut self, span: Range<usize>, message: String, hint: Option<String>) {
        self.mistakes.push(Mistake::within(self.source, span, message, hint));
    }

    /// Puts a value in place of a missing one; where that cannot be done, the section goes.
    fn put_in(&mut self, table: &Range<usize>, key: &str, value: DeValue<'text>) -> bool {
        let Some(section) = self.gaps.section_at(table.start) else { return false };
        self.gaps.leave_out(section);
        let Some(found) = table_at(self.table.get_mut(), table) else {
            return self.take_section_out(section);
        };
        let place = Gaps::substitute(section);
        let placed = Spanned::new(place.clone(), value.clone());
        found.insert(Spanned::new(place, key.to_owned().into()), placed);
        self.substitute = Some((table.clone(), key.to_owned(), value));
        true
    }

    /// Takes the section that begins at a place out. False when there is none.
    fn take_section_out(&mut self, start: usize) -> bool {
        let mut gone: Option<String> = None;
        for (key, value) in self.table.get_mut().iter_mut() {
            let begins = value.span().start == start;
            match value.get_mut() {
                DeValue::Array(items) => {
                    let (kept, removed): (Vec<_>, Vec<_>) =
                        items.iter().cloned().partition(|item| item.span().start != start);
                    if !removed.is_empty() {
                        removed.iter().for_each(|item| lose_name(item, &mut self.gaps));
                        let mut others = DeArray::new();
                        kept.into_iter().for_each(|item| others.push(item));
                        *items = others;
                        return true;
                    }
                }
                DeValue::Table(_) if begins => gone = Some(key.get_ref().clone().into_owned()),
                _ => {}
            }
        }
        gone.is_some_and(|key| self.table.get_mut().remove(key.as_str()).is_some())
    }

    /// Makes several of what may be several and was written once, the first alone of what there is one of, and an input
    /// for an application without one.
    fn regroup(&mut self) {
        for (key, value) in self.table.get_mut().iter_mut() {
            let section: &str = key.get_ref();
            if SECTIONS.contains(&section) {
                make_several(value);
            }
            if section == "smtp" {
                make_single(value);
            }
            let DeValue::Array(items) = value.get_mut() else { continue };
            for item in items.iter_mut() {
                let start = item.span().start;
                let DeValue::Table(item) = item.get_mut() else { continue };
                for (part_key, part) in item.iter_mut() {
                    let path: (&str, &str) = (section, part_key.get_ref());
                    if PARTS.contains(&path) {
                        make_several(part);
                    }
                    if SINGLE_PARTS.contains(&path) {
                        make_single(part);
                    }
                }
                if section == "application" && !item.contains_key("input") {
                    self.gaps.leave_out(start);
                    self.taken_out.insert((Some(start), "columns".to_owned()));
                    // Not the place of a substitute: what it lacks is to be put in.
                    let place = start..start + 1;
                    let input = Spanned::new(place.clone(), DeValue::Table(DeTable::new()));
                    item.insert(Spanned::new(place, "input".into()), input);
                }
            }
        }
    }
}

/// The names of the sections under a key.
fn lose_names(value: &Spanned<DeValue<'_>>, gaps: &mut Gaps) {
    match value.get_ref() {
        DeValue::Array(items) => items.iter().for_each(|item| lose_name(item, gaps)),
        _ => lose_name(value, gaps),
    }
}

fn lose_name(section: &Spanned<DeValue<'_>>, gaps: &mut Gaps) {
    let name = section.get_ref().as_table().and_then(|table| table.get("name"));
    if let Some(name) = name.and_then(|name| name.get_ref().as_str()) {
        gaps.lose(name);
    }
}

/// Sections that are written once and may be several, or the other way round; applications without an input.
fn section_mistakes(source: &SourceText<'_>, table: &DeTable<'_>) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    let mut wrong = |span: Range<usize>, message: String| {
        mistakes.push(Mistake::within(source, span, message, None));
    };
    for (key, value) in table.iter() {
        let section: &str = key.get_ref();
        if SECTIONS.contains(&section) && value.get_ref().is_table() {
            wrong(key.span(), several(section));
        }
        if section == "smtp" && value.get_ref().is_array() {
            wrong(key.span(), "write [smtp]: there is one mail server".to_owned());
        }
        for item in value.get_ref().as_array().into_iter().flat_map(|items| items.iter()) {
            let Some(item_table) = item.get_ref().as_table() else { continue };
            for (part_key, part) in item_table.iter() {
                let path: (&str, &str) = (section, part_key.get_ref());
                if PARTS.contains(&path) && part.get_ref().is_table() {
                    wrong(part_key.span(), several(&format!("{}.{}", path.0, path.1)));
                }
                if SINGLE_PARTS.contains(&path) && part.get_ref().is_array() {
                    let noun = section.replace('_', " ");
                    wrong(
                        part_key.span(),
                        format!("write [{}.{}]: there is one for each {noun}", path.0, path.1),
                    );
                }
            }
            if section == "application" && !item_table.contains_key("input") {
                let name = item_table.get("name");
                let called = name.and_then(|name| name.get_ref().as_str()).unwrap_or_default();
                let span = name.map_or(item.span(), Spanned::span);
                wrong(
                    span,
                    format!(
                        "application \"{called}\" needs [application.input] with stream or delivery_stream"
                    ),
                );
            }
        }
    }
    mistakes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `LINE:COLUMN message` of each mistake.
    fn mistakes(text: &str) -> Vec<String> {
        let mistakes = read(&SourceText::new("f.toml", text)).mistakes;
        mistakes.iter().map(|one| format!("{}:{} {}", one.line, one.column, one.message)).collect()
    }

    #[test]
    fn what_is_deeper_than_is_read_is_a_mistake() {
        for text in [format!("a{} = 1", ".a".repeat(100_000)), format!("a = {}", "[".repeat(100_000))] {
            assert_eq!(mistakes(&text).len(), 1, "{:?}", mistakes(&text));
        }
    }

    #[test]
    fn sections_are_written_as_often_as_they_may_be() {
        for (text, expected) in [
            ("[stream]\nname = \"a\"", "1:2 write [[stream]]: there may be several"),
            ("[stream]\nname = \"a\"\n[stream]\nname = \"b\"", "3:2 write [[stream]]: there may be several"),
            (
                "[stream]\nname = \"a\"\n[[stream]]\nname = \"b\"\n[[stream]]\nname = \"c\"",
                "1:2 write [[stream]]: there may be several",
            ),
            (
                "a,b\n1,2\n3,4\n",
                "1:1 this is no pipeline file: it has no section, such as [[stream]], and is no TOML",
            ),
            (
                "CREATE STREAM T (A INTEGER);\nCREATE PUMP P AS INSERT INTO T SELECT STREAM A FROM S;\n",
                "1:1 this is no pipeline file: it has no section, such as [[stream]], and is no TOML",
            ),
            (
                "[[smtp]]\nhost = \"a\"\nport = 25\nfrom = \"a@b.c\"",
                "1:3 write [smtp]: there is one mail server",
            ),
            (
                "[[application]]\nname = \"x\"\n[application.input]\ncolumns = \"a INTEGER\"\n[application.output]\nfrom = \"a\"",
                "5:14 write [[application.output]]: there may be several",
            ),
            (
                "[[delivery_stream]]\nname = \"x\"\nbucket = \"b\"\n[[delivery_stream.backup]]\nprefix = \"a\"",
                "4:19 write [delivery_stream.backup]: there is one for each delivery stream",
            ),
            (
                "[[application]]\nname = \"x\"\nsql = \"\"\n",
                "2:8 application \"x\" needs [application.input] with stream or delivery_stream",
            ),
        ] {
            assert_eq!(mistakes(text), [expected], "{text}");
        }
    }

    #[test]
    fn all_unknown_keys_and_wrong_values_are_found() {
        let text = "[[stream]]\nname = \"a\"\nshard = 1\nretention = 3\n[[alarm]]\nname = \"b\"\nmetric = \"m\"\n\
                    comparison = \"less-than\"\nthreshold = \"low\"\nperiod = true\nbogus = 1\n\n[[alrm]]\nname = \"c\"\n";
        let found = mistakes(text);
        assert!(found.iter().any(|one| one.starts_with("3:1 unknown key `shard`")), "{found:?}");
        assert!(found.iter().any(|one| one.starts_with("4:1 unknown key `retention`")), "{found:?}");
        assert!(
            found.contains(&"9:13 threshold needs a number, such as 3.0, not the string \"low\"".to_owned()),
            "{found:?}"
        );
        assert!(found.iter().any(|one| one.starts_with("10:10 period needs a period such as")), "{found:?}");
        assert!(found.iter().any(|one| one.starts_with("11:1 unknown key `bogus`")), "{found:?}");
        assert!(found.iter().any(|one| one.starts_with("13:3 unknown key `alrm`")), "{found:?}");
        assert_eq!(found.len(), 6, "{found:?}");
    }

    #[test]
    fn a_mistake_of_shape_hides_no_other() {
        // A missing key hides neither another one nor what is wrong beside it, whatever it holds.
        let text = "[[alarm]]\nbogus = 1\n[[topic]]\nname = 5\n[[topic]]\n[smtp]\nport = \"x\"\n[[application]]\nname = \"a\"\n\
                    zzz = 1\n[application.input]\nformt = \"json\"\n[[application.output]]\nform = \"T\"\n";
        let found = mistakes(text);
        for expected in [
            "1:1 name is missing: an [[alarm]] needs it",
            "1:1 metric is missing: an [[alarm]] needs it",
            "1:1 comparison is missing: an [[alarm]] needs it",
            "1:1 threshold is missing: an [[alarm]] needs it",
            "2:1 unknown key `bogus`",
            "4:8 name needs a string in quotes, not 5",
            "5:1 name is missing: a [[topic]] needs it",
            "6:1 host is missing: [smtp] needs it",
            "6:1 from is missing: [smtp] needs it",
            "7:8 port needs a whole number, such as 3, not the string \"x\"",
            "10:1 unknown key `zzz`",
            "11:1 columns is missing: [application.input] needs it",
            "12:1 unknown key `formt`",
            "14:1 unknown key `form`",
        ] {
            assert!(found.iter().any(|one| one.starts_with(expected)), "{expected}: {found:#?}");
        }
        // What was meant by a key that is misspelled is not missing.
        assert_eq!(found.len(), 14, "{found:#?}");
        // A section that is written in another way is looked at all the same.
        let text = "[stream]\nname = \"a\"\nshrds = 1\n[[application]]\nname = \"x\"\nsqll = \"\"\n";
        let found = mistakes(text);
        assert_eq!(found.len(), 4, "{found:#?}");
        assert!(found[0].starts_with("1:2 write [[stream]]") && found[1].starts_with("3:1 "), "{found:#?}");
        assert!(
            found[2].starts_with("5:8 application \"x\" needs") && found[3].starts_with("6:1 "),
            "{found:#?}"
        );
    }

    #[test]
    fn every_line_that_is_no_toml_is_told() {
        let found = mistakes("[[stream]]\nname = a\nshards = 1\nshards = 2\n[[topic]\nname = \"t\"\n");
        let places: Vec<&str> = found.iter().filter_map(|one| one.split(' ').next()).collect();
        assert_eq!(places.len(), 3, "{found:#?}");
        for (place, line) in places.iter().zip(["2:", "4:", "5:"]) {
            assert!(place.starts_with(line), "{found:#?}");
        }
    }

    #[test]
    fn missing_keys_name_their_section() {
        let found = mistakes("[[stream]]\nshards = 2\n");
        assert_eq!(found, ["1:1 name is missing: a [[stream]] needs it"]);
        let found = mistakes("[[topic]]\nname = 5\n");
        assert_eq!(found, ["2:8 name needs a string in quotes, not 5"]);
    }

    #[test]
    fn what_cannot_be_read_is_said_in_words() {
        for (text, expected) in [
            ("[[stream]]\nname = a\n", "2:8 the text of name needs quotes"),
            ("[[stream]]\nname = \"a\"\nshards = 1\nname = \"b\"\n", "4:1 name is given twice"),
            (
                "[[delivery_stream]]\nname = \"d\"\nbucket = \"b\"\ncompression = 5\n",
                "4:15 compression needs a string in quotes, not 5",
            ),
            (
                "[[delivery_stream]]\nname = \"d\"\nbucket = \"b\"\ncompression = [1]\n",
                "4:15 compression needs a string in quotes, not a list",
            ),
            (
                "[[delivery_stream]]\nname = \"d\"\nbucket = \"b\"\ncompression = {}\n",
                "4:15 compression needs a string in quotes, not a table",
            ),
            // What is behind a list without an end is not wrong itself.
            (
                "[[function]]\ncolumns = [\"a\"\nname = \"f\"\n",
                "3:1 this is read as a part of what stands before it",
            ),
            ("stream = 5\n", "1:10 write [[stream]]: a section for each"),
            (
                "[smtp]\nhost = \"h\"\nport = 99999\nfrom = \"a@b.c\"\n",
                "3:8 port needs a whole number from 0 to 65535, not 99999",
            ),
            (
                "[[stream]]\nname = \"a\"\nshards = 99999999999\n",
                "3:10 shards needs a whole number from 0 to 4294967295, not 99999999999",
            ),
            (
                "[[application]]\nname = \"a\"\nsql = \"\"\nswitches = { tsdiff = 5 }\n[application.input]\ncolumns = \"\"\n",
                "4:23 tsdiff needs a string in quotes, true or false, not 5",
            ),
        ] {
            assert_eq!(mistakes(text), [expected], "{text}");
        }
    }

    #[test]
    fn json_is_named() {
        let found = mistakes("\n{\"ApplicationDetail\": {}}");
        assert!(found[0].contains("a describe-application answer"), "{found:?}");
        assert!(mistakes("{}")[0].contains("this is JSON"), "{found:?}");
    }
}
