//! The most similar recorded moment: what a policy can do that only remembers.
//!
//! Two moments under the same task are as far apart as their states, in standard deviations, and their two pictures, shrunk to 16 x
//! 16 pixels, in shares of full brightness.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Result, anyhow, bail, ensure};
use mtdit_data::{Dataset, Feature, Frame, resize};
use mtdit_tabletop::{ACTION_NAMES, Camera, FRAME_SIZE, STATE_NAMES, Task};

use super::episode::Episode;
use super::scene::Action;
use crate::tabletop::camera_key;

/// Moments that are remembered: enough for about 500 of every task.
const MOST_MOMENTS: usize = 20_000;
/// Side of a shrunk picture, in pixels.
const SIDE: usize = 16;
/// Deviations below this are of a value that never changes.
const LEAST_STD: f64 = 1e-6;

/// One remembered moment.
struct Memory {
    features: Vec<f32>,
    /// What was done then, and in the steps after.
    chunk: Vec<Action>,
}

/// Remembered moments by their task.
pub(crate) struct Nearest {
    /// Mean and deviation of every value of the state.
    state: Vec<(f32, f32)>,
    memories: HashMap<Task, Vec<Memory>>,
}

impl Nearest {
    /// Remembers a dataset of the tabletop; `progress` hears how many of how many moments were read.
    ///
    /// # Errors
    /// When it is no dataset, or not one of the tabletop.
    pub(crate) fn read(root: &Path, n_action_steps: usize, progress: &dyn Fn(usize, usize)) -> Result<Self> {
        let dataset = opened(root)?;
        let mut nearest = Self { state: spread(&dataset), memories: HashMap::new() };
        let stride = dataset.n_frames().div_ceil(MOST_MOMENTS).max(1);
        let count = dataset.n_frames().div_ceil(stride);
        for (done, index) in (0..dataset.n_frames()).step_by(stride).enumerate() {
            progress(done + 1, count);
            let Some(task) = Task::parse(dataset.task(index)?) else { continue };
            let pictures = Camera::ALL.map(|camera| dataset.frame(&camera_key(camera), index));
            let mut features = nearest.scaled(&dataset.values("observation.state", index)?);
            for picture in pictures {
                features.extend(shrunk(&picture?));
            }
            let chunk = chunk(&dataset, index, n_action_steps)?;
            nearest.memories.entry(task).or_default().push(Memory { features, chunk });
        }
        ensure!(!nearest.memories.is_empty(), "{}: no instruction is one of the tabletop's", root.display());
        Ok(nearest)
    }

    /// What was done in the moment most similar to the present one.
    pub(super) fn chunk(&self, episode: &Episode) -> Result<Vec<Action>> {
        let asked = episode.scene.asked;
        let mut features = self.scaled(&episode.world.state());
        for frame in episode.observation().history.into_iter().flat_map(|moment| moment.frames) {
            features.extend(shrunk(&Frame { height: frame.height, width: frame.width, rgb: frame.rgb.to_vec() }));
        }
        let memories = self.memories.get(&asked).into_iter().flatten();
        let apart = memories.map(|memory| (distance(&features, &memory.features), memory));
        match apart.min_by(|(left, _), (right, _)| left.total_cmp(right)) {
            Some((_, nearest)) => Ok(nearest.chunk.clone()),
            None => bail!("the dataset never shows how to `{}`; name other --tasks", asked.instruction()),
        }
    }

    fn scaled(&self, state: &[f32]) -> Vec<f32> {
        state.iter().zip(&self.state).map(|(value, (mean, std))| (value - mean) / std).collect()
    }
}

/// The mean action of a dataset of the tabletop.
///
/// # Errors
/// When it is no dataset, or not one of the tabletop.
pub(crate) fn mean_action(root: &Path) -> Result<Action> {
    let dataset = opened(root)?;
    let mean = dataset.stats().get("action", "mean").map(|mean| single(&mean.values)).unwrap_or_default();
    Action::try_from(mean).map_err(|_mean| anyhow!("{}: no mean of the actions is known", root.display()))
}

