//! Control as its callers use it.
//!
//! One program, since each one is linked with the whole product.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "a test works on the machine itself")]

mod application_inputs;
mod changed_deliveries;
mod compatibility_page;
mod crash_images;
mod feeds;
mod functions;
mod input_remarks;
mod losses;
mod multiplying_rows;
mod old_directory;
mod pipeline_messages;
mod reference_tables;
mod slow_start;
mod stop;
mod support;
mod tail;
mod update;
mod waiting_for_functions;
