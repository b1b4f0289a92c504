//! Hotspots against a plain search, and through bytes.

use millstream_sketch::{Hotspot, HotspotPointError, HotspotSettings, Hotspots};

fn settings(window_size: usize, minimum_points: usize) -> HotspotSettings {
    HotspotSettings { window_size, scan_radius: 0.2, minimum_points, dimensions: 2 }
}

/// Points spread over a square, from a small generator.
fn points(count: usize, seed: u64) -> Vec<[f64; 2]> {
    let mut state = seed;
    let mut number = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f64 / f64::from(1 << 24)
    };
    (0..count).map(|_| [number() * 3.0, number() * 3.0]).collect()
}

/// The hotspots of the last points by comparing every pair.
fn plainly(points: &[[f64; 2]], settings: HotspotSettings) -> Vec<Hotspot> {
    let window = &points[points.len().saturating_sub(settings.window_size)..];
    let near = |a: &[f64; 2], b: &[f64; 2]| {
        (a[0] - b[0]).powi(2) + (a[1] - b[1]).powi(2) <= settings.scan_radius * settings.scan_radius
    };
    let core: Vec<bool> = window
        .iter()
        .map(|point| window.iter().filter(|other| near(point, other)).count() >= settings.minimum_points)
        .collect();
    let mut cluster: Vec<Option<usize>> = vec![None; window.len()];
    let mut found = Vec::new();
    for first in 0..window.len() {
        if !core[first] || cluster[first].is_some() {
            continue;
        }
        let number = found.len();
        let mut queue = vec![first];
        cluster[first] = Some(number);
        let mut members = std::collections::BTreeSet::new();
        while let Some(point) = queue.pop() {
            for other in 0..window.len() {
                if near(&window[point], &window[other]) {
                    members.insert(other);
                    if core[other] && cluster[other].is_none() {
                        cluster[other] = Some(number);
                        queue.push(other);
                    }
                }
            }
        }
        let of = |dimension: usize| members.iter().map(move |member| window[*member][dimension]);
        let minimum = vec![of(0).fold(f64::INFINITY, f64::min), of(1).fold(f64::INFINITY, f64::min)];
        let maximum = vec![of(0).fold(f64::NEG_INFINITY, f64::max), of(1).fold(f64::NEG_INFINITY, f64::max)];
        let size: f64 = minimum.iter().zip(&maximum).map(|(a, b): (&f64, &f64)| (b - a).max(0.2)).product();
        found.push(Hotspot { density: members.len() as f64 / size, minimum, maximum });
    }
    found.sort_by(|left, right| {
        let by_density = right.density.total_cmp(&left.density);
        by_density.then(left.minimum.partial_cmp(&right.minimum).expect("all numbers are finite"))
    });
    found
}

#[test]
fn the_hotspots_are_those_of_a_plain_search_also_after_a_round_trip() {
    for (seed, window) in [(1, 70), (2, 128), (3, 200)] {
        let settings = settings(window, 4);
        let mut hotspots = Hotspots::new(settings).unwrap();
        let points = points(400, seed);
        for (index, point) in points.iter().enumerate() {
            hotspots.add(point).unwrap();
            if index % 37 == 0 {
                let bytes = postcard::to_allocvec(&hotspots).unwrap();
                hotspots = postcard::from_bytes(&bytes).unwrap();
            }
            if index % 7 == 0 {
                assert_eq!(
                    hotspots.find(),
                    plainly(&points[..=index], settings),
                    "seed {seed}, point {index}"
                );
            }
        }
    }
}

#[test]
fn a_cluster_in_noise_is_found() {
    let mut hotspots = Hotspots::new(settings(1_000, 17)).unwrap();
    for [x, y] in points(500, 9) {
        hotspots.add(&[x * 10.0 / 3.0, y * 10.0 / 3.0]).unwrap();
    }
    for [x, y] in points(60, 10) {
        hotspots.add(&[4.95 + x / 30.0, 4.95 + y / 30.0]).unwrap();
    }
    let holds = |hotspot: &Hotspot| {
        hotspot.minimum.iter().all(|low| *low <= 5.0) && hotspot.maximum.iter().all(|high| *high >= 5.0)
    };
    assert!(hotspots.find().iter().any(holds));
}

#[test]
fn bad_points_and_settings_are_refused() {
    let mut hotspots = Hotspots::new(settings(100, 2)).unwrap();
    assert_eq!(hotspots.add(&[1.0]), Err(HotspotPointError::Dimensions { expected: 2, found: 1 }));
    assert_eq!(hotspots.add(&[1.0, f64::NAN]), Err(HotspotPointError::NotFinite));
    assert!(hotspots.find().is_empty());
    assert!(Hotspots::new(HotspotSettings { scan_radius: 0.0, ..settings(100, 2) }).is_err());
    assert!(Hotspots::new(HotspotSettings { window_size: 0, ..settings(100, 2) }).is_err());
}
