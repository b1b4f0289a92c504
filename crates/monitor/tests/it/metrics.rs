//! Metrics from outside: points in, statistics out.

use std::time::Duration;

use crate::world::{START, World, metric, seconds};
use millstream_host::Timestamp;
use millstream_monitor::{
    Datapoint, Location, Measured, MetricFilter, MetricKey, MonitorSettings, Point, PutError, QueryError,
    Statistic, StatisticsQuery, StorageResolution,
};
use proptest::prelude::*;

const ALL: [&str; 5] = ["SampleCount", "Sum", "Average", "Minimum", "Maximum"];

fn query(statistics: &[&str], period: u32, from: i64, to: i64) -> StatisticsQuery {
    StatisticsQuery {
        metric: metric(),
        statistics: statistics.iter().map(|name| name.parse().unwrap()).collect(),
        period,
        start: seconds(from),
        end: seconds(to),
        unit: None,
    }
}

fn point(at: i64, value: f64) -> Point {
    Point { at: Some(seconds(at)), ..Point::value(metric(), value) }
}

/// Time after the start in seconds and values, of each datapoint.
fn rows(datapoints: Vec<Datapoint>) -> Vec<(i64, Vec<Option<f64>>)> {
    datapoints.into_iter().map(|datapoint| ((datapoint.at.0 - START.0) / 1_000, datapoint.values)).collect()
}

fn some(values: &[f64]) -> Vec<Option<f64>> {
    values.iter().copied().map(Some).collect()
}

#[test]
fn periods_of_a_second_and_of_a_minute_before_and_after_a_flush() {
    let world = World::new();
    let points = [point(10, 1.0), point(10, 2.0), point(11, 3.0), point(11, 4.0)];
    world.monitor.put(&points).unwrap();
    for is_flushed in [false, true] {
        if is_flushed {
            world.tick();
        }
        let by_second = world.monitor.statistics(&query(&["Average", "SampleCount"], 1, 0, 60)).unwrap();
        assert_eq!(rows(by_second), [(10, some(&[1.5, 2.0])), (11, some(&[3.5, 2.0]))]);
        let by_minute = world.monitor.statistics(&query(&ALL, 60, 0, 60)).unwrap();
        assert_eq!(rows(by_minute), [(0, some(&[4.0, 10.0, 2.5, 1.0, 4.0]))]);
    }
    world.monitor.put(&[point(11, 5.0)]).unwrap();
    let both = world.monitor.statistics(&query(&["Sum", "Maximum"], 1, 11, 12)).unwrap();
    assert_eq!(rows(both), [(11, some(&[12.0, 5.0]))], "what waits and what is stored count together");
    world.tick();
    let both = world.monitor.statistics(&query(&["Sum", "Maximum"], 1, 11, 12)).unwrap();
    assert_eq!(rows(both), [(11, some(&[12.0, 5.0]))]);
}

#[test]
fn the_newest_value_is_known_before_and_after_a_flush() {
    let world = World::new();
    let newest = || {
        let newest = world.monitor.newest_value(&metric()).unwrap();
        newest.map(|newest| ((newest.at.0 - START.0) / 1_000, newest.value))
    };
    assert_eq!(newest(), None);
    world.monitor.put(&[point(10, 1.0), point(12, 3.0), point(12, 4.0)]).unwrap();
    assert_eq!(newest(), Some((12, 3.5)));
    world.tick();
    assert_eq!(newest(), Some((12, 3.5)));
    world.monitor.put(&[point(11, 9.0)]).unwrap();
    assert_eq!(newest(), Some((12, 3.5)), "an older one that comes later is not the newest");
    world.monitor.put(&[point(13, 0.0)]).unwrap();
    assert_eq!(newest(), Some((13, 0.0)));
}

#[test]
fn start_is_included_and_rounded_down_end_is_excluded() {
    let world = World::new();
    world.monitor.put(&[point(0, 1.0), point(9, 2.0), point(10, 4.0), point(20, 8.0)]).unwrap();
    let found = |from, to| rows(world.monitor.statistics(&query(&["Sum"], 10, from, to)).unwrap());
    assert_eq!(found(0, 20), [(0, some(&[3.0])), (10, some(&[4.0]))]);
    assert_eq!(found(5, 21), [(0, some(&[3.0])), (10, some(&[4.0])), (20, some(&[8.0]))]);
    assert_eq!(found(30, 60), []);
}

