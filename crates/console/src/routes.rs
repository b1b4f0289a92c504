//! The paths of the console and what answers them.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, State},
    http::{StatusCode, Uri, header},
    middleware,
    response::{Html, IntoResponse, Response},
    routing::get,
};
use millstream_control::view::{Overview, OverviewSource};
use tokio::sync::watch;

use crate::{assets, headers, live::Live, page, sections};

/// What the handlers share.
#[derive(Clone)]
struct Console {
    source: Arc<dyn OverviewSource>,
    live: Arc<Live>,
}

/// The console over `source`: `/`, `/api/overview`, `/health`, `/_console/…`, and a page for every other path.
///
/// `stop` ends the live streams: when it becomes `true`, or its sender is dropped. A graceful shutdown of axum waits
/// for all connections, and a live stream ends by itself only with its browser: send `true` before waiting.
///
/// The router has a fallback (the 404 page). To serve it beside other routes, merge it into a router without one.
///
/// # Example
/// ```
/// use std::sync::Arc;
/// use millstream_control::view::{Overview, OverviewSource};
/// use tokio::sync::watch;
///
/// struct Quiet(watch::Sender<u64>);
///
/// impl OverviewSource for Quiet {
///     fn overview(&self) -> Overview {
///         Overview::default()
///     }
///     fn changes(&self) -> watch::Receiver<u64> {
///         self.0.subscribe()
///     }
/// }
///
/// let (stop, stopped) = watch::channel(false);
/// let router: axum::Router = millstream_console::router(Arc::new(Quiet(watch::Sender::new(0))), stopped);
/// # drop((stop, router));
/// ```
pub fn router(source: Arc<dyn OverviewSource>, stop: watch::Receiver<bool>) -> Router {
    let live = Arc::new(Live::new(Arc::clone(&source), stop));
    Router::new()
        .route("/", get(show_page))
        .route("/api/overview", get(show_overview))
        .route("/health", get(show_health))
        .route("/_console/live", get(show_live))
        .route("/_console/{asset}", get(show_asset))
        .fallback(show_missing)
        .layer(middleware::map_response(headers::secure))
        .with_state(Console { source, live })
}

async fn show_page(State(console): State<Console>) -> impl IntoResponse {
    let overview = console.source.overview();
    ([(header::CACHE_CONTROL, "no-store")], Html(page::page(&overview)))
}

async fn show_overview(
    State(console): State<Console>,
) -> ([(header::HeaderName, &'static str); 1], Json<Overview>) {
    ([(header::CACHE_CONTROL, "no-store")], Json(console.source.overview()))
}

async fn show_health() -> impl IntoResponse {
    ([(header::CACHE_CONTROL, "no-store")], "ok")
}

async fn show_live(State(console): State<Console>) -> Response {
    console.live.connect()
}

async fn show_asset(Path(name): Path<String>, uri: Uri) -> Response {
    match assets::find(&name) {
        Some(asset) => {
            let headers = [
                (header::CONTENT_TYPE, asset.content_type),
                (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
            ];
            (headers, asset.bytes).into_response()
        }
        None => show_missing(uri).await.into_response(),
    }
}

async fn show_missing(uri: Uri) -> impl IntoResponse {
    let missing = page::Missing::new(uri.path());
    (StatusCode::NOT_FOUND, [(header::CACHE_CONTROL, "no-store")], Html(sections::rendered(&missing)))
}
