//! Recording a new dataset with PNG pictures, in the form that `LeRobot` 0.6.1 opens (contract 1).
//!
//! ```text
//! add_frame ─▶ episode in memory ─save_episode─▶ row group in data/ ─finalize─▶ meta/: tasks, episodes, stats, info.json
//! ```
//!
//! `info.json` is written last. A recording that stops before has none, so it is never taken for a dataset.

mod columns;
mod episode;
mod frame;
mod metadata;

use std::fs;
use std::path::{Path, PathBuf};

use self::columns::{ParquetWriter, data_schema};
use self::episode::{Columns, episode_stats, record_batch};
pub use self::frame::Png;
use self::frame::{Cell, check_feature, numbers, picture, wrong};
use self::metadata::CHUNKS_SIZE;
use crate::error::DataError;
use crate::info::{DATA_PATH, Dtype, Feature, Fields, fill};
use crate::stats::Stats;
use crate::table::{EPISODE_INDEX, FRAME_INDEX, INDEX, TASK_INDEX, TIMESTAMP};
use crate::video::Frame;

/// The columns that the writer fills in itself.
const OWN_COLUMNS: [&str; 5] = [TIMESTAMP, FRAME_INDEX, EPISODE_INDEX, INDEX, TASK_INDEX];
const BYTES_PER_MB: f64 = 1_048_576.0;

/// What a new dataset is going to hold.
#[derive(Debug, Clone, PartialEq)]
pub struct DatasetSpec {
    /// Frames per second.
    pub fps: u32,
    /// The kind of robot.
    pub robot_type: Option<String>,
    /// The columns: [`Feature::numbers`] and [`Feature::image`]. Time and numbering are added by the writer.
    pub features: Vec<Feature>,
    /// A new data file is started before one grows beyond this, in MiB; `LeRobot` takes 100.
    pub data_files_size_in_mb: u32,
}

/// What is remembered of a saved episode.
#[derive(Debug)]
struct EpisodeRow {
    index: usize,
    tasks: Vec<String>,
    from: usize,
    to: usize,
    chunk: usize,
    file: usize,
    stats: Stats,
}

/// The frames of the episode that is being recorded.
#[derive(Debug, Default)]
struct Buffer {
    n_frames: usize,
    /// Per feature: the values of numeric ones, row after row.
    values: Vec<Vec<f64>>,
    /// Per feature: the PNG files of cameras.
    pictures: Vec<Vec<Vec<u8>>>,
    /// Per frame: the instruction.
    tasks: Vec<String>,
}

/// The data file that is being written.
struct OpenFile {
    writer: ParquetWriter,
    chunk: usize,
    file: usize,
    n_frames: usize,
}

/// Writes a `LeRobotDataset` v3.0.
pub struct DatasetWriter {
    root: PathBuf,
    spec: DatasetSpec,
    /// Those of the caller, then those of the writer.
    features: Vec<Feature>,
    tasks: Vec<String>,
    episodes: Vec<EpisodeRow>,
    buffer: Buffer,
    open: Option<OpenFile>,
    /// A data file could not be written, so what it held is lost.
    broken: bool,
}

impl DatasetWriter {
    /// Starts a dataset in a folder that does not exist or is empty.
    ///
    /// # Errors
    /// When the folder holds something, or a feature cannot be written.
    pub fn create(root: &Path, spec: DatasetSpec) -> Result<Self, DataError> {
        for feature in &spec.features {
            check_feature(feature, &spec.features)?;
        }
        if spec.fps == 0 {
            return Err(wrong("fps", "it must be at least 1"));
        }
        fs::create_dir_all(root).map_err(DataError::io("create", root))?;
        let mut entries = fs::read_dir(root).map_err(DataError::io("list", root))?;
        if entries.next().is_some() {
            let problem = format!("the folder {} is not empty; choose another or delete it", root.display());
            return Err(wrong("root", &problem));
        }
        let own = OWN_COLUMNS.iter().map(|key| Feature {
            key: (*key).to_owned(),
            dtype: Dtype::parse(if *key == TIMESTAMP { "float32" } else { "int64" }),
            shape: vec![1],
            names: Vec::new(),
            info: serde_json::Map::new(),
        });
        Ok(Self {
            root: root.to_path_buf(),
            features: spec.features.iter().cloned().chain(own).collect(),
            spec,
            tasks: Vec::new(),
            episodes: Vec::new(),
            buffer: Buffer::default(),
            open: None,
            broken: false,
        })
    }

