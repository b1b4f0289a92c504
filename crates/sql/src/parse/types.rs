//! Data types and interval qualifiers.

use super::{Parsed, Parser};
use crate::limits::MAX_LENGTH;
use crate::similar_name;
use crate::token::TokenKind;
use crate::{Diagnostic, IntervalQualifier, Span, SqlType, TimeUnit};

/// The widest DECIMAL that may be declared.
const MAX_DECLARED_PRECISION: u32 = 19;

/// The names of types, for hints.
const TYPES: [&str; 17] = [
    "BOOLEAN",
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "DECIMAL",
    "NUMERIC",
    "REAL",
    "DOUBLE",
    "FLOAT",
    "CHAR",
    "VARCHAR",
    "BINARY",
    "VARBINARY",
    "DATE",
    "TIME",
    "TIMESTAMP",
];

impl Parser<'_> {
    /// A type and its place.
    pub(super) fn data_type(&mut self) -> Parsed<(SqlType, Span)> {
        let start = self.peek().span;
        let Some(word) = self.word().map(str::to_owned) else {
            return Err(self.unexpected("a data type"));
        };
        let sql_type = match word.as_str() {
            "BOOLEAN" => self.simple(SqlType::Boolean),
            "TINYINT" => self.simple(SqlType::TinyInt),
            "SMALLINT" => self.simple(SqlType::SmallInt),
            "INTEGER" | "INT" => self.simple(SqlType::Integer),
            "BIGINT" => self.simple(SqlType::BigInt),
            "REAL" => self.simple(SqlType::Real),
            "DATE" => self.simple(SqlType::Date),
            "TIME" => self.simple(SqlType::Time),
            "TIMESTAMP" => self.simple(SqlType::Timestamp),
            "DOUBLE" => {
                self.next();
                self.accept_word("PRECISION");
                SqlType::Double
            }
            "FLOAT" => {
                self.next();
                match self.optional_numbers()? {
                    Some((bits, _)) if bits.value <= 24 => SqlType::Real,
                    _ => SqlType::Double,
                }
            }
            "DECIMAL" | "DEC" | "NUMERIC" => {
                self.next();
                self.decimal()?
            }
            "CHAR" | "CHARACTER" => {
                self.next();
                let varying = self.accept_word("VARYING");
                let length = self.length(if varying { MAX_LENGTH } else { 1 })?;
                if varying { SqlType::Varchar { length } } else { SqlType::Char { length } }
            }
            "VARCHAR" => {
                self.next();
                SqlType::Varchar { length: self.length(MAX_LENGTH)? }
            }
            "BINARY" => {
                self.next();
                let varying = self.accept_word("VARYING");
                let length = self.length(if varying { MAX_LENGTH } else { 1 })?;
                if varying { SqlType::Varbinary { length } } else { SqlType::Binary { length } }
            }
            "VARBINARY" => {
                self.next();
                SqlType::Varbinary { length: self.length(MAX_LENGTH)? }
            }
            "INTERVAL" => {
                self.next();
                SqlType::Interval(self.interval_qualifier()?)
            }
            other => {
                let near = similar_name::hint(other, TYPES);
                let hint = match other {
                    "STRING" | "TEXT" => "use VARCHAR(n)",
                    "LONG" | "INT64" => "use BIGINT",
                    "BOOL" => "use BOOLEAN",
                    "DATETIME" => "use TIMESTAMP",
                    _ => {
                        "the types are BOOLEAN, TINYINT, SMALLINT, INTEGER, BIGINT, DECIMAL(p,s), REAL, DOUBLE, \
                         CHAR(n), VARCHAR(n), BINARY(n), VARBINARY(n), DATE, TIME, TIMESTAMP"
                    }
                };
                let hint = near.unwrap_or_else(|| hint.to_owned());
                return Err(Diagnostic::error(start, format!("there is no type {other}")).with_hint(hint));
            }
        };
        Ok((sql_type, start.to(self.previous_span())))
    }

    fn simple(&mut self, sql_type: SqlType) -> SqlType {
        self.next();
        sql_type
    }

    fn decimal(&mut self) -> Parsed<SqlType> {
        let Some((precision, scale)) = self.optional_numbers()? else {
            return Ok(SqlType::Decimal { precision: 18, scale: 0 });
        };
        if precision.value == 0 || precision.value > MAX_DECLARED_PRECISION {
            let message = format!(
                "the precision of DECIMAL must be 1 to {MAX_DECLARED_PRECISION}, not {}",
                precision.value
            );
            return Err(Diagnostic::error(precision.span, message));
        }
        if let Some(scale) = &scale
            && scale.value > precision.value
        {
            let message = format!(
                "the scale {} of DECIMAL is larger than its precision {}",
                scale.value, precision.value
            );
            return Err(Diagnostic::error(scale.span, message));
        }
        let narrow = |number: u32| u8::try_from(number).unwrap_or(u8::MAX);
        let scale = scale.map_or(0, |scale| scale.value);
        Ok(SqlType::Decimal { precision: narrow(precision.value), scale: narrow(scale) })
    }

    /// `(n)` or `(n, m)` if there.
    fn optional_numbers(&mut self) -> Parsed<Option<(Number, Option<Number>)>> {
        if !self.accept_symbol("(") {
            return Ok(None);
        }
        let first = self.placed_number()?;
        let second = if self.accept_symbol(",") { Some(self.placed_number()?) } else { None };
        self.expect_symbol(")")?;
        Ok(Some((first, second)))
    }

    fn placed_number(&mut self) -> Parsed<Number> {
        let span = self.peek().span;
        Ok(Number { value: self.small_number()?, span })
    }

    fn length(&mut self, default: u32) -> Parsed<u32> {
        if !self.is_symbol("(") {
            return Ok(default);
        }
        self.next();
        let span = self.peek().span;
        let length = self.small_number()?;
        self.expect_symbol(")")?;
        if length == 0 || length > MAX_LENGTH {
            return Err(Diagnostic::error(
                span,
                format!("the length must be 1 to {MAX_LENGTH}, not {length}"),
            ));
        }
        Ok(length)
    }

    fn small_number(&mut self) -> Parsed<u32> {
        let token = self.peek().clone();
        let TokenKind::Integer(digits) = &token.kind else {
            return Err(self.unexpected("a number"));
        };
        self.next();
        digits.parse().map_err(|_| Diagnostic::error(token.span, format!("{digits} is too large here")))
    }

    pub(super) fn time_unit(&mut self) -> Parsed<TimeUnit> {
        match self.word().and_then(TimeUnit::from_keyword) {
            Some(unit) => {
                self.next();
                Ok(unit)
            }
            None => {
                let mistake = self.unexpected("YEAR, MONTH, DAY, HOUR, MINUTE or SECOND");
                Err(match self.word().and_then(form_of_unit) {
                    Some(form) => mistake.with_hint(form),
                    None => mistake,
                })
            }
        }
    }

    /// `DAY`, `MINUTE(3)`, `DAY(3) TO SECOND(2)`, `SECOND(2,3)`.
    pub(super) fn interval_qualifier(&mut self) -> Parsed<IntervalQualifier> {
        let leading = self.time_unit()?;
        let mut qualifier = IntervalQualifier::single(leading);
        if let Some((first, second)) = self.optional_numbers()? {
            qualifier.leading_precision = first.precision(1, 10, "leading precision")?;
            if let Some(second) = second {
                if leading != TimeUnit::Second {
                    return Err(Diagnostic::error(second.span, "only SECOND takes a second precision"));
                }
                qualifier.fraction_precision = second.precision(0, 3, "precision of the fraction")?;
            }
        }
        // `FLOOR(x SECOND / 10 TO SECOND)` has a TO that is not ours: ours is followed by a smaller unit.
        let trailing = match &self.peek_ahead(1).kind {
            TokenKind::Word(word) if self.is_word("TO") => TimeUnit::from_keyword(word),
            _ => None,
        };
        if let Some(trailing) = trailing {
            let trailing_span = self.peek_ahead(1).span;
            if trailing <= leading {
                let message = format!("{} is not smaller than {}", trailing.name(), leading.name());
                return Err(Diagnostic::error(trailing_span, message)
                    .with_hint("write the larger unit first, as in DAY TO SECOND"));
            }
            if leading.is_calendar() != trailing.is_calendar() {
                let message = format!("an interval cannot mix {} with {}", leading.name(), trailing.name());
                return Err(Diagnostic::error(trailing_span, message)
                    .with_hint("intervals are of years and months, or of days to seconds"));
            }
            self.position += 2;
            qualifier.trailing = trailing;
            if trailing == TimeUnit::Second
                && let Some((fraction, None)) = self.optional_numbers()?
            {
                qualifier.fraction_precision = fraction.precision(0, 3, "precision of the fraction")?;
            }
        }
        Ok(qualifier)
    }
}

