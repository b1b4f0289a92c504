//! Types, values and expressions.

use super::text::{Describe, Text, fields, tuple};
use millstream_sql::{
    ArithmeticOperator, CaseBranch, CastMode, ClockFunction, ComparisonOperator, Expression, ExpressionKind,
    IntervalQualifier, RoundingDirection, SqlType, TimeUnit, TruthTest, Value,
};

impl Describe for Expression {
    fn describe(&self, text: &mut Text<'_>) {
        let Expression { kind, sql_type, span: _ } = self;
        if text.program().is_some() {
            fields!(text, "Expression", "kind": kind, "sql_type": sql_type);
        } else {
            fields!(text, "Expression", "kind": kind, "sql_type": sql_type, "span": &NoSpan);
        }
    }
}

/// Places in the text count for nothing: format 2 wrote zeros.
struct NoSpan;

impl Describe for NoSpan {
    fn describe(&self, text: &mut Text<'_>) {
        text.push("Span { start: 0, end: 0 }");
    }
}

impl Describe for ExpressionKind {
    fn describe(&self, text: &mut Text<'_>) {
        use ExpressionKind as K;
        match self {
            K::Literal(value) => tuple!(text, "Literal", value),
            K::Column(column) => tuple!(text, "Column", column),
            K::RowTime => text.push("RowTime"),
            K::Clock(function) => tuple!(text, "Clock", function),
            K::Cast { operand, mode } => fields!(text, "Cast", "operand": operand, "mode": mode),
            K::Arithmetic { operator, left, right } => {
                fields!(text, "Arithmetic", "operator": operator, "left": left, "right": right);
            }
            K::Negate(operand) => tuple!(text, "Negate", operand),
            K::DatetimeShift { datetime, interval, subtract } => {
                fields!(text, "DatetimeShift", "datetime": datetime, "interval": interval, "subtract": subtract);
            }
            K::DatetimeDifference { left, right } => {
                fields!(text, "DatetimeDifference", "left": left, "right": right);
            }
            K::IntervalScale { interval, factor, divide } => {
                fields!(text, "IntervalScale", "interval": interval, "factor": factor, "divide": divide);
            }
            K::IntervalSum { left, right, subtract } => {
                fields!(text, "IntervalSum", "left": left, "right": right, "subtract": subtract);
            }
            K::Compare { operator, left, right, ignore_trailing_blanks } => fields!(
                text, "Compare", "operator": operator, "left": left, "right": right,
                "ignore_trailing_blanks": ignore_trailing_blanks
            ),
            K::NotDistinct { left, right, negated } => {
                fields!(text, "NotDistinct", "left": left, "right": right, "negated": negated);
            }
            K::And(left, right) => tuple!(text, "And", left, right),
            K::Or(left, right) => tuple!(text, "Or", left, right),
            K::Not(operand) => tuple!(text, "Not", operand),
            K::IsNull { operand, negated } => {
                fields!(text, "IsNull", "operand": operand, "negated": negated);
            }
            K::IsTruth { operand, test, negated } => {
                fields!(text, "IsTruth", "operand": operand, "test": test, "negated": negated);
            }
            K::InList { operand, list } => fields!(text, "InList", "operand": operand, "list": list),
            K::Like { text: of, pattern, escape } => {
                fields!(text, "Like", "text": of, "pattern": pattern, "escape": escape);
            }
            K::SimilarTo { text: of, pattern, escape } => {
                fields!(text, "SimilarTo", "text": of, "pattern": pattern, "escape": escape);
            }
            K::Concat(left, right) => tuple!(text, "Concat", left, right),
            K::Case { branches, otherwise } => {
                fields!(text, "Case", "branches": branches, "otherwise": otherwise);
            }
            K::Coalesce(operands) => tuple!(text, "Coalesce", operands),
            K::RoundTo { direction, operand, unit } => {
                fields!(text, "RoundTo", "direction": direction, "operand": operand, "unit": unit);
            }
            K::StepDatetime { operand, step } => {
                fields!(text, "StepDatetime", "operand": operand, "step": step);
            }
            K::StepNumber { operand, step } => {
                fields!(text, "StepNumber", "operand": operand, "step": step);
            }
            K::Extract { unit, operand } => fields!(text, "Extract", "unit": unit, "operand": operand),
            K::Call { function, arguments } => {
                fields!(text, "Call", "function": function, "arguments": arguments);
            }
        }
    }
}

