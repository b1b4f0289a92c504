//! Which names an expression can see.

use super::Resolver;
use super::group::shown_name;
use crate::similar_name;
use crate::syntax::{Name, TableAlias};
use crate::{Diagnostic, Expression, ExpressionKind, Node, Output, Span, SqlType};
use millstream_wording::counted;

/// The relations of a FROM clause, side by side.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope {
    pub(super) relations: Vec<Relation>,
    /// Columns that USING or NATURAL have made one of two.
    pub(super) merged: Vec<MergedColumn>,
    /// ROWTIME without a relation is that of the row that the query gives, even when FROM has several streams.
    pub(super) is_select_list: bool,
}

/// One column of two.
#[derive(Clone, Debug)]
pub(super) struct MergedColumn {
    pub(super) name: String,
    pub(super) value: Expression,
    /// The places of the two in the row.
    pub(super) members: Vec<usize>,
}

/// Where the ROWTIME of a relation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RelationTime {
    /// That of the row.
    Row,
    /// A column of the row: an earlier row of a join has come before it.
    Column(usize),
    /// A finite relation has none.
    None,
}

/// A relation: its name and where its columns stand in the row.
#[derive(Clone, Debug)]
pub(super) struct Relation {
    pub(super) name: Option<String>,
    pub(super) columns: Vec<Output>,
    pub(super) offset: usize,
    /// Columns that the service adds behind those of the records; `*` leaves them out.
    pub(super) hidden: usize,
    pub(super) rowtime: RelationTime,
    /// A second name: that of its join window, when it has no alias.
    pub(super) window_name: Option<String>,
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
        let relation =
            Relation { name, columns, offset: 0, hidden, rowtime: RelationTime::Row, window_name: None };
        Scope { relations: vec![relation], ..Scope::default() }
    }

    /// The same for a select list.
    pub(super) fn for_select_list(&self) -> Scope {
        Scope { is_select_list: true, ..self.clone() }
    }

    /// What `*` lists: merged columns first, then those of each relation.
    pub(super) fn listed(&self, span: Span) -> Vec<(Expression, Output)> {
        let merged = self.merged.iter().map(|column| {
            let value = Expression { span, ..column.value.clone() };
            let output = Output { name: column.name.clone(), sql_type: value.sql_type };
            (value, output)
        });
        let columns = self.relations.iter().flat_map(Relation::listed);
        let columns = columns.filter(|(index, _)| !self.is_member(*index));
        let columns =
            columns.map(|(index, column)| (Expression::column(index, column.sql_type, span), column.clone()));
        merged.chain(columns).collect()
    }

    /// Says that the relation of these rows has no ROWTIME when it is finite.
    pub(super) fn settle_time(&mut self, node: &Node) {
        if node.is_finite() {
            self.relations.iter_mut().for_each(|relation| relation.rowtime = RelationTime::None);
        }
    }

    fn is_member(&self, index: usize) -> bool {
        self.merged.iter().any(|column| column.members.contains(&index))
    }

    /// How many relations have a ROWTIME.
    fn streams(&self) -> usize {
        self.relations.iter().filter(|relation| relation.rowtime != RelationTime::None).count()
    }

    /// Whether an expression that names this column alone is of one, whatever comes of it.
    pub(super) fn has_column(&self, name: &str) -> bool {
        self.merged.iter().any(|merged| merged.name == name)
            || self.columns().any(|(_, output)| output.name == name)
    }

    /// All columns in order, those included that `*` leaves out.
    pub(super) fn columns(&self) -> impl Iterator<Item = (usize, &Output)> {
        self.relations.iter().flat_map(|relation| {
            relation.columns.iter().enumerate().map(|(index, column)| (relation.offset + index, column))
        })
    }

    pub(super) fn relation(&self, name: &str) -> Option<&Relation> {
        let by_name = self.relations.iter().find(|relation| relation.name.as_deref() == Some(name));
        by_name.or_else(|| {
            let mut by_window =
                self.relations.iter().filter(|relation| relation.window_name.as_deref() == Some(name));
            by_window.next().filter(|_| by_window.next().is_none())
        })
    }
}

/// What the service adds to inputs, for hints.
const METADATA_COLUMNS: [&str; 4] =
    ["APPROXIMATE_ARRIVAL_TIME", "PARTITION_KEY", "SEQUENCE_NUMBER", "SHARD_ID"];

