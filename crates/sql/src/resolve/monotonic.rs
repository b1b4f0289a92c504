//! Which expressions never go backwards while a stream goes on, and how a window follows from them.

use super::Resolver;
use crate::{
    ArithmeticOperator, CastMode, ClockFunction, Expression, ExpressionKind, GroupDriver, RoundingDirection,
    SqlType, TimeUnit, Value,
};

/// How an expression moves as the rows of a stream go by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Monotonicity {
    /// The same for every row.
    Constant,
    /// Never decreases.
    Ascending,
    /// Never increases.
    Descending,
    /// Nothing is known.
    None,
}

impl Monotonicity {
    fn reversed(self) -> Monotonicity {
        match self {
            Monotonicity::Ascending => Monotonicity::Descending,
            Monotonicity::Descending => Monotonicity::Ascending,
            other => other,
        }
    }

    fn plus(self, other: Monotonicity) -> Monotonicity {
        match (self, other) {
            (Monotonicity::Constant, other) | (other, Monotonicity::Constant) => other,
            (one, other) if one == other => one,
            _ => Monotonicity::None,
        }
    }

    /// Whether it can close windows.
    pub(super) fn is_moving(self) -> bool {
        matches!(self, Monotonicity::Ascending | Monotonicity::Descending)
    }
}

impl Resolver<'_> {
    /// How `expression` moves (the table of section 2.7).
    pub(super) fn monotonicity(&self, expression: &Expression) -> Monotonicity {
        use ExpressionKind as K;
        use Monotonicity as M;
        if self.asserted_monotonic.contains(&expression.span) {
            return M::Ascending;
        }
        match &expression.kind {
            K::Literal(_) => M::Constant,
            K::RowTime => M::Ascending,
            K::Clock(
                ClockFunction::QueryTimestamp | ClockFunction::QueryDate | ClockFunction::RowTimestamp,
            ) => M::Ascending,
            K::Column(_) | K::Clock(ClockFunction::QueryTime) => M::None,
            K::Negate(operand) => self.monotonicity(operand).reversed(),
            K::RoundTo { operand, .. } | K::StepDatetime { operand, .. } => {
                if operand.sql_type == SqlType::Time { M::None } else { self.monotonicity(operand) }
            }
            K::StepNumber { operand, step } if step.literal().is_some() => self.monotonicity(operand),
            K::Cast { operand, mode } => match (mode, keeps_order(operand.sql_type, expression.sql_type)) {
                (CastMode::Implicit, _) | (_, true) => self.monotonicity(operand),
                _ => self.constant_or_none(expression),
            },
            K::Arithmetic { operator, left, right } => {
                let (l, r) = (self.monotonicity(left), self.monotonicity(right));
                match operator {
                    ArithmeticOperator::Add => l.plus(r),
                    ArithmeticOperator::Subtract => l.plus(r.reversed()),
                    ArithmeticOperator::Multiply => match (constant_sign(left), constant_sign(right)) {
                        (Some(sign), _) => scaled(r, sign),
                        (_, Some(sign)) => scaled(l, sign),
                        _ => self.constant_or_none(expression),
                    },
                    ArithmeticOperator::Divide => match constant_sign(right) {
                        Some(sign) => scaled(l, sign),
                        None => self.constant_or_none(expression),
                    },
                }
            }
            K::DatetimeShift { datetime, interval, subtract } => {
                let moved = self.monotonicity(interval);
                if datetime.sql_type == SqlType::Time {
                    return self.constant_or_none(expression);
                }
                self.monotonicity(datetime).plus(if *subtract { moved.reversed() } else { moved })
            }
            K::DatetimeDifference { left, right } => {
                self.monotonicity(left).plus(self.monotonicity(right).reversed())
            }
            K::IntervalSum { left, right, subtract } => {
                let moved = self.monotonicity(right);
                self.monotonicity(left).plus(if *subtract { moved.reversed() } else { moved })
            }
            K::IntervalScale { interval, factor, .. } => {
                match (constant_sign(interval), constant_sign(factor)) {
                    (_, Some(sign)) => scaled(self.monotonicity(interval), sign),
                    (Some(sign), _) => scaled(self.monotonicity(factor), sign),
                    _ => self.constant_or_none(expression),
                }
            }
            // EXTRACT(YEAR …) is the only field that does not start over.
            K::Extract { unit: TimeUnit::Year, operand } => self.monotonicity(operand),
            K::Call { function, arguments } => match (function.as_str(), arguments.as_slice()) {
                ("UNIX_TIMESTAMP" | "TO_TIMESTAMP" | "FLOOR" | "CEIL" | "CEILING", [operand]) => {
                    self.monotonicity(operand)
                }
                _ => self.constant_or_none(expression),
            },
            _ => self.constant_or_none(expression),
        }
    }

    fn constant_or_none(&self, expression: &Expression) -> Monotonicity {
        let mut all_constant = true;
        expression.for_each_operand(&mut |operand| {
            all_constant &= self.monotonicity(operand) == Monotonicity::Constant;
        });
        if all_constant { Monotonicity::Constant } else { Monotonicity::None }
    }
}

