//! Statistics of one episode, with `LeRobot`'s arithmetic: mean and mean of squares, and quantiles from a histogram of
//! 5000 bins with linear interpolation inside the bin (contract 1.7).

use super::{FeatureStats, Statistic};
use crate::video::Frame;

const N_BINS: usize = 5000;
/// The histogram reaches this far beyond the smallest and largest value.
const MARGIN: f64 = 1e-10;
const QUANTILES: [(&str, f64); 5] = [("q01", 0.01), ("q10", 0.10), ("q50", 0.50), ("q90", 0.90), ("q99", 0.99)];
/// Pictures with a side of at least this many pixels are thinned out first.
const LARGE_SIDE: usize = 300;
const TARGET_SIDE: usize = 150;

/// What is known about one dimension.
struct Summary {
    min: f64,
    max: f64,
    mean: f64,
    std: f64,
    quantiles: [f64; 5],
}

/// Statistics of `count` rows of vectors, given row after row as many numbers of `width` dimensions.
pub(crate) fn vector_stats(values: &[f64], width: usize, count: usize) -> FeatureStats {
    let dimension = |start: usize| {
        let column = values.iter().skip(start).step_by(width.max(1));
        summary(column.map(|value| (*value, 1)))
    };
    let dimensions: Vec<Summary> = (0..width).map(dimension).collect();
    feature_stats(&dimensions, count, 1.0, Statistic::vector)
}

/// Statistics of the pictures of one camera: how often each of the 256 values occurs in each channel.
#[derive(Debug, Clone)]
pub(crate) struct PictureStats {
    occurrences: [[u64; 256]; 3],
    n_pictures: usize,
}

impl PictureStats {
    /// Nothing seen yet.
    pub(crate) fn new() -> Self {
        Self { occurrences: [[0; 256]; 3], n_pictures: 0 }
    }

    /// Counts the pixels of a picture; of a large picture only every n-th row and column.
    pub(crate) fn add(&mut self, frame: &Frame) {
        let step =
            if frame.width.max(frame.height) < LARGE_SIDE { 1 } else { frame.width.max(frame.height) / TARGET_SIDE };
        self.n_pictures += 1;
        for row in frame.rgb.chunks_exact((frame.width * 3).max(1)).step_by(step) {
            for pixel in row.chunks_exact(3).step_by(step) {
                for (channel, value) in self.occurrences.iter_mut().zip(pixel) {
                    channel[usize::from(*value)] += 1;
                }
            }
        }
    }

    /// The statistics, scaled to 0..=1; nothing when no picture was seen.
    pub(crate) fn finish(&self) -> Option<FeatureStats> {
        let channel = |occurrences: &[u64; 256]| {
            let seen = occurrences.iter().enumerate().filter(|(_, count)| **count > 0);
            summary(seen.map(|(value, count)| (value as f64, *count)))
        };
        let channels: Vec<Summary> = self.occurrences.iter().map(channel).collect();
        let shaped = |values: Vec<f64>| Statistic { shape: vec![values.len(), 1, 1], values };
        (self.n_pictures > 0).then(|| feature_stats(&channels, self.n_pictures, 255.0, shaped))
    }
}

/// In the order that `LeRobot` writes them.
fn feature_stats(
    dimensions: &[Summary],
    count: usize,
    divisor: f64,
    shaped: impl Fn(Vec<f64>) -> Statistic,
) -> FeatureStats {
    let every =
        |pick: &dyn Fn(&Summary) -> f64| shaped(dimensions.iter().map(|dimension| pick(dimension) / divisor).collect());
    let mut stats = vec![
        ("min".to_owned(), every(&|summary| summary.min)),
        ("max".to_owned(), every(&|summary| summary.max)),
        ("mean".to_owned(), every(&|summary| summary.mean)),
        ("std".to_owned(), every(&|summary| summary.std)),
        ("count".to_owned(), Statistic::vector(vec![count as f64])),
    ];
    for (index, (name, _)) in QUANTILES.iter().enumerate() {
        stats.push(((*name).to_owned(), every(&|summary| summary.quantiles[index])));
    }
    stats
}

