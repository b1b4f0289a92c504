//! What is legal and probably not meant: remarks of `check --lint`.

use super::group::shown_name;
use super::statement::reads;
use super::{Resolver, UnfilledStream, WindowLength};
use crate::syntax::{
    Call, Expr, ExprKind, FrameBoundKind, FunctionArgument, JoinCondition, Name, Over, Query, QueryBody,
    Select, SelectItem, TableReference, WindowSpecification,
};
use crate::{Diagnostic, GroupDriver, Span, Stream, StreamId};

/// Words in names of columns that hold a later or an earlier time.
const LATER: [&str; 8] = ["END", "LAST", "LATE", "MAX", "STOP", "FINISH", "CLOSE", "CURRENT"];
const EARLIER: [&str; 9] = ["START", "BEGIN", "FIRST", "EARL", "MIN", "OPEN", "PREV", "LAG", "ORIG"];

impl Resolver<'_> {
    pub(super) fn lint(&mut self, span: Span, message: impl Into<String>, hint: impl Into<String>) {
        self.lints.push(Diagnostic::warning(span, message).with_hint(hint));
    }

    /// The streams that no pump fills, or none that runs.
    pub(super) fn unfilled_streams(&self) -> Vec<UnfilledStream> {
        let ids = (0..self.streams.len()).map(StreamId).filter(|id| !self.stream(*id).is_input);
        let mut streams: Vec<UnfilledStream> = ids
            .filter_map(|id| {
                let mut filling = self.pumps.iter().filter(|pump| pump.target == id);
                let stopped = filling.next().map(|pump| (pump.name.clone(), pump.started));
                if matches!(stopped, Some((_, true))) || filling.any(|pump| pump.started) {
                    return None;
                }
                let name = self.stream(id).name.clone();
                let span = self.places.streams.get(&name).copied()?;
                let reader = self.pumps.iter().find(|pump| pump.started && reads(&pump.query, id));
                let (stopped, reader) = (stopped.map(|(name, _)| name), reader.map(|pump| pump.name.clone()));
                Some(UnfilledStream { name, span, stopped, reader })
            })
            .collect();
        streams.sort_by_key(|stream| stream.span.start);
        streams
    }

    /// Notes how far a window reaches back.
    pub(super) fn note_window(&mut self, span: Span, millis: i64) {
        self.windows.push(WindowLength { span, millis });
    }

    /// The same of a tumbling window.
    pub(super) fn note_tumbling(&mut self, span: Span, driver: &GroupDriver) {
        if let GroupDriver::Periodic { period, .. } = driver {
            self.note_window(span, *period);
        }
    }

    /// `TSDIFF(later, earlier)`: what the reference calls TSDIFF would be below 0.
    pub(super) fn lint_tsdiff(&mut self, call: &Call, span: Span) {
        let [first, second] = call.arguments.as_slice() else { return };
        if call.name.value == "TSDIFF" && lateness(first) > lateness(second) {
            self.lint(
                span,
                "TSDIFF has the later time first: by the reference, TSDIFF(start, end), its value is below 0; here it is how \
                 far both lie apart",
                "write TSDIFF(earlier, later), which means the same everywhere; the switch tsdiff = \"end-minus-start\" \
                 gives the sign",
            );
        }
    }

    /// CURRENT_TIMESTAMP and its kin in a query that goes on.
    pub(super) fn lint_clock(&mut self, name: &str, span: Span) {
        if name != "CURRENT_ROW_TIMESTAMP" {
            self.lint(
                span,
                format!("{name} is the time at which the query started, the same for every row"),
                "the time of each row is CURRENT_ROW_TIMESTAMP, or ROWTIME",
            );
        }
    }

    /// Streams joined without a window.
    pub(super) fn lint_join(&mut self, span: Span) {
        self.lint(
            span,
            "streams joined without a window: only rows of equal ROWTIME, to the millisecond, meet",
            "write stream OVER (RANGE INTERVAL '1' MINUTE PRECEDING) AS alias on one side or both",
        );
    }

    /// Windows without an end in the query of an INSERT, values that the columns do not hold as they are meant, and names in it
    /// that say something else than the columns that they fill: those go by position.
    pub(super) fn lint_positions(&mut self, stream: &Stream, positions: &[usize], query: &Query) {
        self.lint_endless_windows(query);
        self.lint_values(stream, positions, query);
        self.lint_column_names(stream, positions, query);
    }

    fn lint_column_names(&mut self, stream: &Stream, positions: &[usize], query: &Query) {
        let Some(select) = first_select(query) else { return };
        if select.items.len() != positions.len() {
            return;
        }
        for (item, position) in select.items.iter().zip(positions) {
            let SelectItem::Expr { expr, alias } = item else { return };
            let name = match (alias, &super::query::strip(expr).kind) {
                (Some(alias), _) => alias,
                (None, ExprKind::Column(parts)) => match parts.last() {
                    Some(name) => name,
                    None => continue,
                },
                _ => continue,
            };
            let filled = &stream.columns[*position].name;
            let same = |column: &str| column.eq_ignore_ascii_case(&name.value);
            if same(filled) {
                continue;
            }
            let elsewhere = stream.columns.iter().any(|column| same(&column.name));
            if elsewhere {
                self.lint(
                    name.span,
                    format!(
                        "{} fills column {} of \"{}\", which has a column {} elsewhere: columns are matched by position",
                        shown_name(&name.value),
                        shown_name(filled),
                        stream.name,
                        shown_name(&name.value)
                    ),
                    format!("name the columns in the order of the query: INSERT INTO {} (…)", shown_name(&stream.name)),
                );
            } else if alias.is_some() {
                self.lint(
                    name.span,
                    format!(
                        "the alias {} has no effect: the value fills column {} of \"{}\", by its position",
                        shown_name(&name.value),
                        shown_name(filled),
                        stream.name
                    ),
                    "give the column and the alias one name, or remove the alias",
                );
            }
        }
    }

    /// Windows that reach back to the first row, as they do without ROWS and RANGE.
    pub(super) fn lint_endless_windows(&mut self, query: &Query) {
        match &query.body {
            QueryBody::Values { .. } => {}
            QueryBody::SetOperation { left, right, .. } => {
                self.lint_endless_windows(left);
                self.lint_endless_windows(right);
            }
            QueryBody::Select(select) => {
                for item in &select.items {
                    if let SelectItem::Expr { expr, .. } = item {
                        self.lint_endless_in(expr, select);
                    }
                }
                let conditions =
                    select.condition.iter().chain(select.having.iter().map(|(_, having)| having));
                conditions.for_each(|condition| self.lint_endless_in(condition, select));
                select.from.iter().for_each(|relation| self.lint_endless_relation(relation, select));
            }
        }
    }

    fn lint_endless_in(&mut self, expr: &Expr, select: &Select) {
        expr.walk(&mut |expr| match &expr.kind {
            ExprKind::Subquery { query, .. } => self.lint_endless_windows(query),
            ExprKind::Call(call) => {
                if let Some(window) = call.over.as_ref().and_then(|over| endless(over, &select.windows)) {
                    self.lint_endless(&window, kept_by(call, window.is_partitioned));
                }
            }
            _ => {}
        });
    }

    fn lint_endless_relation(&mut self, relation: &TableReference, select: &Select) {
        let over = match relation {
            TableReference::Named { over, .. } => over,
            TableReference::Subquery { query, over, .. } => {
                self.lint_endless_windows(query);
                over
            }
            TableReference::Function { arguments, .. } => {
                for argument in arguments {
                    match argument {
                        FunctionArgument::Cursor(query) => self.lint_endless_windows(query),
                        FunctionArgument::Expr(expr) => self.lint_endless_in(expr, select),
                    }
                }
                return;
            }
            TableReference::Join(join) => {
                self.lint_endless_relation(&join.left, select);
                self.lint_endless_relation(&join.right, select);
                if let JoinCondition::On(condition) = &join.condition {
                    self.lint_endless_in(condition, select);
                }
                return;
            }
        };
        if let Some(window) = over.as_ref().and_then(|over| endless(over, &select.windows)) {
            self.lint_endless(&window, Some(EVERY_ROW));
        }
    }

    /// Says it once of each window. One that says UNBOUNDED is meant so: only what it keeps is worth a remark.
    fn lint_endless(&mut self, window: &EndlessWindow, kept: Option<&str>) {
        let reaches = match (window.is_said, kept) {
            (true, None) => return,
            (true, Some(_)) => "UNBOUNDED PRECEDING reaches back to the first row",
            (false, _) => "a window without ROWS and RANGE reaches back to the first row",
        };
        if self.lints.iter().any(|known| known.span == window.span && known.message.starts_with(reaches)) {
            return;
        }
        let grows = kept.map(|kept| format!(": {kept} kept as long as the application runs"));
        self.lint(
            window.span,
            format!("{reaches}{}", grows.unwrap_or_default()),
            "say how far it reaches: RANGE INTERVAL '1' HOUR PRECEDING, or ROWS 99 PRECEDING",
        );
    }
}

