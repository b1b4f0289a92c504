//! Period predicates, lowered to comparisons of their ends. Periods are half-open: `[start, end)`.

use super::Resolver;
use super::expression::Context;
use super::operator::compare;
use super::query::strip;
use crate::syntax::{Expr, ExprKind, PeriodPredicate, PeriodRelation, PeriodStrictness};
use crate::{ComparisonOperator, Diagnostic, Expression, ExpressionKind, Span, SqlType};

/// A period, or the single instant that CONTAINS takes.
struct Ends {
    start: Expression,
    end: Option<Expression>,
}

impl Resolver<'_> {
    pub(super) fn period(
        &mut self,
        predicate: PeriodPredicate,
        left: &Expr,
        right: &Expr,
        span: Span,
        context: &mut Context<'_>,
    ) -> Option<Expression> {
        let (x, y) = (self.ends(left, context), self.ends(right, context));
        let (x, y) = (x?, y?);
        let (xs, xe) = (x.start, x.end);
        let Some(xe) = xe else {
            return self.error(left.span, "the left side of a period predicate is a period: (start, end)");
        };
        let (ys, ye) = match (y.start, y.end, predicate.relation) {
            (start, Some(end), _) => (start, end),
            // The instant t is in [xs, xe): xs <= t and t < xe.
            (t, None, PeriodRelation::Contains) => {
                let strict = predicate.strictness == PeriodStrictness::Strictly;
                let low = if strict { ComparisonOperator::Less } else { ComparisonOperator::LessOrEqual };
                return Some(all(vec![(low, xs, t.clone()), (ComparisonOperator::Less, t, xe)], span));
            }
            (_, None, _) => {
                return self.error(right.span, "only CONTAINS takes a single timestamp on its right side");
            }
        };
        use ComparisonOperator as C;
        use PeriodRelation as R;
        use PeriodStrictness as S;
        if predicate.strictness == S::Immediately
            && matches!(predicate.relation, R::Equals | R::Contains | R::Overlaps)
            || predicate.strictness == S::Strictly && predicate.relation == R::Equals
        {
            self.report(Diagnostic::error(span, "this period predicate has no STRICTLY or IMMEDIATELY form"));
            return None;
        }
        let strictness = |plain, strict| match predicate.strictness {
            S::Plain => plain,
            S::Strictly => strict,
            S::Immediately => C::Equal,
        };
        let expression = match predicate.relation {
            R::Equals => all(vec![(C::Equal, xs, ys), (C::Equal, xe, ye)], span),
            R::Contains => {
                let (low, high) = (strictness(C::LessOrEqual, C::Less), strictness(C::LessOrEqual, C::Less));
                all(vec![(low, xs, ys), (high, ye, xe)], span)
            }
            R::Overlaps => {
                let overlaps =
                    all(vec![(C::Less, xs.clone(), ye.clone()), (C::Less, ys.clone(), xe.clone())], span);
                if predicate.strictness == S::Plain {
                    overlaps
                } else {
                    let contains = |a: [&Expression; 2], b: [&Expression; 2]| {
                        let pairs = vec![
                            (C::LessOrEqual, a[0].clone(), b[0].clone()),
                            (C::LessOrEqual, b[1].clone(), a[1].clone()),
                        ];
                        let not = ExpressionKind::Not(Box::new(all(pairs, span)));
                        Expression::new(not, SqlType::Boolean, span)
                    };
                    let neither =
                        and(contains([&xs, &xe], [&ys, &ye]), contains([&ys, &ye], [&xs, &xe]), span);
                    and(overlaps, neither, span)
                }
            }
            R::Precedes => all(vec![(strictness(C::LessOrEqual, C::Less), xe, ys)], span),
            R::Succeeds => all(vec![(strictness(C::GreaterOrEqual, C::Greater), xs, ye)], span),
            R::Leads => all(vec![(strictness(C::LessOrEqual, C::Less), xs, ys)], span),
            R::Lags => all(vec![(strictness(C::GreaterOrEqual, C::Greater), xe, ye)], span),
        };
        Some(expression)
    }

    fn ends(&mut self, expr: &Expr, context: &mut Context<'_>) -> Option<Ends> {
        match &strip(expr).kind {
            ExprKind::Row(items) => match items.as_slice() {
                [start, end] => {
                    let start = self.timestamp(start, context);
                    let end = self.timestamp(end, context);
                    Some(Ends { start: start?, end: Some(end?) })
                }
                _ => self.error(expr.span, "a period has a start and an end: (start, end)"),
            },
            _ => Some(Ends { start: self.timestamp(expr, context)?, end: None }),
        }
    }

    fn timestamp(&mut self, expr: &Expr, context: &mut Context<'_>) -> Option<Expression> {
        let expression = self.expression(expr, context)?;
        match expression.sql_type {
            SqlType::Timestamp => Some(expression),
            SqlType::Null => Some(Expression { sql_type: SqlType::Timestamp, ..expression }),
            other => self.error(expr.span, format!("the ends of a period are TIMESTAMPs, this is {other}")),
        }
    }
}

fn and(left: Expression, right: Expression, span: Span) -> Expression {
    Expression::new(ExpressionKind::And(Box::new(left), Box::new(right)), SqlType::Boolean, span)
}

fn all(comparisons: Vec<(ComparisonOperator, Expression, Expression)>, span: Span) -> Expression {
    let mut conjunction: Option<Expression> = None;
    for (operator, left, right) in comparisons {
        let comparison = compare(operator, left, right, false, span);
        conjunction = Some(match conjunction {
            None => comparison,
            Some(so_far) => and(so_far, comparison, span),
        });
    }
    conjunction.expect("a period predicate compares at least one pair")
}
