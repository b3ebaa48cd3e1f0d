//! Samplers on networks whose answer is known: a Gaussian for diffusion, linear equations for flow matching.

use std::collections::HashMap;

use burn::module::Param;
use burn::tensor::{Device, Tensor, TensorData};
use mtdit_policy::checkpoint::keys::{KeyMap, Layout, NamedVisitor, visit_named};
use mtdit_policy::config::{
    BetaSchedule, DiffusionConfig, FlowMatchingConfig, IntegrationMethod, NoiseSchedulerType, ObjectiveConfig,
    PredictionType, TimestepSampling,
};
use mtdit_policy::objective::NoiseSchedule;
use mtdit_policy::sampler::Query;
use mtdit_policy::{
    Conditioning, Network, Noise, PolicyError, Precision, Sampler, SamplerKind, SamplerSettings, TimestepSpacing,
};
use mtdit_tests::{FORWARD, assert_close, cases, on_every_backend};

on_every_backend!(
    ddim_and_dpm_solver_converge_to_the_exact_flow,
    predicting_noise_or_actions_is_the_same,
    ddpm_samples_the_distribution,
    clipping_bounds_the_actions,
    every_evaluation_is_the_declared_one,
    noise_is_demanded_where_it_is_needed,
    impossible_settings_are_refused,
    a_constant_velocity_is_integrated_exactly,
    integrators_have_their_order,
    a_new_block_is_the_identity,
);

const TIMESTEPS: usize = 100;
/// The distribution of the clean actions.
const MEAN: f32 = 0.3;
const DEVIATION: f32 = 0.5;

fn diffusion_config(prediction_type: PredictionType, clip_sample: bool) -> DiffusionConfig {
    DiffusionConfig {
        noise_scheduler_type: NoiseSchedulerType::Ddim,
        num_train_timesteps: TIMESTEPS,
        beta_schedule: BetaSchedule::SquaredCosine,
        beta_start: 1e-4,
        beta_end: 0.02,
        prediction_type,
        clip_sample,
        clip_sample_range: 1.0,
        num_inference_steps: None,
    }
}

fn diffusion() -> ObjectiveConfig {
    ObjectiveConfig::Diffusion(diffusion_config(PredictionType::Epsilon, false))
}

fn flow() -> ObjectiveConfig {
    ObjectiveConfig::FlowMatching(FlowMatchingConfig {
        sigma_min: 0.0,
        num_integration_steps: 10,
        integration_method: IntegrationMethod::Euler,
        timestep_sampling: TimestepSampling::Uniform,
    })
}

fn objective_of(kind: SamplerKind) -> ObjectiveConfig {
    match kind {
        SamplerKind::Ddpm | SamplerKind::Ddim | SamplerKind::DpmSolver => diffusion(),
        SamplerKind::Euler | SamplerKind::Midpoint | SamplerKind::Rk4 => flow(),
    }
}

fn trailing(kind: SamplerKind, steps: usize) -> SamplerSettings {
    SamplerSettings { kind, steps, spacing: TimestepSpacing::Trailing }
}

fn tensor(values: &[f32], device: &Device) -> Tensor<3> {
    Tensor::from_data(TensorData::new(values.to_vec(), [1, values.len(), 1]), device)
}

fn values(tensor: Tensor<3>) -> Vec<f32> {
    tensor.into_data().try_to_vec::<f32>().expect("single precision")
}

/// Samples with an analytic network.
fn sample(
    settings: SamplerSettings,
    objective: &ObjectiveConfig,
    noise: Noise,
    network: impl Fn(&Query) -> Tensor<3>,
) -> Vec<f32> {
    let mut sampler = Sampler::new(settings, objective, None, noise).expect("settings that fit");
    while let Some(query) = sampler.query() {
        sampler.feed(network(&query));
    }
    values(sampler.finish())
}

fn only(initial: Tensor<3>) -> Noise {
    Noise { initial, steps: Vec::new() }
}

fn schedule() -> NoiseSchedule {
    NoiseSchedule::new(&diffusion_config(PredictionType::Epsilon, false))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "diffusion timesteps are small")]
