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

/// Everything random in one evaluation of the loss.
#[derive(Clone, Debug)]
pub struct Chance {
    /// `[batch, horizon, action_dim]`, standard normal.
    pub noise: Tensor<3>,
    /// One per sample: whole numbers for diffusion, in `[0, 1]` for flow matching.
    pub timesteps: Vec<f32>,
    /// One mask `[batch, heads, horizon, horizon]` per block, 0 or `1/(1-p)`; none outside training.
    pub dropout: Option<Vec<Tensor<4>>>,
}
