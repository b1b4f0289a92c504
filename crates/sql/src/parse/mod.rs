//! From tokens to the syntax tree: recursive descent, operators by precedence.
//!
//! A mistake ends its statement: the parser notes it, goes on behind the next `;` or before the next CREATE, and so
//! reports one mistake of each statement.

mod expression;
mod query;
mod statement;
mod types;
mod window;

use crate::foreign::foreign_clause;
use crate::keywords::{is_misspelling, is_reserved_word, is_structural_word, misspelled_keyword};
use crate::limits::{MAX_EXPRESSION_HEIGHT, MAX_NESTING};
use crate::syntax::{Expr, ExprKind, Name, ObjectName, Statement};
use crate::token::{Token, TokenKind};
use crate::{Diagnostic, Span};

/// A mistake that ends the statement.
type Parsed<T> = Result<T, Diagnostic>;

/// The statements of a script; what cannot be read becomes diagnostics. Where a statement holds mistakes of the lexer, which
/// are in `diagnostics`, those of its syntax are not said: they may come of them.
pub(crate) fn parse_script(tokens: &[Token], diagnostics: &mut Vec<Diagnostic>) -> Vec<Statement> {
    let misread: Vec<Span> =
        diagnostics.iter().filter(|mistake| mistake.is_error()).map(|mistake| mistake.span).collect();
    let mut parser = Parser::new(tokens);
    let mut statements = Vec::new();
    loop {
        while parser.accept_symbol(";") {}
        if parser.at_end() {
            return statements;
        }
        let start = parser.position;
        let parsed = parser.statement();
        let mut mistakes = std::mem::take(&mut parser.mistakes);
        match parsed {
            Ok(statement) => {
                let is_whole = match parser.behind_statement() {
                    Behind::End => true,
                    Behind::NextStatement(mistake) | Behind::ForeignClause(mistake) => {
                        mistakes.push(mistake);
                        true
                    }
                    Behind::Rest(mistake) => {
                        mistakes.push(mistake);
                        false
                    }
                };
                if is_whole {
                    statements.push(statement);
                } else {
                    statements.extend(parser.unreadable_stream(start));
                }
            }
            Err(mistake) => {
                mistakes.push(mistake);
                statements.extend(parser.unreadable_stream(start));
            }
        }
        if !mistakes.is_empty() {
            parser.skip_to_next_statement(start);
        }
        let read = parser.tokens[start].span.start..=parser.peek().span.start;
        if !misread.iter().any(|span| read.contains(&span.start)) {
            diagnostics.append(&mut mistakes);
        }
    }
}

/// What stands behind a statement that could be read.
enum Behind {
    End,
    /// The next statement begins, and `;` is missing.
    NextStatement(Diagnostic),
    /// A clause of another dialect, which the rest of the statement does not need.
    ForeignClause(Diagnostic),
    /// Something that the statement did not expect: it may mean something else than what was read.
    Rest(Diagnostic),
}

/// A single expression, as in a test of scalar functions.
pub(crate) fn parse_expression(tokens: &[Token]) -> Parsed<Expr> {
    let mut parser = Parser::new(tokens);
    let expr = parser.expression()?;
    if let Some(mistake) = parser.mistakes.drain(..).next() {
        return Err(mistake);
    }
    if parser.at_end() { Ok(expr) } else { Err(parser.unexpected("the end of the expression")) }
}

/// A type, as in the schema of an input.
pub(crate) fn parse_type(tokens: &[Token]) -> Parsed<crate::SqlType> {
    let mut parser = Parser::new(tokens);
    let (sql_type, _) = parser.data_type()?;
    if parser.at_end() { Ok(sql_type) } else { Err(parser.unexpected("the end of the type")) }
}

struct Parser<'a> {
    /// Never empty: the last is [`TokenKind::End`].
    tokens: &'a [Token],
    position: usize,
    depth: usize,
    /// The word that was read last as an alias without AS: perhaps a keyword that is misspelled.
    bare_alias: Option<usize>,
    /// Mistakes of the statement that did not end it.
    mistakes: Vec<Diagnostic>,
}

impl<'a> Parser<'a> {
    fn new(tokens: &'a [Token]) -> Parser<'a> {
        Parser { tokens, position: 0, depth: 0, bare_alias: None, mistakes: Vec::new() }
    }
}

impl Parser<'_> {
    fn peek(&self) -> &Token {
        self.peek_ahead(0)
    }

