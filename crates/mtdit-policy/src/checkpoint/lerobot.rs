//! `LeRobot`'s `config.json` as saved: flat, with its own field names, in its own order (contract section 4.2).
//!
//! Unknown keys are tolerated when reading (newer versions add some) and never written, because `LeRobot` refuses them.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::config::{
    BetaSchedule, CameraConfig, DenoiserConfig, DiffusionConfig, FlowMatchingConfig, ImageConfig, IntegrationMethod,
    NoiseSchedulerType, NormalizationMapping, NormalizationMode, ObjectiveConfig, PolicyConfig, PredictionType,
    TextConfig, TimestepSampling, VisionConfig,
};
use crate::error::ConfigError;

/// The policy type this crate runs.
pub const POLICY_TYPE: &str = "multi_task_dit";

/// A feature of the dataset as the policy sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyFeature {
    /// Its kind.
    #[serde(rename = "type")]
    pub kind: FeatureKind,
    /// Its shape; `[3, height, width]` for cameras.
    pub shape: Vec<usize>,
}

/// The kinds of features.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "LeRobot's words")]
pub enum FeatureKind {
    State,
    Visual,
    Env,
    Action,
    Reward,
    Language,
}

/// `config.json`, field by field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "LeRobot's words; the typed configuration explains them")]
pub struct LeRobotConfig {
    #[serde(rename = "type")]
    pub policy_type: String,
    pub n_obs_steps: usize,
    pub input_features: IndexMap<String, PolicyFeature>,
    pub output_features: IndexMap<String, PolicyFeature>,
    pub device: Option<String>,
    pub use_amp: bool,
    pub use_peft: bool,
    pub push_to_hub: bool,
    pub repo_id: Option<String>,
    pub private: Option<bool>,
    pub tags: Option<Vec<String>>,
    pub license: Option<String>,
    pub pretrained_path: Option<String>,
    pub pretrained_revision: Option<String>,
    pub horizon: usize,
    pub n_action_steps: usize,
    pub objective: ObjectiveName,
    pub noise_scheduler_type: NoiseSchedulerType,
    pub num_train_timesteps: usize,
    pub beta_schedule: BetaSchedule,
    pub beta_start: f64,
    pub beta_end: f64,
    pub prediction_type: PredictionType,
    pub clip_sample: bool,
    pub clip_sample_range: f64,
    pub num_inference_steps: Option<usize>,
    pub sigma_min: f64,
    pub num_integration_steps: usize,
    pub integration_method: IntegrationMethod,
    pub timestep_sampling_strategy: TimestepSamplingStrategy,
    pub timestep_sampling_s: f64,
    pub timestep_sampling_alpha: f64,
    pub timestep_sampling_beta: f64,
    pub hidden_dim: usize,
    pub num_layers: usize,
    pub num_heads: usize,
    pub dropout: f64,
    pub use_positional_encoding: bool,
    pub timestep_embed_dim: usize,
    pub use_rope: bool,
    pub rope_base: f64,
    pub vision_encoder_name: String,
    pub use_separate_rgb_encoder_per_camera: bool,
    pub vision_encoder_lr_multiplier: f64,
    pub image_resize_shape: Option<[usize; 2]>,
    pub image_crop_shape: Option<[usize; 2]>,
    pub image_crop_is_random: bool,
    pub text_encoder_name: String,
    pub tokenizer_max_length: usize,
    pub tokenizer_padding: String,
    pub tokenizer_padding_side: String,
    pub tokenizer_truncation: bool,
    pub normalization_mapping: IndexMap<String, NormalizationMode>,
    pub optimizer_lr: f64,
    pub optimizer_betas: [f64; 2],
    pub optimizer_eps: f64,
    pub optimizer_weight_decay: f64,
    pub scheduler_name: String,
    pub scheduler_warmup_steps: usize,
    pub do_mask_loss_for_padding: bool,
    pub drop_n_last_frames: usize,
}

/// The two objectives by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "LeRobot's words")]
pub enum ObjectiveName {
    Diffusion,
    FlowMatching,
}

/// How flow matching draws its training times, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "LeRobot's words")]
pub enum TimestepSamplingStrategy {
    Uniform,
    Beta,
}

