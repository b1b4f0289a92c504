//! Lines of logs that a log parser of the language takes apart.

use super::irregular::are_nearly_all;
use regex::Regex;
use std::sync::OnceLock;

/// What to do with text of no delimiter.
pub(super) const GENERAL_NOTE: &str = "no delimiter was found: the record is one column of text. Take it apart in a \
     subquery with VARIABLE_COLUMN_LOG_PARSE(COL_0, 'A, B, C', ' '), REGEX_LOG_PARSE(COL_0, 'pattern') or \
     W3C_LOG_PARSE(COL_0, 'COMMON')";

/// A kind of log: how its lines look, and how to read them.
struct Kind {
    pattern: &'static str,
    note: &'static str,
}

const KINDS: &[Kind] = &[
    Kind {
        pattern: r#"^\S+ \S+ \S+ \[[^\]]+\] "[^"]*" \d{3} \S+ "[^"]*" "[^"]*"$"#,
        note: "these look like lines of a web server, combined format: read them as one column and take them apart in a \
               subquery with W3C_LOG_PARSE(COL_0, 'NCSA EXTENDED')",
    },
    Kind {
        pattern: r#"^\S+ \S+ \S+ \[[^\]]+\] "[^"]*" \d{3} \S+$"#,
        note: "these look like lines of a web server, common format: read them as one column and take them apart in a \
               subquery with W3C_LOG_PARSE(COL_0, 'COMMON')",
    },
    Kind {
        pattern: r#"^\S+ \S+ \S+ \S+ \[[^\]]+\] "[^"]*" \d{3} \S+$"#,
        note: "these look like lines of a web server with its host's name: read them as one column and take them apart in a \
               subquery with W3C_LOG_PARSE(COL_0, 'COMMON WITH VHOST')",
    },
    Kind {
        pattern: r"^[A-Z][a-z]{2} [ 0-9]\d \d\d:\d\d:\d\d \S",
        note: "these look like lines of syslog: read them as one column and take them apart in a subquery with \
               SYS_LOG_PARSE(COL_0)",
    },
];

/// How to read the lines, when nearly all are of one known kind.
pub(super) fn recognized(lines: &[&str]) -> Option<String> {
    static PATTERNS: OnceLock<Vec<Regex>> = OnceLock::new();
    let compile = |kind: &Kind| Regex::new(kind.pattern).expect("the patterns are right");
    let patterns = PATTERNS.get_or_init(|| KINDS.iter().map(compile).collect());
    let matching = |pattern: &Regex| lines.iter().filter(|line| pattern.is_match(line)).count();
    let found = patterns.iter().position(|pattern| are_nearly_all(matching(pattern), lines.len()))?;
    Some(KINDS[found].note.to_owned())
}
