//! FROM: streams, reference tables, subqueries and table functions, and the names by which their columns are known.

use super::Resolver;
use super::scope::{Scope, is_rowtime};
use crate::similar_name;
use crate::syntax::{ExprKind, Name, Over, TableReference, WindowSpecification};
use crate::{Diagnostic, Frame, Node, NodeKind, Output, Span, StreamId, Subject, TableId};

/// A relation of FROM, perhaps joined of others.
pub(super) struct FromItem {
    pub(super) node: Node,
    pub(super) scope: Scope,
    pub(super) window: Option<ItemWindow>,
    /// The relation's name in the text.
    pub(super) span: Span,
}

/// The window of a relation.
pub(super) struct ItemWindow {
    pub(super) frame: Frame,
    /// See [`crate::JoinSide`].
    pub(super) expiries: Vec<(usize, i64)>,
    /// Where OVER says so; the rows of a join have the windows of both sides.
    pub(super) written: Option<Span>,
    /// No OVER stands anywhere in the join: rows of one ROWTIME meet.
    pub(super) is_implied: bool,
}

impl ItemWindow {
    /// The window of a stream that is joined with another where neither has one: the rows of one ROWTIME.
    pub(super) fn of_one_rowtime() -> ItemWindow {
        ItemWindow {
            frame: Frame::Range { millis: 0 },
            expiries: Vec::new(),
            written: None,
            is_implied: true,
        }
    }
}

/// What a name in FROM stands for.
enum Named {
    Stream(StreamId),
    Table(TableId),
}

/// The named windows of a query as written.
type Windows = [(Name, WindowSpecification)];

