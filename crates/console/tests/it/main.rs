//! The page and what it is made from.
//!
//! One program, since each one is linked with the whole product.

#![allow(clippy::unwrap_used, reason = "for tests only")]
#![allow(clippy::disallowed_methods, reason = "a test works on the machine itself")]

mod browser;
mod chromium;
mod live;
mod pages;
mod support;
