//! CREATE VIEW: a query under a name, put in place wherever FROM names it.

use super::Resolver;
use super::scope::Scope;
use crate::limits::{MAX_VIEW_HEIGHT, MAX_VIEW_OPERATORS};
use crate::syntax::{Name, ObjectName, Query, TableAlias};
use crate::{Node, Output};

/// A view.
#[derive(Clone, Debug)]
pub(super) struct View {
    pub(super) name: String,
    query: Node,
    columns: Vec<Output>,
}

impl Resolver<'_> {
    pub(super) fn create_view(
        &mut self,
        or_replace: bool,
        name: &ObjectName,
        columns: Option<&[Name]>,
        query: &Query,
    ) {
        let name = self.object(name).clone();
        let resolved = self.query(query);
        let existing = self.views.iter().position(|view| view.name == name.value);
        if existing.is_some() && !or_replace {
            let message = format!("view \"{}\" exists already", name.value);
            self.error_with_hint::<()>(
                name.span,
                message,
                "write CREATE OR REPLACE VIEW, or choose another name",
            );
            return;
        }
        if self.stream_named(&name.value).is_some() {
            let message = format!("there is a stream \"{}\"", name.value);
            self.error_with_hint::<()>(name.span, message, "choose another name");
            return;
        }
        if self.tables.iter().any(|table| table.name == name.value) {
            let message = format!("\"{}\" is a reference table of the application", name.value);
            self.error_with_hint::<()>(name.span, message, "choose another name");
            return;
        }
        let Some((node, _)) = resolved else {
            self.refused_names.insert(name.value);
            return;
        };
        let mut operators = 0;
        node.walk(&mut |_| operators += 1);
        if operators > MAX_VIEW_OPERATORS || height(&node) > MAX_VIEW_HEIGHT {
            let message = format!(
                "the query of the view has more than {MAX_VIEW_OPERATORS} operators, or more than {MAX_VIEW_HEIGHT} above each \
                 other, views within it counted out"
            );
            self.error_with_hint::<()>(
                name.span,
                message,
                "write a part of it into an in-application stream",
            );
            self.refused_names.insert(name.value);
            return;
        }
        self.lint_endless_windows(query);
        let listed = columns.map(<[Name]>::to_vec);
        let alias = TableAlias { name: name.clone(), columns: listed };
        let scope = self.aliased(None, node.output.clone(), 0, Some(&alias));
        let columns = scope.columns().map(|(_, output)| output.clone()).collect();
        let view = View { name: name.value, query: node, columns };
        match existing {
            Some(index) => self.views[index] = view,
            None => self.views.push(view),
        }
    }

    /// The view of that name as a relation; `None` when there is none.
    pub(super) fn view(&mut self, name: &Name, alias: Option<&TableAlias>) -> Option<(Node, Scope)> {
        let view = self.views.iter().find(|view| view.name == name.value)?.clone();
        let scope = self.aliased(Some(view.name), view.columns, 0, alias);
        Some((view.query, scope))
    }
}

/// How many operators stand above each other.
fn height(node: &Node) -> usize {
    node.inputs().into_iter().map(height).max().map_or(1, |below| below + 1)
}
