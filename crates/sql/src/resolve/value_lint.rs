//! Values that are legal and probably not meant: whole numbers where fractions are held, texts that are cut, comparisons that
//! are never true.

use super::Resolver;
use super::group::shown_name;
use crate::syntax::{BinaryOperator, Expr, ExprKind, GroupBy, Query, QueryBody, SelectItem};
use crate::{Column, ComparisonOperator, Expression, ExpressionKind, Span, SqlType, Stream, Value};

impl Resolver<'_> {
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

    /// `x NOT IN (…, NULL)`: never true.
    pub(super) fn lint_not_in(&mut self, list: &[Expr], span: Span) {
        if list.iter().any(|item| matches!(super::query::strip(item).kind, ExprKind::Null)) {
            self.lint(
                span,
                "NOT IN with NULL in its list is never true: it never keeps a row",
                "remove NULL from the list; x IS NOT NULL says that there is a value",
            );
        }
    }

    /// A column of short texts that is equal to a longer one: never.
    pub(super) fn lint_long_text(&mut self, one: &Expression, other: &Expression) {
        let (column, text) = match (&one.kind, &other.kind) {
            (ExpressionKind::Column(_), ExpressionKind::Literal(Value::Text(text))) => {
                (one, (other.span, text))
            }
            (ExpressionKind::Literal(Value::Text(text)), ExpressionKind::Column(_)) => {
                (other, (one.span, text))
            }
            _ => return,
        };
        let Some((count, _)) = too_long(text.1, column.sql_type) else { return };
        let message = format!(
            "{} has {count} characters, and {} is {}: they are never equal",
            text.0.slice(self.text),
            column.span.slice(self.text),
            column.sql_type
        );
        self.lint(text.0, message, "compare with a text that fits the column, or widen the column");
    }

    /// A quotient of integers, which is one itself: for a remark where it fills a column of numbers with a fraction.
    pub(super) fn note_division(&mut self, left: &Expression, right: &Expression, span: Span) {
        let is_exact = match (left.literal(), right.literal()) {
            (Some(Value::Integer(left)), Some(Value::Integer(right))) => left.checked_rem(*right) == Some(0),
            _ => false,
        };
        if left.sql_type.is_integer() && right.sql_type.is_integer() && !is_exact {
            self.integer_divisions.insert(span);
        }
    }

    /// Values of a query that the columns which they fill do not hold as they are meant.
    pub(super) fn lint_values(&mut self, stream: &Stream, positions: &[usize], query: &Query) {
        let columns = || positions.iter().map(|position| &stream.columns[*position]);
        match &query.body {
            QueryBody::Values { rows, .. } => {
                for row in rows.iter().filter(|row| row.len() == positions.len()) {
                    row.iter().zip(columns()).for_each(|(value, column)| self.lint_value(value, column));
                }
            }
            QueryBody::SetOperation { left, right, .. } => {
                self.lint_values(stream, positions, left);
                self.lint_values(stream, positions, right);
            }
            QueryBody::Select(select) if select.items.len() == positions.len() => {
                let keys: &[Expr] = match &select.group_by {
                    Some(GroupBy::Tumbling { keys, .. } | GroupBy::Stagger { keys, .. }) => keys,
                    None => &[],
                };
                for (item, column) in select.items.iter().zip(columns()) {
                    let SelectItem::Expr { expr, .. } = item else { return };
                    // A key that is a quotient is meant to be whole: many values make one group.
                    let is_key =
                        keys.iter().any(|key| key.span.slice(self.text) == expr.span.slice(self.text));
                    if !is_key {
                        self.lint_value(expr, column);
                    }
                }
            }
            QueryBody::Select(_) => {}
        }
    }

    fn lint_value(&mut self, expr: &Expr, column: &Column) {
        self.lint_cut_texts(expr, column);
        if holds_fractions(column.sql_type) {
            self.lint_whole_numbers(expr, column);
        }
    }

    /// Literals, themselves or behind CASE, that are longer than the column that they fill.
    fn lint_cut_texts(&mut self, expr: &Expr, column: &Column) {
        let expr = super::query::strip(expr);
        match &expr.kind {
            ExprKind::Text(text) => {
                let Some((count, kept)) = too_long(text, column.sql_type) else { return };
                let message = format!(
                    "{} has {count} characters, and {} is {}: it is cut to '{}'",
                    expr.span.slice(self.text),
                    shown_name(&column.name),
                    column.sql_type,
                    kept.replace('\'', "''")
                );
                self.lint(expr.span, message, "widen the column, or write a shorter text");
            }
            ExprKind::Case { branches, otherwise, .. } => {
                let values = branches.iter().map(|(_, value)| value).chain(otherwise.as_deref());
                values.for_each(|value| self.lint_cut_texts(value, column));
            }
            _ => {}
        }
    }

    /// AVG and quotients of integers, themselves or behind a CAST, for a column of numbers with a fraction.
    fn lint_whole_numbers(&mut self, expr: &Expr, column: &Column) {
        let value = value_of_casts(expr);
        let name = shown_name(&column.name);
        match &value.kind {
            ExprKind::Call(call) if self.integer_averages.contains(&value.span) => {
                let argument = call.arguments.first().map_or("x", |argument| argument.span.slice(self.text));
                let hint = format!("write AVG(CAST({argument} AS DOUBLE))");
                let message = format!("AVG of integers is a whole number, and {name} holds fractions");
                self.lint(value.span, message, hint);
            }
            ExprKind::Binary2 { operator: BinaryOperator::Divide, left, .. }
                if self.integer_divisions.contains(&value.span) =>
            {
                let dividend = first_factor(left).span.slice(self.text);
                let hint = format!("convert first: CAST({dividend} AS DOUBLE) / …");
                let message = format!("a division of integers is a whole number, and {name} holds fractions");
                self.lint(value.span, message, hint);
            }
            _ => {}
        }
    }
}

