//! What a training run is asked to do: `LeRobot`'s configuration tree, and the settings it has no word for.
//!
//! [`TrainConfig`] is `train_config.json` with exactly the keys and the order of `LeRobot` 0.6.1, which refuses any key
//! that it does not know. What only mtdit understands is therefore kept apart, in [`Extras`], for `mtdit.json`. The
//! policy's own fields stay JSON here: the policy crate parses them into the policy that is meant.

mod defaults;
mod flags;
mod validate;
mod error;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use mtdit_policy::Precision;

pub use self::defaults::help;
pub use self::error::ConfigError;
pub use self::flags::{ParsedFlags, parse, value_of};

/// Where [`Extras`] stand in `mtdit.json`.
pub const EXTRAS_KEY: &str = "training";

/// A training run in `LeRobot`'s words. The meaning of every field is in [`help`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the help text documents every field, once")]
pub struct TrainConfig {
    pub dataset: DatasetConfig,
    pub env: Value,
    pub policy: Map<String, Value>,
    pub reward_model: Value,
    pub output_dir: Option<PathBuf>,
    pub job_name: String,
    pub resume: bool,
    pub seed: Option<u64>,
    pub cudnn_deterministic: bool,
    pub num_workers: usize,
    pub batch_size: usize,
    pub prefetch_factor: usize,
    pub persistent_workers: bool,
    pub dataloader_multiprocessing_context: Option<String>,
    pub steps: u64,
    pub env_eval_freq: i64,
    pub log_freq: u64,
    pub eval_steps: u64,
    pub max_eval_samples: usize,
    pub tolerance_s: f64,
    pub save_checkpoint: bool,
    pub save_freq: i64,
    pub use_policy_training_preset: bool,
    pub optimizer: OptimizerConfig,
    pub scheduler: SchedulerConfig,
    pub eval: SimulationConfig,
    pub wandb: WandbConfig,
    pub peft: Value,
    pub job: JobConfig,
    pub save_checkpoint_to_hub: bool,
    pub sample_weighting: Value,
    pub rename_map: Map<String, Value>,
    /// Set when a run is resumed: the folder that holds `pretrained_model` and `training_state`.
    pub checkpoint_path: Option<PathBuf>,
}

/// Which dataset, and which part of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the help text documents every field, once")]
pub struct DatasetConfig {
    pub repo_id: String,
    pub repo_type: String,
    pub root: Option<PathBuf>,
    pub episodes: Option<Vec<usize>>,
    pub image_transforms: ImageTransformsConfig,
    pub revision: Option<String>,
    pub use_imagenet_stats: bool,
    pub video_backend: String,
    pub return_uint8: bool,
    pub depth_output_unit: String,
    pub streaming: bool,
    pub eval_split: f64,
}

/// `LeRobot`'s image augmentations, carried along.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the help text documents every field, once")]
pub struct ImageTransformsConfig {
    pub enable: bool,
    pub max_num_transforms: usize,
    pub random_order: bool,
    pub tfs: Map<String, Value>,
}

/// The optimizer, as it is used: with `use_policy_training_preset` its numbers are the policy's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the help text documents every field, once")]
pub struct OptimizerConfig {
    #[serde(rename = "type")]
    pub kind: String,
    pub lr: f64,
    pub weight_decay: f64,
    pub grad_clip_norm: f64,
    pub betas: [f64; 2],
    pub eps: f64,
}

/// The learning-rate schedule, as it is used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the help text documents every field, once")]
pub struct SchedulerConfig {
    #[serde(rename = "type")]
    pub kind: String,
    pub num_warmup_steps: Option<u64>,
    pub name: String,
}

/// `LeRobot`'s evaluation in a simulator, carried along.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "carried along for LeRobot")]
pub struct SimulationConfig {
    pub n_episodes: usize,
    pub batch_size: usize,
    pub use_async_envs: bool,
    pub recording: bool,
    pub recording_repo_id: Option<String>,
    pub recording_private: bool,
}

/// Weights & Biases, carried along.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "carried along for LeRobot")]
pub struct WandbConfig {
    pub enable: bool,
    pub disable_artifact: bool,
    pub project: String,
    pub entity: Option<String>,
    pub notes: Option<String>,
    pub run_id: Option<String>,
    pub mode: Option<String>,
    pub add_tags: bool,
}

