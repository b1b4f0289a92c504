//! Texts that nest deeply are refused by name or run, on a thread with the stack that threads of servers have.

use millstream_engine::{Application, ApplicationSettings, catalog};
use millstream_sql::{Column, InputStream, SqlType, compile};

/// What nests: openings, closings.
const NESTS: [(&str, &str); 16] = [
    ("(", ")"),
    ("- ", ""),
    ("NOT ", ""),
    ("1 + ", ""),
    ("1 = (", ")"),
    ("CASE WHEN TRUE THEN ", " END"),
    ("ABS(", ")"),
    ("CAST(", " AS INTEGER)"),
    ("COALESCE(N, ", ")"),
    ("N IN (", ")"),
    ("FLOOR(", " TO DAY)"),
    ("EXTRACT(DAY FROM ", ")"),
    ("TRIM('a' FROM ", ")"),
    ("OVERLAY('a' PLACING ", " FROM 1)"),
    ("SUBSTRING('a' FROM ", ")"),
    ("POSITION('a' IN ", ")"),
];

fn look(opening: &str, closing: &str, depth: usize) {
    let column = Column { name: "N".to_owned(), sql_type: SqlType::Integer, not_null: false };
    let input = InputStream { name: "S".to_owned(), columns: vec![column], metadata_columns: 0 };
    let text = format!(
        "CREATE STREAM T (A INTEGER); CREATE PUMP P AS INSERT INTO T SELECT STREAM {}N{} FROM S;",
        opening.repeat(depth),
        closing.repeat(depth)
    );
    let compilation = compile(&text, &[input], &catalog());
    match compilation.program {
        Some(program) => {
            drop(Application::new(program, ApplicationSettings::default()).expect("the plan is sound"))
        }
        None => assert!(!compilation.diagnostics.is_empty(), "{opening} {depth}"),
    }
    if depth > 300 {
        let shown = compilation.diagnostics.iter().map(|mistake| mistake.message.as_str());
        assert!(shown.into_iter().any(|message| message.contains("nested too deeply")), "{opening} {depth}");
    }
}

#[test]
fn what_nests_fits_into_two_megabytes_of_stack() {
    let look_at_all = || {
        for (opening, closing) in NESTS {
            for depth in [1, 30, 58, 60, 61, 62, 63, 64, 65, 198, 199, 200, 201, 1_000] {
                look(opening, closing, depth);
            }
        }
    };
    let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(look_at_all).expect("a thread starts");
    thread.join().expect("no text panics");
}