fn alpha_bar(timestep: f32) -> f32 {
    schedule().alpha_bar(Some(timestep as usize))
}

/// Variance of the noisy actions.
fn variance(alpha: f32) -> f32 {
    alpha * DEVIATION * DEVIATION + 1.0 - alpha
}

/// The noise that the best possible network predicts.
fn best_noise(query: &Query) -> Tensor<3> {
    let alpha = alpha_bar(query.timestep);
    (query.x.clone() - alpha.sqrt() * MEAN) * ((1.0 - alpha).sqrt() / variance(alpha))
}

/// The clean actions that the best possible network predicts.
fn best_actions(query: &Query) -> Tensor<3> {
    let alpha = alpha_bar(query.timestep);
    (query.x.clone() - alpha.sqrt() * MEAN) * (alpha.sqrt() * DEVIATION * DEVIATION / variance(alpha)) + MEAN
}

const STARTS: [f32; 5] = [-2.0, -1.0, 0.5, 1.0, 2.0];

fn largest_difference(left: &[f32], right: &[f32]) -> f32 {
    assert_eq!(left.len(), right.len(), "as many values on both sides");
    left.iter().zip(right).fold(0.0, |largest: f32, (left, right)| largest.max((left - right).abs()))
}

/// How far a deterministic sampler ends from where the probability flow of the Gaussian leads.
fn distance_from_exact(kind: SamplerKind, steps: usize, device: &Device) -> f32 {
    let alpha = schedule().alpha_bar(Some(TIMESTEPS - 1));
    let exact = STARTS.map(|x| MEAN + DEVIATION * (x - alpha.sqrt() * MEAN) / variance(alpha).sqrt());
    let found = sample(trailing(kind, steps), &diffusion(), only(tensor(&STARTS, device)), best_noise);
    let distance = largest_difference(&found, &exact);
    assert!(distance.is_finite(), "{kind} with {steps} steps gives numbers");
    distance
}

fn ddim_and_dpm_solver_converge_to_the_exact_flow(device: &Device) {
    let ddim = |steps| distance_from_exact(SamplerKind::Ddim, steps, device);
    let dpm_solver = |steps| distance_from_exact(SamplerKind::DpmSolver, steps, device);

    assert!(ddim(100) < 0.02, "DDIM ends {} away", ddim(100));
    assert!(dpm_solver(100) < 2e-3, "DPM-Solver++ ends {} away", dpm_solver(100));
    for steps in [10, 50] {
        let gain = ddim(steps) / ddim(2 * steps);
        assert!((1.8..2.2).contains(&gain), "DDIM is of first order: {steps} more steps are {gain} times as good");
    }
    for (steps, gain) in [(10, 2.0), (20, 10.0)] {
        let [first, second] = [ddim(steps), dpm_solver(steps)];
        assert!(second * gain < first, "{steps} steps: DPM-Solver++ ends {second} away, DDIM {first}");
    }
}

fn predicting_noise_or_actions_is_the_same(device: &Device) {
    let actions = ObjectiveConfig::Diffusion(diffusion_config(PredictionType::Sample, false));
    for kind in [SamplerKind::Ddpm, SamplerKind::Ddim, SamplerKind::DpmSolver] {
        for spacing in [TimestepSpacing::Leading, TimestepSpacing::Trailing] {
            let settings = SamplerSettings { kind, steps: 10, spacing };
            let noise = || Noise {
                initial: tensor(&STARTS, device),
                steps: vec![tensor(&[0.3, -0.7, 1.1, 0.0, -1.9], device); 9],
            };
            let from_noise = sample(settings, &diffusion(), noise(), best_noise);
            let from_actions = sample(settings, &actions, noise(), best_actions);
            let apart = largest_difference(&from_noise, &from_actions);
            assert!(apart < 2e-3, "{kind}, {spacing:?}: {apart} apart");
        }
    }
}

/// Standard normal numbers, always the same.
struct Normal(u64);

impl Normal {
    /// Uniform in `(0, 1)`.
    fn uniform(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        ((bits >> 41) as f32 + 0.5) / 8_388_608.0
    }

