//! `TABLE(function(CURSOR(query), …))`.

use super::Resolver;
use crate::similar_name;
use crate::syntax::{FunctionArgument, Name};
use crate::{
    Diagnostic, Expression, GroupRankCall, HotspotsCall, Node, NodeKind, Output, RandomCutForestCall,
    RankOrder, SortColumn, Span, SqlType, TableFunction, TypeFamily, Value,
};

/// Longest window of the tumbling table functions, in seconds.
const MAX_TUMBLING_SECONDS: i64 = 3_600;

/// Numeric columns that the functions of machine learning take.
const MAX_NUMERIC_COLUMNS: usize = 30;

/// Most items that TOP_K_ITEMS_TUMBLING gives for a window.
const MAX_TOP_ITEMS: i64 = 100_000;

/// A function of FROM TABLE(…).
pub(super) struct TableFunctionEntry {
    pub(super) name: &'static str,
    /// Its section of the language specification.
    pub(super) section: &'static str,
    /// What may stand behind a cursor with the column V.
    pub(super) example: &'static str,
    resolve: fn(&mut Resolver<'_>, Node, &Arguments<'_>) -> Option<Node>,
}

/// All table functions.
pub(super) const TABLE_FUNCTIONS: &[TableFunctionEntry] = &[
    TableFunctionEntry {
        name: "COUNT_DISTINCT_ITEMS_TUMBLING",
        section: "4.2",
        example: ", 'V', 5",
        resolve: |resolver, cursor, arguments| resolver.count_distinct_items(cursor, arguments),
    },
    TableFunctionEntry {
        name: "TOP_K_ITEMS_TUMBLING",
        section: "4.2",
        example: ", 'V', 3, 5",
        resolve: |resolver, cursor, arguments| resolver.top_items(cursor, arguments),
    },
    TableFunctionEntry {
        name: "RANDOM_CUT_FOREST",
        section: "4.3",
        example: ", 100, 256, 100000, 1",
        resolve: |resolver, cursor, arguments| resolver.random_cut_forest(cursor, arguments, false),
    },
    TableFunctionEntry {
        name: "RANDOM_CUT_FOREST_WITH_EXPLANATION",
        section: "4.3",
        example: ", 100, 256, 100000, 1, TRUE",
        resolve: |resolver, cursor, arguments| resolver.random_cut_forest(cursor, arguments, true),
    },
    TableFunctionEntry {
        name: "HOTSPOTS",
        section: "4.3",
        example: ", 1000, 0.2, 17",
        resolve: |resolver, cursor, arguments| resolver.hotspots(cursor, arguments),
    },
    TableFunctionEntry {
        name: "GROUP_RANK",
        section: "4.4",
        example: ", 'V', 'R', 'asc', 'asc', 0, 0",
        resolve: |resolver, cursor, arguments| resolver.group_rank(cursor, arguments),
    },
];

/// The constant arguments behind the cursor.
pub(super) struct Arguments<'a> {
    function: &'a str,
    span: Span,
    values: Vec<(Span, Expression)>,
}

