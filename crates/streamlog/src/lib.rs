//! Millstream streamlog.
