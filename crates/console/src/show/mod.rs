//! Values as people read them: numbers, moments in UTC, excerpts of text.

mod excerpt;
mod moment;
mod number;

pub(crate) use excerpt::excerpt;
pub(crate) use moment::{Moment, span, strftime};
pub(crate) use number::{counted, grouped, named, rounded, share};
