//! Gradients to new parameters: Adam with two groups, in which the vision tower learns more slowly (contract section 5.10).
//!
//! Kingma and Ba, "Adam" (2015), with `PyTorch`'s order of operations. Moments are kept by checkpoint key, which is how
//! `LeRobot`'s optimizer state is written.

use burn::module::Param;
use burn::tensor::Tensor;
use indexmap::IndexMap;
use mtdit_policy::Network;
use mtdit_policy::checkpoint::keys::{KeyMap, Layout, NamedMapper, map_named};

use crate::gradients::NamedGradients;

/// Adam's constants.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamConfig {
    /// Decay of both moments.
    pub betas: [f64; 2],
    /// Added to the root of the second moment.
    pub eps: f64,
    /// L2 penalty, added to the gradient.
    pub weight_decay: f64,
}

/// What Adam remembers of one parameter, flattened in the parameter's own layout.
#[derive(Clone, Debug)]
pub struct Moments {
    /// Running mean of the gradient.
    pub exp_avg: Tensor<1>,
    /// Running mean of its square.
    pub exp_avg_sq: Tensor<1>,
    /// Updates so far.
    pub step: u32,
}

/// The optimizer.
#[derive(Clone, Debug)]
pub struct Adam {
    config: AdamConfig,
    moments: IndexMap<String, Moments>,
}

/// Learning rates of the two groups.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LearningRates {
    /// Of everything but the vision towers.
    pub base: f64,
    /// Of the vision towers.
    pub vision: f64,
}

impl LearningRates {
    fn of(self, key: &str) -> f64 {
        if key.starts_with("observation_encoder.vision_encoder") { self.vision } else { self.base }
    }
}

impl Adam {
    /// A fresh optimizer.
    pub fn new(config: AdamConfig) -> Self {
        Self { config, moments: IndexMap::new() }
    }

    /// Moves every parameter that has a gradient. The network stays on its tape.
    pub fn step(&mut self, network: Network, keys: KeyMap, gradients: NamedGradients, rates: LearningRates) -> Network {
        map_named(network, keys, &mut Update { adam: self, gradients, rates })
    }

    /// What is remembered, by checkpoint key.
    pub fn moments(&self) -> &IndexMap<String, Moments> {
        &self.moments
    }

    /// Takes over what an earlier run remembered.
    pub fn restore(&mut self, moments: IndexMap<String, Moments>) {
        self.moments = moments;
    }

    fn update(&mut self, key: &str, value: Tensor<1>, gradient: Tensor<1>, lr: f64) -> Tensor<1> {
        let AdamConfig { betas: [beta1, beta2], eps, weight_decay } = self.config;
        let gradient = if weight_decay == 0.0 { gradient } else { gradient + value.clone() * weight_decay };
        let before = self.moments.swap_remove(key);
        let squared = gradient.clone() * gradient.clone() * (1.0 - beta2);
        let (exp_avg, exp_avg_sq, step) = match before {
            Some(Moments { exp_avg, exp_avg_sq, step }) => {
                (exp_avg * beta1 + gradient * (1.0 - beta1), exp_avg_sq * beta2 + squared, step + 1)
            }
            None => (gradient * (1.0 - beta1), squared, 1),
        };
        let correction = |beta: f64| 1.0 - libm::pow(beta, f64::from(step));
        let denominator = exp_avg_sq.clone().sqrt() / correction(beta2).sqrt() + eps;
        let value = value - exp_avg.clone() / denominator * (lr / correction(beta1));
        self.moments.insert(key.to_owned(), Moments { exp_avg, exp_avg_sq, step });
        value
    }
}

struct Update<'a> {
    adam: &'a mut Adam,
    gradients: NamedGradients,
    rates: LearningRates,
}

impl NamedMapper for Update<'_> {
    fn map<const D: usize>(&mut self, key: &str, _: Layout, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(gradient) = self.gradients.take(key) else { return param };
        let (id, value, _) = param.consume();
        let shape = value.dims();
        let value = value.without_autodiff();
        let flat = value.reshape([gradient.dims()[0]]);
        let moved = self.adam.update(key, flat, gradient, self.rates.of(key));
        Param::initialized(id, Tensor::from_inner(moved.reshape(shape)).require_grad())
    }
}
