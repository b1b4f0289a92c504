//! Queries: SELECT, VALUES, set operators, FROM.

use super::{Parsed, Parser};
use crate::foreign::{dialect_form, foreign_clause};
use crate::keywords::{is_misspelling, is_reserved_word, is_structural_word};
use crate::syntax::{
    FunctionArgument, GroupBy, Join, JoinCondition, JoinKind, Name, OrderBy, Query, QueryBody, Select,
    SelectItem, SetOperator, SortKey, TableAlias, TableReference,
};
use crate::token::TokenKind;
use crate::{Diagnostic, Span};

impl Parser<'_> {
    pub(super) fn query(&mut self) -> Parsed<Query> {
        self.nested(|parser| {
            let start = parser.peek().span;
            let mut query = parser.query_term()?;
            let mut chain = 0;
            while let Some(operator) = parser.set_operator(&[SetOperator::Union, SetOperator::Except]) {
                chain = parser.longer_chain(chain)?;
                query = parser.set_operation(operator, query, start, Self::query_term)?;
            }
            if parser.is_word("ORDER") {
                query.order_by = Some(parser.order_by()?);
                query.span = start.to(parser.previous_span());
            }
            Ok(query)
        })
    }

    fn query_term(&mut self) -> Parsed<Query> {
        let start = self.peek().span;
        let mut query = self.query_primary()?;
        let mut chain = 0;
        while let Some(operator) = self.set_operator(&[SetOperator::Intersect]) {
            chain = self.longer_chain(chain)?;
            query = self.set_operation(operator, query, start, Self::query_primary)?;
        }
        Ok(query)
    }

    /// Chains of joins and set operators lean to the left: they count as nesting.
    fn longer_chain(&self, length: usize) -> Parsed<usize> {
        if self.depth + length >= crate::limits::MAX_NESTING {
            return Err(super::too_deep(self.peek().span));
        }
        Ok(length + 1)
    }

    fn set_operator(&self, wanted: &[SetOperator]) -> Option<SetOperator> {
        let operator = match self.word()? {
            "UNION" => SetOperator::Union,
            "EXCEPT" => SetOperator::Except,
            "INTERSECT" => SetOperator::Intersect,
            _ => return None,
        };
        wanted.contains(&operator).then_some(operator)
    }

    fn set_operation(
        &mut self,
        operator: SetOperator,
        left: Query,
        start: Span,
        operand: fn(&mut Self) -> Parsed<Query>,
    ) -> Parsed<Query> {
        let span = self.next().span;
        let all = self.accept_word("ALL");
        let right = operand(self)?;
        let body =
            QueryBody::SetOperation { operator, all, left: Box::new(left), right: Box::new(right), span };
        Ok(Query { body, order_by: None, span: start.to(self.previous_span()) })
    }

    fn query_primary(&mut self) -> Parsed<Query> {
        let start = self.peek().span;
        match self.word() {
            Some("SELECT") => {
                let select = self.select()?;
                let span = start.to(self.previous_span());
                Ok(Query { body: QueryBody::Select(Box::new(select)), order_by: None, span })
            }
            Some("VALUES") => {
                self.next();
                let mut rows = vec![self.values_row()?];
                while self.accept_symbol(",") {
                    rows.push(self.values_row()?);
                }
                let span = start.to(self.previous_span());
                Ok(Query { body: QueryBody::Values { rows, span }, order_by: None, span })
            }
            _ if self.is_symbol("(") => {
                self.next();
                let query = self.query()?;
                self.expect_symbol(")")?;
                Ok(query)
            }
            Some("WITH") => Err(self.with_clause()),
            _ => Err(self.unexpected("SELECT")),
        }
    }

    /// The mistake of WITH.
    pub(super) fn with_clause(&self) -> Diagnostic {
        Diagnostic::error(self.peek().span, "WITH is not part of the language: expected SELECT, found WITH").with_hint(
            "put the query where its name stands, FROM (SELECT STREAM …) AS name; or name it before: CREATE VIEW name AS \
             SELECT STREAM …;",
        )
    }

    fn values_row(&mut self) -> Parsed<Vec<crate::syntax::Expr>> {
        self.accept_word("ROW");
        if !self.accept_symbol("(") {
            return Ok(vec![self.expression()?]);
        }
        let mut row = vec![self.expression()?];
        while self.accept_symbol(",") {
            row.push(self.expression()?);
        }
        self.expect_symbol(")")?;
        Ok(row)
    }

    fn select(&mut self) -> Parsed<Select> {
        self.expect_word("SELECT")?;
        self.accept_word("STREAM");
        let distinct = self.is_word("DISTINCT").then(|| self.next().span);
        if distinct.is_none() {
            self.accept_word("ALL");
        }
        if self.is_word("TOP")
            && matches!(self.peek_ahead(1).kind, TokenKind::Integer(_))
            && let Some(mistake) = foreign_clause("TOP", self.peek().span)
        {
            return Err(mistake);
        }
        let mut items = vec![self.select_item()?];
        while self.accept_symbol(",") {
            items.push(self.select_item()?);
        }
        if !self.accept_word("FROM") {
            return Err(self.behind_select_list());
        }
        let mut from = vec![self.table_reference()?];
        while self.accept_symbol(",") {
            from.push(self.table_reference()?);
        }
        let condition = if self.accept_word("WHERE") { Some(self.expression()?) } else { None };
        let group_by = self.group_by()?;
        let having = if self.is_word("HAVING") {
            let span = self.next().span;
            Some((span, self.expression()?))
        } else {
            None
        };
        let mut windows = Vec::new();
        if self.accept_word("WINDOW") {
            loop {
                let name = self.name("a window name")?;
                self.expect_word("AS")?;
                windows.push((name, self.window_specification()?));
                if !self.accept_symbol(",") {
                    break;
                }
            }
        }
        Ok(Select { distinct, items, from, condition, group_by, having, windows })
    }

    /// The mistake of a select list that FROM does not follow: where another item does, a comma is missing.
    fn behind_select_list(&self) -> Diagnostic {
        let mistake = self.unexpected("FROM");
        // `A SUM(B)`: the name of the function was read as an alias.
        let called = self.bare_alias.filter(|alias| alias + 1 == self.position && self.is_symbol("("));
        let item = called.map_or(self.peek(), |alias| &self.tokens[alias]);
        let is_item = match &item.kind {
            TokenKind::QuotedName(_) => true,
            TokenKind::Word(word) if is_misspelling(word, "FROM") => false,
            TokenKind::Word(word) => {
                called.is_some()
                    || !is_reserved_word(word)
                    || matches!(word.as_str(), "CASE" | "CAST")
                    || self.is_symbol_ahead(1, "(") && !is_structural_word(word)
            }
            _ => false,
        };
        if !is_item || called.is_none() && mistake.hint.is_some() || !self.has_from_ahead() {
            return mistake;
        }
        Diagnostic::error(item.span, format!("expected \",\" or FROM, found {}", item.kind.describe()))
            .with_hint("a comma seems to be missing before it")
    }

    /// Whether FROM comes before the end of the statement, outside of parentheses.
    fn has_from_ahead(&self) -> bool {
        let mut open = 0_usize;
        for token in &self.tokens[self.position..] {
            match &token.kind {
                TokenKind::Symbol("(") => open += 1,
                TokenKind::Symbol(")") if open == 0 => return false,
                TokenKind::Symbol(")") => open -= 1,
                TokenKind::Symbol(";") => return false,
                TokenKind::Word(word) if word == "CREATE" => return false,
                TokenKind::Word(word) if word == "FROM" && open == 0 => return true,
                _ => {}
            }
        }
        false
    }

    fn select_item(&mut self) -> Parsed<SelectItem> {
        if self.is_symbol("*") {
            return Ok(SelectItem::Wildcard(self.next().span));
        }
        let is_name = matches!(self.peek().kind, TokenKind::QuotedName(_) | TokenKind::Word(_));
        if is_name && self.is_symbol_ahead(1, ".") && self.is_symbol_ahead(2, "*") {
            let relation = self.name("a relation")?;
            self.next();
            let star = self.next().span;
            return Ok(SelectItem::QualifiedWildcard { span: relation.span.to(star), relation });
        }
        let expr = self.expression()?;
        let alias = if self.accept_word("AS") {
            Some(self.alias_name("a column name")?)
        } else if self.is_plain_name() {
            self.bare_alias = Some(self.position);
            Some(self.name("a column name")?)
        } else {
            None
        };
        Ok(SelectItem::Expr { expr, alias })
    }

    /// An alias may be ROWTIME, which gives the row its time.
    fn alias_name(&mut self, what: &str) -> Parsed<Name> {
        if self.is_word("ROWTIME") {
            let token = self.next();
            return Ok(Name { value: "ROWTIME".to_owned(), quoted: false, span: token.span });
        }
        self.column_name(what)
    }

    /// Whether the current token may be a name without being read as a keyword.
    fn is_plain_name(&self) -> bool {
        match &self.peek().kind {
            TokenKind::QuotedName(_) => true,
            TokenKind::Word(word) => {
                !(is_reserved_word(word) || word == "WINDOWED" && self.is_word_ahead(1, "BY"))
            }
            _ => false,
        }
    }

    fn group_by(&mut self) -> Parsed<Option<GroupBy>> {
        let span = self.peek().span;
        if self.accept_word("GROUP") {
            self.expect_word("BY")?;
            let mut keys = vec![self.expression()?];
            while self.accept_symbol(",") {
                keys.push(self.expression()?);
            }
            if self.is_word("WINDOWED") && self.is_word_ahead(1, "BY") {
                return Err(self.unexpected("\";\"").with_hint(
                    "WINDOWED BY STAGGER (PARTITION BY … RANGE INTERVAL '1' MINUTE) takes the place of GROUP BY",
                ));
            }
            return Ok(Some(GroupBy::Tumbling { span, keys }));
        }
        if self.accept_words(&["WINDOWED", "BY"]) {
            if let Some(form) = self.word().and_then(other_window) {
                return Err(self.unexpected("STAGGER").with_hint(form));
            }
            self.expect_word("STAGGER")?;
            self.expect_symbol("(")?;
            self.expect_word("PARTITION")?;
            self.expect_word("BY")?;
            let mut keys = vec![self.expression()?];
            while self.accept_symbol(",") {
                keys.push(self.expression()?);
            }
            self.expect_word("RANGE")?;
            let range = self.expression()?;
            self.expect_symbol(")")?;
            return Ok(Some(GroupBy::Stagger { span, keys, range }));
        }
        Ok(None)
    }

    pub(super) fn order_by(&mut self) -> Parsed<OrderBy> {
        let span = self.expect_word("ORDER")?;
        self.expect_word("BY")?;
        let mut keys = vec![self.sort_key()?];
        let within = if self.accept_word("WITHIN") { Some(self.expression()?) } else { None };
        while self.accept_symbol(",") {
            keys.push(self.sort_key()?);
        }
        Ok(OrderBy { span, keys, within })
    }

    fn sort_key(&mut self) -> Parsed<SortKey> {
        let expr = self.expression()?;
        let descending = match self.word() {
            Some("DESC") => {
                self.next();
                true
            }
            Some("ASC") => {
                self.next();
                false
            }
            _ => false,
        };
        let nulls_first = if self.accept_words(&["NULLS", "FIRST"]) {
            Some(true)
        } else {
            self.accept_words(&["NULLS", "LAST"]).then_some(false)
        };
        Ok(SortKey { expr, descending, nulls_first })
    }

    fn table_reference(&mut self) -> Parsed<TableReference> {
        let mut reference = self.table_primary()?;
        let mut chain = 0;
        while let Some((kind, natural, span)) = self.join_kind()? {
            chain = self.longer_chain(chain)?;
            let right = self.table_primary()?;
            let condition = if natural {
                JoinCondition::Natural
            } else if self.accept_word("ON") {
                JoinCondition::On(self.expression()?)
            } else if self.accept_word("USING") {
                JoinCondition::Using(self.name_list("a column name")?)
            } else if kind == JoinKind::Cross {
                JoinCondition::None
            } else {
                return Err(self.unexpected("ON or USING"));
            };
            reference =
                TableReference::Join(Box::new(Join { left: reference, right, kind, condition, span }));
        }
        Ok(reference)
    }

    /// The keywords of a join up to JOIN: its kind, whether it is NATURAL, and where they begin.
    fn join_kind(&mut self) -> Parsed<Option<(JoinKind, bool, Span)>> {
        let span = self.peek().span;
        let natural = self.is_word("NATURAL") && self.accept_word("NATURAL");
        let kind = match self.word() {
            Some("JOIN") => JoinKind::Inner,
            Some("INNER") => {
                self.next();
                JoinKind::Inner
            }
            Some("CROSS") => {
                self.next();
                JoinKind::Cross
            }
            Some(side @ ("LEFT" | "RIGHT" | "FULL")) => {
                let kind = match side {
                    "LEFT" => JoinKind::Left,
                    "RIGHT" => JoinKind::Right,
                    _ => JoinKind::Full,
                };
                self.next();
                self.accept_word("OUTER");
                kind
            }
            _ if natural => return Err(self.unexpected("JOIN")),
            _ => return Ok(None),
        };
        self.expect_word("JOIN")?;
        Ok(Some((kind, natural, span)))
    }

    /// A relation: one level of nesting of its own.
    fn table_primary(&mut self) -> Parsed<TableReference> {
        self.nested(Self::relation)
    }

    fn relation(&mut self) -> Parsed<TableReference> {
        if self.is_symbol("(") {
            self.next();
            let query = Box::new(self.query()?);
            self.expect_symbol(")")?;
            let over = if self.is_word("OVER") { Some(self.over()?) } else { None };
            let alias = self.table_alias()?;
            return Ok(TableReference::Subquery { query, over, alias });
        }
        if self.is_word("TABLE") {
            self.next();
            self.expect_symbol("(")?;
            let (name, arguments) = self.table_function()?;
            self.expect_symbol(")")?;
            let alias = self.table_alias()?;
            return Ok(TableReference::Function { name, arguments, alias });
        }
        let name = self.object_name("a stream name")?;
        if self.is_symbol("(") {
            return Err(called_in_from(&name.object));
        }
        let over = if self.is_word("OVER") { Some(self.over()?) } else { None };
        let alias = self.table_alias()?;
        Ok(TableReference::Named { name, over, alias })
    }

    fn table_function(&mut self) -> Parsed<(Name, Vec<FunctionArgument>)> {
        let name = self.name("a table function")?;
        if let Some(form) = dialect_form(&name.value) {
            let message = format!("there is no table function {}", name.value);
            return Err(Diagnostic::error(name.span, message).with_hint(form));
        }
        self.expect_symbol("(")?;
        let mut arguments = Vec::new();
        while !self.is_symbol(")") {
            if !arguments.is_empty() {
                self.expect_symbol(",")?;
            }
            if self.accept_word("CURSOR") {
                self.expect_symbol("(")?;
                arguments.push(FunctionArgument::Cursor(Box::new(self.query()?)));
                self.expect_symbol(")")?;
            } else if self.is_word("SELECT") {
                return Err(self.unexpected("an expression").with_hint("write CURSOR(SELECT STREAM …)"));
            } else {
                arguments.push(FunctionArgument::Expr(self.expression()?));
            }
        }
        self.expect_symbol(")")?;
        Ok((name, arguments))
    }

    fn table_alias(&mut self) -> Parsed<Option<TableAlias>> {
        if !self.accept_word("AS") {
            if !self.is_plain_name() {
                return Ok(None);
            }
            self.bare_alias = Some(self.position);
        }
        let name = self.name("an alias")?;
        let columns = if self.is_symbol("(") { Some(self.alias_columns()?) } else { None };
        Ok(Some(TableAlias { name, columns }))
    }

    fn alias_columns(&mut self) -> Parsed<Vec<Name>> {
        self.expect_symbol("(")?;
        let mut names = Vec::new();
        loop {
            if self.is_word("ROWTIME") {
                let message = "ROWTIME is not counted in a list of column aliases and cannot be renamed";
                return Err(Diagnostic::error(self.peek().span, message)
                    .with_hint("leave it out: every stream has it under its own name"));
            }
            names.push(self.column_name("a column alias")?);
            if !self.accept_symbol(",") {
                break;
            }
        }
        self.expect_symbol(")")?;
        Ok(names)
    }
}

/// The mistake of a function that stands in FROM as other dialects write it.
fn called_in_from(name: &Name) -> Diagnostic {
    let function = &name.value;
    let mistake =
        Diagnostic::error(name.span, format!("{function} is called where the name of a stream stands"));
    match dialect_form(function) {
        Some(form) => mistake.with_hint(form),
        None => mistake.with_hint(format!(
            "a table function stands in TABLE(…) and reads a query: TABLE({function}(CURSOR(SELECT STREAM …), …))"
        )),
    }
}

/// How windows are written that other dialects call by such a word.
fn other_window(word: &str) -> Option<&'static str> {
    match word {
        "TUMBLE" | "TUMBLING" => {
            Some("a tumbling window is GROUP BY …, STEP(stream.ROWTIME BY INTERVAL '1' MINUTE)")
        }
        "SLIDE" | "SLIDING" | "HOP" | "HOPPING" => {
            Some("a sliding window is … OVER (PARTITION BY … RANGE INTERVAL '1' MINUTE PRECEDING)")
        }
        _ => None,
    }
}
