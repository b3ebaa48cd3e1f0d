//! Everything random in training, drawn from the seed and the step alone: a resumed run draws what the whole run would.

use std::path::Path;

use burn::tensor::{Device, Distribution, Tensor, TensorData};
use mtdit_policy::Chance;
use mtdit_policy::PolicyConfig;
use mtdit_policy::checkpoint::WeightSource;
use mtdit_policy::config::{ObjectiveConfig, TimestepSampling};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rand_distr::{Beta, Distribution as _, StandardNormal};

use crate::config::Timesteps;
use crate::error::TrainError;
use crate::folder::WeightFile;

/// What a random number is for; each use has its own stream.
#[derive(Clone, Copy, Debug)]
pub enum Stream {
    /// Noise of the loss, and its timesteps.
    Noise = 1,
    /// Dropout masks.
    Dropout = 2,
    /// Places of random crops.
    Crop = 3,
    /// Noise of the held-out loss.
    Evaluation = 4,
    /// Noise that sampling starts from.
    Sampling = 5,
    /// Initial weights.
    Weights = 6,
}

/// The seed of one place among many: `SplitMix64` over all numbers.
pub fn derived_seed(seed: u64, place: &[u64]) -> u64 {
    place.iter().fold(mix(seed), |state, number| mix(state ^ mix(*number)))
}

/// The seed of one stream at one step.
pub fn stream_seed(seed: u64, stream: Stream, step: u64) -> u64 {
    derived_seed(seed, &[stream as u64, step])
}

fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

/// A generator for one stream at one step.
pub fn generator(seed: u64, stream: Stream, step: u64) -> StdRng {
    StdRng::seed_from_u64(stream_seed(seed, stream, step))
}

/// `count` standard normal numbers.
pub fn normals(generator: &mut StdRng, count: usize) -> Vec<f32> {
    (0..count).map(|_| StandardNormal.sample(generator)).collect()
}

/// The timesteps of a loss, one per sample (contract section 5.6).
pub fn timesteps(objective: &ObjectiveConfig, generator: &mut StdRng, batch: usize) -> Vec<f32> {
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "timesteps are below 2^24")]
    let draw = |generator: &mut StdRng| match objective {
        ObjectiveConfig::Diffusion(diffusion) => generator.random_range(0..diffusion.num_train_timesteps) as f32,
        ObjectiveConfig::FlowMatching(flow) => match flow.timestep_sampling {
            TimestepSampling::Uniform => generator.random::<f32>(),
            TimestepSampling::Beta { s, alpha, beta } => match Beta::new(alpha, beta) {
                Ok(distribution) => (s * (1.0 - distribution.sample(generator))) as f32,
                Err(_) => generator.random::<f32>(),
            },
        },
    };
    (0..batch).map(|_| draw(generator)).collect()
}

/// Noise and timesteps from a file instead of from the seed: tensors `noise` `[steps, batch, horizon, action_dim]` and
/// `timesteps` `[steps, batch]`.
#[derive(Clone, Debug)]
pub struct NoiseFile {
    noise: Vec<f32>,
    shape: [usize; 4],
    timesteps: Vec<f32>,
}

impl NoiseFile {
    /// Reads the file.
    ///
    /// # Errors
    /// [`TrainError::Invalid`] when shapes do not fit each other, [`TrainError::Policy`] when it is not safetensors.
    pub fn open(path: &Path) -> Result<Self, TrainError> {
        let invalid = |reason: String| TrainError::Invalid { path: path.to_owned(), reason };
        let mut file = WeightFile::open(path)?;
        let shape = file.index().entry("noise")?.shape.clone();
        let shape: [usize; 4] =
            shape.try_into().map_err(|shape| invalid(format!("`noise` has shape {shape:?}, four sizes are needed")))?;
        let times = file.index().entry("timesteps")?.shape.clone();
        if times != shape[..2] {
            return Err(invalid(format!("`timesteps` has shape {times:?}, `noise` has {shape:?}")));
        }
        let timesteps = match file.values("timesteps") {
            Ok(values) => values,
            Err(_) => whole_numbers(&file.bytes("timesteps")?),
        };
        Ok(Self { noise: file.values("noise")?, shape, timesteps })
    }

    fn at(&self, step: u64, batch: usize) -> Option<(Vec<f32>, Vec<f32>)> {
        let step = usize::try_from(step).ok().filter(|&step| step < self.shape[0] && batch <= self.shape[1])?;
        let row = self.shape[2] * self.shape[3];
        let first = step * self.shape[1];
        let noise = self.noise[first * row..(first + batch) * row].to_vec();
        Some((noise, self.timesteps[first..first + batch].to_vec()))
    }
}

#[expect(clippy::cast_precision_loss, reason = "timesteps are below 2^24")]
fn whole_numbers(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(8).map(|b| i64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]) as f32).collect()
}

/// Draws the chance of every training step.
#[derive(Clone, Debug)]
pub struct ChanceSource {
    /// The run's seed.
    pub seed: u64,
    /// Noise to use instead of drawn noise.
    pub file: Option<NoiseFile>,
    /// Draws of noise and time for every sample of a batch.
    pub repeats: usize,
    /// Which times are trained.
    pub timesteps: Timesteps,
}

