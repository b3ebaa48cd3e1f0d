//! One update as `mtdit train` makes it: gradients of a batch, their norm, Adam.

use std::sync::Arc;

use anyhow::{Result, anyhow};
use burn::module::Module;
use mtdit_policy::checkpoint::keys::KeyMap;
use mtdit_train::batch::Batcher;
use mtdit_train::chance::{ChanceSource, Stream, generator};
use mtdit_train::config::Timesteps;
use mtdit_train::gradients::clip_factor;
use mtdit_train::optimizer::{Adam, AdamConfig, LearningRates};
use mtdit_train::replicas::{Learner, Replicas};
use mtdit_train::samples::HostBatch;
use rand::Rng;

use super::row::{Row, Stage, What};
use super::subject::Subject;
use super::{Repeats, SEED, TASK};
use crate::backend::Chosen;

/// `LeRobot`'s bound of the gradient's norm.
const GRAD_CLIP_NORM: f64 = 10.0;

/// Updates on random pictures and noise. Samples are ready before the clock starts, as the loader has them.
pub(super) fn measure(subject: &Subject, batch: usize, chosen: &Chosen, repeats: Repeats) -> Result<Row> {
    let policy = Arc::new(subject.policy.clone());
    let (config, keys) = (policy.config(), KeyMap::new(policy.config()));
    let batcher = Batcher::new(policy.clone(), &[TASK.to_owned()])?;
    let replicas = Replicas::new(0, batch, chosen.torch_name == "cpu")?;
    let chance = ChanceSource { seed: SEED, file: None, repeats: 1, timesteps: Timesteps::Sampled };
    let saved = &subject.saved;
    let [base, vision] = [1.0, saved.vision_encoder_lr_multiplier].map(|factor| factor * saved.optimizer_lr);
    let rates = LearningRates { base, vision };
    let mut adam = Adam::new(AdamConfig {
        betas: saved.optimizer_betas,
        eps: saved.optimizer_eps,
        weight_decay: saved.optimizer_weight_decay,
    });

    let samples = samples(subject, batch);
    let mut network = policy.network().clone().train();
    let mut step = 0;
    let times = repeats.time(
        || samples.clone(),
        |host| {
            let chance = chance.training(config, step, batch, policy.device())?;
            let learner = Learner { policy: &policy, batcher: &batcher, keys };
            let (_, gradients) = replicas.gradients(learner, &network, host, chance)?;
            let norm: f32 =
                gradients.norm().try_into_scalar().map_err(|error| anyhow!("the device failed: {error}"))?;
            let clip = clip_factor(norm, GRAD_CLIP_NORM);
            let gradients = if clip < 1.0 { gradients.scale(clip) } else { gradients };
            network = adam.step(network.clone(), keys, gradients, rates);
            drop(policy.device().sync());
            step += 1;
            Ok(())
        },
    )?;
    let what = What { stage: Stage::TrainingStep, sampler: None, cameras: subject.n_cameras(), batch: Some(batch) };
    Ok(Row::new(what, times))
}

/// Samples that nobody recorded, cropped as the loader crops them.
fn samples(subject: &Subject, batch: usize) -> HostBatch {
    let config = subject.policy.config();
    let mut random = generator(SEED, Stream::Crop, 0);
    let size = config.cameras.first().map_or([0, 0], |camera| config.image.output([camera.height, camera.width]));
    let pixels = batch * config.n_obs_steps * config.cameras.len() * 3 * size[0] * size[1];
    HostBatch {
        frames: (0..batch).collect(),
        pixels: (0..pixels).map(|_| random.random()).collect(),
        size,
        states: subject.state.repeat(batch * config.n_obs_steps),
        actions: subject.action.repeat(batch * config.horizon),
        action_is_pad: vec![0.0; batch * config.horizon],
        tasks: vec![0; batch],
    }
}
