//! How far every stage is from `LeRobot`'s numbers on a golden case: natively and in the browser, the same code.

use burn::tensor::{Device, Tensor, TensorData};
use mtdit_policy::conditioning::Conditioning;
use mtdit_policy::preprocess::TextCondition;
use mtdit_policy::{Inputs, Noise, Policy};
use serde::Serialize;

use crate::{Case, FORWARD, SAMPLED, Tolerance, prints_errors};

/// One comparison.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    /// Case and tensor.
    pub what: String,
    /// The worst element's error as a share of what is allowed: more than 1 is a fault.
    pub excess: f64,
    /// The largest error as a share of the largest expected number.
    pub error: f64,
    /// The worst element in words.
    pub words: String,
}

impl Measured {
    /// Panics when the error is larger than allowed.
    ///
    /// # Panics
    /// With the worst element, both values and the tolerance.
    pub fn hold(&self) {
        assert!(self.excess <= 1.0, "{}: {}", self.what, self.words);
        if prints_errors() {
            #[expect(clippy::print_stdout, reason = "asked for")]
            {
                println!("{}: {:.3} of what is allowed", self.what, self.excess);
            }
        }
    }
}

/// Compares values, on the scale of the largest expected one.
pub fn compare(what: &str, found: &[f32], expected: &[f32], tolerance: Tolerance) -> Measured {
    let largest = expected.iter().fold(0.0_f64, |largest, value| largest.max(f64::from(value.abs())));
    compare_to(what, found, expected, tolerance, largest)
}

/// Compares values, on a given scale.
///
/// # Panics
/// When there are not as many values as expected.
pub fn compare_to(what: &str, found: &[f32], expected: &[f32], tolerance: Tolerance, scale: f64) -> Measured {
    assert_eq!(found.len(), expected.len(), "{what}: number of values");
    let error = |i: usize| (f64::from(found[i]) - f64::from(expected[i])).abs();
    let allowed = |i: usize| (tolerance.own * f64::from(expected[i].abs()) + tolerance.largest * scale).max(1e-30);
    let excess = |i: usize| if found[i].is_finite() { error(i) / allowed(i) } else { f64::MAX };
    let worst = (0..found.len()).max_by(|&a, &b| excess(a).total_cmp(&excess(b)));
    let Some(worst) = worst else {
        return Measured { what: what.to_owned(), excess: 0.0, error: 0.0, words: "nothing to compare".to_owned() };
    };
    let largest_error = (0..found.len()).map(error).fold(0.0, f64::max);
    let words = format!(
        "element {worst} is {} instead of {}: off by {:.1e}, {:.1e} is allowed (largest value {scale:.3e})",
        found[worst],
        expected[worst],
        error(worst),
        allowed(worst)
    );
    Measured { what: what.to_owned(), excess: excess(worst), error: largest_error / scale.max(1e-30), words }
}

/// Compares with the golden tensor `name`.
///
/// # Panics
/// When the shape is another, or the device fails.
pub async fn golden<const D: usize>(case: &Case, name: &str, found: Tensor<D>, tolerance: Tolerance) -> Measured {
    assert_eq!(found.dims().to_vec(), case.shape(name), "{}: shape of {name}", case.name);
    let data = found.into_data_async().await.expect("a device that works");
    let found = data.try_to_vec::<f32>().expect("single precision");
    compare(&format!("{}: {name}", case.name), &found, &case.floats(name), tolerance)
}

/// The case's inputs, cropped and resized as in evaluation.
///
/// # Panics
/// When the case lacks a tensor.
pub fn inputs(case: &Case, policy: &Policy, device: &Device) -> Inputs {
    let cameras = &case.config.cameras;
    let images: Vec<Tensor<6>> = cameras
        .iter()
        .map(|camera| case.tensor::<5>(&format!("in.{}", camera.key), device).unsqueeze_dim::<6>(2))
        .collect();
    let images = (!images.is_empty()).then(|| {
        let images = Tensor::cat(images, 2); // [batch, steps, cameras, 3, height, width]
        let [batch, steps, n_cameras, channels, height, width] = images.dims();
        let images = images.reshape([batch * steps * n_cameras, channels, height, width]);
        let images = policy.preprocessor().resize_and_crop(images);
        let [_, _, height, width] = images.dims();
        images.reshape([batch, steps, n_cameras, channels, height, width])
    });
    Inputs { images, state: case.tensor("in.observation.state", device), text: TextCondition::Tokens(case.tokens()) }
}