/// Hugging Face Jobs, carried along.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "carried along for LeRobot")]
pub struct JobConfig {
    pub target: Option<String>,
    pub image: String,
    pub timeout: Option<String>,
    pub detach: bool,
    pub tags: Vec<String>,
}

/// What `LeRobot` 0.6.1 has no word for, or cannot read.
///
/// Saved under [`EXTRAS_KEY`] in `mtdit.json`, beside `train_config.json`, and read from there with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Extras {
    /// The world that the policy is measured in, named as `env.type` is.
    pub env: Option<Env>,
    /// What a new policy's image tower starts from.
    pub vision_encoder_init: VisionInit,
    /// Folder of a CLIP model; without it the Hub or its cache.
    pub clip_path: Option<PathBuf>,
    /// The numbers that training computes in.
    pub precision: Precision,
    /// Where random crops are drawn.
    pub crop: Crop,
    /// Batches whose gradients are averaged into one update.
    pub accumulate: usize,
    /// Parts of a batch that are computed side by side, one per core; zero: as many as cores and batch allow.
    pub replicas: usize,
    /// Draws of noise and time for every sample of a batch: its pictures are encoded once for all of them.
    pub repeated_diffusion_steps: usize,
    /// Which times a diffusion is trained at.
    pub timesteps: Timesteps,
    /// The moving average of the weights.
    pub ema: EmaConfig,
    /// Checkpoints to keep; zero keeps all.
    pub keep_last: usize,
    /// Keep decoded frames on disk.
    pub frame_cache: bool,
    /// Where; without it the user's cache folder.
    pub frame_cache_dir: Option<PathBuf>,
    /// Largest size of the frame cache in gigabytes.
    pub frame_cache_gb: f64,
    /// Noise, times and crops to use instead of drawn ones.
    pub noise_file: Option<PathBuf>,
    /// Prepare one batch, show it, and stop. It is not a property of the run, so it is not saved.
    #[serde(skip_serializing)]
    pub dry_run: bool,
    /// Address of the Hub.
    pub hf_endpoint: Option<String>,
}

/// A simulated world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Env {
    /// mtdit's own tabletop.
    Tabletop,
}

/// What a new policy's image tower starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VisionInit {
    /// CLIP's weights.
    Pretrained,
    /// Chance.
    Random,
}

/// Where random crops are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Crop {
    /// At its own place for every sample.
    PerSample,
    /// At one place for the whole batch, as `LeRobot` 0.6.1 does.
    Shared,
}

/// Which times a diffusion is trained at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Timesteps {
    /// All of them, at random.
    Sampled,
    /// The noisiest one, where nothing of the actions is left in the input: a network that predicts samples then learns their
    /// mean, which is plain regression. It is the baseline that a diffusion has to beat.
    Last,
}

/// The moving average of the weights, in the words of newer `LeRobot`.
///
/// After update `t` the decay is `1 − (1 + t / inv_gamma)^−power`, kept within `[min_decay, max_decay]`, unless `decay` is
/// set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EmaConfig {
    /// Whether there is one.
    pub enable: bool,
    /// A constant decay instead of the formula.
    pub decay: Option<f64>,
    /// Updates during which the average copies the weights.
    pub update_after_step: u64,
    /// How fast the decay grows.
    pub inv_gamma: f64,
    /// The power in the formula.
    pub power: f64,
    /// Lower limit of the decay.
    pub min_decay: f64,
    /// Upper limit of the decay.
    pub max_decay: f64,
}

impl TrainConfig {
    /// The content of `train_config.json`, keys in `LeRobot`'s order.
    ///
    /// # Panics
    /// When a path is not UTF-8; paths from a command line always are.
    pub fn to_json(&self) -> Value {
        serde_json::to_value(self).expect("a configuration is JSON")
    }

    /// The folder of the run, which is set to `outputs/train/<now>_<job_name>` if none is named.
    ///
    /// `now` is the local time written `2026-11-20/05-07-23`. Nothing is created.
    ///
    /// # Errors
    /// When the folder exists and the run is not resumed.
    pub fn settle_output_dir(&mut self, now: &str) -> Result<PathBuf, ConfigError> {
        let folder = match &self.output_dir {
            Some(folder) => folder.clone(),
            None => PathBuf::from(format!("outputs/train/{now}_{}", self.job_name)),
        };
        if !self.resume && folder.exists() {
            return Err(ConfigError::OutputExists(folder));
        }
        self.output_dir = Some(folder.clone());
        Ok(folder)
    }
}
