//! Trains the towers that policies of the tabletop start from, as `LeRobot`'s start from CLIP's:
//! `cargo run --release -p mtdit --example tabletop_clip -- models/tabletop-clip [--steps N] [--seed N]`.
//!
//! Instead of pairs of pictures and captions there is a world that knows what is where and what a sentence asks for. The vision tower
//! learns the one ([`sight`]), the text tower the other ([`reading`]), both with the answers as the first numbers of their feature,
//! where a policy finds them. The result has the names and formats of a CLIP model.

#![expect(clippy::print_stdout, reason = "an example reports on the terminal")]

mod reading;
mod save;
mod sight;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result};
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use mtdit_policy::checkpoint::LeRobotConfig;
use mtdit_policy::checkpoint::clip::preset;
use mtdit_policy::checkpoint::keys::KeyMap;
use mtdit_policy::{Network, PolicyConfig, Precision};
use mtdit_train::gradients::{NamedGradients, clip_factor};
use mtdit_train::optimizer::{Adam, AdamConfig, LearningRates};
use serde_json::{Value, json};

/// The name of the towers' shapes.
const CLIP: &str = "mtdit/clip-vit-tabletop-patch16";
/// The largest global norm of a gradient.
const MAX_NORM: f64 = 1.0;

fn main() -> Result<()> {
    let (mut out, mut steps, mut seed) = (None, 12_000, 0);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().with_context(|| format!("{argument} needs a number"));
        match argument.as_str() {
            "--steps" => steps = value()?.parse()?,
            "--seed" => seed = value()?.parse()?,
            _ => out = Some(PathBuf::from(argument)),
        }
    }
    let out = out.context("where to? Give a folder")?;

    let device = Device::default();
    let config = PolicyConfig::try_from(&LeRobotConfig::from_value(&policy())?)?;
    let clip = preset(CLIP).context("the towers are known by name")?;
    device.seed(seed);
    let network = Network::init(&config, &clip, Precision::F32, &device).train();
    let mut student = Student::new(network, KeyMap::new(&config));
    reading::learn(&mut student, seed)?;
    student.forget();
    sight::learn(&mut student, seed, steps)?;
    save::write(&out, &student, &clip)
}

/// A policy with these towers; of the rest nothing is used.
fn policy() -> Value {
    let picture = json!({"type": "VISUAL", "shape": [3, mtdit_tabletop::FRAME_SIZE, mtdit_tabletop::FRAME_SIZE]});
    json!({
        "type": "multi_task_dit",
        "vision_encoder_name": CLIP,
        "text_encoder_name": CLIP,
        "image_resize_shape": null,
        "image_crop_shape": null,
        "input_features": {
            "observation.images.top": picture,
            "observation.images.wrist": picture,
            "observation.state": {"type": "STATE", "shape": [mtdit_tabletop::STATE_NAMES.len()]},
        },
        "output_features": {"action": {"type": "ACTION", "shape": [mtdit_tabletop::ACTION_NAMES.len()]}},
    })
}

/// A network that learns.
struct Student {
    network: Network,
    keys: KeyMap,
    adam: Adam,
}

impl Student {
    fn new(network: Network, keys: KeyMap) -> Self {
        let adam = Adam::new(AdamConfig { betas: [0.9, 0.98], eps: 1e-8, weight_decay: 0.0 });
        Self { network, keys, adam }
    }

    /// Another subject begins.
    fn forget(&mut self) {
        *self = Self::new(self.network.clone(), self.keys);
    }

    /// One update.
    fn update(&mut self, gradients: NamedGradients, learning_rate: f64) {
        let norm = scalar(gradients.norm());
        let gradients = gradients.scale(clip_factor(norm, MAX_NORM));
        let rates = LearningRates { base: learning_rate, vision: learning_rate };
        self.network = self.adam.step(self.network.clone(), self.keys, gradients, rates);
    }
}

/// Up at the start, down at the end: the share of the learning rate at a step.
fn ramp(step: usize, steps: usize, warmup: usize) -> f64 {
    let at = |step: usize| step as f64;
    let falling = at(steps - step) / (0.7 * at(steps));
    let falling = 0.5 - 0.5 * (falling.min(1.0) * std::f64::consts::PI).cos();
    falling * (at(step + 1) / at(warmup)).min(1.0)
}

/// The one number of a tensor.
fn scalar(tensor: Tensor<1>) -> f32 {
    tensor.without_autodiff().to_data().try_to_vec().unwrap_or_default().first().copied().unwrap_or(f32::NAN)
}

/// Says how it goes.
struct Report {
    began: Instant,
    every: usize,
    sum: f32,
}

impl Report {
    fn new(every: usize) -> Self {
        Self { began: Instant::now(), every, sum: 0.0 }
    }

    fn step(&mut self, step: usize, loss: f32) {
        self.sum += loss;
        if (step + 1).is_multiple_of(self.every) {
            let (mean, seconds) = (self.sum / self.every as f32, self.began.elapsed().as_secs_f64());
            println!("step {:>6}  loss {mean:.4}  {:.3} s/step", step + 1, seconds / (step + 1) as f64);
            self.sum = 0.0;
        }
    }
}
