//! What is wrong with a command line or a configuration file.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::schedule::ScheduleError;

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
