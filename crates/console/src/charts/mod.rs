//! Charts as SVG, drawn on the server.
//!
//! ```text
//!  [Point] ──Series::new──▶ finite points in order, thinned ──▶ LineChart ──▶ HTML + SVG
//!                             ValueScale: value → pixels from the top, ticks at round numbers
//!                             TimeScale:  time  → percent from the left, ticks at round times
//! ```
//!
//! The plot is as wide as its place: across it everything stands in percent, down it in pixels, so that neither text nor
//! dots are stretched at any width. Invariant: no number that is not finite reaches the SVG.

/// Values beyond this are drawn at this: no chart means them, and sums of them must stay finite.
const LARGEST: f64 = 1e12;

mod line_chart;
mod series;
mod time_scale;
mod value_scale;

pub(crate) use line_chart::{ChartNumbers, LineChart, Marks};
pub(crate) use series::Series;
pub(crate) use value_scale::ValueScale;
