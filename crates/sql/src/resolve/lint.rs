//! What is legal and probably not meant: remarks of `check --lint`.

use super::group::shown_name;
use super::{Resolver, WindowLength};
use crate::syntax::{Call, Expr, ExprKind, Query, QueryBody, Select, SelectItem};
use crate::{ComparisonOperator, Diagnostic, Expression, GroupDriver, Span, SqlType, Stream};

/// Parts of names of columns that hold a later or an earlier time.
const LATER: [&str; 8] = ["END", "LAST", "LATE", "MAX", "STOP", "FINISH", "CLOSE", "CURRENT"];
const EARLIER: [&str; 9] = ["START", "BEGIN", "FIRST", "EARL", "MIN", "OPEN", "PREV", "LAG", "ORIG"];

impl Resolver<'_> {
    fn lint(&mut self, span: Span, message: impl Into<String>, hint: impl Into<String>) {
        self.lints.push(Diagnostic::warning(span, message).with_hint(hint));
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

    /// `x = NULL`: never true.
    pub(super) fn lint_comparison_with_null(
        &mut self,
        operator: ComparisonOperator,
        left: &Expression,
        right: &Expression,
        span: Span,
    ) {
        if left.sql_type != SqlType::Null && right.sql_type != SqlType::Null {
            return;
        }
        let form = match operator {
            ComparisonOperator::NotEqual => "write x IS NOT NULL",
            _ => "write x IS NULL",
        };
        self.lint(span, "a comparison with NULL is neither true nor false: it never keeps a row", form);
    }

    /// Streams joined without a window.
    pub(super) fn lint_join(&mut self, span: Span) {
        self.lint(
            span,
            "streams joined without a window: only rows of equal ROWTIME, to the millisecond, meet",
            "write stream OVER (RANGE INTERVAL '1' MINUTE PRECEDING) AS alias on one side or both",
        );
    }

    /// INSERT … SELECT fills columns by position: names that say something else are suspicious.
    pub(super) fn lint_positions(&mut self, stream: &Stream, positions: &[usize], query: &Query) {
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
}

/// The select list that names the columns of a query.
fn first_select(query: &Query) -> Option<&Select> {
    match &query.body {
        QueryBody::Select(select) => Some(select),
        QueryBody::SetOperation { left, .. } => first_select(left),
        QueryBody::Values { .. } => None,
    }
}

/// Above 0 for an expression of a later time, below for one of an earlier time, as far as it says.
fn lateness(expr: &Expr) -> i8 {
    let by_name = |name: &str| {
        let name = name.to_uppercase();
        let has = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
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