    fn tensor(&mut self, count: usize, device: &Device) -> Tensor<3> {
        let normal = |radius: f32, angle: f32| (-2.0 * radius.ln()).sqrt() * (std::f32::consts::TAU * angle).cos();
        let values: Vec<f32> = (0..count).map(|_| normal(self.uniform(), self.uniform())).collect();
        tensor(&values, device)
    }
}

fn ddpm_samples_the_distribution(device: &Device) {
    let count = 4096;
    let mut normal = Normal(7);
    let steps = (1..TIMESTEPS).map(|_| normal.tensor(count, device)).collect();
    let noise = Noise { initial: normal.tensor(count, device), steps };
    let settings = SamplerSettings { kind: SamplerKind::Ddpm, steps: TIMESTEPS, spacing: TimestepSpacing::Leading };
    let found = sample(settings, &diffusion(), noise, best_noise);

    let count = found.len() as f64;
    let mean = found.iter().map(|x| f64::from(*x)).sum::<f64>() / count;
    let variance = found.iter().map(|x| (f64::from(*x) - mean).powi(2)).sum::<f64>() / count;
    assert!((mean - f64::from(MEAN)).abs() < 0.03, "the mean is {mean} instead of {MEAN}");
    // A hundred steps with the smaller of the two variances fall 3 % short of it.
    assert!((0.45..0.52).contains(&variance.sqrt()), "the deviation is {} instead of {DEVIATION}", variance.sqrt());
}

fn clipping_bounds_the_actions(device: &Device) {
    let clipped = ObjectiveConfig::Diffusion(diffusion_config(PredictionType::Epsilon, true));
    let far = [-50.0, -3.0, 0.1, 3.0, 50.0];
    for kind in [SamplerKind::Ddpm, SamplerKind::Ddim, SamplerKind::DpmSolver] {
        let noise = || Noise { initial: tensor(&far, device), steps: vec![tensor(&far, device); 9] };
        let network = |query: &Query| query.x.clone() * 0.0;
        let found = sample(trailing(kind, 10), &clipped, noise(), network);
        assert!(found.iter().all(|x| x.abs() <= 1.0), "{kind} with clipping gives {found:?}");
        let found = sample(trailing(kind, 10), &diffusion(), noise(), network);
        assert!(found.iter().any(|x| x.abs() > 1.0), "{kind} without clipping gives {found:?}");
    }
}

fn every_evaluation_is_the_declared_one(device: &Device) {
    for kind in SamplerKind::ALL {
        let objective = objective_of(kind);
        for (steps, spacing) in
            (1..=20).flat_map(|steps| [(steps, TimestepSpacing::Leading), (steps, TimestepSpacing::Trailing)])
        {
            let settings = SamplerSettings { kind, steps, spacing };
            let what = format!("{kind}, {steps} steps, {spacing:?}");
            let noise = Noise {
                initial: tensor(&[0.5], device),
                steps: vec![tensor(&[0.1], device); settings.n_step_noises()],
            };
            let mut sampler = Sampler::new(settings, &objective, None, noise).expect("settings that fit");
            let mut found = Vec::new();
            while let Some(query) = sampler.query() {
                assert_eq!(query.index, found.len(), "{what}: index");
                assert_eq!(query.x.dims(), [1, 1, 1], "{what}: shape");
                found.push(query.timestep);
                sampler.feed(query.x * 0.5);
            }
            assert_eq!(found, settings.evaluations(&objective), "{what}: timesteps");
            let per_step = match kind {
                SamplerKind::Midpoint => 2,
                SamplerKind::Rk4 => 4,
                _ => 1,
            };
            assert_eq!(found.len(), steps * per_step, "{what}: evaluations");

            let before = values(sampler.clone().finish());
            sampler.feed(tensor(&[9.0], device));
            assert_eq!(values(sampler.finish()), before, "{what}: answers after the end change nothing");
        }
    }
    let first = trailing(SamplerKind::Ddim, 7).evaluations(&diffusion())[0];
    assert_eq!(first, 99.0, "trailing steps begin at full noise");
}