    /// Adds a frame to the episode: the values of every numeric feature, a picture of every camera, the instruction.
    ///
    /// # Errors
    /// When a feature is missing, unknown, or does not have the declared size. Nothing is added then.
    pub fn add_frame(
        &mut self,
        values: &[(&str, &[f64])],
        pictures: &[(&str, &Frame)],
        task: &str,
    ) -> Result<(), DataError> {
        let encoded = pictures.iter().map(|(key, frame)| Png::encode(key, frame)).collect::<Result<Vec<Png>, _>>()?;
        let pictures: Vec<(&str, &Png)> = pictures.iter().map(|(key, _)| *key).zip(&encoded).collect();
        self.add_encoded_frame(values, &pictures, task)
    }

    /// The same with pictures that were encoded before.
    ///
    /// # Errors
    /// As [`Self::add_frame`].
    pub fn add_encoded_frame(
        &mut self,
        values: &[(&str, &[f64])],
        pictures: &[(&str, &Png)],
        task: &str,
    ) -> Result<(), DataError> {
        let mut row = Vec::with_capacity(self.spec.features.len());
        for feature in &self.spec.features {
            row.push(if feature.dtype == Dtype::Image {
                Cell::Picture(picture(feature, pictures)?)
            } else {
                Cell::Numbers(numbers(feature, values)?)
            });
        }
        for (key, _) in values {
            self.check_known(key)?;
        }
        for (key, _) in pictures {
            self.check_known(key)?;
        }
        self.buffer.values.resize(row.len(), Vec::new());
        self.buffer.pictures.resize(row.len(), Vec::new());
        for (column, cell) in row.into_iter().enumerate() {
            match cell {
                Cell::Numbers(numbers) => self.buffer.values[column].extend(numbers),
                Cell::Picture(picture) => self.buffer.pictures[column].push(picture),
            }
        }
        self.buffer.tasks.push(task.to_owned());
        self.buffer.n_frames += 1;
        Ok(())
    }

    fn check_known(&self, key: &str) -> Result<(), DataError> {
        if self.spec.features.iter().any(|feature| feature.key == key) {
            return Ok(());
        }
        Err(wrong(key, "the dataset has no such feature"))
    }

    /// Frames of the episode so far.
    pub fn n_buffered(&self) -> usize {
        self.buffer.n_frames
    }

    /// Forgets the episode that is being recorded.
    pub fn discard_episode(&mut self) {
        self.buffer = Buffer::default();
    }

    /// Ends the episode and writes it.
    ///
    /// # Errors
    /// When it has no frames or the disk refuses.
    pub fn save_episode(&mut self) -> Result<(), DataError> {
        self.check_intact()?;
        let buffer = std::mem::take(&mut self.buffer);
        if buffer.n_frames == 0 {
            return Err(wrong("episode", "it has no frames; call add_frame first"));
        }
        let from = self.episodes.last().map_or(0, |episode| episode.to);
        let index = self.episodes.len();
        let mut tasks: Vec<String> = Vec::new();
        for task in &buffer.tasks {
            if !tasks.contains(task) {
                tasks.push(task.clone());
            }
        }
        for task in &tasks {
            if !self.tasks.contains(task) {
                self.tasks.push(task.clone());
            }
        }
        let columns = self.columns(buffer, index, from);
        let stats = episode_stats(&self.features, &columns)?;
        let n_frames = columns.n_frames;
        let batch = record_batch(&self.features, columns)?;
        let mut open = self.file_for(n_frames)?;
        if let Err(error) = open.writer.write_group(&batch) {
            self.broken = true;
            return Err(error);
        }
        open.n_frames += n_frames;
        self.episodes.push(EpisodeRow {
            index,
            tasks,
            from,
            to: from + n_frames,
            chunk: open.chunk,
            file: open.file,
            stats,
        });
        self.open = Some(open);
        Ok(())
    }

