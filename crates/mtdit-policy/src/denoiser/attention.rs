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
        let part = |range: core::ops::Range<usize>| {
            let count = range.len() * batch;
            qkv.clone().slice_dim(0, range).reshape([count, self.heads, horizon, head_dim])
        };
        // Queries and keys turn together.
        let turned = match rope {
            Some(rope) => rope.rotate(part(0..2)),
            None => part(0..2),
        };
        let query = turned.clone().slice_dim(0, 0..batch) * as_f64(head_dim).sqrt().recip();
        let key = turned.slice_dim(0, batch..2 * batch);
        let value = part(2..3);

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

/// Rotary positions: cosines and sines of every position and channel, `[1, 1, horizon, head_dim]`, and the matrix
/// `[head_dim, head_dim]` that exchanges the halves of a head and negates the second.
#[derive(Clone, Debug)]
pub struct Rope {
    cos: Tensor<4>,
    sin: Tensor<4>,
    exchange: Tensor<2>,
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
        let mut exchange = vec![0.0_f32; head_dim * head_dim];
        for i in 0..half {
            exchange[(half + i) * head_dim + i] = -1.0;
            exchange[i * head_dim + half + i] = 1.0;
        }
        let exchange = Tensor::from_data(TensorData::new(exchange, [head_dim, head_dim]), device);
        Self { cos: table(libm::cos), sin: table(libm::sin), exchange }
    }

    /// Rotates pairs `(i, i + head_dim/2)` of `[batch, heads, horizon, head_dim]`. The product with zeros and ones is exact, and
    /// one operation where slices and a concatenation are five.
    fn rotate(&self, x: Tensor<4>) -> Tensor<4> {
        let [batch, heads, horizon, head_dim] = x.dims();
        let exchanged = x.clone().reshape([batch * heads * horizon, head_dim]).matmul(self.exchange.clone());
        x * self.cos.clone() + exchanged.reshape([batch, heads, horizon, head_dim]) * self.sin.clone()
    }
}