#[test]
fn counted_values_summaries_and_percentiles() {
    let world = World::new();
    let measured = |at, measured| Point { measured, ..point(at, 0.0) };
    world.monitor.put(&[measured(0, Measured::Values(vec![(1.0, 3.0), (2.0, 1.0)]))]).unwrap();
    let summary = Measured::Summary { count: 2.0, sum: 10.0, minimum: 4.0, maximum: 6.0 };
    world.monitor.put(&[measured(1, summary)]).unwrap();
    let hundred: Vec<Point> = (0..=100).map(|value| point(2, f64::from(value))).collect();
    world.monitor.put(&hundred).unwrap();
    world.tick();
    let found = world.monitor.statistics(&query(&["SampleCount", "Sum", "Average"], 1, 0, 1)).unwrap();
    assert_eq!(rows(found), [(0, some(&[4.0, 5.0, 1.25]))]);
    let found = world.monitor.statistics(&query(&["Average", "p50"], 1, 1, 2)).unwrap();
    assert_eq!(rows(found), [(1, vec![Some(5.0), None])], "single values are not known");
    let found = rows(world.monitor.statistics(&query(&["p50", "p99"], 1, 2, 3)).unwrap());
    let near = |value: Option<f64>, expected: f64| (value.unwrap() - expected).abs() <= 0.0101 * expected;
    assert!(near(found[0].1[0], 50.0) && near(found[0].1[1], 99.0), "{found:?}");
}

#[test]
fn dimensions_are_exact_and_units_are_apart() {
    let world = World::new();
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let two = MetricKey::new("n", "m", [pair("a", "b"), pair("c", "d")]).unwrap();
    let one = MetricKey::new("n", "m", [pair("a", "b")]).unwrap();
    world.monitor.put(&[Point::value(two.clone(), 1.0)]).unwrap();
    let ask = |metric: &MetricKey, unit: Option<&str>| {
        let query = StatisticsQuery {
            metric: metric.clone(),
            unit: unit.map(str::to_owned),
            ..query(&["Sum"], 1, 0, 1)
        };
        world.monitor.statistics(&query).unwrap()
    };
    assert_eq!(ask(&one, None).len(), 0);
    assert_eq!(ask(&two, None).len(), 1);
    let listed = |name: &str| {
        let filter = MetricFilter { dimensions: vec![(name.to_owned(), None)], ..MetricFilter::default() };
        world.monitor.metrics(&filter).unwrap()
    };
    assert_eq!(listed("a"), std::slice::from_ref(&two));
    assert_eq!(listed("x"), []);

    world.monitor.put(&[Point { unit: "Count".to_owned(), ..Point::value(two.clone(), 5.0) }]).unwrap();
    world.tick();
    let units: Vec<(String, Option<f64>)> =
        ask(&two, None).into_iter().map(|datapoint| (datapoint.unit, datapoint.values[0])).collect();
    assert_eq!(units, [("Count".to_owned(), Some(5.0)), ("None".to_owned(), Some(1.0))]);
    assert_eq!(ask(&two, Some("Count")).len(), 1);
    assert_eq!(ask(&two, Some("Bytes")).len(), 0);
}

#[test]
fn a_bad_point_refuses_the_whole_call() {
    let world = World::new();
    let check = |bad: Point, expected: fn(&PutError) -> bool| {
        let error = world.monitor.put(&[point(0, 1.0), bad]).unwrap_err();
        assert!(expected(&error), "{error}");
    };
    check(point(0, f64::NAN), |error| matches!(error, PutError::Value { .. }));
    check(point(0, f64::INFINITY), |error| matches!(error, PutError::Value { .. }));
    check(point(0, 2f64.powi(361)), |error| matches!(error, PutError::Value { .. }));
    check(point(-14 * 86_400 - 1, 1.0), |error| matches!(error, PutError::TooOld(_)));
    check(point(2 * 3_600 + 1, 1.0), |error| matches!(error, PutError::TooFarAhead(_)));
    check(Point { unit: String::new(), ..point(0, 1.0) }, |error| matches!(error, PutError::Unit(_)));
    check(Point { unit: "a\n".to_owned(), ..point(0, 1.0) }, |error| matches!(error, PutError::Unit(_)));
    let many = Measured::Values(vec![(1.0, 1.0); 151]);
    check(Point { measured: many, ..point(0, 1.0) }, |error| matches!(error, PutError::Distribution { .. }));
    let upside_down = Measured::Summary { count: 2.0, sum: 1.0, minimum: 3.0, maximum: 2.0 };
    check(Point { measured: upside_down, ..point(0, 1.0) }, |error| {
        matches!(error, PutError::Distribution { .. })
    });
    assert_eq!(world.monitor.metrics(&MetricFilter::default()).unwrap(), [], "none of the calls was taken");
    assert_eq!(world.monitor.statistics(&query(&["Sum"], 1, 0, 60)).unwrap(), []);
}

