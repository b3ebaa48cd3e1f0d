//! What a training run is asked to do: `LeRobot`'s configuration tree, and the settings it has no word for.
//!
//! [`TrainConfig`] is `train_config.json` with exactly the keys and the order of `LeRobot` 0.6.1, which refuses any key
//! that it does not know. What only mtdit understands is therefore kept apart, in [`Extras`], for `mtdit.json`. The
//! policy's own fields stay JSON here: the policy crate parses them into the policy that is meant.

mod defaults;
mod flags;

use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;

pub use mtdit_policy::Precision;

pub use self::defaults::help;
pub use self::flags::{ParsedFlags, parse, value_of};
use crate::schedule::{LearningRate, ScheduleError};

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

/// What `LeRobot` 0.6.1 has no word for.
///
/// Saved under [`EXTRAS_KEY`] in `mtdit.json`, beside `train_config.json`, and read from there with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Extras {
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

/// What is wrong with a command line or a configuration file.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// An argument that is no flag.
    #[error("unexpected argument `{0}`: flags are written --name=value")]
    Positional(String),
    /// A flag that neither `LeRobot` nor mtdit has.
    #[error("there is no flag --{flag}{hint}; `mtdit train --help` lists them all")]
    UnknownFlag {
        /// Its name.
        flag: String,
        /// The nearest known flag, as a question.
        hint: String,
    },
    /// A flag at the end of the line, or followed by another one.
    #[error("--{flag} needs a value: {expected}")]
    MissingValue {
        /// Its name.
        flag: String,
        /// What to write.
        expected: String,
    },
    /// A value of the wrong type.
    #[error("--{flag}={value} does not fit: expected {expected}")]
    Value {
        /// The flag.
        flag: String,
        /// What was given.
        value: String,
        /// What to write.
        expected: String,
    },
    /// A value of the wrong type in a file.
    #[error("`{key}` is {value}, expected {expected}, in {path}")]
    FileValue {
        /// Its dotted name.
        key: String,
        /// What was found.
        value: String,
        /// What should stand there.
        expected: String,
        /// The file.
        path: PathBuf,
    },
    /// A setting that mtdit cannot honour.
    #[error("--{flag} is not possible: {reason}")]
    Unsupported {
        /// The setting.
        flag: String,
        /// Why, and what to do instead.
        reason: &'static str,
    },
    /// Both ways to name the policy at once.
    #[error("--policy.type starts a new policy and --policy.path a trained one: give only one of them")]
    TypeAndPath,
    /// Another policy.
    #[error("mtdit trains policies of type multi_task_dit only, not `{0}`")]
    PolicyType(String),
    /// A resumed run without a checkpoint.
    #[error("--resume=true needs the run to continue: add --config_path=FOLDER with a checkpoint or a run")]
    NothingToResume,
    /// No dataset.
    #[error("no dataset is named: add --dataset.root=FOLDER or --dataset.repo_id=USER/NAME")]
    NoDataset,
    /// The folder of the run exists.
    #[error(
        "the output folder exists already: choose another --output_dir, or continue its run with \
         --resume=true --config_path={0}"
    )]
    OutputExists(PathBuf),
    /// Nothing that can be read where a configuration should be.
    #[error("no {name} was found; give the file, its folder, a checkpoint or a run on this machine, not {path}")]
    NotFound {
        /// The file that was looked for.
        name: &'static str,
        /// Where.
        path: PathBuf,
    },
    /// YAML.
    #[error("configuration files are read as JSON, not YAML: pass the settings as flags, or convert {0}")]
    Yaml(PathBuf),
    /// A file that cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file that is not JSON, or not an object.
    #[error("not a JSON object: {path}")]
    Json {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
    /// A value that has the right type and is impossible all the same.
    #[error("{setting} is {value}: {rule}")]
    Invalid {
        /// The setting.
        setting: &'static str,
        /// Its value.
        value: String,
        /// What it has to be, and what to do.
        rule: &'static str,
    },
    /// Chunks that are shorter than what is to be executed of them.
    #[error(
        "policy.horizon {horizon} is too short: {n_obs_steps} observation steps and {n_action_steps} action steps need \
         n_obs_steps + n_action_steps - 1 <= horizon"
    )]
    HorizonTooShort {
        /// Actions predicted at once.
        horizon: i64,
        /// Observations.
        n_obs_steps: i64,
        /// Actions executed.
        n_action_steps: i64,
    },
    /// A learning-rate schedule that cannot be built.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    /// Settings that are well-formed one by one and not together; a mistake in mtdit.
    #[error("the settings do not fit together")]
    Shape(#[source] serde_json::Error),
}

impl TrainConfig {
    /// The content of `train_config.json`, keys in `LeRobot`'s order.
    ///
    /// # Panics
    /// When a path is not UTF-8; paths from a command line always are.
    pub fn to_json(&self) -> Value {
        serde_json::to_value(self).expect("a configuration is JSON")
    }

