//! Windows: where a tumbling window ends, what a sliding window holds.

mod boundary;
mod frame_state;
mod two_stacks;

pub(crate) use boundary::WindowBoundary;
pub(crate) use frame_state::{CallState, FrameRows, Lag};
