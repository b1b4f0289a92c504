//! Expressions, by precedence: OR, AND, NOT, comparisons, `+ - ||`, `* /`, signs, primaries.

use super::{Parsed, Parser};
use crate::foreign::{dialect_form, foreign_comparison};
use crate::keywords::is_structural_word;
use crate::lex::unescape_unicode;
use crate::syntax::{
    BinaryOperator, Call, Expr, ExprKind, Name, PeriodPredicate, PeriodRelation, PeriodStrictness,
    SubqueryKind,
};
use crate::token::TokenKind;
use crate::{ComparisonOperator, Diagnostic, Span, TimeUnit, TruthTest};

/// Words that are a value by themselves.
const CLOCK_WORDS: [&str; 6] = [
    "CURRENT_TIMESTAMP",
    "LOCALTIMESTAMP",
    "CURRENT_DATE",
    "CURRENT_TIME",
    "LOCALTIME",
    "CURRENT_ROW_TIMESTAMP",
];

/// An operand, and whether a comparison stood behind it.
enum Compared {
    /// One did: another may follow.
    More(Expr),
    /// None did.
    Whole(Expr),
}

impl Parser<'_> {
    pub(super) fn expression(&mut self) -> Parsed<Expr> {
        self.nested(Self::or_expression)
    }

    fn or_expression(&mut self) -> Parsed<Expr> {
        let mut left = self.and_expression()?;
        while self.accept_word("OR") {
            let right = self.and_expression()?;
            left = self.binary(BinaryOperator::Or, left, right)?;
        }
        Ok(left)
    }

    fn and_expression(&mut self) -> Parsed<Expr> {
        let mut left = self.not_expression()?;
        while self.accept_word("AND") {
            let right = self.not_expression()?;
            left = self.binary(BinaryOperator::And, left, right)?;
        }
        Ok(left)
    }

    fn not_expression(&mut self) -> Parsed<Expr> {
        if !self.is_word("NOT") {
            return self.comparison();
        }
        let start = self.next().span;
        let operand = self.nested(Self::not_expression)?;
        // `NOT x IS TRUE` means `(NOT x) IS TRUE`: the documented results require it.
        if let ExprKind::IsTruth { operand: inner, test, negated } = operand.kind {
            let span = start.to(inner.span);
            let height = inner.height;
            let not = self.node(ExprKind::Not(inner), span, &[height])?;
            let height = not.height;
            let span = start.to(operand.span);
            return self.node(ExprKind::IsTruth { operand: Box::new(not), test, negated }, span, &[height]);
        }
        let (span, height) = (start.to(operand.span), operand.height);
        self.node(ExprKind::Not(Box::new(operand)), span, &[height])
    }

    fn binary(&mut self, operator: BinaryOperator, left: Expr, right: Expr) -> Parsed<Expr> {
        let (span, heights) = (left.span.to(right.span), [left.height, right.height]);
        self.node(
            ExprKind::Binary2 { operator, left: Box::new(left), right: Box::new(right) },
            span,
            &heights,
        )
    }

    /// Each kind of comparison has a function of its own: what nests goes through this one, whose frame stays small.
    fn comparison(&mut self) -> Parsed<Expr> {
        let mut left = self.additive_expression()?;
        loop {
            left = match self.compared(left)? {
                Compared::More(left) => left,
                Compared::Whole(left) => return Ok(left),
            };
        }
    }

    /// What stands behind an operand, if it is a comparison.
    fn compared(&mut self, left: Expr) -> Parsed<Compared> {
        if let Some(operator) = self.comparison_operator() {
            return self.compare(operator, left).map(Compared::More);
        }
        if self.accept_word("IS") {
            return self.is_test(left).map(Compared::More);
        }
        if let Some(predicate) = self.period_predicate(&left) {
            return self.period_comparison(predicate, left).map(Compared::More);
        }
        let negated = self.is_word("NOT")
            && ["BETWEEN", "IN", "LIKE", "SIMILAR"].iter().any(|word| self.is_word_ahead(1, word));
        if negated {
            self.next();
        }
        if self.accept_word("BETWEEN") {
            self.between(left, negated).map(Compared::More)
        } else if self.is_word("IN") {
            self.in_list(left, negated).map(Compared::More)
        } else if self.accept_word("LIKE") {
            self.like(left, negated, false).map(Compared::More)
        } else if self.accept_words(&["SIMILAR", "TO"]) {
            self.like(left, negated, true).map(Compared::More)
        } else if let Some(mistake) = self.foreign_comparison() {
            Err(mistake)
        } else {
            Ok(Compared::Whole(left))
        }
    }

    /// The mistake of a comparison of another dialect at the current token: a word, perhaps behind NOT, before a string.
    fn foreign_comparison(&self) -> Option<Diagnostic> {
        let ahead = usize::from(self.is_word("NOT"));
        let token = self.peek_ahead(ahead);
        let TokenKind::Word(word) = &token.kind else { return None };
        let form = foreign_comparison(word).filter(|_| self.is_text_ahead(ahead + 1))?;
        Some(Diagnostic::error(token.span, format!("{word} is not part of the language")).with_hint(form))
    }

    fn compare(&mut self, operator: ComparisonOperator, left: Expr) -> Parsed<Expr> {
        let (start, height) = (left.span, left.height);
        self.next();
        let right = self.additive_expression()?;
        let (span, heights) = (start.to(right.span), [height, right.height]);
        let kind = ExprKind::Compare { operator, left: Box::new(left), right: Box::new(right) };
        self.node(kind, span, &heights)
    }

    fn period_comparison(&mut self, predicate: PeriodPredicate, left: Expr) -> Parsed<Expr> {
        let (start, height) = (left.span, left.height);
        let right = self.additive_expression()?;
        let (span, heights) = (start.to(right.span), [height, right.height]);
        let mut middle = right.clone();
        let kind = ExprKind::Period { predicate, left: Box::new(left), right: Box::new(right) };
        let mut left = self.node(kind, span, &heights)?;
        // `A p B q C` means `A p B AND B q C`, and so on.
        while let Some(next) = self.period_predicate(&middle) {
            let end = self.additive_expression()?;
            let (span, heights) = (middle.span.to(end.span), [middle.height, end.height]);
            let (from, to) = (Box::new(middle), Box::new(end.clone()));
            let kind = ExprKind::Period { predicate: next, left: from, right: to };
            let link = self.node(kind, span, &heights)?;
            left = self.binary(BinaryOperator::And, left, link)?;
            middle = end;
        }
        Ok(left)
    }

    fn comparison_operator(&self) -> Option<ComparisonOperator> {
        let TokenKind::Symbol(symbol) = &self.peek().kind else { return None };
        match *symbol {
            "=" => Some(ComparisonOperator::Equal),
            "<>" | "!=" => Some(ComparisonOperator::NotEqual),
            "<" => Some(ComparisonOperator::Less),
            "<=" => Some(ComparisonOperator::LessOrEqual),
            ">" => Some(ComparisonOperator::Greater),
            ">=" => Some(ComparisonOperator::GreaterOrEqual),
            _ => None,
        }
    }

    fn is_test(&mut self, left: Expr) -> Parsed<Expr> {
        let (start, height) = (left.span, left.height);
        let negated = self.accept_word("NOT");
        let operand = Box::new(left);
        let (kind, right_height) = if self.accept_word("NULL") {
            (ExprKind::IsNull { operand, negated }, 0)
        } else if self.accept_word("TRUE") {
            (ExprKind::IsTruth { operand, test: TruthTest::True, negated }, 0)
        } else if self.accept_word("FALSE") {
            (ExprKind::IsTruth { operand, test: TruthTest::False, negated }, 0)
        } else if self.accept_word("UNKNOWN") {
            (ExprKind::IsTruth { operand, test: TruthTest::Unknown, negated }, 0)
        } else if self.accept_words(&["DISTINCT", "FROM"]) {
            let right = self.additive_expression()?;
            let height = right.height;
            // `IS DISTINCT FROM` is the negation of `IS NOT DISTINCT FROM`.
            (ExprKind::IsDistinct { left: operand, right: Box::new(right), negated }, height)
        } else {
            return Err(self.unexpected("NULL, TRUE, FALSE, UNKNOWN or DISTINCT FROM"));
        };
        let span = start.to(self.previous_span());
        self.node(kind, span, &[height, right_height])
    }

    fn between(&mut self, operand: Expr, negated: bool) -> Parsed<Expr> {
        let symmetric = self.accept_word("SYMMETRIC");
        if !symmetric {
            self.accept_word("ASYMMETRIC");
        }
        let low = self.additive_expression()?;
        if self.is_symbol(",") {
            return Err(self.unexpected("AND").with_hint("write x BETWEEN low AND high"));
        }
        self.expect_word("AND")?;
        let high = self.additive_expression()?;
        let (span, heights) =
            (operand.span.to(high.span), [operand.height + 2, low.height + 2, high.height + 2]);
        let (operand, low, high) = (Box::new(operand), Box::new(low), Box::new(high));
        self.node(ExprKind::Between { operand, low, high, symmetric, negated }, span, &heights)
    }

    fn in_list(&mut self, operand: Expr, negated: bool) -> Parsed<Expr> {
        self.next();
        self.expect_symbol("(")?;
        if self.is_word("SELECT") || self.is_word("VALUES") {
            let query = Box::new(self.query()?);
            self.expect_symbol(")")?;
            let span = operand.span.to(self.previous_span());
            let heights = [operand.height];
            let kind = SubqueryKind::In { operand: Box::new(operand), negated };
            return self.node(ExprKind::Subquery { kind, query }, span, &heights);
        }
        let mut list = vec![self.expression()?];
        while self.accept_symbol(",") {
            list.push(self.expression()?);
        }
        self.expect_symbol(")")?;
        let height = list.iter().map(|item| item.height).max().unwrap_or(0);
        let (span, heights) = (operand.span.to(self.previous_span()), [operand.height, height]);
        self.node(ExprKind::InList { operand: Box::new(operand), list, negated }, span, &heights)
    }

    fn like(&mut self, text: Expr, negated: bool, similar: bool) -> Parsed<Expr> {
        let pattern = self.additive_expression()?;
        let escape =
            if self.accept_word("ESCAPE") { Some(Box::new(self.additive_expression()?)) } else { None };
        let span = text.span.to(self.previous_span());
        let heights = [text.height, pattern.height];
        let (text, pattern) = (Box::new(text), Box::new(pattern));
        self.node(ExprKind::Like { text, pattern, escape, similar, negated }, span, &heights)
    }

    /// The period predicate at the current token, if the left operand is a period.
    fn period_predicate(&mut self, left: &Expr) -> Option<PeriodPredicate> {
        if !matches!(left.kind, ExprKind::Row(_)) {
            return None;
        }
        let (strictness, ahead) = if self.is_word("STRICTLY") {
            (PeriodStrictness::Strictly, 1)
        } else if self.is_word("IMMEDIATELY") {
            (PeriodStrictness::Immediately, 1)
        } else {
            (PeriodStrictness::Plain, 0)
        };
        let TokenKind::Word(word) = &self.peek_ahead(ahead).kind else { return None };
        let relation = match word.as_str() {
            "EQUALS" => PeriodRelation::Equals,
            "CONTAINS" => PeriodRelation::Contains,
            "OVERLAPS" => PeriodRelation::Overlaps,
            "PRECEDES" => PeriodRelation::Precedes,
            "SUCCEEDS" => PeriodRelation::Succeeds,
            "LEADS" => PeriodRelation::Leads,
            "LAGS" => PeriodRelation::Lags,
            _ => return None,
        };
        self.position += ahead + 1;
        Some(PeriodPredicate { relation, strictness })
    }

    pub(super) fn additive_expression(&mut self) -> Parsed<Expr> {
        let mut left = self.multiplicative()?;
        loop {
            let operator = if self.accept_symbol("+") {
                BinaryOperator::Add
            } else if self.accept_symbol("-") {
                BinaryOperator::Subtract
            } else if self.accept_symbol("||") {
                BinaryOperator::Concat
            } else {
                return Ok(left);
            };
            let right = self.multiplicative()?;
            left = self.binary(operator, left, right)?;
        }
    }

    fn multiplicative(&mut self) -> Parsed<Expr> {
        let mut left = self.unary()?;
        loop {
            let operator = if self.accept_symbol("*") {
                BinaryOperator::Multiply
            } else if self.accept_symbol("/") {
                BinaryOperator::Divide
            } else {
                return Ok(left);
            };
            let right = self.unary()?;
            left = self.binary(operator, left, right)?;
        }
    }

    fn unary(&mut self) -> Parsed<Expr> {
        if !(self.is_symbol("-") || self.is_symbol("+")) {
            return self.primary();
        }
        let negative = self.is_symbol("-");
        let start = self.next().span;
        let operand = self.nested(Self::unary)?;
        let (span, height) = (start.to(operand.span), operand.height);
        let operand = Box::new(operand);
        self.node(if negative { ExprKind::Negate(operand) } else { ExprKind::Plus(operand) }, span, &[height])
    }

    fn leaf(&mut self, kind: ExprKind) -> Parsed<Expr> {
        let span = self.next().span;
        self.node(kind, span, &[])
    }

    fn primary(&mut self) -> Parsed<Expr> {
        match self.peek().kind.clone() {
            TokenKind::Integer(digits) => self.leaf(ExprKind::Integer(digits)),
            TokenKind::Decimal(digits) => self.leaf(ExprKind::Decimal(digits)),
            TokenKind::Approximate(digits) => self.leaf(ExprKind::Approximate(digits)),
            TokenKind::Text(text) => self.leaf(ExprKind::Text(text)),
            TokenKind::Binary(bytes) => self.leaf(ExprKind::Binary(bytes)),
            TokenKind::UnicodeText(_) => {
                let start = self.peek().span;
                let text = self.text("a string")?;
                let span = start.to(self.previous_span());
                self.node(ExprKind::Text(text), span, &[])
            }
            TokenKind::QuotedName(_) => self.column_or_call(),
            TokenKind::Symbol("(") => self.parenthesised(),
            TokenKind::Symbol("{") => self.escape_literal(),
            TokenKind::Word(word) => self.word_expression(&word),
            TokenKind::Symbol(_) | TokenKind::End => Err(self.no_expression()),
        }
    }

    /// A string literal, its Unicode escapes undone.
    pub(super) fn text(&mut self, what: &str) -> Parsed<String> {
        let token = self.peek().clone();
        match token.kind {
            TokenKind::Text(text) => {
                self.next();
                Ok(text)
            }
            TokenKind::UnicodeText(content) => {
                self.next();
                let mut escape = '\\';
                if self.accept_word("UESCAPE") {
                    let span = self.peek().span;
                    let text = self.text("an escape character in quotes")?;
                    let mut characters = text.chars();
                    match (characters.next(), characters.next()) {
                        (Some(character), None) => escape = character,
                        _ => return Err(Diagnostic::error(span, "UESCAPE takes exactly one character")),
                    }
                }
                unescape_unicode(&content, escape).map_err(|message| Diagnostic::error(token.span, message))
            }
            _ => Err(self.unexpected(what)),
        }
    }

    fn parenthesised(&mut self) -> Parsed<Expr> {
        let start = self.expect_symbol("(")?;
        if self.is_word("SELECT") || self.is_word("VALUES") {
            let query = Box::new(self.query()?);
            self.expect_symbol(")")?;
            let span = start.to(self.previous_span());
            return self.node(ExprKind::Subquery { kind: SubqueryKind::Scalar, query }, span, &[]);
        }
        let first = self.expression()?;
        if self.is_symbol(",") {
            return self.row(start, first);
        }
        self.expect_symbol(")")?;
        let (span, height) = (start.to(self.previous_span()), first.height);
        // `(a - b) DAY TO SECOND`
        if self.word().is_some_and(|word| TimeUnit::from_keyword(word).is_some()) {
            let qualifier = self.interval_qualifier()?;
            let span = start.to(self.previous_span());
            return self.node(ExprKind::Qualified { operand: Box::new(first), qualifier }, span, &[height]);
        }
        self.node(ExprKind::Nested(Box::new(first)), span, &[height])
    }

    fn row(&mut self, start: Span, first: Expr) -> Parsed<Expr> {
        let mut items = vec![first];
        while self.accept_symbol(",") {
            items.push(self.expression()?);
        }
        self.expect_symbol(")")?;
        let height = items.iter().map(|item| item.height).max().unwrap_or(0);
        self.node(ExprKind::Row(items), start.to(self.previous_span()), &[height])
    }

    /// `{d '…'}`, `{t '…'}`, `{ts '…'}`
    fn escape_literal(&mut self) -> Parsed<Expr> {
        let start = self.next().span;
        let word = self.word().unwrap_or_default().to_owned();
        if !matches!(word.as_str(), "D" | "T" | "TS") {
            return Err(self.unexpected("d, t or ts"));
        }
        self.next();
        let text = self.text("a string")?;
        let end = self.expect_symbol("}")?;
        let kind = match word.as_str() {
            "D" => ExprKind::Date(text),
            "T" => ExprKind::Time(text),
            _ => ExprKind::Timestamp(text),
        };
        self.node(kind, start.to(end), &[])
    }

    fn is_text_ahead(&self, ahead: usize) -> bool {
        matches!(self.peek_ahead(ahead).kind, TokenKind::Text(_) | TokenKind::UnicodeText(_))
    }

    fn word_expression(&mut self, word: &str) -> Parsed<Expr> {
        match word {
            "NULL" => self.leaf(ExprKind::Null),
            "TRUE" => self.leaf(ExprKind::Boolean(true)),
            "FALSE" => self.leaf(ExprKind::Boolean(false)),
            "UNKNOWN" => self.leaf(ExprKind::Unknown),
            "DATE" | "TIME" | "TIMESTAMP" if self.is_text_ahead(1) => self.datetime_literal(word),
            "INTERVAL" => self.interval_literal(),
            "CASE" => self.case(),
            "CAST" => self.cast(),
            "EXISTS" => self.exists(),
            "ROW" | "PERIOD" if self.is_symbol_ahead(1, "(") => self.row_or_period(word == "PERIOD"),
            "EXTRACT" | "POSITION" | "SUBSTRING" | "TRIM" | "OVERLAY" | "STEP" | "FLOOR" | "CEIL"
            | "CEILING"
                if self.is_symbol_ahead(1, "(") =>
            {
                self.special_call(word)
            }
            word if CLOCK_WORDS.contains(&word) => self.clock_call(word),
            word if self.is_symbol_ahead(1, "(") && !is_structural_word(word) => self.call(),
            word if is_structural_word(word) && word != "ROWTIME" => Err(self.not_an_expression(word)),
            _ => self.column_or_call(),
        }
    }

    /// The mistake of a symbol, or of the end, where an expression should stand.
    fn no_expression(&self) -> Diagnostic {
        let mistake = self.unexpected("an expression");
        if self.is_symbol("[") {
            return mistake.with_hint("quote names that need it with \": \"name\"");
        }
        mistake
    }

    /// The mistake of a keyword where an expression should stand.
    fn not_an_expression(&self, word: &str) -> Diagnostic {
        let mistake = self.unexpected("an expression");
        if let Some(form) = self.is_symbol_ahead(1, "(").then(|| dialect_form(word)).flatten() {
            return mistake.with_hint(form);
        }
        // A comma before FROM, an operator before WHERE: something is missing, not a column of that name.
        if self.is_behind_symbol(",") && word == "FROM" {
            return Diagnostic::error(self.peek().span, "expected a column behind the comma, found FROM")
                .with_hint("remove the comma, or name another column");
        }
        mistake.with_hint(format!("a column of that name must be quoted: \"{word}\""))
    }

    fn datetime_literal(&mut self, word: &str) -> Parsed<Expr> {
        let start = self.next().span;
        let text = self.text("a string")?;
        let kind = match word {
            "DATE" => ExprKind::Date(text),
            "TIME" => ExprKind::Time(text),
            _ => ExprKind::Timestamp(text),
        };
        let span = start.to(self.previous_span());
        self.node(kind, span, &[])
    }

    fn exists(&mut self) -> Parsed<Expr> {
        let start = self.next().span;
        self.expect_symbol("(")?;
        let query = Box::new(self.query()?);
        self.expect_symbol(")")?;
        let span = start.to(self.previous_span());
        self.node(ExprKind::Subquery { kind: SubqueryKind::Exists, query }, span, &[])
    }

    fn row_or_period(&mut self, is_period: bool) -> Parsed<Expr> {
        let start = self.next().span;
        self.expect_symbol("(")?;
        let first = self.expression()?;
        if is_period && !self.is_symbol(",") {
            return Err(self.unexpected("\",\" and the end of the period"));
        }
        self.row(start, first)
    }

    fn clock_call(&mut self, word: &str) -> Parsed<Expr> {
        let start = self.next().span;
        let name = Name { value: word.to_owned(), quoted: false, span: start };
        if self.is_symbol("(") && self.is_symbol_ahead(1, ")") {
            self.position += 2;
        }
        self.node(ExprKind::Call(plain_call(name, Vec::new())), start.to(self.previous_span()), &[])
    }

    fn column_or_call(&mut self) -> Parsed<Expr> {
        let first =
            if self.is_word("ROWTIME") { self.member_name()? } else { self.column_name("a column name")? };
        if self.is_symbol("(") && first.quoted {
            self.position -= 1;
            return self.call();
        }
        let mut parts = vec![first];
        while self.is_symbol(".") && !self.is_symbol_ahead(1, "*") {
            self.next();
            parts.push(self.member_name()?);
        }
        let span = parts[0].span.to(self.previous_span());
        self.node(ExprKind::Column(parts), span, &[])
    }

    fn interval_literal(&mut self) -> Parsed<Expr> {
        let start = self.expect_word("INTERVAL")?;
        let negative = self.is_symbol("-");
        if negative || self.is_symbol("+") {
            self.next();
        }
        let value = self
            .text("the value of the interval in single quotes")
            .map_err(|mistake| mistake.with_hint("write INTERVAL '5' SECOND"))?;
        let qualifier = self.interval_qualifier().map_err(|mistake| {
            // `INTERVAL '1 MINUTE'`, as another dialect has it.
            let mut words = value.split_whitespace();
            let unit = words.nth(1).map(|unit| unit.trim_end_matches(['s', 'S']).to_uppercase());
            match unit.filter(|unit| TimeUnit::from_keyword(unit).is_some()) {
                Some(unit) => {
                    let number = value.split_whitespace().next().unwrap_or_default();
                    mistake
                        .with_hint(format!("the unit stands behind the quotes: INTERVAL '{number}' {unit}"))
                }
                None => mistake,
            }
        })?;
        let span = start.to(self.previous_span());
        self.node(ExprKind::Interval { negative, value, qualifier }, span, &[])
    }

    fn case(&mut self) -> Parsed<Expr> {
        let start = self.expect_word("CASE")?;
        let operand = if self.is_word("WHEN") { None } else { Some(Box::new(self.expression()?)) };
        let mut branches = Vec::new();
        while self.accept_word("WHEN") {
            let condition = self.expression()?;
            self.expect_word("THEN")?;
            branches.push((condition, self.expression()?));
        }
        if branches.is_empty() {
            return Err(self.unexpected("WHEN"));
        }
        let otherwise = if self.accept_word("ELSE") { Some(Box::new(self.expression()?)) } else { None };
        let end = self.expect_word("END")?;
        let mut heights: Vec<usize> =
            branches.iter().map(|(condition, value)| condition.height.max(value.height)).collect();
        heights.extend(operand.iter().map(|operand| operand.height));
        heights.extend(otherwise.iter().map(|otherwise| otherwise.height));
        self.node(ExprKind::Case { operand, branches, otherwise }, start.to(end), &heights)
    }

    fn cast(&mut self) -> Parsed<Expr> {
        let start = self.expect_word("CAST")?;
        self.expect_symbol("(")?;
        let operand = self.expression()?;
        self.expect_word("AS")?;
        let target = match self.data_type() {
            Ok((target, _)) => Some(target),
            Err(mistake) => {
                self.go_on_behind(mistake, &[")"])?;
                None
            }
        };
        let end = self.expect_symbol(")")?;
        let height = operand.height;
        self.node(ExprKind::Cast { operand: Box::new(operand), target }, start.to(end), &[height])
    }

    /// Calls with keywords between their arguments; each has a function of its own, so that frames stay small.
    fn special_call(&mut self, word: &str) -> Parsed<Expr> {
        let start = self.next().span;
        let name = |value: &str| Name { value: value.to_owned(), quoted: false, span: start };
        self.expect_symbol("(")?;
        let kind = match word {
            "EXTRACT" => self.extract(),
            "POSITION" => self.position_of(&name),
            "STEP" => self.step(),
            "FLOOR" | "CEIL" | "CEILING" => self.rounding(word, &name),
            "OVERLAY" => self.overlay(&name),
            "TRIM" => self.trim(&name),
            _ => self.substring(&name),
        };
        self.end_of_call(start, kind?)
    }

    fn end_of_call(&mut self, start: Span, kind: ExprKind) -> Parsed<Expr> {
        let end = self.expect_symbol(")")?;
        let height = match &kind {
            ExprKind::Extract { operand, .. } | ExprKind::RoundTo { operand, .. } => operand.height,
            ExprKind::Step { operand, by } => operand.height.max(by.height),
            ExprKind::Call(call) => call.arguments.iter().map(|argument| argument.height).max().unwrap_or(0),
            _ => 0,
        };
        self.node(kind, start.to(end), &[height])
    }

    fn extract(&mut self) -> Parsed<ExprKind> {
        let unit = self.time_unit()?;
        self.expect_word("FROM")?;
        Ok(ExprKind::Extract { unit, operand: Box::new(self.expression()?) })
    }

    fn position_of(&mut self, name: &dyn Fn(&str) -> Name) -> Parsed<ExprKind> {
        let needle = self.nested(Self::additive_expression)?;
        self.expect_word("IN")?;
        Ok(ExprKind::Call(plain_call(name("POSITION"), vec![needle, self.expression()?])))
    }

    fn step(&mut self) -> Parsed<ExprKind> {
        let operand = Box::new(self.expression()?);
        self.expect_word("BY")
            .map_err(|mistake| mistake.with_hint("write STEP(s.ROWTIME BY INTERVAL '5' SECOND)"))?;
        Ok(ExprKind::Step { operand, by: Box::new(self.expression()?) })
    }

    fn rounding(&mut self, word: &str, name: &dyn Fn(&str) -> Name) -> Parsed<ExprKind> {
        let operand = self.expression()?;
        if self.accept_word("TO") {
            let unit = self.time_unit()?;
            return Ok(ExprKind::RoundTo { up: word != "FLOOR", operand: Box::new(operand), unit });
        }
        let mut arguments = vec![operand];
        while self.accept_symbol(",") {
            arguments.push(self.expression()?);
        }
        Ok(ExprKind::Call(plain_call(name(word), arguments)))
    }

    fn overlay(&mut self, name: &dyn Fn(&str) -> Name) -> Parsed<ExprKind> {
        let text = self.expression()?;
        self.expect_word("PLACING")?;
        let replacement = self.expression()?;
        self.expect_word("FROM")?;
        let mut arguments = vec![text, replacement, self.expression()?];
        if self.accept_word("FOR") {
            arguments.push(self.expression()?);
        }
        Ok(ExprKind::Call(plain_call(name("OVERLAY"), arguments)))
    }

    fn trim(&mut self, name: &dyn Fn(&str) -> Name) -> Parsed<ExprKind> {
        let (function, explicit) = if self.accept_word("LEADING") {
            ("TRIM_LEADING", true)
        } else if self.accept_word("TRAILING") {
            ("TRIM_TRAILING", true)
        } else {
            ("TRIM_BOTH", self.accept_word("BOTH"))
        };
        let blank = |span| Expr { kind: ExprKind::Text(" ".to_owned()), span, height: 0 };
        if explicit && self.is_word("FROM") {
            let span = self.next().span;
            return Ok(ExprKind::Call(plain_call(name(function), vec![blank(span), self.expression()?])));
        }
        let first = self.expression()?;
        let arguments = if self.accept_word("FROM") {
            vec![first, self.expression()?]
        } else if explicit {
            return Err(self.unexpected("FROM"));
        } else {
            vec![blank(first.span), first]
        };
        Ok(ExprKind::Call(plain_call(name(function), arguments)))
    }

    fn substring(&mut self, name: &dyn Fn(&str) -> Name) -> Parsed<ExprKind> {
        let mut arguments = vec![self.nested(Self::additive_expression)?];
        let function = if self.accept_word("FROM") {
            arguments.push(self.nested(Self::additive_expression)?);
            if self.accept_word("FOR") {
                arguments.push(self.nested(Self::additive_expression)?);
            }
            "SUBSTRING_FROM"
        } else if self.accept_word("SIMILAR") {
            arguments.push(self.nested(Self::additive_expression)?);
            self.expect_word("ESCAPE")?;
            arguments.push(self.nested(Self::additive_expression)?);
            "SUBSTRING_SIMILAR"
        } else {
            while self.accept_symbol(",") {
                arguments.push(self.expression()?);
            }
            "SUBSTRING"
        };
        Ok(ExprKind::Call(plain_call(name(function), arguments)))
    }

    /// An ordinary call with all that may follow it: FROM LAST, IGNORE NULLS, OVER.
    fn call(&mut self) -> Parsed<Expr> {
        let token = self.next();
        let (value, quoted) = match token.kind {
            TokenKind::QuotedName(value) => (value, true),
            TokenKind::Word(value) => (value, false),
            _ => return Err(self.unexpected("a function name")),
        };
        let mut call = plain_call(Name { value, quoted, span: token.span }, Vec::new());
        self.expect_symbol("(")?;
        if self.is_symbol("*") && self.is_symbol_ahead(1, ")") {
            self.next();
            call.star = true;
        } else if !self.is_symbol(")") {
            call.distinct = self.accept_word("DISTINCT");
            if !call.distinct {
                self.accept_word("ALL");
            }
            call.arguments.push(self.expression()?);
            while self.accept_symbol(",") {
                call.arguments.push(self.expression()?);
            }
        }
        self.expect_symbol(")")?;
        if self.is_word("FILTER") {
            return Err(Diagnostic::error(self.peek().span, "FILTER is not part of the language")
                .with_hint("use SUM(CASE WHEN condition THEN 1 ELSE 0 END)"));
        }
        if self.is_word("WITHIN") && self.is_word_ahead(1, "GROUP") {
            return Err(self.within_group(&call.name));
        }
        if self.is_word("FROM") && (self.is_word_ahead(1, "FIRST") || self.is_word_ahead(1, "LAST")) {
            let follows = |word| self.is_word_ahead(2, word);
            if follows("OVER") || follows("IGNORE") || follows("RESPECT") {
                call.from_last = self.is_word_ahead(1, "LAST");
                self.position += 2;
            }
        }
        if self.accept_words(&["IGNORE", "NULLS"]) {
            call.ignore_nulls = true;
        } else {
            self.accept_words(&["RESPECT", "NULLS"]);
        }
        if self.is_word("OVER") {
            call.over = Some(Box::new(self.over()?));
        }
        let height = call.arguments.iter().map(|argument| argument.height).max().unwrap_or(0);
        self.node(ExprKind::Call(call), token.span.to(self.previous_span()), &[height])
    }
}

impl Parser<'_> {
    /// The mistake of WITHIN GROUP behind the call of a function.
    fn within_group(&self, function: &Name) -> Diagnostic {
        let hint = dialect_form(&function.value).unwrap_or_else(|| {
            "remove it: FIRST_VALUE(x) and LAST_VALUE(x) go by ROWTIME, and other aggregates by no order"
                .to_owned()
        });
        Diagnostic::error(self.peek().span, "WITHIN GROUP is not part of the language").with_hint(hint)
    }
}

fn plain_call(name: Name, arguments: Vec<Expr>) -> Call {
    Call { name, arguments, star: false, distinct: false, from_last: false, ignore_nulls: false, over: None }
}
