//! What the policy is: `LeRobot`'s `config.json` as meant, with one type per stage, validated.
//!
//! The flat form as saved is [`crate::checkpoint::lerobot::LeRobotConfig`]; this one is built from it and cannot hold an
//! invalid combination (contract section 4.2).

use serde::{Deserialize, Serialize};

/// How the network computes its matrix products.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Single precision throughout.
    #[default]
    F32,
    /// `bfloat16` around each matrix product; norms, softmax, loss and the sampler stay in single precision.
    Bf16,
}

/// Everything that defines one policy apart from its weights.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyConfig {
    /// Observations the policy looks at: the current one and those before it.
    pub n_obs_steps: usize,
    /// Actions the denoiser predicts at once.
    pub horizon: usize,
    /// Actions of a chunk that are executed before the next chunk is sampled.
    pub n_action_steps: usize,
    /// Length of `observation.state`.
    pub state_dim: usize,
    /// Length of `action`.
    pub action_dim: usize,
    /// The cameras, in the order in which the conditioning vector holds their features.
    pub cameras: Vec<CameraConfig>,
    /// Resize and crop.
    pub image: ImageConfig,
    /// The CLIP vision tower.
    pub vision: VisionConfig,
    /// The CLIP text tower and its tokens.
    pub text: TextConfig,
    /// The diffusion transformer.
    pub denoiser: DenoiserConfig,
    /// What the denoiser predicts, and how actions are sampled from it.
    pub objective: ObjectiveConfig,
    /// How each kind of feature is normalised.
    pub normalization: NormalizationMapping,
    /// Whether padded actions are left out of the loss.
    pub do_mask_loss_for_padding: bool,
}

/// One camera feature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CameraConfig {
    /// The feature's key, such as `observation.images.top`.
    pub key: String,
    /// Declared height in pixels.
    pub height: usize,
    /// Declared width in pixels.
    pub width: usize,
}

impl CameraConfig {
    /// The camera's short name: its key without `observation.images.` (or `observation.`).
    pub fn name(&self) -> &str {
        camera_name(&self.key)
    }
}

/// The short name in a camera feature's key.
pub fn camera_name(key: &str) -> &str {
    key.strip_prefix("observation.images.").or_else(|| key.strip_prefix("observation.")).unwrap_or(key)
}

/// Resize and crop, in this order (contract section 3.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImageConfig {
    /// Exact size `[height, width]` to resize to.
    pub image_resize_shape: Option<[usize; 2]>,
    /// Size `[height, width]` of the crop.
    pub image_crop_shape: Option<[usize; 2]>,
    /// Whether training draws the crop's place at random; evaluation always takes the centre.
    pub image_crop_is_random: bool,
}

impl ImageConfig {
    /// Size after the resize of a picture of `size` `[height, width]`.
    pub fn resized(&self, size: [usize; 2]) -> [usize; 2] {
        self.image_resize_shape.unwrap_or(size)
    }

    /// Size of what enters the vision tower, for a picture of `size` `[height, width]`.
    pub fn output(&self, size: [usize; 2]) -> [usize; 2] {
        self.image_crop_shape.unwrap_or_else(|| self.resized(size))
    }
}

/// Which vision tower, and whether the cameras share it.
#[derive(Clone, Debug, PartialEq)]
pub struct VisionConfig {
    /// Name of the CLIP model.
    pub vision_encoder_name: String,
    /// One tower per camera instead of one for all.
    pub use_separate_rgb_encoder_per_camera: bool,
}

/// Which text tower, and how instructions become tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextConfig {
    /// Name of the CLIP model.
    pub text_encoder_name: String,
    /// Tokens an instruction is cut to, both ends included.
    pub tokenizer_max_length: usize,
}

/// The diffusion transformer's shape.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DenoiserConfig {
    /// Width of a token.
    pub hidden_dim: usize,
    /// Number of transformer blocks.
    pub num_layers: usize,
    /// Attention heads per block.
    pub num_heads: usize,
    /// Dropout of attention probabilities while training.
    pub dropout: f64,
    /// A learned position per step of the horizon, added once.
    pub use_positional_encoding: bool,
    /// Width of the time embedding.
    pub timestep_embed_dim: usize,
    /// Rotary positions in every attention.
    pub use_rope: bool,
    /// Base of the rotary frequencies.
    pub rope_base: f64,
}

