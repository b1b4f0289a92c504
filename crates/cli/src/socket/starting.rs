//! A server that starts: what is asked of it then.
//!
//! It can be looked at, and what hangs in its start can be deleted; everything else waits for a while until it has started.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use millstream_host::real_time;
use tokio::sync::watch;

use super::protocol::STARTING;
use super::refusal::refused;

/// How long a request waits for the start.
const START_LIMIT: Duration = Duration::from_secs(10);
/// What people read in the meantime.
const NOTE: &str = "the server is still starting: not everything that is shown as active runs already";

/// Tells whether a server has started.
#[derive(Clone)]
pub(super) struct Start(Arc<watch::Sender<bool>>);

impl Start {
    /// That of a server that has not.
    pub(super) fn new() -> Start {
        Start(Arc::new(watch::Sender::new(false)))
    }

    /// It has.
    pub(super) fn has_ended(&self) {
        self.0.send_replace(true);
    }

    /// Whether it has not.
    pub(super) fn is_under_way(&self) -> bool {
        !*self.0.borrow()
    }

    /// Whether it ends within `limit`.
    async fn ends_within(&self, limit: Duration) -> bool {
        let mut started = self.0.subscribe();
        let has_started = started.wait_for(|has_started| *has_started);
        real_time::within(limit, has_started).await.is_some()
    }
}

/// Holds back what needs a server that has started, and says of each answer that it has not.
pub(super) async fn held_back(State(start): State<Start>, request: Request, next: Next) -> Response {
    answered(&start, START_LIMIT, request, next).await
}

async fn answered(start: &Start, limit: Duration, request: Request, next: Next) -> Response {
    if !works_meanwhile(request.method(), request.uri().path()) && !start.ends_within(limit).await {
        let text = "the server is still starting: try again; millstream list shows what it waits for";
        return refused(StatusCode::SERVICE_UNAVAILABLE, text);
    }
    let is_under_way = start.is_under_way();
    let mut answer = next.run(request).await;
    if is_under_way {
        answer.headers_mut().insert(STARTING, HeaderValue::from_static(NOTE));
    }
    answer
}

/// Looking, and deleting a resource.
fn works_meanwhile(method: &Method, path: &str) -> bool {
    match path {
        "/v1/tail" => false,
        path if path.starts_with("/v1/resources") => true,
        _ => *method == Method::GET,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::body::Body;
    use tower::ServiceExt;

    async fn asked(start: &Start, method: Method, path: &str) -> (StatusCode, bool) {
        let held = move |State(start): State<Start>, request, next| async move {
            answered(&start, Duration::ZERO, request, next).await
        };
        let layer = axum::middleware::from_fn_with_state(start.clone(), held);
        let router = Router::new().fallback(async || "fine").layer(layer);
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let answer = router.oneshot(request).await.unwrap();
        (answer.status(), answer.headers().contains_key(STARTING))
    }

    #[tokio::test]
    async fn a_server_that_starts_can_be_looked_at_and_resources_deleted() {
        let start = Start::new();
        let fine = [
            (Method::GET, "/v1/status"),
            (Method::GET, "/v1/resources"),
            (Method::GET, "/v1/resources/stream/s"),
            (Method::DELETE, "/v1/resources/stream/s"),
        ];
        let held_back = [
            (Method::GET, "/v1/tail"),
            (Method::POST, "/v1/records/s"),
            (Method::POST, "/v1/apply"),
            (Method::POST, "/v1/reset"),
        ];
        for (method, path) in fine.clone() {
            assert_eq!(asked(&start, method, path).await, (StatusCode::OK, true), "{path}");
        }
        for (method, path) in held_back.clone() {
            let refused = (StatusCode::SERVICE_UNAVAILABLE, false);
            assert_eq!(asked(&start, method, path).await, refused, "{path}");
        }
        start.has_ended();
        for (method, path) in fine.into_iter().chain(held_back) {
            assert_eq!(asked(&start, method, path).await, (StatusCode::OK, false), "{path}");
        }
    }
}
