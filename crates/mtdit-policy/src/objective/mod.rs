//! What the denoiser learns: how actions become noisy, what it should answer, and how wrong it was.
//!
//! Time, said once: in diffusion a timestep counts noise upwards; in flow matching `t = 0` is noise and `t = 1` the action
//! (the reverse of openpi's).

pub mod schedule;

use burn::tensor::{Device, Tensor, TensorData};

pub use schedule::NoiseSchedule;

use crate::config::{ObjectiveConfig, PredictionType};
use crate::denoiser::timestep::round;

/// A training objective with its tables.
#[derive(Clone, Debug)]
pub enum Objective {
    /// Denoising diffusion.
    Diffusion {
        /// The noise schedule.
        schedule: NoiseSchedule,
        /// What the network predicts.
        prediction_type: PredictionType,
    },
    /// Flow matching.
    FlowMatching {
        /// Noise left at `t = 1`.
        sigma_min: f32,
    },
}

impl Objective {
    /// The objective of a configuration.
    pub fn new(config: &ObjectiveConfig) -> Self {
        match config {
            ObjectiveConfig::Diffusion(diffusion) => {
                Self::Diffusion { schedule: NoiseSchedule::new(diffusion), prediction_type: diffusion.prediction_type }
            }
            ObjectiveConfig::FlowMatching(flow) => Self::FlowMatching { sigma_min: round(flow.sigma_min) },
        }
    }

    /// `actions` and `noise`, `[batch, horizon, action_dim]`, mixed as one timestep per sample says.
    pub fn noisy(&self, actions: Tensor<3>, noise: Tensor<3>, timesteps: &[f32]) -> Tensor<3> {
        let (signal, noise_level): (Vec<f32>, Vec<f32>) = match self {
            Self::Diffusion { schedule, .. } => {
                let alpha_bar = |&t: &f32| schedule.alpha_bar(Some(index(t)));
                timesteps.iter().map(alpha_bar).map(|alpha| (alpha.sqrt(), (1.0 - alpha).sqrt())).unzip()
            }
            Self::FlowMatching { sigma_min } => timesteps.iter().map(|&t| (t, 1.0 - (1.0 - sigma_min) * t)).unzip(),
        };
        let device = actions.device();
        actions * per_sample(signal, &device) + noise * per_sample(noise_level, &device)
    }

    /// What the network should have answered.
    pub fn target(&self, actions: Tensor<3>, noise: Tensor<3>) -> Tensor<3> {
        match self {
            Self::Diffusion { prediction_type: PredictionType::Epsilon, .. } => noise,
            Self::Diffusion { prediction_type: PredictionType::Sample, .. } => actions,
            Self::FlowMatching { sigma_min } => actions - noise * (1.0 - sigma_min),
        }
    }
}

/// Mean squared error; with `is_pad` `[batch, horizon]` (1 where padded) over the real actions only (contract section 5.6).
pub fn mean_squared_error(prediction: Tensor<3>, target: Tensor<3>, is_pad: Option<Tensor<2>>) -> Tensor<1> {
    let difference = prediction - target;
    let squared = difference.clone() * difference;
    let Some(is_pad) = is_pad else {
        return squared.mean();
    };
    let [_, _, action_dim] = squared.dims();
    let real = is_pad.neg() + 1.0;
    #[expect(clippy::cast_precision_loss, reason = "action dimensions are far below 2^52")]
    let counted = (real.clone().sum() * action_dim as f64).clamp_min(1.0);
    (squared * real.unsqueeze_dim::<3>(2)).sum() / counted
}

/// The schedule's row of a diffusion timestep.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "diffusion timesteps are small whole numbers"
)]
fn index(timestep: f32) -> usize {
    timestep as usize
}

/// `[batch]` to `[batch, 1, 1]`.
fn per_sample(values: Vec<f32>, device: &Device) -> Tensor<3> {
    let batch = values.len();
    Tensor::from_data(TensorData::new(values, [batch, 1, 1]), device)
}
