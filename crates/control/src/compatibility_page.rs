//! `docs/compatibility.md`: what of the service runs, made from the tables that the program works with.

use std::fmt::Write as _;

use millstream_engine::compatibility;
use millstream_sql::{FeatureKind, Support};

use crate::pipeline::ApplicationSwitches;

/// The headings in the order of the page.
const KINDS: [(FeatureKind, &str); 9] = [
    (FeatureKind::Statement, "Statements"),
    (FeatureKind::Clause, "Clauses of queries"),
    (FeatureKind::DataType, "Data types"),
    (FeatureKind::Expression, "Expressions"),
    (FeatureKind::Aggregate, "Aggregates"),
    (FeatureKind::Analytic, "Functions of sliding windows"),
    (FeatureKind::TableFunction, "Table functions"),
    (FeatureKind::Scalar, "Functions"),
    (FeatureKind::LogParser, "Log parsers"),
];

/// Where we do something else than the service's documentation says, or where it says two things.
const CHOICES: &[(&str, &str, &str)] = &[
    (
        "an application that is started without a starting position",
        "goes on where it stopped; the first time it begins at the oldest record",
        "nothing that was acknowledged is passed over; `starting_position` gives the service's three",
    ),
    (
        "windows and forests after a restart or an update of the SQL",
        "go on from a checkpoint; only pumps whose plan changed start from scratch",
        "the service loses them",
    ),
    (
        "integer overflow",
        "a row error",
        "the documentation is silent, and a wrong number is worse than a named error",
    ),
    (
        "the lower end of a RANGE window",
        "belongs to it",
        "two documents disagree; a switch gives the other reading",
    ),
    (
        "a matched row of an outer join that leaves its window",
        "does not come out again without a match",
        "two documents disagree; a switch gives the other reading",
    ),
    (
        "anomaly scores of the first rows of a random cut forest",
        "are 0 until the sample is full",
        "the forest has nothing to compare with; the service's first scores are not documented",
    ),
    (
        "JSON outputs",
        "each object ends with a newline",
        "files of objects hold one a line; `json_newline = false` writes them as the service does, with nothing between",
    ),
    (
        "FOLLOWING windows in joins",
        "are refused",
        "one old sample shows one, against the rule that a pair bears the later ROWTIME",
    ),
    ("characters", "are Unicode, counted as code points", "the documents name three character sets"),
    (
        "three outputs, one input for an application",
        "more outputs are taken",
        "the limit was the service's own",
    ),
];

/// The page.
pub fn compatibility_page() -> String {
    let found = compatibility();
    let count =
        |is: fn(&Support) -> bool| found.features.iter().filter(|feature| is(&feature.support)).count();
    let supported = count(|support| *support == Support::Supported);
    let mut page = String::from(
        "<!-- Made by `cargo xtask compatibility`: change the tables in the program, not this page. -->\n\n\
         # Compatibility with Kinesis Data Analytics SQL\n\n",
    );
    let _ = writeln!(
        page,
        "{supported} of these {} parts run; the others are reserved words without a meaning, or cannot work on streams, as their\n\
         reason says. Each line was found out by compiling an example. What does not run is refused by `check`, with its place\n\
         and the reason that stands here.\n",
        found.features.len()
    );
    for (kind, heading) in KINDS {
        let features: Vec<_> = found.features.iter().filter(|feature| feature.kind == kind).collect();
        if features.is_empty() {
            continue;
        }
        let _ = writeln!(page, "## {heading}\n\n| | runs | if not, why |\n|---|---|---|");
        for feature in features {
            let (runs, why) = match &feature.support {
                Support::Supported => ("yes", String::new()),
                Support::Refused(why) => ("no", cell(why)),
            };
            let _ = writeln!(page, "| {} | {runs} | {why} |", code(&feature.name));
        }
        page.push('\n');
    }
    page.push_str(
        "## Switches\n\nUnder `[application.switches]` of a pipeline file, and with `set` in golden files as far as they concern the SQL.\n\n\
         | switch | default | or | |\n|---|---|---|---|\n",
    );
    for switch in found.switches {
        let [first, second] = switch.values;
        let _ = writeln!(page, "| `{}` | `{first}` | `{second}` | {} |", switch.name, cell(switch.about));
    }
    for (name, first, second, about) in ApplicationSwitches::OWN {
        let _ = writeln!(page, "| `{name}` | `{first}` | `{second}` | {about} |");
    }
    page.push_str("\n## Choices\n\nWhere the documentation leaves a choice, or we depart from it.\n\n| | here | because |\n|---|---|---|\n");
    for (what, here, because) in CHOICES {
        let _ = writeln!(page, "| {what} | {here} | {because} |");
    }
    page
}

/// A name as code; a bar would end the cell.
fn code(name: &str) -> String {
    if name.contains(' ') && !name.chars().any(|character| character.is_ascii_uppercase()) {
        cell(name)
    } else {
        format!("`{}`", cell(name))
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
