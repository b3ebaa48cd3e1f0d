//! One observation to chunks: [`Policy::predict`](mtdit_policy::Policy::predict), stage by stage, so that every step can be
//! timed, drawn and stopped.

use burn::tensor::Tensor;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand_distr::{Distribution, StandardNormal};

use super::EngineError;
use super::policy::Ready;
use super::task::{Task, heap, now};
use crate::protocol::{Event, PredictRequest, Prediction, StepReport, Timings};
use mtdit_policy::{Conditioning, Features, Moment, Noise, PolicyError, SamplerKind, SamplerSettings, TimestepSpacing};

/// Most chunks of one request.
const MAX_SAMPLES: u32 = 64;

/// Samples what a request asks for. `began` is when work on it began, which was with decoding its pictures.
///
/// # Errors
/// [`EngineError`] names what about the request does not fit the policy; [`EngineError::Cancelled`] between two steps.
pub(super) async fn predict(
    ready: &mut Ready,
    history: Vec<Moment>,
    request: &PredictRequest,
    began: f64,
    task: &Task,
) -> Result<Prediction, EngineError> {
    if !(1..=MAX_SAMPLES).contains(&request.samples) {
        return Err(EngineError::Request(format!(
            "{} chunks were asked for; 1 to {MAX_SAMPLES} are possible",
            request.samples
        )));
    }
    let settings = settings(request)?;
    let plan = ready.plan(settings)?;
    let (conditioning, mut timings) = encode(ready, history, &request.task, began, task).await?;

    let network = ready.policy.network().clone();
    let at = now();
    let condition = network.noise_predictor.condition(&conditioning);
    settle(ready, &conditioning.vector).await?;
    timings.conditioning = now() - at;

    let mut samples = Vec::new();
    for sample in 0..request.samples {
        let mut generator = StdRng::seed_from_u64(request.seed.wrapping_add(u64::from(sample)));
        let noise = Noise::draw(ready.policy.config(), settings, ready.policy.device(), || {
            StandardNormal.sample(&mut generator)
        });
        let mut sampler = ready.policy.sampler(&plan, noise, 1)?;
        let total = settings.evaluations(&ready.policy.config().objective).len();
        let mut done = 0;
        let mut chunk = Vec::new();
        while let Some(query) = sampler.query() {
            task.go_on().await?;
            let at = now();
            let time = plan.time(query.index);
            sampler.feed(network.noise_predictor.denoise(query.x, &time, &condition));
            done += 1;
            // Reading the actions is part of a step: it is what makes the step visible.
            chunk = actions(ready, sampler.clone().finish()).await?;
            let milliseconds = now() - at;
            if sample == 0 {
                timings.denoise.push(milliseconds);
            }
            task.say(&Event::Step(StepReport { sample, done, total, actions: chunk.clone(), milliseconds }));
        }
        finite(&chunk)?;
        task.say(&Event::Sampled { sample, actions: chunk.clone() });
        if sample == 0 {
            timings.total = now() - began;
        }
        samples.push(chunk);
    }
    Ok(Prediction { samples, timings, heap: heap() })
}

/// Observation to conditioning; what was computed for the last request is used again.
async fn encode(
    ready: &mut Ready,
    history: Vec<Moment>,
    instruction: &str,
    began: f64,
    task: &Task,
) -> Result<(Conditioning, Timings), EngineError> {
    let mut timings = Timings::default();
    let n_obs_steps = ready.policy.config().n_obs_steps;
    if history.len() != n_obs_steps {
        return Err(PolicyError::History { found: history.len(), expected: n_obs_steps }.into());
    }
    history.iter().try_for_each(|moment| ready.policy.preprocessor().check(moment))?;

    let states: Vec<f32> = history.iter().flat_map(|moment| moment.state.iter().copied()).collect();
    let state = ready.policy.preprocessor().state(states, 1);
    timings.preprocess = now() - began;

    let vision = vision(ready, &history, task, &mut timings).await?;
    task.go_on().await?;
    let at = now();
    let text = text(ready, instruction)?;
    settle(ready, &text).await?;
    timings.text = now() - at;
    task.go_on().await?;
    Ok((Conditioning::from_features(Features { state, vision, text }), timings))
}

