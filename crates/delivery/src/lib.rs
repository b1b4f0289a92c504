//! Millstream delivery.