fn noise_is_demanded_where_it_is_needed(device: &Device) {
    for kind in SamplerKind::ALL {
        let settings = SamplerSettings { kind, steps: 5, spacing: TimestepSpacing::Leading };
        let needed = if kind == SamplerKind::Ddpm { 4 } else { 0 };
        assert_eq!(settings.n_step_noises(), needed, "{kind}");
        let sampler = |count: usize| {
            let noise = Noise { initial: tensor(&[0.5], device), steps: vec![tensor(&[0.1], device); count] };
            Sampler::new(settings, &objective_of(kind), None, noise)
        };
        assert!(sampler(needed).is_ok(), "{kind} is content with {needed} noises");
        for too_few in 0..needed {
            let error = sampler(too_few).expect_err("too little noise");
            assert!(matches!(error, PolicyError::Noise { .. }), "{kind} with {too_few} noises: {error}");
        }
    }
}

fn impossible_settings_are_refused(device: &Device) {
    use SamplerKind::{Ddim, Ddpm, DpmSolver, Euler, Midpoint, Rk4};
    let mut refused = Vec::new();
    refused.extend([Ddpm, Ddim, DpmSolver].map(|kind| (kind, 0, diffusion())));
    refused.extend([Ddpm, Ddim, DpmSolver].map(|kind| (kind, TIMESTEPS + 1, diffusion())));
    refused.extend([Ddpm, Ddim, DpmSolver].map(|kind| (kind, usize::MAX, diffusion())));
    refused.extend([Ddpm, Ddim, DpmSolver].map(|kind| (kind, 10, flow())));
    refused.extend([Euler, Midpoint, Rk4].map(|kind| (kind, 0, flow())));
    refused.extend([Euler, Midpoint, Rk4].map(|kind| (kind, usize::MAX, flow())));
    refused.extend([Euler, Midpoint, Rk4].map(|kind| (kind, 10, diffusion())));
    for (kind, steps, objective) in refused {
        for spacing in [TimestepSpacing::Leading, TimestepSpacing::Trailing] {
            let settings = SamplerSettings { kind, steps, spacing };
            let validated = settings.validate(&objective).expect_err("impossible settings");
            let started = Sampler::new(settings, &objective, None, only(tensor(&[0.5], device)))
                .expect_err("impossible settings");
            for error in [validated, started] {
                let names_it = matches!(&error, PolicyError::Sampler { sampler, .. } if *sampler == kind.name());
                assert!(names_it, "{kind}, {steps} steps: {error}");
            }
        }
    }
    let all = SamplerSettings { kind: Ddim, steps: TIMESTEPS, spacing: TimestepSpacing::Trailing };
    assert!(all.validate(&diffusion()).is_ok(), "every timestep may be a step");
}

fn a_constant_velocity_is_integrated_exactly(device: &Device) {
    let velocity = [3.0, -1.0, 0.25, 0.0, 10.0];
    let expected: Vec<f32> = STARTS.iter().zip(velocity).map(|(x, velocity)| x + velocity).collect();
    for kind in [SamplerKind::Euler, SamplerKind::Midpoint, SamplerKind::Rk4] {
        for steps in [1, 3, 10] {
            let network = |_: &Query| tensor(&velocity, device);
            let found = sample(trailing(kind, steps), &flow(), only(tensor(&STARTS, device)), network);
            assert_close(&format!("{kind} with {steps} steps"), &found, &expected, FORWARD);
        }
    }
}

/// Error at `t = 1` on `dx/dt = (1 + t) x`, whose solution is `x(1) = x(0) exp(3/2)`.
fn error_of_growth(kind: SamplerKind, steps: usize, device: &Device) -> f32 {
    let network = |query: &Query| query.x.clone() * (1.0 + query.timestep);
    let found = sample(trailing(kind, steps), &flow(), only(tensor(&[1.0], device)), network);
    (found[0] - 1.5_f32.exp()).abs()
}

