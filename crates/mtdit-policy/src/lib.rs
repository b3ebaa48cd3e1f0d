//! The Multi-Task Diffusion Transformer policy on Burn: camera images, state and an instruction in, a chunk of actions out.
//!
//! ```text
//! Observation ──preprocess──▶ Inputs ──encoders──▶ Features ──conditioning──▶ Conditioning     once per chunk
//!                                                                                  │
//!             noise ────────────────────────────▶ sampler ◀──N times──▶ denoiser ◀─┘
//!                                                    │
//!             ActionChunk ◀──postprocess── actions ◀─┘
//! ```
//!
//! The modules stand in the order of the data. Each wire between two stages is a type, defined by the stage that makes it:
//! [`Observation`], [`Inputs`], [`Features`], [`Conditioning`], [`ActionChunk`]. [`Policy::predict`] and [`Policy::loss`] name
//! the stages once, in order.
//!
//! A checkpoint is `LeRobot`'s own ([`checkpoint`]). This crate opens no file, reads no clock, starts no thread and draws no
//! random number: bytes, noise and timesteps are handed in. It names no backend: the device is a value.
#![recursion_limit = "256"]

pub mod config;
pub mod error;
pub mod observation;
pub mod batch;
pub mod preprocess;
pub mod encoders;
pub mod conditioning;
pub mod denoiser;
pub mod objective;
pub mod sampler;
pub mod postprocess;
pub mod action;
pub mod policy;
pub mod session;
pub mod checkpoint;
mod linear;

pub use action::{ActionChunk, ActionQueue};
pub use batch::{Batch, Chance};
pub use conditioning::Conditioning;
pub use config::{PolicyConfig, Precision};
pub use encoders::Features;
pub use error::{ConfigError, PolicyError, StatsError, WeightError};
pub use observation::{Frame, Moment, Observation};
pub use policy::{Network, Policy, SamplingPlan};
pub use preprocess::{Inputs, Statistic, Statistics, TextCondition};
pub use sampler::{Noise, Sampler, SamplerKind, SamplerSettings, TimestepSpacing};
pub use session::Session;
