//! Dense regions of the latest points of a stream.
//!
//! Points within a radius of each other are neighbours. A point with enough of them, itself included, is the core of a
//! hotspot; cores that are neighbours share one, and the neighbours of cores belong to it (density-based clustering after
//! Ester, Kriegel, Sander and Xu, KDD 1996).
//!
//! Who is whose neighbour is kept as one bit a pair: with 1,000 points 125 KB, and a point costs one pass over the
//! window and one over the bits of the cores.

use millstream_wording::counted;
use serde::{Deserialize, Serialize};

/// How hotspots are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct HotspotSettings {
    /// How many of the latest points are considered, > 0.
    pub window_size: usize,
    /// How near neighbours are: Euclidean distance, inclusive, > 0.
    pub scan_radius: f64,
    /// How many points, itself included, are near a core.
    pub minimum_points: usize,
    /// Numbers of a point, > 0.
    pub dimensions: usize,
}

/// Settings that make no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("hotspots need a window, dimensions, a radius above 0 and at least one point")]
pub struct HotspotSettingsError;

/// A point that cannot be placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HotspotPointError {
    /// Another number of dimensions.
    #[error("a point has {} where {expected} are needed", counted(*found, "number"))]
    Dimensions {
        /// By the settings.
        expected: usize,
        /// In the point.
        found: usize,
    },
    /// Infinity, or not a number.
    #[error("a point needs finite numbers")]
    NotFinite,
}

/// A dense region.
#[derive(Clone, Debug, PartialEq)]
pub struct Hotspot {
    /// Its points by the size of the box around them. A side of the box counts as long as the radius at least, so that
    /// equal points have a density, too.
    pub density: f64,
    /// The least value in each dimension.
    pub minimum: Vec<f64>,
    /// The largest value in each dimension.
    pub maximum: Vec<f64>,
}

/// The latest points of a stream and who is near whom.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "SavedHotspots", into = "SavedHotspots")]
pub struct Hotspots {
    settings: HotspotSettings,
    /// Where the next point goes; the points are a ring.
    next: usize,
    filled: usize,
    /// `window_size * dimensions`.
    points: Vec<f64>,
    /// `window_size * words`: bit `j` of row `i` says that points `i` and `j` are neighbours.
    neighbours: Vec<u64>,
    degrees: Vec<usize>,
    words: usize,
}

/// The points in order of arrival: all else follows from them.
#[derive(Serialize, Deserialize)]
struct SavedHotspots {
    settings: HotspotSettings,
    points: Vec<Vec<f64>>,
}

impl From<Hotspots> for SavedHotspots {
    fn from(hotspots: Hotspots) -> SavedHotspots {
        let size = hotspots.settings.window_size;
        let oldest = hotspots.next + size - hotspots.filled;
        let points =
            (0..hotspots.filled).map(|index| hotspots.point((oldest + index) % size).to_vec()).collect();
        SavedHotspots { settings: hotspots.settings, points }
    }
}

impl TryFrom<SavedHotspots> for Hotspots {
    type Error = String;

    fn try_from(saved: SavedHotspots) -> Result<Hotspots, String> {
        let mut hotspots = Hotspots::new(saved.settings).map_err(|error| error.to_string())?;
        for point in &saved.points {
            hotspots.add(point).map_err(|error| error.to_string())?;
        }
        Ok(hotspots)
    }
}

impl Hotspots {
    /// An empty window.
    ///
    /// # Errors
    /// When a setting is out of its range.
    pub fn new(settings: HotspotSettings) -> Result<Hotspots, HotspotSettingsError> {
        let HotspotSettings { window_size, scan_radius, minimum_points, dimensions } = settings;
        let bits = window_size.checked_mul(window_size.max(dimensions)).filter(|bits| *bits <= 1 << 31);
        let sound = scan_radius > 0.0 && scan_radius.is_finite() && minimum_points > 0 && dimensions > 0;
        if window_size == 0 || !sound || bits.is_none() {
            return Err(HotspotSettingsError);
        }
        let words = window_size.div_ceil(64);
        Ok(Hotspots {
            settings,
            next: 0,
            filled: 0,
            points: vec![0.0; window_size * dimensions],
            neighbours: vec![0; window_size * words],
            degrees: vec![0; window_size],
            words,
        })
    }

    fn point(&self, index: usize) -> &[f64] {
        let dimensions = self.settings.dimensions;
        &self.points[index * dimensions..(index + 1) * dimensions]
    }

