//! Operators: which operands they take and what they give.

use super::Resolver;
use super::conversion::coerce;
use super::literal::literal;
use crate::syntax::BinaryOperator;
use crate::types::DERIVED_DECIMAL_PRECISION;
use crate::{
    ArithmeticOperator, ComparisonOperator, Expression, ExpressionKind, IntervalQualifier, Span, SqlType,
    TypeFamily, Value,
};

impl Resolver<'_> {
    pub(super) fn binary(
        &mut self,
        operator: BinaryOperator,
        left: Expression,
        right: Expression,
        span: Span,
    ) -> Option<Expression> {
        match operator {
            BinaryOperator::And | BinaryOperator::Or => {
                let left = self.boolean(left, operator.symbol());
                let right = self.boolean(right, operator.symbol());
                let (left, right) = (Box::new(left?), Box::new(right?));
                let kind = if operator == BinaryOperator::And {
                    ExpressionKind::And(left, right)
                } else {
                    ExpressionKind::Or(left, right)
                };
                Some(Expression::new(kind, SqlType::Boolean, span))
            }
            BinaryOperator::Concat => self.concatenation(left, right, span),
            BinaryOperator::Add => self.arithmetic(ArithmeticOperator::Add, operator, left, right, span),
            BinaryOperator::Subtract => {
                self.arithmetic(ArithmeticOperator::Subtract, operator, left, right, span)
            }
            BinaryOperator::Multiply => {
                self.arithmetic(ArithmeticOperator::Multiply, operator, left, right, span)
            }
            BinaryOperator::Divide => {
                self.note_division(&left, &right, span);
                self.arithmetic(ArithmeticOperator::Divide, operator, left, right, span)
            }
        }
    }

    fn concatenation(&mut self, left: Expression, right: Expression, span: Span) -> Option<Expression> {
        let family = match (left.sql_type.family(), right.sql_type.family()) {
            (TypeFamily::Null, family) => family,
            (family, TypeFamily::Null) => family,
            (left, right) if left == right => left,
            _ => TypeFamily::Null,
        };
        let length =
            left.sql_type.length().unwrap_or(0).saturating_add(right.sql_type.length().unwrap_or(0)).max(1);
        let sql_type = match family {
            TypeFamily::Character => SqlType::Varchar { length },
            TypeFamily::Binary => SqlType::Varbinary { length },
            _ => {
                let message = format!("|| joins two strings, not {} and {}", left.sql_type, right.sql_type);
                return self.error_with_hint(span, message, "convert with CAST(… AS VARCHAR(n))");
            }
        };
        let (left, right) = (Box::new(coerce(left, sql_type)), Box::new(coerce(right, sql_type)));
        Some(Expression::new(ExpressionKind::Concat(left, right), sql_type, span))
    }

    fn arithmetic(
        &mut self,
        operator: ArithmeticOperator,
        written: BinaryOperator,
        mut left: Expression,
        mut right: Expression,
        span: Span,
    ) -> Option<Expression> {
        use ArithmeticOperator as A;
        use TypeFamily as F;
        if left.sql_type == SqlType::Null && right.sql_type == SqlType::Null {
            (left, right) = (coerce(left, SqlType::Integer), coerce(right, SqlType::Integer));
        } else if left.sql_type == SqlType::Null {
            left = coerce(left, right.sql_type);
        } else if right.sql_type == SqlType::Null {
            right = coerce(right, left.sql_type);
        }
        let (left_family, right_family) = (left.sql_type.family(), right.sql_type.family());
        let is_datetime = |family| matches!(family, F::Date | F::Time | F::Timestamp);
        let is_interval = |family| matches!(family, F::DayTimeInterval | F::YearMonthInterval);
        match (operator, left_family, right_family) {
            (_, F::Numeric, F::Numeric) => Some(number_arithmetic(operator, left, right, span)),
            (A::Add, datetime, interval) if is_datetime(datetime) && is_interval(interval) => {
                self.datetime_shift(left, right, false, span)
            }
            (A::Subtract, datetime, interval) if is_datetime(datetime) && is_interval(interval) => {
                self.datetime_shift(left, right, true, span)
            }
            (A::Add, interval, datetime) if is_datetime(datetime) && is_interval(interval) => {
                self.datetime_shift(right, left, false, span)
            }
            (A::Subtract, one, other) if is_datetime(one) && is_datetime(other) => self.error_with_hint(
                span,
                format!(
                    "the difference of {} and {} needs an interval qualifier",
                    left.sql_type, right.sql_type
                ),
                "write it in parentheses: (a - b) DAY TO SECOND",
            ),
            (A::Add | A::Subtract, one, other) if is_interval(one) && one == other => {
                let qualifier = left.interval_qualifier()?.spanning(right.interval_qualifier()?);
                let subtract = operator == A::Subtract;
                let (left, right) = (Box::new(left), Box::new(right));
                let kind = ExpressionKind::IntervalSum { left, right, subtract };
                Some(Expression::new(kind, SqlType::Interval(qualifier), span))
            }
            (A::Multiply | A::Divide, interval, F::Numeric) if is_interval(interval) => {
                Some(interval_scale(left, right, operator == A::Divide, span))
            }
            (A::Multiply, F::Numeric, interval) if is_interval(interval) => {
                Some(interval_scale(right, left, false, span))
            }
            _ => {
                let message = format!(
                    "operator {} cannot be applied to {} and {}",
                    written.symbol(),
                    left.sql_type,
                    right.sql_type
                );
                let hint = if left_family == F::Character || right_family == F::Character {
                    "there are no implicit conversions: use CAST, or || to join strings"
                } else {
                    "convert one of them with CAST"
                };
                self.error_with_hint(span, message, hint)
            }
        }
    }

    fn datetime_shift(
        &mut self,
        datetime: Expression,
        interval: Expression,
        subtract: bool,
        span: Span,
    ) -> Option<Expression> {
        if datetime.sql_type == SqlType::Time && interval.sql_type.family() == TypeFamily::YearMonthInterval {
            let message = format!("{} cannot be added to a TIME", interval.sql_type);
            return self.error(span, message);
        }
        let sql_type = datetime.sql_type;
        let (datetime, interval) = (Box::new(datetime), Box::new(interval));
        Some(Expression::new(ExpressionKind::DatetimeShift { datetime, interval, subtract }, sql_type, span))
    }

    /// `(left - right) qualifier`.
    pub(super) fn datetime_difference(
        &mut self,
        left: Expression,
        right: Expression,
        qualifier: IntervalQualifier,
        span: Span,
    ) -> Option<Expression> {
        let sql_type = left.sql_type.common(right.sql_type);
        match sql_type {
            Some(common) if common.is_datetime() => {
                let (left, right) = (Box::new(coerce(left, common)), Box::new(coerce(right, common)));
                let kind = ExpressionKind::DatetimeDifference { left, right };
                Some(Expression::new(kind, SqlType::Interval(qualifier), span))
            }
            _ => {
                let message = format!(
                    "an interval is the difference of two datetimes of one type, not of {} and {}",
                    left.sql_type, right.sql_type
                );
                self.error_with_hint(span, message, "CAST one of them")
            }
        }
    }

    /// Brings both operands of a comparison to one type.
    pub(super) fn comparable(
        &mut self,
        left: Expression,
        right: Expression,
        what: &str,
        span: Span,
    ) -> Option<(Expression, Expression)> {
        match left.sql_type.common(right.sql_type) {
            Some(common) => Some((coerce(left, common), coerce(right, common))),
            None => {
                let message = format!("{what} cannot compare {} with {}", left.sql_type, right.sql_type);
                self.error_with_hint(span, message, "there are no implicit conversions: use CAST")
            }
        }
    }

    pub(super) fn comparison(
        &mut self,
        operator: ComparisonOperator,
        left: Expression,
        right: Expression,
        span: Span,
    ) -> Option<Expression> {
        let both_char =
            matches!((left.sql_type, right.sql_type), (SqlType::Char { .. }, SqlType::Char { .. }));
        let (left, right) = self.comparable(left, right, comparison_symbol(operator), span)?;
        Some(compare(operator, left, right, both_char, span))
    }

    pub(super) fn negation(&mut self, operand: Expression, span: Span) -> Option<Expression> {
        let sql_type = match operand.sql_type {
            SqlType::Null => SqlType::Integer,
            other if other.is_numeric() || other.is_interval() => other,
            other => {
                return self.error(span, format!("the sign - takes a number or an interval, not {other}"));
            }
        };
        let operand = coerce(operand, sql_type);
        let folded = match operand.literal() {
            Some(Value::Null) => Some(Value::Null),
            Some(Value::Integer(value)) => value.checked_neg().map(Value::Integer),
            Some(Value::Decimal(value)) => Some(Value::Decimal(-value)),
            Some(Value::Double(value)) => Some(Value::Double(-value)),
            _ => None,
        };
        match folded {
            Some(value) => Some(literal(value, sql_type, span)),
            None => Some(Expression::new(ExpressionKind::Negate(Box::new(operand)), sql_type, span)),
        }
    }
}

