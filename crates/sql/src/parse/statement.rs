//! Statements: CREATE, ALTER, DROP.

use super::{Parsed, Parser};
use crate::keywords::{ROWTIME_IS_SELECTED, is_misspelling};
use crate::syntax::{ColumnDefinition, DropKind, FunctionDefinition, Insert, Name, ObjectName, Statement};
use crate::{Diagnostic, SqlType};

impl Parser<'_> {
    pub(super) fn statement(&mut self) -> Parsed<Statement> {
        let start = self.peek().span;
        match self.word() {
            Some("CREATE") => self.create(),
            Some("DROP") => self.drop_statement(),
            Some("ALTER") => {
                self.next();
                self.expect_word("PUMP")?;
                let name = self.object_name("a pump name")?;
                let start = self.accept_word("START");
                if !start {
                    self.expect_word("STOP")?;
                }
                Ok(Statement::AlterPump { name, start })
            }
            Some("SET") if self.is_word_ahead(1, "SCHEMA") => {
                self.skip_statement();
                Ok(Statement::Ignored)
            }
            Some("INSERT") => Ok(Statement::Insert { insert: Box::new(self.insert()?) }),
            Some("SELECT" | "VALUES") => {
                let message = "a query by itself has nowhere to send its rows";
                Err(Diagnostic::error(start, message).with_hint(
                    "wrap it in a pump: CREATE STREAM name (column TYPE, …); CREATE PUMP name_pump AS INSERT INTO name SELECT \
                     STREAM …",
                ))
            }
            Some("WITH") => Err(self.with_clause()),
            Some(word @ ("UPDATE" | "DELETE" | "MERGE")) => {
                let message = format!("{word} is not a statement of streaming SQL: streams are append-only");
                Err(Diagnostic::error(start, message)
                    .with_hint("use CREATE STREAM, CREATE PUMP or CREATE FUNCTION"))
            }
            Some(word) => {
                let keywords = ["CREATE", "ALTER", "DROP", "INSERT", "SELECT"];
                let meant = keywords.into_iter().find(|keyword| is_misspelling(word, keyword));
                let hint = match meant {
                    Some(keyword) => format!("did you mean {keyword}?"),
                    None => {
                        "statements begin with CREATE, ALTER PUMP, DROP or INSERT and end with ;".to_owned()
                    }
                };
                Err(self.unexpected("a statement").with_hint(hint))
            }
            None => Err(self
                .unexpected("a statement")
                .with_hint("statements begin with CREATE, ALTER PUMP, DROP or INSERT and end with ;")),
        }
    }

    /// `CREATE STREAM IF NOT EXISTS`, as other dialects have it: said, and the statement goes on behind it.
    fn refuse_if_not_exists(&mut self, what: &str) {
        let start = self.peek().span;
        if self.accept_words(&["IF", "NOT", "EXISTS"]) {
            let place = start.to(self.previous_span());
            self.mistakes.push(
                Diagnostic::error(place, "IF NOT EXISTS is not part of the language")
                    .with_hint(format!("write CREATE OR REPLACE {what} name")),
            );
        }
    }

    fn create(&mut self) -> Parsed<Statement> {
        self.next();
        let or_replace = self.accept_words(&["OR", "REPLACE"]);
        match self.word() {
            Some("STREAM") => {
                self.next();
                self.refuse_if_not_exists("STREAM");
                self.create_stream(or_replace)
            }
            Some("PUMP") => {
                self.next();
                self.refuse_if_not_exists("PUMP");
                self.create_pump(or_replace)
            }
            Some("SCHEMA") => {
                self.skip_statement();
                Ok(Statement::Ignored)
            }
            Some("FUNCTION") => {
                self.next();
                self.refuse_if_not_exists("FUNCTION");
                self.create_function(or_replace)
            }
            Some("VIEW") => {
                self.next();
                self.refuse_if_not_exists("VIEW");
                self.create_view(or_replace)
            }
            Some(word @ ("FOREIGN" | "SERVER" | "TABLE" | "INDEX")) => {
                let message = format!("CREATE {word} is not part of Kinesis Data Analytics SQL");
                Err(Diagnostic::error(self.peek().span, message)
                    .with_hint("inputs, outputs and reference tables are configured beside the SQL"))
            }
            _ => Err(self.unexpected("STREAM, PUMP, FUNCTION or VIEW")),
        }
    }

    fn create_stream(&mut self, or_replace: bool) -> Parsed<Statement> {
        let name = self.object_name("a stream name")?;
        self.expect_symbol("(")?;
        let mut columns = Vec::new();
        let mut complete = true;
        loop {
            match self.column_definition() {
                Ok(column) => columns.push(column),
                Err(mistake) => {
                    self.go_on_behind(mistake, &[",", ")"])?;
                    complete = false;
                }
            }
            if !self.accept_symbol(",") {
                break;
            }
        }
        if !self.is_symbol(")") {
            return Err(self.unexpected("\",\" or \")\""));
        }
        self.next();
        self.description()?;
        let options = self.peek().span;
        let statement = match complete {
            true => Statement::CreateStream { or_replace, name, columns },
            false => Statement::Unreadable { name },
        };
        if self.accept_word("OPTIONS") {
            self.skip_parentheses()?;
            return Ok(Statement::OptionsIgnored { span: options, statement: Box::new(statement) });
        }
        Ok(statement)
    }

    fn column_definition(&mut self) -> Parsed<ColumnDefinition> {
        let name = self.column_name("a column name")?;
        let (sql_type, type_span) = self.data_type()?;
        if matches!(sql_type, SqlType::Interval(_)) {
            let message = "INTERVAL cannot be the type of a column";
            return Err(Diagnostic::error(type_span, message)
                .with_hint("store it as BIGINT, or as text with CAST(… AS VARCHAR(n))"));
        }
        let varies = matches!(sql_type, SqlType::Varchar { .. } | SqlType::Varbinary { .. });
        let endless = (varies && !self.is_behind_symbol(")")).then_some(type_span);
        let not_null = self.accept_words(&["NOT", "NULL"]);
        if !not_null {
            self.accept_word("NULL");
        }
        Ok(ColumnDefinition { name, sql_type, endless, not_null })
    }

    fn create_pump(&mut self, or_replace: bool) -> Parsed<Statement> {
        let name = self.object_name("a pump name")?;
        let stopped = self.accept_word("STOPPED");
        if !stopped {
            self.accept_word("STARTED");
        }
        self.description()?;
        self.expect_word("AS")?;
        let insert = Box::new(self.insert()?);
        Ok(Statement::CreatePump { or_replace, name, stopped, insert })
    }

    fn insert(&mut self) -> Parsed<Insert> {
        self.expect_word("INSERT")?;
        self.accept_word("EXPEDITED");
        self.expect_word("INTO")?;
        let target = self.object_name("a stream name")?;
        let begins_query = self.is_word_ahead(1, "SELECT")
            || self.is_word_ahead(1, "VALUES")
            || self.is_symbol_ahead(1, "(");
        let columns = if self.is_symbol("(") && !begins_query { Some(self.filled_columns()?) } else { None };
        let query = self.query()?;
        Ok(Insert { target, columns, query })
    }

    /// The columns that an INSERT names.
    fn filled_columns(&mut self) -> Parsed<Vec<Name>> {
        self.name_list("a column name").map_err(|mistake| match self.is_word("ROWTIME") {
            true => mistake.with_hint(ROWTIME_IS_SELECTED),
            false => mistake,
        })
    }

    fn create_view(&mut self, or_replace: bool) -> Parsed<Statement> {
        let name = self.object_name("a view name")?;
        let columns = if self.is_symbol("(") { Some(self.name_list("a column name")?) } else { None };
        self.description()?;
        self.expect_word("AS")?;
        let query = Box::new(self.query()?);
        Ok(Statement::CreateView { or_replace, name, columns, query })
    }

    fn create_function(&mut self, or_replace: bool) -> Parsed<Statement> {
        let name = self.object_name("a function name")?;
        self.expect_symbol("(")?;
        let mut parameters = Vec::new();
        while !self.is_symbol(")") {
            if !parameters.is_empty() {
                self.expect_symbol(",")?;
            }
            let parameter = self.name("a parameter name")?;
            parameters.push((parameter, self.data_type()?.0));
        }
        self.next();
        self.expect_word("RETURNS")?;
        let (returns, _) = self.data_type()?;
        let (mut specific, mut null_on_null, mut uses_data) = (None, false, None);
        loop {
            let span = self.peek().span;
            if self.accept_words(&["LANGUAGE", "SQL"])
                || self.accept_words(&["NOT", "DETERMINISTIC"])
                || self.accept_word("DETERMINISTIC")
                || self.accept_words(&["CONTAINS", "SQL"])
            {
                continue;
            }
            if self.accept_words(&["READS", "SQL", "DATA"]) || self.accept_words(&["MODIFIES", "SQL", "DATA"])
            {
                uses_data = Some(span);
            } else if self.accept_words(&["RETURNS", "NULL", "ON", "NULL", "INPUT"]) {
                null_on_null = true;
            } else if self.accept_words(&["CALLED", "ON", "NULL", "INPUT"]) {
                null_on_null = false;
            } else if self.accept_word("SPECIFIC") {
                specific = Some(self.name("a specific name")?);
            } else if self.accept_word("LANGUAGE") {
                let mistake = self.unexpected("SQL");
                return Err(
                    mistake.with_hint("functions are written in SQL: LANGUAGE SQL … RETURN expression")
                );
            } else {
                break;
            }
        }
        self.expect_word("RETURN")
            .map_err(|mistake| mistake.with_hint("the body of a function is RETURN and one expression"))?;
        let body = self.expression()?;
        Ok(Statement::CreateFunction(Box::new(FunctionDefinition {
            or_replace,
            name,
            parameters,
            returns,
            specific,
            null_on_null,
            uses_data,
            body,
        })))
    }

    fn description(&mut self) -> Parsed<()> {
        if self.accept_word("DESCRIPTION") {
            self.text("a description in single quotes")?;
        }
        Ok(())
    }

    fn drop_statement(&mut self) -> Parsed<Statement> {
        self.next();
        let kind = match self.word() {
            Some("STREAM") => DropKind::Stream,
            Some("PUMP") => DropKind::Pump,
            Some("FUNCTION") => DropKind::Function,
            Some("VIEW") => DropKind::View,
            _ => return Err(self.unexpected("STREAM, PUMP, FUNCTION or VIEW")),
        };
        self.next();
        let if_exists = self.accept_words(&["IF", "EXISTS"]);
        let name = self.object_name("a name")?;
        if !self.accept_word("CASCADE") {
            self.accept_word("RESTRICT");
        }
        Ok(Statement::Drop { kind, if_exists, name })
    }

    /// What a statement beginning at token `start` would have created, had it been readable: `CREATE [OR REPLACE] kind name`,
    /// whatever stands for the kind and the name.
    pub(super) fn unreadable_stream(&self, start: usize) -> Option<Statement> {
        let mut again = Parser::new(self.tokens);
        again.position = start;
        again.word().filter(|word| is_misspelling(word, "CREATE") || *word == "CREATE")?;
        again.next();
        if again.accept_word("OR") {
            again.next();
        }
        again.word()?;
        again.next();
        let mut object = again.member_name().ok()?;
        while again.accept_symbol(".") {
            object = again.member_name().ok()?;
        }
        Some(Statement::Unreadable { name: ObjectName { qualifiers: Vec::new(), object } })
    }

    fn skip_statement(&mut self) {
        while !self.at_end() && !self.is_symbol(";") {
            self.next();
        }
    }

    fn skip_parentheses(&mut self) -> Parsed<()> {
        self.expect_symbol("(")?;
        let mut open = 1;
        while open > 0 {
            if self.at_end() {
                return Err(self.unexpected("\")\""));
            }
            open += usize::from(self.is_symbol("("));
            open -= usize::from(self.is_symbol(")"));
            self.next();
        }
        Ok(())
    }
}
