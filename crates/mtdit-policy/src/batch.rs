//! Training's entry: inputs, the actions that were really taken, and chance, drawn by the caller.

use burn::tensor::Tensor;

use crate::preprocess::Inputs;

/// One batch of training samples.
#[derive(Clone, Debug)]
pub struct Batch {
    /// What the policy would see.
    pub inputs: Inputs,
    /// Normalised actions, `[batch, horizon, action_dim]`.
    pub actions: Tensor<3>,
    /// 1 where an action lies outside its episode, `[batch, horizon]`.
    pub action_is_pad: Tensor<2>,
}

/// Everything random in one evaluation of the loss. `draws` is a multiple of `batch`: every sample may be denoised from several
/// noises while its pictures are encoded once; draw `i` is of sample `i % batch`.
#[derive(Clone, Debug)]
pub struct Chance {
    /// `[draws, horizon, action_dim]`, standard normal.
    pub noise: Tensor<3>,
    /// One per draw: whole numbers for diffusion, in `[0, 1]` for flow matching.
    pub timesteps: Vec<f32>,
    /// One mask `[draws, heads, horizon, horizon]` per block, 0 or `1/(1-p)`; none outside training.
    pub dropout: Option<Vec<Tensor<4>>>,
}

impl Chance {
    /// What concerns some samples of the batch, for whoever computes them alone.
    #[must_use]
    pub fn part(&self, samples: core::ops::Range<usize>, batch: usize) -> Self {
        let draws: Vec<_> = (0..self.timesteps.len() / batch)
            .map(|repeat| repeat * batch + samples.start..repeat * batch + samples.end)
            .collect();
        Self {
            noise: rows(&self.noise, &draws),
            timesteps: draws.iter().flat_map(|draws| &self.timesteps[draws.clone()]).copied().collect(),
            dropout: self.dropout.as_ref().map(|masks| masks.iter().map(|mask| rows(mask, &draws)).collect()),
        }
    }
}

fn rows<const D: usize>(tensor: &Tensor<D>, ranges: &[core::ops::Range<usize>]) -> Tensor<D> {
    Tensor::cat(ranges.iter().map(|range| tensor.clone().slice_dim(0, range.clone())).collect(), 0)
}
