//! Noisy actions, time and conditioning to a prediction: the diffusion transformer (contract section 5.4).
//!
//! Every block's modulation is a linear function of `silu([time ‖ conditioning])`, so it splits exactly into a part of the
//! time and a part of the conditioning. Sampling computes the first once per set of timesteps and the second once per
//! chunk; training computes their sum as one product.

pub mod attention;
pub mod block;
pub mod timestep;

use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::{Device, Tensor};

pub use attention::{Attention, Rope};
pub use block::Block;
pub use timestep::TimeMlp;

use block::unit_scales;

use crate::conditioning::Conditioning;
use crate::config::{PolicyConfig, Precision};
use crate::linear::{Linear, silu};

/// The diffusion transformer.
#[derive(Module, Debug)]
pub struct Denoiser {
    time_mlp: TimeMlp,
    input_proj: Linear,
    pos_embedding: Option<Param<Tensor<3>>>, // [1, horizon, hidden]
    transformer_blocks: Vec<Block>,
    output_proj: Linear,
    #[module(skip)]
    timestep_embed_dim: usize,
    #[module(skip)]
    rope_base: Option<f64>,
    #[module(skip)]
    head_dim: usize,
    #[module(skip)]
    horizon: usize,
}

/// One part of every block's modulation: `[rows, 6 * hidden]` per block; the time's part has the rotary tables with it.
#[derive(Clone, Debug)]
pub struct Modulation {
    blocks: Vec<Tensor<2>>,
    rope: Option<Rope>,
}

impl Modulation {
    /// One row of every block, `[1, 6 * hidden]`.
    #[must_use]
    pub fn row(&self, index: usize) -> Self {
        let blocks = self.blocks.iter().map(|block| block.clone().slice_dim(0, index..index + 1)).collect();
        Self { blocks, rope: self.rope.clone() }
    }
}

impl Denoiser {
    pub(crate) fn init(config: &PolicyConfig, vision_width: usize, precision: Precision, device: &Device) -> Self {
        let denoiser = &config.denoiser;
        let hidden = denoiser.hidden_dim;
        let condition = denoiser.timestep_embed_dim + config.conditioning_dim(vision_width);
        let position = Initializer::Normal { mean: 0.0, std: 0.02 };
        Self {
            time_mlp: TimeMlp::init(denoiser.timestep_embed_dim, precision, device),
            input_proj: Linear::uniform([config.action_dim, hidden], precision, device),
            pos_embedding: denoiser.use_positional_encoding.then(|| position.init([1, config.horizon, hidden], device)),
            transformer_blocks: (0..denoiser.num_layers)
                .map(|_| Block::init(denoiser, condition, precision, device))
                .collect(),
            output_proj: Linear::uniform([hidden, config.action_dim], precision, device),
            timestep_embed_dim: denoiser.timestep_embed_dim,
            rope_base: denoiser.use_rope.then_some(denoiser.rope_base),
            head_dim: hidden / denoiser.num_heads,
            horizon: config.horizon,
        }
    }

    /// The prediction in training: `[batch, horizon, action_dim]` for one timestep per sample.
    ///
    /// `dropout` holds one mask `[batch, heads, horizon, horizon]` per block, drawn by the caller.
    pub fn forward(
        &self,
        noisy: Tensor<3>,
        timesteps: &[f32],
        conditioning: &Conditioning,
        dropout: Option<&[Tensor<4>]>,
    ) -> Tensor<3> {
        let time = self.time_mlp.forward(timesteps); // [batch, timestep_embed_dim]
        let condition = silu(Tensor::cat(vec![time, conditioning.vector.clone()], 1));
        let modulations =
            self.transformer_blocks.iter().map(|block| unit_scales(block.ada_ln_modulation.forward(condition.clone())));
        let rope = self.rope(&noisy.device());
        self.blocks(noisy, modulations, rope.as_ref(), dropout)
    }

    /// The conditioning's part of every modulation: once per chunk.
    pub fn condition(&self, conditioning: &Conditioning) -> Modulation {
        let condition = silu(conditioning.vector.clone());
        let [_, width] = condition.dims();
        let rows = self.timestep_embed_dim..self.timestep_embed_dim + width;
        let blocks = self.modulation(&condition, rows, true).into_iter().map(unit_scales);
        Modulation { blocks: blocks.collect(), rope: None }
    }

    /// The time's part of every modulation, one row per timestep: once per checkpoint and sampler.
    pub fn time(&self, timesteps: &[f32]) -> Modulation {
        let time = silu(self.time_mlp.forward(timesteps));
        let blocks = self.modulation(&time, 0..self.timestep_embed_dim, false);
        Modulation { blocks, rope: self.rope(&time.device()) }
    }

    /// The prediction while sampling: `[batch, horizon, action_dim]` at one timestep for the whole batch.
    pub fn denoise(&self, noisy: Tensor<3>, time: &Modulation, condition: &Modulation) -> Tensor<3> {
        let modulations =
            time.blocks.iter().zip(&condition.blocks).map(|(time, condition)| time.clone() + condition.clone());
        self.blocks(noisy, modulations, time.rope.as_ref(), None)
    }

    /// The time embedding alone, `[times, timestep_embed_dim]`.
    pub fn time_embedding(&self, timesteps: &[f32]) -> Tensor<2> {
        self.time_mlp.forward(timesteps)
    }

    fn modulation(&self, condition: &Tensor<2>, rows: core::ops::Range<usize>, bias: bool) -> Vec<Tensor<2>> {
        let blocks = self.transformer_blocks.iter();
        blocks.map(|block| block.ada_ln_modulation.forward_part(condition.clone(), rows.clone(), bias)).collect()
    }

    fn rope(&self, device: &Device) -> Option<Rope> {
        self.rope_base.map(|base| Rope::new(self.horizon, self.head_dim, base, device))
    }

    fn blocks(
        &self,
        noisy: Tensor<3>,
        modulations: impl Iterator<Item = Tensor<2>>,
        rope: Option<&Rope>,
        dropout: Option<&[Tensor<4>]>,
    ) -> Tensor<3> {
        let x = self.input_proj.forward(noisy); // [batch, horizon, hidden]
        let x = match &self.pos_embedding {
            Some(position) => x + position.val(),
            None => x,
        };
        let blocks = self.transformer_blocks.iter().zip(modulations).enumerate();
        let x = blocks
            .fold(x, |x, (i, (block, modulation))| block.forward(x, modulation, rope, dropout.map(|masks| &masks[i])));
        self.output_proj.forward(x) // [batch, horizon, action_dim]
    }
}