#[test]
fn a_bad_query_is_refused() {
    let world = World::new();
    let check = |query: StatisticsQuery, expected: fn(&QueryError) -> bool| {
        let error = world.monitor.statistics(&query).unwrap_err();
        assert!(expected(&error), "{error}");
    };
    check(query(&["Sum"], 45, 0, 60), |error| matches!(error, QueryError::Period(45)));
    check(query(&["Sum"], 0, 0, 60), |error| matches!(error, QueryError::Period(0)));
    check(query(&["Sum"], 1, -7_200, 0), |error| {
        matches!(error, QueryError::TooManyDatapoints { asked: 7_200 })
    });
    check(query(&["Sum"], 60, 0, 0), |error| matches!(error, QueryError::EmptyRange));
    check(query(&[], 60, 0, 60), |error| matches!(error, QueryError::NoStatistic));
    check(query(&["Sum"], 10, -4 * 3_600, 0), |error| {
        matches!(error, QueryError::PeriodTooFine { kept: 60, .. })
    });
    let days = -20 * 86_400;
    check(query(&["Sum"], 60, days, 0), |error| matches!(error, QueryError::PeriodTooFine { kept: 300, .. }));
    let everything = StatisticsQuery {
        start: Timestamp(i64::MIN),
        end: Timestamp(i64::MAX),
        ..query(&["Sum"], 3_600, 0, 1)
    };
    check(everything, |error| matches!(error, QueryError::TooManyDatapoints { .. }));
}

#[test]
fn too_many_metrics_are_refused_and_full_memory_is_written() {
    let settings = MonitorSettings { max_metrics: 2, max_pending_buckets: 3, ..MonitorSettings::default() };
    let world = World::with(&Location::Memory, settings);
    let named = |name: &str| Point::value(MetricKey::new("n", name, []).unwrap(), 1.0);
    world.monitor.put(&[named("m")]).unwrap();
    let error = world.monitor.put(&[named("a"), named("b")]).unwrap_err();
    assert!(matches!(error, PutError::TooManyMetrics { limit: 2, .. }), "{error}");
    world.monitor.put(&[named("a"), named("m")]).unwrap();
    for at in 0..100 {
        world.monitor.put(&[point(at, 1.0)]).unwrap();
    }
    let found = world.monitor.statistics(&query(&["Sum"], 300, 0, 300)).unwrap();
    let sum: f64 = found.iter().filter_map(|datapoint| datapoint.values[0]).sum();
    assert_eq!(sum, 102.0);
}

#[test]
fn metrics_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let location = Location::File(folder.path().join("monitor.sqlite"));
    let world = World::with(&location, MonitorSettings::default());
    world.monitor.put(&[point(0, 4.0)]).unwrap();
    world.tick();
    drop(world);
    let world = World::with(&location, MonitorSettings::default());
    assert_eq!(world.monitor.metrics(&MetricFilter::default()).unwrap(), [metric()]);
    world.monitor.put(&[point(0, 6.0)]).unwrap();
    world.tick();
    assert_eq!(rows(world.monitor.statistics(&query(&["Average"], 1, 0, 1)).unwrap()), [(0, some(&[5.0]))]);
}

#[test]
fn a_deleted_metric_leaves_no_point_and_the_others_stay() {
    let folder = tempfile::tempdir().unwrap();
    let location = Location::File(folder.path().join("monitor.sqlite"));
    let settings = MonitorSettings { max_metrics: 2, max_pending_buckets: 2, ..MonitorSettings::default() };
    let world = World::with(&location, settings.clone());
    let other = MetricKey::new("n", "other", []).unwrap();
    let sum = |world: &World, metric: &MetricKey| {
        let query = StatisticsQuery { metric: metric.clone(), ..query(&["Sum"], 60, 0, 60) };
        rows(world.monitor.statistics(&query).unwrap())
    };
    world.monitor.put(&[point(0, 1.0), Point::value(other.clone(), 2.0)]).unwrap();
    world.tick();
    world.monitor.put(&[point(1, 3.0), Point::value(other.clone(), 4.0)]).unwrap();
    for _ in 0..2 {
        world.monitor.delete_metric(&metric()).unwrap();
        assert_eq!(sum(&world, &metric()), []);
        assert_eq!(world.monitor.metrics(&MetricFilter::default()).unwrap(), std::slice::from_ref(&other));
    }
    world.tick();
    assert_eq!(sum(&world, &other), [(0, some(&[6.0]))]);
    drop(world);
    let world = World::with(&location, settings);
    assert_eq!(sum(&world, &metric()), []);
    world.monitor.put(&[point(2, 5.0)]).unwrap();
    assert_eq!(sum(&world, &metric()), [(0, some(&[5.0]))]);
}