/// A window that reaches back to the first row.
struct EndlessWindow {
    /// Where what makes it so stands: UNBOUNDED, or the window that has neither ROWS nor RANGE.
    span: Span,
    /// It says UNBOUNDED.
    is_said: bool,
    is_partitioned: bool,
}

/// The window, when it has no end; `defined` are those that it may name.
fn endless(over: &Over, defined: &[(Name, WindowSpecification)]) -> Option<EndlessWindow> {
    let (specification, earlier) = match over {
        Over::Specification(specification) => (specification, defined),
        Over::Name(name) => {
            let index = defined.iter().position(|(known, _)| known.value == name.value)?;
            (&defined[index].1, &defined[..index])
        }
    };
    let is_partitioned = !specification.partition_by.is_empty();
    match (&specification.frame, &specification.base) {
        (Some(frame), _) => match frame.start.kind {
            FrameBoundKind::Unbounded { .. } => {
                Some(EndlessWindow { span: frame.start.span, is_said: true, is_partitioned })
            }
            FrameBoundKind::CurrentRow | FrameBoundKind::Offset { .. } => None,
        },
        (None, None) => Some(EndlessWindow { span: specification.span, is_said: false, is_partitioned }),
        (None, Some(base)) => {
            let window = endless(&Over::Name(base.clone()), earlier)?;
            Some(EndlessWindow { is_partitioned: window.is_partitioned || is_partitioned, ..window })
        }
    }
}