    fn peek_ahead(&self, ahead: usize) -> &Token {
        let last = self.tokens.len() - 1;
        &self.tokens[(self.position + ahead).min(last)]
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        if self.position < self.tokens.len() - 1 {
            self.position += 1;
        }
        token
    }

    /// The span of the token before the current one.
    fn previous_span(&self) -> Span {
        self.tokens[self.position.saturating_sub(1)].span
    }

    fn at_end(&self) -> bool {
        self.peek().kind == TokenKind::End
    }

    fn is_symbol(&self, symbol: &str) -> bool {
        matches!(&self.peek().kind, TokenKind::Symbol(found) if *found == symbol)
    }

    /// Whether the token before the current one is this symbol.
    fn is_behind_symbol(&self, symbol: &str) -> bool {
        let before = &self.tokens[self.position.saturating_sub(1)];
        matches!(&before.kind, TokenKind::Symbol(found) if *found == symbol)
    }

    fn is_symbol_ahead(&self, ahead: usize, symbol: &str) -> bool {
        matches!(&self.peek_ahead(ahead).kind, TokenKind::Symbol(found) if *found == symbol)
    }

    fn accept_symbol(&mut self, symbol: &str) -> bool {
        let found = self.is_symbol(symbol);
        if found {
            self.next();
        }
        found
    }

    fn expect_symbol(&mut self, symbol: &str) -> Parsed<Span> {
        if self.is_symbol(symbol) {
            Ok(self.next().span)
        } else {
            Err(self.unexpected(&format!("\"{symbol}\"")))
        }
    }

    fn is_word(&self, word: &str) -> bool {
        self.is_word_ahead(0, word)
    }

    fn is_word_ahead(&self, ahead: usize, word: &str) -> bool {
        matches!(&self.peek_ahead(ahead).kind, TokenKind::Word(found) if found == word)
    }

    /// The current token when it is an unquoted word.
    fn word(&self) -> Option<&str> {
        match &self.peek().kind {
            TokenKind::Word(word) => Some(word),
            _ => None,
        }
    }