#[test]
fn old_points_become_coarser_and_at_last_go() {
    let world = World::new();
    let points: Vec<Point> = (0..600).map(|at| point(at, at as f64)).collect();
    world.advance(600);
    world.monitor.put(&points).unwrap();
    world.tick();
    let statistics = ["SampleCount", "Sum", "Minimum", "Maximum", "p90"];
    let by_hour =
        |world: &World| rows(world.monitor.statistics(&query(&statistics, 3_600, 0, 3_600)).unwrap());
    let whole = by_hour(&world);
    assert_eq!(whole.iter().map(|row| row.1[0].unwrap()).sum::<f64>(), 600.0);
    let hour = 3_600;
    for (later, period, datapoints) in
        [(4 * hour, 60, 10), (16 * 24 * hour, 300, 3), (64 * 24 * hour, 3_600, 1)]
    {
        world.clock.set(Timestamp(START.0 + i64::from(later) * 1_000));
        world.tick();
        let found = world.monitor.statistics(&query(&["SampleCount"], period, 0, 3_600)).unwrap();
        assert_eq!(found.len(), datapoints, "after {later} s");
        let again = by_hour(&world);
        assert_eq!(again.len(), whole.len());
        for (row, expected) in again.iter().zip(&whole) {
            assert_eq!(row, expected, "after {later} s");
        }
    }
    world.clock.advance(Duration::from_secs(456 * 86_400));
    world.tick();
    assert_eq!(world.monitor.metrics(&MetricFilter::default()).unwrap(), []);
    assert_eq!(by_hour(&world), []);
}

#[test]
fn a_long_backlog_is_swept_in_parts_and_nothing_is_lost() {
    let settings = MonitorSettings { max_pending_buckets: 50_000, ..MonitorSettings::default() };
    let world = World::with(&Location::Memory, settings);
    let points: Vec<Point> = (0..25_000).map(|back| point(-back, 1.0)).collect();
    world.monitor.put(&points).unwrap();
    world.advance(3 * 3_600 + 60);
    for _ in 0..3 {
        world.tick();
        let found = world.monitor.statistics(&query(&["Sum", "SampleCount"], 3_600, -36_000, 3_600)).unwrap();
        for index in 0..2 {
            let total: f64 = found.iter().filter_map(|datapoint| datapoint.values[index]).sum();
            assert_eq!(total, 25_000.0);
        }
    }
}

#[test]
fn points_kept_by_the_minute_answer_finer_questions_with_the_minute() {
    let world = World::new();
    world.monitor.put(&[Point { resolution: StorageResolution::Minute, ..point(30, 2.0) }]).unwrap();
    assert_eq!(rows(world.monitor.statistics(&query(&["Sum"], 10, 0, 60)).unwrap()), [(0, some(&[2.0]))]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Flushes and sweeps change nothing that is asked by longer periods.
    #[test]
    fn statistics_equal_a_plain_computation(
        values in prop::collection::vec((0i64..300, -1_000i32..1_000, any::<bool>()), 1..60),
        is_old in any::<bool>(),
    ) {
        let world = World::new();
        for &(at, value, is_flushed) in &values {
            world.monitor.put(&[point(at, f64::from(value))]).unwrap();
            if is_flushed {
                world.tick();
            }
        }
        if is_old {
            world.advance(5 * 3_600);
            world.tick();
        }
        let found = world.monitor.statistics(&query(&ALL, 60, 0, 300)).unwrap();
        let mut expected = Vec::new();
        for minute in 0..5 {
            let of_minute: Vec<f64> =
                values.iter().filter(|(at, ..)| at / 60 == minute).map(|&(_, value, _)| f64::from(value)).collect();
            if of_minute.is_empty() {
                continue;
            }
            let (count, sum) = (of_minute.len() as f64, of_minute.iter().sum::<f64>());
            let minimum = of_minute.iter().copied().fold(f64::INFINITY, f64::min);
            let maximum = of_minute.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            expected.push((minute * 60, some(&[count, sum, sum / count, minimum, maximum])));
        }
        prop_assert_eq!(rows(found), expected);
    }
}

#[test]
fn statistics_have_names() {
    assert_eq!("p99.9".parse::<Statistic>().unwrap().to_string(), "p99.9");
}
