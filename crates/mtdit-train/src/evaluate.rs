//! Held-out episodes: the loss on them, and how far sampled actions are from those that were taken.

use burn::tensor::{Tensor, TensorData};
use mtdit_policy::{Conditioning, Network, Noise, Policy, PolicyError, SamplingPlan};

use crate::batch::Batcher;
use crate::chance::{ChanceSource, Stream, generator, normals};
use crate::error::TrainError;
use crate::samples::{HostBatch, Mode, SampleSource};

/// The mean loss over some anchors, with noise and times that are the same at every call.
///
/// # Errors
/// [`TrainError`] when samples cannot be read or the device fails.
pub fn held_out_loss(
    policy: &Policy,
    network: &Network,
    source: &SampleSource,
    batcher: &Batcher,
    anchors: &[usize],
    batch_size: usize,
    chance: &ChanceSource,
) -> Result<f64, TrainError> {
    let mut sum = 0.0;
    let mut count = 0_u32;
    for (index, anchors) in anchors.chunks(batch_size).enumerate() {
        let host = source.batch(anchors, Mode::Evaluation)?;
        let chance = chance.evaluation(policy.config(), index as u64, anchors.len(), policy.device());
        let loss = policy.loss(network, batcher.batch(host), chance);
        sum += f64::from(scalar(loss)?);
        count += 1;
    }
    Ok(sum / f64::from(count.max(1)))
}

/// Sampled chunks beside what was done, in robot units.
#[derive(Clone, Debug)]
pub struct Predictions {
    /// Anchor frames.
    pub anchors: Vec<usize>,
    /// `[anchor][sample][n_action_steps][action_dim]`.
    pub samples: Vec<Vec<Vec<Vec<f32>>>>,
    /// `[anchor][n_action_steps][action_dim]`.
    pub truth: Vec<Vec<Vec<f32>>>,
    /// Whether a step of the truth lies outside its episode, `[anchor][n_action_steps]`.
    pub is_pad: Vec<Vec<bool>>,
}

/// Samples `n_samples` chunks for every anchor; `progress` hears how many anchors are done.
///
/// # Errors
/// [`TrainError`] when samples cannot be read or the sampled actions are not finite.
pub fn predict(
    policy: &Policy,
    source: &SampleSource,
    batcher: &Batcher,
    plan: &SamplingPlan,
    anchors: &[usize],
    options: PredictOptions<'_>,
) -> Result<Predictions, TrainError> {
    let config = policy.config();
    let mut predictions =
        Predictions { anchors: anchors.to_vec(), samples: Vec::new(), truth: Vec::new(), is_pad: Vec::new() };
    for anchors in anchors.chunks(options.batch_size) {
        let host = source.batch(anchors, Mode::Evaluation)?;
        truth(&host, config.first_executed(), config.n_action_steps, config.horizon, &mut predictions);
        let first = predictions.samples.len();
        predictions.samples.resize(first + anchors.len(), Vec::new());
        let conditioning = policy.network().encode(batcher.batch(host).inputs);
        for sample in 0..options.n_samples {
            let noise = noise(policy, plan, options.seed, anchors, sample as u64);
            let chunks = sample_chunks(policy, &conditioning, plan, noise)?;
            for (row, chunk) in predictions.samples[first..].iter_mut().zip(chunks) {
                row.push(chunk);
            }
        }
        (options.progress)(predictions.samples.len());
    }
    Ok(predictions)
}

/// How to sample.
#[derive(Clone, Copy)]
#[expect(missing_debug_implementations, reason = "it holds a callback")]
pub struct PredictOptions<'a> {
    /// Chunks per anchor.
    pub n_samples: usize,
    /// Anchors per forward pass.
    pub batch_size: usize,
    /// Seed of the noise.
    pub seed: u64,
    /// Hears how many anchors are done.
    pub progress: &'a dyn Fn(usize),
}

fn sample_chunks(
    policy: &Policy,
    conditioning: &Conditioning,
    plan: &SamplingPlan,
    noise: Noise,
) -> Result<Vec<Vec<Vec<f32>>>, TrainError> {
    let actions = policy.sample(conditioning, plan, noise)?;
    let chunks = pollster::block_on(policy.postprocessor().chunks(actions))?;
    Ok(chunks.into_iter().map(|chunk| chunk.actions).collect())
}

/// Noise that depends on seed, anchor and sample only, not on how anchors are batched.
fn noise(policy: &Policy, plan: &SamplingPlan, seed: u64, anchors: &[usize], sample: u64) -> Noise {
    let config = policy.config();
    let row = config.horizon * config.action_dim;
    let n_tensors = 1 + plan.settings().n_step_noises();
    let mut generators: Vec<_> =
        anchors.iter().map(|&anchor| generator(seed, Stream::Sampling, anchor as u64 * 1_000 + sample)).collect();
    let mut next = || {
        let values: Vec<f32> = generators.iter_mut().flat_map(|generator| normals(generator, row)).collect();
        Tensor::from_data(TensorData::new(values, [anchors.len(), config.horizon, config.action_dim]), policy.device())
    };
    Noise { initial: next(), steps: (1..n_tensors).map(|_| next()).collect() }
}

