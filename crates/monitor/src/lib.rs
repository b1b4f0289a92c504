//! Millstream monitor.
