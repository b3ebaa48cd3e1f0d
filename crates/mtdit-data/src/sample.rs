//! One training sample: what `LeRobotDataset` returns for an anchor (contract 2.2).

use crate::dataset::Dataset;
use crate::episodes::Episode;
use crate::error::DataError;
use crate::info::Feature;
use crate::table::{EPISODE_INDEX, FRAME_INDEX, TASK_INDEX};
use crate::video::Frame;
use crate::window::Window;

/// The column of the robot's state.
const STATE: &str = "observation.state";
/// The column of the actions.
const ACTION: &str = "action";
/// Columns that start like this get the window of observations.
const OBSERVATION: &str = "observation.";

/// The rows of one numeric column in a window.
#[derive(Debug, Clone, PartialEq)]
pub struct SampleValues {
    /// The column.
    pub key: String,
    /// `[steps, width]`, step after step.
    pub values: Vec<f32>,
    /// Values of one step.
    pub width: usize,
    /// Which steps lie outside the episode and repeat its first or last row.
    pub is_pad: Vec<bool>,
}

/// The frames of one camera in a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleFrames {
    /// The camera.
    pub key: String,
    /// One frame per step, the oldest first.
    pub frames: Vec<Frame>,
    /// Which steps lie outside the episode and repeat its first or last frame.
    pub is_pad: Vec<bool>,
}

/// Everything a policy is trained on for one anchor.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Numeric columns in the order of `info.json`: those that start with `observation.` with the window of
    /// observations, `action` with the window of actions, others with the row of the anchor.
    pub values: Vec<SampleValues>,
    /// Cameras in the order of `info.json`.
    pub cameras: Vec<SampleFrames>,
    /// The instruction.
    pub task: String,
    /// The anchor, counted over the whole dataset.
    pub index: usize,
    /// The episode of the anchor.
    pub episode_index: i64,
    /// The anchor, counted in its episode.
    pub frame_index: i64,
    /// The number of the instruction.
    pub task_index: i64,
    /// Time of the anchor in its episode, in seconds.
    pub timestamp: f32,
}

impl Sample {
    /// The rows of a numeric column.
    pub fn get(&self, key: &str) -> Option<&SampleValues> {
        self.values.iter().find(|values| values.key == key)
    }

    /// The frames of a camera.
    pub fn camera(&self, key: &str) -> Option<&SampleFrames> {
        self.cameras.iter().find(|frames| frames.key == key)
    }

    /// `observation.state`: `[n_obs_steps, state_dim]`; empty when the dataset has none.
    pub fn state(&self) -> &[f32] {
        self.floats(STATE)
    }

    /// `action`: `[horizon, action_dim]`; empty when the dataset has none.
    pub fn action(&self) -> &[f32] {
        self.floats(ACTION)
    }

    /// Which actions are padding: `[horizon]`.
    pub fn action_is_pad(&self) -> &[bool] {
        match self.get(ACTION) {
            Some(values) => &values.is_pad,
            None => &[],
        }
    }

    fn floats(&self, key: &str) -> &[f32] {
        match self.get(key) {
            Some(values) => &values.values,
            None => &[],
        }
    }
}

/// Collects the sample of an anchor; with `pictures` false the cameras are left out.
pub(crate) fn collect(dataset: &Dataset, index: usize, window: &Window, pictures: bool) -> Result<Sample, DataError> {
    let episode = dataset.episode_of(index)?;
    let mut sample = Sample {
        values: Vec::new(),
        cameras: Vec::new(),
        task: dataset.task(index)?.to_owned(),
        index,
        episode_index: dataset.integer(EPISODE_INDEX, index)?,
        frame_index: dataset.integer(FRAME_INDEX, index)?,
        task_index: dataset.integer(TASK_INDEX, index)?,
        timestamp: dataset.timestamp(index)?,
    };
    for feature in &dataset.info().features {
        let (rows, is_pad) = rows_of(feature, index, episode, window);
        if feature.dtype.is_numeric() {
            let mut values = Vec::with_capacity(rows.len() * feature.width());
            for row in rows {
                values.extend(dataset.values(&feature.key, row)?);
            }
            sample.values.push(SampleValues { key: feature.key.clone(), values, width: feature.width(), is_pad });
        } else if pictures && feature.is_camera() && !feature.is_depth() {
            sample.cameras.push(SampleFrames {
                key: feature.key.clone(),
                frames: frames(dataset, &feature.key, &rows)?,
                is_pad,
            });
        }
    }
    Ok(sample)
}

fn rows_of(feature: &Feature, index: usize, episode: &Episode, window: &Window) -> (Vec<usize>, Vec<bool>) {
    let deltas = if feature.key.starts_with(OBSERVATION) {
        window.observation.as_slice()
    } else if feature.key == ACTION {
        window.action.as_slice()
    } else {
        &[0]
    };
    Window::rows(index, episode.range(), deltas)
}

/// The frames of some rows; repeated rows are decoded once.
fn frames(dataset: &Dataset, camera: &str, rows: &[usize]) -> Result<Vec<Frame>, DataError> {
    let mut frames: Vec<Frame> = Vec::with_capacity(rows.len());
    for (step, row) in rows.iter().enumerate() {
        let known = rows[..step].iter().position(|earlier| earlier == row);
        let frame = match known {
            Some(earlier) => frames[earlier].clone(),
            None => dataset.frame(camera, *row)?,
        };
        frames.push(frame);
    }
    Ok(frames)
}
