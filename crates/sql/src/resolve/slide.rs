//! OVER: sliding windows and the functions over them.

use super::Resolver;
use super::aggregate::{function_named, is_analytic_name};
use super::conversion::coerce;
use super::expression::{Clause, Intercepted};
use super::group::same;
use super::scope::Scope;
use crate::syntax::{
    Call, Expr, ExprKind, FrameBound, FrameBoundKind, FrameClause, Name, Over, WindowSpecification,
};
use crate::{
    Expression, Frame, Node, NodeKind, Output, SlidingWindow, Span, SqlType, Value, WindowCall,
    WindowFunction,
};
use millstream_wording::noun;

/// Named windows of a WINDOW clause.
pub(super) type WindowDefinitions = Vec<(String, WindowSpecification)>;

/// What a query with OVER collects while its select list is resolved.
pub(super) struct Sliding {
    definitions: WindowDefinitions,
    windows: Vec<SlidingWindow>,
    calls: Vec<WindowCall>,
    input_columns: usize,
}

impl Sliding {
    pub(super) fn new(definitions: WindowDefinitions, input_columns: usize) -> Sliding {
        Sliding { definitions, windows: Vec::new(), calls: Vec::new(), input_columns }
    }

    /// The operator over its input. Columns: those of the input, then the calls.
    pub(super) fn node(self, input: Node) -> Node {
        let mut output = input.output.clone();
        for (index, call) in self.calls.iter().enumerate() {
            output.push(Output { name: format!("EXPR${index}"), sql_type: call.sql_type });
        }
        let kind = NodeKind::Slide { input: Box::new(input), windows: self.windows, calls: self.calls };
        Node { kind, output }
    }

    fn window_index(&mut self, window: SlidingWindow) -> usize {
        let equal = |known: &SlidingWindow| {
            known.frame == window.frame
                && known.partition.len() == window.partition.len()
                && known.partition.iter().zip(&window.partition).all(|(left, right)| same(left, right))
        };
        match self.windows.iter().position(equal) {
            Some(index) => index,
            None => {
                self.windows.push(window);
                self.windows.len() - 1
            }
        }
    }
}

impl Clause for Sliding {
    fn intercept(&mut self, resolver: &mut Resolver<'_>, expr: &Expr, scope: &Scope) -> Intercepted {
        let ExprKind::Call(call) = &expr.kind else { return Intercepted::Passed };
        let Some(over) = &call.over else { return Intercepted::Passed };
        if function_named(&call.name.value).is_none() && !is_analytic_name(&call.name.value) {
            return Intercepted::Passed;
        }
        Intercepted::Taken(resolver.window_call(call, over, expr.span, scope, self))
    }
}

