//! The training loop: batch, loss, gradients, optimizer, checkpoint; straight down.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use burn::module::Module;
use mtdit_data::EpisodeSampler;
use mtdit_policy::checkpoint::keys::KeyMap;
use mtdit_policy::{Network, Policy, SamplerKind, SamplerSettings, TimestepSpacing};
use serde_json::{Value, json};

use crate::atomic;
use crate::batch::Batcher;
use crate::chance::{ChanceSource, NoiseFile};
use crate::config::{EXTRAS_KEY, TrainConfig};
use crate::ema::Ema;
use crate::environment::Environment;
use crate::error::TrainError;
use crate::evaluate::{ActionErrors, PredictOptions, held_out_loss, predict, scalar};
use crate::event::{EvalMetrics, Started, TrainEvent};
use crate::folder::CheckpointFolder;
use crate::gradients::{NamedGradients, clip_factor};
use crate::loader::Loader;
use crate::lock::OutputLock;
use crate::metrics::{Averages, MetricsFile};
use crate::optimizer::{Adam, AdamConfig, LearningRates};
use crate::order::BatchOrder;
use crate::replicas::{Learner, Replicas};
use crate::samples::{HostBatch, Mode, SampleSource};
use crate::save::{CheckpointWriter, Snapshot};
use crate::schedule::LearningRate;
use crate::setup::{Prepared, TrainOptions, count_parameters, precision_name, prepare};
use crate::state::{self, Progress, Schedule};

/// Anchors whose chunks are sampled at each held-out evaluation.
const EVALUATED_ANCHORS: usize = 128;

/// A training that is ready to run.
#[derive(Debug)]
pub struct Trainer {
    options: TrainOptions,
    policy: Arc<Policy>,
    keys: KeyMap,
    network: Network,
    adam: Adam,
    ema: Option<Ema>,
    source: Arc<SampleSource>,
    batcher: Batcher,
    order: Option<BatchOrder>,
    held_out: HeldOut,
    chance: ChanceSource,
    rate: LearningRate,
    initial: LearningRates,
    writer: CheckpointWriter,
    replicas: Replicas,
    step: u64,
    samples: u64,
    n_episodes: usize,
    lock: Option<OutputLock>,
}

/// Held-out anchors: those of the loss, and those that are sampled.
#[derive(Clone, Debug, Default)]
struct HeldOut {
    loss: Vec<usize>,
    sampled: Vec<usize>,
}

impl Trainer {
    /// Opens the dataset, builds or loads the policy, decodes frames, restores a resumed run.
    ///
    /// # Errors
    /// [`TrainError`] says which setting or file does not fit. Nothing is written but the frame cache.
    pub fn prepare(
        options: TrainOptions,
        stop: &AtomicBool,
        emit: &(dyn Fn(TrainEvent) + Sync),
    ) -> Result<Self, TrainError> {
        // A run that goes on must not read what another is about to replace.
        let lock = if options.config.resume { Some(OutputLock::take(&options.output_dir)?) } else { None };
        let Prepared { saved, policy, statistics, source, training, held_out } = prepare(&options, stop, emit)?;
        let config = &options.config;
        let keys = KeyMap::new(policy.config());
        let optimizer = &config.optimizer;
        let mut adam =
            Adam::new(AdamConfig { betas: optimizer.betas, eps: optimizer.eps, weight_decay: optimizer.weight_decay });
        let initial = LearningRates { base: optimizer.lr, vision: optimizer.lr * saved.vision_encoder_lr_multiplier };
        let warmup = config.scheduler.num_warmup_steps.unwrap_or(0);
        let rate = LearningRate::new(&config.scheduler.name, optimizer.lr, warmup, config.steps)
            .map_err(|error| TrainError::Setting(error.to_string()))?;

        let policy = Arc::new(policy);
        let batcher = Batcher::new(policy.clone(), source.tasks())?;
        let network = policy.network().clone().train();
        let mut progress = Progress { step: 0, batch_size: config.batch_size };
        let mut ema = options.extras.ema.enable.then(|| Ema::new(options.extras.ema.clone(), &network, keys));
        if let Some(checkpoint) = config.checkpoint_path.as_ref().filter(|_| config.resume) {
            let (saved_progress, moments) =
                state::load(&checkpoint.join("training_state"), &network, keys, &options.device)?;
            progress = saved_progress;
            adam.restore(moments);
            if let Some(ema) = &mut ema {
                let folder = CheckpointFolder::find(&checkpoint.join("pretrained_model_ema"));
                let average = folder.and_then(|folder| folder.policy(&options.device));
                match average {
                    Ok(average) => *ema = Ema::new(options.extras.ema.clone(), average.network(), keys),
                    Err(error) => {
                        emit(TrainEvent::Note(format!("the moving average starts anew from the weights: {error}")));
                    }
                }
            }
            if progress.batch_size != config.batch_size {
                let (before, now) = (progress.batch_size, config.batch_size);
                emit(TrainEvent::Note(format!(
                    "the batch size was {before} and is now {now}; the run goes on where it was in its epoch"
                )));
            }
        }
        let sampler = EpisodeSampler::new(&training, saved.drop_n_last_frames, true, config.seed.unwrap_or(0))?;
        sampler.warnings().iter().for_each(|warning| emit(TrainEvent::Note(warning.clone())));
        let accumulate = options.extras.accumulate as u64;
        let order = BatchOrder::new(sampler, config.batch_size, progress.step * accumulate, progress.batch_size);
        let file = options.extras.noise_file.as_deref().map(NoiseFile::open).transpose()?;

        let writer = CheckpointWriter {
            folder: options.output_dir.join("checkpoints"),
            clip: policy.clip().clone(),
            keys,
            statistics,
            train_config: train_config_json(config, &saved),
            extras: extras_json(&options, &source),
            total_steps: config.steps,
            keep_last: options.extras.keep_last,
            config: saved,
        };
        Ok(Self {
            held_out: HeldOut::new(&source, &held_out, config.max_eval_samples),
            replicas: Replicas::new(options.extras.replicas, options.config.batch_size, options.device_name == "cpu")?,
            samples: progress.step * accumulate * progress.batch_size as u64,
            step: progress.step,
            n_episodes: training.len(),
            chance: ChanceSource {
                seed: config.seed.unwrap_or(0),
                file,
                repeats: options.extras.repeated_diffusion_steps,
                timesteps: options.extras.timesteps,
            },
            order: Some(order),
            lock,
            options,
            policy,
            keys,
            network,
            adam,
            ema,
            source,
            batcher,
            rate,
            initial,
            writer,
        })
    }