    /// Adds a point; the oldest leaves when the window is full. One pass over the window.
    ///
    /// # Errors
    /// When the point has another number of dimensions, or a number that is not finite.
    pub fn add(&mut self, point: &[f64]) -> Result<(), HotspotPointError> {
        let HotspotSettings { window_size, scan_radius, dimensions, .. } = self.settings;
        if point.len() != dimensions {
            return Err(HotspotPointError::Dimensions { expected: dimensions, found: point.len() });
        }
        if !point.iter().all(|number| number.is_finite()) {
            return Err(HotspotPointError::NotFinite);
        }
        let slot = self.next;
        if self.filled == window_size {
            self.remove(slot);
        } else {
            self.filled += 1;
        }
        self.next = (slot + 1) % window_size;
        self.points[slot * dimensions..(slot + 1) * dimensions].copy_from_slice(point);
        let most = scan_radius * scan_radius;
        for other in 0..self.filled {
            let distance: f64 = self.point(other).iter().zip(point).map(|(a, b)| (a - b) * (a - b)).sum();
            if distance <= most {
                self.neighbours[slot * self.words + other / 64] |= 1 << (other % 64);
                self.degrees[slot] += 1;
                if other != slot {
                    self.neighbours[other * self.words + slot / 64] |= 1 << (slot % 64);
                    self.degrees[other] += 1;
                }
            }
        }
        Ok(())
    }

    fn remove(&mut self, slot: usize) {
        let row: Vec<u64> = self.neighbours[slot * self.words..(slot + 1) * self.words].to_vec();
        for other in bits(&row) {
            self.neighbours[other * self.words + slot / 64] &= !(1 << (slot % 64));
            self.degrees[other] -= 1;
        }
        self.neighbours[slot * self.words..(slot + 1) * self.words].fill(0);
        self.degrees[slot] = 0;
    }

    /// The hotspots of the window, the densest first.
    pub fn find(&self) -> Vec<Hotspot> {
        let mut cores = vec![0_u64; self.words];
        for (index, degree) in self.degrees.iter().enumerate().take(self.filled) {
            if *degree >= self.settings.minimum_points {
                cores[index / 64] |= 1 << (index % 64);
            }
        }
        let mut found = Vec::new();
        let mut members = vec![0_u64; self.words];
        let mut open = vec![0_u64; self.words];
        while let Some(first) = first_bit(&cores) {
            members.fill(0);
            open.fill(0);
            open[first / 64] |= 1 << (first % 64);
            cores[first / 64] &= !(1 << (first % 64));
            while let Some(core) = first_bit(&open) {
                open[core / 64] &= !(1 << (core % 64));
                let near = &self.neighbours[core * self.words..(core + 1) * self.words];
                for (word, near) in near.iter().enumerate() {
                    members[word] |= near;
                    let reached = near & cores[word];
                    open[word] |= reached;
                    cores[word] &= !reached;
                }
            }
            found.push(self.hotspot(&members));
        }
        let key = |hotspot: &Hotspot| (hotspot.minimum.clone(), hotspot.maximum.clone());
        found.sort_by(|left, right| {
            let by_density = right.density.total_cmp(&left.density);
            by_density.then_with(|| key(left).partial_cmp(&key(right)).unwrap_or(std::cmp::Ordering::Equal))
        });
        found
    }

    fn hotspot(&self, members: &[u64]) -> Hotspot {
        let dimensions = self.settings.dimensions;
        let mut minimum = vec![f64::INFINITY; dimensions];
        let mut maximum = vec![f64::NEG_INFINITY; dimensions];
        let mut count = 0_u32;
        for member in bits(members) {
            count += 1;
            for (dimension, value) in self.point(member).iter().enumerate() {
                minimum[dimension] = minimum[dimension].min(*value);
                maximum[dimension] = maximum[dimension].max(*value);
            }
        }
        let sides =
            minimum.iter().zip(&maximum).map(|(low, high)| (high - low).max(self.settings.scan_radius));
        let density = f64::from(count) / sides.product::<f64>();
        Hotspot { density: density.min(f64::MAX), minimum, maximum }
    }
}

fn first_bit(words: &[u64]) -> Option<usize> {
    bits(words).next()
}

/// The numbers of the bits that are set.
fn bits(words: &[u64]) -> impl Iterator<Item = usize> {
    words.iter().enumerate().flat_map(|(index, word)| {
        let mut rest = *word;
        std::iter::from_fn(move || {
            let bit = rest.trailing_zeros() as usize;
            rest &= rest.checked_sub(1)?;
            Some(index * 64 + bit)
        })
    })
}
