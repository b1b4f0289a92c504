//! Which names an expression can see.

use super::Resolver;
use crate::similar_name;
use crate::syntax::{Name, TableAlias};
use crate::{Diagnostic, Expression, ExpressionKind, Output, Span, SqlType};

/// The relations of a FROM clause, side by side.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope {
    pub(super) relations: Vec<Relation>,
}

/// A relation: its name and where its columns stand in the row.
#[derive(Clone, Debug)]
pub(super) struct Relation {
    pub(super) name: Option<String>,
    pub(super) columns: Vec<Output>,
    pub(super) offset: usize,
    /// Columns that the service adds behind those of the records; `*` leaves them out.
    pub(super) hidden: usize,
}

impl Relation {
    /// The columns that `*` lists, with their places in the row.
    pub(super) fn listed(&self) -> impl Iterator<Item = (usize, &Output)> {
        let shown = self.columns.len() - self.hidden;
        self.columns[..shown].iter().enumerate().map(|(index, column)| (self.offset + index, column))
    }
}

impl Scope {
    /// The scope of a single relation.
    pub(super) fn single(name: Option<String>, columns: Vec<Output>, hidden: usize) -> Scope {
        Scope { relations: vec![Relation { name, columns, offset: 0, hidden }] }
    }

    /// All columns in order, those included that `*` leaves out.
    pub(super) fn columns(&self) -> impl Iterator<Item = (usize, &Output)> {
        self.relations.iter().flat_map(|relation| {
            relation.columns.iter().enumerate().map(|(index, column)| (relation.offset + index, column))
        })
    }

    pub(super) fn relation(&self, name: &str) -> Option<&Relation> {
        self.relations.iter().find(|relation| relation.name.as_deref() == Some(name))
    }
}

/// Whether the name is the implicit time column.
pub(super) fn is_rowtime(name: &Name) -> bool {
    name.value == "ROWTIME"
}

impl Resolver<'_> {
    /// Applies `AS alias (columns)` to the columns of a relation.
    pub(super) fn aliased(
        &mut self,
        name: Option<String>,
        mut columns: Vec<Output>,
        hidden: usize,
        alias: Option<&TableAlias>,
    ) -> Option<Scope> {
        let Some(alias) = alias else {
            return Some(Scope::single(name, columns, hidden));
        };
        if let Some(names) = &alias.columns {
            if let Some(extra) = names.get(columns.len() - hidden) {
                let count = columns.len() - hidden;
                let message = format!("the relation has {count} columns: no column for {}", extra.value);
                return self.error(extra.span, message);
            }
            for (column, name) in columns.iter_mut().zip(names) {
                column.name.clone_from(&name.value);
            }
        }
        Some(Scope::single(Some(alias.name.value.clone()), columns, hidden))
    }

    /// The column that `parts` names.
    pub(super) fn column(&mut self, parts: &[Name], scope: &Scope) -> Option<Expression> {
        let (column, qualifiers) = parts.split_last()?;
        let span = parts[0].span.to(column.span);
        match qualifiers.last() {
            None => self.unqualified_column(column, scope),
            Some(relation_name) => {
                let Some(relation) = scope.relation(&relation_name.value) else {
                    return self.unknown_relation(relation_name, scope);
                };
                if is_rowtime(column) {
                    return Some(row_time(span));
                }
                let found = relation.columns.iter().position(|c| c.name == column.value);
                match found {
                    Some(index) => {
                        let sql_type = relation.columns[index].sql_type;
                        Some(Expression::column(relation.offset + index, sql_type, span))
                    }
                    None => {
                        let relation = relation.clone();
                        self.unknown_column(span, column, &relation.columns, Some(&relation_name.value))
                    }
                }
            }
        }
    }

    fn unqualified_column(&mut self, column: &Name, scope: &Scope) -> Option<Expression> {
        if is_rowtime(column) {
            return match scope.relations.len() {
                0 => self.error(column.span, "ROWTIME needs a stream in FROM"),
                1 => Some(row_time(column.span)),
                _ => self.error_with_hint(
                    column.span,
                    "ROWTIME is ambiguous: FROM has several streams",
                    "say whose: alias.ROWTIME",
                ),
            };
        }
        let mut matches = scope.columns().filter(|(_, output)| output.name == column.value);
        match (matches.next(), matches.next()) {
            (Some((index, output)), None) => Some(Expression::column(index, output.sql_type, column.span)),
            (Some(_), Some(_)) => {
                let message = format!("column {} is ambiguous: several relations have it", column.value);
                self.error_with_hint(column.span, message, format!("say whose: alias.{}", column.value))
            }
            _ => {
                let columns: Vec<Output> = scope.columns().map(|(_, output)| output.clone()).collect();
                self.unknown_column(column.span, column, &columns, None)
            }
        }
    }

    fn unknown_relation(&mut self, name: &Name, scope: &Scope) -> Option<Expression> {
        let names = scope.relations.iter().filter_map(|relation| relation.name.as_deref());
        let hint = similar_name::hint(&name.value, names.clone()).or_else(|| {
            let known: Vec<String> = names.map(|name| format!("\"{name}\"")).collect();
            (!known.is_empty()).then(|| format!("FROM has {}", known.join(", ")))
        });
        let message = format!("there is no stream or alias \"{}\" in FROM", name.value);
        let mut mistake = Diagnostic::error(name.span, message);
        mistake.hint = hint;
        self.report(mistake);
        None
    }

    fn unknown_column(
        &mut self,
        span: Span,
        name: &Name,
        columns: &[Output],
        relation: Option<&str>,
    ) -> Option<Expression> {
        let place = relation.map_or(String::new(), |relation| format!(" in \"{relation}\""));
        let message = format!("column \"{}\" does not exist{place}", name.value);
        let mut mistake = Diagnostic::error(span, message);
        mistake.hint = similar_name::hint(&name.value, columns.iter().map(|column| column.name.as_str()))
            .or_else(|| {
                let names: Vec<String> = columns.iter().take(8).map(|c| format!("\"{}\"", c.name)).collect();
                (!names.is_empty()).then(|| format!("the columns are {}", names.join(", ")))
            });
        self.report(mistake);
        None
    }
}

/// The implicit time of the input row.
pub(super) fn row_time(span: Span) -> Expression {
    Expression::new(ExpressionKind::RowTime, SqlType::Timestamp, span)
}
