//! The pre-norm transformer that both CLIP towers share, and the towers' shapes (contract sections 5.1, 5.2, 4.3).

use burn::module::Module;
use burn::nn::{Initializer, LayerNorm, LayerNormConfig};
use burn::tensor::{Device, Tensor, activation};
use serde::{Deserialize, Serialize};

use crate::config::Precision;
use crate::linear::{Linear, gelu_erf, matmul, quick_gelu};

/// Shapes of both towers, as CLIP's own `config.json` names them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClipConfig {
    /// The vision tower; absent when the policy has no camera.
    pub vision_config: Option<ClipVisionConfig>,
    /// The text tower.
    pub text_config: ClipTextConfig,
}

/// Shape of a vision tower.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClipVisionConfig {
    /// Width of a token.
    pub hidden_size: usize,
    /// Width inside the feed-forward layers.
    pub intermediate_size: usize,
    /// Number of layers.
    pub num_hidden_layers: usize,
    /// Attention heads.
    pub num_attention_heads: usize,
    /// Side of the square picture in pixels.
    pub image_size: usize,
    /// Side of a patch in pixels.
    pub patch_size: usize,
    /// Activation of the feed-forward layers.
    #[serde(default)]
    pub hidden_act: Activation,
    /// Epsilon of the layer norms.
    #[serde(default = "layer_norm_eps")]
    pub layer_norm_eps: f64,
}

/// Shape of a text tower.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClipTextConfig {
    /// Number of tokens it knows.
    pub vocab_size: usize,
    /// Width of a token.
    pub hidden_size: usize,
    /// Width inside the feed-forward layers.
    pub intermediate_size: usize,
    /// Number of layers.
    pub num_hidden_layers: usize,
    /// Attention heads.
    pub num_attention_heads: usize,
    /// Longest sequence.
    pub max_position_embeddings: usize,
    /// Activation of the feed-forward layers.
    #[serde(default)]
    pub hidden_act: Activation,
    /// Epsilon of the layer norms.
    #[serde(default = "layer_norm_eps")]
    pub layer_norm_eps: f64,
    /// The end-of-text token; 2 means CLIP's old rule: the position of the largest token.
    #[serde(default = "eos_token_id")]
    pub eos_token_id: u32,
}

fn layer_norm_eps() -> f64 {
    1e-5
}

fn eos_token_id() -> u32 {
    2
}

/// Activation of the feed-forward layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// `x · σ(1.702 x)`, of `OpenAI`'s models.
    #[default]
    QuickGelu,
    /// The exact GELU, of LAION's models.
    Gelu,
}

/// Shape of one tower's transformer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TransformerShape {
    pub(crate) width: usize,
    pub(crate) mlp_width: usize,
    pub(crate) layers: usize,
    pub(crate) heads: usize,
    pub(crate) activation: Activation,
    pub(crate) epsilon: f64,
    pub(crate) precision: Precision,
}

/// The stack of layers.
#[derive(Module, Debug)]
pub struct ClipTransformer {
    layers: Vec<ClipLayer>,
}

/// One pre-norm layer.
#[derive(Module, Debug)]
pub struct ClipLayer {
    layer_norm1: LayerNorm,
    self_attn: ClipAttention,
    layer_norm2: LayerNorm,
    mlp: ClipMlp,
}

/// Multi-head self-attention.
#[derive(Module, Debug)]
pub struct ClipAttention {
    q_proj: Linear,
    k_proj: Linear,
    v_proj: Linear,
    out_proj: Linear,
    #[module(skip)]
    heads: usize,
    #[module(skip)]
    precision: Precision,
}

/// Feed-forward layers.
#[derive(Module, Debug)]
pub struct ClipMlp {
    fc1: Linear,
    fc2: Linear,
    #[module(skip)]
    activation: Activation,
}

impl ClipTransformer {
    /// Random weights as transformers initialises CLIP.
    pub(crate) fn init(shape: &TransformerShape, device: &Device) -> Self {
        Self { layers: (0..shape.layers).map(|_| ClipLayer::init(shape, device)).collect() }
    }

    /// `[batch, tokens, width]` to the same; `causal` hides later tokens.
    pub(crate) fn forward(&self, tokens: Tensor<3>, causal: bool) -> Tensor<3> {
        let [_, length, _] = tokens.dims();
        let mask = causal.then(|| causal_mask(length, &tokens.device())); // [1, 1, tokens, tokens]
        self.layers.iter().fold(tokens, |tokens, layer| layer.forward(tokens, mask.clone()))
    }

    /// `[batch, tokens, width]` to the first token after the last layer, `[batch, 1, width]`.
    ///
    /// The last layer's other tokens would be read by nobody, so they are not computed.
    pub(crate) fn forward_first(&self, tokens: Tensor<3>) -> Tensor<3> {
        let Some((last, layers)) = self.layers.split_last() else { return tokens.narrow(1, 0, 1) };
        let tokens = layers.iter().fold(tokens, |tokens, layer| layer.forward(tokens, None));
        last.forward_first(tokens)
    }
}