    /// The first batch as the network would see it, for a look before training.
    ///
    /// # Errors
    /// [`TrainError`] when its samples cannot be read.
    pub fn first_batch(&self) -> Result<HostBatch, TrainError> {
        let frames = self.order.as_ref().map(|order| order.batch(0)).unwrap_or_default();
        self.source.batch(&frames, Mode::Training(self.step * self.options.extras.accumulate as u64))
    }

    /// The policy before training.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The dataset and how samples are cut from it.
    pub fn source(&self) -> &SampleSource {
        &self.source
    }

    /// Trains to the last step, or until `stop` is set; then the present step is saved. With a world the policy is measured in it
    /// every `env_eval_freq` steps and at the end.
    ///
    /// # Errors
    /// [`TrainError`]; checkpoints that were saved stay as they are.
    pub fn run(
        mut self,
        world: Option<&dyn Environment>,
        stop: &AtomicBool,
        emit: &(dyn Fn(TrainEvent) + Sync),
    ) -> Result<u64, TrainError> {
        let config = self.options.config.clone();
        let accumulate = self.options.extras.accumulate as u64;
        let _lock = match self.lock.take() {
            Some(lock) => lock,
            None => OutputLock::take(&self.options.output_dir)?,
        };
        atomic::clean(&self.writer.folder)?;
        let metrics = MetricsFile::open(&self.options.output_dir, self.step)?;
        let Some(order) = self.order.take() else { return Ok(self.step) };
        emit(TrainEvent::Started(self.started(&order)));
        let ahead = config.prefetch_factor.max(1) * config.num_workers.max(1);
        let mut loader = Loader::start(self.source.clone(), order, self.step * accumulate, config.num_workers, ahead);

        if config.eval_steps > 0 && self.step == 0 {
            // What an untrained policy does is the line that learning has to leave behind.
            let line = self.evaluate()?;
            metrics.append(&line)?;
            emit(TrainEvent::Evaluated(line));
        }
        let mut averages = Averages::default();
        while self.step < config.steps && !stop.load(Ordering::Relaxed) {
            let began = Instant::now();
            let update = self.update(&mut loader)?;
            averages.add(update.loss, update.grad_norm, update.next_lr, update.samples, update.data, began.elapsed());
            emit(TrainEvent::Step(self.step));

            let is_last = self.step == config.steps;
            if config.log_freq > 0 && self.step.is_multiple_of(config.log_freq) {
                let line = averages.take(self.step, self.samples, self.source.dataset().n_frames());
                metrics.append(&line)?;
                emit(TrainEvent::Metrics(line));
            }
            if config.eval_steps > 0 && (self.step.is_multiple_of(config.eval_steps) || is_last) {
                let line = self.evaluate()?;
                metrics.append(&line)?;
                emit(TrainEvent::Evaluated(line));
            }
            let due = |freq: i64| u64::try_from(freq).is_ok_and(|every| every > 0 && self.step.is_multiple_of(every));
            if config.save_checkpoint && (due(config.save_freq) || is_last || stop.load(Ordering::Relaxed)) {
                let folder = self.save()?;
                emit(TrainEvent::Saved(self.step, folder));
            }
            if let Some(world) = world.filter(|_| due(config.env_eval_freq) || (is_last && config.env_eval_freq > 0)) {
                let policy = self.policy.with_network(self.evaluated());
                let line = world.evaluate(&policy, self.step).map_err(TrainError::Environment)?;
                metrics.append(&line)?;
                emit(TrainEvent::Acted(line));
            }
        }
        if !averages.is_empty() && config.log_freq > 0 {
            let line = averages.take(self.step, self.samples, self.source.dataset().n_frames());
            metrics.append(&line)?;
            emit(TrainEvent::Metrics(line));
        }
        emit(TrainEvent::Finished(self.step));
        Ok(self.step)
    }