/// Resize and crop.
pub async fn preprocessing(case: &Case, policy: &Policy) -> Vec<Measured> {
    if !case.has("mid.image_preprocessed") {
        return Vec::new();
    }
    let Some(images) = inputs(case, policy, policy.device()).images else { return Vec::new() };
    let [batch, steps, cameras, channels, height, width] = images.dims();
    let images = images.reshape([batch * steps * cameras, channels, height, width]);
    vec![golden(case, "mid.image_preprocessed", images, FORWARD).await]
}

/// Both towers.
pub async fn encoders(case: &Case, policy: &Policy) -> Vec<Measured> {
    let encoder = &policy.network().observation_encoder;
    let mut measured = Vec::new();
    if case.has("mid.vision_cls") {
        let images = case.tensor("mid.image_preprocessed", policy.device());
        let seen = encoder.vision_encoders[0].forward(images);
        measured.push(golden(case, "mid.vision_cls", seen, FORWARD).await);
    }
    let pooled = encoder.text_encoder.pooled(&case.tokens());
    measured.push(golden(case, "mid.text_pooled", pooled.clone(), FORWARD).await);
    measured.push(golden(case, "mid.text_projected", encoder.text_encoder.project(pooled), FORWARD).await);
    measured
}

/// Everything that is constant over the denoising steps.
pub async fn conditioning(case: &Case, policy: &Policy) -> Vec<Measured> {
    let conditioning = policy.network().encode(inputs(case, policy, policy.device()));
    vec![golden(case, "mid.conditioning", conditioning.vector, FORWARD).await]
}

/// The denoiser, joint as in training and split as in sampling.
pub async fn denoiser(case: &Case, policy: &Policy) -> Vec<Measured> {
    let device = policy.device();
    let denoiser = &policy.network().noise_predictor;
    let timesteps = case.timesteps("in.t");
    let time = golden(case, "mid.time_embedding", denoiser.time_embedding(&timesteps), FORWARD).await;

    let conditioning = Conditioning { vector: case.tensor("mid.conditioning", device) };
    let noisy: Tensor<3> = case.tensor("in.x_t", device);
    let joint = denoiser.forward(noisy.clone(), &timesteps, &conditioning, None);
    let joint = golden(case, "out.denoiser", joint, FORWARD).await;

    // The split that sampling uses: one timestep at a time, so one sample at a time.
    let rows = timesteps.iter().enumerate().map(|(i, &t)| {
        let row = Conditioning { vector: conditioning.vector.clone().slice_dim(0, i..i + 1) };
        denoiser.denoise(noisy.clone().slice_dim(0, i..i + 1), &denoiser.time(&[t]), &denoiser.condition(&row))
    });
    let split = golden(case, "out.denoiser", Tensor::cat(rows.collect(), 0), FORWARD).await;
    vec![time, joint, split]
}

/// The sampled chunk, with the checkpoint's own sampler.
///
/// # Panics
/// When the checkpoint's own sampler does not fit it.
pub async fn samples(case: &Case, policy: &Policy) -> Vec<Measured> {
    let device = policy.device();
    let plan = policy.plan(policy.default_sampler()).expect("the checkpoint's own sampler");
    let steps = if case.has("sample.step_noise") {
        let shape = case.shape("sample.step_noise");
        let all = case.floats("sample.step_noise");
        let noise = all.chunks(shape[1] * shape[2] * shape[3]);
        let noise =
            noise.map(|step| Tensor::from_data(TensorData::new(step.to_vec(), [shape[1], shape[2], shape[3]]), device));
        noise.collect()
    } else {
        Vec::new()
    };
    let noise = Noise { initial: case.tensor("sample.initial_noise", device), steps };
    let conditioning = policy.network().encode(inputs(case, policy, device));
    let actions = policy.sample(&conditioning, &plan, noise).expect("noise of the right shape");
    vec![
        golden(case, "out.sample", actions.clone(), SAMPLED).await,
        golden(case, "out.chunk", policy.postprocessor().executed(actions), SAMPLED).await,
    ]
}

/// Every stage, by name.
pub async fn stages(case: &Case, policy: &Policy) -> Vec<(&'static str, Vec<Measured>)> {
    vec![
        ("preprocess", preprocessing(case, policy).await),
        ("encoders", encoders(case, policy).await),
        ("conditioning", conditioning(case, policy).await),
        ("denoiser", denoiser(case, policy).await),
        ("sample", samples(case, policy).await),
    ]
}
