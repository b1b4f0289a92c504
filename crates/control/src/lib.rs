//! Millstream control.
