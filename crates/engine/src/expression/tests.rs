//! Properties of compiled expressions: whole columns agree with a plain computation row by row, and slicing changes
//! nothing.

use super::*;
use millstream_columns::{ErrorName, array_from_values};
use millstream_sql::{
    ArithmeticOperator, CaseBranch, CastMode, ComparisonOperator, Expression, ExpressionKind as Kind, Span,
};
use proptest::prelude::*;

const CONTEXT: EvaluationContext = EvaluationContext { query_started: 0, now: 0, virtual_clock: false };

fn expression(kind: Kind, sql_type: SqlType) -> Expression {
    Expression::new(kind, sql_type, Span::default())
}

fn column(index: usize, sql_type: SqlType) -> Box<Expression> {
    Box::new(expression(Kind::Column(index), sql_type))
}

fn integer(value: i64) -> Box<Expression> {
    Box::new(expression(Kind::Literal(Value::Integer(value)), SqlType::Integer))
}

fn arithmetic(
    operator: ArithmeticOperator,
    left: Box<Expression>,
    right: Box<Expression>,
    t: SqlType,
) -> Expression {
    expression(Kind::Arithmetic { operator, left, right }, t)
}

fn compare(operator: ComparisonOperator, left: Box<Expression>, right: Box<Expression>) -> Box<Expression> {
    Box::new(expression(
        Kind::Compare { operator, left, right, ignore_trailing_blanks: false },
        SqlType::Boolean,
    ))
}

fn batch(types: &[SqlType], rows: &[Vec<Value>]) -> Batch {
    let columns = types
        .iter()
        .enumerate()
        .map(|(index, sql_type)| {
            let values: Vec<Value> = rows.iter().map(|row| row[index].clone()).collect();
            array_from_values(*sql_type, &values).unwrap()
        })
        .collect();
    Batch::new(ScalarBuffer::from_iter((0..rows.len() as i64).map(|row| row * 1_000)), columns)
}

/// The result of each row: a value or the name of its error.
type Outcome = Result<Value, ErrorName>;

fn outcomes(expression: &Expression, batch: &Batch) -> Vec<Outcome> {
    let evaluated = CompiledExpression::compile(expression).unwrap().evaluate(batch, &CONTEXT);
    assert_eq!(evaluated.values.len(), batch.len());
    (0..batch.len())
        .map(|row| match evaluated.errors.get(row) {
            Some(error) => {
                assert!(evaluated.values.is_null(row), "failed rows are NULL");
                Err(error.name)
            }
            None => Ok(value_at(&evaluated.values, expression.sql_type, row)),
        })
        .collect()
}

/// Checks every row against `expected`, and that any slice of the rows gives the same.
fn check(expression: &Expression, batch: &Batch, cut: usize, expected: impl Fn(usize) -> Outcome) {
    let whole = outcomes(expression, batch);
    for (row, outcome) in whole.iter().enumerate() {
        assert_eq!(*outcome, expected(row), "row {row} of {:?}", expression.kind);
    }
    let cut = cut % (batch.len() + 1);
    let mut parts = outcomes(expression, &batch.slice(0, cut));
    parts.extend(outcomes(expression, &batch.slice(cut, batch.len() - cut)));
    assert_eq!(parts, whole, "slices of {:?}", expression.kind);
}

fn nullable_integer() -> impl Strategy<Value = Option<i32>> {
    prop_oneof![
        1 => Just(None),
        4 => (-5i32..5).prop_map(Some),
        1 => prop_oneof![Just(i32::MAX), Just(i32::MIN), any::<i32>()].prop_map(Some),
    ]
}

fn integer_rows() -> impl Strategy<Value = Vec<(Option<i32>, Option<i32>)>> {
    proptest::collection::vec((nullable_integer(), nullable_integer()), 0..150)
}

fn value(integer: Option<i32>) -> Value {
    integer.map_or(Value::Null, |integer| Value::Integer(i64::from(integer)))
}

fn integer_batch(rows: &[(Option<i32>, Option<i32>)]) -> Batch {
    let rows: Vec<Vec<Value>> = rows.iter().map(|(left, right)| vec![value(*left), value(*right)]).collect();
    batch(&[SqlType::Integer; 2], &rows)
}