/// The executed part of the recorded actions.
fn truth(host: &HostBatch, first: usize, n_steps: usize, horizon: usize, predictions: &mut Predictions) {
    let dim = host.actions.len() / (host.frames.len() * horizon);
    for (actions, is_pad) in host.actions.chunks(horizon * dim).zip(host.action_is_pad.chunks(horizon)) {
        let executed = actions.chunks(dim).skip(first).take(n_steps);
        predictions.truth.push(executed.map(<[f32]>::to_vec).collect());
        predictions.is_pad.push(is_pad[first..first + n_steps].iter().map(|&pad| pad > 0.0).collect());
    }
}

/// Errors of actions against the recorded ones; padded steps do not count.
#[derive(Clone, Debug, Default)]
pub struct ActionErrors {
    /// Mean squared error per action dimension.
    pub mse_per_dim: Vec<f64>,
    /// Mean absolute error per action dimension.
    pub mae_per_dim: Vec<f64>,
    /// Mean squared error per step of the chunk, over dimensions.
    pub mse_per_step: Vec<f64>,
    /// Mean absolute error per step of the chunk, over dimensions.
    pub mae_per_step: Vec<f64>,
}

impl ActionErrors {
    /// Compares an answer per anchor, sample, step and dimension with the truth.
    pub fn of(predictions: &Predictions, answer: impl Fn(usize, usize, usize, usize) -> f32, n_samples: usize) -> Self {
        let steps = predictions.truth.first().map_or(0, Vec::len);
        let dims = predictions.truth.first().and_then(|truth| truth.first()).map_or(0, Vec::len);
        let mut sums = vec![[0.0_f64; 2]; steps * dims];
        let mut counts = vec![0.0_f64; steps];
        for (anchor, truth) in predictions.truth.iter().enumerate() {
            for (step, truth) in truth.iter().enumerate().filter(|(step, _)| !predictions.is_pad[anchor][*step]) {
                for sample in 0..n_samples {
                    counts[step] += 1.0;
                    for (dim, &truth) in truth.iter().enumerate() {
                        let error = f64::from(answer(anchor, sample, step, dim)) - f64::from(truth);
                        let sum = &mut sums[step * dims + dim];
                        *sum = [sum[0] + error * error, sum[1] + error.abs()];
                    }
                }
            }
        }
        let all: f64 = counts.iter().sum::<f64>().max(1.0);
        #[expect(clippy::cast_precision_loss, reason = "action dimensions are few")]
        let width = dims.max(1) as f64;
        let per_dim = |kind: usize| {
            (0..dims).map(|dim| (0..steps).map(|step| sums[step * dims + dim][kind]).sum::<f64>() / all).collect()
        };
        let per_step = |kind: usize| {
            let row = |step: usize| sums[step * dims..(step + 1) * dims].iter().map(|sum| sum[kind]).sum::<f64>();
            (0..steps).map(|step| row(step) / counts[step].max(1.0) / width).collect()
        };
        Self { mse_per_dim: per_dim(0), mae_per_dim: per_dim(1), mse_per_step: per_step(0), mae_per_step: per_step(1) }
    }

    /// The sampled chunks' errors.
    pub fn of_samples(predictions: &Predictions) -> Self {
        let n_samples = predictions.samples.first().map_or(0, Vec::len);
        Self::of(predictions, |anchor, sample, step, dim| predictions.samples[anchor][sample][step][dim], n_samples)
    }

    /// Mean over dimensions of the absolute error.
    pub fn mae(&self) -> f64 {
        mean(&self.mae_per_dim)
    }

    /// Mean over dimensions of the squared error.
    pub fn mse(&self) -> f64 {
        mean(&self.mse_per_dim)
    }
}

/// The standard deviation over samples, averaged over anchors and steps, per action dimension.
pub fn spread_per_dim(predictions: &Predictions) -> Vec<f64> {
    let dims = predictions.truth.first().and_then(|truth| truth.first()).map_or(0, Vec::len);
    let steps = predictions.truth.first().map_or(0, Vec::len);
    let deviation = |anchor: usize, step: usize, dim: usize| {
        let values: Vec<f64> = predictions.samples[anchor].iter().map(|sample| f64::from(sample[step][dim])).collect();
        let center = mean(&values);
        mean(&values.iter().map(|value| (value - center).powi(2)).collect::<Vec<_>>()).sqrt()
    };
    let anchors = predictions.samples.len();
    let over = |dim: usize| (0..anchors).flat_map(move |anchor| (0..steps).map(move |step| (anchor, step, dim)));
    (0..dims)
        .map(|dim| mean(&over(dim).map(|(anchor, step, dim)| deviation(anchor, step, dim)).collect::<Vec<_>>()))
        .collect()
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// The value of a one-element tensor.
pub(crate) fn scalar(tensor: Tensor<1>) -> Result<f32, TrainError> {
    tensor.try_into_scalar::<f32>().map_err(|error| TrainError::Policy(PolicyError::Device(error.to_string())))
}