/// What stands first in a chain of products and quotients: what is converted before all of them is computed so.
fn first_factor(expr: &Expr) -> &Expr {
    match &expr.kind {
        ExprKind::Binary2 { operator: BinaryOperator::Multiply | BinaryOperator::Divide, left, .. } => {
            first_factor(left)
        }
        _ => expr,
    }
}

/// How many characters a text has that a type does not hold, and those of it that it holds. Blanks at the end do not count.
fn too_long(text: &str, sql_type: SqlType) -> Option<(usize, String)> {
    let length = usize::try_from(sql_type.length().filter(|_| sql_type.is_character())?).ok()?;
    let count = text.trim_end_matches(' ').chars().count();
    (count > length).then(|| (text.chars().count(), text.chars().take(length).collect()))
}

/// What an expression converts, whatever it converts it to.
fn value_of_casts(expr: &Expr) -> &Expr {
    match &super::query::strip(expr).kind {
        ExprKind::Cast { operand, .. } => value_of_casts(operand),
        _ => super::query::strip(expr),
    }
}

fn holds_fractions(sql_type: SqlType) -> bool {
    match sql_type {
        SqlType::Real | SqlType::Double => true,
        SqlType::Decimal { scale, .. } => scale > 0,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::lint::tests::{remarks, remarks_into};

    #[test]
    fn whole_averages_are_told_where_fractions_are_held() {
        let told = "AVG of integers is a whole number, and A holds fractions";
        for (column, query, places) in [
            ("DOUBLE", "AVG(V) FROM S GROUP BY FLOOR(S.ROWTIME TO MINUTE)", ["AVG(V)"].as_slice()),
            ("REAL", "CAST((AVG(V)) AS REAL) FROM S GROUP BY FLOOR(S.ROWTIME TO MINUTE)", &["AVG(V)"]),
            ("DECIMAL(6,2)", "AVG(V) OVER (ROWS 9 PRECEDING) FROM S", &["AVG(V) OVER (ROWS 9 PRECEDING)"]),
            (
                "DOUBLE",
                "AVG(V) OVER (ROWS 9 PRECEDING) FROM S UNION ALL SELECT STREAM AVG(V + 1) OVER (ROWS 8 PRECEDING) FROM S",
                &["AVG(V) OVER (ROWS 9 PRECEDING)", "AVG(V + 1) OVER (ROWS 8 PRECEDING)"],
            ),
            ("DOUBLE", "AVG(CAST(V AS DOUBLE)) OVER (ROWS 9 PRECEDING) FROM S", &[]),
            ("DECIMAL(6,0)", "AVG(V) OVER (ROWS 9 PRECEDING) FROM S", &[]),
            ("BIGINT", "AVG(V) OVER (ROWS 9 PRECEDING) FROM S", &[]),
            ("DOUBLE", "SUM(V) OVER (ROWS 9 PRECEDING) FROM S", &[]),
        ] {
            let expected: Vec<_> =
                places.iter().map(|place| ((*place).to_owned(), told.to_owned())).collect();
            assert_eq!(remarks_into(column, query), expected, "{column}: {query}");
        }
    }

    #[test]
    fn divisions_of_integers_are_told_where_fractions_are_held() {
        let told = "a division of integers is a whole number, and A holds fractions";
        let per_minute = "FROM S GROUP BY FLOOR(S.ROWTIME TO MINUTE)";
        for (column, query, places) in [
            ("DOUBLE", format!("SUM(V) / COUNT(*) {per_minute}"), ["SUM(V) / COUNT(*)"].as_slice()),
            ("DECIMAL(6,2)", "CAST((V / 10) AS DECIMAL(6,2)) FROM S".to_owned(), &["V / 10"]),
            (
                "REAL",
                "V / 10 FROM S UNION ALL SELECT STREAM V / 2 / 5 FROM R".to_owned(),
                &["V / 10", "V / 2 / 5"],
            ),
            ("DOUBLE", "CAST(V AS DOUBLE) / 10 FROM S".to_owned(), &[]),
            ("DOUBLE", "V / 10.0 FROM S".to_owned(), &[]),
            ("DOUBLE", "10 / 5 FROM S".to_owned(), &[]),
            ("DOUBLE", "V / 10 * 10 FROM S".to_owned(), &[]),
            ("DOUBLE", "V / 10 FROM S GROUP BY FLOOR(S.ROWTIME TO MINUTE), V / 10".to_owned(), &[]),
            ("BIGINT", format!("SUM(V) / COUNT(*) {per_minute}"), &[]),
            ("DECIMAL(6,0)", "V / 10 FROM S".to_owned(), &[]),
        ] {
            let expected: Vec<_> =
                places.iter().map(|place| ((*place).to_owned(), told.to_owned())).collect();
            assert_eq!(remarks_into(column, &query), expected, "{column}: {query}");
        }
    }

    #[test]
    fn not_in_with_null_is_told() {
        let told = "NOT IN with NULL in its list is never true: it never keeps a row";
        assert_eq!(
            remarks("1 FROM S WHERE V NOT IN (1, NULL)"),
            [("V NOT IN (1, NULL)".to_owned(), told.to_owned())]
        );
        for right in ["V IN (1, NULL)", "V NOT IN (1, 2)", "V IN (1) OR V IS NULL"] {
            assert!(remarks(&format!("1 FROM S WHERE {right}")).is_empty(), "{right}");
        }
    }

    #[test]
    fn texts_longer_than_the_column_that_they_are_compared_with_are_told() {
        for (condition, place, told) in [
            ("K = 'GOOGL'", "'GOOGL'", "'GOOGL' has 5 characters, and K is VARCHAR(4): they are never equal"),
            (
                "'GOOGL' <> S.K",
                "'GOOGL'",
                "'GOOGL' has 5 characters, and S.K is VARCHAR(4): they are never equal",
            ),
            (
                "K IN ('AB', 'GOOGL')",
                "'GOOGL'",
                "'GOOGL' has 5 characters, and K is VARCHAR(4): they are never equal",
            ),
            (
                "CASE K WHEN 'GOOGL' THEN TRUE ELSE FALSE END",
                "'GOOGL'",
                "'GOOGL' has 5 characters, and K is VARCHAR(4): they are never equal",
            ),
        ] {
            let found = remarks(&format!("1 FROM S WHERE {condition}"));
            assert_eq!(found, [(place.to_owned(), told.to_owned())], "{condition}");
        }
        for right in [
            "K = 'GOOG'",
            "K = 'ÄÖÜß'",
            "K = 'AB    '",
            "K < 'GOOGL'",
            "UPPER(K) = 'GOOGL'",
            "K LIKE 'GOOGL%'",
        ] {
            let query = format!("1 FROM S WHERE {}", right.replace("UPPER(K)", "K || K"));
            assert!(remarks(&query).is_empty(), "{right}: {:?}", remarks(&query));
        }
    }

    #[test]
    fn texts_longer_than_the_column_that_they_fill_are_told() {
        let told = |text: &str, length: usize, kept: &str| {
            format!("{text} has {length} characters, and A is VARCHAR(4): it is cut to '{kept}'")
        };
        for (query, places) in [
            ("'GOOGL' FROM S", [("'GOOGL'", told("'GOOGL'", 5, "GOOG"))].as_slice()),
            (
                "CASE WHEN V > 1 THEN 'alarm' WHEN V > 0 THEN 'warn' ELSE ('nothing') END FROM S",
                &[("'alarm'", told("'alarm'", 5, "alar")), ("'nothing'", told("'nothing'", 7, "noth"))],
            ),
            ("'GOOG' FROM S", &[]),
            ("'AB     ' FROM S", &[]),
            ("CAST('GOOGL' AS VARCHAR(4)) FROM S", &[]),
            (
                "K FROM S UNION ALL SELECT STREAM 'it''s so' FROM R",
                &[("'it''s so'", told("'it''s so'", 7, "it''s"))],
            ),
            (
                "K FROM S; INSERT INTO T VALUES ('GOOG'), ('GOOGL')",
                &[("'GOOGL'", told("'GOOGL'", 5, "GOOG"))],
            ),
        ] {
            let expected: Vec<_> = places.iter().map(|(at, told)| ((*at).to_owned(), told.clone())).collect();
            assert_eq!(remarks_into("VARCHAR(4)", query), expected, "{query}");
        }
    }
}
