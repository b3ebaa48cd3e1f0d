//! Tests with a known answer, after every load: a shader that fails to compile is silent, so the numbers have to speak.

use std::sync::Arc;

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Device, Tensor, TensorData};

use super::EngineError;
use super::policy::Ready;
use super::sampling::{predict, read};
use super::task::{Task, now};
use crate::manifest::{ExpectedChunk, Manifest};
use crate::protocol::{PredictRequest, SampleObservation, SelfTest};
use mtdit_policy::checkpoint::LeRobotConfig;
use mtdit_policy::checkpoint::clip::preset;
use mtdit_policy::encoders::ClipConfig;
use mtdit_policy::{Frame, Inputs, Moment, Network, PolicyConfig, PolicyError, Precision, TextCondition};

/// Largest difference that rounding explains, as a share of the largest number: what the native tests allow a sampled chunk.
/// Two backends that add in different orders differ by 1e-6 to 1e-5.
const TOLERANCE: f64 = 2e-4;

/// A small network with every kind of layer: two cameras, rotary attention, both CLIP towers.
const CONFIG: &str = r#"{"type":"multi_task_dit","n_obs_steps":2,"horizon":8,"n_action_steps":4,"hidden_dim":64,"num_layers":2,
    "num_heads":2,"timestep_embed_dim":32,"image_resize_shape":null,"image_crop_shape":[32,32],
    "vision_encoder_name":"mtdit/clip-vit-tiny-patch16","text_encoder_name":"mtdit/clip-vit-tiny-patch16",
    "input_features":{"observation.images.a":{"type":"VISUAL","shape":[3,32,32]},
    "observation.images.b":{"type":"VISUAL","shape":[3,32,32]},"observation.state":{"type":"STATE","shape":[4]}},
    "output_features":{"action":{"type":"ACTION","shape":[3]}}}"#;

/// What it answers, the first 12 numbers: from the CPU backend, which WebGPU's agrees with to 1e-6 of the largest.
const ANSWER: [f32; 12] = [
    3.366_14,
    1.059_926_5,
    1.282_534_6,
    12.410_633,
    -5.697_029,
    5.286_626,
    11.134_174,
    -5.328_758,
    4.299_318_3,
    14.213_325,
    -2.784_429,
    4.454_144_5,
];

/// Runs the small network on a device and compares with its known answer.
///
/// # Errors
/// When the device fails altogether; a wrong answer is a [`SelfTest`] that did not pass.
pub(super) async fn kernels(device: &Device) -> Result<SelfTest, EngineError> {
    let lerobot = LeRobotConfig::from_json(CONFIG).map_err(PolicyError::from)?;
    let config = PolicyConfig::try_from(&lerobot).map_err(PolicyError::from)?;
    let Some(clip) = preset(&lerobot.vision_encoder_name).map(shrunk) else {
        return Err(EngineError::Request("the self-test's own network is not known".to_owned()));
    };
    let network = Network::init(&config, &clip, Precision::F32, device).map(&mut MadeUp(0));
    let tensor = |kind: u32, length: usize| TensorData::new(made_up(kind, length, 1.0), [length]);
    let inputs = Inputs {
        images: Some(Tensor::<1>::from_data(tensor(1001, 2 * 2 * 3 * 32 * 32), device).reshape([1, 2, 2, 3, 32, 32])),
        state: Tensor::<1>::from_data(tensor(1002, 8), device).reshape([1, 2, 4]),
        text: TextCondition::Tokens(vec![vec![1, 17, 42, 99]]),
    };
    let noisy = Tensor::<1>::from_data(tensor(1003, 24), device).reshape([1, 8, 3]);
    let conditioning = network.encode(inputs);
    let condition = network.noise_predictor.condition(&conditioning);
    let answer = network.noise_predictor.denoise(noisy, &network.noise_predictor.time(&[42.0]), &condition);
    let answer = read(answer).await?;
    Ok(compare("small network", &answer[..ANSWER.len()], &ANSWER))
}

/// A CLIP of the same layers with pictures of 32 pixels and few words.
fn shrunk(mut clip: ClipConfig) -> ClipConfig {
    clip.text_config.vocab_size = 100;
    if let Some(vision) = &mut clip.vision_config {
        vision.image_size = 32;
    }
    clip
}

/// Gives every parameter numbers that depend on its place alone.
struct MadeUp(u32);

impl ModuleMapper for MadeUp {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        self.0 += 1;
        let shape: [usize; D] = param.lazy_shape().dims();
        // Products of many numbers keep their size.
        #[expect(clippy::cast_precision_loss, reason = "a layer's width")]
        let size = if D > 1 { 1.7 / (shape.iter().take(D - 1).product::<usize>() as f32).sqrt() } else { 1.0 };
        let data = TensorData::new(made_up(self.0, shape.iter().product(), size), shape);
        Param::initialized(param.id, Tensor::from_data(data, &param.lazy_device()))
    }
}

