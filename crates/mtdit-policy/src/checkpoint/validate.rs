//! What a configuration must satisfy before anything is allocated for it.

use super::lerobot::value;
use crate::config::{ObjectiveConfig, PolicyConfig};
use crate::error::ConfigError;

/// Parameters, in millions, above which a configuration is taken for a mistake.
const MOST_MILLIONS: u64 = 20_000;

pub(super) fn validate(config: &PolicyConfig) -> Result<(), ConfigError> {
    steps(config)?;
    images(config)?;
    denoiser(config)?;
    objective(&config.objective)?;
    size(config)
}

fn steps(config: &PolicyConfig) -> Result<(), ConfigError> {
    within("n_obs_steps", config.n_obs_steps, 1, 1_000)?;
    within("horizon", config.horizon, 1, 100_000)?;
    within("n_action_steps", config.n_action_steps, 1, config.horizon)?;
    within("input_features", config.state_dim, 1, 100_000)?;
    within("output_features", config.action_dim, 1, 100_000)?;
    within("tokenizer_max_length", config.text.tokenizer_max_length, 2, 100_000)?;
    let needed = config.n_action_steps + config.n_obs_steps - 1;
    if needed > config.horizon {
        let expected = format!(
            "n_obs_steps - 1 + n_action_steps = {needed} actions are needed; lower n_action_steps to {} or raise the horizon",
            (config.horizon + 1).saturating_sub(config.n_obs_steps)
        );
        return Err(value("horizon", config.horizon, expected));
    }
    Ok(())
}

fn images(config: &PolicyConfig) -> Result<(), ConfigError> {
    for (field, shape) in
        [("image_resize_shape", config.image.image_resize_shape), ("image_crop_shape", config.image.image_crop_shape)]
    {
        for side in shape.into_iter().flatten() {
            within(field, side, 1, 8_192)?;
        }
    }
    let Some(camera) = config.cameras.first() else { return Ok(()) };
    within("input_features", camera.height, 1, 8_192)?;
    within("input_features", camera.width, 1, 8_192)?;
    let size = config.image.resized([camera.height, camera.width]);
    if let Some(crop) = config.image.image_crop_shape
        && (crop[0] > size[0] || crop[1] > size[1])
    {
        let expected = format!("it must fit into the {size:?} pictures; set image_resize_shape or a smaller crop");
        return Err(value("image_crop_shape", format!("{crop:?}"), expected));
    }
    Ok(())
}

fn denoiser(config: &PolicyConfig) -> Result<(), ConfigError> {
    let denoiser = &config.denoiser;
    within("hidden_dim", denoiser.hidden_dim, 1, 1 << 16)?;
    within("num_layers", denoiser.num_layers, 1, 1 << 10)?;
    within("num_heads", denoiser.num_heads, 1, denoiser.hidden_dim)?;
    within("timestep_embed_dim", denoiser.timestep_embed_dim, 4, 1 << 16)?;
    if denoiser.timestep_embed_dim % 2 == 1 {
        return Err(value("timestep_embed_dim", denoiser.timestep_embed_dim, "it must be even"));
    }
    if !denoiser.hidden_dim.is_multiple_of(denoiser.num_heads) {
        let expected = format!("it must be a multiple of num_heads, {}", denoiser.num_heads);
        return Err(value("hidden_dim", denoiser.hidden_dim, expected));
    }
    let head_dim = denoiser.hidden_dim / denoiser.num_heads;
    if denoiser.use_rope && head_dim % 2 == 1 {
        return Err(value(
            "hidden_dim",
            denoiser.hidden_dim,
            format!("rotary positions need an even head width, it is {head_dim}"),
        ));
    }
    in_range("dropout", denoiser.dropout, 0.0, 1.0)?;
    in_range("rope_base", denoiser.rope_base, 1.0, 1e12)
}

fn objective(objective: &ObjectiveConfig) -> Result<(), ConfigError> {
    match objective {
        ObjectiveConfig::Diffusion(diffusion) => {
            within("num_train_timesteps", diffusion.num_train_timesteps, 1, 100_000)?;
            if let Some(steps) = diffusion.num_inference_steps {
                within("num_inference_steps", steps, 1, diffusion.num_train_timesteps)?;
            }
            in_range("beta_end", diffusion.beta_end, 0.0, 1.0)?;
            in_range("beta_start", diffusion.beta_start, 0.0, diffusion.beta_end)?;
            in_range("clip_sample_range", diffusion.clip_sample_range, 0.0, 1e6)
        }
        ObjectiveConfig::FlowMatching(flow) => {
            within("num_integration_steps", flow.num_integration_steps, 1, 100_000)?;
            in_range("sigma_min", flow.sigma_min, 0.0, 1.0)
        }
    }
}

/// A generous estimate without the towers, in floating point so that nothing overflows.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an estimate")]
fn size(config: &PolicyConfig) -> Result<(), ConfigError> {
    let [hidden, time] = [config.denoiser.hidden_dim as f64, config.denoiser.timestep_embed_dim as f64];
    let condition = time + config.conditioning_dim(512) as f64;
    let parameters =
        config.denoiser.num_layers as f64 * (12.0 * hidden * hidden + 6.0 * hidden * condition) + 4.0 * time * time;
    let millions = (parameters / 1e6) as u64;
    if millions > MOST_MILLIONS {
        return Err(ConfigError::TooLarge { millions, limit: MOST_MILLIONS });
    }
    Ok(())
}

fn within(field: &'static str, found: usize, least: usize, most: usize) -> Result<(), ConfigError> {
    if (least..=most).contains(&found) {
        Ok(())
    } else {
        Err(value(field, found, format!("it must lie between {least} and {most}")))
    }
}

fn in_range(field: &'static str, found: f64, least: f64, most: f64) -> Result<(), ConfigError> {
    if (least..=most).contains(&found) {
        Ok(())
    } else {
        Err(value(field, found, format!("it must lie between {least} and {most}")))
    }
}