proptest! {
    #[test]
    fn arithmetic_agrees_with_rows(rows in integer_rows(), constant in -3i32..3, cut in any::<usize>()) {
        let batch = integer_batch(&rows);
        use ArithmeticOperator::{Add, Divide, Multiply, Subtract};
        for operator in [Add, Subtract, Multiply, Divide] {
            let apply = |left: Option<i32>, right: Option<i32>| -> Outcome {
                let (Some(left), Some(right)) = (left, right) else { return Ok(Value::Null) };
                let (left, right) = (i64::from(left), i64::from(right));
                let result = match operator {
                    Add => left + right,
                    Subtract => left - right,
                    Multiply => left * right,
                    Divide if right == 0 => return Err(ErrorName::DivisionByZero),
                    Divide => left / right,
                };
                i32::try_from(result).map(|result| value(Some(result))).map_err(|_| ErrorName::Overflow)
            };
            let t = SqlType::Integer;
            let columns = arithmetic(operator, column(0, t), column(1, t), t);
            check(&columns, &batch, cut, |row| apply(rows[row].0, rows[row].1));
            let with_constant = arithmetic(operator, column(0, t), integer(i64::from(constant)), t);
            check(&with_constant, &batch, cut, |row| apply(rows[row].0, Some(constant)));
            let constant_first = arithmetic(operator, integer(i64::from(constant)), column(1, t), t);
            check(&constant_first, &batch, cut, |row| apply(Some(constant), rows[row].1));
        }
    }

    #[test]
    fn logic_and_branches_agree_with_rows(rows in integer_rows(), cut in any::<usize>()) {
        use ComparisonOperator::{Greater, LessOrEqual, NotEqual};
        let batch = integer_batch(&rows);
        let t = SqlType::Integer;
        let nonzero = || compare(NotEqual, column(1, t), integer(0));
        let quotient = || Box::new(arithmetic(ArithmeticOperator::Divide, column(0, t), column(1, t), t));
        let big_quotient = || compare(Greater, quotient(), integer(0));
        let divide = |left: i32, right: i32| match left.checked_div(right) {
            Some(quotient) => Ok(quotient),
            None if right == 0 => Err(ErrorName::DivisionByZero),
            None => Err(ErrorName::Overflow),
        };
        let quotient_of = |row: usize| -> Result<Option<i32>, ErrorName> {
            match rows[row] {
                (Some(left), Some(right)) => divide(left, right).map(Some),
                _ => Ok(None),
            }
        };
        let truth = |value: Option<bool>| value.map_or(Value::Null, Value::Boolean);

        let and = expression(Kind::And(nonzero(), big_quotient()), SqlType::Boolean);
        check(&and, &batch, cut, |row| match rows[row].1.map(|right| right != 0) {
            Some(false) => Ok(Value::Boolean(false)),
            left => {
                let right = quotient_of(row)?.map(|quotient| quotient > 0);
                Ok(truth(if right == Some(false) { right } else { left.and(right) }))
            }
        });
        let is_zero = compare(LessOrEqual, Box::new(expression(Kind::Case {
            branches: vec![CaseBranch { condition: *nonzero(), value: *integer(1) }],
            otherwise: Some(integer(0)),
        }, t)), integer(0));
        let or = expression(Kind::Or(is_zero, big_quotient()), SqlType::Boolean);
        check(&or, &batch, cut, |row| {
            if rows[row].1.is_none_or(|right| right == 0) {
                return Ok(Value::Boolean(true));
            }
            let right = quotient_of(row)?.map(|quotient| quotient > 0);
            Ok(truth(if right == Some(true) { right } else { right.and(Some(false)) }))
        });
        let case = expression(Kind::Case {
            branches: vec![CaseBranch { condition: *nonzero(), value: *quotient() }],
            otherwise: None,
        }, t);
        check(&case, &batch, cut, |row| {
            if rows[row].1.is_none_or(|right| right == 0) { Ok(Value::Null) } else { Ok(value(quotient_of(row)?)) }
        });
        let coalesce = expression(Kind::Coalesce(vec![*column(0, t), *quotient(), *integer(9)]), t);
        check(&coalesce, &batch, cut, |row| match rows[row].0 {
            Some(left) => Ok(value(Some(left))),
            None => Ok(value(Some(quotient_of(row)?.unwrap_or(9)))),
        });
        let is_null = expression(Kind::IsNull { operand: quotient(), negated: false }, SqlType::Boolean);
        check(&is_null, &batch, cut, |row| Ok(Value::Boolean(quotient_of(row)?.is_none())));
    }

    #[test]
    fn casts_agree_with_rows(rows in proptest::collection::vec(proptest::option::of(prop_oneof![-1000.0f64..1000.0, any::<f64>()]), 0..100), cut in any::<usize>()) {
        let values: Vec<Vec<Value>> = rows.iter().map(|value| vec![value.map_or(Value::Null, Value::Double)]).collect();
        let batch = batch(&[SqlType::Double], &values);
        let kind = Kind::Cast { operand: column(0, SqlType::Double), mode: CastMode::Explicit };
        let cast = expression(kind, SqlType::Integer);
        check(&cast, &batch, cut, |row| match rows[row] {
            None => Ok(Value::Null),
            Some(double) => {
                let rounded = double.round();
                if (-2147483648.0..=2147483647.0).contains(&rounded) { Ok(Value::Integer(rounded as i64)) } else { Err(ErrorName::Overflow) }
            }
        });
    }

    #[test]
    fn text_functions_agree_with_rows(rows in proptest::collection::vec(proptest::option::of("[a-zA-Zäß€ ]{0,8}"), 0..100), start in -3i64..8, length in 0i64..6, cut in any::<usize>()) {
        let text_type = SqlType::Varchar { length: 8 };
        let values: Vec<Vec<Value>> = rows.iter().map(|value| vec![value.clone().map_or(Value::Null, Value::Text)]).collect();
        let batch = batch(&[text_type], &values);
        let bigint = |value| expression(Kind::Literal(Value::Integer(value)), SqlType::BigInt);
        let call = |function: &str, arguments| expression(Kind::Call { function: function.into(), arguments }, text_type);
        let map = |row: usize, convert: &dyn Fn(&str) -> String| Ok(rows[row].as_deref().map_or(Value::Null, |text| Value::Text(convert(text))));
        check(&call("UPPER", vec![*column(0, text_type)]), &batch, cut, |row| map(row, &|text| text.to_uppercase()));
        let substring = call("SUBSTRING_FROM", vec![*column(0, text_type), bigint(start), bigint(length)]);
        check(&substring, &batch, cut, |row| map(row, &|text| {
            text.chars().zip(1i64..).filter(|(_, position)| (start..start + length).contains(position)).map(|(character, _)| character).collect()
        }));
    }
}