pub(super) fn compare(
    operator: ComparisonOperator,
    left: Expression,
    right: Expression,
    ignore_trailing_blanks: bool,
    span: Span,
) -> Expression {
    let (left, right) = (Box::new(left), Box::new(right));
    let kind = ExpressionKind::Compare { operator, left, right, ignore_trailing_blanks };
    Expression::new(kind, SqlType::Boolean, span)
}

fn comparison_symbol(operator: ComparisonOperator) -> &'static str {
    match operator {
        ComparisonOperator::Equal => "=",
        ComparisonOperator::NotEqual => "<>",
        ComparisonOperator::Less => "<",
        ComparisonOperator::LessOrEqual => "<=",
        ComparisonOperator::Greater => ">",
        ComparisonOperator::GreaterOrEqual => ">=",
    }
}

/// Arithmetic of two numbers: the type of the higher rank, or the DECIMAL rules of section 1.8.
fn number_arithmetic(
    operator: ArithmeticOperator,
    left: Expression,
    right: Expression,
    span: Span,
) -> Expression {
    let common = left.sql_type.common(right.sql_type).unwrap_or(SqlType::Double);
    let (left, right, sql_type) = match common {
        SqlType::Decimal { .. } => {
            let (left, right) = (as_decimal(left), as_decimal(right));
            let sql_type = decimal_result(operator, left.sql_type, right.sql_type);
            (left, right, sql_type)
        }
        _ => (coerce(left, common), coerce(right, common), common),
    };
    let (left, right) = (Box::new(left), Box::new(right));
    Expression::new(ExpressionKind::Arithmetic { operator, left, right }, sql_type, span)
}

