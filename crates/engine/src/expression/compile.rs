//! From the plan's expression to the tree that runs.

use crate::cast;
use crate::expression::like::{LikePattern, pattern_kernel};
use crate::expression::node::{Node, NodeKind};
use crate::expression::similar::SimilarPattern;
use crate::expression::{
    CompileError, arithmetic, comparison, datetime, intervals, logic, membership, texts,
};
use crate::functions::{self, CallSite};
use millstream_columns::{array_from_values, value_at};
use millstream_sql::{
    ArithmeticOperator, CaseBranch, CastMode, ComparisonOperator, Expression, ExpressionKind as Kind,
    IntervalQualifier, SqlType, Value,
};

/// Compiles an expression. Each kind that nests has a function of its own, so that the frames of deep ones stay small.
pub(super) fn compile(expression: &Expression) -> Result<Node, CompileError> {
    let sql_type = expression.sql_type;
    match &expression.kind {
        Kind::Literal(_) | Kind::Column(_) | Kind::RowTime | Kind::Clock(_) => leaf(expression),
        Kind::Cast { operand, mode } => cast_of(operand, *mode, sql_type),
        Kind::Arithmetic { operator, left, right } => arithmetic_of(*operator, left, right, sql_type),
        Kind::Compare { operator, left, right, ignore_trailing_blanks } => {
            comparison_of(*operator, left, right, *ignore_trailing_blanks)
        }
        Kind::NotDistinct { left, right, negated } => not_distinct(left, right, *negated),
        Kind::And(left, right) => connective(left, right, NodeKind::And),
        Kind::Or(left, right) => connective(left, right, NodeKind::Or),
        Kind::InList { operand, list } => in_list(operand, list),
        Kind::Like { text, pattern, escape } => {
            pattern_predicate(text, pattern, escape.as_deref(), pattern_kernel::<LikePattern>)
        }
        Kind::SimilarTo { text, pattern, escape } => {
            pattern_predicate(text, pattern, escape.as_deref(), pattern_kernel::<SimilarPattern>)
        }
        Kind::Concat(left, right) => concatenation(left, right, sql_type),
        Kind::Case { branches, otherwise } => case(branches, otherwise.as_deref(), sql_type),
        Kind::Coalesce(operands) => coalesce(operands, sql_type),
        Kind::Not(_) | Kind::IsNull { .. } | Kind::IsTruth { .. } => truth_test(expression),
        Kind::Negate(operand) => negation(operand, sql_type),
        Kind::Call { function, arguments } => call(function, arguments, sql_type),
        Kind::DatetimeShift { .. }
        | Kind::DatetimeDifference { .. }
        | Kind::IntervalScale { .. }
        | Kind::IntervalSum { .. }
        | Kind::RoundTo { .. }
        | Kind::StepDatetime { .. }
        | Kind::StepNumber { .. }
        | Kind::Extract { .. } => time_operation(expression),
    }
}

fn leaf(expression: &Expression) -> Result<Node, CompileError> {
    let sql_type = expression.sql_type;
    match &expression.kind {
        Kind::Literal(value) => {
            Ok(Node::literal_of(array_from_values(sql_type, std::slice::from_ref(value))?))
        }
        Kind::Column(index) => Ok(Node { kind: NodeKind::Column(*index), constant: false, can_fail: false }),
        Kind::RowTime => Ok(Node { kind: NodeKind::RowTime, constant: false, can_fail: false }),
        Kind::Clock(function) => {
            Ok(Node { kind: NodeKind::Clock(*function), constant: false, can_fail: false })
        }
        _ => unreachable!("only leaves come here"),
    }
}

fn cast_of(operand: &Expression, mode: CastMode, sql_type: SqlType) -> Result<Node, CompileError> {
    if operand.sql_type == SqlType::Null {
        return Ok(Node::null(sql_type));
    }
    let node = compile(operand)?;
    match cast::cast(operand.sql_type, sql_type, mode)? {
        None => Ok(node),
        Some(cast) if cast.uses_clock => Ok(Node::clocked_operation(vec![node], cast.can_fail, cast.kernel)),
        Some(cast) => Ok(Node::operation(vec![node], cast.can_fail, cast.kernel)),
    }
}

