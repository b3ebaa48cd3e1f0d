//! Self-attention over the horizon, with rotary positions or without (contract section 5.4).

use burn::module::Module;
use burn::nn::Initializer;
use burn::tensor::{Device, Tensor, TensorData, activation};

use super::timestep::{as_f64, round};
use crate::config::{DenoiserConfig, Precision};
use crate::linear::{Linear, matmul};

/// Multi-head self-attention with one projection for queries, keys and values.
#[derive(Module, Debug)]
pub struct Attention {
    qkv_proj: Linear,
    out_proj: Linear,
    #[module(skip)]
    heads: usize,
    #[module(skip)]
    precision: Precision,
}

impl Attention {
    /// `RoPE` attention starts like two linear layers, the other like `nn.MultiheadAttention`.
    pub(crate) fn init(config: &DenoiserConfig, precision: Precision, device: &Device) -> Self {
        let hidden = config.hidden_dim;
        let shape = [hidden, 3 * hidden];
        let (qkv_proj, out_proj) = if config.use_rope {
            (Linear::uniform(shape, precision, device), Linear::uniform([hidden, hidden], precision, device))
        } else {
            let xavier = Initializer::XavierUniform { gain: 1.0 };
            let bound = 1.0 / as_f64(hidden).sqrt();
            let uniform = Initializer::Uniform { min: -bound, max: bound };
            let zeros = Initializer::Zeros;
            (
                Linear::new(shape, &xavier, &zeros, precision, device),
                Linear::new([hidden, hidden], &uniform, &zeros, precision, device),
            )
        };
        Self { qkv_proj, out_proj, heads: config.num_heads, precision }
    }

    /// `[batch, horizon, hidden]` to the same. `dropout` multiplies the probabilities `[batch, heads, horizon, horizon]`.
    pub fn forward(&self, x: Tensor<3>, rope: Option<&Rope>, dropout: Option<&Tensor<4>>) -> Tensor<3> {
        let [batch, horizon, hidden] = x.dims();
        let head_dim = hidden / self.heads;

        let qkv = self.qkv_proj.forward(x).reshape([batch, horizon, 3, self.heads, head_dim]);
        let qkv = qkv.permute([2, 0, 3, 1, 4]); // [3, batch, heads, horizon, head_dim]
        let part = |i: usize| qkv.clone().slice_dim(0, i..i + 1).reshape([batch, self.heads, horizon, head_dim]);
        let rotate = |x: Tensor<4>| match rope {
            Some(rope) => rope.rotate(x),
            None => x,
        };
        let query = rotate(part(0)) * as_f64(head_dim).sqrt().recip();
        let (key, value) = (rotate(part(1)), part(2));

        let scores = matmul(query, key.swap_dims(2, 3), self.precision); // [batch, heads, horizon, horizon]
        let probabilities = activation::softmax(scores, 3);
        let probabilities = match dropout {
            Some(mask) => probabilities * mask.clone(),
            None => probabilities,
        };
        let mixed = matmul(probabilities, value, self.precision); // [batch, heads, horizon, head_dim]
        self.out_proj.forward(mixed.swap_dims(1, 2).reshape([batch, horizon, hidden]))
    }
}

/// Rotary positions: cosines and sines of every position and channel, `[1, 1, horizon, head_dim]`.
#[derive(Clone, Debug)]
pub struct Rope {
    cos: Tensor<4>,
    sin: Tensor<4>,
}

impl Rope {
    /// Tables for `horizon` positions; the frequencies are `base^(-2i/head_dim)`, each used twice.
    pub fn new(horizon: usize, head_dim: usize, base: f64, device: &Device) -> Self {
        let half = head_dim / 2;
        let frequency = |i: usize| 1.0 / round(libm::pow(base, as_f64(2 * i) / as_f64(head_dim)));
        let angles: Vec<f64> = (0..horizon)
            .flat_map(|position| (0..head_dim).map(move |i| (position, i % half)))
            .map(|(position, i)| f64::from(round(as_f64(position)) * frequency(i)))
            .collect();
        let table = |f: fn(f64) -> f64| {
            let values: Vec<f32> = angles.iter().map(|&angle| round(f(angle))).collect();
            Tensor::from_data(TensorData::new(values, [1, 1, horizon, head_dim]), device)
        };
        Self { cos: table(libm::cos), sin: table(libm::sin) }
    }

    /// Rotates pairs `(i, i + head_dim/2)` of `[batch, heads, horizon, head_dim]`.
    fn rotate(&self, x: Tensor<4>) -> Tensor<4> {
        let half = x.dims()[3] / 2;
        let first = x.clone().slice_dim(3, 0..half);
        let second = x.clone().slice_dim(3, half..2 * half);
        let rotated = Tensor::cat(vec![second.neg(), first], 3);
        x * self.cos.clone() + rotated * self.sin.clone()
    }
}
