//! The whole page, and the page for paths that lead nowhere.

use std::hash::{DefaultHasher, Hash, Hasher};

use askama::Template;
use millstream_control::view::Overview;

use crate::{
    assets::{Asset, ICON, SCRIPT, STYLE},
    sections::{self, Fragment},
    show::{Moment, excerpt},
};

/// The page for an overview as HTML.
pub(crate) fn page(overview: &Overview) -> String {
    sections::rendered(&Page {
        assets: PageAssets::new(),
        edition: edition(overview),
        scores_reviews: overview.scores_reviews,
        fragments: sections::fragments(overview),
        version: excerpt(&overview.version, 100),
        data_directory: excerpt(&overview.data_directory, 400),
        started_at: Moment::at(overview.started_at),
    })
}

/// What changes when a page that is open no longer fits its server: another program, another start of it, or reviews that are
/// rated from now on or no longer.
pub(crate) fn edition(overview: &Overview) -> String {
    let mut hasher = DefaultHasher::new();
    (&overview.version, overview.started_at, overview.scores_reviews).hash(&mut hasher);
    (&STYLE.path, &SCRIPT.path).hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

#[derive(Template)]
#[template(path = "page.html")]
struct Page {
    assets: PageAssets,
    edition: String,
    /// Reviews are rated: the page is about them.
    scores_reviews: bool,
    fragments: Vec<Fragment>,
    version: String,
    data_directory: String,
    started_at: Moment,
}

impl Page {
    /// The HTML of a part. The templates name only parts that exist: a test looks for all of them.
    fn part(&self, id: &str) -> &str {
        self.fragments.iter().find(|fragment| fragment.id == id).map_or("", |fragment| fragment.html.as_str())
    }
}

/// The page for a path that leads nowhere.
#[derive(Template)]
#[template(path = "missing.html")]
pub(crate) struct Missing {
    assets: PageAssets,
    path: String,
}

impl Missing {
    pub(crate) fn new(path: &str) -> Missing {
        Missing { assets: PageAssets::new(), path: excerpt(path, 200) }
    }
}

/// The static files that a page links.
struct PageAssets {
    style: &'static Asset,
    script: &'static Asset,
    icon: &'static Asset,
}

impl PageAssets {
    fn new() -> PageAssets {
        PageAssets { style: &STYLE, script: &SCRIPT, icon: &ICON }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_has_a_place_on_the_page() {
        let overview = Overview { scores_reviews: true, ..Overview::default() };
        let page = page(&overview);
        for fragment in sections::fragments(&overview) {
            assert!(!fragment.html.trim().is_empty(), "{} is empty", fragment.id);
            assert_eq!(
                page.matches(&format!(r#"id="{}" data-part"#, fragment.id)).count(),
                1,
                "{}",
                fragment.id
            );
            assert!(page.contains(&fragment.html), "{}", fragment.id);
        }
    }
}
