//! Checkpoints: named bytes to a policy, and back. `LeRobot`'s folders, file by file; no file is opened here.

pub mod clip;
pub mod files;
pub mod keys;
pub mod lerobot;
pub mod load;
pub mod processors;
pub mod safetensors;
mod validate;

use burn::tensor::Device;
use serde::Serialize;

pub use self::safetensors::{WeightBytes, WeightEntry, WeightIndex, WeightSource};
pub use files::{CheckpointFiles, FileSource, FilesError, Provenance};
pub use lerobot::LeRobotConfig;

use crate::config::{NormalizationMode, PolicyConfig, Precision};
use crate::error::PolicyError;
use crate::policy::{Network, Policy};
use crate::preprocess::Statistics;

/// A checkpoint's small files; the weights come through a [`WeightSource`].
#[derive(Clone, Debug)]
pub struct CheckpointParts {
    /// `config.json`, parsed.
    pub config: LeRobotConfig,
    /// CLIP's own `config.json`, for towers whose heads or activation their tensors do not tell.
    pub clip_json: Option<String>,
    /// Statistics for the inputs.
    pub statistics: Statistics,
    /// Statistics for the actions; usually the same.
    pub action_statistics: Statistics,
}

impl CheckpointParts {
    /// Lets the modes of the processor files win over those of `config.json` (contract section 4.4).
    pub fn override_modes(&mut self, norm_map: &indexmap::IndexMap<String, NormalizationMode>) {
        for (kind, mode) in norm_map {
            self.config.normalization_mapping.insert(kind.clone(), *mode);
        }
    }

    /// Loads the policy, to compute in a precision.
    ///
    /// # Errors
    /// [`PolicyError`] names the file, tensor or field at fault.
    pub async fn load(
        &self,
        source: &mut impl WeightSource,
        precision: Precision,
        device: &Device,
    ) -> Result<Policy, PolicyError> {
        let config = PolicyConfig::try_from(&self.config)?;
        let clip = clip::infer(&config, source.index(), self.clip_json.as_deref())?;
        let network = Network::init(&config, &clip, precision, device);
        let network = load::load(network, keys::KeyMap::new(&config), source, device).await?;
        Policy::new(config, clip, network, &self.statistics, &self.action_statistics, device)
    }
}

/// JSON with an indentation of `indent` spaces.
pub fn pretty_json(value: &impl Serialize, indent: usize) -> String {
    let spaces = " ".repeat(indent);
    let formatter = serde_json::ser::PrettyFormatter::with_indent(spaces.as_bytes());
    let mut text = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, formatter);
    value
        .serialize(&mut serializer)
        .map_or_else(|_unreachable| String::new(), |()| String::from_utf8_lossy(&text).into_owned())
}
