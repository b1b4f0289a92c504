//! The server's end of the socket.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Path as UrlPath, Query, State};
use axum::http::{StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use millstream_control::definition::{Kind, Reference};
use millstream_control::registry::DeleteError;
use millstream_control::{ApplyOptions, Deleted, Server, TailFrom};
use millstream_host::Spawn;
use serde::Deserialize;
use tokio::sync::{Semaphore, watch};

use super::applying;
use super::listening::{Listening, SocketFile};
use super::protocol::{ApplyRequest, PutAnswer, ResetAnswer, StatusAnswer, WouldResetAnswer};
use super::refusal::{in_json, refused, status_of_apply, status_of_delete, status_of_put, status_of_tail};
use super::starting::{Start, held_back};
use super::tail_lines;
use crate::serving::Serving;

/// The largest body of a request.
const MOST_BODY: usize = 16 << 20;
/// Those who follow something at a time: far fewer than connections.
const MOST_TAILS: usize = 256;

/// The socket of a server. It goes with the server.
pub(crate) struct Socket {
    file: Arc<SocketFile>,
    serving: Serving,
    start: Start,
}

struct Shared {
    server: Arc<Server>,
    status: StatusAnswer,
    start: Start,
    stop: watch::Receiver<bool>,
    tails: Arc<Semaphore>,
}

impl Socket {
    /// Serves a server that starts on the socket of its data directory.
    ///
    /// # Errors
    /// Its file cannot be made.
    pub(crate) async fn start(server: Arc<Server>, status: StatusAnswer) -> anyhow::Result<Socket> {
        let path = super::path_of(server.data_directory());
        let making = Spawn::current().awaited_blocking(move || SocketFile::make(path));
        let (file, listener) = making.await??;
        let listener = Listening::on(Arc::clone(&file), listener)?;
        let stop = watch::Sender::new(false);
        let start = Start::new();
        let shared = Arc::new(Shared {
            server,
            status,
            start: start.clone(),
            stop: stop.subscribe(),
            tails: Arc::new(Semaphore::new(MOST_TAILS)),
        });
        let serving = Serving::start(listener, router(shared), stop);
        Ok(Socket { file, serving, start })
    }

    /// The server has started.
    pub(crate) fn has_started(&self) {
        self.start.has_ended();
    }

    /// Answers what is being asked, for a moment, and ends.
    pub(crate) async fn stop(self) {
        self.serving.stop().await;
        // A disk that hangs is waited for by nobody else.
        let _ = Spawn::current().awaited_blocking(move || self.file.remove()).await;
    }
}

fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/v1/status", get(status))
        .route("/v1/resources", get(list))
        .route("/v1/resources/{kind}/{*name}", get(describe).delete(delete))
        .route("/v1/apply", post(apply))
        .route("/v1/reset", get(would_reset).post(reset))
        .route("/v1/records/{stream}", post(put))
        .route("/v1/tail", get(tail))
        .fallback(async || refused(StatusCode::NOT_FOUND, "there is no such path"))
        .layer(DefaultBodyLimit::max(MOST_BODY))
        .layer(middleware::from_fn_with_state(shared.start.clone(), held_back))
        .layer(middleware::map_response(in_json))
        .with_state(shared)
}

async fn status(State(shared): State<Arc<Shared>>) -> Response {
    let status = StatusAnswer { is_starting: shared.start.is_under_way(), ..shared.status.clone() };
    Json(status).into_response()
}

#[derive(Deserialize)]
struct OfKind {
    kind: Option<String>,
    name: Option<String>,
}

/// The kind that a query names, if it names one.
#[expect(clippy::result_large_err, reason = "the refusal is the answer")]
fn kind_of(text: Option<&str>) -> Result<Option<Kind>, Response> {
    let kind = text.map(str::parse::<Kind>).transpose();
    kind.map_err(|error| refused(StatusCode::BAD_REQUEST, error))
}

async fn list(State(shared): State<Arc<Shared>>, Query(query): Query<OfKind>) -> Response {
    match kind_of(query.kind.as_deref()) {
        Ok(kind) => Json(shared.server.list_counted(kind).await).into_response(),
        Err(refusal) => refusal,
    }
}

async fn describe(
    State(shared): State<Arc<Shared>>,
    UrlPath((kind, name)): UrlPath<(String, String)>,
) -> Response {
    let kind: Kind = match kind.parse() {
        Ok(kind) => kind,
        Err(error) => return refused(StatusCode::BAD_REQUEST, error),
    };
    let reference = Reference::new(kind, &name);
    match shared.server.describe_counted(&reference).await {
        Some(view) => Json(view).into_response(),
        None => refused(StatusCode::NOT_FOUND, not_found(&shared.server, &reference)),
    }
}

fn not_found(server: &Server, reference: &Reference) -> String {
    let known: Vec<String> = server.list(Some(reference.kind)).into_iter().map(|one| one.name).collect();
    match known.is_empty() {
        true => format!("{reference} does not exist; there is no {} at all", reference.kind),
        false => format!("{reference} does not exist; there are: {}", known.join(", ")),
    }
}

#[derive(Deserialize)]
struct DeleteQuery {
    #[serde(default)]
    force: bool,
}