fn integrators_have_their_order(device: &Device) {
    // Halving the steps divides the error by 2, 4 and 16, less what the higher terms take.
    let orders =
        [(SamplerKind::Euler, 16, 1.8..2.1), (SamplerKind::Midpoint, 16, 3.5..4.2), (SamplerKind::Rk4, 4, 12.0..17.0)];
    for (kind, steps, expected) in orders {
        let gain = error_of_growth(kind, steps, device) / error_of_growth(kind, 2 * steps, device);
        assert!(expected.contains(&gain), "{kind}: half the step is {gain} times as good, {expected:?} is its order");
    }
    let euler = error_of_growth(SamplerKind::Euler, 32, device);
    let midpoint = error_of_growth(SamplerKind::Midpoint, 16, device);
    let rk4 = error_of_growth(SamplerKind::Rk4, 8, device);
    assert!(midpoint * 10.0 < euler, "32 evaluations: midpoint is off by {midpoint}, Euler by {euler}");
    assert!(rk4 * 50.0 < midpoint, "32 evaluations: Runge-Kutta is off by {rk4}, midpoint by {midpoint}");
}

/// The first and the last projection of the denoiser: values and shape.
#[derive(Default)]
struct Projections(HashMap<String, (Vec<f32>, Vec<usize>)>);

impl NamedVisitor for Projections {
    fn visit<const D: usize>(&mut self, key: &str, _: Layout, param: &Param<Tensor<D>>) {
        if let Some(name) = key.strip_prefix("noise_predictor.").filter(|name| name.contains("put_proj.")) {
            let value = param.val();
            let shape = value.dims().to_vec();
            let values = value.into_data().try_to_vec::<f32>().expect("single precision");
            self.0.insert(name.to_owned(), (values, shape));
        }
    }
}

impl Projections {
    /// `x · weight + bias`, with `x` as rows of the weight's height.
    fn project(&self, name: &str, x: &[f32]) -> Vec<f32> {
        let (weight, shape) = &self.0[&format!("{name}.weight")];
        let (bias, _) = &self.0[&format!("{name}.bias")];
        let [height, width] = [shape[0], shape[1]];
        let column = |row: &[f32], j: usize| (0..height).fold(bias[j], |sum, i| sum + row[i] * weight[i * width + j]);
        x.chunks(height).flat_map(|row| (0..width).map(|j| column(row, j)).collect::<Vec<_>>()).collect()
    }
}

fn a_new_block_is_the_identity(device: &Device) {
    let mut compared = 0;
    for case in cases().iter().filter(|case| !case.config.denoiser.use_positional_encoding) {
        let policy = case.policy(device);
        let network = Network::init(&case.config, policy.clip(), Precision::F32, device);
        let vision_width = policy.clip().vision_config.as_ref().map_or(0, |vision| vision.hidden_size);
        let width = case.config.conditioning_dim(vision_width);
        let conditioning = |scale: f32| {
            let values = (0..width).map(|i| scale * (i as f32).sin()).collect();
            Conditioning { vector: Tensor::from_data(TensorData::new(values, [1, width]), device) }
        };
        let shape = [1, case.config.horizon, case.config.action_dim];
        let noisy: Vec<f32> = (0..shape[1] * shape[2]).map(|i| (i as f32 * 0.7).cos()).collect();
        let x = || Tensor::<3>::from_data(TensorData::new(noisy.clone(), shape), device);

        let forward = |network: &Network, time: f32, scale: f32| {
            values(network.noise_predictor.forward(x(), &[time], &conditioning(scale), None))
        };
        let new = forward(&network, 0.0, 0.0);
        assert_eq!(new, forward(&network, 0.75, 2.0), "{}: neither time nor conditioning matter yet", case.name);
        assert!(
            largest_difference(&forward(policy.network(), 0.0, 0.0), &forward(policy.network(), 0.75, 2.0)) > 1e-3,
            "{}: they matter to trained weights",
            case.name
        );
        let mut projections = Projections::default();
        visit_named(&network, KeyMap::new(&case.config), &mut projections);
        let expected = projections.project("output_proj", &projections.project("input_proj", &noisy));
        assert_close(&format!("{}: new blocks", case.name), &new, &expected, FORWARD);

        let denoiser = &network.noise_predictor;
        let split = denoiser.denoise(x(), &denoiser.time(&[0.5]), &denoiser.condition(&conditioning(1.0)));
        assert_close(&format!("{}: new blocks in sampling", case.name), &values(split), &expected, FORWARD);
        compared += 1;
    }
    assert!(compared > 0, "there is a policy without learned positions");
}