fn arithmetic_of(
    operator: ArithmeticOperator,
    left: &Expression,
    right: &Expression,
    sql_type: SqlType,
) -> Result<Node, CompileError> {
    let (kernel, can_fail) = arithmetic::arithmetic(operator, left.sql_type, right.sql_type, sql_type)?;
    Ok(Node::operation(vec![compile(left)?, compile(right)?], can_fail, kernel))
}

fn comparison_of(
    operator: ComparisonOperator,
    left: &Expression,
    right: &Expression,
    ignore_trailing_blanks: bool,
) -> Result<Node, CompileError> {
    let compared = compared_type(left, right);
    if compared == SqlType::Null {
        return Ok(Node::null(SqlType::Boolean));
    }
    let kernel = comparison::compare(operator, compared, ignore_trailing_blanks)?;
    let operands = vec![compile_as(left, compared)?, compile_as(right, compared)?];
    Ok(Node::operation(operands, false, kernel))
}

fn not_distinct(left: &Expression, right: &Expression, negated: bool) -> Result<Node, CompileError> {
    let compared = compared_type(left, right);
    if compared == SqlType::Null {
        let same = array_from_values(SqlType::Boolean, &[Value::Boolean(!negated)])?;
        return Ok(Node::literal_of(same));
    }
    let kernel = comparison::not_distinct(compared, negated)?;
    let operands = vec![compile_as(left, compared)?, compile_as(right, compared)?];
    Ok(Node::operation(operands, false, kernel))
}

fn concatenation(left: &Expression, right: &Expression, sql_type: SqlType) -> Result<Node, CompileError> {
    let kernel = texts::concat(sql_type);
    let operands = vec![compile_as(left, sql_type)?, compile_as(right, sql_type)?];
    Ok(Node::operation(operands, true, kernel))
}

fn case(
    branches: &[CaseBranch],
    otherwise: Option<&Expression>,
    sql_type: SqlType,
) -> Result<Node, CompileError> {
    let branches = branches
        .iter()
        .map(|branch| {
            let condition = compile_as(&branch.condition, SqlType::Boolean)?;
            Ok((condition, compile_as(&branch.value, sql_type)?))
        })
        .collect::<Result<Vec<_>, CompileError>>()?;
    let otherwise = match otherwise {
        Some(otherwise) => compile_as(otherwise, sql_type)?,
        None => Node::null(sql_type),
    };
    let parts = || branches.iter().flat_map(|(condition, value)| [condition, value]).chain([&otherwise]);
    let constant = parts().all(|part| part.constant);
    let can_fail = parts().any(|part| part.can_fail);
    let otherwise = Box::new(otherwise);
    Ok(Node { kind: NodeKind::Case { branches, otherwise, sql_type }, constant, can_fail }.folded())
}

fn coalesce(operands: &[Expression], sql_type: SqlType) -> Result<Node, CompileError> {
    let operands = operands
        .iter()
        .map(|operand| compile_as(operand, sql_type))
        .collect::<Result<Vec<_>, CompileError>>()?;
    let constant = operands.iter().all(|operand| operand.constant);
    let can_fail = operands.iter().any(|operand| operand.can_fail);
    Ok(Node { kind: NodeKind::Coalesce { operands, sql_type }, constant, can_fail }.folded())
}

/// NOT, IS NULL, IS TRUE and their kin.
fn truth_test(expression: &Expression) -> Result<Node, CompileError> {
    match &expression.kind {
        Kind::Not(operand) => {
            Ok(Node::operation(vec![compile_as(operand, SqlType::Boolean)?], false, logic::not_kernel()))
        }
        Kind::IsNull { operand, negated } => {
            Ok(Node::operation(vec![compile(operand)?], false, logic::is_null_kernel(*negated)))
        }
        Kind::IsTruth { operand, test, negated } => {
            let operand = compile_as(operand, SqlType::Boolean)?;
            Ok(Node::operation(vec![operand], false, logic::is_truth_kernel(*test, *negated)))
        }
        _ => unreachable!("only tests of truth come here"),
    }
}

