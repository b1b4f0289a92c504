//! Millstream engine.