#[test]
fn a_constant_that_fails_fails_every_row() {
    let t = SqlType::Integer;
    let failing = arithmetic(ArithmeticOperator::Divide, integer(1), integer(0), t);
    let rows = integer_batch(&[(Some(1), None), (None, Some(2))]);
    let expected = vec![Err(ErrorName::DivisionByZero); 2];
    assert_eq!(outcomes(&failing, &rows), expected);
    assert_eq!(outcomes(&failing, &rows.slice(0, 0)), []);
    let constant = arithmetic(ArithmeticOperator::Add, integer(1), integer(2), t);
    assert_eq!(CompiledExpression::compile(&constant).unwrap().constant(), Some(Value::Integer(3)));
}

#[test]
fn expressions_of_rowtime_run_for_one_instant() {
    let step = expression(
        Kind::StepDatetime {
            operand: Box::new(expression(Kind::RowTime, SqlType::Timestamp)),
            step: Value::IntervalMillis(5_000),
        },
        SqlType::Timestamp,
    );
    let compiled = CompiledExpression::compile(&step).unwrap();
    assert_eq!(compiled.evaluate_rowtime_only(12_345, &CONTEXT), Ok(Value::Timestamp(10_000)));
    assert_eq!(compiled.evaluate_rowtime_only(-1, &CONTEXT), Ok(Value::Timestamp(-5_000)));
}
