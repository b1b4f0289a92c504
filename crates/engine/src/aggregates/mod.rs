//! Aggregates of groups: COUNT, SUM, AVG, MIN, MAX, deviations, ANY, EVERY.
//!
//! An [`Accumulator`] holds the state of one aggregate for every group of a window. Its results depend on the rows
//! and their order alone, never on how they were cut into batches: sums of floats go over eight lanes by the row's
//! place in the window, or one after the other within a group.

mod accumulator;
mod lanes;
mod moments;
mod result;
mod saved_group;

pub(crate) use accumulator::{Accumulator, compare_values};
pub(crate) use moments::Moments;
pub(crate) use result::{average_of_decimals, average_of_integers, decimal_in_range, integer_in_range};