const EVERY_ROW: &str = "every row is";

/// What a call over a window without an end keeps more and more of.
fn kept_by(call: &Call, is_partitioned: bool) -> Option<&'static str> {
    match call.name.value.as_str() {
        "LAG" | "FIRST_VALUE" | "LAST_VALUE" | "NTH_VALUE" => Some(EVERY_ROW),
        _ if call.distinct => Some("every different value is"),
        _ if is_partitioned => Some("a state of every key of PARTITION BY is"),
        _ => None,
    }
}

/// The select list that names the columns of a query.
fn first_select(query: &Query) -> Option<&Select> {
    match &query.body {
        QueryBody::Select(select) => Some(select),
        QueryBody::SetOperation { left, .. } => first_select(left),
        QueryBody::Values { .. } => None,
    }
}

/// What such a word may end with.
const ENDINGS: [&str; 16] =
    ["", "S", "D", "R", "ST", "ED", "PED", "AT", "TS", "TIME", "DATE", "Y", "IER", "IEST", "IOUS", "INAL"];

/// The words of a name: `startTime`, `start_time` and `START TIME` have two.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for character in name.chars() {
        let begins = !character.is_alphanumeric() || before.is_lowercase() && character.is_uppercase();
        if begins && words.last().is_some_and(|word| !word.is_empty()) {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| character.is_alphanumeric()) {
            word.extend(character.to_uppercase());
        }
        before = character;
    }
    words
}

