//! What can go wrong while training or with files: one variant per way.

use std::path::{Path, PathBuf};

use mtdit_data::DataError;
use mtdit_policy::{ConfigError, PolicyError, StatsError, WeightError};
use thiserror::Error;

/// A checkpoint folder that cannot be read or written, or a training that cannot go on.
#[derive(Debug, Error)]
pub enum TrainError {
    /// A file operation failed.
    #[error("{path}: {action} failed: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// No checkpoint there.
    #[error(
        "{path}: no checkpoint here; a checkpoint is a folder with config.json and model.safetensors, one with pretrained_model/, or a training output with checkpoints/last"
    )]
    NoCheckpoint {
        /// The folder.
        path: PathBuf,
    },
    /// A file of the checkpoint is missing.
    #[error("{path}: the file is missing; {hint}")]
    MissingFile {
        /// The file.
        path: PathBuf,
        /// What to do.
        hint: &'static str,
    },
    /// A file does not hold what it should.
    #[error("{path}: {reason}")]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The policy's configuration is invalid.
    #[error("{path}: {source}")]
    Config {
        /// The folder or file.
        path: PathBuf,
        /// Why.
        source: ConfigError,
    },
    /// The policy cannot be built or run.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The dataset cannot be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A setting of the training makes no sense.
    #[error("{0}")]
    Setting(String),
    /// The loss or a gradient became NaN or infinite.
    #[error(
        "step {step}: the {what} is {value}; training stops and the last checkpoint ({checkpoint}) stays as it is. The learning rate was {lr:e}; the batch held frames {frames:?}. Lower --policy.optimizer_lr, or look at those frames"
    )]
    NonFinite {
        /// The step.
        step: u64,
        /// Loss or gradient norm.
        what: &'static str,
        /// Its value.
        value: f32,
        /// The learning rate.
        lr: f64,
        /// Frames of the batch.
        frames: Vec<usize>,
        /// The last checkpoint.
        checkpoint: String,
    },
    /// The policy could not be measured in its world.
    #[error("measuring the policy in its world: {0}")]
    Environment(Box<dyn std::error::Error + Send + Sync>),
    /// Somebody else trains into the same folder.
    #[error("{path}: another training writes into this folder; wait for it, or give another --output_dir")]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
}

impl TrainError {
    /// Names the file in an I/O error.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}

impl From<WeightError> for TrainError {
    fn from(error: WeightError) -> Self {
        Self::Policy(error.into())
    }
}

impl From<StatsError> for TrainError {
    fn from(error: StatsError) -> Self {
        Self::Policy(error.into())
    }
}
