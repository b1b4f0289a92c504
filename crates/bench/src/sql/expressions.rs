//! Filter, projection and string functions over columns.

use super::Bench;
use crate::Measurement;
use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, Float64Array, Int32Array, StringArray};
use arrow_buffer::ScalarBuffer;
use millstream_columns::Batch;
use millstream_engine::{CompiledExpression, EvaluationContext};
use millstream_sql::{
    ArithmeticOperator, CastMode, ComparisonOperator, Expression, ExpressionKind, Span, SqlType, Value,
};
use std::hint::black_box;
use std::sync::Arc;

/// Rows of the batch that the benches run over: what an operator sees at a time.
const ROWS: usize = 8_192;

const SYMBOL: SqlType = SqlType::Varchar { length: 16 };

/// `SELECT UPPER(symbol), SUBSTRING(symbol FROM 1 FOR 3), price * quantity FROM … WHERE quantity > 20`: the whole statement,
/// then each part alone.
pub fn run(bench: &Bench) -> Vec<Measurement> {
    let batch = trades();
    let bytes = batch.columns.iter().map(|column| column.get_buffer_memory_size()).sum::<usize>() + ROWS * 8;
    let context = EvaluationContext::default();
    let condition = compiled(compare(column(2, SqlType::Integer), literal(20)));
    let product = compiled(expression(
        ExpressionKind::Arithmetic {
            operator: ArithmeticOperator::Multiply,
            left: column(1, SqlType::Double),
            right: Box::new(expression(
                ExpressionKind::Cast { operand: column(2, SqlType::Integer), mode: CastMode::Implicit },
                SqlType::Double,
            )),
        },
        SqlType::Double,
    ));
    let upper = compiled(call("UPPER", vec![*column(0, SYMBOL)]));
    let bigint = |value| expression(ExpressionKind::Literal(Value::Integer(value)), SqlType::BigInt);
    let substring = compiled(call("SUBSTRING_FROM", vec![*column(0, SYMBOL), bigint(1), bigint(3)]));
    let like = compiled(expression(
        ExpressionKind::Like {
            text: column(0, SYMBOL),
            pattern: Box::new(expression(ExpressionKind::Literal(Value::Text("%3%".into())), SYMBOL)),
            escape: None,
        },
        SqlType::Boolean,
    ));
    let parts = [
        ("comparison", &condition),
        ("cast and product", &product),
        ("UPPER", &upper),
        ("SUBSTRING", &substring),
        ("LIKE", &like),
    ];
    let size = (ROWS, bytes);
    let mut measurements = Vec::new();
    let whole = "filter, project, strings";
    if bench.wants(whole) {
        measurements.push(bench.measure(whole, None, size, || {
            let mask = condition.evaluate(&batch, &context).values;
            let kept = batch.filter(mask.as_boolean()).expect("the mask is as long as the batch");
            for part in [&product, &upper, &substring] {
                black_box(part.evaluate(&kept, &context));
            }
        }));
    }
    let wanted = parts.into_iter().filter(|(name, _)| bench.wants(name));
    measurements.extend(wanted.map(|(name, part)| {
        bench.measure(name, None, size, || {
            black_box(part.evaluate(&batch, &context));
        })
    }));
    measurements
}

fn trades() -> Batch {
    let symbols: Vec<String> = (0..ROWS).map(|row| format!("Sym{}", row % 97)).collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(symbols)),
        Arc::new(Float64Array::from_iter_values((0..ROWS).map(|row| row as f64 * 0.25))),
        Arc::new(Int32Array::from_iter_values((0..ROWS).map(|row| (row * 7 % 40) as i32))),
    ];
    Batch::new(ScalarBuffer::from_iter(0..ROWS as i64), columns)
}

fn compiled(expression: Expression) -> CompiledExpression {
    CompiledExpression::compile(&expression).expect("the expressions of the bench are well typed")
}

fn expression(kind: ExpressionKind, sql_type: SqlType) -> Expression {
    Expression::new(kind, sql_type, Span::default())
}

fn column(index: usize, sql_type: SqlType) -> Box<Expression> {
    Box::new(expression(ExpressionKind::Column(index), sql_type))
}

fn literal(value: i64) -> Box<Expression> {
    Box::new(expression(ExpressionKind::Literal(Value::Integer(value)), SqlType::Integer))
}

fn compare(left: Box<Expression>, right: Box<Expression>) -> Expression {
    let operator = ComparisonOperator::Greater;
    expression(
        ExpressionKind::Compare { operator, left, right, ignore_trailing_blanks: false },
        SqlType::Boolean,
    )
}

fn call(function: &str, arguments: Vec<Expression>) -> Expression {
    expression(ExpressionKind::Call { function: function.into(), arguments }, SYMBOL)
}