/// Whether the name is the implicit time column.
pub(super) fn is_rowtime(name: &Name) -> bool {
    name.value == "ROWTIME"
}

impl Resolver<'_> {
    /// Applies `AS alias (columns)` to the columns of a relation. Names without a column are mistakes, and passed over.
    pub(super) fn aliased(
        &mut self,
        name: Option<String>,
        mut columns: Vec<Output>,
        hidden: usize,
        alias: Option<&TableAlias>,
    ) -> Scope {
        let Some(alias) = alias else {
            return Scope::single(name, columns, hidden);
        };
        if let Some(names) = &alias.columns {
            let shown = columns.len() - hidden;
            let count = rename(&mut columns[..shown], names);
            if let Some(extra) = names.get(count) {
                let message =
                    format!("the relation has {}: no column for {}", counted(count, "column"), extra.value);
                self.error::<()>(extra.span, message);
            }
        }
        Scope::single(Some(alias.name.value.clone()), columns, hidden)
    }

    /// The column that `parts` names.
    pub(super) fn column(&mut self, parts: &[Name], scope: &Scope) -> Option<Expression> {
        let (column, qualifiers) = parts.split_last()?;
        let span = parts[0].span.to(column.span);
        if let Some(fields) = record_fields(qualifiers, scope) {
            return self.field(span, column, &fields);
        }
        match qualifiers.last() {
            None => self.unqualified_column(column, scope),
            Some(relation_name) => {
                let Some(relation) = scope.relation(&relation_name.value) else {
                    return self.unknown_relation(relation_name, scope);
                };
                if is_rowtime(column) {
                    return match relation.rowtime {
                        RelationTime::Row => Some(row_time(span)),
                        RelationTime::Column(index) => {
                            Some(Expression::column(index, SqlType::Timestamp, span))
                        }
                        RelationTime::None => self.error(span, "a reference table has no ROWTIME"),
                    };
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

    fn field(&mut self, span: Span, name: &Name, fields: &[(usize, Output)]) -> Option<Expression> {
        let names = || fields.iter().filter_map(|(_, output)| output.record_field());
        if let Some(found) = names().position(|(_, field)| field == name.value) {
            let (index, output) = &fields[found];
            return Some(Expression::column(*index, output.sql_type, span));
        }
        let record = names().next().map_or("", |(record, _)| record);
        let mut mistake =
            Diagnostic::error(span, format!("the record \"{record}\" has no field \"{}\"", name.value));
        mistake.hint = similar_name::hint(&name.value, names().map(|(_, field)| field)).or_else(|| {
            let known: Vec<&str> = names().take(8).map(|(_, field)| field).collect();
            Some(format!("its fields are {}", known.join(", ")))
        });
        self.report(mistake);
        None
    }

    fn unqualified_column(&mut self, column: &Name, scope: &Scope) -> Option<Expression> {
        if is_rowtime(column) {
            return match scope.streams() {
                0 => self.error(column.span, "ROWTIME needs a stream in FROM"),
                1 => Some(row_time(column.span)),
                _ if scope.is_select_list => Some(row_time(column.span)),
                _ => {
                    let timed = scope.relations.iter().filter(|it| it.rowtime != RelationTime::None);
                    let names: Vec<Option<&str>> = timed.map(|relation| relation.name.as_deref()).collect();
                    let message = "ROWTIME is ambiguous: FROM has several streams";
                    self.error_with_hint(column.span, message, whose(&names, "ROWTIME"))
                }
            };
        }
        let merged = scope.merged.iter().filter(|merged| merged.name == column.value);
        let merged = merged.map(|merged| Expression { span: column.span, ..merged.value.clone() });
        let columns =
            scope.columns().filter(|(index, output)| output.name == column.value && !scope.is_member(*index));
        let columns = columns.map(|(index, output)| Expression::column(index, output.sql_type, column.span));
        let mut matches = merged.chain(columns);
        match (matches.next(), matches.next()) {
            (Some(found), None) => Some(found),
            (Some(_), Some(_)) => self.ambiguous_column(column, scope),
            _ => {
                let columns: Vec<Output> = scope.columns().map(|(_, output)| output.clone()).collect();
                self.unknown_column(column.span, column, &columns, None)
            }
        }
    }

    fn ambiguous_column(&mut self, column: &Name, scope: &Scope) -> Option<Expression> {
        let shown = shown_name(&column.value);
        let has = |relation: &&Relation| relation.columns.iter().any(|output| output.name == column.value);
        let names: Vec<Option<&str>> =
            scope.relations.iter().filter(has).map(|relation| relation.name.as_deref()).collect();
        let (why, hint) = match names.as_slice() {
            [_] => ("its relation has several of that name", "give them names of their own".to_owned()),
            _ => ("several relations have it", whose(&names, &shown)),
        };
        self.error_with_hint(column.span, format!("column {shown} is ambiguous: {why}"), hint)
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
        let is_record =
            |output: &Output| output.record_field().is_some_and(|(record, _)| record == name.value);
        if let Some(field) = columns.iter().find(|output| is_record(output)) {
            let message = format!("{} is a record: name one of its fields", name.value);
            return self.error_with_hint(span, message, format!("write …{}", field.shown_name()));
        }
        let place = relation.map_or(String::new(), |relation| format!(" in \"{relation}\""));
        let message = format!("column \"{}\" does not exist{place}", name.value);
        let mut mistake = Diagnostic::error(span, message);
        let of_the_service = METADATA_COLUMNS.contains(&name.value.to_uppercase().as_str()).then(|| {
            "only inputs have the columns of the service (those of a delivery stream APPROXIMATE_ARRIVAL_TIME alone): \
             select it in the pump that reads the input, into a column of this stream"
                .to_owned()
        });
        let near = similar_name::hint(&name.value, columns.iter().map(|column| column.name.as_str()));
        mistake.hint = near.or(of_the_service).or_else(|| {
            let names: Vec<String> =
                columns.iter().take(8).map(|c| format!("\"{}\"", c.shown_name())).collect();
            let columns = (!names.is_empty()).then(|| format!("the columns are {}", names.join(", ")));
            // What is quoted and like none of them is often meant to be a text.
            let text = (name.quoted && relation.is_none())
                .then(|| format!("a text stands in single quotes: '{}'", name.value.replace('\'', "''")));
            let hints: Vec<String> = text.into_iter().chain(columns).collect();
            (!hints.is_empty()).then(|| hints.join("; "))
        });
        self.report(mistake);
        None
    }
}

/// `say whose: A.N or B.N`.
fn whose(relations: &[Option<&str>], column: &str) -> String {
    let names: Option<Vec<&str>> = relations.iter().copied().collect();
    let Some(names) = names else { return "give each query in FROM an alias, and say whose".to_owned() };
    let columns: Vec<String> = names.iter().map(|name| format!("{}.{column}", shown_name(name))).collect();
    format!("say whose: {}", columns.join(" or "))
}

/// The implicit time of the input row.
pub(super) fn row_time(span: Span) -> Expression {
    Expression::new(ExpressionKind::RowTime, SqlType::Timestamp, span)
}

/// Gives the columns new names as far as there are any; gives the number of columns, a record counting once.
fn rename(columns: &mut [Output], names: &[Name]) -> usize {
    let mut names = names.iter();
    let mut count = 0;
    let mut renamed_record: Option<(String, Option<&Name>)> = None;
    for column in columns {
        let Some((record, field)) = column.record_field() else {
            count += 1;
            if let Some(name) = names.next() {
                column.name.clone_from(&name.value);
            }
            renamed_record = None;
            continue;
        };
        if renamed_record.as_ref().is_none_or(|(known, _)| known != record) {
            count += 1;
            renamed_record = Some((record.to_owned(), names.next()));
        }
        if let Some((_, Some(name))) = &renamed_record {
            *column = Output::of_field(&name.value, field, column.sql_type);
        }
    }
    count
}

/// The fields of the record column that `parts` names (`r` or `t.r`), with their places in the row; `None` when there
/// is no such record.
pub(super) fn record_fields(parts: &[Name], scope: &Scope) -> Option<Vec<(usize, Output)>> {
    let (record, qualifiers) = parts.split_last()?;
    if qualifiers.is_empty() && scope.relation(&record.value).is_some() {
        return None;
    }
    let relation = qualifiers.last().map(|name| &name.value);
    let mut fields = Vec::new();
    for candidate in scope.relations.iter().filter(|r| relation.is_none() || r.name.as_ref() == relation) {
        for (index, output) in candidate.columns.iter().enumerate() {
            if output.record_field().is_some_and(|(name, _)| name == record.value) {
                fields.push((candidate.offset + index, output.clone()));
            }
        }
    }
    (!fields.is_empty()).then_some(fields)
}
