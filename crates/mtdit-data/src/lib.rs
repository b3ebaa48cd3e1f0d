//! `LeRobot`'s datasets: read, decoded, windowed, shuffled, cached and written. No tensors here.
//!
//! ```text
//!  meta/info.json ──▶ info ─────────┐
//!  meta/tasks.parquet ──▶ tasks     │ features, rate, file names
//!  meta/episodes/ ──▶ episodes ─────┤
//!  meta/stats.json ──▶ stats        │
//!                                   ▼
//!  data/*.parquet ──▶ table ──▶ Dataset ◀── video ◀── videos/*.mp4
//!                                 │ │
//!              frames (cache) ◀───┘ │        window ─┐
//!                                   ▼                ▼
//!                 sampler ──▶ frame numbers ──▶ sample: state, action, pictures, task
//!
//!  writer ──▶ a new dataset          check ──▶ what is odd about a dataset
//! ```
//!
//! The format is `LeRobotDataset` v3.0 as `LeRobot` 0.6.1 writes and reads it. Whatever the files hold, the answer is a
//! value or a [`DataError`] that names the file, the column and both values, never a panic.
//!
//! # Example
//!
//! ```no_run
//! use mtdit_data::{Dataset, EpisodeSampler, Window};
//!
//! let dataset = Dataset::open("my_dataset".as_ref())?;
//! let episodes: Vec<_> = dataset.episodes().iter().map(|episode| episode.range()).collect();
//! let sampler = EpisodeSampler::new(&episodes, 7, true, 1000)?;
//! let window = Window::new(2, 32);
//! for index in sampler.epoch(0) {
//!     let sample = dataset.sample(index, &window)?;
//!     assert_eq!(sample.action_is_pad().len(), 32);
//! }
//! # Ok::<(), mtdit_data::DataError>(())
//! ```

mod error;
mod json;

mod info;
mod tasks;

mod episodes;

mod table;
mod video;

mod dataset;
mod stats;
mod window;

mod sample;
mod sampler;

mod resize;

mod frames;

mod check;
mod writer;

pub use crate::check::{Finding, Severity, check};
pub use crate::dataset::Dataset;
pub use crate::episodes::{Episode, EpisodeRange, VideoSpan};
pub use crate::error::DataError;
pub use crate::frames::{CachedCamera, FrameCache, FrameCacheOptions, FrameView};
pub use crate::info::{Dtype, Feature, Info};
pub use crate::resize::resize;
pub use crate::sample::{Sample, SampleFrames, SampleValues};
pub use crate::sampler::{EpisodeSampler, split_episodes};
pub use crate::stats::{FeatureStats, Statistic, Stats, compute_stats};
pub use crate::tasks::Tasks;
pub use crate::video::Frame;
pub use crate::window::Window;
pub use crate::writer::{DatasetSpec, DatasetWriter, Png};