impl Describe for CaseBranch {
    fn describe(&self, text: &mut Text<'_>) {
        let CaseBranch { condition, value } = self;
        fields!(text, "CaseBranch", "condition": condition, "value": value);
    }
}

impl Describe for Value {
    fn describe(&self, text: &mut Text<'_>) {
        match self {
            Value::Null => text.push("Null"),
            Value::Boolean(value) => tuple!(text, "Boolean", value),
            Value::Integer(value) => tuple!(text, "Integer", value),
            Value::Decimal(value) => tuple!(text, "Decimal", value),
            Value::Double(value) => tuple!(text, "Double", value),
            Value::Text(value) => tuple!(text, "Text", value),
            Value::Binary(value) => tuple!(text, "Binary", value),
            Value::Date(value) => tuple!(text, "Date", value),
            Value::Time(value) => tuple!(text, "Time", value),
            Value::Timestamp(value) => tuple!(text, "Timestamp", value),
            Value::IntervalMillis(value) => tuple!(text, "IntervalMillis", value),
            Value::IntervalMonths(value) => tuple!(text, "IntervalMonths", value),
        }
    }
}

impl Describe for SqlType {
    fn describe(&self, text: &mut Text<'_>) {
        match self {
            SqlType::Null => text.push("Null"),
            SqlType::Boolean => text.push("Boolean"),
            SqlType::TinyInt => text.push("TinyInt"),
            SqlType::SmallInt => text.push("SmallInt"),
            SqlType::Integer => text.push("Integer"),
            SqlType::BigInt => text.push("BigInt"),
            SqlType::Decimal { precision, scale } => {
                fields!(text, "Decimal", "precision": precision, "scale": scale);
            }
            SqlType::Real => text.push("Real"),
            SqlType::Double => text.push("Double"),
            SqlType::Char { length } => fields!(text, "Char", "length": length),
            SqlType::Varchar { length } => fields!(text, "Varchar", "length": length),
            SqlType::Binary { length } => fields!(text, "Binary", "length": length),
            SqlType::Varbinary { length } => fields!(text, "Varbinary", "length": length),
            SqlType::Date => text.push("Date"),
            SqlType::Time => text.push("Time"),
            SqlType::Timestamp => text.push("Timestamp"),
            SqlType::Interval(qualifier) => tuple!(text, "Interval", qualifier),
        }
    }
}

impl Describe for IntervalQualifier {
    fn describe(&self, text: &mut Text<'_>) {
        let IntervalQualifier { leading, trailing, leading_precision, fraction_precision } = self;
        fields!(
            text, "IntervalQualifier", "leading": leading, "trailing": trailing,
            "leading_precision": leading_precision, "fraction_precision": fraction_precision
        );
    }
}

/// Enums without fields, by the names that they had in format 2.
macro_rules! words {
    ($($kind:ident { $($variant:ident: $word:literal),* $(,)? })*) => {
        $(impl Describe for $kind {
            fn describe(&self, text: &mut Text<'_>) {
                text.push(match self { $($kind::$variant => $word),* });
            }
        })*
    };
}
pub(super) use words;

words! {
    TimeUnit { Year: "Year", Month: "Month", Day: "Day", Hour: "Hour", Minute: "Minute", Second: "Second" }
    ArithmeticOperator { Add: "Add", Subtract: "Subtract", Multiply: "Multiply", Divide: "Divide" }
    ComparisonOperator { Equal: "Equal", NotEqual: "NotEqual", Less: "Less", LessOrEqual: "LessOrEqual", Greater: "Greater", GreaterOrEqual: "GreaterOrEqual" }
    TruthTest { True: "True", False: "False", Unknown: "Unknown" }
    RoundingDirection { Floor: "Floor", Ceil: "Ceil" }
    ClockFunction { RowTimestamp: "RowTimestamp", QueryTimestamp: "QueryTimestamp", QueryDate: "QueryDate", QueryTime: "QueryTime" }
    CastMode { Explicit: "Explicit", Assignment: "Assignment", Implicit: "Implicit" }
}