impl Default for LeRobotConfig {
    /// `LeRobot`'s defaults, except that nothing is pushed to a hub; the type is empty so that a file without one is refused.
    fn default() -> Self {
        let clip = "openai/clip-vit-base-patch16".to_owned();
        let mapping = [
            ("VISUAL", NormalizationMode::MeanStd),
            ("STATE", NormalizationMode::MinMax),
            ("ACTION", NormalizationMode::MinMax),
        ];
        Self {
            policy_type: String::new(),
            n_obs_steps: 2,
            input_features: IndexMap::new(),
            output_features: IndexMap::new(),
            device: None,
            use_amp: false,
            use_peft: false,
            push_to_hub: false,
            repo_id: None,
            private: None,
            tags: None,
            license: None,
            pretrained_path: None,
            pretrained_revision: None,
            horizon: 32,
            n_action_steps: 24,
            objective: ObjectiveName::Diffusion,
            noise_scheduler_type: NoiseSchedulerType::Ddpm,
            num_train_timesteps: 100,
            beta_schedule: BetaSchedule::SquaredCosine,
            beta_start: 1e-4,
            beta_end: 0.02,
            prediction_type: PredictionType::Epsilon,
            clip_sample: true,
            clip_sample_range: 1.0,
            num_inference_steps: None,
            sigma_min: 0.0,
            num_integration_steps: 100,
            integration_method: IntegrationMethod::Euler,
            timestep_sampling_strategy: TimestepSamplingStrategy::Beta,
            timestep_sampling_s: 0.999,
            timestep_sampling_alpha: 1.5,
            timestep_sampling_beta: 1.0,
            hidden_dim: 512,
            num_layers: 6,
            num_heads: 8,
            dropout: 0.1,
            use_positional_encoding: false,
            timestep_embed_dim: 256,
            use_rope: true,
            rope_base: 10_000.0,
            vision_encoder_name: clip.clone(),
            use_separate_rgb_encoder_per_camera: false,
            vision_encoder_lr_multiplier: 0.1,
            image_resize_shape: None,
            image_crop_shape: Some([224, 224]),
            image_crop_is_random: true,
            text_encoder_name: clip,
            tokenizer_max_length: 77,
            tokenizer_padding: "max_length".to_owned(),
            tokenizer_padding_side: "right".to_owned(),
            tokenizer_truncation: true,
            normalization_mapping: mapping.map(|(kind, mode)| (kind.to_owned(), mode)).into_iter().collect(),
            optimizer_lr: 2e-5,
            optimizer_betas: [0.95, 0.999],
            optimizer_eps: 1e-8,
            optimizer_weight_decay: 0.0,
            scheduler_name: "cosine".to_owned(),
            scheduler_warmup_steps: 0,
            do_mask_loss_for_padding: false,
            drop_n_last_frames: 7,
        }
    }
}

impl LeRobotConfig {
    /// Parses `config.json`.
    ///
    /// # Errors
    /// [`ConfigError::Field`] names the field that does not parse, [`ConfigError::PolicyType`] another policy.
    pub fn from_json(text: &str) -> Result<Self, ConfigError> {
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let config: Self = serde_path_to_error::deserialize(&mut deserializer).map_err(field_error)?;
        let trailing = |error: serde_json::Error| ConfigError::Field {
            file: "config.json".to_owned(),
            field: ".".to_owned(),
            reason: error.to_string(),
        };
        deserializer.end().map_err(trailing)?;
        config.checked()
    }

    /// Parses an already decoded object.
    ///
    /// # Errors
    /// As [`LeRobotConfig::from_json`].
    pub fn from_value(value: &serde_json::Value) -> Result<Self, ConfigError> {
        let config: Self = serde_path_to_error::deserialize(value).map_err(field_error)?;
        config.checked()
    }

    fn checked(self) -> Result<Self, ConfigError> {
        if self.policy_type == POLICY_TYPE {
            Ok(self)
        } else {
            Err(ConfigError::PolicyType { found: self.policy_type })
        }
    }

    /// Writes `config.json` as `LeRobot` does: four spaces, its order.
    pub fn to_json(&self) -> String {
        super::pretty_json(self, 4)
    }

    fn modes(&self) -> NormalizationMapping {
        let mode = |kind: &str| self.normalization_mapping.get(kind).copied().unwrap_or(NormalizationMode::Identity);
        NormalizationMapping { visual: mode("VISUAL"), state: mode("STATE"), action: mode("ACTION") }
    }

    fn cameras(&self) -> Result<Vec<CameraConfig>, ConfigError> {
        let visual = self.input_features.iter().filter(|(_, feature)| feature.kind == FeatureKind::Visual);
        let cameras: Vec<CameraConfig> = visual
            .map(|(key, feature)| match feature.shape[..] {
                [3, height, width] => Ok(CameraConfig { key: key.clone(), height, width }),
                _ => Err(value(
                    "input_features",
                    format!("{key}: {:?}", feature.shape),
                    "a camera's shape is [3, height, width]",
                )),
            })
            .collect::<Result<_, _>>()?;
        let sizes = |camera: &CameraConfig| [camera.height, camera.width];
        if let Some(other) = cameras.iter().find(|camera| sizes(camera) != sizes(&cameras[0])) {
            let sizes =
                format!("{}: {:?}, {}: {:?}", cameras[0].name(), sizes(&cameras[0]), other.name(), sizes(other));
            return Err(value("input_features", sizes, "all cameras must declare the same size"));
        }
        Ok(cameras)
    }

