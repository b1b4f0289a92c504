//! A line over time, with its axes, marks, an optional threshold, and the same numbers as a table.

use std::fmt::Write as _;

use askama::Template;
use millstream_control::view::Point;

use super::{Series, ValueScale, time_scale::TimeScale};
use crate::show::{Moment, counted, rounded};

/// Height of the plot in pixels. The templates add the margins for dots at the edge and for the times below.
const HEIGHT: f64 = 160.0;

/// Width of the drawing that is stretched over the plot.
const WIDTH: f64 = 1000.0;

/// The most dots on one chart: the highest ones are kept.
const MOST_DOTS: usize = 60;

/// The newest values in the table below the chart.
const TABLE_ROWS: usize = 10;

/// Which points get a dot of their own.
#[derive(Clone, Copy)]
pub(crate) enum Marks {
    /// All, while they are few; else only the newest.
    WhileFew,
    /// Those at or above the threshold, in the colour of an alarm.
    AtOrAbove(f64),
}

/// How the numbers of a chart are shown.
#[derive(Clone, Copy)]
pub(crate) struct ChartNumbers {
    /// What the values are, in the singular: `window`.
    pub(crate) noun: &'static str,
    /// Heading of the values in the table.
    pub(crate) heading: &'static str,
    /// Decimals of a value.
    pub(crate) decimals: usize,
}

/// A chart ready to be put on the page.
#[derive(Template)]
#[template(path = "line_chart.html")]
pub(crate) struct LineChart {
    id: &'static str,
    description: String,
    heading: &'static str,
    line: String,
    area: String,
    value_ticks: Vec<ValueTick>,
    time_ticks: Vec<TimeTick>,
    dots: Vec<Dot>,
    threshold: Option<Threshold>,
    rows: Vec<(Moment, String)>,
}

struct ValueTick {
    top: String,
    label: String,
}

struct TimeTick {
    left: String,
    label: String,
    is_minor: bool,
}

struct Dot {
    left: String,
    top: String,
    label: String,
    class: &'static str,
}

struct Threshold {
    top: String,
    label_top: String,
    label: String,
}

impl LineChart {
    /// The chart of `series` on `scale`; `None` when there is nothing to draw. `id` names it on the page.
    pub(crate) fn new(
        id: &'static str,
        series: &Series,
        scale: &ValueScale,
        marks: Marks,
        numbers: ChartNumbers,
    ) -> Option<LineChart> {
        let (oldest, newest) = series.ends()?;
        let times = TimeScale::new(oldest.at, newest.at);
        let left = |point: &Point| times.percent_from_left(point.at);
        let top = |value: f64| scale.pixels_from_top(value, HEIGHT);
        let shown = |value: f64| rounded(value, numbers.decimals);

        let line = path(series.points().iter().map(|point| (left(point) / 100.0 * WIDTH, top(point.value))));
        let area = match series.points() {
            [_, _, ..] => {
                let (from, to) = (left(&oldest) / 100.0 * WIDTH, left(&newest) / 100.0 * WIDTH);
                format!("{line}L{} {}L{} {}Z", short(to), short(HEIGHT), short(from), short(HEIGHT))
            }
            _ => String::new(),
        };
        let dots = marked(series, marks)
            .into_iter()
            .map(|(point, class)| Dot {
                left: short(left(&point)),
                top: short(top(point.value)),
                label: format!("{} at {} UTC", shown(point.value), Moment::at(point.at).clock),
                class,
            })
            .collect();
        let threshold = match marks {
            Marks::AtOrAbove(value) if value.is_finite() => {
                let top = top(value);
                // Above the line, unless that is outside of the plot.
                let label_top = if top < 16.0 { top + 14.0 } else { top - 5.0 };
                Some(Threshold {
                    top: short(top),
                    label_top: short(label_top),
                    label: format!("mail from {}", shown(value)),
                })
            }
            _ => None,
        };
        Some(LineChart {
            id,
            description: description(series, numbers),
            heading: numbers.heading,
            line,
            area,
            value_ticks: scale
                .ticks()
                .iter()
                .map(|tick| ValueTick { top: short(top(*tick)), label: rounded(*tick, scale.decimals()) })
                .collect(),
            time_ticks: times
                .ticks()
                .into_iter()
                .enumerate()
                .map(|(index, (percent, label))| TimeTick {
                    left: short(percent),
                    label,
                    is_minor: index % 2 == 1,
                })
                .collect(),
            dots,
            threshold,
            rows: series
                .points()
                .iter()
                .rev()
                .take(TABLE_ROWS)
                .map(|point| (Moment::at(point.at), shown(point.value)))
                .collect(),
        })
    }
}

