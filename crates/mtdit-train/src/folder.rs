//! A checkpoint folder on disk: where its files are, and the policy in it (contract sections 4.1 and 8).

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use mtdit_policy::checkpoint::files::{CONFIG, MAX_JSON, WEIGHTS};
use mtdit_policy::checkpoint::{
    CheckpointFiles, CheckpointParts, FileSource, FilesError, LeRobotConfig, WeightIndex, WeightSource,
};
use mtdit_policy::{Policy, PolicyError, Precision, WeightError};

use crate::error::TrainError;

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
                if root.join(CONFIG).is_file() {
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
        let path = self.root.join(CONFIG);
        LeRobotConfig::from_json(&read_text(&path)?)
            .map_err(|source| TrainError::Config { path: self.root.clone(), source })
    }

    /// Everything but the weights. Without processor files the statistics are empty.
    ///
    /// # Errors
    /// [`TrainError`] names the file at fault.
    pub fn parts(&self) -> Result<CheckpointParts, TrainError> {
        self.files().map(|files| files.parts)
    }

    /// All small files.
    ///
    /// # Errors
    /// [`TrainError`] names the file at fault.
    pub fn files(&self) -> Result<CheckpointFiles, TrainError> {
        let mut files =
            pollster::block_on(CheckpointFiles::read(&mut OnDisk(&self.root))).map_err(|error| match error {
                FilesError::File(error) => error,
                FilesError::Text { file, reason } => {
                    TrainError::Invalid { path: self.root.join(file), reason: format!("not UTF-8 text: {reason}") }
                }
                FilesError::Config(source) => TrainError::Config { path: self.root.clone(), source },
                FilesError::Weights(error) => error.into(),
            })?;
        if files.parts.clip_json.is_none() {
            files.parts.clip_json = self.clip_json_above(&files.parts.config)?;
        }
        Ok(files)
    }

    /// The weights, read tensor by tensor.
    ///
    /// # Errors
    /// [`TrainError::MissingFile`] without the file, [`TrainError::Policy`] when it is not safetensors.
    pub fn weights(&self) -> Result<WeightFile, TrainError> {
        let path = self.root.join(WEIGHTS);
        if !path.is_file() {
            return Err(TrainError::MissingFile { path, hint: "a checkpoint holds its weights in it" });
        }
        WeightFile::open(&path)
    }

    /// Whether there are weights: a preset is a checkpoint folder still without them.
    pub fn has_weights(&self) -> bool {
        self.root.join(WEIGHTS).is_file()
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

    /// CLIP's own `config.json` in a folder of CLIP's name, up to four folders above the checkpoint.
    fn clip_json_above(&self, config: &LeRobotConfig) -> Result<Option<String>, TrainError> {
        let above = self.root.ancestors().skip(1).take(4);
        let path =
            above.map(|folder| folder.join(&config.vision_encoder_name).join(CONFIG)).find(|path| path.is_file());
        path.map(|path| read_text(&path)).transpose()
    }
}

/// The small files of a folder.
struct OnDisk<'a>(&'a Path);

impl FileSource for OnDisk<'_> {
    type Error = TrainError;

    fn name(&self, path: &str) -> String {
        self.0.join(path).display().to_string()
    }

    async fn find(&mut self, path: &str, most: u64) -> Result<Option<Vec<u8>>, TrainError> {
        let path = self.0.join(path);
        if path.is_file() { read_capped(&path, most).map(Some) } else { Ok(None) }
    }

    async fn need(&mut self, path: &str, hint: &'static str, most: u64) -> Result<Vec<u8>, TrainError> {
        let found = self.find(path, most).await?;
        found.ok_or_else(|| TrainError::MissingFile { path: self.0.join(path), hint })
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
        let range = &self.index.entry(name)?.range;
        let length = usize::try_from(range.end - range.start).map_err(|error| self.unreadable(name, &error))?;
        let mut bytes = vec![0; length];
        self.fill(name, &mut bytes)?;
        Ok(bytes)
    }

    fn fill(&mut self, name: &str, into: &mut [u8]) -> Result<(), WeightError> {
        let start = self.index.entry(name)?.range.start;
        let sought = self.file.seek(SeekFrom::Start(start)).and_then(|_position| self.file.read_exact(into));
        sought.map_err(|error| self.unreadable(name, &error))
    }

    fn unreadable(&self, name: &str, error: &dyn std::error::Error) -> WeightError {
        let file = self.path.display().to_string();
        WeightError::Read { file, name: name.to_owned(), reason: error.to_string() }
    }
}

impl WeightSource for WeightFile {
    fn index(&self) -> &WeightIndex {
        &self.index
    }

    async fn read(&mut self, name: &str, into: &mut [u8]) -> Result<(), WeightError> {
        self.fill(name, into)
    }
}
