//! Millstream inference.
