//! OVER clauses and window specifications.

use super::{Parsed, Parser};
use crate::syntax::{FrameBound, FrameBoundKind, FrameClause, Over, WindowSpecification};
use crate::token::TokenKind;

impl Parser<'_> {
    /// What stands behind OVER: a name or a specification.
    pub(super) fn over(&mut self) -> Parsed<Over> {
        self.expect_word("OVER")?;
        if self.is_symbol("(") {
            Ok(Over::Specification(self.window_specification()?))
        } else {
            Ok(Over::Name(self.name("a window name or \"(\"")?))
        }
    }

    /// A specification in parentheses: one level of nesting of its own.
    pub(super) fn window_specification(&mut self) -> Parsed<WindowSpecification> {
        self.nested(Self::window_parts)
    }

    fn window_parts(&mut self) -> Parsed<WindowSpecification> {
        let start = self.expect_symbol("(")?;
        let base = match &self.peek().kind {
            TokenKind::QuotedName(_) => Some(self.name("a window name")?),
            TokenKind::Word(word) if !crate::keywords::is_reserved_word(word) => {
                Some(self.name("a window name")?)
            }
            _ => None,
        };
        let mut partition_by = Vec::new();
        let partition_start = self.peek().span;
        let partition_span = self.accept_word("PARTITION").then_some(partition_start);
        if partition_span.is_some() {
            self.expect_word("BY")?;
            partition_by.push(self.expression()?);
            while self.accept_symbol(",") {
                partition_by.push(self.expression()?);
            }
        }
        let mut order_by = None;
        if self.is_word("ORDER") {
            order_by = Some(Box::new(self.order_by()?));
        }
        let frame = if self.is_word("ROWS") || self.is_word("RANGE") { Some(self.frame()?) } else { None };
        let end = self.expect_symbol(")")?;
        let span = start.to(end);
        Ok(WindowSpecification { span, base, partition_span, partition_by, order_by, frame })
    }

    fn frame(&mut self) -> Parsed<FrameClause> {
        let keyword = self.next();
        let is_range = keyword.kind == TokenKind::Word("RANGE".to_owned());
        let (start, end) = if self.accept_word("BETWEEN") {
            let start = self.frame_bound()?;
            self.expect_word("AND")?;
            (start, Some(self.frame_bound()?))
        } else {
            (self.frame_bound()?, None)
        };
        Ok(FrameClause { is_range, start, end })
    }

    fn frame_bound(&mut self) -> Parsed<FrameBound> {
        let start = self.peek().span;
        let kind = if self.accept_word("CURRENT") {
            self.expect_word("ROW")?;
            FrameBoundKind::CurrentRow
        } else if self.accept_word("UNBOUNDED") {
            FrameBoundKind::Unbounded { following: self.direction()? }
        } else {
            let expr = Box::new(self.additive_expression()?);
            FrameBoundKind::Offset { expr, following: self.direction()? }
        };
        Ok(FrameBound { kind, span: start.to(self.previous_span()) })
    }

    /// PRECEDING or FOLLOWING; true for the latter.
    fn direction(&mut self) -> Parsed<bool> {
        if self.accept_word("PRECEDING") {
            Ok(false)
        } else if self.accept_word("FOLLOWING") {
            Ok(true)
        } else {
            Err(self.unexpected("PRECEDING"))
        }
    }
}
