//! The `eval` lines of the golden files: SQL text through the front end and the engine to a value.

use millstream_engine::{CompiledExpression, EvaluationContext, catalog};
use millstream_sql::{CastMode, Expression, ExpressionKind, SqlType, Value, compile_expression};
use std::fs;
use std::path::{Path, PathBuf};

/// 2024-01-01 00:00:00: the day of golden files.
const CONTEXT: EvaluationContext =
    EvaluationContext { query_started: 1_704_067_200_000, now: 1_704_067_200_000 };

#[test]
fn eval_lines_have_their_values() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/golden");
    let mut files = Vec::new();
    collect_files(&golden, &mut files);
    files.sort();
    let (mut checked, mut failures) = (0, Vec::new());
    for file in files {
        let text = fs::read_to_string(&file).expect("golden files are text");
        for (number, line) in text.lines().enumerate() {
            let Some((expression, expected)) =
                line.strip_prefix("eval ").and_then(|rest| rest.rsplit_once(" => "))
            else {
                continue;
            };
            checked += 1;
            if let Err(found) = check(expression, expected) {
                failures.push(format!("{}:{}: {line}\n    found {found}", file.display(), number + 1));
            }
        }
    }
    assert!(checked > 600, "only {checked} eval lines under {}", golden.display());
    assert!(failures.is_empty(), "{} of {checked} failed:\n{}", failures.len(), failures.join("\n"));
}

fn collect_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the golden folder stands beside the checkout") {
        let path = entry.expect("a readable folder").path();
        if path.is_dir() {
            collect_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "test") {
            files.push(path);
        }
    }
}

fn check(text: &str, expected: &str) -> Result<(), String> {
    let mut expression = match compile_expression(text, &catalog()) {
        Ok(expression) => expression,
        Err(_) if expected == "INVALID" => return Ok(()),
        Err(diagnostics) => return Err(format!("INVALID {diagnostics:?}")),
    };
    if expression.sql_type.is_interval() {
        let span = expression.span;
        let kind = ExpressionKind::Cast { operand: Box::new(expression), mode: CastMode::Explicit };
        expression = Expression::new(kind, SqlType::Varchar { length: 64 }, span);
    }
    let compiled = CompiledExpression::compile(&expression).map_err(|error| format!("refused: {error}"))?;
    let value = match compiled.evaluate_constant(&CONTEXT) {
        Ok(value) => value,
        Err(_) if expected == "ERROR" => return Ok(()),
        Err(error) => return Err(format!("ERROR {error}")),
    };
    let found = || format!("{value:?} of type {}", expression.sql_type);
    let matches = match (expected, &value) {
        ("ERROR" | "INVALID", _) => false,
        ("NULL", value) => *value == Value::Null,
        ("TRUE", value) => *value == Value::Boolean(true),
        ("FALSE", value) => *value == Value::Boolean(false),
        (expected, Value::Text(text)) => unquote(expected).is_some_and(|expected| expected == *text),
        (expected, value) => match (expected.parse::<f64>(), number(value, expression.sql_type)) {
            (Ok(expected), Some(found)) => {
                (expected - found).abs() <= 1e-9 * expected.abs().max(f64::MIN_POSITIVE)
            }
            _ => constant(expected).as_ref() == Some(value),
        },
    };
    if matches { Ok(()) } else { Err(found()) }
}

fn constant(text: &str) -> Option<Value> {
    let expression = compile_expression(text, &catalog()).ok()?;
    CompiledExpression::compile(&expression).ok()?.evaluate_constant(&CONTEXT).ok()
}

fn number(value: &Value, sql_type: SqlType) -> Option<f64> {
    match (value, sql_type) {
        (Value::Integer(value), _) => Some(*value as f64),
        (Value::Double(value), _) => Some(*value),
        (Value::Decimal(digits), SqlType::Decimal { scale, .. }) => {
            Some(*digits as f64 / 10f64.powi(i32::from(scale)))
        }
        _ => None,
    }
}

/// `'text'` and `e'text'` of a golden file.
fn unquote(text: &str) -> Option<String> {
    let (escaped, quoted) = match text.strip_prefix('e') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let inner = quoted.strip_prefix('\'')?.strip_suffix('\'')?.replace("''", "'");
    Some(if escaped { inner.replace("\\t", "\t").replace("\\n", "\n") } else { inner })
}
