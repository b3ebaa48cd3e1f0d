//! A checkpoint folder on disk: where its files are, and the policy in it (contract sections 4.1 and 8).

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use mtdit_policy::checkpoint::processors::{
    POSTPROCESSOR, POSTPROCESSOR_STATE, PREPROCESSOR, PREPROCESSOR_STATE, normalizer_step, read_statistics,
};
use mtdit_policy::checkpoint::{CheckpointParts, LeRobotConfig, WeightIndex, WeightSource};
use mtdit_policy::{Policy, PolicyError, Precision, Statistics, WeightError};

use crate::error::TrainError;

/// Longest JSON file that is read.
const MAX_JSON: u64 = 64 << 20;
/// Longest statistics file that is read.
const MAX_STATISTICS: u64 = 256 << 20;

/// A folder that holds `config.json` and `model.safetensors`.
#[derive(Clone, Debug)]
pub struct CheckpointFolder {
    root: PathBuf,
}

impl CheckpointFolder {
    /// Finds the checkpoint: the folder itself, its `pretrained_model/`, or what `last` or `checkpoints/last` points at
    /// (a link, or a text file where links do not exist).
    ///
    /// # Errors
    /// [`TrainError::NoCheckpoint`] when there is none.
    pub fn find(path: &Path) -> Result<Self, TrainError> {
        let followed = [path.to_owned()]
            .into_iter()
            .chain([path.join("last"), path.join("checkpoints/last")].into_iter().filter_map(|last| follow(&last)));
        for folder in followed {
            for root in [folder.clone(), folder.join("pretrained_model")] {
                if root.join("config.json").is_file() {
                    return Ok(Self { root });
                }
            }
        }
        Err(TrainError::NoCheckpoint { path: path.to_owned() })
    }

    /// The folder with `config.json`.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `config.json`.
    ///
    /// # Errors
    /// [`TrainError::Config`] names the file and the field.
    pub fn config(&self) -> Result<LeRobotConfig, TrainError> {
        let path = self.root.join("config.json");
        LeRobotConfig::from_json(&read_text(&path)?)
            .map_err(|source| TrainError::Config { path: self.root.clone(), source })
    }

    /// Everything but the weights. Without processor files the statistics are empty.
    ///
    /// # Errors
    /// [`TrainError`] names the file at fault.
    pub fn parts(&self) -> Result<CheckpointParts, TrainError> {
        let config = self.config()?;
        let clip_json = self.clip_json(&config)?;
        let mut parts = CheckpointParts {
            config,
            clip_json,
            statistics: Statistics::default(),
            action_statistics: Statistics::default(),
        };
        if let Some((modes, statistics)) = self.processor(PREPROCESSOR, PREPROCESSOR_STATE)? {
            parts.override_modes(&modes);
            parts.action_statistics = statistics.clone();
            parts.statistics = statistics;
        }
        if let Some((_, statistics)) = self.processor(POSTPROCESSOR, POSTPROCESSOR_STATE)? {
            parts.action_statistics = statistics;
        }
        Ok(parts)
    }

    /// The weights, read tensor by tensor.
    ///
    /// # Errors
    /// [`TrainError::MissingFile`] without the file, [`TrainError::Policy`] when it is not safetensors.
    pub fn weights(&self) -> Result<WeightFile, TrainError> {
        let path = self.root.join("model.safetensors");
        if !path.is_file() {
            return Err(TrainError::MissingFile { path, hint: "a checkpoint holds its weights in it" });
        }
        WeightFile::open(&path)
    }

    /// Whether there are weights: a preset is a checkpoint folder still without them.
    pub fn has_weights(&self) -> bool {
        self.root.join("model.safetensors").is_file()
    }

    /// The policy with its own statistics.
    ///
    /// # Errors
    /// [`TrainError`] names the file, tensor or field at fault.
    pub fn policy(&self, device: &Device) -> Result<Policy, TrainError> {
        self.policy_with(&self.parts()?, device)
    }

    /// The policy with parts that were changed after reading.
    ///
    /// # Errors
    /// As [`CheckpointFolder::policy`].
    pub fn policy_with(&self, parts: &CheckpointParts, device: &Device) -> Result<Policy, TrainError> {
        self.policy_as(parts, Precision::F32, device)
    }

    /// The same, computing in a precision of choice.
    ///
    /// # Errors
    /// As [`CheckpointFolder::policy`].
    pub fn policy_as(
        &self,
        parts: &CheckpointParts,
        precision: Precision,
        device: &Device,
    ) -> Result<Policy, TrainError> {
        let mut weights = self.weights()?;
        pollster::block_on(parts.load(&mut weights, precision, device)).map_err(|error| match error {
            PolicyError::Config(source) => TrainError::Config { path: self.root.clone(), source },
            other => other.into(),
        })
    }

