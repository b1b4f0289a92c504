//! Statements: what they create, and that it fits what is already there.

use super::Resolver;
use super::scope::is_rowtime;
use crate::keywords::ROWTIME_IS_SELECTED;
use crate::limits::MAX_COLUMNS;
use crate::similar_name;
use crate::syntax::{ColumnDefinition, DropKind, Insert, Name, ObjectName, Statement};
use crate::{
    CastMode, Column, Diagnostic, Expression, ExpressionKind, Node, NodeKind, Output, Projection, Pump, Span,
    SqlType, Stream, StreamId, Value,
};
use millstream_wording::counted;

/// The stream that the service keeps for itself.
const ERROR_STREAM: &str = "error_stream";

impl Resolver<'_> {
    pub(super) fn statement(&mut self, statement: &Statement) {
        match statement {
            Statement::CreateStream { or_replace, name, columns } => {
                self.create_stream(*or_replace, name, columns);
            }
            Statement::CreatePump { or_replace, name, stopped, insert } => {
                self.create_pump(*or_replace, name, *stopped, insert);
            }
            Statement::CreateFunction(definition) => self.create_function(definition),
            Statement::CreateView { or_replace, name, columns, query } => {
                self.create_view(*or_replace, name, columns.as_deref(), query);
            }
            Statement::Insert { insert } => self.insert_once(insert),
            Statement::AlterPump { name, start } => {
                let name = self.object(name);
                match self.pumps.iter_mut().find(|pump| pump.name == name.value) {
                    Some(pump) => pump.started = *start,
                    None if self.refused_names.contains(&name.value) => {}
                    None => self
                        .report(Diagnostic::error(name.span, format!("there is no pump \"{}\"", name.value))),
                }
            }
            Statement::Drop { kind, if_exists, name } => self.drop_object(*kind, *if_exists, name),
            Statement::Ignored => {}
            Statement::Unreadable { name } => {
                self.refused_names.insert(name.object.value.clone());
            }
            Statement::OptionsIgnored { span, statement } => {
                let message = "the OPTIONS of a stream have no effect here";
                self.report(Diagnostic::warning(*span, message).with_hint("leave them out"));
                self.statement(statement);
            }
        }
    }

    /// The object's own name; an application has one schema, so qualifiers mean nothing.
    pub(super) fn object<'n>(&mut self, name: &'n ObjectName) -> &'n Name {
        if let Some(first) = name.qualifiers.first() {
            let message =
                format!("an application has one schema: the qualifier \"{}\" is ignored", first.value);
            self.report(Diagnostic::warning(first.span, message));
        }
        &name.object
    }

    fn create_stream(&mut self, or_replace: bool, name: &ObjectName, definitions: &[ColumnDefinition]) {
        let name = self.object(name);
        self.define_stream(or_replace, name, definitions);
        if self.stream_named(&name.value).is_none() {
            self.refused_names.insert(name.value.clone());
        }
    }

    fn define_stream(&mut self, or_replace: bool, name: &Name, definitions: &[ColumnDefinition]) {
        if definitions.len() > MAX_COLUMNS {
            let message = format!("stream \"{}\" has more than {MAX_COLUMNS} columns", name.value);
            self.error::<()>(name.span, message);
        }
        let mut columns: Vec<Column> = Vec::new();
        let mut complete = true;
        for definition in definitions {
            let column = &definition.name;
            if columns.iter().any(|existing| existing.name == column.value) {
                let message = format!("column \"{}\" is declared twice", column.value);
                self.error::<()>(column.span, message);
                complete = false;
            }
            if let Some(span) = definition.endless {
                let message =
                    format!("the type does not say how long: it is taken as {}", definition.sql_type);
                self.report(Diagnostic::warning(span, message).with_hint("write VARCHAR(n)"));
            }
            columns.push(Column {
                name: column.value.clone(),
                sql_type: definition.sql_type,
                not_null: definition.not_null,
            });
        }
        if name.value == ERROR_STREAM {
            let message = format!("\"{ERROR_STREAM}\" is the stream of row errors and cannot be created");
            self.error_with_hint::<()>(name.span, message, "choose another name");
            return;
        }
        if self.views.iter().any(|view| view.name == name.value) {
            let message = format!("\"{}\" is a view", name.value);
            self.error_with_hint::<()>(name.span, message, "choose another name");
            return;
        }
        if self.tables.iter().any(|table| table.name == name.value) {
            let message = format!("\"{}\" is a reference table of the application", name.value);
            self.error_with_hint::<()>(name.span, message, "choose another name");
            return;
        }
        if !complete {
            return;
        }
        self.places.streams.insert(name.value.clone(), name.span);
        let places = definitions.iter().map(|it| ((name.value.clone(), it.name.value.clone()), it.name.span));
        self.places.columns.extend(places);
        let stream = Stream { name: name.value.clone(), columns, is_input: false, metadata_columns: 0 };
        match self.stream_named(&name.value) {
            None => self.streams.push(stream),
            Some(id) if self.stream(id).is_input => {
                let message = format!("\"{}\" is an input stream of the application", name.value);
                self.error_with_hint::<()>(name.span, message, "choose another name");
            }
            Some(_) if !or_replace => {
                let message = format!("stream \"{}\" exists already", name.value);
                self.error_with_hint::<()>(
                    name.span,
                    message,
                    "write CREATE OR REPLACE STREAM, or choose another name",
                );
            }
            Some(id) if self.pumps.iter().any(|pump| pump.target == id || reads(&pump.query, id)) => {
                let message =
                    format!("stream \"{}\" has a pump attached and cannot be defined again", name.value);
                self.error_with_hint::<()>(name.span, message, "define the stream once, before its pumps");
            }
            Some(id) => self.streams[id.0] = stream,
        }
    }

    fn create_pump(&mut self, or_replace: bool, name: &ObjectName, stopped: bool, insert: &Insert) {
        let name = self.object(name);
        let existing = self.pumps.iter().position(|pump| pump.name == name.value);
        if existing.is_some() && !or_replace {
            let message = format!("pump \"{}\" exists already", name.value);
            self.error_with_hint::<()>(
                name.span,
                message,
                "write CREATE OR REPLACE PUMP, or choose another name",
            );
        }
        if existing.is_some() && or_replace {
            let message = format!("pump \"{}\" is defined again: only this definition runs", name.value);
            let hint = "give one of them another name if both are meant, or remove the earlier one";
            self.report(Diagnostic::warning(name.span, message).with_hint(hint));
        }
        let query = self.insert(insert);
        if query.is_none() {
            self.refused_names.insert(name.value.clone());
        }
        if let Some((_, query)) = &query
            && query.is_finite()
        {
            self.error_with_hint::<()>(
                insert.query.span,
                "the query reads no stream: it would give its rows once and never again",
                "name a stream in FROM; or write the INSERT outside a pump: it runs once, at the start",
            );
            return;
        }
        if existing.is_some() && !or_replace {
            return;
        }
        if let Some((target, query)) = query {
            self.places.pumps.insert(name.value.clone(), name.span);
            let pump = Pump { name: name.value.clone(), target, started: !stopped, query };
            match existing {
                Some(index) => self.pumps[index] = pump,
                None => self.pumps.push(pump),
            }
        }
    }

    /// An INSERT of its own: it runs once, at the start, over finite rows.
    fn insert_once(&mut self, insert: &Insert) {
        let Some((target, query)) = self.insert(insert) else { return };
        if !query.is_finite() {
            self.error_with_hint::<()>(
                insert.query.span,
                "an INSERT of its own runs once, but the query reads a stream, which never ends",
                "write CREATE PUMP name AS INSERT INTO stream SELECT STREAM …",
            );
            return;
        }
        let first = format!("INSERT INTO \"{}\"", self.stream(target).name);
        let same = self.pumps.iter().filter(|pump| pump.name.starts_with(&first)).count();
        let name = if same == 0 { first } else { format!("{first} ({})", same + 1) };
        self.places.pumps.insert(name.clone(), insert.query.span);
        self.pumps.push(Pump { name, target, started: true, query });
    }

    fn drop_object(&mut self, kind: DropKind, if_exists: bool, name: &ObjectName) {
        let name = self.object(name);
        match kind {
            DropKind::Pump => {
                let before = self.pumps.len();
                self.pumps.retain(|pump| pump.name != name.value);
                let is_refused = self.refused_names.contains(&name.value);
                if self.pumps.len() == before && !if_exists && !is_refused {
                    self.error::<()>(name.span, format!("there is no pump \"{}\"", name.value));
                }
            }
            DropKind::Function => {
                let before = self.functions.len();
                self.functions.retain(|f| f.name != name.value && f.specific.as_ref() != Some(&name.value));
                if self.functions.len() == before && !if_exists {
                    self.error::<()>(name.span, format!("there is no function \"{}\"", name.value));
                }
            }
            DropKind::View => {
                let before = self.views.len();
                self.views.retain(|view| view.name != name.value);
                if self.views.len() == before && !if_exists {
                    self.error::<()>(name.span, format!("there is no view \"{}\"", name.value));
                }
            }
            DropKind::Stream => match self.stream_named(&name.value) {
                None if if_exists => {}
                None => {
                    self.error::<()>(name.span, format!("there is no stream \"{}\"", name.value));
                }
                Some(id) if self.stream(id).is_input => {
                    self.error::<()>(
                        name.span,
                        format!("\"{}\" is an input stream of the application", name.value),
                    );
                }
                Some(id) if self.pumps.iter().any(|pump| pump.target == id || reads(&pump.query, id)) => {
                    let message = format!("stream \"{}\" has a pump attached", name.value);
                    self.error_with_hint::<()>(name.span, message, "drop the pump first");
                }
                // The place stays, so that the other streams keep theirs.
                Some(id) => self.streams[id.0].name = String::new(),
            },
        }
    }

    /// The target and the query of a pump, its columns converted to those of the target.
    fn insert(&mut self, insert: &Insert) -> Option<(StreamId, Node)> {
        let target_name = self.object(&insert.target);
        let target = self.stream_named(&target_name.value);
        if target.is_none() && !self.refused_names.contains(&target_name.value) {
            let names: Vec<String> =
                self.streams.iter().filter(|s| !s.is_input).map(|stream| stream.name.clone()).collect();
            let message = format!("there is no stream \"{}\" to insert into", target_name.value);
            let hint = similar_name::hint(&target_name.value, names.iter().map(String::as_str))
                .unwrap_or_else(|| {
                    format!("create it before the pump: CREATE STREAM \"{}\" (…);", target_name.value)
                });
            self.error_with_hint::<()>(target_name.span, message, hint);
        }
        let resolved = self.query(&insert.query);
        let target = target?;
        if let Some((node, _)) = &resolved
            && self.feeds(target, node)
        {
            let message = format!(
                "stream \"{}\" would feed itself: its rows would go round for ever",
                target_name.value
            );
            return self.error_with_hint(
                target_name.span,
                message,
                "insert into a stream that this query does not read",
            );
        }
        if self.stream(target).is_input {
            let message = format!("\"{}\" is an input stream: only the service writes it", target_name.value);
            return self.error_with_hint(
                target_name.span,
                message,
                "insert into a stream created by CREATE STREAM",
            );
        }
        let stream = self.stream(target).clone();
        let positions = self.target_positions(&stream, target_name, insert.columns.as_deref())?;
        let (node, spans) = resolved?;
        if let Some(index) = node.output.iter().position(|output| output.record_field().is_some()) {
            return self.error_with_hint(
                spans[index],
                "a record cannot be stored in a stream",
                "select its fields in an outer query: SELECT STREAM t.r.COLUMN1 FROM (SELECT STREAM … AS r FROM …) AS t",
            );
        }
        if node.output.len() != positions.len() {
            let message = format!(
                "stream \"{}\" takes {} here, the query gives {}",
                stream.name,
                counted(positions.len(), "column"),
                node.output.len()
            );
            return self.error_with_hint(
                target_name.span,
                message,
                "columns are matched by position; name those that you fill: INSERT INTO stream (a, b) SELECT …",
            );
        }
        self.lint_positions(&stream, &positions, &insert.query);
        self.assign(node, &stream, &positions, &spans, target_name).map(|node| (target, node))
    }

    /// Whether rows of `stream` reach the query, directly or over other pumps.
    fn feeds(&self, stream: StreamId, query: &Node) -> bool {
        let mut reached = vec![stream];
        let mut next = 0;
        while let Some(id) = reached.get(next).copied() {
            next += 1;
            if reads(query, id) {
                return true;
            }
            for pump in self.pumps.iter().filter(|pump| reads(&pump.query, id)) {
                if !reached.contains(&pump.target) {
                    reached.push(pump.target);
                }
            }
        }
        false
    }

    /// The places of the columns that the query fills, in its order.
    fn target_positions(
        &mut self,
        stream: &Stream,
        target: &Name,
        columns: Option<&[Name]>,
    ) -> Option<Vec<usize>> {
        let Some(names) = columns else {
            return Some((0..stream.columns.len()).collect());
        };
        let mut positions = Vec::new();
        let mut complete = true;
        for name in names {
            match stream.columns.iter().position(|column| column.name == name.value) {
                Some(position) if positions.contains(&position) => {
                    self.error::<()>(name.span, format!("column \"{}\" is named twice", name.value));
                    complete = false;
                }
                Some(position) => positions.push(position),
                None => {
                    let message = format!("stream \"{}\" has no column \"{}\"", stream.name, name.value);
                    let mut mistake = Diagnostic::error(name.span, message);
                    let known = stream.columns.iter().map(|column| column.name.as_str());
                    mistake.hint = match is_rowtime(name) {
                        true => Some(ROWTIME_IS_SELECTED.to_owned()),
                        false => similar_name::hint(&name.value, known),
                    };
                    self.report(mistake);
                    complete = false;
                }
            }
        }
        for (position, column) in stream.columns.iter().enumerate() {
            if column.not_null && !positions.contains(&position) {
                let message = format!("column \"{}\" is NOT NULL and has to be filled", column.name);
                self.error::<()>(target.span, message);
                complete = false;
            }
        }
        complete.then_some(positions)
    }

    /// Puts the conversion to the target's columns on top of the query.
    fn assign(
        &mut self,
        node: Node,
        stream: &Stream,
        positions: &[usize],
        spans: &[Span],
        target: &Name,
    ) -> Option<Node> {
        let mut fits = true;
        for (output, (position, span)) in node.output.iter().zip(positions.iter().zip(spans)) {
            let column = &stream.columns[*position];
            if !output.sql_type.is_assignable_to(column.sql_type) {
                let message = format!(
                    "column \"{}\" of \"{}\" is {}: a value of type {} does not fit it",
                    column.name, stream.name, column.sql_type, output.sql_type
                );
                self.error_with_hint::<()>(
                    *span,
                    message,
                    format!("convert it: CAST(… AS {})", column.sql_type),
                );
                fits = false;
            }
        }
        if !fits {
            return None;
        }
        let output = stream
            .columns
            .iter()
            .map(|column| Output { name: column.name.clone(), sql_type: column.sql_type })
            .collect();
        let (input, sources, rowtime) = match node.kind {
            NodeKind::Project { input, projection } => (input, projection.expressions, projection.rowtime),
            kind => {
                let columns = node.output.iter().enumerate();
                let sources =
                    columns.map(|(index, c)| Expression::column(index, c.sql_type, target.span)).collect();
                (Box::new(Node { kind, output: node.output }), sources, None)
            }
        };
        let mut expressions: Vec<Expression> = stream
            .columns
            .iter()
            .map(|column| Expression::new(ExpressionKind::Literal(Value::Null), column.sql_type, target.span))
            .collect();
        for (position, source) in positions.iter().zip(sources) {
            expressions[*position] = assigned(source, stream.columns[*position].sql_type);
        }
        Some(Node {
            kind: NodeKind::Project { input, projection: Projection { expressions, rowtime } },
            output,
        })
    }
}

/// A value as a column of type `target` takes it.
fn assigned(source: Expression, target: SqlType) -> Expression {
    if source.sql_type == target {
        return source;
    }
    let span = source.span;
    if source.literal() == Some(&Value::Null) {
        return Expression::new(ExpressionKind::Literal(Value::Null), target, span);
    }
    let kind = ExpressionKind::Cast { operand: Box::new(source), mode: CastMode::Assignment };
    Expression::new(kind, target, span)
}

/// Whether the query reads the stream.
pub(super) fn reads(node: &Node, stream: StreamId) -> bool {
    node.sources().contains(&stream)
}
