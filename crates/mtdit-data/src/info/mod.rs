//! `meta/info.json`: what a dataset is made of (contract 1.2).

mod feature;
mod reader;
mod template;

use std::path::{Path, PathBuf};

use serde_json::Value;

pub use self::feature::{Dtype, Feature};
use self::reader::Reader;
pub(crate) use self::template::{Fields, fill, inside_dataset};
use crate::error::DataError;
use crate::json;

/// Where `info.json` lies.
pub(crate) const INFO_PATH: &str = "meta/info.json";
/// The template of new datasets.
pub(crate) const DATA_PATH: &str = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet";
const VIDEO_PATH: &str = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4";
const KNOWN_FIELDS: [&str; 14] = [
    "codebase_version",
    "fps",
    "features",
    "total_episodes",
    "total_frames",
    "total_tasks",
    "chunks_size",
    "data_files_size_in_mb",
    "video_files_size_in_mb",
    "data_path",
    "video_path",
    "robot_type",
    "splits",
    "tools",
];

/// The parsed `meta/info.json`.
#[derive(Debug, Clone, PartialEq)]
pub struct Info {
    /// Version of the format, for example `v3.0`.
    pub codebase_version: String,
    /// Frames per second.
    pub fps: u32,
    /// The columns, in the order of the file; the order of the cameras is the order the policy sees.
    pub features: Vec<Feature>,
    /// Number of episodes, as declared.
    pub total_episodes: usize,
    /// Number of frames, as declared.
    pub total_frames: usize,
    /// Number of tasks, as declared.
    pub total_tasks: usize,
    /// Files per chunk folder.
    pub chunks_size: usize,
    /// Size at which a writer starts a new data file, in MiB.
    pub data_files_size_in_mb: f64,
    /// Size at which a writer starts a new video file, in MiB.
    pub video_files_size_in_mb: f64,
    /// Template of the data files.
    pub data_path: String,
    /// Template of the video files; none when the pictures are inside the data files.
    pub video_path: Option<String>,
    /// The kind of robot.
    pub robot_type: Option<String>,
}

impl Info {
    /// Reads `meta/info.json` of a dataset folder; sentences for the user are added to `warnings`.
    pub(crate) fn read(root: &Path, warnings: &mut Vec<String>) -> Result<Self, DataError> {
        let path = root.join(INFO_PATH);
        if !path.is_file() {
            return Err(DataError::NotADataset { missing: INFO_PATH.to_owned(), path: root.to_path_buf() });
        }
        let value = json::read(&path)?;
        let Value::Object(object) = &value else {
            return Err(DataError::Json { problem: "a JSON object was expected".to_owned(), path });
        };
        let reader = Reader { object, path: &path };
        let codebase_version = reader.text("codebase_version")?.unwrap_or_default();
        check_version(&codebase_version, root, &reader, warnings)?;
        let unknown: Vec<&str> = object.keys().map(String::as_str).filter(|key| !KNOWN_FIELDS.contains(key)).collect();
        if !unknown.is_empty() {
            warnings.push(format!("meta/info.json has fields that are not used: {}", unknown.join(", ")));
        }
        let info = Self {
            fps: reader.fps()?,
            features: reader.features()?,
            total_episodes: reader.count("total_episodes", 0)?,
            total_frames: reader.count("total_frames", 0)?,
            total_tasks: reader.count("total_tasks", 0)?,
            chunks_size: reader.count("chunks_size", 1000)?.max(1),
            data_files_size_in_mb: reader.positive("data_files_size_in_mb", 100.0)?,
            video_files_size_in_mb: reader.positive("video_files_size_in_mb", 200.0)?,
            data_path: reader.text("data_path")?.unwrap_or_else(|| DATA_PATH.to_owned()),
            video_path: if object.contains_key("video_path") {
                reader.text("video_path")?
            } else {
                Some(VIDEO_PATH.to_owned())
            },
            robot_type: reader.text("robot_type")?,
            codebase_version,
        };
        for camera in info.features.iter().filter(|feature| feature.is_depth()) {
            let key = &camera.key;
            warnings.push(format!("camera `{key}` records depth; its frames cannot be used"));
        }
        Ok(info)
    }

    /// The feature with this key.
    pub fn feature(&self, key: &str) -> Option<&Feature> {
        self.features.iter().find(|feature| feature.key == key)
    }

    /// A data file, relative to the dataset.
    pub(crate) fn data_file(&self, chunk_index: usize, file_index: usize) -> Result<PathBuf, String> {
        let fields = Fields { chunk_index, file_index, video_key: "" };
        fill(&self.data_path, &fields)
    }

    /// A video file, relative to the dataset.
    pub(crate) fn video_file(&self, camera: &str, chunk_index: usize, file_index: usize) -> Result<PathBuf, String> {
        let fields = Fields { chunk_index, file_index, video_key: camera };
        let template = self
            .video_path
            .as_deref()
            .ok_or("meta/info.json has no `video_path`, although a camera is stored as video")?;
        fill(template, &fields)
    }
}

/// Contract 1.11: what each version means for the user.
fn check_version(version: &str, root: &Path, reader: &Reader<'_>, warnings: &mut Vec<String>) -> Result<(), DataError> {
    let number = version.trim().trim_start_matches(['v', 'V']);
    let mut parts = number.split('.').map(|part| part.parse::<u32>().ok());
    let major = parts.next().flatten();
    let minor = parts.next().unwrap_or(Some(0));
    let (Some(major), Some(minor)) = (major, minor) else {
        return Err(reader.error("codebase_version", version, "a version such as \"v3.0\""));
    };
    let (version, path) = (version.to_owned(), root.to_path_buf());
    match (major, minor) {
        (3, 0) => Ok(()),
        (2, 1) => Err(DataError::Version21 { version, path }),
        (0..=2, _) => Err(DataError::VersionTooOld { version, path }),
        _ => {
            warnings.push(format!(
                "the dataset has version {version}, newer than the v3.0 this program knows; \
                 it is read as v3.0 and may be misread"
            ));
            Ok(())
        }
    }
}
