//! Version and commit.

/// As `--version` and the page show it.
pub(crate) const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("MILLSTREAM_COMMIT"), ")");
