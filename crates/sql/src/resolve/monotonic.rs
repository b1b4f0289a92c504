//! Which expressions never go backwards while a stream goes on, and how a window follows from them (section 2.7).
//!
//! What an expression does follows from what its columns do; what those do, operator by operator, is in `column_order.rs`.

use super::Resolver;
use super::column_order::ColumnOrder;
use crate::{
    ArithmeticOperator, CastMode, Expression, ExpressionKind, GroupDriver, RoundingDirection, SqlType,
    TimeUnit, Value,
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

    /// Of a product with a constant of this sign.
    fn scaled(self, sign: i8) -> Monotonicity {
        match sign {
            0 => Monotonicity::Constant,
            1 => self,
            _ => self.reversed(),
        }
    }

    /// Of an operation that keeps constants and nothing else.
    fn constant_only(self) -> Monotonicity {
        if self == Monotonicity::Constant { self } else { Monotonicity::None }
    }

    /// Whether it can close windows.
    pub(super) fn is_moving(self) -> bool {
        matches!(self, Monotonicity::Ascending | Monotonicity::Descending)
    }
}

impl Resolver<'_> {
    /// How `expression` moves over rows whose columns move by `orders`; a column beyond them is not known to move. Each
    /// operand is looked at once.
    pub(super) fn monotonicity(&self, expression: &Expression, orders: &[ColumnOrder]) -> Monotonicity {
        use ExpressionKind as K;
        use Monotonicity as M;
        if self.asserted_monotonic.contains(&expression.span) {
            return M::Ascending;
        }
        let of = |operand: &Expression| self.monotonicity(operand, orders);
        match &expression.kind {
            K::Literal(_) => M::Constant,
            K::RowTime | K::Clock(_) => M::Ascending,
            K::Column(index) => orders.get(*index).map_or(M::None, |order| order.moves),
            K::Negate(operand) => of(operand).reversed(),
            K::RoundTo { operand, .. } | K::StepDatetime { operand, .. } => match operand.sql_type {
                // A time of day starts over.
                SqlType::Time => of(operand).constant_only(),
                _ => of(operand),
            },
            K::StepNumber { operand, step } if step.literal().is_some() => of(operand),
            K::Cast { operand, mode } => {
                let keeps = *mode == CastMode::Implicit || keeps_order(operand.sql_type, expression.sql_type);
                if keeps { of(operand) } else { of(operand).constant_only() }
            }
            K::Arithmetic { operator, left, right } => {
                let (l, r) = (of(left), of(right));
                match operator {
                    ArithmeticOperator::Add => l.plus(r),
                    ArithmeticOperator::Subtract => l.plus(r.reversed()),
                    ArithmeticOperator::Multiply => match (constant_sign(left), constant_sign(right)) {
                        (Some(sign), _) => r.scaled(sign),
                        (_, Some(sign)) => l.scaled(sign),
                        _ => l.plus(r).constant_only(),
                    },
                    ArithmeticOperator::Divide => match constant_sign(right) {
                        Some(sign @ (-1 | 1)) => l.scaled(sign),
                        _ => l.plus(r).constant_only(),
                    },
                }
            }
            K::DatetimeShift { datetime, interval, subtract } => {
                let (moved, by) = (of(datetime), of(interval));
                match datetime.sql_type {
                    SqlType::Time => moved.plus(by).constant_only(),
                    _ => moved.plus(if *subtract { by.reversed() } else { by }),
                }
            }
            K::DatetimeDifference { left, right } => of(left).plus(of(right).reversed()),
            K::IntervalSum { left, right, subtract } => {
                let by = of(right);
                of(left).plus(if *subtract { by.reversed() } else { by })
            }
            K::IntervalScale { interval, factor, divide } => {
                let (moved, by) = (of(interval), of(factor));
                match (constant_sign(interval), constant_sign(factor)) {
                    (_, Some(sign @ (-1 | 1))) => moved.scaled(sign),
                    (_, Some(0)) if !divide => M::Constant,
                    (Some(sign), _) if !divide => by.scaled(sign),
                    _ => moved.plus(by).constant_only(),
                }
            }
            // EXTRACT(YEAR …) is the only field that does not start over.
            K::Extract { unit: TimeUnit::Year, operand } => of(operand),
            K::Call { function, arguments } => match (function.as_str(), arguments.as_slice()) {
                ("UNIX_TIMESTAMP" | "TO_TIMESTAMP" | "FLOOR" | "CEIL" | "CEILING", [operand]) => of(operand),
                ("SUBSTRING" | "SUBSTRING_FROM", [text, rest @ ..]) if is_prefix(rest) => of(text),
                _ => self.constant_or_none(expression, orders),
            },
            _ => self.constant_or_none(expression, orders),
        }
    }

    fn constant_or_none(&self, expression: &Expression, orders: &[ColumnOrder]) -> Monotonicity {
        let mut all_constant = true;
        expression.for_each_operand(&mut |operand| {
            all_constant = all_constant && self.monotonicity(operand, orders) == Monotonicity::Constant;
        });
        if all_constant { Monotonicity::Constant } else { Monotonicity::None }
    }
}