impl ChanceSource {
    /// The chance of one batch in training. `step` counts batches from the start of the run.
    ///
    /// # Errors
    /// [`TrainError::Setting`] when a noise file has no noise for this batch.
    pub fn training(
        &self,
        config: &PolicyConfig,
        step: u64,
        batch: usize,
        device: &Device,
    ) -> Result<Chance, TrainError> {
        let batch = batch * self.repeats;
        let (noise, mut timesteps) = match &self.file {
            Some(file) => file.at(step, batch).ok_or_else(|| {
                TrainError::Setting(format!("the noise file holds nothing for batch {step} of {batch} samples"))
            })?,
            None => draw(config, &mut generator(self.seed, Stream::Noise, step), batch),
        };
        self.settle(config, &mut timesteps);
        let noise = tensor(config, noise, batch, device);
        Ok(Chance { noise, timesteps, dropout: self.dropout(config, step, batch, device) })
    }

    /// The chance of one batch of the held-out loss: the same at every evaluation.
    pub fn evaluation(&self, config: &PolicyConfig, index: u64, batch: usize, device: &Device) -> Chance {
        let (noise, mut timesteps) = draw(config, &mut generator(self.seed, Stream::Evaluation, index), batch);
        self.settle(config, &mut timesteps);
        Chance { noise: tensor(config, noise, batch, device), timesteps, dropout: None }
    }

    /// Every time becomes the noisiest one, if that is asked for.
    fn settle(&self, config: &PolicyConfig, timesteps: &mut [f32]) {
        let ObjectiveConfig::Diffusion(diffusion) = &config.objective else { return };
        if self.timesteps == Timesteps::Last {
            #[expect(clippy::cast_precision_loss, reason = "timesteps are below 2^24")]
            timesteps.fill((diffusion.num_train_timesteps - 1) as f32);
        }
    }

    /// One mask per block, drawn on the device, which is seeded for this step alone.
    fn dropout(&self, config: &PolicyConfig, step: u64, batch: usize, device: &Device) -> Option<Vec<Tensor<4>>> {
        let rate = config.denoiser.dropout;
        if rate <= 0.0 {
            return None;
        }
        device.seed(stream_seed(self.seed, Stream::Dropout, step));
        let shape = [batch, config.denoiser.num_heads, config.horizon, config.horizon];
        let keep = 1.0 - rate;
        let mask = |_| {
            let kept = Tensor::<4>::random(shape, Distribution::Bernoulli(keep), device);
            if keep > 0.0 { kept / keep } else { kept }
        };
        Some((0..config.denoiser.num_layers).map(mask).collect())
    }
}

fn draw(config: &PolicyConfig, generator: &mut StdRng, batch: usize) -> (Vec<f32>, Vec<f32>) {
    let noise = normals(generator, batch * config.horizon * config.action_dim);
    (noise, timesteps(&config.objective, generator, batch))
}

fn tensor(config: &PolicyConfig, noise: Vec<f32>, batch: usize, device: &Device) -> Tensor<3> {
    Tensor::from_data(TensorData::new(noise, [batch, config.horizon, config.action_dim]), device)
}

#[cfg(test)]
mod tests {
    use super::{Stream, generator, normals, stream_seed, timesteps};
    use mtdit_policy::config::{FlowMatchingConfig, IntegrationMethod, ObjectiveConfig, TimestepSampling};

    #[test]
    fn streams_and_steps_do_not_share_a_seed() {
        let seeds = [
            stream_seed(1000, Stream::Noise, 0),
            stream_seed(1000, Stream::Noise, 1),
            stream_seed(1000, Stream::Dropout, 0),
            stream_seed(1001, Stream::Noise, 0),
        ];
        for (i, seed) in seeds.iter().enumerate() {
            assert!(!seeds[..i].contains(seed), "seed {i} was used before");
        }
    }

    /// Contract section 5.6: the mean of `LeRobot`'s default times is 0.3996.
    #[test]
    fn flow_matching_times_favour_the_noisy_end() {
        let objective = ObjectiveConfig::FlowMatching(FlowMatchingConfig {
            sigma_min: 0.0,
            num_integration_steps: 10,
            integration_method: IntegrationMethod::Euler,
            timestep_sampling: TimestepSampling::Beta { s: 0.999, alpha: 1.5, beta: 1.0 },
        });
        let times = timesteps(&objective, &mut generator(7, Stream::Noise, 0), 40_000);
        let mean = times.iter().map(|&t| f64::from(t)).sum::<f64>() / 40_000.0;
        assert!((mean - 0.3996).abs() < 0.005, "the mean is {mean}");
    }

    #[test]
    fn noise_is_standard_normal() {
        let noise = normals(&mut generator(7, Stream::Noise, 3), 40_000);
        let mean = noise.iter().map(|&x| f64::from(x)).sum::<f64>() / 40_000.0;
        let variance = noise.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / 40_000.0;
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03, "mean {mean}, variance {variance}");
    }
}
