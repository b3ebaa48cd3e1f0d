//! Training for the Multi-Task Diffusion Transformer: dataset → batch → loss → gradients → optimizer → checkpoint.
//!
//! ```text
//! Dataset ─▶ BatchOrder ─▶ Loader ─▶ HostBatch ─▶ Batcher ─▶ Batch ─▶ Policy::loss ─▶ NamedGradients
//!               (LeRobot's order)    (threads)                                             │
//! checkpoints/ ◀── CheckpointWriter ◀── Network ◀────────────── Adam ◀── clip ◀────────────┘
//! ```
//!
//! [`Trainer::run`] is the loop. It reports [`TrainEvent`]s and prints nothing. Everything random depends on the seed and the
//! step alone ([`chance`]), so a run that is cut and resumed makes the same numbers as one that is not. Checkpoints are
//! `LeRobot`'s own folders ([`save`], [`state`], [`folder`]), complete or absent ([`atomic`]).
#![recursion_limit = "256"]

pub mod config;
pub mod error;
pub mod event;
pub mod setup;
pub mod features;
pub mod order;
pub mod samples;
pub mod loader;
pub mod batch;
pub mod chance;
pub mod gradients;
pub mod replicas;
pub mod optimizer;
pub mod schedule;
pub mod ema;
pub mod evaluate;
pub mod environment;
mod metrics;
pub mod atomic;
pub mod lock;
pub mod folder;
pub mod state;
mod rng_state;
pub mod save;
pub mod trainer;

pub use config::{ConfigError, Extras, ParsedFlags, TrainConfig};
pub use environment::{EnvMetrics, Environment};
pub use error::TrainError;
pub use event::{EvalMetrics, Started, StepMetrics, TrainEvent};
pub use folder::CheckpointFolder;
pub use setup::TrainOptions;
pub use trainer::Trainer;
