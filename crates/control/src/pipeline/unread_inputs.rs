//! Input streams that no pump reads while others are read: their share of the records comes out nowhere.

use millstream_sql::{Program, StreamId};

/// Names in a message, at most.
const MOST_NAMED: usize = 4;

/// What is said of an application whose records are spread over several input streams of which some are not read.
pub(super) struct UnreadInputs {
    pub(super) message: String,
    pub(super) hint: String,
}

/// Looks at the inputs of a program. A stream that an output takes is read.
pub(super) fn find(program: &Program, outputs: &[&str]) -> Option<UnreadInputs> {
    let read: Vec<StreamId> = program.pumps.iter().flat_map(|pump| pump.query.sources()).collect();
    let inputs = program.streams.iter().enumerate().filter(|(_, stream)| stream.is_input);
    let is_read = |id: usize, name: &str| read.contains(&StreamId(id)) || outputs.contains(&name);
    let (read, unread): (Vec<_>, Vec<_>) = inputs.partition(|(id, stream)| is_read(*id, &stream.name));
    // An application that reads nothing at all has not been written yet.
    if read.is_empty() || unread.is_empty() {
        return None;
    }
    let names: Vec<&str> = unread.iter().map(|(_, stream)| stream.name.as_str()).collect();
    let (are, them) = if names.len() == 1 { ("is", "it") } else { ("are", "them") };
    let streams = read.len() + unread.len();
    Some(UnreadInputs {
        message: format!(
            "{} {are} read by no pump: what goes to {them} (records are spread over {streams}) comes out nowhere",
            enumerated(&names)
        ),
        hint: format!(
            "read {them} as well, with UNION ALL or a pump for each, or set parallelism to {}",
            read.len()
        ),
    })
}

/// `A, B and C`; of many the first few, and how many there are.
fn enumerated(names: &[&str]) -> String {
    match names {
        [.., last] if (2..=MOST_NAMED).contains(&names.len()) => {
            format!("{} and {last}", names[..names.len() - 1].join(", "))
        }
        _ if names.len() > MOST_NAMED => {
            format!("{}, … ({} in all)", names[..MOST_NAMED].join(", "), names.len())
        }
        _ => names.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use crate::pipeline::Pipeline;

    /// `LINE:COLUMN message (hint)` of the warnings.
    fn warnings(parallelism: u32, sql: &str, more: &str) -> Vec<String> {
        let text = format!(
            "[[stream]]\nname = \"s\"\n[[application]]\nname = \"a\"\nsql = '''CREATE STREAM T (A BIGINT); {sql}'''\n\
             [application.input]\nstream = \"s\"\ncolumns = \"N BIGINT\"\nparallelism = {parallelism}\n{more}"
        );
        let pipeline = Pipeline::parse("f.toml", &text, &|_| Err(String::new())).unwrap();
        let shown = |it: crate::pipeline::Mistake| {
            format!("{}:{} {} ({})", it.line, it.column, it.message, it.hint.unwrap_or_default())
        };
        pipeline.warnings.into_iter().map(shown).collect()
    }

    fn pump(input: u32) -> String {
        format!("CREATE PUMP P{input} AS INSERT INTO T SELECT STREAM N FROM SOURCE_SQL_STREAM_{input:03};")
    }

    #[test]
    fn inputs_that_no_pump_reads_are_told() {
        let hint = "read them as well, with UNION ALL or a pump for each, or set parallelism to 1";
        assert_eq!(
            warnings(3, &pump(1), ""),
            [format!(
                "9:15 SOURCE_SQL_STREAM_002 and SOURCE_SQL_STREAM_003 are read by no pump: what goes to them (records are \
                 spread over 3) comes out nowhere ({hint})"
            )]
        );
        let one = warnings(3, &[pump(1), pump(3)].concat(), "");
        assert!(
            one[0].starts_with("9:15 SOURCE_SQL_STREAM_002 is read by no pump: what goes to it ("),
            "{one:?}"
        );
        let many = warnings(64, &pump(1), "");
        assert!(many[0].contains("SOURCE_SQL_STREAM_005, … (63 in all) are read by no pump"), "{many:?}");
    }

    #[test]
    fn inputs_that_are_read_in_any_way_are_not() {
        let output = "[[application.output]]\nfrom = \"SOURCE_SQL_STREAM_002\"\nstream = \"t\"\n[[stream]]\nname = \"t\"\n";
        let view = "CREATE VIEW W AS SELECT STREAM N FROM SOURCE_SQL_STREAM_002;
                    CREATE PUMP Q AS INSERT INTO T SELECT STREAM N FROM SOURCE_SQL_STREAM_001 UNION ALL SELECT STREAM N FROM W;";
        for (parallelism, sql, more) in [
            (1, pump(1), ""),
            (2, [pump(1), pump(2)].concat(), ""),
            (2, view.to_owned(), ""),
            (2, pump(1), output),
            (2, String::new(), ""),
        ] {
            assert_eq!(warnings(parallelism, &sql, more), Vec::<String>::new(), "{sql}");
        }
    }
}
