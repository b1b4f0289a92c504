//! The points of a chart, cleaned and thinned.

use millstream_control::view::Point;

use super::LARGEST;

/// The columns that a chart is thinned to; each keeps its lowest and its highest point.
const COLUMNS: usize = 160;

/// Points to draw: finite, oldest first, at most `2 * COLUMNS` of them.
pub(crate) struct Series {
    points: Vec<Point>,
    total: usize,
}

impl Series {
    /// The series of `points`. Values that are not finite are skipped; many points are thinned so that every peak
    /// and every valley stays. Cost: one pass, and a sort only if the times are out of order.
    pub(crate) fn new(points: &[Point]) -> Series {
        let mut clean: Vec<Point> = points
            .iter()
            .filter(|point| point.value.is_finite())
            .map(|point| Point { at: point.at, value: point.value.clamp(-LARGEST, LARGEST) })
            .collect();
        if !clean.is_sorted_by_key(|point| point.at) {
            clean.sort_by_key(|point| point.at);
        }
        let total = clean.len();
        Series { points: thinned(clean), total }
    }

    /// The points to draw.
    pub(crate) fn points(&self) -> &[Point] {
        &self.points
    }

    /// How many points there were before thinning.
    pub(crate) fn total(&self) -> usize {
        self.total
    }

    /// The oldest and the newest point; `None` when there are none.
    pub(crate) fn ends(&self) -> Option<(Point, Point)> {
        Some((*self.points.first()?, *self.points.last()?))
    }

    /// The smallest and the largest value; `None` when there are no points.
    pub(crate) fn extremes(&self) -> Option<(f64, f64)> {
        let mut values = self.points.iter().map(|point| point.value);
        let first = values.next()?;
        Some(values.fold((first, first), |(low, high), value| (low.min(value), high.max(value))))
    }
}

/// At most two points a column, the lowest and the highest in their order in time, and always the first and the last.
fn thinned(points: Vec<Point>) -> Vec<Point> {
    if points.len() <= 2 * COLUMNS {
        return points;
    }
    let width = points.len().div_ceil(COLUMNS - 2);
    let (Some(first), Some(last)) = (points.first().copied(), points.last().copied()) else { return points };
    let mut kept = vec![first];
    for column in points[1..points.len() - 1].chunks(width) {
        let by_value = |a: &&Point, b: &&Point| a.value.total_cmp(&b.value);
        let (Some(low), Some(high)) = (column.iter().min_by(by_value), column.iter().max_by(by_value)) else {
            continue;
        };
        let (earlier, later) = if low.at <= high.at { (low, high) } else { (high, low) };
        kept.push(*earlier);
        if earlier != later {
            kept.push(*later);
        }
    }
    kept.push(last);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(values: impl IntoIterator<Item = f64>) -> Vec<Point> {
        values
            .into_iter()
            .enumerate()
            .map(|(index, value)| Point { at: index as i64 * 1000, value })
            .collect()
    }

    #[test]
    fn thinning_keeps_peaks_valleys_and_ends() {
        let mut many = points((0..10_000).map(|index| f64::from(index % 7)));
        many[4_321].value = 99.0;
        many[8_765].value = -99.0;
        let series = Series::new(&many);
        assert!(series.points().len() <= 2 * COLUMNS);
        assert_eq!(series.total(), 10_000);
        assert_eq!(series.extremes(), Some((-99.0, 99.0)));
        assert_eq!(series.ends(), Some((many[0], many[9_999])));
        assert!(series.points().is_sorted_by_key(|point| point.at));
    }

    #[test]
    fn few_points_stay_as_they_are() {
        let few = points([1.0, 2.0, 3.0]);
        assert_eq!(Series::new(&few).points(), few);
    }

    #[test]
    fn only_finite_values_in_order_of_time() {
        let mut wild = points([1.0, f64::NAN, f64::INFINITY, -f64::MAX, 2.0]);
        wild.reverse();
        let series = Series::new(&wild);
        assert_eq!(series.points().iter().map(|point| point.value).collect::<Vec<_>>(), [1.0, -LARGEST, 2.0]);
        assert_eq!(Series::new(&[]).extremes(), None);
    }
}