/// Minus infinity, near enough, above the diagonal.
fn causal_mask(length: usize, device: &Device) -> Tensor<4> {
    let mut mask = vec![0.0_f32; length * length];
    for row in 0..length {
        mask[row * length + row + 1..(row + 1) * length].fill(-1e30);
    }
    Tensor::from_data(burn::tensor::TensorData::new(mask, [1, 1, length, length]), device)
}

impl ClipLayer {
    fn init(shape: &TransformerShape, device: &Device) -> Self {
        Self {
            layer_norm1: layer_norm(shape.width, shape.epsilon, device),
            self_attn: ClipAttention::init(shape, device),
            layer_norm2: layer_norm(shape.width, shape.epsilon, device),
            mlp: ClipMlp::init(shape, device),
        }
    }

    fn forward(&self, x: Tensor<3>, mask: Option<Tensor<4>>) -> Tensor<3> {
        let normed = self.layer_norm1.forward(x.clone());
        self.feed_forward(x + self.self_attn.forward(normed.clone(), normed, mask))
    }

    /// What [`Self::forward`] gives for the first token, `[batch, 1, width]`.
    fn forward_first(&self, x: Tensor<3>) -> Tensor<3> {
        let normed = self.layer_norm1.forward(x.clone());
        let first = |x: Tensor<3>| x.narrow(1, 0, 1);
        self.feed_forward(first(x) + self.self_attn.forward(first(normed.clone()), normed, None))
    }

    fn feed_forward(&self, x: Tensor<3>) -> Tensor<3> {
        x.clone() + self.mlp.forward(self.layer_norm2.forward(x))
    }
}

impl ClipAttention {
    fn init(shape: &TransformerShape, device: &Device) -> Self {
        let [width, layers] = [as_f64(shape.width), as_f64(shape.layers)];
        let input_std = width.sqrt().recip() * (2.0 * layers).sqrt().recip();
        let output_std = width.sqrt().recip();
        let project = |std| {
            let weight = Initializer::Normal { mean: 0.0, std };
            Linear::new([shape.width, shape.width], &weight, &Initializer::Zeros, shape.precision, device)
        };
        Self {
            q_proj: project(input_std),
            k_proj: project(input_std),
            v_proj: project(input_std),
            out_proj: project(output_std),
            heads: shape.heads,
            precision: shape.precision,
        }
    }

    /// What `queries` `[batch, asking, width]` gather from `x` `[batch, tokens, width]`: `[batch, asking, width]`.
    fn forward(&self, queries: Tensor<3>, x: Tensor<3>, mask: Option<Tensor<4>>) -> Tensor<3> {
        let [batch, asking, width] = queries.dims();
        let head_dim = width / self.heads;
        let split = |x: Tensor<3>| {
            let [_, tokens, _] = x.dims();
            x.reshape([batch, tokens, self.heads, head_dim]).swap_dims(1, 2)
        };

        let query = split(self.q_proj.forward(queries) * as_f64(head_dim).sqrt().recip()); // [batch, heads, asking, head_dim]
        let key = split(self.k_proj.forward(x.clone())); // [batch, heads, tokens, head_dim]
        let value = split(self.v_proj.forward(x));

        let scores = matmul(query, key.swap_dims(2, 3), self.precision); // [batch, heads, asking, tokens]
        let scores = match mask {
            Some(mask) => scores + mask,
            None => scores,
        };
        let mixed = matmul(activation::softmax(scores, 3), value, self.precision); // [batch, heads, asking, head_dim]
        self.out_proj.forward(mixed.swap_dims(1, 2).reshape([batch, asking, width]))
    }
}

impl ClipMlp {
    fn init(shape: &TransformerShape, device: &Device) -> Self {
        let [width, layers] = [as_f64(shape.width), as_f64(shape.layers)];
        let fc1 = Initializer::Normal { mean: 0.0, std: (2.0 * width).sqrt().recip() };
        let fc2 = Initializer::Normal { mean: 0.0, std: width.sqrt().recip() * (2.0 * layers).sqrt().recip() };
        let zeros = Initializer::Zeros;
        Self {
            fc1: Linear::new([shape.width, shape.mlp_width], &fc1, &zeros, shape.precision, device),
            fc2: Linear::new([shape.mlp_width, shape.width], &fc2, &zeros, shape.precision, device),
            activation: shape.activation,
        }
    }

    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let hidden = self.fc1.forward(x);
        self.fc2.forward(match self.activation {
            Activation::QuickGelu => quick_gelu(hidden),
            Activation::Gelu => gelu_erf(hidden),
        })
    }
}

pub(crate) fn layer_norm(width: usize, epsilon: f64, device: &Device) -> LayerNorm {
    LayerNormConfig::new(width).with_epsilon(epsilon).init(device)
}

#[expect(clippy::cast_precision_loss, reason = "layer widths are far below 2^52")]
pub(crate) fn as_f64(width: usize) -> f64 {
    width as f64
}