impl Resolver<'_> {
    /// The rows of all relations of a FROM clause.
    pub(super) fn from(&mut self, from: &[TableReference], windows: &Windows) -> Option<(Node, Scope)> {
        let items: Vec<Option<FromItem>> = from.iter().map(|item| self.item_of_from(item, windows)).collect();
        let mut items = items.into_iter().collect::<Option<Vec<FromItem>>>()?.into_iter();
        let mut joined = items.next()?;
        for item in items {
            joined = self.cross_join(joined, item)?;
        }
        if let Some(ItemWindow { written: Some(span), .. }) = joined.window {
            let message = "this window has no effect: no other stream is joined with the relation";
            self.report(Diagnostic::warning(span, message).with_hint("leave it out"));
        }
        Some((joined.node, joined.scope))
    }

    pub(super) fn item_of_from(&mut self, item: &TableReference, windows: &Windows) -> Option<FromItem> {
        match item {
            TableReference::Named { name, over, alias } => {
                let named = self.object(name);
                let (node, mut scope) = match self.view(named, alias.as_ref()) {
                    Some(found) => found,
                    None => {
                        let (node, hidden) = self.named_relation(named)?;
                        let own_name = Some(named.value.clone());
                        let scope = self.aliased(own_name, node.output.clone(), hidden, alias.as_ref());
                        (node, scope)
                    }
                };
                scope.settle_time(&node);
                if let (Some(Over::Name(window)), None) = (over, alias) {
                    let names = scope.relations.iter_mut();
                    names.for_each(|relation| relation.window_name = Some(window.value.clone()));
                }
                let span = alias.as_ref().map_or(name.object.span, |alias| alias.name.span);
                self.windowed(node, scope, over.as_ref(), windows, span)
            }
            TableReference::Subquery { query, over, alias } => {
                let (node, _) = self.query(query)?;
                let mut scope = self.aliased(None, node.output.clone(), 0, alias.as_ref());
                scope.settle_time(&node);
                let span = alias.as_ref().map_or(query.span, |alias| alias.name.span);
                self.windowed(node, scope, over.as_ref(), windows, span)
            }
            TableReference::Function { name, arguments, alias } => {
                let node = self.table_function(name, arguments)?;
                let scope = self.aliased(None, node.output.clone(), 0, alias.as_ref());
                Some(FromItem { node, scope, window: None, span: name.span })
            }
            TableReference::Join(join) => self.join(join, windows),
        }
    }

    /// Gives a relation its window.
    fn windowed(
        &mut self,
        node: Node,
        scope: Scope,
        over: Option<&Over>,
        windows: &Windows,
        span: Span,
    ) -> Option<FromItem> {
        let Some(over) = over else { return Some(FromItem { node, scope, window: None, span }) };
        let over_span = over_span(over);
        if node.is_finite() {
            self.error_with_hint::<()>(
                over_span,
                "a window holds rows of a stream: a reference table has all its rows at any time",
                "leave the window out",
            );
            return Some(FromItem { node, scope, window: None, span });
        }
        let window = self.join_window(over, windows).map(|frame| ItemWindow {
            frame,
            expiries: Vec::new(),
            written: Some(over_span),
            is_implied: false,
        });
        Some(FromItem { node, scope, window, span })
    }

    /// The frame of a window of a join.
    fn join_window(&mut self, over: &Over, windows: &Windows) -> Option<Frame> {
        match over {
            Over::Name(name) => {
                let definitions: Vec<_> =
                    windows.iter().map(|(name, window)| (name.value.clone(), window.clone())).collect();
                let index = self.definition(name, &definitions)?;
                self.join_frame(&windows[index].1, &windows[..index])
            }
            Over::Specification(specification) => self.join_frame(specification, windows),
        }
    }

    fn join_frame(&mut self, window: &WindowSpecification, windows: &Windows) -> Option<Frame> {
        let base = match &window.base {
            Some(name) => Some(self.join_window(&Over::Name(name.clone()), windows)?),
            None => None,
        };
        if let Some(span) = window.partition_span {
            return self.error_with_hint(
                span,
                "PARTITION BY is not allowed in a window of a join",
                "the join condition picks the rows: leave it out",
            );
        }
        if let Some(order_by) = &window.order_by {
            let by_rowtime = order_by.within.is_none()
                && order_by.keys.iter().all(|key| {
                    let names_rowtime = match &super::query::strip(&key.expr).kind {
                        ExprKind::Column(parts) => parts.last().is_some_and(is_rowtime),
                        _ => false,
                    };
                    names_rowtime && !key.descending
                });
            if !by_rowtime {
                return self.error_with_hint(
                    order_by.span,
                    "a window of a join is in the order of ROWTIME, and ORDER BY can say no other",
                    "leave it out",
                );
            }
        }
        match &window.frame {
            Some(frame) => self.frame(frame, &Scope::default()),
            None => Some(base.unwrap_or(Frame::Unbounded)),
        }
    }

    /// The rows of a stream or a reference table, and how many of its last columns `*` leaves out.
    fn named_relation(&mut self, name: &Name) -> Option<(Node, usize)> {
        let (columns, kind, hidden) = match self.relation_named(name)? {
            Named::Stream(id) => {
                let stream = self.stream(id);
                (stream.columns.clone(), NodeKind::Source(id), stream.metadata_columns)
            }
            Named::Table(id) => (self.tables[id.0].columns.clone(), NodeKind::Table(id), 0),
        };
        let columns = columns.into_iter();
        let output = columns.map(|column| Output { name: column.name, sql_type: column.sql_type }).collect();
        Some((Node { kind, output }, hidden))
    }

    fn relation_named(&mut self, name: &Name) -> Option<Named> {
        if let Some(id) = self.stream_named(&name.value) {
            return Some(Named::Stream(id));
        }
        if let Some(index) = self.tables.iter().position(|table| table.name == name.value) {
            return Some(Named::Table(TableId(index)));
        }
        if self.refused_names.contains(&name.value) {
            return None;
        }
        let streams = self.streams.iter().map(|stream| stream.name.clone());
        let names: Vec<String> = streams.chain(self.tables.iter().map(|table| table.name.clone())).collect();
        let mut mistake = Diagnostic::error(name.span, format!("there is no stream \"{}\"", name.value))
            .about(Subject::UnknownStream);
        mistake.hint = similar_name::hint(&name.value, names.iter().map(String::as_str)).or_else(|| {
            let known: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
            (!known.is_empty()).then(|| format!("the streams are {}", known.join(", ")))
        });
        self.report(mistake);
        None
    }
}

fn over_span(over: &Over) -> Span {
    match over {
        Over::Name(name) => name.span,
        Over::Specification(window) => window.span,
    }
}

/// The names of the windows that relations of this FROM clause have.
pub(super) fn window_names(from: &[TableReference]) -> Vec<&str> {
    let mut names = Vec::new();
    let mut items: Vec<&TableReference> = from.iter().collect();
    while let Some(item) = items.pop() {
        match item {
            TableReference::Named { over: Some(Over::Name(name)), .. }
            | TableReference::Subquery { over: Some(Over::Name(name)), .. } => {
                names.push(name.value.as_str())
            }
            TableReference::Join(join) => items.extend([&join.left, &join.right]),
            TableReference::Named { .. }
            | TableReference::Subquery { .. }
            | TableReference::Function { .. } => {}
        }
    }
    names
}