fn negation(operand: &Expression, sql_type: SqlType) -> Result<Node, CompileError> {
    let (kernel, can_fail) = arithmetic::negate(sql_type)?;
    Ok(Node::operation(vec![compile_as(operand, sql_type)?], can_fail, kernel))
}

/// Arithmetic of datetimes and intervals, rounding, fields.
fn time_operation(expression: &Expression) -> Result<Node, CompileError> {
    let sql_type = expression.sql_type;
    match &expression.kind {
        Kind::DatetimeShift { datetime: operand, interval, subtract } => {
            let kernel = datetime::shift(operand.sql_type, qualifier_of(interval)?, *subtract)?;
            Ok(Node::operation(vec![compile(operand)?, compile(interval)?], true, kernel))
        }
        Kind::DatetimeDifference { left, right } => {
            let kernel = datetime::difference(left.sql_type, qualifier_of(expression)?)?;
            Ok(Node::operation(vec![compile(left)?, compile_as(right, left.sql_type)?], true, kernel))
        }
        Kind::IntervalScale { interval, factor, divide } => {
            let kernel = intervals::scale(qualifier_of(interval)?, factor.sql_type, *divide)?;
            Ok(Node::operation(vec![compile(interval)?, compile(factor)?], true, kernel))
        }
        Kind::IntervalSum { left, right, subtract } => {
            let kernel = intervals::sum(qualifier_of(expression)?, *subtract);
            let operands = vec![compile_as(left, sql_type)?, compile_as(right, sql_type)?];
            Ok(Node::operation(operands, true, kernel))
        }
        Kind::RoundTo { direction, operand, unit } => {
            let kernel = datetime::round_to(sql_type, *unit, *direction)?;
            Ok(Node::operation(vec![compile_as(operand, sql_type)?], true, kernel))
        }
        Kind::StepDatetime { operand, step } => {
            let kernel = datetime::step_datetime(sql_type, step)?;
            Ok(Node::operation(vec![compile_as(operand, sql_type)?], true, kernel))
        }
        Kind::StepNumber { operand, step } => {
            let kernel = datetime::step_number(sql_type)?;
            let operands = vec![compile_as(operand, sql_type)?, compile_as(step, sql_type)?];
            Ok(Node::operation(operands, true, kernel))
        }
        Kind::Extract { unit, operand } => {
            let kernel = datetime::extract(*unit, operand.sql_type, sql_type)?;
            Ok(Node::operation(vec![compile(operand)?], false, kernel))
        }
        _ => unreachable!("only operations of time come here"),
    }
}

/// Compiles an operand; a bare NULL takes the type of its place.
fn compile_as(expression: &Expression, sql_type: SqlType) -> Result<Node, CompileError> {
    if expression.sql_type == SqlType::Null { Ok(Node::null(sql_type)) } else { compile(expression) }
}

fn compared_type(left: &Expression, right: &Expression) -> SqlType {
    if left.sql_type == SqlType::Null { right.sql_type } else { left.sql_type }
}

fn qualifier_of(expression: &Expression) -> Result<IntervalQualifier, CompileError> {
    expression.interval_qualifier().ok_or_else(|| CompileError::OperandTypes {
        operation: "interval arithmetic",
        types: expression.sql_type.to_string(),
    })
}

fn connective(
    left: &Expression,
    right: &Expression,
    kind: fn(Box<Node>, Box<Node>) -> NodeKind,
) -> Result<Node, CompileError> {
    let left = compile_as(left, SqlType::Boolean)?;
    let right = compile_as(right, SqlType::Boolean)?;
    let constant = left.constant && right.constant;
    let can_fail = left.can_fail || right.can_fail;
    Ok(Node { kind: kind(Box::new(left), Box::new(right)), constant, can_fail }.folded())
}