/// One dimension, given values and how often they occur.
fn summary(values: impl Iterator<Item = (f64, u64)> + Clone) -> Summary {
    let mut total = 0_u64;
    let (mut min, mut max) = (f64::INFINITY, f64::NEG_INFINITY);
    let (mut sum, mut squares) = (0.0, 0.0);
    for (value, count) in values.clone() {
        total += count;
        min = min.min(value);
        max = max.max(value);
        sum += value * count as f64;
        squares += value * value * count as f64;
    }
    let mean = sum / total as f64;
    if total == 0 || !mean.is_finite() || !squares.is_finite() {
        // A NaN among the values spoils the dimension, and says so.
        return Summary { min: f64::NAN, max: f64::NAN, mean: f64::NAN, std: f64::NAN, quantiles: [f64::NAN; 5] };
    }
    if total < 2 {
        return Summary { min, max, mean, std: 0.0, quantiles: [mean; 5] };
    }
    Summary {
        min,
        max,
        mean,
        std: (squares / total as f64 - mean * mean).max(0.0).sqrt(),
        quantiles: quantiles(values, total, min - MARGIN, max + MARGIN),
    }
}

fn quantiles(values: impl Iterator<Item = (f64, u64)>, total: u64, start: f64, stop: f64) -> [f64; 5] {
    let step = (stop - start) / N_BINS as f64;
    let edges: Vec<f64> =
        (0..=N_BINS).map(|edge| if edge == N_BINS { stop } else { start + edge as f64 * step }).collect();
    let mut histogram = vec![0_u64; N_BINS];
    for (value, count) in values {
        histogram[bin(value, &edges, start, step)] += count;
    }
    let mut cumulated = histogram;
    let mut below = 0;
    for slot in &mut cumulated {
        below += *slot;
        *slot = below;
    }
    QUANTILES.map(|(_, quantile)| quantile_of(quantile * total as f64, &cumulated, &edges))
}

/// The bin whose left edge is the last that does not exceed the value; the last bin includes its right edge.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a guess that saturates; it is corrected by comparing with the edges"
)]
fn bin(value: f64, edges: &[f64], start: f64, step: f64) -> usize {
    let mut guess = (((value - start) / step) as usize).min(N_BINS - 1);
    while guess > 0 && edges[guess] > value {
        guess -= 1;
    }
    while guess + 1 < N_BINS && edges[guess + 1] <= value {
        guess += 1;
    }
    guess
}

fn quantile_of(target: f64, cumulated: &[u64], edges: &[f64]) -> f64 {
    let bin = cumulated.partition_point(|count| (*count as f64) < target);
    if bin == 0 {
        return edges[0];
    }
    let Some(up_to) = cumulated.get(bin) else {
        return edges[N_BINS];
    };
    let before = cumulated[bin - 1];
    let inside = up_to - before;
    if inside == 0 {
        return edges[bin];
    }
    let fraction = (target - before as f64) / inside as f64;
    edges[bin] + fraction * (edges[bin + 1] - edges[bin])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(stats: &FeatureStats, name: &str) -> Vec<f64> {
        let found = stats.iter().find(|(key, _)| key == name);
        found.map(|(_, statistic)| statistic.values.clone()).unwrap_or_default()
    }

    #[test]
    fn vectors_have_statistics_per_dimension() {
        let stats = vector_stats(&[0.0, 5.0, 1.0, 5.0, 2.0, 5.0, 3.0, 5.0], 2, 4);
        assert_eq!(value(&stats, "min"), [0.0, 5.0], "smallest");
        assert_eq!(value(&stats, "max"), [3.0, 5.0], "largest");
        assert_eq!(value(&stats, "mean"), [1.5, 5.0], "mean");
        assert!((value(&stats, "std")[0] - 1.25_f64.sqrt()).abs() < 1e-12, "population deviation");
        assert_eq!(value(&stats, "count"), [4.0], "rows");
        let q50 = value(&stats, "q50");
        assert!((q50[0] - 1.0).abs() < 1e-3, "half of the rows are at most 1: {q50:?}");
        assert!((q50[1] - 5.0).abs() < 1e-9, "a constant has itself as median: {q50:?}");
    }

    #[test]
    fn one_row_is_its_own_quantile_and_nan_spoils_its_dimension() {
        let stats = vector_stats(&[7.0], 1, 1);
        assert_eq!(value(&stats, "q99"), [7.0], "the mean");
        let stats = vector_stats(&[1.0, f64::NAN, 2.0, 3.0], 2, 2);
        assert_eq!(value(&stats, "mean")[0], 1.5, "the other dimension is unharmed");
        assert!(value(&stats, "min")[1].is_nan(), "NaN is not hidden");
    }

    #[test]
    fn pictures_are_counted_per_channel() {
        let mut pictures = PictureStats::new();
        assert!(pictures.finish().is_none(), "nothing seen");
        pictures.add(&Frame { height: 1, width: 2, rgb: vec![0, 255, 51, 255, 255, 51] });
        let stats = pictures.finish().expect("one picture");
        assert_eq!(value(&stats, "mean"), [0.5, 1.0, 0.2], "scaled to 0..=1");
        assert_eq!(value(&stats, "count"), [1.0], "pictures, not pixels");
    }
}
