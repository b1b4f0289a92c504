//! Millstream sql.
