//! `meta/episodes/`: which frames, files and seconds of video belong to which episode (contract 1.6).

use std::path::{Path, PathBuf};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type};

use crate::error::{DataError, guarded};
use crate::info::{Dtype, Info};
use crate::table::{ParquetFile, parquet_files};

/// Folder of the episode tables.
pub(crate) const EPISODES_PATH: &str = "meta/episodes";

/// One recorded episode.
#[derive(Debug, Clone, PartialEq)]
pub struct Episode {
    /// Its number, from zero.
    pub index: usize,
    /// The instructions given in it; the first one decides its group when episodes are split.
    pub tasks: Vec<String>,
    /// Number of frames.
    pub length: usize,
    /// First frame, counted over the whole dataset.
    pub from: usize,
    /// One past the last frame.
    pub to: usize,
    /// Chunk and file number of the data.
    pub data: (usize, usize),
    /// Where its frames are in the video files, one entry per camera stored as video.
    pub videos: Vec<VideoSpan>,
}

/// The part of a video file that belongs to an episode.
#[derive(Debug, Clone, PartialEq)]
pub struct VideoSpan {
    /// The camera.
    pub camera: String,
    /// Chunk number of the video file.
    pub chunk: usize,
    /// Number of the video file in its chunk.
    pub file: usize,
    /// Where the episode starts in the file, in seconds.
    pub from_timestamp: f64,
    /// Where it ends, in seconds.
    pub to_timestamp: f64,
}

/// Number and frames of an episode: what a sampler needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpisodeRange {
    /// Its number.
    pub index: usize,
    /// First frame, counted over the whole dataset.
    pub from: usize,
    /// One past the last frame.
    pub to: usize,
}

impl Episode {
    /// Number and frames.
    pub fn range(&self) -> EpisodeRange {
        EpisodeRange { index: self.index, from: self.from, to: self.to }
    }

    /// Where the frames of a camera are; nothing for cameras that are not stored as video.
    pub fn video(&self, camera: &str) -> Option<&VideoSpan> {
        self.videos.iter().find(|span| span.camera == camera)
    }
}

/// Reads all episodes, sorted by number, and checks that they cover the frames without a gap.
pub(crate) fn read(root: &Path, info: &Info) -> Result<Vec<Episode>, DataError> {
    let folder = root.join(EPISODES_PATH);
    if !folder.is_dir() {
        return Err(DataError::NotADataset { missing: EPISODES_PATH.to_owned(), path: root.to_path_buf() });
    }
    let cameras: Vec<&str> = info
        .features
        .iter()
        .filter(|feature| feature.dtype == Dtype::Video)
        .map(|feature| feature.key.as_str())
        .collect();
    let mut episodes = Vec::new();
    for path in parquet_files(&folder)? {
        let file = ParquetFile::open(&path)?;
        let columns = file.columns();
        let columns: Vec<&str> = columns.into_iter().filter(|name| !name.starts_with("stats/")).collect();
        file.read(&columns, None, |batch| {
            let rows = Rows { batch, file: &file };
            for row in 0..batch.num_rows() {
                episodes.push(rows.episode(row, &cameras)?);
            }
            Ok(())
        })?;
    }
    if episodes.is_empty() {
        return Err(DataError::Empty { path: root.to_path_buf() });
    }
    episodes.sort_by_key(|episode| episode.index);
    cover(&mut episodes, &folder)?;
    Ok(episodes)
}

/// Frame ranges follow each other from zero. Files without ranges get them from the lengths.
fn cover(episodes: &mut [Episode], folder: &Path) -> Result<(), DataError> {
    let mut next = 0_usize;
    for (number, episode) in episodes.iter_mut().enumerate() {
        let wrong = |problem: String| DataError::Episode {
            episode: i64::try_from(number).unwrap_or(i64::MAX),
            problem,
            path: folder.to_path_buf(),
        };
        if episode.index != number {
            return Err(wrong(format!("it is missing, episode {} is there instead", episode.index)));
        }
        if episode.from == usize::MAX {
            episode.from = next;
            episode.to = next.saturating_add(episode.length);
        }
        let (from, to, length) = (episode.from, episode.to, episode.length);
        if from != next || to.checked_sub(from) != Some(length) || length == 0 {
            return Err(wrong(format!(
                "it has length {length} and frames {from}..{to}, but should start at frame {next} and not be empty"
            )));
        }
        next = to;
    }
    Ok(())
}

