//! What samples are made of: the recordings of a dataset, cut as a policy wants them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Result, ensure};
use mtdit_data::{CachedCamera, Dataset, Episode, EpisodeRange, EpisodeSampler, FrameCache, FrameCacheOptions};
use mtdit_policy::PolicyConfig;
use mtdit_policy::checkpoint::LeRobotConfig;
use mtdit_train::CheckpointFolder;
use mtdit_train::features::{Renames, settle};
use mtdit_train::loader::Loader;
use mtdit_train::order::BatchOrder;
use mtdit_train::samples::SampleSource;

use super::BATCHES_PER_WORKER;
use crate::bench::subject::preset;
use crate::bench::{Facts, SEED, table};
use crate::cli::BenchArguments;
use crate::eval::source_options;

/// Batches that a worker may be in front, in training as in `LeRobot`.
const PREFETCH_FACTOR: usize = 4;

/// A dataset and the policy that its samples are for.
pub(in crate::bench) struct Recordings {
    root: PathBuf,
    /// The policy's `config.json`.
    saved: LeRobotConfig,
    config: PolicyConfig,
    sampler: EpisodeSampler,
    batch: usize,
    workers: usize,
    /// What they are, for a person.
    facts: Facts,
}

impl Recordings {
    /// Opens a dataset for a checkpoint, or for an architecture with the cameras of the dataset.
    ///
    /// # Errors
    /// When there is no dataset, it does not fit the checkpoint, or nothing of it can be decoded.
    pub(in crate::bench) fn open(root: &Path, arguments: &BenchArguments) -> Result<Self> {
        let dataset = Dataset::open(root)?;
        let (saved, name) = match &arguments.checkpoint {
            Some(path) => {
                let folder = CheckpointFolder::find(path)?;
                (folder.config()?, folder.root().display().to_string())
            }
            None => {
                let mut saved = preset(arguments.architecture)?;
                settle(&mut saved, &dataset, &Renames::default())?;
                (saved, format!("{:?} architecture", arguments.architecture).to_lowercase())
            }
        };
        let config = PolicyConfig::try_from(&saved)?;
        ensure!(
            !config.cameras.is_empty(),
            "there is nothing to decode: {} has no camera, and numbers are in memory already",
            if arguments.checkpoint.is_some() { "the policy" } else { "the dataset" }
        );
        source_options(&dataset, &config, SEED)?;
        // A codec that this build lacks shows now, and not in a process of its own.
        for camera in &config.cameras {
            dataset.frame(&camera.key, 0)?;
        }
        let episodes: Vec<EpisodeRange> = dataset.episodes().iter().map(Episode::range).collect();
        let sampler = EpisodeSampler::new(&episodes, saved.drop_n_last_frames, true, SEED)?;
        let (batch, workers) = (usize::from(arguments.training_batch), usize::from(arguments.num_workers));
        let mut recordings =
            Self { root: root.to_owned(), saved, config, sampler, batch, workers, facts: Facts::new() };
        recordings.facts = recordings.described(&dataset, &name);
        Ok(recordings)
    }

    fn described(&self, dataset: &Dataset, policy: &str) -> Facts {
        let config = &self.config;
        let fact = |name: &str, fact: String| (name.to_owned(), fact);
        let (episodes, frames, samples) = (dataset.episodes().len(), dataset.n_frames(), self.sampler.len());
        let workers = match self.workers {
            0 => "no worker".to_owned(),
            1 => "1 worker".to_owned(),
            count => format!("{count} workers"),
        };
        let (batch, run) = (self.batch, self.batches_per_run());
        let sizes = config.cameras.first().map_or_else(String::new, |camera| {
            let [height, width] = config.image.output([camera.height, camera.width]);
            format!("frames of {} x {} become {height} x {width}", camera.height, camera.width)
        });
        vec![
            fact("dataset", self.root.display().to_string()),
            fact("recordings", format!("{episodes} episodes, {frames} frames, {samples} samples per epoch")),
            fact("batches", format!("of {batch} samples by {workers}, {run} in a run")),
            fact("decoder", decoder().to_owned()),
            fact("policy", policy.to_owned()),
            fact("windows", format!("n_obs_steps {}, horizon {}", config.n_obs_steps, config.horizon)),
            fact(&table::cameras(self.n_cameras()), sizes),
        ]
    }

    /// Names and values for the report.
    pub(in crate::bench) fn facts(&self) -> Facts {
        self.facts.clone()
    }

    /// The dataset's folder.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The policy's `config.json`.
    pub(super) fn config_json(&self) -> String {
        self.saved.to_json()
    }

    pub(super) fn n_cameras(&self) -> usize {
        self.config.cameras.len()
    }

    pub(super) fn batch(&self) -> usize {
        self.batch
    }

    pub(super) fn batches_per_run(&self) -> usize {
        BATCHES_PER_WORKER * self.workers.max(1)
    }

    pub(super) fn samples_per_epoch(&self) -> usize {
        self.sampler.len()
    }

    /// The dataset, with no video open.
    pub(super) fn dataset(&self) -> Result<Dataset> {
        Ok(Dataset::open(&self.root)?)
    }

    /// Decodes every frame into a folder, unless that was done.
    pub(super) fn decode(&self, dataset: &Dataset, into: &Path) -> Result<FrameCache> {
        let size = self.config.image.image_resize_shape.map(|[height, width]| (height, width));
        let cameras = self.config.cameras.iter().map(|camera| CachedCamera { camera: camera.key.clone(), size });
        let options = FrameCacheOptions {
            directory: into.to_owned(),
            cameras: cameras.collect(),
            max_bytes: u64::MAX,
            n_threads: self.workers.max(1),
        };
        Ok(FrameCache::open_or_build(dataset, &options, &|_, _| {}, &AtomicBool::new(false))?)
    }

    /// The batches of a training that begins.
    pub(super) fn loader(&self, dataset: Dataset, cache: Option<FrameCache>) -> Result<Loader> {
        let options = source_options(&dataset, &self.config, SEED)?;
        let source = Arc::new(SampleSource::new(dataset, cache, &self.config, options));
        let order = BatchOrder::new(self.sampler.clone(), self.batch, 0, self.batch);
        Ok(Loader::start(source, order, 0, self.workers, PREFETCH_FACTOR * self.workers.max(1)))
    }
}

/// How this build decodes: it decides more than anything else.
fn decoder() -> &'static str {
    if cfg!(feature = "asm") {
        "with assembly"
    } else {
        "without assembly; a build with --features asm decodes AV1 about four times faster"
    }
}