    /// Writes what makes the folder a dataset.
    ///
    /// # Errors
    /// When no episode was saved, frames wait for [`Self::save_episode`], or the disk refuses.
    pub fn finalize(mut self) -> Result<(), DataError> {
        self.check_intact()?;
        if self.buffer.n_frames > 0 {
            return Err(wrong("episode", "frames are not saved; call save_episode or discard_episode first"));
        }
        if self.episodes.is_empty() {
            return Err(DataError::Empty { path: self.root });
        }
        if let Some(open) = self.open.take() {
            open.writer.finish()?;
        }
        metadata::write_tasks(&self.root, &self.tasks)?;
        metadata::write_episodes(&self.root, &self.episodes)?;
        metadata::write_stats(&self.root, &self.episodes)?;
        metadata::write_info(&self.root, &self.spec, &self.features, &self.episodes, self.tasks.len())
    }

    fn check_intact(&self) -> Result<(), DataError> {
        if self.broken {
            return Err(wrong("episode", "an earlier episode could not be written; record again"));
        }
        Ok(())
    }

    /// All columns of an episode, those of the writer included.
    fn columns(&self, mut buffer: Buffer, episode: usize, from: usize) -> Columns {
        let n_frames = buffer.n_frames;
        let offsets = 0..n_frames;
        buffer.values.push(offsets.clone().map(|offset| offset as f64 / f64::from(self.spec.fps)).collect());
        buffer.values.push(offsets.clone().map(|offset| offset as f64).collect());
        buffer.values.push(vec![episode as f64; n_frames]);
        buffer.values.push(offsets.map(|offset| (from + offset) as f64).collect());
        let index_of = |task: &String| self.tasks.iter().position(|known| known == task);
        let tasks = buffer.tasks.iter().map(|task| index_of(task).unwrap_or(0) as f64);
        buffer.values.push(tasks.collect());
        buffer.pictures.resize(self.features.len(), Vec::new());
        Columns { n_frames, values: buffer.values, pictures: buffer.pictures }
    }

    /// The open data file, or the next one when the episode would make it too large.
    fn file_for(&mut self, n_frames: usize) -> Result<OpenFile, DataError> {
        if let Some(open) = self.open.take() {
            let megabytes = open.writer.bytes() as f64 / BYTES_PER_MB;
            let per_frame = megabytes / open.n_frames.max(1) as f64;
            let expected = megabytes + per_frame * (n_frames as f64);
            if expected < f64::from(self.spec.data_files_size_in_mb) {
                return Ok(open);
            }
            open.writer.finish()?;
        }
        let (chunk, file) = match self.episodes.last() {
            None => (0, 0),
            Some(last) if last.file + 1 == CHUNKS_SIZE => (last.chunk + 1, 0),
            Some(last) => (last.chunk, last.file + 1),
        };
        let fields = Fields { chunk_index: chunk, file_index: file, video_key: "" };
        let name = fill(DATA_PATH, &fields).map_err(|problem| wrong("data_path", &problem))?;
        let images: Vec<&str> = self
            .spec
            .features
            .iter()
            .filter(|feature| feature.is_camera())
            .map(|feature| feature.key.as_str())
            .collect();
        let metadata = Some(("huggingface", metadata::hugging_face(&self.features)));
        let schema = data_schema(&self.features);
        Ok(OpenFile {
            writer: ParquetWriter::create(&self.root.join(name), schema, metadata, &images)?,
            chunk,
            file,
            n_frames: 0,
        })
    }
}

impl std::fmt::Debug for DatasetWriter {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("DatasetWriter")
            .field("root", &self.root)
            .field("n_episodes", &self.episodes.len())
            .field("n_buffered", &self.buffer.n_frames)
            .finish_non_exhaustive()
    }
}