async fn delete(
    State(shared): State<Arc<Shared>>,
    UrlPath((kind, name)): UrlPath<(String, String)>,
    Query(query): Query<DeleteQuery>,
) -> Response {
    let kind: Kind = match kind.parse() {
        Ok(kind) => kind,
        Err(error) => return refused(StatusCode::BAD_REQUEST, error),
    };
    let reference = Reference::new(kind, &name);
    match shared.server.delete(&reference, query.force).await {
        Ok(Deleted { id, details }) => {
            Json(serde_json::json!({ "deleted": reference, "id": id, "details": details })).into_response()
        }
        Err(DeleteError::NotFound(reference)) => {
            refused(StatusCode::NOT_FOUND, not_found(&shared.server, &reference))
        }
        Err(error) => refused(status_of_delete(&error), error),
    }
}

async fn apply(State(shared): State<Arc<Shared>>, Json(request): Json<ApplyRequest>) -> Response {
    let options = ApplyOptions {
        is_dry_run: request.dry_run,
        takes_over: request.take_over,
        ..ApplyOptions::default()
    };
    match applying::apply_file(&shared.server, &request.file, options).await {
        Ok(answer) => Json(answer).into_response(),
        Err(error) => refused(status_of_apply(&error), format!("{error:#}")),
    }
}

async fn would_reset(State(shared): State<Arc<Shared>>, Query(query): Query<OfKind>) -> Response {
    match kind_of(query.kind.as_deref()) {
        Ok(kind) => {
            let would_reset = shared.server.would_reset(kind, query.name.as_deref()).await;
            Json(WouldResetAnswer { would_reset }).into_response()
        }
        Err(refusal) => refusal,
    }
}

async fn reset(State(shared): State<Arc<Shared>>, Query(query): Query<OfKind>) -> Response {
    let kind = match kind_of(query.kind.as_deref()) {
        Ok(kind) => kind,
        Err(refusal) => return refusal,
    };
    match shared.server.reset(kind, query.name.as_deref()).await {
        Ok(reset) => Json(ResetAnswer { reset }).into_response(),
        Err(error) => refused(StatusCode::INTERNAL_SERVER_ERROR, error),
    }
}

#[derive(Deserialize)]
struct PutQuery {
    kind: Option<String>,
    key: Option<String>,
}

async fn put(
    State(shared): State<Arc<Shared>>,
    UrlPath(stream): UrlPath<String>,
    Query(query): Query<PutQuery>,
    body: Bytes,
) -> Response {
    let kind = match kind_of(query.kind.as_deref()) {
        Ok(kind) => kind,
        Err(refusal) => return refusal,
    };
    // A record keeps its line end.
    let lines = body.split_inclusive(|byte| *byte == b'\n');
    let records: Vec<Bytes> = lines.map(|line| body.slice_ref(line)).collect();
    match shared.server.put(&stream, kind, query.key.as_deref(), records).await {
        Ok(records) => Json(PutAnswer { records }).into_response(),
        Err(error) => refused(status_of_put(&error), error),
    }
}

#[derive(Deserialize)]
struct TailQuery {
    what: String,
    kind: Option<String>,
    from: Option<String>,
    #[serde(rename = "where")]
    condition: Option<String>,
}

/// Follows something until either end has gone. Each holds its connection: some are left for other requests.
async fn tail(State(shared): State<Arc<Shared>>, Query(query): Query<TailQuery>) -> Response {
    let Ok(permit) = Arc::clone(&shared.tails).try_acquire_owned() else {
        let text = format!("{MOST_TAILS} others follow something already: end one of them");
        let refusal = refused(StatusCode::SERVICE_UNAVAILABLE, text);
        // Its connection must not wait for another request.
        return ([(header::CONNECTION, "close")], refusal).into_response();
    };
    let from = match query.from.as_deref().map(str::parse::<TailFrom>).transpose() {
        Ok(from) => from.unwrap_or_default(),
        Err(error) => return refused(StatusCode::BAD_REQUEST, error),
    };
    let kind = match kind_of(query.kind.as_deref()) {
        Ok(kind) => kind,
        Err(refusal) => return refusal,
    };
    let filter = match query.condition.as_deref() {
        Some(condition) => match shared.server.tail_filter(&query.what, kind, condition).await {
            Ok(filter) => Some(filter),
            Err(error) => return refused(status_of_tail(&error), error),
        },
        None => None,
    };
    let tailing = match shared.server.tail(&query.what, kind, &from).await {
        Ok(tailing) => tailing,
        Err(error) => return refused(status_of_tail(&error), error),
    };
    let (mut lines, reader) = tail_lines::channel(filter);
    let mut stop = shared.stop.clone();
    Spawn::current().awaited(async move {
        let _permit = permit;
        let gone = lines.reader_gone();
        let sent = tokio::select! {
            sent = lines.send(tailing) => sent,
            _ = stop.wait_for(|stop| *stop) => Some("the server stops".to_owned()),
            () = gone => None,
        };
        if let Some(reason) = sent {
            lines.end(reason);
        }
    });
    let lines = futures::stream::unfold(reader, |mut reader| async move {
        reader.next().await.map(|line| (Ok::<_, std::io::Error>(line), reader))
    });
    ([("content-type", "application/x-ndjson")], Body::from_stream(lines)).into_response()
}