    /// One update: as many batches as are accumulated, one step of the optimizer.
    fn update(&mut self, loader: &mut Loader) -> Result<Update, TrainError> {
        let accumulate = self.options.extras.accumulate as u64;
        let mut update = Update::default();
        let mut frames = Vec::new();
        let mut gradients: Option<NamedGradients> = None;
        for part in 0..accumulate {
            let waiting = Instant::now();
            let host = loader.next_batch()?;
            update.data += waiting.elapsed();
            update.samples += host.frames.len();
            frames.extend_from_slice(&host.frames);

            let index = self.step * accumulate + part;
            let chance = self.chance.training(self.policy.config(), index, host.frames.len(), &self.options.device)?;
            let learner = Learner { policy: &self.policy, batcher: &self.batcher, keys: self.keys };
            let (loss, new) = self.replicas.gradients(learner, &self.network, host, chance)?;
            update.loss += loss / small(accumulate);
            match &mut gradients {
                Some(gradients) => gradients.add(new),
                None => gradients = Some(new),
            }
        }
        let gradients = gradients.unwrap_or_default();
        let gradients = if accumulate > 1 { gradients.scale(1.0 / f64::from(small(accumulate))) } else { gradients };
        update.grad_norm = scalar(gradients.norm())?;

        let factor = self.rate.factor(self.step);
        let rates = LearningRates { base: self.initial.base * factor, vision: self.initial.vision * factor };
        self.guard(&update, rates, frames)?;
        let clip = clip_factor(update.grad_norm, self.options.config.optimizer.grad_clip_norm);
        let gradients = if clip < 1.0 { gradients.scale(clip) } else { gradients };
        self.network = self.adam.step(self.network.clone(), self.keys, gradients, rates);
        if let Some(ema) = &mut self.ema {
            ema.update(&self.network, self.keys, self.step);
        }
        self.step += 1;
        self.samples += update.samples as u64;
        update.next_lr = self.initial.base * self.rate.factor(self.step);
        Ok(update)
    }

    /// Stops before a NaN reaches the weights.
    fn guard(&self, update: &Update, rates: LearningRates, frames: Vec<usize>) -> Result<(), TrainError> {
        let fault = [("loss", update.loss), ("gradient norm", update.grad_norm)]
            .into_iter()
            .find(|(_, value)| !value.is_finite());
        let Some((what, value)) = fault else { return Ok(()) };
        let last = self.writer.folder.join("last");
        let checkpoint = if last.exists() { last.display().to_string() } else { "there is none yet".to_owned() };
        Err(TrainError::NonFinite { step: self.step + 1, what, value, lr: rates.base, frames, checkpoint })
    }

    /// Held-out loss, and the error of sampled actions beside that of the mean action.
    fn evaluate(&self) -> Result<EvalMetrics, TrainError> {
        let network = self.evaluated();
        let policy = self.policy.with_network(network.clone());
        let batch_size = self.options.config.batch_size;
        let eval_loss = held_out_loss(
            &policy,
            &network,
            &self.source,
            &self.batcher,
            &self.held_out.loss,
            batch_size,
            &self.chance,
        )?;
        let plan = policy.plan(quick_sampler(&policy))?;
        let quiet = |_| {};
        let options = PredictOptions { n_samples: 1, batch_size, seed: self.chance.seed, progress: &quiet };
        let predictions = predict(&policy, &self.source, &self.batcher, &plan, &self.held_out.sampled, options)?;
        let mean: Vec<f32> = mean_action(&self.writer.statistics);
        let baseline = ActionErrors::of(&predictions, |_, _, _, dim| mean.get(dim).copied().unwrap_or(0.0), 1);
        Ok(EvalMetrics {
            step: self.step,
            eval_loss,
            eval_action_mae: ActionErrors::of_samples(&predictions).mae(),
            eval_mean_action_mae: baseline.mae(),
        })
    }

