//! Policy and training state to a checkpoint folder that either is complete or is not there (contract section 4.1).

use std::fs;
use std::path::{Path, PathBuf};

use mtdit_policy::Network;
use mtdit_policy::checkpoint::keys::KeyMap;
use mtdit_policy::checkpoint::processors::{POSTPROCESSOR_STATE, PREPROCESSOR_STATE, processor_files};
use mtdit_policy::checkpoint::{LeRobotConfig, pretty_json};
use mtdit_policy::encoders::ClipConfig;
use mtdit_policy::{Statistic, Statistics};
use safetensors::tensor::Dtype;
use serde_json::{Value, json};

use crate::atomic::{self, partial, publish_folder, replace_link, write_flushed};
use crate::error::TrainError;
use crate::optimizer::Adam;
use crate::state::{self, Progress, SavedTensor, Schedule, weights, write_tensors};

/// What every checkpoint of a run has in common.
#[derive(Clone, Debug)]
pub struct CheckpointWriter {
    /// The run's `checkpoints/`.
    pub folder: PathBuf,
    /// `config.json`.
    pub config: LeRobotConfig,
    /// Shapes of the CLIP towers, saved as `clip/config.json`.
    pub clip: ClipConfig,
    /// Names of weights.
    pub keys: KeyMap,
    /// Statistics of all features.
    pub statistics: Statistics,
    /// `train_config.json`.
    pub train_config: Value,
    /// `mtdit.json`.
    pub extras: Value,
    /// Updates of the whole run; decides the width of step names.
    pub total_steps: u64,
    /// Checkpoints to keep; 0 keeps all.
    pub keep_last: usize,
}

/// What one checkpoint holds.
#[derive(Clone, Copy, Debug)]
pub struct Snapshot<'a> {
    /// The weights.
    pub network: &'a Network,
    /// Their moving average.
    pub average: Option<&'a Network>,
    /// The optimizer.
    pub adam: &'a Adam,
    /// Learning rates and seed.
    pub schedule: &'a Schedule,
    /// Where the run is.
    pub progress: Progress,
}

impl CheckpointWriter {
    /// Writes the checkpoint of a step, points `last` at it, and deletes those that are too many.
    ///
    /// # Errors
    /// [`TrainError::Io`]; `last` then still points at the checkpoint before.
    pub fn save(&self, snapshot: Snapshot<'_>) -> Result<PathBuf, TrainError> {
        let name = self.step_name(snapshot.progress.step);
        let folder = self.folder.join(&name);
        fs::create_dir_all(&self.folder).map_err(TrainError::io("creating", &self.folder))?;
        let unfinished = partial(&folder);
        atomic::remove_folder(&unfinished)?;

        let written = self.write(&unfinished, snapshot);
        if written.is_err() {
            // A full disk gets its room back; if even that fails, the next start cleans up.
            drop(atomic::remove_folder(&unfinished));
        }
        written?;
        publish_folder(&unfinished, &folder)?;
        replace_link(&self.folder.join("last"), &name)?;
        self.prune(&name)?;
        Ok(folder)
    }

    /// Everything a checkpoint folder holds.
    fn write(&self, unfinished: &Path, snapshot: Snapshot<'_>) -> Result<(), TrainError> {
        self.write_policy(&unfinished.join("pretrained_model"), snapshot.network)?;
        if let Some(average) = snapshot.average {
            self.write_policy(&unfinished.join("pretrained_model_ema"), average)?;
        }
        let state_folder = unfinished.join("training_state");
        fs::create_dir_all(&state_folder).map_err(TrainError::io("creating", &state_folder))?;
        state::save(&state_folder, snapshot.network, self.keys, snapshot.adam, snapshot.schedule, snapshot.progress)
    }

    /// The name of a step's folder: six digits, or as many as the run's last step has.
    pub fn step_name(&self, step: u64) -> String {
        let width = self.total_steps.to_string().len().max(6);
        format!("{step:0width$}")
    }

