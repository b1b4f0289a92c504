//! Decides what exists, what runs, and what connects to what.

pub mod view;