    /// The weights to measure: the moving average when there is one.
    fn evaluated(&self) -> Network {
        let network = self.network.valid();
        match &self.ema {
            Some(ema) => ema.network(&network, self.keys),
            None => network,
        }
    }

    fn save(&self) -> Result<std::path::PathBuf, TrainError> {
        let network = self.network.valid();
        let average = self.ema.as_ref().map(|ema| ema.network(&network, self.keys));
        let factor = self.rate.factor(self.step);
        let adam = &self.options.config.optimizer;
        let schedule = Schedule {
            initial: self.initial,
            current: LearningRates { base: self.initial.base * factor, vision: self.initial.vision * factor },
            adam: AdamConfig { betas: adam.betas, eps: adam.eps, weight_decay: adam.weight_decay },
            seed: self.chance.seed,
        };
        let progress = Progress { step: self.step, batch_size: self.options.config.batch_size };
        self.writer.save(Snapshot {
            network: &network,
            average: average.as_ref(),
            adam: &self.adam,
            schedule: &schedule,
            progress,
        })
    }

    fn started(&self, order: &BatchOrder) -> Started {
        let (n_learnable, n_parameters) = count_parameters(&self.network, self.keys);
        Started {
            output_dir: self.options.output_dir.clone(),
            step: self.step,
            steps: self.options.config.steps,
            n_frames: self.source.dataset().n_frames(),
            n_episodes: self.n_episodes,
            n_samples: order.samples_per_epoch(),
            batch_size: self.options.config.batch_size * self.options.extras.accumulate,
            n_learnable,
            n_parameters,
            device: format!("{}, {}", self.options.device_name, precision_name(self.options.extras.precision)),
        }
    }
}

/// What one update was like.
#[derive(Clone, Debug, Default)]
struct Update {
    loss: f32,
    grad_norm: f32,
    /// The learning rate after the schedule's step, which is what `LeRobot` logs.
    next_lr: f64,
    samples: usize,
    data: Duration,
}

impl HeldOut {
    /// All frames of the held-out episodes (or the first of each, up to `most`), and an even selection to sample.
    fn new(source: &SampleSource, episodes: &[mtdit_data::EpisodeRange], most: usize) -> Self {
        let per_episode = if most == 0 { usize::MAX } else { most.div_ceil(episodes.len().max(1)) };
        let loss: Vec<usize> =
            episodes.iter().flat_map(|episode| (episode.from..episode.to).take(per_episode)).collect();
        let inside = |frame: &usize| *frame < source.dataset().n_frames();
        let stride = loss.len().div_ceil(EVALUATED_ANCHORS).max(1);
        let sampled = loss.iter().copied().filter(inside).step_by(stride).collect();
        Self { loss, sampled }
    }
}

/// A sampler that is good enough to follow a training by: ten steps.
fn quick_sampler(policy: &Policy) -> SamplerSettings {
    let steps = policy.default_sampler().steps.min(10);
    let kind = if policy.is_diffusion() { SamplerKind::DpmSolver } else { SamplerKind::Midpoint };
    SamplerSettings { kind, steps, spacing: TimestepSpacing::Trailing }
}

/// The dataset's mean action in robot units.
pub fn mean_action(statistics: &mtdit_policy::Statistics) -> Vec<f32> {
    statistics.get("action", "mean").map(|mean| mean.values.clone()).unwrap_or_default()
}

/// `train_config.json`, with the policy as it was settled.
fn train_config_json(config: &TrainConfig, saved: &mtdit_policy::checkpoint::LeRobotConfig) -> Value {
    let mut value = config.to_json();
    value["policy"] = json!(saved);
    value
}

/// Most instructions that `mtdit.json` remembers: enough to choose from.
const MOST_TASKS: usize = 100;

/// `mtdit.json`: our own settings, and where the checkpoint comes from.
fn extras_json(options: &TrainOptions, source: &SampleSource) -> Value {
    let names = |key: &str| source.dataset().feature(key).map(|feature| feature.names.clone()).unwrap_or_default();
    let tasks: Vec<&str> = source.dataset().tasks().iter().map(|(_, task)| task).take(MOST_TASKS).collect();
    json!({
        EXTRAS_KEY: options.extras,
        "provenance": {
            "program": "mtdit",
            "version": env!("CARGO_PKG_VERSION"),
            "dataset": options.config.dataset.repo_id,
            "names": {"action": names("action"), "observation.state": names("observation.state")},
            "tasks": tasks,
        },
    })
}

#[expect(clippy::cast_precision_loss, reason = "accumulated batches are few")]
fn small(count: u64) -> f32 {
    count as f32
}