/// Vision features `[1, n_obs_steps, n_cameras * width]`; moments whose frames were seen are not computed again.
async fn vision(
    ready: &mut Ready,
    history: &[Moment],
    task: &Task,
    timings: &mut Timings,
) -> Result<Option<Tensor<3>>, EngineError> {
    if ready.policy.config().cameras.is_empty() {
        return Ok(None);
    }
    for (i, moment) in history.iter().enumerate() {
        if ready.vision.iter().any(|(frames, _)| *frames == moment.frames) {
            continue;
        }
        task.go_on().await?;
        task.say(&Event::Stage(format!("looking at the pictures, moment {} of {}", i + 1, history.len())));
        let at = now();
        let images = ready.policy.preprocessor().images(&[moment], 1)?;
        timings.preprocess += now() - at;
        if let Some(images) = images {
            let at = now();
            let features = ready.policy.network().observation_encoder.vision(images);
            settle(ready, &features).await?;
            timings.vision += now() - at;
            ready.vision.push((moment.frames.clone(), features));
        }
    }
    ready.vision.retain(|(frames, _)| history.iter().any(|moment| *frames == moment.frames));
    let of = |moment: &Moment| {
        ready.vision.iter().find(|(frames, _)| *frames == moment.frames).map(|(_, known)| known.clone())
    };
    Ok(Some(Tensor::cat(history.iter().filter_map(of).collect(), 1)))
}

/// The projected instruction, `[1, hidden_dim]`.
fn text(ready: &mut Ready, instruction: &str) -> Result<Tensor<2>, EngineError> {
    if let Some((_, known)) = ready.text.as_ref().filter(|(words, _)| words == instruction) {
        return Ok(known.clone());
    }
    let tokens = ready.policy.preprocessor().tokens(instruction)?;
    let encoder = &ready.policy.network().observation_encoder.text_encoder;
    let text = encoder.project(encoder.pooled(&[tokens]));
    ready.text = Some((instruction.to_owned(), text.clone()));
    Ok(text)
}

/// Waits until the GPU has computed a tensor, so that a stage's time is its own; the processor has done so already.
async fn settle<const D: usize>(ready: &Ready, tensor: &Tensor<D>) -> Result<(), EngineError> {
    if ready.is_gpu {
        let one = tensor.clone().slice(std::array::from_fn::<_, D, _>(|_| 0..1));
        one.into_data_async().await.map_err(|error| PolicyError::Device(error.to_string()))?;
    }
    Ok(())
}

/// Normalised actions `[1, horizon, action_dim]` to numbers in robot units.
async fn actions(ready: &Ready, normalized: Tensor<3>) -> Result<Vec<Vec<f32>>, EngineError> {
    let dim = ready.policy.config().action_dim;
    let actions = ready.policy.postprocessor().unnormalize(normalized);
    Ok(read(actions).await?.chunks(dim).map(<[f32]>::to_vec).collect())
}

/// The values of a tensor.
///
/// # Errors
/// [`PolicyError::Device`] when the device has failed.
pub(super) async fn read<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, PolicyError> {
    let failed = |error: &dyn std::fmt::Display| PolicyError::Device(error.to_string());
    let data = tensor.into_data_async().await.map_err(|error| failed(&error))?;
    data.try_to_vec::<f32>().map_err(|error| failed(&error))
}

/// No chunk with a number that is not finite is shown as a result.
fn finite(actions: &[Vec<f32>]) -> Result<(), PolicyError> {
    let fault = |(step, action): (usize, &Vec<f32>)| {
        action.iter().position(|value| !value.is_finite()).map(|dimension| PolicyError::NonFinite { step, dimension })
    };
    actions.iter().enumerate().find_map(fault).map_or(Ok(()), Err)
}

/// The sampler that a request names.
fn settings(request: &PredictRequest) -> Result<SamplerSettings, EngineError> {
    let kind: SamplerKind = request.sampler.parse().map_err(EngineError::Request)?;
    let spacing = if request.trailing { TimestepSpacing::Trailing } else { TimestepSpacing::Leading };
    Ok(SamplerSettings { kind, steps: request.steps, spacing })
}
