//! What the training loop reports. It never prints: terminals and pictures are drawn by whoever listens.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::environment::EnvMetrics;

/// One line of `metrics.jsonl`: averages over the updates since the last one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StepMetrics {
    /// Updates so far.
    pub step: u64,
    /// Samples so far.
    pub samples: u64,
    /// Epochs so far, over all frames of the dataset as `LeRobot` counts them.
    pub epochs: f64,
    /// Mean loss.
    pub loss: f64,
    /// Mean gradient norm before clipping.
    pub grad_norm: f64,
    /// Learning rate after the last update's schedule step, as `LeRobot` logs it.
    pub lr: f64,
    /// Seconds per update: forward, backward, optimizer.
    pub update_s: f64,
    /// Seconds per update spent waiting for data.
    pub data_s: f64,
    /// Seconds per update in all.
    pub step_s: f64,
    /// Samples per second.
    pub samples_per_s: f64,
}

/// The other kind of line: measured on held-out episodes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EvalMetrics {
    /// Updates so far.
    pub step: u64,
    /// Mean held-out loss.
    pub eval_loss: f64,
    /// Mean absolute error of sampled actions, in robot units.
    pub eval_action_mae: f64,
    /// The same for always answering the dataset's mean action.
    pub eval_mean_action_mae: f64,
}

/// What happens in a training, in order.
#[derive(Clone, Debug)]
pub enum TrainEvent {
    /// Something the user should know before it starts.
    Note(String),
    /// Frames decoded into the cache, of how many.
    Caching(u64, u64),
    /// The loop begins.
    Started(Started),
    /// One update is done.
    Step(u64),
    /// A line for the log.
    Metrics(StepMetrics),
    /// Held-out episodes were measured.
    Evaluated(EvalMetrics),
    /// The policy acted in its world.
    Acted(EnvMetrics),
    /// A checkpoint is complete.
    Saved(u64, PathBuf),
    /// The loop ended: at its last step, or because it was asked to.
    Finished(u64),
}

/// Facts about a training that begins.
#[derive(Clone, Debug)]
pub struct Started {
    /// Where its checkpoints go.
    pub output_dir: PathBuf,
    /// Updates done before, in a resumed run.
    pub step: u64,
    /// Updates in all.
    pub steps: u64,
    /// Frames of the dataset.
    pub n_frames: usize,
    /// Episodes trained on.
    pub n_episodes: usize,
    /// Samples per epoch.
    pub n_samples: usize,
    /// Samples per update.
    pub batch_size: usize,
    /// Trained parameters.
    pub n_learnable: usize,
    /// All parameters.
    pub n_parameters: usize,
    /// The device, in words.
    pub device: String,
}