fn in_list(operand: &Expression, list: &[Expression]) -> Result<Node, CompileError> {
    let sql_type = if operand.sql_type == SqlType::Null {
        return Ok(Node::null(SqlType::Boolean));
    } else {
        operand.sql_type
    };
    let items =
        list.iter().map(|item| compile_as(item, sql_type)).collect::<Result<Vec<_>, CompileError>>()?;
    let literals: Option<Vec<_>> = items.iter().map(|item| item.literal().cloned()).collect();
    let node = compile(operand)?;
    if let Some(literals) = literals
        && node.literal().is_none()
        && let Some(kernel) = membership::in_constants(sql_type, &literals)
    {
        return Ok(Node::operation(vec![node], false, kernel));
    }
    let mut tests = Vec::with_capacity(items.len());
    for item in items {
        let kernel = comparison::compare(ComparisonOperator::Equal, sql_type, false)?;
        tests.push(Node::operation(vec![compile(operand)?, item], false, kernel));
    }
    // Pairs of pairs: the tree is as high as the logarithm of the list's length.
    while tests.len() > 1 {
        let mut pairs = Vec::with_capacity(tests.len().div_ceil(2));
        let mut rest = tests.into_iter();
        while let Some(first) = rest.next() {
            pairs.push(match rest.next() {
                Some(second) => either(first, second),
                None => first,
            });
        }
        tests = pairs;
    }
    match tests.pop() {
        Some(node) => Ok(node),
        None => Ok(Node::literal_of(array_from_values(SqlType::Boolean, &[Value::Boolean(false)])?)),
    }
}

fn either(left: Node, right: Node) -> Node {
    let constant = left.constant && right.constant;
    let can_fail = left.can_fail || right.can_fail;
    Node { kind: NodeKind::Or(Box::new(left), Box::new(right)), constant, can_fail }.folded()
}

fn pattern_predicate(
    text: &Expression,
    pattern: &Expression,
    escape: Option<&Expression>,
    kernel: fn(Option<(String, Option<String>)>) -> crate::expression::datum::Kernel,
) -> Result<Node, CompileError> {
    let varchar = SqlType::Varchar { length: 1 };
    let mut operands = vec![compile_as(text, varchar)?, compile_as(pattern, varchar)?];
    if let Some(escape) = escape {
        operands.push(compile_as(escape, varchar)?);
    }
    let texts: Option<Vec<String>> = operands[1..].iter().map(literal_text).collect();
    let fixed = texts.map(|mut texts| (texts.remove(0), texts.pop()));
    Ok(Node::operation(operands, true, kernel(fixed)))
}

/// The text of a constant operand; `None` when it varies or is NULL.
fn literal_text(node: &Node) -> Option<String> {
    match value_at(node.literal()?, SqlType::Varchar { length: 1 }, 0) {
        Value::Text(text) => Some(text),
        _ => None,
    }
}

fn call(name: &str, arguments: &[Expression], returns: SqlType) -> Result<Node, CompileError> {
    let function =
        functions::find_planned(name).ok_or_else(|| CompileError::UnknownFunction(name.to_owned()))?;
    let operands = arguments.iter().map(compile).collect::<Result<Vec<_>, CompileError>>()?;
    let site = CallSite {
        function: name,
        parameters: arguments.iter().map(|argument| argument.sql_type).collect(),
        constants: operands
            .iter()
            .zip(arguments)
            .map(|(operand, argument)| operand.literal().map(|array| value_at(array, argument.sql_type, 0)))
            .collect(),
        returns,
    };
    let kernel = (function.compile)(&site)?;
    Ok(if function.uses_clock {
        Node::clocked_operation(operands, function.can_fail, kernel)
    } else {
        Node::operation(operands, function.can_fail, kernel)
    })
}
