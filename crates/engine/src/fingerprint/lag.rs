//! LAG, whose offset and default were once constants: such are written as they were then.

use super::text::{Text, fields};
use millstream_sql::{Expression, ExpressionKind, SqlType, Value};

/// Writes a call of LAG.
pub(super) fn describe(
    text: &mut Text<'_>,
    offset: &Expression,
    default: Option<&Expression>,
    ignore_nulls: bool,
) {
    if !text.lag_takes_expressions()
        && let Some(Value::Integer(rows)) = offset.literal()
        && let Ok(rows) = u64::try_from(*rows)
        && let Some(value) = default.map_or(Some(None), plain_constant)
    {
        fields!(text, "Lag", "offset": &rows, "default": &value, "ignore_nulls": &ignore_nulls);
        return;
    }
    fields!(text, "Lag", "offset": offset, "default": &default, "ignore_nulls": &ignore_nulls);
}

/// A default that is a constant, of the type of the call, and `Some(None)` for NULL. `None` where it is none.
fn plain_constant(default: &Expression) -> Option<Option<Value>> {
    let target = default.sql_type;
    let written = match &default.kind {
        ExpressionKind::Cast { operand, .. } => operand,
        _ => default,
    };
    let value = written.literal()?;
    Some(match (value, written.sql_type, target) {
        (Value::Null, ..) => None,
        (Value::Integer(number), _, SqlType::Real | SqlType::Double) => Some(Value::Double(*number as f64)),
        (Value::Integer(number), _, SqlType::Decimal { scale, .. }) => {
            Some(Value::Decimal(i128::from(*number) * 10_i128.pow(u32::from(scale))))
        }
        (Value::Decimal(number), SqlType::Decimal { scale: written, .. }, SqlType::Decimal { scale, .. }) => {
            let value = match scale.checked_sub(written) {
                Some(up) => number.checked_mul(10_i128.pow(u32::from(up)))?,
                None => number / 10_i128.pow(u32::from(written - scale)),
            };
            Some(Value::Decimal(value))
        }
        (Value::Decimal(number), SqlType::Decimal { scale, .. }, SqlType::Real | SqlType::Double) => {
            Some(Value::Double(*number as f64 / 10_f64.powi(i32::from(scale))))
        }
        (value, ..) => Some(value.clone()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use millstream_sql::Span;

    fn expression(kind: ExpressionKind, sql_type: SqlType) -> Expression {
        Expression::new(kind, sql_type, Span::default())
    }

    fn text(offset: &Expression, default: Option<&Expression>) -> String {
        let mut text = Text::format_2();
        describe(&mut text, offset, default, false);
        text.into_string()
    }

    #[test]
    fn constants_are_written_as_when_there_was_nothing_else() {
        let two = expression(ExpressionKind::Literal(Value::Integer(2)), SqlType::BigInt);
        assert_eq!(text(&two, None), "Lag { offset: 2, default: None, ignore_nulls: false }");
        let null = expression(ExpressionKind::Literal(Value::Null), SqlType::Double);
        assert_eq!(text(&two, Some(&null)), "Lag { offset: 2, default: None, ignore_nulls: false }");
        let decimal = SqlType::Decimal { precision: 2, scale: 1 };
        let mode = millstream_sql::CastMode::Implicit;
        for (value, written, target, expected) in [
            (Value::Integer(7), SqlType::BigInt, SqlType::BigInt, "Integer(7)"),
            (Value::Integer(7), SqlType::Integer, SqlType::Real, "Double(7.0)"),
            (
                Value::Integer(7),
                SqlType::Integer,
                SqlType::Decimal { precision: 10, scale: 2 },
                "Decimal(700)",
            ),
            (Value::Decimal(15), decimal, SqlType::Decimal { precision: 10, scale: 2 }, "Decimal(150)"),
            (Value::Decimal(15), decimal, SqlType::Double, "Double(1.5)"),
            (
                Value::Text("x".to_owned()),
                SqlType::Char { length: 1 },
                SqlType::Char { length: 1 },
                "Text(\"x\")",
            ),
        ] {
            let literal = expression(ExpressionKind::Literal(value), written);
            let default = match written == target {
                true => literal,
                false => expression(ExpressionKind::Cast { operand: Box::new(literal), mode }, target),
            };
            let expected = format!("Lag {{ offset: 2, default: Some({expected}), ignore_nulls: false }}");
            assert_eq!(text(&two, Some(&default)), expected);
        }
        let column = expression(ExpressionKind::Column(0), SqlType::BigInt);
        assert!(text(&column, None).starts_with("Lag { offset: Expression {"));
    }
}