    /// Writes the seven files of `pretrained_model/`, and ours beside them.
    ///
    /// # Errors
    /// [`TrainError::Io`] names the file.
    pub fn write_policy(&self, folder: &Path, network: &Network) -> Result<(), TrainError> {
        let clip_folder = folder.join("clip");
        fs::create_dir_all(&clip_folder).map_err(TrainError::io("creating", &clip_folder))?;
        let text = |name: &str, text: &str| write_flushed(&folder.join(name), text.as_bytes());
        text("config.json", &self.config.to_json())?;
        write_tensors(&folder.join("model.safetensors"), weights(network, self.keys))?;
        text("train_config.json", &pretty_json(&self.train_config, 4))?;
        for (name, content) in processor_files(&self.config) {
            text(name, &content)?;
        }
        write_tensors(&folder.join(PREPROCESSOR_STATE), statistics_tensors(&self.statistics, &self.visual(), true))?;
        write_tensors(&folder.join(POSTPROCESSOR_STATE), statistics_tensors(&self.statistics, &self.visual(), false))?;
        text("mtdit.json", &pretty_json(&self.extras, 4))?;
        text("clip/config.json", &pretty_json(&clip_json(&self.clip), 2))
    }

    fn visual(&self) -> Vec<&str> {
        let features = self.config.input_features.iter();
        let visual =
            features.filter(|(_, feature)| feature.kind == mtdit_policy::checkpoint::lerobot::FeatureKind::Visual);
        visual.map(|(key, _)| key.as_str()).collect()
    }

    /// Deletes the oldest checkpoints beyond `keep_last`, never the one just written.
    fn prune(&self, newest: &str) -> Result<(), TrainError> {
        if self.keep_last == 0 {
            return Ok(());
        }
        let entries = fs::read_dir(&self.folder).map_err(TrainError::io("reading", &self.folder))?;
        let is_step = |name: &String| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
        let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
        let mut steps: Vec<String> = names.filter(is_step).filter(|name| name != newest).collect();
        steps.sort_by_key(|name| name.parse::<u64>().unwrap_or(0));
        let surplus = (steps.len() + 1).saturating_sub(self.keep_last);
        for name in steps.iter().take(surplus) {
            let folder = self.folder.join(name);
            let doomed = partial(&folder);
            atomic::remove_folder(&doomed)?;
            fs::rename(&folder, &doomed).map_err(TrainError::io("renaming", &folder))?;
            atomic::remove_folder(&doomed)?;
        }
        Ok(())
    }
}

/// `<feature>.<stat>`; the preprocessor's file gives a camera's count the rank of its other statistics.
fn statistics_tensors(statistics: &Statistics, visual: &[&str], is_preprocessor: bool) -> Vec<(String, SavedTensor)> {
    let tensor = |(feature, stat, statistic): (&str, &str, &Statistic)| {
        let is_visual_count = stat == "count" && visual.contains(&feature);
        let shape = match (is_visual_count, is_preprocessor) {
            (true, true) => vec![1, 1, 1],
            (true, false) => vec![1],
            (false, _) => statistic.shape.clone(),
        };
        let bytes = statistic.values.iter().flat_map(|value| value.to_le_bytes()).collect();
        (format!("{feature}.{stat}"), SavedTensor::host(Dtype::F32, shape, bytes))
    };
    statistics.iter().map(tensor).collect()
}

/// CLIP's own `config.json`, from which transformers can build the towers.
fn clip_json(clip: &ClipConfig) -> Value {
    let mut value = json!({"model_type": "clip", "projection_dim": clip.text_config.hidden_size});
    let mut tower = |name: &str, kind: &str, config: Value| {
        let mut config = config;
        config["model_type"] = kind.into();
        config["projection_dim"] = clip.text_config.hidden_size.into();
        value[name] = config;
    };
    tower("text_config", "clip_text_model", json!(clip.text_config));
    if let Some(vision) = &clip.vision_config {
        tower("vision_config", "clip_vision_model", json!(vision));
    }
    value
}
