//! `LeRobot`'s processor files: the steps around the policy as JSON, their statistics as tensors (contract section 4.4).

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::lerobot::{LeRobotConfig, PolicyFeature};
use super::pretty_json;
use super::safetensors::WeightBytes;
use crate::config::NormalizationMode;
use crate::error::{ConfigError, WeightError};
use crate::preprocess::{Statistic, Statistics};

/// File name of the steps before the policy.
pub const PREPROCESSOR: &str = "policy_preprocessor.json";
/// File name of the steps after it.
pub const POSTPROCESSOR: &str = "policy_postprocessor.json";
/// Statistics of the first.
pub const PREPROCESSOR_STATE: &str = "policy_preprocessor_step_4_normalizer_processor.safetensors";
/// Statistics of the second.
pub const POSTPROCESSOR_STATE: &str = "policy_postprocessor_step_0_unnormalizer_processor.safetensors";

#[derive(Debug, Deserialize, Serialize)]
struct Pipeline {
    #[serde(default)]
    name: String,
    steps: Vec<Step>,
}

#[derive(Debug, Deserialize, Serialize)]
struct Step {
    registry_name: String,
    #[serde(default)]
    config: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    state_file: Option<String>,
}

/// What a processor file says about normalisation.
#[derive(Clone, Debug)]
pub struct NormalizerStep {
    /// File with the statistics, beside the JSON.
    pub state_file: Option<String>,
    /// Mode per kind of feature; it wins over the policy's configuration.
    pub norm_map: IndexMap<String, NormalizationMode>,
}

/// The normaliser (or unnormaliser) of a processor file.
///
/// # Errors
/// [`ConfigError::Field`] when the file does not parse or has no such step.
pub fn normalizer_step(file: &str, text: &str) -> Result<NormalizerStep, ConfigError> {
    let refuse =
        |field: &str, reason: String| ConfigError::Field { file: file.to_owned(), field: field.to_owned(), reason };
    let pipeline: Pipeline = serde_json::from_str(text).map_err(|error| refuse("steps", error.to_string()))?;
    let is_normalizer = |step: &&Step| step.registry_name.ends_with("normalizer_processor");
    let step = pipeline.steps.iter().find(is_normalizer);
    let step = step.ok_or_else(|| refuse("steps", "there is no normalizer among them".to_owned()))?;
    let norm_map = match step.config.get("norm_map") {
        Some(map) => IndexMap::deserialize(map).map_err(|error| refuse("norm_map", error.to_string()))?,
        None => IndexMap::new(),
    };
    if let Some(name) = &step.state_file
        && (name.contains(['/', '\\']) || name.starts_with('.'))
    {
        return Err(refuse("state_file", format!("`{name}` is not a plain file name")));
    }
    Ok(NormalizerStep { state_file: step.state_file.clone(), norm_map })
}

/// Statistics of a state file: `<feature>.<stat>`, split at the last dot.
///
/// # Errors
/// [`WeightError`] when the file is broken or holds something else than floats.
pub fn read_statistics(file: &str, bytes: Vec<u8>) -> Result<Statistics, WeightError> {
    let source = WeightBytes::new(file, bytes)?;
    let mut statistics = Statistics::default();
    let names: Vec<String> =
        super::safetensors::WeightSource::index(&source).iter().map(|(name, _)| name.to_owned()).collect();
    for name in names {
        let Some((feature, stat)) = name.rsplit_once('.') else { continue };
        let shape = super::safetensors::WeightSource::index(&source).entry(&name)?.shape.clone();
        statistics.insert(feature, stat, Statistic { shape, values: source.values(&name)? });
    }
    Ok(statistics)
}

/// Both processor files of a policy: name and text.
pub fn processor_files(config: &LeRobotConfig) -> [(&'static str, String); 2] {
    let device = config.device.as_deref().unwrap_or("cpu");
    let inputs_and_outputs: IndexMap<&String, &PolicyFeature> =
        config.input_features.iter().chain(&config.output_features).collect();
    let norm_map = &config.normalization_mapping;
    let preprocessor = json!({"name": "policy_preprocessor", "steps": [
        {"registry_name": "rename_observations_processor", "config": {"rename_map": {}}},
        {"registry_name": "to_batch_processor", "config": {}},
        {"registry_name": "tokenizer_processor", "config": {
            "max_length": config.tokenizer_max_length,
            "task_key": "task",
            "padding_side": config.tokenizer_padding_side,
            "padding": config.tokenizer_padding,
            "truncation": config.tokenizer_truncation,
            "tokenizer_name": config.text_encoder_name,
        }},
        {"registry_name": "device_processor", "config": {"device": device, "float_dtype": null}},
        {"registry_name": "normalizer_processor", "config": {
            "eps": 1e-8, "features": inputs_and_outputs, "norm_map": norm_map,
        }, "state_file": PREPROCESSOR_STATE},
    ]});
    let postprocessor = json!({"name": "policy_postprocessor", "steps": [
        {"registry_name": "unnormalizer_processor", "config": {
            "eps": 1e-8, "features": config.output_features, "norm_map": norm_map,
        }, "state_file": POSTPROCESSOR_STATE},
        {"registry_name": "device_processor", "config": {"device": "cpu", "float_dtype": null}},
    ]});
    [(PREPROCESSOR, pretty_json(&preprocessor, 2)), (POSTPROCESSOR, pretty_json(&postprocessor, 2))]
}
