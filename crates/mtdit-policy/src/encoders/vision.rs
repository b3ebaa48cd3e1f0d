//! Picture to feature: the CLIP vision tower, read at its class token (contract section 5.1).

use burn::module::{Module, Param};
use burn::nn::{Initializer, LayerNorm};
use burn::tensor::{Device, Tensor};

use super::clip::{ClipTransformer, ClipVisionConfig, TransformerShape, as_f64, layer_norm};
use crate::config::Precision;
use crate::linear::project;

/// One vision tower.
#[derive(Module, Debug)]
pub struct VisionEncoder {
    class_embedding: Param<Tensor<1>>,    // [width]
    patch_embedding: Param<Tensor<4>>,    // [width, 3, patch, patch]
    position_embedding: Param<Tensor<2>>, // [1 + patches, width]
    pre_layrnorm: LayerNorm,
    encoder: ClipTransformer,
    /// Stored by `LeRobot`, used by nobody: the feature is read before it.
    post_layernorm: LayerNorm,
}

impl VisionEncoder {
    /// Random weights as transformers initialises CLIP.
    pub(crate) fn init(config: &ClipVisionConfig, precision: Precision, device: &Device) -> Self {
        let width = config.hidden_size;
        let patches = (config.image_size / config.patch_size).pow(2);
        let normal = |std| Initializer::Normal { mean: 0.0, std };
        let shape = TransformerShape {
            width,
            mlp_width: config.intermediate_size,
            layers: config.num_hidden_layers,
            heads: config.num_attention_heads,
            activation: config.hidden_act,
            epsilon: config.layer_norm_eps,
            precision,
        };
        Self {
            class_embedding: normal(as_f64(width).sqrt().recip()).init([width], device),
            patch_embedding: normal(0.02).init([width, 3, config.patch_size, config.patch_size], device),
            position_embedding: normal(0.02).init([1 + patches, width], device),
            pre_layrnorm: layer_norm(width, config.layer_norm_eps, device),
            encoder: ClipTransformer::init(&shape, device),
            post_layernorm: layer_norm(width, config.layer_norm_eps, device),
        }
    }

    /// `[images, 3, height, width]` to `[images, feature]`: the class token of the last layer, before `post_layernorm`.
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let [batch, ..] = images.dims();
        let patches = self.patches(images); // [images, patches, feature]
        let [_, _, width] = patches.dims();

        let class = self.class_embedding.val().reshape([1, 1, width]).expand([batch, 1, width]);
        let tokens = Tensor::cat(vec![class, patches], 1); // [images, 1 + patches, feature]
        let tokens = tokens + self.position_embedding.val().unsqueeze::<3>();
        let class = self.encoder.forward_first(self.pre_layrnorm.forward(tokens)); // [images, 1, feature]
        class.reshape([batch, width]) // [images, feature]
    }

    /// The patch convolution as one matrix product: its stride is its size, so patches do not overlap.
    fn patches(&self, images: Tensor<4>) -> Tensor<3> {
        let weight = self.patch_embedding.val();
        let [width, channels, patch, _] = weight.dims();
        let [batch, _, height, image_width] = images.dims();
        let [rows, columns] = [height / patch, image_width / patch];

        let patches = images
            .reshape([batch, channels, rows, patch, columns, patch])
            .permute([0, 2, 4, 1, 3, 5]) // [images, rows, columns, channels, patch, patch]
            .reshape([batch, rows * columns, channels * patch * patch]);
        let weight = weight.reshape([width, channels * patch * patch]).transpose();
        project(patches, weight, None) // [images, patches, feature]
    }
}