fn as_decimal(operand: Expression) -> Expression {
    let (precision, scale) = operand.sql_type.as_decimal().unwrap_or((DERIVED_DECIMAL_PRECISION, 0));
    coerce(operand, SqlType::Decimal { precision, scale })
}

/// The documented precision and scale of a DECIMAL operation.
pub(super) fn decimal_result(operator: ArithmeticOperator, left: SqlType, right: SqlType) -> SqlType {
    let cap = i32::from(DERIVED_DECIMAL_PRECISION);
    let widen = |sql_type: SqlType| {
        let (precision, scale) = sql_type.as_decimal().unwrap_or((DERIVED_DECIMAL_PRECISION, 0));
        (i32::from(precision), i32::from(scale))
    };
    let ((p1, s1), (p2, s2)) = (widen(left), widen(right));
    let (precision, scale) = match operator {
        ArithmeticOperator::Add | ArithmeticOperator::Subtract => {
            let scale = s1.max(s2);
            ((p1 - s1).max(p2 - s2) + scale + 1, scale)
        }
        ArithmeticOperator::Multiply => (p1 + p2, s1 + s2),
        ArithmeticOperator::Divide => {
            let scale = (s1 + p2 + 1).max(6);
            let whole = p1 - s1 + s2;
            if whole + scale > cap { (cap, s1.max(cap - whole)) } else { (whole + scale, scale) }
        }
    };
    let narrow = |number: i32| u8::try_from(number.clamp(0, cap)).unwrap_or(DERIVED_DECIMAL_PRECISION);
    SqlType::Decimal { precision: narrow(precision).max(1), scale: narrow(scale) }
}

fn interval_scale(interval: Expression, factor: Expression, divide: bool, span: Span) -> Expression {
    let target = match factor.sql_type {
        integer if integer.is_integer() => SqlType::BigInt,
        SqlType::Real => SqlType::Double,
        other => other,
    };
    let sql_type = interval.sql_type;
    let (interval, factor) = (Box::new(interval), Box::new(coerce(factor, target)));
    Expression::new(ExpressionKind::IntervalScale { interval, factor, divide }, sql_type, span)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(precision: u8, scale: u8) -> SqlType {
        SqlType::Decimal { precision, scale }
    }

    #[test]
    fn decimal_types_follow_the_documented_formulas() {
        use ArithmeticOperator as A;
        assert_eq!(decimal_result(A::Divide, decimal(2, 1), decimal(10, 0)), decimal(13, 12));
        assert_eq!(decimal_result(A::Divide, decimal(10, 1), decimal(10, 3)), decimal(18, 6));
        assert_eq!(decimal_result(A::Multiply, decimal(10, 1), decimal(10, 3)), decimal(18, 4));
        assert_eq!(decimal_result(A::Add, decimal(10, 1), decimal(10, 3)), decimal(13, 3));
        assert_eq!(decimal_result(A::Add, decimal(19, 5), decimal(19, 5)), decimal(18, 5));
    }
}
