//! Every stage, from preprocessing to the sampled chunk, equals `LeRobot`'s on every golden case.

use std::env;
use std::fs::OpenOptions;
use std::io::Write;

use burn::tensor::Device;
use mtdit_policy::objective::Objective;
use mtdit_policy::{Policy, SamplerSettings};
use mtdit_tests::measure::{self, Measured};
use mtdit_tests::{Case, FORWARD, assert_close, cases, on_every_backend};
use pollster::block_on;

on_every_backend!(
    preprocessing_equals_lerobot,
    encoders_equal_lerobot,
    conditioning_equals_lerobot,
    denoiser_equals_lerobot,
    schedule_equals_diffusers,
    samples_equal_lerobot,
);

/// Holds one stage to its tolerance on every case.
fn hold(stage: &str, device: &Device, measure: impl Fn(&Case, &Policy) -> Vec<Measured>) {
    for case in cases() {
        let measured = measure(&case, &case.policy(device));
        record(stage, device, &case, &measured);
        measured.iter().for_each(Measured::hold);
    }
}

/// Adds a line to the matrix of backends and cases, when one is asked for.
fn record(stage: &str, device: &Device, case: &Case, measured: &[Measured]) {
    let Some(path) = env::var_os("MTDIT_MATRIX") else { return };
    let backend = format!("{device:?}").to_lowercase();
    let known = ["flex", "ndarray", "wgpu", "cuda"].into_iter().find(|name| backend.contains(name));
    let backend = known.unwrap_or("other");
    let mut file = OpenOptions::new().create(true).append(true).open(path).expect("a file for the matrix");
    let line = serde_json::json!({ "backend": backend, "case": case.name, "stage": stage, "measured": measured });
    writeln!(file, "{line}").expect("space for the matrix");
}

fn preprocessing_equals_lerobot(device: &Device) {
    hold("preprocess", device, |case, policy| block_on(measure::preprocessing(case, policy)));
}

fn encoders_equal_lerobot(device: &Device) {
    hold("encoders", device, |case, policy| block_on(measure::encoders(case, policy)));
}

fn conditioning_equals_lerobot(device: &Device) {
    hold("conditioning", device, |case, policy| block_on(measure::conditioning(case, policy)));
}

fn denoiser_equals_lerobot(device: &Device) {
    hold("denoiser", device, |case, policy| block_on(measure::denoiser(case, policy)));
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
    hold("sample", device, |case, policy| block_on(measure::samples(case, policy)));
}
