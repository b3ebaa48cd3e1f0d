//! A transformer block whose layer norms are shifted, scaled and gated by the condition: adaLN-Zero.
//!
//! Peebles and Xie, "Scalable Diffusion Models with Transformers" (2023), section 3.2; contract section 5.4.

use burn::module::Module;
use burn::nn::Initializer;
use burn::tensor::{Device, Tensor};

use super::attention::{Attention, Rope};
use crate::config::{DenoiserConfig, Precision};
use crate::linear::{Linear, gelu_tanh};

/// One block.
#[derive(Module, Debug)]
pub struct Block {
    attn: Attention,
    mlp: Mlp,
    /// `[timestep_embed_dim + conditioning_dim, 6 * hidden]`: by far the largest matrix of the network.
    pub(super) ada_ln_modulation: Linear,
}

/// Feed-forward layers.
#[derive(Module, Debug)]
pub struct Mlp {
    fc1: Linear,
    fc2: Linear,
}

impl Block {
    /// The modulation starts at zero, so that a new block is the identity.
    pub(crate) fn init(config: &DenoiserConfig, condition: usize, precision: Precision, device: &Device) -> Self {
        let hidden = config.hidden_dim;
        let zeros = Initializer::Zeros;
        Self {
            attn: Attention::init(config, precision, device),
            mlp: Mlp {
                fc1: Linear::uniform([hidden, 4 * hidden], precision, device),
                fc2: Linear::uniform([4 * hidden, hidden], precision, device),
            },
            ada_ln_modulation: Linear::new([condition, 6 * hidden], &zeros, &zeros, precision, device),
        }
    }

    /// `[batch, horizon, hidden]` to the same, under a modulation `[batch, 6 * hidden]` whose scales hold their unit already
    /// (see `unit_scales`).
    pub fn forward(
        &self,
        x: Tensor<3>,
        modulation: Tensor<2>,
        rope: Option<&Rope>,
        dropout: Option<&Tensor<4>>,
    ) -> Tensor<3> {
        let [batch, _, hidden] = x.dims();
        let modulation = modulation.reshape([batch, 6, hidden]);
        let part = |i: usize| modulation.clone().slice_dim(1, i..i + 1); // [batch, 1, hidden]
        let [shift_msa, scale_msa, gate_msa] = [part(0), part(1), part(2)];
        let [shift_mlp, scale_mlp, gate_mlp] = [part(3), part(4), part(5)];

        let attended = self.attn.forward(modulate(x.clone(), shift_msa, scale_msa), rope, dropout);
        let x = x + gate_msa * attended;
        let mixed = self.mlp.forward(modulate(x.clone(), shift_mlp, scale_mlp));
        x + gate_mlp * mixed
    }
}

impl Mlp {
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        self.fc2.forward(gelu_tanh(self.fc1.forward(x)))
    }
}

/// What a modulation `[rows, 6 * hidden]` lacks to be multiplied with: one is added to both of its scales.
pub(super) fn unit_scales(modulation: Tensor<2>) -> Tensor<2> {
    let [rows, width] = modulation.dims();
    let units = Tensor::<1>::from_data([0.0, 1.0, 0.0, 0.0, 1.0, 0.0], &modulation.device()).reshape([1, 6, 1]);
    (modulation.reshape([rows, 6, width / 6]) + units).reshape([rows, width])
}

/// Layer norm whose weights are the condition's scale and shift, `[batch, 1, hidden]`.
fn modulate(x: Tensor<3>, shift: Tensor<3>, scale: Tensor<3>) -> Tensor<3> {
    let centered = x.clone() - x.mean_dim(2);
    let variance = (centered.clone() * centered.clone()).mean_dim(2);
    centered / (variance + 1e-6).sqrt() * scale + shift
}
