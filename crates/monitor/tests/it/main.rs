//! Metrics, alarms, topics and mail as their callers use them.
//!
//! One program, since each one is linked with the whole product.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "a test works on the machine itself")]

mod alarms;
mod metrics;
mod smtp;
mod smtp_server;
mod topics;
mod world;
