//! Millstream functions.