/// A dataset that has what the tabletop shows and takes.
fn opened(root: &Path) -> Result<Dataset> {
    let dataset = Dataset::open(root)?;
    let path = root.display();
    for key in Camera::ALL.map(camera_key) {
        let size = dataset.feature(&key).and_then(Feature::picture_size);
        ensure!(
            size == Some((FRAME_SIZE, FRAME_SIZE)),
            "{path}: not a dataset of the tabletop, which has pictures of {FRAME_SIZE} x {FRAME_SIZE} in `{key}`"
        );
    }
    for (key, width) in [("observation.state", STATE_NAMES.len()), ("action", ACTION_NAMES.len())] {
        let found = dataset.feature(key).map(Feature::width);
        ensure!(found == Some(width), "{path}: not a dataset of the tabletop, which has {width} values in `{key}`");
    }
    Ok(dataset)
}

/// Mean and deviation of every value of the state; nothing is divided by the deviation of a constant.
fn spread(dataset: &Dataset) -> Vec<(f32, f32)> {
    let values = |name: &str| dataset.stats().get("observation.state", name).map(|of| of.values.clone());
    let means = values("mean").unwrap_or_else(|| vec![0.0; STATE_NAMES.len()]);
    let stds = values("std").unwrap_or_else(|| vec![1.0; STATE_NAMES.len()]);
    let stds: Vec<f64> = stds.into_iter().map(|std| if std < LEAST_STD { 1.0 } else { std }).collect();
    single(&means).into_iter().zip(single(&stds)).collect()
}

/// The recorded actions from a frame on; the last one of the episode is repeated.
fn chunk(dataset: &Dataset, index: usize, n_action_steps: usize) -> Result<Vec<Action>> {
    let last = dataset.episode_of(index)?.to - 1;
    let action = |step: usize| -> Result<Action> {
        let values = dataset.values("action", (index + step).min(last))?;
        Action::try_from(values).map_err(|values| anyhow!("an action has {} values", values.len()))
    };
    (0..n_action_steps).map(action).collect()
}

/// A picture as a few numbers in `0..=1`.
fn shrunk(frame: &Frame) -> impl Iterator<Item = f32> + use<> {
    resize(frame, SIDE, SIDE).rgb.into_iter().map(|value| f32::from(value) / 255.0)
}

/// The squared distance, in eight sums at once.
fn distance(left: &[f32], right: &[f32]) -> f32 {
    let ((left, left_rest), (right, right_rest)) = (left.as_chunks::<8>(), right.as_chunks::<8>());
    let mut sums = [0.0_f32; 8];
    for (left, right) in left.iter().zip(right) {
        for (sum, (left, right)) in sums.iter_mut().zip(left.iter().zip(right)) {
            *sum += (left - right).powi(2);
        }
    }
    let rest = left_rest.iter().zip(right_rest).map(|(left, right)| (left - right).powi(2));
    sums.into_iter().chain(rest).sum()
}

#[expect(clippy::cast_possible_truncation, reason = "statistics of single precision columns")]
fn single(values: &[f64]) -> Vec<f32> {
    values.iter().map(|value| *value as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::{SIDE, distance, shrunk};
    use mtdit_data::Frame;

    #[test]
    fn distances_are_squared_differences() {
        let left: Vec<f32> = (0u8..20).map(f32::from).collect();
        let right: Vec<f32> = left.iter().map(|value| value + 0.5).collect();
        assert!((distance(&left, &right) - 5.0).abs() < 1e-5, "twenty quarters");
        assert!(distance(&left, &left) < 1e-9, "to itself");
    }

    #[test]
    fn shrunk_pictures_keep_their_brightness() {
        let frame = Frame { height: 64, width: 64, rgb: vec![51; 64 * 64 * 3] };
        let values: Vec<f32> = shrunk(&frame).collect();
        assert_eq!(values.len(), SIDE * SIDE * 3, "three channels");
        assert!(values.iter().all(|value| (value - 0.2).abs() < 1e-6), "a fifth of full brightness");
    }
}
