//! The tabletop as the world of a training: how often the policy succeeds, every `env_eval_freq` steps.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use mtdit_policy::Policy;
use mtdit_tabletop::Family;
use mtdit_train::{EnvMetrics, Environment, TrainConfig};

use super::report::Report;
use super::video::videos;
use super::{Controller, RolloutOptions, Scores, rollout};

/// Chunks that are computed at once when the training does not say.
const BATCH: usize = 64;
/// Scenes of a training are not those that `mtdit rollout` draws by itself.
const SEED: u64 = 0x7261_696e;

/// Videos on each page.
const VIDEOS: usize = 8;

/// Episodes of every family, the same at each measurement.
pub(crate) struct Tabletop<'a> {
    options: RolloutOptions,
    /// A page for every measurement goes below it.
    folder: PathBuf,
    /// Hears how many episodes have ended, of how many.
    progress: &'a dyn Fn(usize, usize),
}

impl<'a> Tabletop<'a> {
    /// What a training's `eval` settings ask for, with pages in `rollout/` of its output folder.
    pub(crate) fn new(config: &TrainConfig, output_dir: &Path, progress: &'a dyn Fn(usize, usize)) -> Self {
        let batch = if config.eval.batch_size == 0 { BATCH } else { config.eval.batch_size };
        let options = RolloutOptions {
            families: Family::ALL.to_vec(),
            episodes: config.eval.n_episodes.max(1),
            seed: config.seed.unwrap_or(0) ^ SEED,
            batch,
            held_out_phrasings: false,
            swap: false,
        };
        Self { options, folder: output_dir.join("rollout"), progress }
    }

    /// The page of one measurement.
    fn report(&self, step: u64, scores: &Scores) -> Result<()> {
        let folder = self.folder.join(format!("{step:06}"));
        fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
        let facts = vec![("step", step.to_string()), ("seed", self.options.seed.to_string())];
        let videos = videos(&scores.episodes, VIDEOS)?;
        Report { facts, scores, videos: &videos }.write(&folder)
    }
}

impl Environment for Tabletop<'_> {
    fn evaluate(&self, policy: &Policy, step: u64) -> Result<EnvMetrics, Box<dyn Error + Send + Sync>> {
        let began = Instant::now();
        let episodes = self.options.families.len() * self.options.episodes;
        let controller = Controller::policy(policy, policy.default_sampler())?;
        let scores = rollout(&controller, &self.options, &|ended| (self.progress)(ended, episodes))?;
        self.report(step, &scores)?;
        let per_task = scores.families.iter().map(|score| (score.family.to_owned(), score.success));
        Ok(EnvMetrics {
            step,
            env_episodes: scores.episodes.len(),
            env_success: scores.success,
            env_success_per_task: per_task.collect(),
            env_s: began.elapsed().as_secs_f64(),
        })
    }
}
