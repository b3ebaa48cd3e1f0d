//! Computing `stats.json` anew, for datasets that have none (contract 1.7).

use super::{PictureStats, Stats, aggregate, vector_stats};
use crate::dataset::Dataset;
use crate::episodes::Episode;
use crate::error::DataError;
use crate::info::Feature;

/// Statistics of every numeric column and camera, per episode and combined, as `LeRobot` computes them when it records.
///
/// Cameras are judged by up to 100 frames of an episode, or `length^0.75` of long ones. Frames of a video were
/// compressed, so their statistics differ a little from those of the recorder, which saw them before. A camera that
/// cannot be decoded is left out; the second result names it in a sentence. `progress` is told how many episodes of how
/// many are done.
pub fn compute_stats(dataset: &Dataset, progress: &(dyn Fn(u64, u64) + Sync)) -> (Stats, Vec<String>) {
    let total = dataset.episodes().len() as u64;
    let mut left_out: Vec<(String, String)> = Vec::new();
    let mut episodes = Vec::with_capacity(dataset.episodes().len());
    for (done, episode) in (0_u64..).zip(dataset.episodes()) {
        progress(done, total);
        let mut stats = numeric_stats(dataset, episode);
        let cameras = dataset.info().features.iter().filter(|feature| feature.is_camera() && !feature.is_depth());
        for camera in cameras {
            if left_out.iter().any(|(key, _)| *key == camera.key) {
                continue;
            }
            match camera_stats(dataset, camera, episode) {
                Ok(picture_stats) => {
                    for (name, statistic) in picture_stats.finish().into_iter().flatten() {
                        stats.set(&camera.key, &name, statistic);
                    }
                }
                Err(error) => left_out.push((camera.key.clone(), error.to_string())),
            }
        }
        episodes.push(stats);
    }
    progress(total, total);
    for stats in &mut episodes {
        for (key, _) in &left_out {
            stats.remove(key);
        }
    }
    let sentence = |(key, error): (String, String)| format!("no statistics for camera `{key}`: {error}");
    (aggregate(&episodes), left_out.into_iter().map(sentence).collect())
}

/// The numeric columns of one episode.
fn numeric_stats(dataset: &Dataset, episode: &Episode) -> Stats {
    let mut stats = Stats::default();
    for key in dataset.numeric_keys() {
        let Some(column) = dataset.column(key) else {
            continue;
        };
        let last_size = dataset.feature(key).and_then(|feature| feature.shape.last().copied()).unwrap_or(1);
        let values: Vec<f64> = (episode.from..episode.to).flat_map(|frame| column.as_f64(frame)).collect();
        for (name, statistic) in vector_stats(&values, last_size, episode.length) {
            stats.set(key, &name, statistic);
        }
    }
    stats
}

/// A camera in one episode, judged by some evenly spaced frames.
fn camera_stats(dataset: &Dataset, camera: &Feature, episode: &Episode) -> Result<PictureStats, DataError> {
    let mut stats = PictureStats::new();
    let frames = sampled(episode.length).into_iter().map(|offset| episode.from + offset);
    dataset.visit_frames(&camera.key, frames, |_, frame| {
        stats.add(&frame);
        Ok(())
    })?;
    Ok(stats)
}

/// Evenly spaced frames: all of a short episode, 100 of most, `length^0.75` of long ones, at most 10000.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "numbers of frames and positions in an episode, positive and far below 2^52"
)]
pub(crate) fn sampled(length: usize) -> Vec<usize> {
    let by_power = ((length as f64).powf(0.75) as usize).min(10_000);
    let n_samples = length.min(100).max(by_power);
    if n_samples < 2 {
        return (0..n_samples).collect();
    }
    let step = (length - 1) as f64 / (n_samples - 1) as f64;
    (0..n_samples).map(|index| ((index as f64 * step).round_ties_even() as usize).min(length - 1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_episodes_are_sampled_whole_and_long_ones_evenly() {
        assert_eq!(sampled(5), [0, 1, 2, 3, 4], "all of five");
        assert_eq!(sampled(1), [0], "the only one");
        let sampled_500 = sampled(500);
        assert_eq!(sampled_500.len(), 105, "500^0.75");
        assert_eq!((sampled_500[0], sampled_500[104]), (0, 499), "from the first to the last");
        assert_eq!(sampled(20_000).len(), 1681, "as LeRobot's table says");
    }
}