/// Whether the arguments of SUBSTRING behind its text take the beginning of it, always as much: `FROM 0 FOR c`. Texts in
/// order have beginnings in order.
fn is_prefix(arguments: &[Expression]) -> bool {
    let whole_number = |expression: &Expression| match &expression.kind {
        ExpressionKind::Literal(Value::Integer(number)) => Some(*number),
        ExpressionKind::Cast { operand, .. } => match operand.literal() {
            Some(Value::Integer(number)) => Some(*number),
            _ => None,
        },
        _ => None,
    };
    match arguments {
        [from] => whole_number(from).is_some_and(|from| from <= 1),
        [from, length] => whole_number(from).is_some_and(|from| from <= 1) && whole_number(length).is_some(),
        _ => false,
    }
}

/// The sign of a constant: -1, 0 or 1; `None` when it is not constant or not known.
fn constant_sign(expression: &Expression) -> Option<i8> {
    use ExpressionKind as K;
    let sign = |negative: bool, zero: bool| i8::from(!zero) * if negative { -1 } else { 1 };
    match &expression.kind {
        K::Literal(value) => match value {
            Value::Integer(value) => Some(sign(*value < 0, *value == 0)),
            Value::Decimal(value) => Some(sign(*value < 0, *value == 0)),
            Value::Double(value) => Some(sign(*value < 0.0, *value == 0.0)),
            Value::IntervalMillis(value) => Some(sign(*value < 0, *value == 0)),
            Value::IntervalMonths(value) => Some(sign(*value < 0, *value == 0)),
            _ => None,
        },
        // Rounding may make 0 of a small number.
        K::Cast { operand, mode: CastMode::Implicit } => constant_sign(operand),
        K::Negate(operand) => constant_sign(operand).map(|sign| -sign),
        K::Arithmetic { operator, left, right } => {
            let (left, right) = (constant_sign(left)?, constant_sign(right)?);
            match operator {
                ArithmeticOperator::Multiply => Some(left * right),
                ArithmeticOperator::Add if left == right || right == 0 => Some(left),
                ArithmeticOperator::Add if left == 0 => Some(right),
                ArithmeticOperator::Subtract if left == -right || right == 0 => Some(left),
                ArithmeticOperator::Subtract if left == 0 => Some(-right),
                // A quotient of whole numbers may be 0.
                _ => None,
            }
        }
        K::IntervalScale { interval, factor, divide: false } => {
            Some(constant_sign(interval)? * constant_sign(factor)?)
        }
        _ => None,
    }
}

/// Whether a CAST between these types keeps the order of values.
fn keeps_order(source: SqlType, target: SqlType) -> bool {
    match (source, target) {
        (SqlType::Date | SqlType::Timestamp, SqlType::Date | SqlType::Timestamp) => true,
        // As year, month, day and so on, largest first, with leading zeros.
        (SqlType::Date | SqlType::Timestamp, SqlType::Varchar { .. }) => true,
        // A beginning, or all of it.
        (SqlType::Char { .. } | SqlType::Varchar { .. }, SqlType::Varchar { .. }) => true,
        (source, target) if source.is_numeric() && target.is_numeric() => true,
        (SqlType::Interval(_), target) => target.is_interval() || target.is_numeric(),
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
pub(super) fn period(expression: &Expression) -> Option<(i64, i64)> {
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
            Some((1, _)) | None => rowtime_shift(expression).map(|_| (1, 0)),
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