impl Resolver<'_> {
    pub(super) fn table_function(&mut self, name: &Name, arguments: &[FunctionArgument]) -> Option<Node> {
        let Some(found) = TABLE_FUNCTIONS.iter().find(|function| function.name == name.value) else {
            let known: Vec<&str> = TABLE_FUNCTIONS.iter().map(|function| function.name).collect();
            let mut mistake =
                Diagnostic::error(name.span, format!("there is no table function {}", name.value));
            mistake.hint = crate::foreign::dialect_form(&name.value)
                .or_else(|| similar_name::hint(&name.value, known.iter().copied()))
                .or_else(|| Some(format!("the table functions are {}", known.join(", "))));
            self.report(mistake);
            return None;
        };
        let Some((FunctionArgument::Cursor(query), rest)) = arguments.split_first() else {
            let message = format!("the first argument of {} is CURSOR(SELECT STREAM …)", name.value);
            return self.error(name.span, message);
        };
        let cursor = self.query(query);
        let mut values = Vec::new();
        for argument in rest {
            values.push(match argument {
                FunctionArgument::Cursor(query) => {
                    self.error(query.span, format!("{} takes one CURSOR", name.value))
                }
                FunctionArgument::Expr(expr) => {
                    let scope = super::scope::Scope::default();
                    let value = self.scalar(expr, &scope, "a parameter of a table function");
                    value.map(|value| (expr.span, value))
                }
            });
        }
        let values: Vec<(Span, Expression)> = values.into_iter().collect::<Option<_>>()?;
        let arguments = Arguments { function: &name.value, span: name.span, values };
        let (cursor, _) = cursor?;
        (found.resolve)(self, cursor, &arguments)
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

    /// The whole number at `index`, within its range; `default` when it is omitted.
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
        let seconds = self.parameter(arguments, 1, "the window in seconds", 1..=MAX_TUMBLING_SECONDS, 60);
        let function = TableFunction::CountDistinctItems { column: column?, period: seconds? * 1_000 };
        let output = vec![Output { name: "NUMBER_OF_DISTINCT_ITEMS".to_owned(), sql_type: SqlType::BigInt }];
        Some(Node { kind: NodeKind::TableFunction { input: Box::new(cursor), function }, output })
    }

    fn random_cut_forest(&mut self, cursor: Node, arguments: &Arguments<'_>, explain: bool) -> Option<Node> {
        self.argument_count(arguments, 0, if explain { 5 } else { 4 })?;
        let number_of_trees = self.parameter(arguments, 0, "numberOfTrees", 1..=1_000, 100);
        let sub_sample_size = self.parameter(arguments, 1, "subSampleSize", 10..=1_000, 256);
        let time_decay = self.parameter(arguments, 2, "timeDecay", 1..=i64::from(i32::MAX), 100_000);
        let shingle_size = self.parameter(arguments, 3, "shingleSize", 1..=30, 1);
        let with_directionality = match arguments.values.get(4) {
            None => Some(false),
            Some((span, value)) => match value.literal() {
                Some(Value::Boolean(value)) => Some(*value),
                _ => self.error(*span, "withDirectionality is TRUE or FALSE"),
            },
        };
        let (number_of_trees, sub_sample_size) = (number_of_trees?, sub_sample_size?);
        let (time_decay, shingle_size) = (time_decay?, shingle_size?);
        let with_directionality = with_directionality?;
        if sub_sample_size >= time_decay {
            let span =
                arguments.values.get(2).or(arguments.values.get(1)).map_or(arguments.span, |(span, _)| *span);
            let message = format!(
                "timeDecay is {time_decay}: it must be more than subSampleSize, which is {sub_sample_size}"
            );
            return self.error(span, message);
        }
        let columns = self.numeric_columns(arguments, &cursor)?;
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

    /// The columns of the cursor that a function of machine learning looks at; DECIMAL is not among them.
    fn numeric_columns(&mut self, arguments: &Arguments<'_>, cursor: &Node) -> Option<Vec<usize>> {
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
        if columns.is_empty() || columns.len() > MAX_NUMERIC_COLUMNS {
            let message = format!(
                "{} needs 1 to {MAX_NUMERIC_COLUMNS} numeric columns in its cursor, this has {}",
                arguments.function,
                columns.len()
            );
            let hint = "select DOUBLE, REAL, INTEGER, SMALLINT, TINYINT or BIGINT columns";
            return self.error_with_hint(arguments.span, message, hint);
        }
        Some(columns)
    }

    fn top_items(&mut self, cursor: Node, arguments: &Arguments<'_>) -> Option<Node> {
        self.argument_count(arguments, 3, 3)?;
        let column = self.cursor_column(arguments, 0, &cursor);
        let k = self.parameter(arguments, 1, "the number of items", 1..=MAX_TOP_ITEMS, 1);
        let seconds = self.parameter(arguments, 2, "the window in seconds", 1..=MAX_TUMBLING_SECONDS, 60);
        let (column, k, seconds) = (column?, usize::try_from(k?).ok()?, seconds?);
        if cursor.output[column].sql_type.family() == TypeFamily::Binary {
            return self.error_with_hint(
                arguments.values[0].0,
                format!(
                    "column \"{}\" is {}: an item has to be a text or have one",
                    cursor.output[column].name, cursor.output[column].sql_type
                ),
                "count another column",
            );
        }
        let function = TableFunction::TopItems { column, k, period: seconds * 1_000 };
        let output = vec![
            Output { name: "ITEM".to_owned(), sql_type: SqlType::Varchar { length: 1_024 } },
            Output { name: "ITEM_COUNT".to_owned(), sql_type: SqlType::BigInt },
        ];
        Some(Node { kind: NodeKind::TableFunction { input: Box::new(cursor), function }, output })
    }

    fn hotspots(&mut self, cursor: Node, arguments: &Arguments<'_>) -> Option<Node> {
        self.argument_count(arguments, 3, 3)?;
        let window_size = self.parameter(arguments, 0, "windowSize", 100..=1_000, 1_000);
        let scan_radius = self.positive_number(arguments, 1, "scanRadius");
        let most = window_size.unwrap_or(1_000);
        let minimum = self.parameter(arguments, 2, "minimumNumberOfPointsInAHotspot", 2..=most, 2);
        let columns = self.numeric_columns(arguments, &cursor)?;
        let (window_size, scan_radius, minimum) = (window_size?, scan_radius?, minimum?);
        let mut output = cursor.output.clone();
        let sql_type = SqlType::Varchar { length: crate::limits::MAX_LENGTH };
        output.push(Output { name: "HOTSPOTS_RESULT".to_owned(), sql_type });
        let function = TableFunction::Hotspots(HotspotsCall {
            columns,
            window_size: usize::try_from(window_size).ok()?,
            scan_radius,
            minimum_points: usize::try_from(minimum).ok()?,
        });
        Some(Node { kind: NodeKind::TableFunction { input: Box::new(cursor), function }, output })
    }

    /// The number above 0 at `index`.
    fn positive_number(&mut self, arguments: &Arguments<'_>, index: usize, name: &str) -> Option<f64> {
        let (span, value) = arguments.values.get(index)?;
        let number = match (value.literal(), value.sql_type) {
            (Some(Value::Integer(number)), _) => Some(*number as f64),
            (Some(Value::Double(number)), _) => Some(*number),
            (Some(Value::Decimal(digits)), SqlType::Decimal { scale, .. }) => {
                Some(*digits as f64 / 10_f64.powi(i32::from(scale)))
            }
            _ => None,
        };
        match number {
            Some(number) if number > 0.0 && number.is_finite() => Some(number),
            _ => self.error_with_hint(
                *span,
                format!("{name} is a constant number above 0"),
                "give the distance within which rows are neighbours",
            ),
        }
    }

    fn group_rank(&mut self, cursor: Node, arguments: &Arguments<'_>) -> Option<Node> {
        self.argument_count(arguments, 6, 6)?;
        let column = self.cursor_column(arguments, 0, &cursor);
        let rank_name = self.text_parameter(arguments, 1, "rankOutColumnName");
        let descending =
            self.text_parameter(arguments, 2, "sortOrder").and_then(|text| match rank_order(&text) {
                Some(order) => Some(order == RankOrder::Descending),
                None => {
                    let span = arguments.values[2].0;
                    self.error(span, format!("sortOrder is 'asc' or 'desc', not '{text}'"))
                }
            });
        let output_order = self.text_parameter(arguments, 3, "outputOrder");
        // A group is complete as soon as time goes on, which bounds tell: nothing is left to wait for.
        let max_idle = self.parameter(arguments, 4, "maxIdle in milliseconds", 0..=i64::from(i32::MAX), 0);
        let output_max = self.parameter(arguments, 5, "outputMax", 0..=i64::from(i32::MAX), 0);
        let (column, rank_name, descending) = (column?, rank_name?, descending?);
        let (output_order, output_max) = (output_order?, output_max?);
        max_idle?;
        if rank_name.is_empty() || rank_name.chars().count() > crate::limits::MAX_NAME_CHARACTERS {
            let message =
                format!("rankOutColumnName has 1 to {} characters", crate::limits::MAX_NAME_CHARACTERS);
            return self.error(arguments.values[1].0, message);
        }
        if cursor.output.iter().any(|column| column.name == rank_name) {
            return self.error_with_hint(
                arguments.values[1].0,
                format!("the cursor has a column \"{rank_name}\" already"),
                "give the rank another name",
            );
        }
        let mut output = cursor.output.clone();
        output.push(Output { name: rank_name, sql_type: SqlType::Integer });
        let function = TableFunction::GroupRank(GroupRankCall {
            key: SortColumn { column, descending, nulls_first: descending },
            output: rank_order(&output_order),
            output_max: usize::try_from(output_max).ok().filter(|most| *most > 0),
        });
        Some(Node { kind: NodeKind::TableFunction { input: Box::new(cursor), function }, output })
    }

    fn text_parameter(&mut self, arguments: &Arguments<'_>, index: usize, name: &str) -> Option<String> {
        let (span, value) = arguments.values.get(index)?;
        match value.literal() {
            Some(Value::Text(text)) => Some(text.clone()),
            _ => self.error(*span, format!("{name} is a constant text in single quotes")),
        }
    }
}

fn rank_order(text: &str) -> Option<RankOrder> {
    match text.trim().to_ascii_lowercase().as_str() {
        "asc" => Some(RankOrder::Ascending),
        "desc" => Some(RankOrder::Descending),
        _ => None,
    }
}
