//! A dataset folder, opened: the place where the tables, the videos and the statistics meet.
//!
//! Numbers are read into memory when the dataset is opened; pictures are decoded when they are asked for. Everything can
//! be used from several threads at once.

mod oddities;
mod pictures;

use std::fmt;
use std::path::{Path, PathBuf};

use crate::episodes::{self, Episode};
use crate::error::DataError;
use crate::info::{Feature, Info};
use crate::sample::{self, Sample};
use crate::stats::{Stats, compute_stats};
use crate::table::{Column, PictureStore, TASK_INDEX, TIMESTAMP, Table};
use crate::tasks::Tasks;
use crate::video::{Frame, VideoPool};
use crate::window::Window;

/// A `LeRobotDataset` v3.0 in a folder.
pub struct Dataset {
    root: PathBuf,
    info: Info,
    episodes: Vec<Episode>,
    tasks: Tasks,
    stats: Stats,
    warnings: Vec<String>,
    table: Table,
    pictures: PictureStore,
    videos: VideoPool,
}

impl Dataset {
    /// Opens the folder that holds `meta/`, `data/` and `videos/`.
    ///
    /// # Errors
    /// When it is no dataset, has another version, was not finalised, or its tables contradict each other. What is odd
    /// but readable is in [`Self::warnings`].
    pub fn open(root: &Path) -> Result<Self, DataError> {
        let mut warnings = Vec::new();
        let info = Info::read(root, &mut warnings)?;
        let tasks = Tasks::read(root, &mut warnings)?;
        let episodes = episodes::read(root, &info)?;
        let table = Table::load(root, &info, &episodes)?;
        let stats = Stats::read(root)?;
        let mut dataset = Self {
            root: root.to_path_buf(),
            stats: stats.clone().unwrap_or_default(),
            pictures: PictureStore::new(root),
            videos: VideoPool::default(),
            info,
            episodes,
            tasks,
            warnings,
            table,
        };
        dataset.check_tasks()?;
        dataset.compare_totals();
        dataset.compare_codecs();
        if stats.is_none() {
            let (computed, left_out) = compute_stats(&dataset, &|_, _| {});
            dataset.stats = computed;
            dataset.warnings.push("meta/stats.json is missing; the statistics were computed from the data".to_owned());
            dataset.warnings.extend(left_out);
        }
        Ok(dataset)
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `meta/info.json`.
    pub fn info(&self) -> &Info {
        &self.info
    }

    /// The episodes, by number.
    pub fn episodes(&self) -> &[Episode] {
        &self.episodes
    }

    /// The instructions.
    pub fn tasks(&self) -> &Tasks {
        &self.tasks
    }

    /// `meta/stats.json`, or the same computed from the data where it is missing.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Sentences for the user: what is odd about the dataset but does not keep it from being used.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Number of frames of all episodes.
    pub fn n_frames(&self) -> usize {
        self.table.n_frames()
    }

    /// Keys of the cameras in the order of `info.json`; depth cameras are not among them.
    pub fn cameras(&self) -> Vec<&str> {
        let cameras = self.info.features.iter().filter(|feature| feature.is_camera() && !feature.is_depth());
        cameras.map(|feature| feature.key.as_str()).collect()
    }

    /// The declaration of a column.
    pub fn feature(&self, key: &str) -> Option<&Feature> {
        self.info.feature(key)
    }

    /// One row of a numeric column as `f32`; as many values as the product of its shape.
    ///
    /// # Errors
    /// When there is no such numeric column or no such frame.
    pub fn values(&self, key: &str, index: usize) -> Result<Vec<f32>, DataError> {
        self.row(key, index).map(|column| column.as_f32(index))
    }

    /// One row of a column of integers or truth values.
    ///
    /// # Errors
    /// When there is no such column, it holds floats, or there is no such frame.
    pub fn integers(&self, key: &str, index: usize) -> Result<Vec<i64>, DataError> {
        let column = self.row(key, index)?;
        column.as_i64(index).ok_or_else(|| unknown("column of integers", key, self.table.keys()))
    }

    /// The instruction at a frame.
    ///
    /// # Errors
    /// When there is no such frame.
    pub fn task(&self, index: usize) -> Result<&str, DataError> {
        let task_index = self.integer(TASK_INDEX, index)?;
        self.tasks.get(task_index).ok_or_else(|| DataError::Tasks {
            problem: format!("frame {index} has task {task_index}, which the table of tasks does not have"),
            path: self.root.clone(),
        })
    }

    /// One frame of a camera, as recorded.
    ///
    /// # Errors
    /// When there is no such camera or frame, the camera records depth, the codec is not in this build, the picture
    /// cannot be decoded or does not have the declared size.
    pub fn frame(&self, camera: &str, index: usize) -> Result<Frame, DataError> {
        let mut found = None;
        self.visit_frames(camera, [index], |_, frame| {
            found = Some(frame);
            Ok(())
        })?;
        found.ok_or(DataError::FrameOutOfRange { index, n_frames: self.n_frames() })
    }

    /// Everything that `LeRobotDataset` returns for an anchor.
    ///
    /// # Errors
    /// As [`Self::frame`].
    pub fn sample(&self, index: usize, window: &Window) -> Result<Sample, DataError> {
        sample::collect(self, index, window, true)
    }

    /// The same without the cameras, for those who take the frames from a cache.
    ///
    /// # Errors
    /// When there is no such frame.
    pub fn sample_without_cameras(&self, index: usize, window: &Window) -> Result<Sample, DataError> {
        sample::collect(self, index, window, false)
    }

    /// The episode that holds a frame.
    ///
    /// # Errors
    /// When there is no such frame.
    pub fn episode_of(&self, index: usize) -> Result<&Episode, DataError> {
        let at = self.episodes.partition_point(|episode| episode.to <= index);
        self.episodes.get(at).ok_or(DataError::FrameOutOfRange { index, n_frames: self.n_frames() })
    }
}

impl fmt::Debug for Dataset {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Dataset")
            .field("root", &self.root)
            .field("n_episodes", &self.episodes.len())
            .field("n_frames", &self.n_frames())
            .finish_non_exhaustive()
    }
}

