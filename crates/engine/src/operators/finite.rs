//! Relations without a stream: reference tables, VALUES, and what queries make of them. Their rows are computed whole.

use super::finite_groups::FiniteGroups;
use super::row_failures::report_row;
use super::{
    BuildSettings, Message, Operator, Outbox, RunContext, build_operator, column_types, compile_all,
    not_an_operator,
};
use crate::expression::{CompileError, CompiledExpression};
use crate::grouping::{EncodedKeys, GroupTable};
use arrow_array::BooleanArray;
use millstream_columns::{Batch, array_from_values};
use millstream_sql::{Node, NodeKind, SetOperation, SqlType, TableId, Value};

/// A relation whose rows are all there. Their ROWTIMEs mean nothing.
pub(super) enum FiniteRelation {
    Table {
        table: TableId,
        types: Vec<SqlType>,
    },
    Values {
        rows: Vec<Vec<CompiledExpression>>,
        types: Vec<SqlType>,
    },
    SetOperation {
        operation: SetOperation,
        left: Box<FiniteRelation>,
        right: Box<FiniteRelation>,
    },
    /// GROUP BY and aggregates.
    Groups {
        input: Box<FiniteRelation>,
        groups: FiniteGroups,
    },
    /// An operator over the rows of another relation.
    Operator {
        input: Box<FiniteRelation>,
        operator: Box<dyn Operator>,
        types: Vec<SqlType>,
    },
}

impl FiniteRelation {
    pub(super) fn new(node: &Node, settings: BuildSettings) -> Result<FiniteRelation, CompileError> {
        let types = column_types(node);
        Ok(match &node.kind {
            NodeKind::Table(table) => FiniteRelation::Table { table: *table, types },
            NodeKind::Values(rows) => {
                let rows = rows.iter().map(|row| compile_all(row)).collect::<Result<_, _>>()?;
                FiniteRelation::Values { rows, types }
            }
            NodeKind::SetOperation { operation, left, right } => FiniteRelation::SetOperation {
                operation: *operation,
                left: Box::new(FiniteRelation::new(left, settings)?),
                right: Box::new(FiniteRelation::new(right, settings)?),
            },
            NodeKind::Tumble { input, keys, aggregates, .. } => FiniteRelation::Groups {
                groups: FiniteGroups::new(keys, aggregates, column_types(input))?,
                input: Box::new(FiniteRelation::new(input, settings)?),
            },
            NodeKind::Lookup { input, .. } | NodeKind::Subquery { input, .. } => FiniteRelation::Operator {
                input: Box::new(FiniteRelation::new(input, settings)?),
                operator: build_operator(node, input, settings)?,
                types,
            },
            _ => {
                let inputs = node.inputs();
                let [input] = inputs.as_slice() else {
                    return Err(not_an_operator("a relation without a stream"));
                };
                FiniteRelation::Operator {
                    input: Box::new(FiniteRelation::new(input, settings)?),
                    operator: build_operator(node, input, settings)?,
                    types,
                }
            }
        })
    }

    /// All rows, with the reference tables as they are loaded now. Rows that fail are reported.
    pub(super) fn evaluate(&mut self, context: &mut RunContext<'_>) -> Batch {
        match self {
            FiniteRelation::Table { table, types } => {
                context.tables.batches.get(table.0).cloned().flatten().unwrap_or_else(|| Batch::empty(types))
            }
            FiniteRelation::Values { rows, types } => values(rows, types, context),
            FiniteRelation::SetOperation { operation, left, right } => {
                set_operation(*operation, &left.evaluate(context), &right.evaluate(context))
            }
            FiniteRelation::Groups { input, groups } => groups.of(input.evaluate(context), context),
            FiniteRelation::Operator { input, operator, types } => {
                let mut outbox = Outbox::default();
                operator.rows(0, input.evaluate(context), context, &mut outbox);
                let batches = outbox.messages.into_iter().filter_map(|message| match message {
                    Message::Rows(batch) => Some(batch),
                    Message::Bound(_) | Message::End | Message::Release => None,
                });
                let batches: Vec<Batch> = batches.collect();
                Batch::concat(&batches).unwrap_or_else(|_| Batch::empty(types))
            }
        }
    }
}

/// The rows of VALUES; those that fail are skipped and reported.
fn values(rows: &[Vec<CompiledExpression>], types: &[SqlType], context: &mut RunContext<'_>) -> Batch {
    let mut columns: Vec<Vec<Value>> = vec![Vec::new(); types.len()];
    let mut kept = 0;
    for row in rows {
        let found: Result<Vec<Value>, _> =
            row.iter().map(|expression| expression.evaluate_constant(&context.evaluation)).collect();
        match found {
            Ok(values) => {
                kept += 1;
                columns.iter_mut().zip(values).for_each(|(column, value)| column.push(value));
            }
            Err(error) => {
                let nothing = Batch::new(vec![0].into(), Vec::new());
                report_row(&error, &nothing, 0, &[], context);
            }
        }
    }
    let columns = columns.iter().zip(types).map(|(values, sql_type)| {
        array_from_values(*sql_type, values).expect("the values of VALUES are of the types of its columns")
    });
    Batch::new(vec![0; kept].into(), columns.collect())
}

fn set_operation(operation: SetOperation, left: &Batch, right: &Batch) -> Batch {
    let both = Batch::concat(&[left.clone(), right.clone()]).expect("both sides have the same columns");
    if operation == SetOperation::UnionAll {
        return both;
    }
    let mut groups = Vec::new();
    let mut table = GroupTable::default();
    table.assign(&EncodedKeys::new(&both.columns, both.len()), 0..both.len(), &mut groups);
    let mut on_the_right = vec![false; table.len()];
    groups[left.len()..].iter().for_each(|group| on_the_right[*group as usize] = true);
    let mut taken = vec![false; table.len()];
    let rows = if operation == SetOperation::Union { both.len() } else { left.len() };
    let kept: Vec<bool> = groups[..rows]
        .iter()
        .map(|group| {
            let group = *group as usize;
            let wanted = match operation {
                SetOperation::Union | SetOperation::UnionAll => true,
                SetOperation::Except => !on_the_right[group],
                SetOperation::Intersect => on_the_right[group],
            };
            wanted && !std::mem::replace(&mut taken[group], true)
        })
        .collect();
    both.slice(0, rows).filter(&BooleanArray::from(kept)).expect("the mask has one value for each row")
}
