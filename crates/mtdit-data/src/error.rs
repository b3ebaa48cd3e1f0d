//! What can go wrong with a dataset: one variant per way, with the file, the column and both values in it.
//!
//! Decoders are other people's code and a recording may be damaged anywhere, so their panics are caught where they are
//! called ([`guarded`]) and become ordinary errors.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use thiserror::Error;

/// A dataset, or a file of it, that cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DataError {
    /// The folder lacks a file that every dataset has.
    #[error(
        "not a LeRobot dataset: `{missing}` is missing; name the folder that holds meta/, data/ and videos/: {path}"
    )]
    NotADataset {
        /// The file or folder that is missing, relative to `path`.
        missing: String,
        /// The folder that was named.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("cannot {action}: {error}: {path}")]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// What the operating system says.
        error: io::Error,
        /// The file or folder.
        path: PathBuf,
    },
    /// A file is larger than anything of its kind can be.
    #[error("{what} of {bytes} bytes is more than the {allowed} bytes that are read: {path}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size.
        bytes: u64,
        /// The limit.
        allowed: u64,
        /// The file.
        path: PathBuf,
    },
    /// A file is not JSON, or not the JSON it should be.
    #[error("{problem}: {path}")]
    Json {
        /// What is wrong, with line and column.
        problem: String,
        /// The file.
        path: PathBuf,
    },
    /// A field of `meta/info.json` has an impossible value.
    #[error("`{field}` is {found}, expected {expected}: {path}")]
    Info {
        /// The field.
        field: String,
        /// Its value.
        found: String,
        /// What it must be.
        expected: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// `LeRobot` 2.1.
    #[error(
        "the dataset has version {version}, this program reads v3.0; convert it with LeRobot: \
         python -m lerobot.scripts.convert_dataset_v21_to_v30 --repo-id=<name> --root={path} --push-to-hub=false"
    )]
    Version21 {
        /// The version found.
        version: String,
        /// The folder.
        path: PathBuf,
    },
    /// Older than `LeRobot` 2.1.
    #[error(
        "the dataset has version {version}, this program reads v3.0; convert it to v2.1 with lerobot 0.3.x first, then \
         with a current LeRobot: python -m lerobot.scripts.convert_dataset_v21_to_v30 --repo-id=<name> --root={path} \
         --push-to-hub=false"
    )]
    VersionTooOld {
        /// The version found.
        version: String,
        /// The folder.
        path: PathBuf,
    },
    /// A parquet file without a footer.
    #[error(
        "the recording was not finalised: the parquet file has no footer; call finalize() at the end of a recording, \
         or record its episodes again: {path}"
    )]
    NotFinalised {
        /// The file.
        path: PathBuf,
    },
    /// A parquet file that cannot be decoded or written.
    #[error("parquet: {problem}: {path}")]
    Parquet {
        /// What is wrong.
        problem: String,
        /// The file.
        path: PathBuf,
    },
    /// A column that `meta/info.json` promises, or that every dataset has, is absent.
    #[error("column `{column}` is missing, the file has {available}: {path}")]
    ColumnMissing {
        /// The column.
        column: String,
        /// The columns that are there.
        available: String,
        /// The file.
        path: PathBuf,
    },
    /// A column holds something else than expected.
    #[error("column `{column}` holds {found}, expected {expected}: {path}")]
    ColumnType {
        /// The column.
        column: String,
        /// Its type in the file.
        found: String,
        /// The expected type.
        expected: String,
        /// The file.
        path: PathBuf,
    },
    /// A row of a column has the wrong number of values.
    #[error("row {row} of column `{column}` holds {found} values, meta/info.json says {expected}: {path}")]
    ColumnLength {
        /// The column.
        column: String,
        /// Row in the file.
        row: usize,
        /// Values in the row.
        found: usize,
        /// Values by the declared shape.
        expected: usize,
        /// The file.
        path: PathBuf,
    },
    /// A value is null or does not fit its type.
    #[error("column `{column}` holds a null or a value that does not fit {expected}: {path}")]
    ColumnNull {
        /// The column.
        column: String,
        /// The type.
        expected: String,
        /// The file.
        path: PathBuf,
    },
    /// The table of episodes contradicts itself or the data.
    #[error("episode {episode}: {problem}: {path}")]
    Episode {
        /// The episode.
        episode: i64,
        /// What is wrong.
        problem: String,
        /// File or folder.
        path: PathBuf,
    },
    /// The `index` column does not count the frames of the dataset.
    #[error("column `index`: {problem}: {path}")]
    FrameIndex {
        /// What is wrong.
        problem: String,
        /// File or folder.
        path: PathBuf,
    },
    /// The dataset has no frames.
    #[error("the dataset has no episodes: {path}")]
    Empty {
        /// The folder.
        path: PathBuf,
    },
    /// The table of tasks cannot be used.
    #[error("{problem}: {path}")]
    Tasks {
        /// What is wrong.
        problem: String,
        /// The file.
        path: PathBuf,
    },
    /// A statistic has an impossible form.
    #[error("statistic `{statistic}` of `{feature}`: {problem}: {path}")]
    Statistic {
        /// The feature.
        feature: String,
        /// The statistic.
        statistic: String,
        /// What is wrong.
        problem: String,
        /// The file.
        path: PathBuf,
    },
    /// The caller asked for a feature that the dataset does not have, or not in this form.
    #[error("the dataset has no {kind} `{key}`; it has {available}")]
    UnknownFeature {
        /// What was looked for: feature, camera, numeric feature.
        kind: &'static str,
        /// The key.
        key: String,
        /// What there is.
        available: String,
    },
    /// The caller asked for a frame past the end.
    #[error("frame {index} does not exist, the dataset has {n_frames} frames")]
    FrameOutOfRange {
        /// The index asked for.
        index: usize,
        /// Frames in the dataset.
        n_frames: usize,
    },
    /// Depth cameras are not pictures.
    #[error("camera `{camera}` records depth, which this policy does not use; leave it out")]
    DepthCamera {
        /// The camera.
        camera: String,
    },
    /// An mp4 file cannot be read.
    #[error("not a readable mp4 file: {problem}: {path}")]
    Container {
        /// What is wrong.
        problem: String,
        /// The file.
        path: PathBuf,
    },
    /// A codec that this build cannot decode.
    #[error("the video is {codec}, which this build cannot decode; build mtdit with --features ffmpeg: {path}")]
    UnsupportedVideo {
        /// The codec, as the container names it.
        codec: String,
        /// The file.
        path: PathBuf,
    },
    /// A picture of a video cannot be decoded.
    #[error("picture {picture} of the video cannot be decoded: {problem}: {path}")]
    VideoPicture {
        /// Picture in presentation order.
        picture: usize,
        /// What the decoder says.
        problem: String,
        /// The file.
        path: PathBuf,
    },
    /// The video has no picture near the wanted time.
    #[error(
        "frame {index} is at {wanted:.6} s of the video, the nearest picture is at {nearest:.6} s, more than half a \
         frame away: {path}"
    )]
    VideoTime {
        /// The frame of the dataset.
        index: usize,
        /// Its time in the video, in seconds.
        wanted: f64,
        /// The nearest picture, in seconds.
        nearest: f64,
        /// The file.
        path: PathBuf,
    },
    /// A PNG or JPEG cannot be decoded or written.
    #[error("frame {index} of camera `{camera}`: {problem}: {path}")]
    Picture {
        /// The frame of the dataset.
        index: usize,
        /// The camera.
        camera: String,
        /// What is wrong.
        problem: String,
        /// The file.
        path: PathBuf,
    },
    /// A picture does not have the declared size.
    #[error(
        "frame {index} of camera `{camera}` has {found} pixels (height x width), meta/info.json says {declared}; \
         correct `shape` there: {path}"
    )]
    PictureSize {
        /// The frame of the dataset.
        index: usize,
        /// The camera.
        camera: String,
        /// Height x width of the picture.
        found: String,
        /// Height x width of the declaration.
        declared: String,
        /// The file.
        path: PathBuf,
    },
    /// The cache of decoded frames would not fit.
    #[error(
        "the decoded frames need {needed} bytes, {allowed} bytes are allowed; allow more, choose smaller pictures or \
         train without the cache: {path}"
    )]
    CacheTooLarge {
        /// Bytes needed.
        needed: u64,
        /// Bytes allowed.
        allowed: u64,
        /// The folder of the cache.
        path: PathBuf,
    },
    /// A cached frame was changed after it was written.
    #[error(
        "frame {index} in the cache of decoded frames is damaged; the file was removed, start again to rebuild it: {path}"
    )]
    CacheDamaged {
        /// The frame.
        index: usize,
        /// The file.
        path: PathBuf,
    },
    /// The caller asked to stop.
    #[error("stopped before the decoded frames were complete")]
    Stopped,
    /// A sampling option is impossible, or leaves nothing to train on.
    #[error("{0}")]
    Sampling(String),
    /// A frame that is written does not match the declared features.
    #[error("`{field}`: {problem}")]
    Record {
        /// The feature.
        field: String,
        /// What is wrong.
        problem: String,
    },
}

impl DataError {
    /// For `map_err`: an operation on a file or folder failed.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |error| Self::Io { action, error, path }
    }

    /// For `map_err`: parquet or arrow refused.
    pub(crate) fn parquet<E: std::fmt::Display>(path: &Path) -> impl FnOnce(E) -> Self {
        let path = path.to_path_buf();
        move |error| Self::Parquet { problem: error.to_string(), path }
    }
}

/// Runs a decoder; a panic inside becomes a message.
pub(crate) fn guarded<T>(decode: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(decode)).map_err(|payload| {
        let text = payload
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "no message".to_owned());
        format!("the decoder gave up on damaged input ({text})")
    })
}
