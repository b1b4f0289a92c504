//! The static files, compiled in. Their names hold a hash of their content, so that browsers may keep them for ever.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::LazyLock,
};

/// A static file.
pub(crate) struct Asset {
    /// Its path on the server.
    pub(crate) path: String,
    pub(crate) content_type: &'static str,
    pub(crate) bytes: &'static [u8],
}

/// Path of everything in this file.
const FOLDER: &str = "/_console/";

/// The style sheet of all pages.
pub(crate) static STYLE: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("style", "css", "text/css; charset=utf-8", include_bytes!("../assets/style.css"))
});

/// The script that swaps the parts of the page.
pub(crate) static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("live", "js", "text/javascript; charset=utf-8", include_bytes!("../assets/live.js"))
});

/// The mark of the project.
pub(crate) static ICON: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("icon", "svg", "image/svg+xml", include_bytes!("../assets/icon.svg")));

/// The asset with this file name; `None` for the name of another version, whose content we do not have.
pub(crate) fn find(name: &str) -> Option<&'static Asset> {
    let assets: [&'static Asset; 3] = [&STYLE, &SCRIPT, &ICON];
    assets.into_iter().find(|asset| asset.path.strip_prefix(FOLDER) == Some(name))
}

impl Asset {
    fn new(stem: &str, extension: &str, content_type: &'static str, bytes: &'static [u8]) -> Asset {
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        let hash = hasher.finish();
        Asset { path: format!("{FOLDER}{stem}-{hash:016x}.{extension}"), content_type, bytes }
    }
}