    fn accept_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        if found {
            self.next();
        }
        found
    }

    fn accept_words(&mut self, words: &[&str]) -> bool {
        let found = words.iter().enumerate().all(|(ahead, word)| self.is_word_ahead(ahead, word));
        if found {
            self.position += words.len();
        }
        found
    }

    fn expect_word(&mut self, word: &str) -> Parsed<Span> {
        if self.is_word(word) { Ok(self.next().span) } else { Err(self.unexpected(word)) }
    }

    /// Passes over the rest of a statement that began at `start`. CREATE is reserved: it only ever begins one.
    fn skip_to_next_statement(&mut self, start: usize) {
        self.position = self.position.max((start + 1).min(self.tokens.len() - 1));
        while !self.at_end() && !self.is_symbol(";") && !self.is_word("CREATE") {
            self.position += 1;
        }
    }

    /// Notes a mistake and passes over what belongs to it, up to one of `ends` outside of further parentheses. Where the
    /// statement ends before, the mistake ends it.
    fn go_on_behind(&mut self, mistake: Diagnostic, ends: &[&str]) -> Parsed<()> {
        let start = self.position;
        let mut open = 0_usize;
        loop {
            if self.at_end() || self.is_symbol(";") || self.is_word("CREATE") {
                self.position = start;
                return Err(mistake);
            }
            if open == 0 && ends.iter().any(|end| self.is_symbol(end)) {
                self.mistakes.push(mistake);
                return Ok(());
            }
            open += usize::from(self.is_symbol("("));
            open = open.saturating_sub(usize::from(self.is_symbol(")")));
            self.next();
        }
    }

    /// The mistake of finding the current token where `expected` should stand. A keyword that is misspelled just before it,
    /// or that is the token, is named instead.
    fn unexpected(&self, expected: &str) -> Diagnostic {
        let token = self.peek();
        let alias = self.bare_alias.filter(|alias| alias + 1 == self.position);
        if let Some(Token { kind: TokenKind::Word(word), span }) = alias.map(|alias| &self.tokens[alias])
            && let Some(keyword) = misspelled_keyword(word)
        {
            return Diagnostic::error(*span, format!("expected {keyword}, found {word}"))
                .with_hint(format!("did you mean {keyword}?"));
        }
        let mistake =
            Diagnostic::error(token.span, format!("expected {expected}, found {}", token.kind.describe()));
        let mut keywords = expected.split(|c: char| !(c.is_ascii_uppercase() || c == '_'));
        match &token.kind {
            TokenKind::Word(word) => match keywords.find(|it| it.len() > 1 && is_misspelling(word, it)) {
                Some(keyword) => mistake.with_hint(format!("did you mean {keyword}?")),
                None => mistake,
            },
            _ => mistake,
        }
    }

    /// What stands behind a statement.
    fn behind_statement(&self) -> Behind {
        if self.at_end() || self.is_symbol(";") {
            return Behind::End;
        }
        // Words that are not reserved are read as an alias first.
        let alias = self.bare_alias.filter(|alias| alias + 1 == self.position);
        let words = alias.map(|alias| &self.tokens[alias]).into_iter().chain([self.peek()]);
        for token in words {
            if let TokenKind::Word(word) = &token.kind
                && let Some(mistake) = foreign_clause(word, token.span)
            {
                return Behind::ForeignClause(mistake);
            }
        }
        let mistake = self.unexpected("\";\"");
        match self.word() {
            Some("CREATE" | "INSERT" | "ALTER" | "DROP" | "SELECT") => {
                Behind::NextStatement(mistake.with_hint("end each statement with ;"))
            }
            _ => Behind::Rest(mistake),
        }
    }

    /// A name where one must stand; reserved words only when quoted.
    fn name(&mut self, what: &str) -> Parsed<Name> {
        let token = self.peek().clone();
        match token.kind {
            TokenKind::QuotedName(value) => {
                self.next();
                Ok(Name { value, quoted: true, span: token.span })
            }
            // Here the next statement begins, and this one has not ended.
            TokenKind::Word(value) if value == "CREATE" => Err(self.unexpected(what)),
            TokenKind::Word(value) if is_reserved_word(&value) => {
                let message = format!("{value} is a reserved word and cannot be {what}");
                Err(Diagnostic::error(token.span, message).with_hint(format!("quote it: \"{value}\"")))
            }
            TokenKind::Word(value) => {
                self.next();
                Ok(Name { value, quoted: false, span: token.span })
            }
            _ => Err(self.unexpected(what)),
        }
    }

    /// A name of a column: reserved words, too, unless they say how a query is put together.
    fn column_name(&mut self, what: &str) -> Parsed<Name> {
        let token = self.peek().clone();
        match token.kind {
            TokenKind::Word(value) if !is_structural_word(&value) => {
                self.next();
                Ok(Name { value, quoted: false, span: token.span })
            }
            _ => self.name(what),
        }
    }

    /// A column behind the point of `stream.column`: any word is one.
    fn member_name(&mut self) -> Parsed<Name> {
        let token = self.peek().clone();
        match token.kind {
            TokenKind::Word(value) => {
                self.next();
                Ok(Name { value, quoted: false, span: token.span })
            }
            _ => self.name("a column name"),
        }
    }

    fn object_name(&mut self, what: &str) -> Parsed<ObjectName> {
        let mut qualifiers = Vec::new();
        let mut object = self.name(what)?;
        while self.is_symbol(".") {
            self.next();
            qualifiers.push(object);
            object = self.name(what)?;
        }
        Ok(ObjectName { qualifiers, object })
    }

    /// Names of columns in parentheses.
    fn name_list(&mut self, what: &str) -> Parsed<Vec<Name>> {
        self.expect_symbol("(")?;
        let mut names = vec![self.column_name(what)?];
        while self.accept_symbol(",") {
            names.push(self.column_name(what)?);
        }
        self.expect_symbol(")")?;
        Ok(names)
    }

    /// Runs `inner` one level deeper, within the limit.
    fn nested<T>(&mut self, inner: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth >= MAX_NESTING {
            return Err(too_deep(self.peek().span));
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    /// Builds a tree node above `children`, within the limit of height.
    fn node(&self, kind: ExprKind, span: Span, children: &[usize]) -> Parsed<Expr> {
        let height = children.iter().max().map_or(0, |height| height + 1);
        if height > MAX_EXPRESSION_HEIGHT { Err(too_deep(span)) } else { Ok(Expr { kind, span, height }) }
    }
}

fn too_deep(span: Span) -> Diagnostic {
    let message = format!(
        "nested too deeply: more than {MAX_NESTING} parentheses or subqueries, or {MAX_EXPRESSION_HEIGHT} operators"
    );
    Diagnostic::error(span, message).with_hint("split it over a subquery or an in-application stream")
}