/// Rows of the episode table, by column name: the order of the columns differs between writers.
struct Rows<'a> {
    batch: &'a RecordBatch,
    file: &'a ParquetFile,
}

impl Rows<'_> {
    fn episode(&self, row: usize, cameras: &[&str]) -> Result<Episode, DataError> {
        let has_range =
            ["dataset_from_index", "dataset_to_index"].iter().all(|name| self.batch.column_by_name(name).is_some());
        let (from, to) = if has_range {
            (self.count("dataset_from_index", row)?, self.count("dataset_to_index", row)?)
        } else {
            (usize::MAX, usize::MAX)
        };
        let span = |camera: &&str| {
            let name = |field: &str| format!("videos/{camera}/{field}");
            Ok::<_, DataError>(VideoSpan {
                camera: (*camera).to_owned(),
                chunk: self.count(&name("chunk_index"), row)?,
                file: self.count(&name("file_index"), row)?,
                from_timestamp: self.seconds(&name("from_timestamp"), row)?,
                to_timestamp: self.seconds(&name("to_timestamp"), row)?,
            })
        };
        Ok(Episode {
            index: self.count("episode_index", row)?,
            tasks: self.texts("tasks", row)?,
            length: self.count("length", row)?,
            from,
            to,
            data: (self.count("data/chunk_index", row)?, self.count("data/file_index", row)?),
            videos: cameras.iter().map(span).collect::<Result<Vec<VideoSpan>, DataError>>()?,
        })
    }

    fn wrong(&self, column: &str, found: String, expected: &str) -> DataError {
        DataError::ColumnType { column: column.to_owned(), found, expected: expected.to_owned(), path: self.path() }
    }

    fn path(&self) -> PathBuf {
        self.file.path().to_path_buf()
    }

    /// One number of a column, cast to what is needed.
    fn number(&self, column: &str, row: usize, target: &DataType) -> Result<ArrayRef, DataError> {
        let array = self.batch.column_by_name(column).ok_or_else(|| self.file.missing(column))?;
        if !array.data_type().is_numeric() {
            return Err(self.wrong(column, array.data_type().to_string(), "numbers"));
        }
        let one = array.slice(row, 1);
        let one = guarded(|| cast(&one, target))
            .map_err(DataError::parquet(self.file.path()))?
            .map_err(DataError::parquet(self.file.path()))?;
        if one.is_null(0) {
            return Err(DataError::ColumnNull {
                column: column.to_owned(),
                expected: target.to_string(),
                path: self.path(),
            });
        }
        Ok(one)
    }

    fn count(&self, column: &str, row: usize) -> Result<usize, DataError> {
        let value = self.number(column, row, &DataType::Int64)?.as_primitive::<Int64Type>().value(0);
        usize::try_from(value)
            .ok()
            .filter(|count| *count < usize::MAX / 2)
            .ok_or_else(|| self.wrong(column, value.to_string(), "a count"))
    }

    fn seconds(&self, column: &str, row: usize) -> Result<f64, DataError> {
        let value = self.number(column, row, &DataType::Float64)?.as_primitive::<Float64Type>().value(0);
        if value.is_finite() { Ok(value) } else { Err(self.wrong(column, value.to_string(), "seconds")) }
    }

    /// A list of texts, or one text; nothing when the column is absent.
    fn texts(&self, column: &str, row: usize) -> Result<Vec<String>, DataError> {
        let Some(array) = self.batch.column_by_name(column) else {
            return Ok(Vec::new());
        };
        let list = match array.as_list_opt::<i32>() {
            Some(list) if list.is_null(row) => return Ok(Vec::new()),
            Some(list) => list.value(row),
            None => array.slice(row, 1),
        };
        let texts =
            list.as_string_opt::<i32>().ok_or_else(|| self.wrong(column, array.data_type().to_string(), "texts"))?;
        Ok(texts.iter().flatten().map(str::to_owned).collect())
    }
}