fn scaled(monotonicity: Monotonicity, sign: i8) -> Monotonicity {
    match sign {
        0 => Monotonicity::Constant,
        1 => monotonicity,
        _ => monotonicity.reversed(),
    }
}

/// The sign of a constant: -1, 0 or 1.
fn constant_sign(expression: &Expression) -> Option<i8> {
    let sign = |negative: bool, zero: bool| {
        if zero {
            0
        } else if negative {
            -1
        } else {
            1
        }
    };
    match &expression.kind {
        ExpressionKind::Literal(Value::Integer(value)) => Some(sign(*value < 0, *value == 0)),
        ExpressionKind::Literal(Value::Decimal(value)) => Some(sign(*value < 0, *value == 0)),
        ExpressionKind::Literal(Value::Double(value)) => Some(sign(*value < 0.0, *value == 0.0)),
        ExpressionKind::Literal(Value::IntervalMillis(value)) => Some(sign(*value < 0, *value == 0)),
        ExpressionKind::Literal(Value::IntervalMonths(value)) => Some(sign(*value < 0, *value == 0)),
        ExpressionKind::Cast { operand, .. } => constant_sign(operand),
        _ => None,
    }
}

/// Whether a CAST between these types keeps the order of values.
fn keeps_order(source: SqlType, target: SqlType) -> bool {
    match (source, target) {
        (SqlType::Date | SqlType::Timestamp, SqlType::Date | SqlType::Timestamp) => true,
        (source, target) if source.is_numeric() && target.is_numeric() => true,
        (SqlType::Interval(_), SqlType::Interval(_) | SqlType::BigInt | SqlType::Decimal { .. }) => true,
        _ => false,
    }
}

/// True when the expression depends on ROWTIME and constants only.
pub(super) fn is_function_of_rowtime(expression: &Expression) -> bool {
    depends_on_rowtime(expression)
        && !expression.any(&mut |e| matches!(e.kind, ExpressionKind::Column(_) | ExpressionKind::Clock(_)))
}

/// True when ROWTIME occurs in the expression.
pub(super) fn depends_on_rowtime(expression: &Expression) -> bool {
    expression.any(&mut |e| e.kind == ExpressionKind::RowTime)
}

/// How key number `key` moves a tumbling window.
pub(super) fn driver(key: usize, expression: &Expression) -> GroupDriver {
    match period(expression) {
        Some((period, offset)) => GroupDriver::Periodic { key, period, offset },
        None if is_function_of_rowtime(expression) => GroupDriver::Rowtime { key },
        None => GroupDriver::Value { key },
    }
}

/// Period and offset in milliseconds of the intervals of ROWTIME on which the expression is constant.
fn period(expression: &Expression) -> Option<(i64, i64)> {
    use ExpressionKind as K;
    match &expression.kind {
        K::RowTime => Some((1, 0)),
        K::StepDatetime { operand, step: Value::IntervalMillis(millis) } => {
            let shift = rowtime_shift(operand)?;
            Some((*millis, (-shift).rem_euclid(*millis)))
        }
        K::RoundTo { direction, operand, unit } => {
            let millis = unit.millis()?;
            // CEIL groups the instants (k - 1, k]: they begin one millisecond later.
            let later = i64::from(*direction == RoundingDirection::Ceil);
            Some((millis, (later - rowtime_shift(operand)?).rem_euclid(millis)))
        }
        // A constant shift of the value does not move the windows.
        K::DatetimeShift { datetime, interval, .. } if interval.literal().is_some() => match period(datetime)
        {
            Some((1, _)) | None => (datetime.kind == K::RowTime).then_some((1, 0)),
            found => found,
        },
        _ => None,
    }
}

/// The constant number of milliseconds that the expression adds to ROWTIME.
fn rowtime_shift(expression: &Expression) -> Option<i64> {
    match &expression.kind {
        ExpressionKind::RowTime => Some(0),
        ExpressionKind::DatetimeShift { datetime, interval, subtract } => {
            let Some(Value::IntervalMillis(millis)) = interval.literal() else { return None };
            let shift = rowtime_shift(datetime)?;
            if *subtract { shift.checked_sub(*millis) } else { shift.checked_add(*millis) }
        }
        _ => None,
    }
}
