//! `TABLE(function(CURSOR(query), …))`.

use super::Resolver;
use crate::similar_name;
use crate::syntax::{FunctionArgument, Name};
use crate::{
    Diagnostic, Expression, Node, NodeKind, Output, RandomCutForestCall, Span, SqlType, TableFunction, Value,
};

/// Longest window of the tumbling table functions, in seconds.
const MAX_TUMBLING_SECONDS: i64 = 3_600;

/// Numeric columns that a random cut forest takes.
const MAX_FOREST_COLUMNS: usize = 30;

/// The constant arguments behind the cursor.
struct Arguments<'a> {
    function: &'a str,
    span: Span,
    values: Vec<(Span, Expression)>,
}

impl Resolver<'_> {
    pub(super) fn table_function(&mut self, name: &Name, arguments: &[FunctionArgument]) -> Option<Node> {
        let known = [
            "RANDOM_CUT_FOREST",
            "RANDOM_CUT_FOREST_WITH_EXPLANATION",
            "COUNT_DISTINCT_ITEMS_TUMBLING",
            "TOP_K_ITEMS_TUMBLING",
            "HOTSPOTS",
            "GROUP_RANK",
        ];
        if !known.contains(&name.value.as_str()) {
            let mut mistake =
                Diagnostic::error(name.span, format!("there is no table function {}", name.value));
            mistake.hint = similar_name::hint(&name.value, known)
                .or_else(|| Some(format!("the table functions are {}", known.join(", "))));
            self.report(mistake);
            return None;
        }
        let Some((FunctionArgument::Cursor(query), rest)) = arguments.split_first() else {
            let message = format!("the first argument of {} is CURSOR(SELECT STREAM …)", name.value);
            return self.error(name.span, message);
        };
        let cursor = self.query(query);
        let mut values = Vec::new();
        for argument in rest {
            match argument {
                FunctionArgument::Cursor(query) => {
                    return self.error(query.span, format!("{} takes one CURSOR", name.value));
                }
                FunctionArgument::Expr(expr) => {
                    let value = self.scalar(
                        expr,
                        &super::scope::Scope::default(),
                        "a parameter of a table function",
                    )?;
                    values.push((expr.span, value));
                }
            }
        }
        let arguments = Arguments { function: &name.value, span: name.span, values };
        let (cursor, _) = cursor?;
        match name.value.as_str() {
            "RANDOM_CUT_FOREST" => self.random_cut_forest(cursor, &arguments, false),
            "RANDOM_CUT_FOREST_WITH_EXPLANATION" => self.random_cut_forest(cursor, &arguments, true),
            "COUNT_DISTINCT_ITEMS_TUMBLING" => self.count_distinct_items(cursor, &arguments),
            other => self.unsupported(name.span, other),
        }
    }

    /// Requires between `least` and `most` constants behind the cursor.
    fn argument_count(&mut self, arguments: &Arguments<'_>, least: usize, most: usize) -> Option<()> {
        let count = arguments.values.len();
        if (least..=most).contains(&count) {
            return Some(());
        }
        let takes = if least == most { least.to_string() } else { format!("{least} to {most}") };
        let message =
            format!("{} takes {takes} arguments behind the cursor, not {count}", arguments.function);
        self.error(arguments.span, message)
    }

    /// The whole number at `index`, within its range; `default` when it is left out.
    fn parameter(
        &mut self,
        arguments: &Arguments<'_>,
        index: usize,
        name: &str,
        range: std::ops::RangeInclusive<i64>,
        default: i64,
    ) -> Option<i64> {
        let Some((span, value)) = arguments.values.get(index) else { return Some(default) };
        match value.literal() {
            Some(Value::Integer(number)) if range.contains(number) => Some(*number),
            Some(Value::Integer(number)) => {
                let message = format!("{name} is {number}: it must be {} to {}", range.start(), range.end());
                self.error(*span, message)
            }
            _ => self.error(
                *span,
                format!("{name} is a constant whole number from {} to {}", range.start(), range.end()),
            ),
        }
    }

    /// The column of the cursor that the text at `index` names: exactly, or folded to upper case.
    fn cursor_column(&mut self, arguments: &Arguments<'_>, index: usize, cursor: &Node) -> Option<usize> {
        let (span, value) = arguments.values.get(index)?;
        let Some(Value::Text(name)) = value.literal() else {
            return self
                .error(*span, format!("{} takes the name of a column in single quotes", arguments.function));
        };
        let position = |wanted: &str| cursor.output.iter().position(|column| column.name == wanted);
        if let Some(found) = position(name).or_else(|| position(&name.to_uppercase())) {
            return Some(found);
        }
        let message = format!("the cursor has no column '{name}'");
        let mut mistake = Diagnostic::error(*span, message);
        mistake.hint = similar_name::hint(name, cursor.output.iter().map(|column| column.name.as_str()));
        self.report(mistake);
        None
    }

    fn count_distinct_items(&mut self, cursor: Node, arguments: &Arguments<'_>) -> Option<Node> {
        self.argument_count(arguments, 2, 2)?;
        let column = self.cursor_column(arguments, 0, &cursor);
        let seconds = self.parameter(arguments, 1, "the window in seconds", 1..=MAX_TUMBLING_SECONDS, 60)?;
        let function = TableFunction::CountDistinctItems { column: column?, period: seconds * 1_000 };
        let output = vec![Output { name: "NUMBER_OF_DISTINCT_ITEMS".to_owned(), sql_type: SqlType::BigInt }];
        Some(Node { kind: NodeKind::TableFunction { input: Box::new(cursor), function }, output })
    }

    fn random_cut_forest(&mut self, cursor: Node, arguments: &Arguments<'_>, explain: bool) -> Option<Node> {
        self.argument_count(arguments, 0, if explain { 5 } else { 4 })?;
        let number_of_trees = self.parameter(arguments, 0, "numberOfTrees", 1..=1_000, 100)?;
        let sub_sample_size = self.parameter(arguments, 1, "subSampleSize", 10..=1_000, 256)?;
        let time_decay = self.parameter(arguments, 2, "timeDecay", 1..=i64::from(i32::MAX), 100_000)?;
        let shingle_size = self.parameter(arguments, 3, "shingleSize", 1..=30, 1)?;
        let with_directionality = match arguments.values.get(4) {
            None => false,
            Some((span, value)) => match value.literal() {
                Some(Value::Boolean(value)) => *value,
                _ => return self.error(*span, "withDirectionality is TRUE or FALSE"),
            },
        };
        if sub_sample_size >= time_decay {
            let span =
                arguments.values.get(2).or(arguments.values.get(1)).map_or(arguments.span, |(span, _)| *span);
            let message = format!(
                "timeDecay is {time_decay}: it must be more than subSampleSize, which is {sub_sample_size}"
            );
            return self.error(span, message);
        }
        let mut columns = Vec::new();
        for (index, column) in cursor.output.iter().enumerate() {
            match column.sql_type {
                SqlType::Decimal { .. } => {
                    let message = format!(
                        "{} does not use DECIMAL columns: \"{}\" passes through unused",
                        arguments.function, column.name
                    );
                    self.report(Diagnostic::warning(arguments.span, message).with_hint("cast it to DOUBLE"));
                }
                sql_type if sql_type.is_numeric() => columns.push(index),
                _ => {}
            }
        }
        if columns.is_empty() || columns.len() > MAX_FOREST_COLUMNS {
            let message = format!(
                "{} needs 1 to {MAX_FOREST_COLUMNS} numeric columns in its cursor, this has {}",
                arguments.function,
                columns.len()
            );
            let hint = "select DOUBLE, REAL, INTEGER, SMALLINT, TINYINT or BIGINT columns";
            return self.error_with_hint(arguments.span, message, hint);
        }
        let mut output = cursor.output.clone();
        output.push(Output { name: "ANOMALY_SCORE".to_owned(), sql_type: SqlType::Double });
        if explain {
            let sql_type = SqlType::Varchar { length: crate::limits::MAX_LENGTH };
            output.push(Output { name: "ANOMALY_EXPLANATION".to_owned(), sql_type });
        }
        // All values are within the ranges above.
        let narrow = |number: i64| u32::try_from(number).unwrap_or(u32::MAX);
        let function = TableFunction::RandomCutForest(RandomCutForestCall {
            columns,
            number_of_trees: narrow(number_of_trees),
            sub_sample_size: narrow(sub_sample_size),
            time_decay: narrow(time_decay),
            shingle_size: narrow(shingle_size),
            explanation: explain.then_some(with_directionality),
        });
        Some(Node { kind: NodeKind::TableFunction { input: Box::new(cursor), function }, output })
    }
}
