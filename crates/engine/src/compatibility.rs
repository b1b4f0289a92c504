//! What of the language runs: all parts of it, from the tables that the front end and the engine work with.

use crate::application::{SWITCHES, Switch};
use crate::functions::{self, catalog};
use crate::log_parsers;
use millstream_sql::{Feature, FeatureKind, Support, features, shown_function_name};

/// The parts of the language and the choices where its documentation leaves one.
#[derive(Clone, Debug)]
pub struct Compatibility {
    /// Sorted by kind; within a kind as the language specification has them.
    pub features: Vec<Feature>,
    /// The switches of the engine.
    pub switches: &'static [Switch],
}

/// All of it: a few milliseconds.
pub fn compatibility() -> Compatibility {
    let catalog = catalog();
    let mut features = features(&catalog);
    let mut function = |kind, name: &str, section| {
        let name = shown_function_name(name);
        if !features.iter().any(|known| known.kind == kind && known.name == name) {
            features.push(Feature { kind, name: name.to_owned(), section, support: Support::Supported });
        }
    };
    functions::all().for_each(|(section, scalar)| function(FeatureKind::Scalar, scalar.name, section));
    log_parsers::PARSERS.iter().for_each(|parser| function(FeatureKind::LogParser, parser.name, "4.9"));
    features.sort_by_key(|feature| feature.kind);
    Compatibility { features, switches: SWITCHES }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// What the specification leaves out on purpose: everything else runs.
    const LEFT_OUT: [&str; 12] = [
        "SELECT of its own",
        "CREATE FOREIGN STREAM",
        "UPDATE, DELETE, MERGE",
        "GROUP BY without a monotonic expression",
        "OVER … FOLLOWING",
        "OVER … ORDER BY",
        "JOIN with FOLLOWING",
        "RIGHT, FULL JOIN with a reference table",
        "UNION, EXCEPT, INTERSECT of streams",
        "ORDER BY without a monotonic expression",
        "INTERVAL as a column",
        "COUNT(DISTINCT …)",
    ];

    #[test]
    fn what_is_refused_is_left_out_on_purpose() {
        let compatibility = compatibility();
        let unknown: Vec<String> = compatibility
            .features
            .iter()
            .filter_map(|feature| match &feature.support {
                Support::Refused(why) => {
                    let reserved = feature.kind == FeatureKind::Analytic && why.contains("reserved");
                    let later = why.contains("not supported yet");
                    let known = reserved || later || LEFT_OUT.contains(&feature.name.as_str());
                    (!known).then(|| format!("{}: {why}", feature.name))
                }
                Support::Supported => {
                    let known = LEFT_OUT.contains(&feature.name.as_str());
                    known.then(|| format!("{} runs now: take it off the list", feature.name))
                }
            })
            .collect();
        assert!(unknown.is_empty(), "{unknown:#?}");
        let names: BTreeSet<(FeatureKind, &str)> =
            compatibility.features.iter().map(|feature| (feature.kind, feature.name.as_str())).collect();
        assert_eq!(names.len(), compatibility.features.len());
        assert!(names.contains(&(FeatureKind::Scalar, "SUBSTRING")));
        assert!(names.len() > 150, "{}", names.len());
    }
}
