//! Millstream sketch.
