//! Every stage, from preprocessing to the sampled chunk, equals `LeRobot`'s on every golden case.

use burn::tensor::{Device, Tensor, TensorData};
use mtdit_policy::conditioning::Conditioning;
use mtdit_policy::objective::Objective;
use mtdit_policy::preprocess::TextCondition;
use mtdit_policy::{Inputs, Noise, Policy, SamplerSettings};
use mtdit_tests::{Case, FORWARD, SAMPLED, assert_close, assert_golden, cases, on_every_backend};

on_every_backend!(
    preprocessing_equals_lerobot,
    encoders_equal_lerobot,
    conditioning_equals_lerobot,
    denoiser_equals_lerobot,
    schedule_equals_diffusers,
    samples_equal_lerobot,
);

/// The case's inputs, cropped and resized as in evaluation.
pub(crate) fn inputs(case: &Case, policy: &Policy, device: &Device) -> Inputs {
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

fn preprocessing_equals_lerobot(device: &Device) {
    for case in cases().iter().filter(|case| case.has("mid.image_preprocessed")) {
        let images = inputs(case, &case.policy(device), device).images.expect("cameras");
        let [batch, steps, cameras, channels, height, width] = images.dims();
        let images = images.reshape([batch * steps * cameras, channels, height, width]);
        assert_golden(case, "mid.image_preprocessed", images, FORWARD);
    }
}

fn encoders_equal_lerobot(device: &Device) {
    for case in cases() {
        let policy = case.policy(device);
        let encoder = &policy.network().observation_encoder;
        if case.has("mid.vision_cls") {
            let images = case.tensor("mid.image_preprocessed", device);
            assert_golden(&case, "mid.vision_cls", encoder.vision_encoders[0].forward(images), FORWARD);
        }
        let pooled = encoder.text_encoder.pooled(&case.tokens());
        assert_golden(&case, "mid.text_pooled", pooled.clone(), FORWARD);
        assert_golden(&case, "mid.text_projected", encoder.text_encoder.project(pooled), FORWARD);
    }
}

fn conditioning_equals_lerobot(device: &Device) {
    for case in cases() {
        let policy = case.policy(device);
        let conditioning = policy.network().encode(inputs(&case, &policy, device));
        assert_golden(&case, "mid.conditioning", conditioning.vector, FORWARD);
    }
}

fn denoiser_equals_lerobot(device: &Device) {
    for case in cases() {
        let policy = case.policy(device);
        let denoiser = &policy.network().noise_predictor;
        let timesteps = case.timesteps("in.t");
        assert_golden(&case, "mid.time_embedding", denoiser.time_embedding(&timesteps), FORWARD);

        let conditioning = Conditioning { vector: case.tensor("mid.conditioning", device) };
        let noisy: Tensor<3> = case.tensor("in.x_t", device);
        let joint = denoiser.forward(noisy.clone(), &timesteps, &conditioning, None);
        assert_golden(&case, "out.denoiser", joint, FORWARD);

        // The split that sampling uses: one timestep at a time, so one sample at a time.
        let rows = timesteps.iter().enumerate().map(|(i, &t)| {
            let row = Conditioning { vector: conditioning.vector.clone().slice_dim(0, i..i + 1) };
            denoiser.denoise(noisy.clone().slice_dim(0, i..i + 1), &denoiser.time(&[t]), &denoiser.condition(&row))
        });
        assert_golden(&case, "out.denoiser", Tensor::cat(rows.collect(), 0), FORWARD);
    }
}

fn schedule_equals_diffusers(device: &Device) {
    for case in cases().iter().filter(|case| case.has("schedule.alphas_cumprod")) {
        let policy = case.policy(device);
        let Objective::Diffusion { schedule, .. } = policy.objective() else { panic!("{}: a diffusion", case.name) };
        let expected = case.floats("schedule.alphas_cumprod");
        assert_close(&case.name, schedule.alphas_cumprod(), &expected, FORWARD);
        for (i, (found, expected)) in schedule.alphas_cumprod().iter().zip(&expected).enumerate() {
            assert!(
                (found / expected - 1.0).abs() < 1e-5,
                "{}: alphas_cumprod[{i}] is {found} instead of {expected}",
                case.name
            );
        }
        let settings = SamplerSettings::from_config(&case.config.objective);
        let evaluations = settings.evaluations(&case.config.objective);
        assert_eq!(evaluations, case.timesteps("sample.timesteps"), "{}: timesteps", case.name);
    }
}

fn samples_equal_lerobot(device: &Device) {
    for case in cases() {
        let policy = case.policy(device);
        let plan = policy.plan(policy.default_sampler()).expect("the checkpoint's own sampler");
        let steps = if case.has("sample.step_noise") {
            let shape = case.shape("sample.step_noise");
            let all = case.floats("sample.step_noise");
            let noise = all.chunks(shape[1] * shape[2] * shape[3]);
            let noise = noise
                .map(|step| Tensor::from_data(TensorData::new(step.to_vec(), [shape[1], shape[2], shape[3]]), device));
            noise.collect()
        } else {
            Vec::new()
        };
        let noise = Noise { initial: case.tensor("sample.initial_noise", device), steps };
        let conditioning = policy.network().encode(inputs(&case, &policy, device));
        let actions = policy.sample(&conditioning, &plan, noise).expect("noise of the right shape");
        assert_golden(&case, "out.sample", actions.clone(), SAMPLED);
        assert_golden(&case, "out.chunk", policy.postprocessor().executed(actions), SAMPLED);
    }
}