    /// Checks what can be checked without the dataset. [`parse`] has done so; it is for configurations changed since.
    ///
    /// # Errors
    /// Names the first setting that is impossible.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.validate_run()?;
        self.validate_data()?;
        self.validate_optimizer()?;
        self.validate_chunk()
    }

    fn validate_run(&self) -> Result<(), ConfigError> {
        check("steps", self.steps, self.steps > 0, "at least one step is needed")?;
        check("batch_size", self.batch_size, self.batch_size > 0, "at least one sample per batch is needed")?;
        check(
            "eval_steps",
            self.eval_steps,
            self.eval_steps == 0 || self.dataset.eval_split > 0.0,
            "measuring held-out episodes needs some: set --dataset.eval_split between 0 and 1",
        )?;
        check("tolerance_s", self.tolerance_s, self.tolerance_s >= 0.0, "a tolerance is not negative")?;
        let context = self.dataloader_multiprocessing_context.as_deref();
        check(
            "dataloader_multiprocessing_context",
            context.unwrap_or("null"),
            matches!(context, None | Some("fork" | "spawn" | "forkserver")),
            "LeRobot accepts fork, spawn, forkserver and null",
        )?;
        check(
            "rename_map",
            "given",
            self.rename_map.is_empty() || !self.policy_value("pretrained_path").is_null(),
            "a new policy takes the dataset's names; renaming needs --policy.path",
        )
    }

    fn validate_data(&self) -> Result<(), ConfigError> {
        let split = self.dataset.eval_split;
        check(
            "dataset.eval_split",
            split,
            (0.0..1.0).contains(&split),
            "it has to be a share from 0 up to, but not including, 1",
        )?;
        let mut episodes = self.dataset.episodes.clone().unwrap_or_default();
        episodes.sort_unstable();
        let twice = episodes.windows(2).find(|pair| pair[0] == pair[1]);
        check("dataset.episodes", twice.map_or(0, |pair| pair[0]), twice.is_none(), "this episode is named twice")
    }

    fn validate_optimizer(&self) -> Result<(), ConfigError> {
        let optimizer = &self.optimizer;
        check(
            "optimizer.type",
            &optimizer.kind,
            optimizer.kind == "adam",
            "mtdit trains with adam, as LeRobot does for this policy",
        )?;
        check(
            "scheduler.type",
            &self.scheduler.kind,
            self.scheduler.kind == "diffuser",
            "mtdit has the schedules of the type diffuser",
        )?;
        check("the learning rate", optimizer.lr, optimizer.lr > 0.0, "it has to be above 0")?;
        let [first, second] = optimizer.betas;
        check(
            "the optimizer's betas",
            format!("({first}, {second})"),
            optimizer.betas.iter().all(|beta| (0.0..1.0).contains(beta)),
            "both have to lie from 0 up to, but not including, 1",
        )?;
        check("the optimizer's epsilon", optimizer.eps, optimizer.eps >= 0.0, "it is not negative")?;
        check("the weight decay", optimizer.weight_decay, optimizer.weight_decay >= 0.0, "it is not negative")?;
        let warmup = self.scheduler.num_warmup_steps.unwrap_or(0);
        LearningRate::new(&self.scheduler.name, optimizer.lr, warmup, self.steps)?;
        Ok(())
    }

    fn validate_chunk(&self) -> Result<(), ConfigError> {
        let [horizon, n_action_steps, n_obs_steps] =
            ["horizon", "n_action_steps", "n_obs_steps"].map(|key| self.policy_value(key).as_i64().unwrap_or(0));
        if n_obs_steps + n_action_steps - 1 > horizon {
            return Err(ConfigError::HorizonTooShort { horizon, n_obs_steps, n_action_steps });
        }
        Ok(())
    }

    fn policy_value(&self, key: &str) -> &Value {
        self.policy.get(key).unwrap_or(&Value::Null)
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

impl Extras {
    /// Checks the settings that are only ours. [`parse`] has done so.
    ///
    /// # Errors
    /// Names the first setting that is impossible.
    pub fn validate(&self) -> Result<(), ConfigError> {
        check("accumulate", self.accumulate, self.accumulate > 0, "an update needs at least one batch")?;
        check(
            "frame_cache_gb",
            self.frame_cache_gb,
            self.frame_cache_gb > 0.0,
            "a cache needs room; switch it off with --frame_cache=false",
        )?;
        let ema = &self.ema;
        let limits = 0.0 <= ema.min_decay && ema.min_decay <= ema.max_decay && ema.max_decay <= 1.0;
        check("ema.min_decay", ema.min_decay, limits, "0 <= ema.min_decay <= ema.max_decay <= 1 has to hold")?;
        check("ema.inv_gamma", ema.inv_gamma, ema.inv_gamma > 0.0, "it has to be above 0")?;
        check("ema.power", ema.power, ema.power > 0.0, "it has to be above 0")?;
        let decay = ema.decay.unwrap_or(0.0);
        check("ema.decay", decay, (0.0..=1.0).contains(&decay), "it has to lie from 0 to 1")
    }
}

fn check(setting: &'static str, value: impl ToString, possible: bool, rule: &'static str) -> Result<(), ConfigError> {
    if possible {
        return Ok(());
    }
    let value = value.to_string();
    Err(ConfigError::Invalid { setting, value, rule })
}