/// Above 0 for an expression of a later time, below for one of an earlier time, as far as it says.
fn lateness(expr: &Expr) -> i8 {
    let by_name = |name: &str| {
        let words = words(name);
        let is = |word: &str, stem: &str| word.strip_prefix(stem).is_some_and(|end| ENDINGS.contains(&end));
        let has = |stems: &[&str]| words.iter().any(|word| stems.iter().any(|stem| is(word, stem)));
        i8::from(has(&LATER)) - i8::from(has(&EARLIER))
    };
    match &super::query::strip(expr).kind {
        ExprKind::Timestamp(_) => 0,
        ExprKind::Column(parts) => match parts.last() {
            // The row has come after whatever it tells of.
            Some(name) if super::scope::is_rowtime(name) => 1,
            Some(name) => by_name(&name.value),
            None => 0,
        },
        ExprKind::Call(call) => match call.name.value.as_str() {
            "MAX" | "LAST_VALUE" | "CURRENT_ROW_TIMESTAMP" | "CURRENT_TIMESTAMP" | "LOCALTIMESTAMP" => 1,
            "MIN" | "FIRST_VALUE" | "LAG" => -1,
            "UNIX_TIMESTAMP" | "TO_TIMESTAMP" => call.arguments.first().map_or(0, lateness),
            _ => 0,
        },
        ExprKind::Cast { operand, .. } => lateness(operand),
        _ => 0,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use crate::{
        Argument, Column, Diagnostic, FunctionCatalog, InputStream, Signature, SignatureError, SqlType,
        compile,
    };

    struct NoFunctions;

    impl FunctionCatalog for NoFunctions {
        fn signature(&self, _: &str, _: &[Argument]) -> Option<Result<Signature, SignatureError>> {
            None
        }

        fn names(&self) -> Vec<&str> {
            Vec::new()
        }
    }

    /// The remarks on a query, each with the text at its place.
    pub(in crate::resolve) fn remarks(query: &str) -> Vec<(String, String)> {
        remarks_into("BIGINT", query)
    }

    /// Those on a query that fills a column of this type.
    pub(in crate::resolve) fn remarks_into(column_type: &str, query: &str) -> Vec<(String, String)> {
        let column = |name: &str, sql_type| Column { name: name.to_owned(), sql_type, not_null: false };
        let columns = vec![column("K", SqlType::Varchar { length: 4 }), column("V", SqlType::Integer)];
        let inputs = ["S", "R"].map(|name| InputStream {
            name: name.to_owned(),
            columns: columns.clone(),
            metadata_columns: 0,
        });
        let text = format!(
            "CREATE STREAM T (A {column_type}); CREATE PUMP P AS INSERT INTO T SELECT STREAM {query};"
        );
        let compilation = compile(&text, &inputs, &NoFunctions);
        assert!(compilation.program.is_some(), "{query}: {:?}", compilation.diagnostics);
        let shown = |it: &Diagnostic| {
            (text[it.span.start as usize..it.span.end as usize].to_owned(), it.message.clone())
        };
        compilation.lints.iter().map(shown).collect()
    }

    #[test]
    fn windows_without_an_end_are_told() {
        let missing = "a window without ROWS and RANGE reaches back to the first row";
        let unbounded = "UNBOUNDED PRECEDING reaches back to the first row";
        for (query, place, begin, kept) in [
            ("COUNT(*) OVER () FROM S", "()", missing, ""),
            (
                "SUM(V) OVER (PARTITION BY K) FROM S",
                "(PARTITION BY K)",
                missing,
                "a state of every key of PARTITION BY",
            ),
            ("1 + MAX(V) OVER W FROM S WINDOW W AS ()", "()", missing, ""),
            (
                "COUNT(*) OVER (W PARTITION BY K) FROM S WINDOW W AS ()",
                "()",
                missing,
                "a state of every key of PARTITION BY",
            ),
            (
                "SUM(DISTINCT V) OVER (ROWS UNBOUNDED PRECEDING) FROM S",
                "UNBOUNDED",
                unbounded,
                "every different value",
            ),
            ("LAG(V) OVER (ROWS UNBOUNDED PRECEDING) FROM S", "UNBOUNDED", unbounded, "every row"),
            (
                "COUNT(*) OVER (PARTITION BY K ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) FROM S",
                "UNBOUNDED",
                unbounded,
                "a state of every key of PARTITION BY",
            ),
            ("N FROM (SELECT STREAM COUNT(*) OVER () AS N FROM S) WHERE N > 1", "()", missing, ""),
            (
                "L.V FROM S OVER (ROWS UNBOUNDED PRECEDING) AS L JOIN R ON L.K = R.K",
                "UNBOUNDED",
                unbounded,
                "every row",
            ),
            ("1 FROM S UNION ALL SELECT STREAM COUNT(*) OVER () FROM R", "()", missing, ""),
        ] {
            let found = remarks(query);
            assert_eq!(found.len(), 1, "{query}: {found:?}");
            let (at, message) = &found[0];
            assert!(at.starts_with(place), "{query}: {at}");
            assert!(message.starts_with(begin), "{query}: {message}");
            match kept {
                "" => assert_eq!(message, begin, "{query}"),
                kept => {
                    assert_eq!(
                        *message,
                        format!("{begin}: {kept} is kept as long as the application runs"),
                        "{query}"
                    );
                }
            }
        }
        // That of a view at its definition, once however often it is read.
        let of_view = remarks(
            "1 FROM S; CREATE VIEW W AS SELECT STREAM COUNT(*) OVER () AS N FROM S;
             CREATE PUMP Q AS INSERT INTO T SELECT STREAM N FROM W UNION ALL SELECT STREAM N FROM W",
        );
        assert_eq!(of_view, [("()".to_owned(), missing.to_owned())]);
        // One window is told once, and two are told twice.
        let twice =
            remarks("COUNT(*) OVER W + COUNT(*) OVER W + MAX(V) OVER () FROM S WINDOW W AS (PARTITION BY K)");
        assert_eq!(twice.len(), 2, "{twice:?}");
    }

    #[test]
    fn windows_with_an_end_are_not() {
        for query in [
            "COUNT(*) OVER (RANGE INTERVAL '1' HOUR PRECEDING) FROM S",
            "COUNT(*) OVER (PARTITION BY K ROWS 9 PRECEDING) FROM S",
            "COUNT(*) OVER (ROWS CURRENT ROW) FROM S",
            "COUNT(*) OVER (W PARTITION BY K) FROM S WINDOW W AS (ROWS 2 PRECEDING)",
            "SUM(V) OVER (ROWS UNBOUNDED PRECEDING) FROM S",
            "L.V FROM S OVER (RANGE INTERVAL '1' MINUTE PRECEDING) AS L JOIN R ON L.K = R.K",
        ] {
            assert!(remarks(query).is_empty(), "{query}: {:?}", remarks(query));
        }
    }

    #[test]
    fn words_of_a_name_say_which_time_is_later() {
        let late = |name: &str| {
            super::lateness(&crate::syntax::Expr {
                kind: crate::syntax::ExprKind::Column(vec![crate::syntax::Name {
                    value: name.to_owned(),
                    quoted: true,
                    span: crate::Span::default(),
                }]),
                span: crate::Span::default(),
                height: 0,
            })
        };
        for later in
            ["END_TIME", "endTime", "ended at", "LATEST", "closed_at", "MAX_TS", "FINISHED", "stopDate"]
        {
            assert_eq!(late(later), 1, "{later}");
        }
        for earlier in ["START", "startedAt", "EARLIEST", "first_seen", "PREVIOUS_TS", "opened", "MIN_TIME"] {
            assert_eq!(late(earlier), -1, "{earlier}");
        }
        for neither in ["CALENDAR", "VENDOR_ID", "SENDER", "TEMPLATE", "MINUTE", "ADMIN", "FLAG", "LATENCY"] {
            assert_eq!(late(neither), 0, "{neither}");
        }
    }
}
