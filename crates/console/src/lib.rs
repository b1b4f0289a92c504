//! Millstream console.