/// Access for the other stages.
impl Dataset {
    /// Names of the numeric columns.
    pub(crate) fn numeric_keys(&self) -> Vec<&str> {
        self.table.keys()
    }

    /// A numeric column.
    pub(crate) fn column(&self, key: &str) -> Option<&Column> {
        self.table.column(key)
    }

    /// The tables of numbers.
    pub(crate) fn table(&self) -> &Table {
        &self.table
    }

    /// The open videos.
    pub(crate) fn videos(&self) -> &VideoPool {
        &self.videos
    }

    /// One value of a column of integers.
    pub(crate) fn integer(&self, key: &str, index: usize) -> Result<i64, DataError> {
        self.row(key, index)?;
        let found = self.table.integer(key, index);
        found.ok_or_else(|| unknown("column of integers", key, self.table.keys()))
    }

    /// Time of a frame in its episode, in seconds.
    pub(crate) fn timestamp(&self, index: usize) -> Result<f32, DataError> {
        let row = self.values(TIMESTAMP, index)?;
        Ok(row.first().copied().unwrap_or(f32::NAN))
    }

    fn row(&self, key: &str, index: usize) -> Result<&Column, DataError> {
        let column = self.table.column(key);
        let column = column.ok_or_else(|| unknown("numeric column", key, self.table.keys()))?;
        if index >= self.n_frames() {
            return Err(DataError::FrameOutOfRange { index, n_frames: self.n_frames() });
        }
        Ok(column)
    }
}

fn unknown(kind: &'static str, key: &str, available: Vec<&str>) -> DataError {
    DataError::UnknownFeature { kind, key: key.to_owned(), available: available.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dataset_is_shared_by_threads() {
        fn shared<T: Send + Sync>() {}
        shared::<Dataset>();
    }
}
