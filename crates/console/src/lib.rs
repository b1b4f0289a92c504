//! Everything that a browser sees: one live page, its data as JSON, and its assets.
//!
//! ```text
//!                       GET /              ┌─ page ──────── the whole page, complete without script
//!  OverviewSource ──▶ Overview ──▶ sections ┤
//!        │ changes()                       └─ live ──────── the parts that changed, as server-sent events
//!        └──────────▶ wake, at most 4 × a second            (GET /_console/live)
//!
//!                       GET /api/overview ── the overview as JSON
//!                       GET /health ──────── ok
//!                       GET /_console/… ──── style, script, icon; named by their content, cached for a year
//! ```
//!
//! | module | holds |
//! |---|---|
//! | [`router`] in `routes.rs` | paths and what answers them |
//! | `page.rs`, `sections/` | the page and its parts: overview → HTML, one file a part |
//! | `charts/` | lines over time as SVG: scales, ticks, thinning |
//! | `flow_layout/` | where the boxes and arrows of the flow stand |
//! | `live/` | server-sent events: what changed, how often, for how many |
//! | `show/` | numbers, times and texts as people read them |
//! | `assets.rs`, `headers.rs` | static files by content hash; the security headers |
//! | `templates/`, `assets/` | HTML templates (compiled in), style sheet, script, icon |
//!
//! Invariants:
//! - The console decides nothing and keeps nothing: all that it shows is in the [`Overview`], its only state is the
//!   newest rendering, shared by the browsers that look.
//! - Every text from outside is escaped by the templates, cut to a bounded length, and freed of control characters. The
//!   Content-Security-Policy allows no inline script or style and nothing from another host.
//! - The size of the page is bounded whatever the overview holds: points are thinned, lists are cut and say so.
//! - Browsers pull: nothing is queued for a slow or gone browser; when it reads again it gets the newest state.
//! - No path but `/`, `/health` and `/api/overview` can be a bucket: names below `_console` hold an underscore.
//!
//! [`Overview`]: millstream_control::view::Overview

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "a test works on the machine itself"))]

mod assets;
mod charts;
mod flow_layout;
mod headers;
mod live;
mod page;
mod routes;
mod sections;
mod show;

pub use live::{MOST_BROWSERS, UPDATE_INTERVAL};
pub use routes::router;