    /// CLIP's own `config.json`: in a folder of CLIP's name (or `clip`) in the checkpoint or up to four folders above it.
    fn clip_json(&self, config: &LeRobotConfig) -> Result<Option<String>, TrainError> {
        let name = &config.vision_encoder_name;
        let inside = [self.root.join("clip"), self.root.join(name)];
        let above = self.root.ancestors().skip(1).take(4).map(|folder| folder.join(name));
        for folder in inside.into_iter().chain(above) {
            let path = folder.join("config.json");
            if path.is_file() {
                return read_text(&path).map(Some);
            }
        }
        Ok(None)
    }

    #[expect(clippy::type_complexity, reason = "a pair that is taken apart at once")]
    fn processor(
        &self,
        file: &str,
        default_state: &str,
    ) -> Result<Option<(indexmap::IndexMap<String, mtdit_policy::config::NormalizationMode>, Statistics)>, TrainError>
    {
        let path = self.root.join(file);
        if !path.is_file() {
            return Ok(None);
        }
        let step = normalizer_step(file, &read_text(&path)?)
            .map_err(|source| TrainError::Config { path: self.root.clone(), source })?;
        let state = self.root.join(step.state_file.as_deref().unwrap_or(default_state));
        if !state.is_file() {
            return Err(TrainError::MissingFile {
                path: state,
                hint: "the processor file beside it names it as its statistics",
            });
        }
        let bytes = read_capped(&state, MAX_STATISTICS)?;
        Ok(Some((step.norm_map, read_statistics(&state.display().to_string(), bytes)?)))
    }
}

/// Where a `last` link, or a text file with a folder's name, points.
fn follow(last: &Path) -> Option<PathBuf> {
    if last.is_dir() {
        return last.canonicalize().ok().or_else(|| Some(last.to_owned()));
    }
    let name = fs::read_to_string(last).ok()?;
    let name = name.trim();
    let is_plain = !name.is_empty() && !name.contains(['/', '\\']) && !name.starts_with('.');
    is_plain.then(|| last.with_file_name(name)).filter(|folder| folder.is_dir())
}

/// A text file of bounded length.
///
/// # Errors
/// [`TrainError::Io`] or [`TrainError::Invalid`].
pub(crate) fn read_text(path: &Path) -> Result<String, TrainError> {
    let bytes = read_capped(path, MAX_JSON)?;
    String::from_utf8(bytes)
        .map_err(|error| TrainError::Invalid { path: path.to_owned(), reason: format!("not UTF-8 text: {error}") })
}

fn read_capped(path: &Path, most: u64) -> Result<Vec<u8>, TrainError> {
    let length = fs::metadata(path).map_err(TrainError::io("reading", path))?.len();
    if length > most {
        return Err(TrainError::Invalid {
            path: path.to_owned(),
            reason: format!("it has {length} bytes; at most {most} are read"),
        });
    }
    fs::read(path).map_err(TrainError::io("reading", path))
}

/// A safetensors file, read tensor by tensor.
#[derive(Debug)]
pub struct WeightFile {
    path: PathBuf,
    file: File,
    index: WeightIndex,
}

impl WeightFile {
    /// Reads the header.
    ///
    /// # Errors
    /// [`TrainError::Io`] without the file, [`TrainError::Policy`] when it is not safetensors.
    pub fn open(path: &Path) -> Result<Self, TrainError> {
        let name = path.display().to_string();
        let mut file = File::open(path).map_err(TrainError::io("opening", path))?;
        let length = file.metadata().map_err(TrainError::io("reading", path))?.len();
        let mut first = Vec::new();
        file.by_ref().take(8).read_to_end(&mut first).map_err(TrainError::io("reading", path))?;
        let header_length = WeightIndex::header_length(&name, &first, length)?;
        let mut header = Vec::new();
        file.by_ref().take(header_length).read_to_end(&mut header).map_err(TrainError::io("reading", path))?;
        let index = WeightIndex::parse(&name, &header, length)?;
        Ok(Self { path: path.to_owned(), file, index })
    }

    /// A tensor's values in single precision.
    ///
    /// # Errors
    /// [`WeightError`] when it is missing, unreadable or not of floats.
    pub fn values(&mut self, name: &str) -> Result<Vec<f32>, WeightError> {
        let bytes = self.bytes(name)?;
        mtdit_policy::checkpoint::safetensors::floats(&self.index, name, &bytes)
    }

    /// A tensor's bytes.
    ///
    /// # Errors
    /// [`WeightError`] when it is missing or unreadable.
    pub fn bytes(&mut self, name: &str) -> Result<Vec<u8>, WeightError> {
        let range = self.index.entry(name)?.range.clone();
        let mut read = || -> std::io::Result<Vec<u8>> {
            self.file.seek(SeekFrom::Start(range.start))?;
            let length = usize::try_from(range.end - range.start).map_err(std::io::Error::other)?;
            let mut bytes = vec![0; length];
            self.file.read_exact(&mut bytes)?;
            Ok(bytes)
        };
        let file = self.path.display().to_string();
        read().map_err(|error| WeightError::Read { file, name: name.to_owned(), reason: error.to_string() })
    }
}

impl WeightSource for WeightFile {
    fn index(&self) -> &WeightIndex {
        &self.index
    }

    async fn read(&mut self, name: &str) -> Result<Vec<u8>, WeightError> {
        self.bytes(name)
    }
}