/// The points with dots, each with its class; the newest is always among them and comes last, on top.
fn marked(series: &Series, marks: Marks) -> Vec<(Point, &'static str)> {
    let Some((_, newest)) = series.ends() else { return Vec::new() };
    let mut dots = match marks {
        Marks::WhileFew if series.points().len() <= MOST_DOTS / 2 => {
            series.points().iter().map(|point| (*point, "dot")).collect()
        }
        Marks::WhileFew => Vec::new(),
        Marks::AtOrAbove(threshold) => {
            let mut high: Vec<Point> =
                series.points().iter().filter(|point| point.value >= threshold).copied().collect();
            high.sort_by(|a, b| b.value.total_cmp(&a.value));
            high.truncate(MOST_DOTS);
            high.into_iter().map(|point| (point, "dot alarming")).collect()
        }
    };
    let is_alarming = matches!(marks, Marks::AtOrAbove(threshold) if newest.value >= threshold);
    dots.push((newest, if is_alarming { "dot newest alarming" } else { "dot newest" }));
    dots
}

/// What the chart says, in a sentence for those who do not see it.
fn description(series: &Series, numbers: ChartNumbers) -> String {
    let (Some((oldest, newest)), Some((low, high))) = (series.ends(), series.extremes()) else {
        return String::new();
    };
    let shown = |value: f64| rounded(value, numbers.decimals);
    format!(
        "{} from {} to {} UTC: newest {}, lowest {}, highest {}.",
        counted(series.total() as u64, numbers.noun),
        Moment::at(oldest.at).clock,
        Moment::at(newest.at).clock,
        shown(newest.value),
        shown(low),
        shown(high),
    )
}

/// Straight lines through `corners`.
fn path(corners: impl Iterator<Item = (f64, f64)>) -> String {
    let mut path = String::new();
    for (index, (x, y)) in corners.enumerate() {
        let command = if index == 0 { 'M' } else { 'L' };
        // Writing to a string does not fail.
        let _ = write!(path, "{command}{} {}", short(x), short(y));
    }
    path
}

/// A coordinate with at most one decimal. Zero when it is not finite: the SVG must stay valid whatever happens.
fn short(coordinate: f64) -> String {
    if !coordinate.is_finite() {
        return "0".to_owned();
    }
    let shown = format!("{coordinate:.1}");
    shown.strip_suffix(".0").map(str::to_owned).unwrap_or(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBERS: ChartNumbers = ChartNumbers { noun: "window", heading: "Average", decimals: 2 };

    fn draw(points: &[Point], marks: Marks) -> String {
        let series = Series::new(points);
        let scale = ValueScale::from_zero(points.iter().map(|point| point.value));
        LineChart::new("test", &series, &scale, marks, NUMBERS)
            .map(|chart| chart.render().unwrap())
            .unwrap_or_default()
    }

    fn points(values: impl IntoIterator<Item = f64>) -> Vec<Point> {
        values
            .into_iter()
            .enumerate()
            .map(|(index, value)| Point { at: index as i64 * 5000, value })
            .collect()
    }

    #[test]
    fn nothing_draws_nothing() {
        assert_eq!(draw(&[], Marks::WhileFew), "");
        assert_eq!(draw(&points([f64::NAN]), Marks::WhileFew), "");
    }

    #[test]
    fn one_point_is_one_dot_in_the_middle() {
        let svg = draw(&points([3.0]), Marks::WhileFew);
        assert!(svg.contains(r#"cx="50%""#), "{svg}");
        assert!(svg.contains("1 window from 00:00:00 to 00:00:00 UTC: newest 3.00"), "{svg}");
        assert!(!svg.contains(r#"class="area""#), "one point has no area");
    }

    #[test]
    fn equal_values_are_a_level_line() {
        let svg = draw(&points([4.0, 4.0, 4.0]), Marks::WhileFew);
        assert!(svg.contains(r#"d="M0 0L500 0L1000 0""#), "{svg}");
    }

    #[test]
    fn no_number_that_is_none_reaches_the_svg() {
        let wild =
            [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN, f64::MIN_POSITIVE, -0.0, 2.0];
        for threshold in [f64::NAN, f64::INFINITY, f64::MIN, 1.0] {
            for values in [&wild[..], &wild[..4], &wild[5..], &wild[4..5]] {
                for at in [0, 1, i64::MAX / 4] {
                    let mut points = points(values.iter().copied());
                    points.iter_mut().for_each(|point| point.at = point.at.wrapping_mul(at));
                    let svg = draw(&points, Marks::AtOrAbove(threshold));
                    assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
                }
            }
        }
    }

    #[test]
    fn dots_mark_what_reaches_the_threshold() {
        let svg = draw(&points([1.0, 3.5, 1.2, 3.0, 0.5]), Marks::AtOrAbove(3.0));
        assert_eq!(svg.matches("dot alarming").count(), 2, "{svg}");
        assert_eq!(svg.matches("dot newest\"").count(), 1, "{svg}");
        assert!(svg.contains("mail from 3.00"));
    }

    #[test]
    fn ten_thousand_points_stay_small() {
        let svg =
            draw(&points((0..10_000).map(|index| f64::from(index % 100) / 10.0)), Marks::AtOrAbove(9.0));
        assert!(svg.len() < 24_000, "{} bytes", svg.len());
    }
}
