//! CAST and the implicit conversions.

use super::Resolver;
use crate::{CastMode, Expression, ExpressionKind, Span, SqlType, TypeFamily, Value};

/// Whether `CAST(x AS target)` is legal for an `x` of type `source` (the table of documented pairs).
fn is_castable(source: SqlType, target: SqlType) -> bool {
    use TypeFamily as F;
    let (from, to) = (source.family(), target.family());
    match from {
        F::Null => true,
        F::Numeric => matches!(to, F::Numeric | F::Character),
        F::Character => !matches!(to, F::Binary | F::YearMonthInterval),
        F::Date => matches!(to, F::Date | F::Character | F::Timestamp),
        F::Time => matches!(to, F::Time | F::Character | F::Timestamp),
        F::Timestamp => matches!(to, F::Timestamp | F::Date | F::Time | F::Character),
        // An interval of several fields is a row error as a number.
        F::DayTimeInterval => matches!(to, F::DayTimeInterval | F::Character | F::Numeric),
        F::YearMonthInterval => to == F::YearMonthInterval,
        F::Boolean => matches!(to, F::Boolean | F::Character),
        F::Binary => to == F::Binary,
    }
}

impl Resolver<'_> {
    /// `CAST(operand AS target)`; `None` when the parser has refused the target.
    pub(super) fn cast(
        &mut self,
        operand: Expression,
        target: Option<SqlType>,
        span: Span,
    ) -> Option<Expression> {
        let target = target?;
        if !is_castable(operand.sql_type, target) {
            let message = format!("a value of type {} cannot be cast to {target}", operand.sql_type);
            let hint = match (operand.sql_type.family(), target.family()) {
                (TypeFamily::Numeric, TypeFamily::DayTimeInterval | TypeFamily::YearMonthInterval) => {
                    "multiply instead: n * INTERVAL '1' SECOND"
                }
                (TypeFamily::Date, TypeFamily::Time) => "cast to TIMESTAMP first",
                (TypeFamily::Numeric, TypeFamily::Timestamp) => "use TO_TIMESTAMP(milliseconds)",
                (TypeFamily::Timestamp, TypeFamily::Numeric) => "use UNIX_TIMESTAMP(timestamp)",
                (TypeFamily::Boolean, TypeFamily::Numeric) => "use CASE WHEN … THEN 1 ELSE 0 END",
                (TypeFamily::Numeric, TypeFamily::Boolean) => "compare it: x <> 0",
                _ => "go through VARCHAR if the text has the right form",
            };
            return self.error_with_hint(span, message, hint);
        }
        if operand.literal() == Some(&Value::Null) {
            return Some(Expression::new(ExpressionKind::Literal(Value::Null), target, span));
        }
        let kind = ExpressionKind::Cast { operand: Box::new(operand), mode: CastMode::Explicit };
        Some(Expression::new(kind, target, span))
    }
}

/// Converts an operand to the type of its operation. Text keeps its length: the engine holds all of it alike.
pub(super) fn coerce(operand: Expression, target: SqlType) -> Expression {
    if operand.sql_type == target || (operand.sql_type.is_character() && target.is_character()) {
        return operand;
    }
    let span = operand.span;
    match (operand.literal(), target) {
        (Some(Value::Null), _) => return Expression::new(ExpressionKind::Literal(Value::Null), target, span),
        (Some(Value::Integer(value)), SqlType::BigInt) => {
            return Expression::new(ExpressionKind::Literal(Value::Integer(*value)), target, span);
        }
        (Some(Value::Integer(value)), SqlType::Double) => {
            return Expression::new(ExpressionKind::Literal(Value::Double(*value as f64)), target, span);
        }
        _ => {}
    }
    if operand.sql_type.is_interval() && target.is_interval() {
        return Expression { sql_type: target, ..operand };
    }
    let kind = ExpressionKind::Cast { operand: Box::new(operand), mode: CastMode::Implicit };
    Expression::new(kind, target, span)
}