/// `length` numbers between `-size` and `size` without any order in them.
fn made_up(kind: u32, length: usize, size: f32) -> Vec<f32> {
    let mut state = kind.wrapping_mul(0x9e37_79b9) | 1;
    let mut next = || {
        // Marsaglia's xorshift.
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        #[expect(clippy::cast_precision_loss, reason = "24 bits are kept")]
        let unit = (state >> 8) as f32 / 8_388_608.0 - 1.0;
        unit * size
    };
    (0..length).map(|_| next()).collect()
}

/// Runs the loaded policy once, so that everything is compiled; compares with the answer that came with the checkpoint.
///
/// # Errors
/// When the device fails. A sample observation that cannot be had is no reason to fail: there is a blank one.
pub(super) async fn known_answer(
    ready: &mut Ready,
    manifest: Option<&Manifest>,
    task: &Task,
) -> Result<Option<SelfTest>, EngineError> {
    task.hush(true);
    let expected = manifest.and_then(|manifest| manifest.expected.as_ref());
    let sample = ready.card.sample.clone();
    let mut verdict = None;
    let known = match (&sample, expected) {
        (Some(sample), Some(expected)) => {
            super::picture::sample(&ready.policy, sample, task).await.map(|history| (sample, history, expected))
        }
        _ => None,
    };
    match known {
        Some((sample, history, expected)) => {
            let request = request(sample, expected);
            let found = predict(ready, history, &request, now(), task).await?;
            verdict = Some(with_checkpoint(ready, &found.samples[0], expected).await?);
        }
        None => {
            let (history, request) = blank(ready);
            predict(ready, history, &request, now(), task).await?;
        }
    }
    task.hush(false);
    Ok(verdict)
}

/// Compares a chunk in robot units with the checkpoint's own answer, which is normalised.
async fn with_checkpoint(ready: &Ready, found: &[Vec<f32>], expected: &ExpectedChunk) -> Result<SelfTest, EngineError> {
    let config = ready.policy.config();
    let values: Vec<f32> = expected.actions.concat();
    let shape = [1, config.horizon, config.action_dim];
    if values.len() != shape.iter().product::<usize>() {
        return Ok(compare("this checkpoint", &[], &values));
    }
    let normalized = Tensor::<3>::from_data(TensorData::new(values, shape), ready.policy.device());
    let expected = read(ready.policy.postprocessor().unnormalize(normalized)).await?;
    Ok(compare("this checkpoint", &found.concat(), &expected))
}

/// The request whose answer is known.
fn request(sample: &SampleObservation, expected: &ExpectedChunk) -> PredictRequest {
    PredictRequest {
        task: sample.task.clone(),
        states: sample.states.clone(),
        frames: Vec::new(),
        sampler: expected.sampler.clone(),
        steps: expected.steps,
        trailing: false,
        seed: expected.seed,
        samples: 1,
    }
}

/// Grey pictures, a mean state and one step: enough to compile everything.
fn blank(ready: &Ready) -> (Vec<Moment>, PredictRequest) {
    let config = ready.policy.config();
    let frame = |camera: &mtdit_policy::config::CameraConfig| Frame {
        height: camera.height,
        width: camera.width,
        rgb: Arc::from(vec![128; camera.height * camera.width * 3]),
    };
    let state: Vec<f32> = ready.card.state.iter().map(|number| number.mean.unwrap_or_default()).collect();
    let moment = Moment { frames: config.cameras.iter().map(frame).collect(), state: state.clone() };
    let request = PredictRequest {
        task: ready.card.tasks.first().cloned().unwrap_or_default(),
        states: vec![state; config.n_obs_steps],
        frames: Vec::new(),
        sampler: ready.card.samplers[0].clone(),
        steps: 1,
        trailing: false,
        seed: 0,
        samples: 1,
    };
    (vec![moment; config.n_obs_steps], request)
}

/// The largest difference, as a share of the largest expected number.
fn compare(what: &str, found: &[f32], expected: &[f32]) -> SelfTest {
    let largest = expected.iter().fold(0.0_f64, |largest, value| largest.max(f64::from(value.abs()))).max(1e-30);
    let difference = |(found, expected): (&f32, &f32)| (f64::from(*found) - f64::from(*expected)).abs();
    let worst = found
        .iter()
        .zip(expected)
        .map(difference)
        .fold(0.0, |worst: f64, one| if one.is_finite() { worst.max(one) } else { f64::INFINITY });
    let error = if found.len() == expected.len() { worst / largest } else { f64::INFINITY };
    // JSON knows no infinity.
    let error = error.min(1e30);
    let passed = error <= TOLERANCE;
    let words = format!("{what}: off by {error:.1e} of the largest number, {TOLERANCE:.0e} is allowed");
    if !passed {
        web_sys::console::error_1(&format!("self-test failed: {words}; got {found:?}").into());
    }
    SelfTest { passed, words, error, tolerance: TOLERANCE }
}
