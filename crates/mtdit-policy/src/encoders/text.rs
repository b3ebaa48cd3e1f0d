//! Instruction to feature: the frozen CLIP text tower and its trained projection (contract section 5.2).

use burn::module::{Module, Param};
use burn::nn::{Initializer, LayerNorm};
use burn::tensor::{Device, Int, Tensor, TensorData, module};

use super::clip::{ClipTextConfig, ClipTransformer, TransformerShape, layer_norm};
use crate::config::Precision;
use crate::linear::Linear;

/// The text tower and the projection to the denoiser's width.
#[derive(Module, Debug)]
pub struct TextEncoder {
    token_embedding: Param<Tensor<2>>,    // [vocabulary, width]
    position_embedding: Param<Tensor<2>>, // [positions, width]
    encoder: ClipTransformer,
    final_layer_norm: LayerNorm,
    /// The only trained part.
    pub projection: Linear,
    #[module(skip)]
    eos_token_id: u32,
}

impl TextEncoder {
    /// Random weights as transformers initialises CLIP; the tower's do not train.
    pub(crate) fn init(config: &ClipTextConfig, hidden_dim: usize, precision: Precision, device: &Device) -> Self {
        let width = config.hidden_size;
        let embedding = Initializer::Normal { mean: 0.0, std: 0.02 };
        // The tower stays in single precision: it runs once per instruction.
        let shape = TransformerShape {
            width,
            mlp_width: config.intermediate_size,
            layers: config.num_hidden_layers,
            heads: config.num_attention_heads,
            activation: config.hidden_act,
            epsilon: config.layer_norm_eps,
            precision: Precision::F32,
        };
        let frozen = |param: Param<Tensor<2>>| param.set_require_grad(false);
        Self {
            token_embedding: frozen(embedding.init([config.vocab_size, width], device)),
            position_embedding: frozen(embedding.init([config.max_position_embeddings, width], device)),
            encoder: ClipTransformer::init(&shape, device).no_grad(),
            final_layer_norm: layer_norm(width, config.layer_norm_eps, device).no_grad(),
            projection: Linear::uniform([width, hidden_dim], precision, device),
            eos_token_id: config.eos_token_id,
        }
    }

    /// Token ids of each instruction to the pooled feature `[instructions, width]` at their first end-of-text token.
    ///
    /// Attention is causal, so nothing after that token matters: sequences are cut there.
    pub fn pooled(&self, instructions: &[Vec<u32>]) -> Tensor<2> {
        let ends: Vec<usize> = instructions.iter().map(|tokens| self.end_of_text(tokens)).collect();
        let length = ends.iter().max().map_or(0, |end| end + 1);
        let batch = instructions.len();
        let ids: Vec<i32> = instructions
            .iter()
            .flat_map(|tokens| (0..length).map(|i| tokens.get(i).map_or(0, |&id| id.cast_signed())))
            .collect();

        let device = self.token_embedding.val().device();
        let ids = Tensor::<2, Int>::from_data(TensorData::new(ids, [batch, length]), &device);
        let tokens = module::embedding(self.token_embedding.val(), ids); // [instructions, tokens, width]
        let [_, _, width] = tokens.dims();
        let positions = self.position_embedding.val().slice([0..length, 0..width]);
        let tokens = self.encoder.forward(tokens + positions.unsqueeze::<3>(), true);
        let tokens = self.final_layer_norm.forward(tokens);
        let at_end = ends
            .iter()
            .enumerate()
            .map(|(i, &end)| tokens.clone().slice([i..i + 1, end..end + 1, 0..width]).reshape([1, width]))
            .collect();
        Tensor::cat(at_end, 0) // [instructions, width]
    }

    /// Pooled features to the denoiser's width, `[instructions, hidden_dim]`.
    pub fn project(&self, pooled: Tensor<2>) -> Tensor<2> {
        self.projection.forward(pooled)
    }

    /// transformers' two rules; the first position when no token fits.
    fn end_of_text(&self, tokens: &[u32]) -> usize {
        let found = if self.eos_token_id == 2 {
            let largest = tokens.iter().max();
            tokens.iter().position(|id| Some(id) == largest)
        } else {
            tokens.iter().position(|&id| id == self.eos_token_id)
        };
        found.unwrap_or(0)
    }
}