    fn objective(&self) -> ObjectiveConfig {
        match self.objective {
            ObjectiveName::Diffusion => ObjectiveConfig::Diffusion(DiffusionConfig {
                noise_scheduler_type: self.noise_scheduler_type,
                num_train_timesteps: self.num_train_timesteps,
                beta_schedule: self.beta_schedule,
                beta_start: self.beta_start,
                beta_end: self.beta_end,
                prediction_type: self.prediction_type,
                clip_sample: self.clip_sample,
                clip_sample_range: self.clip_sample_range,
                num_inference_steps: self.num_inference_steps,
            }),
            ObjectiveName::FlowMatching => ObjectiveConfig::FlowMatching(FlowMatchingConfig {
                sigma_min: self.sigma_min,
                num_integration_steps: self.num_integration_steps,
                integration_method: self.integration_method,
                timestep_sampling: match self.timestep_sampling_strategy {
                    TimestepSamplingStrategy::Uniform => TimestepSampling::Uniform,
                    TimestepSamplingStrategy::Beta => TimestepSampling::Beta {
                        s: self.timestep_sampling_s,
                        alpha: self.timestep_sampling_alpha,
                        beta: self.timestep_sampling_beta,
                    },
                },
            }),
        }
    }

    fn dimension(&self, field: &'static str, key: &'static str) -> Result<usize, ConfigError> {
        let features = if field == "output_features" { &self.output_features } else { &self.input_features };
        match features.get(key).map(|feature| &feature.shape[..]) {
            Some(&[dimension]) => Ok(dimension),
            Some(shape) => Err(value(field, format!("{key}: {shape:?}"), "it must be a vector")),
            None => Err(value(field, format!("without `{key}`"), "the policy needs it")),
        }
    }
}

impl TryFrom<&LeRobotConfig> for PolicyConfig {
    type Error = ConfigError;

    /// The configuration as meant.
    ///
    /// # Errors
    /// [`ConfigError::Value`] names the first field that is out of its range.
    fn try_from(saved: &LeRobotConfig) -> Result<Self, ConfigError> {
        let config = Self {
            n_obs_steps: saved.n_obs_steps,
            horizon: saved.horizon,
            n_action_steps: saved.n_action_steps,
            state_dim: saved.dimension("input_features", "observation.state")?,
            action_dim: saved.dimension("output_features", "action")?,
            cameras: saved.cameras()?,
            image: ImageConfig {
                image_resize_shape: saved.image_resize_shape,
                image_crop_shape: saved.image_crop_shape,
                image_crop_is_random: saved.image_crop_is_random,
            },
            vision: VisionConfig {
                vision_encoder_name: saved.vision_encoder_name.clone(),
                use_separate_rgb_encoder_per_camera: saved.use_separate_rgb_encoder_per_camera,
            },
            text: TextConfig {
                text_encoder_name: saved.text_encoder_name.clone(),
                tokenizer_max_length: saved.tokenizer_max_length,
            },
            denoiser: DenoiserConfig {
                hidden_dim: saved.hidden_dim,
                num_layers: saved.num_layers,
                num_heads: saved.num_heads,
                dropout: saved.dropout,
                use_positional_encoding: saved.use_positional_encoding,
                timestep_embed_dim: saved.timestep_embed_dim,
                use_rope: saved.use_rope,
                rope_base: saved.rope_base,
            },
            objective: saved.objective(),
            normalization: saved.modes(),
            do_mask_loss_for_padding: saved.do_mask_loss_for_padding,
        };
        if saved.tokenizer_padding_side != "right" {
            let side = saved.tokenizer_padding_side.clone();
            let expected = "with padding on the left every instruction has the same embedding; use \"right\"";
            return Err(value("tokenizer_padding_side", side, expected));
        }
        super::validate::validate(&config)?;
        Ok(config)
    }
}

fn field_error(error: serde_path_to_error::Error<serde_json::Error>) -> ConfigError {
    let (field, reason) = (error.path().to_string(), error.inner().to_string());
    ConfigError::Field { file: "config.json".to_owned(), field, reason }
}

pub(super) fn value(field: &'static str, value: impl ToString, expected: impl Into<String>) -> ConfigError {
    ConfigError::Value { field, value: value.to_string(), expected: expected.into() }
}
