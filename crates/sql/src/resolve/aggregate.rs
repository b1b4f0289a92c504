//! Aggregate functions: their names, arguments and results.

use super::Resolver;
use super::conversion::coerce;
use crate::syntax::Call;
use crate::{AggregateFunction, Expression, Span, SqlType};

/// Whether an unquoted call of this name aggregates.
pub(super) fn is_aggregate_name(name: &str) -> bool {
    function_named(name).is_some()
}

/// Functions that only exist over a window.
pub(super) const ANALYTIC: [&str; 5] = ["EXP_AVG", "FIRST_VALUE", "LAST_VALUE", "NTH_VALUE", "LAG"];

/// Reserved names without a function.
pub(super) const WITHOUT_FUNCTION: [&str; 19] = [
    "RANK",
    "DENSE_RANK",
    "ROW_NUMBER",
    "PERCENT_RANK",
    "CUME_DIST",
    "PERCENTILE_CONT",
    "PERCENTILE_DISC",
    "CORR",
    "COVAR_POP",
    "COVAR_SAMP",
    "REGR_AVGX",
    "REGR_AVGY",
    "REGR_COUNT",
    "REGR_INTERCEPT",
    "REGR_R2",
    "REGR_SLOPE",
    "REGR_SXX",
    "REGR_SXY",
    "REGR_SYY",
];

/// The aggregates by name.
pub(super) const AGGREGATES: [(&str, AggregateFunction); 13] = [
    ("COUNT", AggregateFunction::Count),
    ("SUM", AggregateFunction::Sum),
    ("AVG", AggregateFunction::Avg),
    ("MIN", AggregateFunction::Min),
    ("MAX", AggregateFunction::Max),
    ("STDDEV_POP", AggregateFunction::StddevPop),
    ("STDDEV_SAMP", AggregateFunction::StddevSamp),
    ("STDDEV", AggregateFunction::StddevSamp),
    ("STD_DEV", AggregateFunction::StddevSamp),
    ("VAR_POP", AggregateFunction::VarPop),
    ("VAR_SAMP", AggregateFunction::VarSamp),
    ("ANY", AggregateFunction::Any),
    ("EVERY", AggregateFunction::Every),
];

pub(super) fn is_analytic_name(name: &str) -> bool {
    ANALYTIC.contains(&name)
}

pub(super) fn is_unsupported_aggregate_name(name: &str) -> bool {
    WITHOUT_FUNCTION.contains(&name)
}

pub(super) fn function_named(name: &str) -> Option<AggregateFunction> {
    AGGREGATES.iter().find(|(known, _)| *known == name).map(|(_, function)| *function)
}

/// The function of that name over the rows of a group: an aggregate, or one of the two analytic functions that look at
/// the ends of a group as they look at those of a window.
pub(super) fn group_function_named(name: &str) -> Option<AggregateFunction> {
    match name {
        "FIRST_VALUE" => Some(AggregateFunction::FirstValue { ignore_nulls: false }),
        "LAST_VALUE" => Some(AggregateFunction::LastValue { ignore_nulls: false }),
        _ => function_named(name),
    }
}

/// An aggregate with its argument in the type in which it is computed, and the type of its result.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct TypedAggregate {
    pub(super) function: AggregateFunction,
    pub(super) argument: Option<Expression>,
    pub(super) distinct: bool,
    pub(super) sql_type: SqlType,
}

impl Resolver<'_> {
    /// Types an aggregate call whose argument is already resolved.
    pub(super) fn aggregate(
        &mut self,
        call: &Call,
        function: AggregateFunction,
        argument: Option<Expression>,
        span: Span,
    ) -> Option<TypedAggregate> {
        use AggregateFunction as A;
        let name = &call.name.value;
        if call.star {
            if function != A::Count {
                return self.error(span, format!("{name}(*) does not exist: only COUNT counts rows"));
            }
            return Some(TypedAggregate {
                function,
                argument: None,
                distinct: false,
                sql_type: SqlType::BigInt,
            });
        }
        if call.arguments.len() != 1 {
            return self.error(span, format!("{name} takes 1 argument, not {}", call.arguments.len()));
        }
        if call.distinct && function == A::Count {
            return self.error_with_hint(
                span,
                "COUNT(DISTINCT …) is not part of the language",
                "use TABLE(COUNT_DISTINCT_ITEMS_TUMBLING(CURSOR(…), 'column', seconds))",
            );
        }
        let function = match function {
            A::FirstValue { .. } => A::FirstValue { ignore_nulls: call.ignore_nulls },
            A::LastValue { .. } => A::LastValue { ignore_nulls: call.ignore_nulls },
            other => other,
        };
        let argument = argument?;
        let found = argument.sql_type;
        let wrong = |resolver: &mut Self, takes: &str| {
            resolver.error_with_hint(
                span,
                format!("{name} takes {takes}, not {found}"),
                "convert it with CAST",
            )
        };
        let (computed, sql_type) = match function {
            A::Count => (found, SqlType::BigInt),
            A::Sum | A::Avg => match found {
                SqlType::Null => (SqlType::BigInt, SqlType::BigInt),
                integer if integer.is_integer() => {
                    if function == A::Avg {
                        self.integer_averages.insert(span);
                    }
                    (SqlType::BigInt, if function == A::Sum { SqlType::BigInt } else { integer })
                }
                SqlType::Decimal { scale, .. } => {
                    let scale = if function == A::Sum { scale } else { scale.max(6) };
                    (found, SqlType::Decimal { precision: 18, scale })
                }
                SqlType::Real | SqlType::Double => (SqlType::Double, SqlType::Double),
                _ => return wrong(self, "a number"),
            },
            A::Min | A::Max => match found {
                SqlType::Boolean => return wrong(self, "a value with an order"),
                SqlType::Null => (SqlType::Integer, SqlType::Integer),
                other => (other, other),
            },
            A::StddevPop | A::StddevSamp | A::VarPop | A::VarSamp => {
                if !(found.is_numeric() || found == SqlType::Null) {
                    return wrong(self, "a number");
                }
                (SqlType::Double, SqlType::Double)
            }
            A::Any | A::Every => {
                if !matches!(found, SqlType::Boolean | SqlType::Null) {
                    return wrong(self, "a BOOLEAN");
                }
                (SqlType::Boolean, SqlType::Boolean)
            }
            A::FirstValue { .. } | A::LastValue { .. } => match found {
                SqlType::Null => (SqlType::Integer, SqlType::Integer),
                other => (other, other),
            },
        };
        let argument = Some(coerce(argument, computed));
        // The ends of a group are the same with or without its repetitions.
        let distinct = call.distinct && !matches!(function, A::FirstValue { .. } | A::LastValue { .. });
        Some(TypedAggregate { function, argument, distinct, sql_type })
    }
}
