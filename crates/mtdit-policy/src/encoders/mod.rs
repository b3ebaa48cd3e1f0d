//! Inputs to features: what the policy sees and is told, as vectors.

pub mod clip;
pub mod text;
pub mod vision;

use burn::module::Module;
use burn::tensor::{Device, Tensor};

pub use clip::{Activation, ClipConfig, ClipTextConfig, ClipVisionConfig};
pub use text::TextEncoder;
pub use vision::VisionEncoder;

use crate::config::{PolicyConfig, Precision};
use crate::preprocess::{Inputs, TextCondition};

/// The wire from the encoders to the conditioning.
#[derive(Clone, Debug)]
pub struct Features {
    /// Normalised state, `[batch, n_obs_steps, state_dim]`.
    pub state: Tensor<3>,
    /// Vision features of all cameras side by side, `[batch, n_obs_steps, n_cameras * width]`; none without cameras.
    pub vision: Option<Tensor<3>>,
    /// Projected instruction, `[batch, hidden_dim]`.
    pub text: Tensor<2>,
}

/// The vision tower (or one per camera, or none) and the text tower.
#[derive(Module, Debug)]
pub struct ObservationEncoder {
    /// None without cameras, one when shared, else one per camera.
    pub vision_encoders: Vec<VisionEncoder>,
    /// The text tower and its projection.
    pub text_encoder: TextEncoder,
}

impl ObservationEncoder {
    pub(crate) fn init(config: &PolicyConfig, clip: &ClipConfig, precision: Precision, device: &Device) -> Self {
        let n_towers = match (config.cameras.len(), config.vision.use_separate_rgb_encoder_per_camera) {
            (0, _) => 0,
            (_, false) => 1,
            (cameras, true) => cameras,
        };
        let vision = clip.vision_config.iter().cycle().take(n_towers);
        Self {
            vision_encoders: vision.map(|vision| VisionEncoder::init(vision, precision, device)).collect(),
            text_encoder: TextEncoder::init(&clip.text_config, config.denoiser.hidden_dim, precision, device),
        }
    }

    /// All features of a batch.
    pub fn forward(&self, inputs: Inputs) -> Features {
        Features {
            vision: inputs.images.map(|images| self.vision(images)),
            text: self.text(inputs.text),
            state: inputs.state,
        }
    }

    /// `[batch, n_obs_steps, n_cameras, 3, height, width]` to `[batch, n_obs_steps, n_cameras * feature]`.
    pub fn vision(&self, images: Tensor<6>) -> Tensor<3> {
        let [batch, steps, cameras, channels, height, width] = images.dims();
        let rows = batch * steps;
        if let [shared] = self.vision_encoders.as_slice() {
            let features = shared.forward(images.reshape([rows * cameras, channels, height, width]));
            let [_, feature] = features.dims();
            return features.reshape([batch, steps, cameras * feature]);
        }
        let per_camera = self.vision_encoders.iter().enumerate().map(|(camera, tower)| {
            let images = images.clone().slice_dim(2, camera..camera + 1);
            let features = tower.forward(images.reshape([rows, channels, height, width]));
            let [_, feature] = features.dims();
            features.reshape([batch, steps, feature])
        });
        Tensor::cat(per_camera.collect(), 2)
    }

    /// The projected instruction, `[batch, hidden_dim]`; the frozen tower runs without a tape.
    pub fn text(&self, condition: TextCondition) -> Tensor<2> {
        let pooled = match condition {
            TextCondition::Tokens(instructions) => self.text_encoder.pooled(&instructions),
            TextCondition::Pooled(pooled) => pooled,
        };
        self.text_encoder.project(pooled)
    }
}