impl Resolver<'_> {
    /// An item of a select list with windows.
    pub(super) fn sliding(
        &mut self,
        expr: &Expr,
        scope: &Scope,
        sliding: &mut Sliding,
    ) -> Option<Expression> {
        let place = "a select without GROUP BY (analytic functions need OVER)";
        let mut context =
            super::expression::Context { scope, place, clause: Some(sliding), is_grouped: false };
        self.expression(expr, &mut context)
    }

    /// The WINDOW clause.
    pub(super) fn window_definitions(
        &mut self,
        windows: &[(Name, WindowSpecification)],
        scope: &Scope,
        of_joins: &[&str],
    ) -> WindowDefinitions {
        let mut definitions: WindowDefinitions = Vec::new();
        for (name, specification) in windows {
            if definitions.iter().any(|(known, _)| *known == name.value) {
                self.error::<()>(name.span, format!("window \"{}\" is defined twice", name.value));
            }
            // Its mistakes are reported even when no call uses it. A call says the same again, which is passed over.
            // A window of a join has rules of its own.
            if !of_joins.contains(&name.value.as_str()) {
                self.window_specification(specification, scope, &definitions);
            }
            definitions.push((name.value.clone(), specification.clone()));
        }
        definitions
    }

    fn window_call(
        &mut self,
        call: &Call,
        over: &Over,
        span: Span,
        scope: &Scope,
        sliding: &mut Sliding,
    ) -> Option<Expression> {
        let window = self.window(over, scope, &sliding.definitions.clone());
        let argument = call.arguments.first();
        let argument = argument.map(|it| self.scalar(it, scope, "the argument of an analytic function"));
        let (Some(window), false) = (window, argument == Some(None)) else {
            self.check_names(call.arguments.iter().skip(1), scope);
            return None;
        };
        let argument = argument.flatten();
        let (function, argument, distinct, sql_type) = match function_named(&call.name.value) {
            Some(function) => {
                let typed = self.aggregate(call, function, argument, span)?;
                (WindowFunction::Aggregate(function), typed.argument, typed.distinct, typed.sql_type)
            }
            None => {
                let argument = argument?;
                let (function, argument) = self.analytic(call, argument, &window, scope, span)?;
                let sql_type = match function {
                    WindowFunction::ExpAvg { .. } => SqlType::Double,
                    _ => argument.sql_type,
                };
                (function, Some(argument), false, sql_type)
            }
        };
        let window = sliding.window_index(window);
        let index = sliding.input_columns + sliding.calls.len();
        sliding.calls.push(WindowCall { function, argument, distinct, window, sql_type });
        Some(Expression::column(index, sql_type, span))
    }

    /// FIRST_VALUE, LAST_VALUE, NTH_VALUE, LAG, EXP_AVG.
    fn analytic(
        &mut self,
        call: &Call,
        argument: Expression,
        window: &SlidingWindow,
        scope: &Scope,
        span: Span,
    ) -> Option<(WindowFunction, Expression)> {
        let name = call.name.value.as_str();
        let count = call.arguments.len();
        let (least, most) = match name {
            "NTH_VALUE" | "EXP_AVG" => (2, 2),
            "LAG" => (1, 3),
            _ => (1, 1),
        };
        if !(least..=most).contains(&count) {
            let takes = if least == most { least.to_string() } else { format!("{least} to {most}") };
            self.check_names(call.arguments.iter().skip(1), scope);
            return self.error(span, format!("{name} takes {takes} {}, not {count}", noun(most, "argument")));
        }
        let ignore_nulls = call.ignore_nulls;
        let second = match call.arguments.get(1) {
            Some(expr) => match self.scalar(expr, scope, "the second argument") {
                Some(second) => Some((expr.span, second)),
                None => {
                    self.check_names(call.arguments.get(2), scope);
                    return None;
                }
            },
            None => None,
        };
        let whole_number = |expression: &Expression| match expression.literal() {
            Some(Value::Integer(number)) => u64::try_from(*number).ok(),
            _ => None,
        };
        let function = match (name, second) {
            ("FIRST_VALUE", _) => WindowFunction::FirstValue { ignore_nulls },
            ("LAST_VALUE", _) => WindowFunction::LastValue { ignore_nulls },
            ("NTH_VALUE", Some((place, n))) => match whole_number(&n).filter(|n| *n > 0) {
                Some(n) => WindowFunction::NthValue { n, from_last: call.from_last, ignore_nulls },
                None => {
                    return self
                        .error(place, "NTH_VALUE counts from 1: its second argument is a constant above 0");
                }
            },
            ("LAG", second) => {
                let offset = match second {
                    None => super::literal::literal(Value::Integer(1), SqlType::BigInt, span),
                    Some((place, n)) => self.lag_offset(n, place)?,
                };
                let default = match call.arguments.get(2) {
                    Some(expr) => Some(Box::new(self.lag_default(expr, &argument, scope)?)),
                    None => None,
                };
                WindowFunction::Lag { offset: Box::new(offset), default, ignore_nulls }
            }
            (_, Some((place, half_life))) => {
                if !matches!(window.frame, Frame::Range { .. }) {
                    return self.error_with_hint(
                        span,
                        "EXP_AVG needs a RANGE window",
                        "write RANGE INTERVAL '…' … PRECEDING",
                    );
                }
                if !argument.sql_type.is_numeric() {
                    return self.error(span, format!("EXP_AVG takes a number, not {}", argument.sql_type));
                }
                match half_life.literal() {
                    Some(Value::IntervalMillis(millis)) if *millis > 0 => {
                        let function = WindowFunction::ExpAvg { half_life: *millis };
                        return Some((function, coerce(argument, SqlType::Double)));
                    }
                    _ => return self.error(place, "the half-life of EXP_AVG is a constant interval above 0"),
                }
            }
            _ => return None,
        };
        Some((function, argument))
    }

    /// How many rows LAG goes back: a whole number of the current row.
    fn lag_offset(&mut self, offset: Expression, place: Span) -> Option<Expression> {
        if !(offset.sql_type.is_integer() || offset.sql_type == SqlType::Null) {
            let message = format!("LAG goes back a whole number of rows, not {}", offset.sql_type);
            return self.error_with_hint(place, message, "convert it: CAST(… AS INTEGER)");
        }
        if matches!(offset.literal(), Some(Value::Integer(rows)) if *rows < 0) {
            return self.error_with_hint(
                place,
                "LAG goes back 0 rows or more: a stream does not know its later rows",
                "write the number without a sign",
            );
        }
        Some(coerce(offset, SqlType::BigInt))
    }

    /// The default of LAG: a value of the current row, of the argument's type.
    fn lag_default(&mut self, expr: &Expr, argument: &Expression, scope: &Scope) -> Option<Expression> {
        let default = self.scalar(expr, scope, "the default of LAG")?;
        if argument.sql_type.common(default.sql_type).is_none() {
            let message =
                format!("the default of LAG is {}, its argument {}", default.sql_type, argument.sql_type);
            return self.error_with_hint(expr.span, message, "convert one of them with CAST");
        }
        let loses = argument.sql_type.is_integer()
            && !(default.sql_type.is_integer() || default.sql_type == SqlType::Null);
        if loses {
            let message = format!("the default of LAG must be {}", argument.sql_type);
            let hint = format!("convert it: CAST(… AS {})", argument.sql_type);
            return self.error_with_hint(expr.span, message, hint);
        }
        Some(coerce(default, argument.sql_type))
    }

    fn window(
        &mut self,
        over: &Over,
        scope: &Scope,
        definitions: &WindowDefinitions,
    ) -> Option<SlidingWindow> {
        match over {
            Over::Specification(specification) => {
                self.window_specification(specification, scope, definitions)
            }
            Over::Name(name) => {
                let index = self.definition(name, definitions)?;
                // A definition sees those before it.
                let earlier = definitions[..index].to_vec();
                let specification = definitions[index].1.clone();
                self.window_specification(&specification, scope, &earlier)
            }
        }
    }

    pub(super) fn definition(&mut self, name: &Name, definitions: &WindowDefinitions) -> Option<usize> {
        match definitions.iter().position(|(known, _)| *known == name.value) {
            Some(index) => Some(index),
            None => {
                let hint =
                    crate::similar_name::hint(&name.value, definitions.iter().map(|(n, _)| n.as_str()))
                        .unwrap_or_else(|| format!("define it: WINDOW {} AS (…)", name.value));
                self.error_with_hint(name.span, format!("there is no window \"{}\"", name.value), hint)
            }
        }
    }

    fn window_specification(
        &mut self,
        specification: &WindowSpecification,
        scope: &Scope,
        definitions: &WindowDefinitions,
    ) -> Option<SlidingWindow> {
        let base = specification
            .base
            .as_ref()
            .map(|name| self.window(&Over::Name(name.clone()), scope, definitions));
        if let Some(order_by) = &specification.order_by {
            self.error_with_hint::<()>(
                order_by.span,
                "ORDER BY is not allowed in a window: streams are in order of ROWTIME",
                "remove it",
            );
        }
        let partition: Vec<Option<Expression>> =
            specification.partition_by.iter().map(|expr| self.scalar(expr, scope, "PARTITION BY")).collect();
        let frame = specification.frame.as_ref().map(|frame| self.frame(frame, scope));
        if specification.order_by.is_some() {
            return None;
        }
        let partition: Vec<Expression> = partition.into_iter().collect::<Option<_>>()?;
        let frame = match frame {
            Some(frame) => Some(frame?),
            None => None,
        };
        let (base_partition, base_frame) = match base {
            Some(base) => base.map(|base| (base.partition, Some(base.frame)))?,
            None => (Vec::new(), None),
        };
        let partition = if partition.is_empty() { base_partition } else { partition };
        Some(SlidingWindow { partition, frame: frame.or(base_frame).unwrap_or(Frame::Unbounded) })
    }

    pub(super) fn frame(&mut self, clause: &FrameClause, scope: &Scope) -> Option<Frame> {
        if let Some(end) = &clause.end
            && !matches!(end.kind, FrameBoundKind::CurrentRow)
        {
            self.start_of_frame(clause, scope);
            return self.bad_bound(end, "a window of a stream ends with the CURRENT ROW");
        }
        self.start_of_frame(clause, scope)
    }

    fn bad_bound(&mut self, bound: &FrameBound, why: &str) -> Option<Frame> {
        let direction = match &bound.kind {
            FrameBoundKind::CurrentRow => "CURRENT ROW",
            FrameBoundKind::Unbounded { following: true } => "UNBOUNDED FOLLOWING",
            FrameBoundKind::Unbounded { following: false } => "UNBOUNDED PRECEDING",
            FrameBoundKind::Offset { following: true, .. } => "FOLLOWING",
            FrameBoundKind::Offset { following: false, .. } => "PRECEDING",
        };
        let message = format!("{direction} is not allowed here: {why}");
        self.error_with_hint(bound.span, message, "write … PRECEDING, or BETWEEN … PRECEDING AND CURRENT ROW")
    }

    fn start_of_frame(&mut self, clause: &FrameClause, scope: &Scope) -> Option<Frame> {
        let start = &clause.start;
        let zero = if clause.is_range { Frame::Range { millis: 0 } } else { Frame::Rows { rows: 0 } };
        match &start.kind {
            FrameBoundKind::CurrentRow => Some(zero),
            FrameBoundKind::Unbounded { following: false } => Some(Frame::Unbounded),
            FrameBoundKind::Unbounded { following: true }
            | FrameBoundKind::Offset { following: true, .. } => {
                self.bad_bound(start, "a window of a stream reaches back, not forward")
            }
            FrameBoundKind::Offset { expr, following: false } => {
                let size = self.scalar(expr, scope, "a window")?;
                match (clause.is_range, size.literal()) {
                    (true, Some(Value::IntervalMillis(millis))) if *millis >= 0 => {
                        self.note_window(start.span, *millis);
                        Some(Frame::Range { millis: *millis })
                    }
                    (true, Some(Value::IntervalMillis(_))) => {
                        self.bad_bound(start, "its interval is negative")
                    }
                    (true, _) => self.error_with_hint(
                        start.span,
                        "RANGE … PRECEDING takes a constant interval of days to seconds",
                        "write RANGE INTERVAL '1' MINUTE PRECEDING",
                    ),
                    (false, Some(Value::Integer(rows))) => match u64::try_from(*rows) {
                        Ok(0) => self.bad_bound(start, "0 rows: write CURRENT ROW"),
                        Ok(rows) => Some(Frame::Rows { rows }),
                        Err(_) => self.bad_bound(start, "its number of rows is negative"),
                    },
                    (false, _) => self.error_with_hint(
                        start.span,
                        "ROWS … PRECEDING takes a constant number of rows",
                        "write ROWS 10 PRECEDING",
                    ),
                }
            }
        }
    }
}
