//! How commands reach a server on this machine: HTTP over a socket in its data directory that only its user can open.
//!
//! ```text
//!   millstream apply, list, put, tail, … ─▶ client ─▶ DATA_DIR/control.sock (0600) ─▶ server ─▶ control
//!   curl --unix-socket DATA_DIR/control.sock http://localhost/v1/resources
//! ```
//!
//! | path | does |
//! |---|---|
//! | `GET /v1/status` | version, process, data directory, page |
//! | `GET /v1/resources?kind=K` | all resources, or those of a kind |
//! | `GET /v1/resources/KIND/NAME` | one |
//! | `DELETE /v1/resources/KIND/NAME?force=true` | deletes one |
//! | `POST /v1/apply` | applies a file |
//! | `POST /v1/reset?kind=K&name=N` | resources start from scratch |
//! | `POST /v1/records/STREAM?key=K` | puts the lines of the body |
//! | `GET /v1/tail?what=W&from=F&where=C` | records or rows as they come, one JSON object a line |
//!
//! Errors are `{"error": "…"}` with a status of 400, 404, 409 or 500.

mod client;
mod protocol;
mod server;
mod tail_lines;

pub(crate) use client::{Client, escaped, path_of};
pub(crate) use protocol::{Applied, ApplyRequest, PutAnswer, ResetAnswer, StatusAnswer, TailLine};
pub(crate) use server::{Socket, apply_file};