/// A number with its place.
struct Number {
    value: u32,
    span: Span,
}

impl Number {
    /// As a precision within its limits.
    fn precision(&self, low: u32, high: u32, what: &str) -> Parsed<u8> {
        let Number { value, span } = *self;
        match u8::try_from(value) {
            Ok(precision) if (low..=high).contains(&value) => Ok(precision),
            _ => Err(Diagnostic::error(span, format!("the {what} must be {low} to {high}, not {value}"))),
        }
    }
}

/// What to write for a unit that other dialects have.
fn form_of_unit(unit: &str) -> Option<&'static str> {
    Some(match unit {
        "WEEK" => {
            "weeks from Monday: STEP((t - INTERVAL '4' DAY) BY INTERVAL '7' DAY) + INTERVAL '4' DAY; STEP(t BY INTERVAL '7' \
             DAY) begins them on Thursday, as 1970-01-01 was one"
        }
        "QUARTER" => "quarters: STEP(t BY INTERVAL '3' MONTH)",
        "DECADE" => "decades: STEP(t BY INTERVAL '10' YEAR)",
        "MILLISECOND" | "MILLISECONDS" | "MICROSECOND" => {
            "a TIMESTAMP has milliseconds: UNIX_TIMESTAMP(t) counts them, EXTRACT(SECOND FROM t) has them behind the point"
        }
        "EPOCH" => "milliseconds since 1970: UNIX_TIMESTAMP(t)",
        "DOW" | "DAYOFWEEK" | "DOY" => "DATE_TO_CHAR('EEE', CAST(t AS DATE)) gives the day's name",
        _ => return None,
    })
}
