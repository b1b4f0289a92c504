//! What a pump computes, as a text that stays the same from build to build, and its hash.
//!
//! The text is written by hand: names of fields and operators are literals of these files, so that renaming a field of
//! the plan changes nothing, and a field that is added does not compile here until somebody has decided how it is
//! written. It holds what the state of an operator depends on and nothing else: streams and tables appear by name with
//! their columns, never by number; places in the SQL and names that are only shown do not appear.
//!
//! In another style the same text is what `derive(Debug)` gave when checkpoints had format 2: they are recognised by
//! its hash.

mod expressions;
mod lag;
mod operators;
mod text;

use millstream_sql::{Node, NodeKind, Program, Pump};
use text::{Describe, Text};

/// Of what an operator and all below it compute.
pub(crate) fn of_operator(node: &Node, program: &Program) -> u64 {
    let mut text = Text::canonical(program);
    node.describe(&mut text);
    hash(&text.into_string())
}

/// The same as some builds had it, which wrote the constants that LAG takes as expressions.
pub(crate) fn of_operator_with_lag_expressions(node: &Node, program: &Program) -> u64 {
    let mut text = Text::canonical_with_lag_expressions(program);
    node.describe(&mut text);
    hash(&text.into_string())
}

/// Of the columns of a stream, with their names.
pub(crate) fn of_stream(name: &str, program: &Program) -> u64 {
    let mut text = Text::canonical(program);
    if let Some(stream) = program.stream(name) {
        program.streams[stream.0].columns.describe(&mut text);
    }
    hash(&text.into_string())
}

/// Of a pump in a checkpoint of format 2: of its whole plan, of all streams, and of the tables that it reads.
pub(crate) fn of_format_2(pump: &Pump, program: &Program) -> u64 {
    let mut text = Text::format_2();
    pump.describe(&mut text);
    text.push(" ");
    let streams: Vec<_> = program.streams.iter().map(|stream| (&stream.name, &stream.columns)).collect();
    streams.describe(&mut text);
    let mut tables = Vec::new();
    pump.query.walk(&mut |node| {
        if let NodeKind::Table(id) = node.kind {
            tables.extend(program.tables.get(id.0).map(|table| &table.name));
        }
    });
    if !tables.is_empty() {
        text.push(" ");
        tables.describe(&mut text);
    }
    hash(&text.into_string())
}

/// FNV-1a, 64 bits: stable over builds.
fn hash(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use millstream_sql::{Column, InputStream, SqlType, compile};

    fn program(text: &str) -> Program {
        let column = |name: &str, sql_type| Column { name: name.to_owned(), sql_type, not_null: false };
        let columns = vec![column("K", SqlType::Varchar { length: 40 }), column("N", SqlType::Integer)];
        let input = InputStream { name: "S".to_owned(), columns, metadata_columns: 0 };
        compile(text, &[input], &crate::catalog()).program.expect("the program is legal")
    }

    fn of_pump(text: &str) -> u64 {
        let program = program(text);
        let pump = program.pumps.iter().find(|pump| pump.name == "P").expect("there is a pump P");
        of_operator(&pump.query, &program)
    }

    const TARGET: &str = "CREATE STREAM T (K VARCHAR(40), C BIGINT);";
    const PUMP: &str = "CREATE PUMP P AS INSERT INTO T SELECT STREAM K, COUNT(*) AS C FROM S WHERE N > 1 \
                        GROUP BY K, STEP(S.ROWTIME BY INTERVAL '5' SECOND);";

    #[test]
    fn r1_streams_that_a_pump_does_not_touch_and_the_order_of_the_text_change_nothing() {
        let plain = of_pump(&format!("{TARGET} {PUMP}"));
        let unused = "CREATE STREAM A (X INTEGER); CREATE STREAM B (Y DOUBLE);";
        for text in [
            format!("{unused} {TARGET} {PUMP}"),
            format!("{TARGET} {unused} {PUMP}"),
            format!("\n\n{TARGET}\n   -- a remark\n{PUMP}"),
            format!(
                "{TARGET} CREATE STREAM Q (N INTEGER); CREATE PUMP O AS INSERT INTO Q SELECT STREAM N FROM S; {PUMP}"
            ),
            format!("{TARGET} {}", PUMP.replace("AS C FROM", "AS D FROM")),
        ] {
            assert_eq!(of_pump(&text), plain, "{text}");
        }
    }

    #[test]
    fn r1_what_a_pump_computes_changes_its_fingerprint() {
        let plain = of_pump(&format!("{TARGET} {PUMP}"));
        for (from, to) in [
            ("'5' SECOND", "'6' SECOND"),
            ("N > 1", "N > 2"),
            ("N > 1", "N >= 1"),
            ("COUNT(*)", "SUM(N)"),
            ("GROUP BY K", "GROUP BY K, N"),
        ] {
            assert_ne!(of_pump(&format!("{TARGET} {}", PUMP.replace(from, to))), plain, "{from} -> {to}");
        }
    }

    /// As long as the plan has the names that it had in format 2, its text is what Debug gives.
    #[test]
    fn the_text_of_format_2_is_that_of_debug() {
        let program = program(&format!("{TARGET} {PUMP}"));
        let mut pump = program.pumps[0].clone();
        pump.query.for_each_expression_mut(&mut |expression| {
            expression.for_each_mut(&mut |e| e.span = millstream_sql::Span::default());
        });
        let mut text = Text::format_2();
        program.pumps[0].describe(&mut text);
        let text = text.into_string();
        assert!(
            text.starts_with("Pump { name: \"P\", target: StreamId(1), started: true, query: Node {"),
            "{text}"
        );
        assert_eq!(text, format!("{pump:?}"));
    }
}