/// What the denoiser is trained to predict.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ObjectiveConfig {
    /// Denoising diffusion.
    Diffusion(DiffusionConfig),
    /// Flow matching.
    FlowMatching(FlowMatchingConfig),
}

/// Denoising diffusion (contract sections 5.6 to 5.8).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DiffusionConfig {
    /// The sampler the checkpoint asks for.
    pub noise_scheduler_type: NoiseSchedulerType,
    /// Noise levels in training.
    pub num_train_timesteps: usize,
    /// How noise grows with the timestep.
    pub beta_schedule: BetaSchedule,
    /// First beta of the linear, scaled linear and sigmoid schedules.
    pub beta_start: f64,
    /// Last beta of the same.
    pub beta_end: f64,
    /// What the network's output means.
    pub prediction_type: PredictionType,
    /// Whether the predicted clean actions are clamped while sampling.
    pub clip_sample: bool,
    /// The bound of that clamp.
    pub clip_sample_range: f64,
    /// Denoising steps; all training timesteps when absent.
    pub num_inference_steps: Option<usize>,
}

/// Flow matching: `t = 0` is noise, `t = 1` is the action (contract sections 5.6 and 5.8).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FlowMatchingConfig {
    /// Noise left at `t = 1`.
    pub sigma_min: f64,
    /// Integration steps.
    pub num_integration_steps: usize,
    /// The integrator the checkpoint asks for.
    pub integration_method: IntegrationMethod,
    /// How training draws its times.
    pub timestep_sampling: TimestepSampling,
}

/// `LeRobot`'s two diffusion samplers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NoiseSchedulerType {
    /// Ancestral sampling.
    #[serde(rename = "DDPM")]
    Ddpm,
    /// Deterministic sampling.
    #[serde(rename = "DDIM")]
    Ddim,
}

/// The beta schedules of diffusers that `LeRobot` accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BetaSchedule {
    /// Equal steps from `beta_start` to `beta_end`.
    Linear,
    /// Equal steps of the square root.
    ScaledLinear,
    /// Squared cosine of the cumulative product.
    #[serde(rename = "squaredcos_cap_v2")]
    SquaredCosine,
    /// A sigmoid from `beta_start` to `beta_end` (DDPM only).
    Sigmoid,
}

/// What a diffusion network predicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PredictionType {
    /// The noise.
    Epsilon,
    /// The clean actions.
    Sample,
}

/// `LeRobot`'s two integrators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IntegrationMethod {
    /// First order, one evaluation per step.
    Euler,
    /// Fourth order Runge-Kutta, four evaluations per step.
    Rk4,
}

/// How flow matching draws its training times.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TimestepSampling {
    /// Uniform in `[0, 1)`.
    Uniform,
    /// `t = s · (1 - u)` with `u` from a Beta distribution.
    Beta {
        /// Upper end of the times.
        s: f64,
        /// First parameter of the Beta distribution.
        alpha: f64,
        /// Second parameter of the Beta distribution.
        beta: f64,
    },
}

/// How each kind of feature is normalised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NormalizationMapping {
    /// Camera frames.
    pub visual: NormalizationMode,
    /// `observation.state`.
    pub state: NormalizationMode,
    /// `action`.
    pub action: NormalizationMode,
}

/// The normalisation formulas (contract section 3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum NormalizationMode {
    /// Minimum to -1, maximum to 1.
    MinMax,
    /// Zero mean, unit deviation.
    MeanStd,
    /// Unchanged.
    Identity,
    /// The 1 % quantile to -1, the 99 % quantile to 1.
    Quantiles,
    /// The 10 % quantile to -1, the 90 % quantile to 1.
    Quantile10,
}

impl PolicyConfig {
    /// Where the executed part of the predicted horizon begins.
    pub fn first_executed(&self) -> usize {
        self.n_obs_steps - 1
    }

    /// `drop_n_last_frames` that fits the horizon: the anchors whose executed actions are all real.
    pub fn default_drop_n_last_frames(&self) -> usize {
        (self.horizon + 1).saturating_sub(self.n_action_steps + self.n_obs_steps)
    }

    /// Length of the conditioning vector for a vision tower of `vision_width`, without the time embedding.
    pub fn conditioning_dim(&self, vision_width: usize) -> usize {
        self.n_obs_steps * (self.state_dim + self.cameras.len() * vision_width + self.denoiser.hidden_dim)
    }
}
