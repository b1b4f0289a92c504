//! Models as their callers use them.
//!
//! One program, since each one is linked with the whole product.

#![allow(clippy::unwrap_used, reason = "a test that unwraps an error fails, as it should")]
#![allow(clippy::disallowed_methods, reason = "a test works on the machine itself")]

mod bad_folders;
mod families;
mod model_server;
mod star_rating;
mod tiny;
