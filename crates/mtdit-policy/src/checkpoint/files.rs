//! A checkpoint's small files, wherever they are: a folder on disk, a server, or files dropped on a page (contract section 4.1).

use indexmap::IndexMap;
use serde_json::Value;
use thiserror::Error;

use super::CheckpointParts;
use super::lerobot::LeRobotConfig;
use super::processors::{
    POSTPROCESSOR, POSTPROCESSOR_STATE, PREPROCESSOR, PREPROCESSOR_STATE, normalizer_step, read_statistics,
};
use crate::config::NormalizationMode;
use crate::error::{ConfigError, WeightError};
use crate::preprocess::Statistics;

/// The policy's configuration.
pub const CONFIG: &str = "config.json";
/// The weights.
pub const WEIGHTS: &str = "model.safetensors";
/// Our own file beside `LeRobot`'s.
pub const EXTRAS: &str = "mtdit.json";
/// Longest JSON file that is read.
pub const MAX_JSON: u64 = 64 << 20;
/// Longest statistics file that is read.
pub const MAX_STATISTICS: u64 = 256 << 20;

/// Where a checkpoint's small files come from.
pub trait FileSource {
    /// Why a file cannot be had.
    type Error;

    /// What messages call a file.
    fn name(&self, path: &str) -> String;

    /// The bytes of a file below the checkpoint's folder, at most `most` of them; `None` without the file.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    fn find(&mut self, path: &str, most: u64) -> impl Future<Output = Result<Option<Vec<u8>>, Self::Error>>;

    /// The bytes of a file that must be there; `hint` says why, or what to do without it.
    ///
    /// # Errors
    /// When the file is missing or cannot be read.
    fn need(&mut self, path: &str, hint: &'static str, most: u64)
    -> impl Future<Output = Result<Vec<u8>, Self::Error>>;
}

/// Everything that the small files say.
#[derive(Clone, Debug)]
pub struct CheckpointFiles {
    /// What the policy is made of. Without processor files the statistics are empty.
    pub parts: CheckpointParts,
    /// What `mtdit.json` remembers of the training.
    pub provenance: Provenance,
}

/// What `mtdit.json` remembers of the training; empty where it does not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provenance {
    /// Names of the state's dimensions.
    pub state_names: Vec<String>,
    /// Names of the action's dimensions.
    pub action_names: Vec<String>,
    /// Instructions that the policy was trained on.
    pub tasks: Vec<String>,
}

/// Why the small files make no checkpoint.
#[derive(Debug, Error)]
pub enum FilesError<E> {
    /// A file could not be had.
    #[error("{0}")]
    File(E),
    /// A file that should hold text holds something else.
    #[error("{file}: not UTF-8 text: {reason}")]
    Text {
        /// Its path below the checkpoint's folder.
        file: String,
        /// Where it stops being text.
        reason: String,
    },
    /// A field does not parse, or the policy is another.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A statistics file is broken.
    #[error(transparent)]
    Weights(#[from] WeightError),
}

impl CheckpointFiles {
    /// Reads and parses all small files of a checkpoint.
    ///
    /// # Errors
    /// [`FilesError`] names the file at fault.
    pub async fn read<S: FileSource>(source: &mut S) -> Result<Self, FilesError<S::Error>> {
        let config = source.need(CONFIG, "is this the folder with config.json?", MAX_JSON).await;
        let config = LeRobotConfig::from_json(&text(CONFIG, config.map_err(FilesError::File)?)?)?;
        let clip_json = clip_json(source, &config.vision_encoder_name).await?;
        let mut parts = CheckpointParts {
            config,
            clip_json,
            statistics: Statistics::default(),
            action_statistics: Statistics::default(),
        };
        if let Some((modes, statistics)) = processor(source, PREPROCESSOR, PREPROCESSOR_STATE).await? {
            parts.override_modes(&modes);
            parts.action_statistics = statistics.clone();
            parts.statistics = statistics;
        }
        if let Some((_, statistics)) = processor(source, POSTPROCESSOR, POSTPROCESSOR_STATE).await? {
            parts.action_statistics = statistics;
        }
        let extras = source.find(EXTRAS, MAX_JSON).await.map_err(FilesError::File)?;
        let provenance = extras.as_deref().map(Provenance::parse).unwrap_or_default();
        Ok(Self { parts, provenance })
    }
}

impl Provenance {
    /// Reads `mtdit.json`. Nothing depends on it, so what does not parse is passed over.
    pub fn parse(json: &[u8]) -> Self {
        let value: Value = serde_json::from_slice(json).unwrap_or_default();
        let words = |list: &Value| -> Option<Vec<String>> {
            list.as_array()?.iter().map(|word| word.as_str().map(str::to_owned)).collect()
        };
        let provenance = &value["provenance"];
        Self {
            state_names: words(&provenance["names"]["observation.state"]).unwrap_or_default(),
            action_names: words(&provenance["names"]["action"]).unwrap_or_default(),
            tasks: words(&provenance["tasks"]).unwrap_or_default(),
        }
    }
}

/// CLIP's own `config.json`: in the folder `clip`, or in one of CLIP's name.
async fn clip_json<S: FileSource>(source: &mut S, name: &str) -> Result<Option<String>, FilesError<S::Error>> {
    for folder in ["clip", name] {
        let path = format!("{folder}/{CONFIG}");
        if let Some(bytes) = source.find(&path, MAX_JSON).await.map_err(FilesError::File)? {
            return text(&path, bytes).map(Some);
        }
    }
    Ok(None)
}

type Processor = (IndexMap<String, NormalizationMode>, Statistics);

/// A processor file and the statistics that it names.
async fn processor<S: FileSource>(
    source: &mut S,
    file: &str,
    default_state: &str,
) -> Result<Option<Processor>, FilesError<S::Error>> {
    let Some(bytes) = source.find(file, MAX_JSON).await.map_err(FilesError::File)? else { return Ok(None) };
    let step = normalizer_step(file, &text(file, bytes)?)?;
    let state = step.state_file.as_deref().unwrap_or(default_state);
    let hint = "the processor file beside it names it as its statistics";
    let bytes = source.need(state, hint, MAX_STATISTICS).await.map_err(FilesError::File)?;
    Ok(Some((step.norm_map, read_statistics(&source.name(state), bytes)?)))
}

fn text<E>(file: &str, bytes: Vec<u8>) -> Result<String, FilesError<E>> {
    String::from_utf8(bytes).map_err(|error| FilesError::Text { file: file.to_owned(), reason: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::Provenance;

    #[test]
    fn names_and_tasks_are_remembered_and_nothing_else_is_needed() {
        let whole =
            br#"{"provenance": {"names": {"action": ["x", "y"], "observation.state": ["a"]}, "tasks": ["go"]}}"#;
        let provenance = Provenance::parse(whole);
        assert_eq!(provenance.action_names, ["x", "y"]);
        assert_eq!(provenance.state_names, ["a"]);
        assert_eq!(provenance.tasks, ["go"]);
        let odd: [&[u8]; 5] = [b"", b"{}", b"[1]", br#"{"provenance": {"names": {"action": ["x", 1]}}}"#, b"\xff\xfe"];
        for json in odd {
            assert_eq!(Provenance::parse(json), Provenance::default(), "{}", String::from_utf8_lossy(json));
        }
    }
}
