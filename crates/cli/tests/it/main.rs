//! The program as its user runs it.
//!
//! One program, since each one is linked with the whole product.

#![allow(clippy::unwrap_used, reason = "for tests only")]
#![allow(clippy::disallowed_methods, reason = "a test works on the machine itself")]

mod bad_input;
mod browser;
#[path = "../../../console/tests/it/chromium/mod.rs"]
mod chromium;
mod clients;
mod commands;
mod crash;
mod demo;
mod demo_input;
mod full_disk;
mod language;
mod mail;
mod refusals;
mod run;
mod serve;
mod slow_start;
mod start_time;
mod stock_ticker;
mod support;
mod unread_output;
