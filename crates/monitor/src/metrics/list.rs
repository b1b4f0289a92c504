//! Which metrics there are.

use super::MetricKey;

/// Which metrics to list: all that fit every part that is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MetricFilter {
    /// Of this namespace.
    pub namespace: Option<String>,
    /// Of this name.
    pub name: Option<String>,
    /// Having these dimensions, with any value or with this one; they may have others too.
    pub dimensions: Vec<(String, Option<String>)>,
}

impl MetricFilter {
    pub(crate) fn fits(&self, metric: &MetricKey) -> bool {
        let has_dimension = |(name, value): &(String, Option<String>)| {
            metric.dimensions().iter().any(|(found, found_value)| {
                found == name && value.as_ref().is_none_or(|value| value == found_value)
            })
        };
        self.namespace.as_deref().is_none_or(|namespace| namespace == metric.namespace())
            && self.name.as_deref().is_none_or(|name| name == metric.name())
            && self.dimensions.iter().all(has_dimension)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_fits_when_every_given_part_does() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let metric = MetricKey::new("n", "m", [pair("a", "b"), pair("c", "d")]).unwrap();
        let check = |namespace: Option<&str>, name: Option<&str>, dimensions: &[(&str, Option<&str>)]| {
            MetricFilter {
                namespace: namespace.map(str::to_owned),
                name: name.map(str::to_owned),
                dimensions: dimensions
                    .iter()
                    .map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned)))
                    .collect(),
            }
            .fits(&metric)
        };
        assert!(check(None, None, &[]));
        assert!(check(Some("n"), Some("m"), &[("a", None)]));
        assert!(check(None, None, &[("a", Some("b")), ("c", Some("d"))]));
        assert!(!check(Some("x"), None, &[]));
        assert!(!check(None, Some("x"), &[]));
        assert!(!check(None, None, &[("a", Some("d"))]));
        assert!(!check(None, None, &[("e", None)]));
    }
}
