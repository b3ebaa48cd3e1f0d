//! The data files: every number of the dataset in memory, every picture by its place.
//!
//! ```text
//! data/chunk-000/file-000.parquet   row ──┐  column `index`
//! data/chunk-000/file-001.parquet   row ──┼─────────────────▶  frame 0 │ state │ action │ timestamp │ …
//! data/chunk-001/file-000.parquet   row ──┘                    frame 1 │ …
//! ```
//!
//! Rows are placed by their `index`, not by their position, so files may come in any order.

mod column;
mod file;
mod open;
mod pictures;

use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;

pub(crate) use self::column::Column;
use self::column::Values;
pub(crate) use self::file::{ParquetFile, parquet_files};
use self::open::{empty_columns, open_files};
pub(crate) use self::pictures::PictureStore;
use crate::episodes::Episode;
use crate::error::DataError;
use crate::info::{Dtype, Info};

/// Columns that every dataset has, whether `info.json` lists them or not.
pub(crate) const INDEX: &str = "index";
pub(crate) const EPISODE_INDEX: &str = "episode_index";
pub(crate) const FRAME_INDEX: &str = "frame_index";
pub(crate) const TASK_INDEX: &str = "task_index";
pub(crate) const TIMESTAMP: &str = "timestamp";

/// Where the row of a frame is stored.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowPlace {
    pub(crate) file: u32,
    pub(crate) row: u32,
}

/// All numeric columns, and the places of the rows.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<Column>,
    places: Vec<RowPlace>,
    files: Vec<PathBuf>,
}

impl Table {
    /// Reads the data files that the episodes name.
    pub(crate) fn load(root: &Path, info: &Info, episodes: &[Episode]) -> Result<Self, DataError> {
        let files = open_files(root, info, episodes)?;
        let n_frames = episodes.last().map_or(0, |episode| episode.to);
        let n_rows: usize = files.iter().map(ParquetFile::n_rows).sum();
        if n_rows != n_frames {
            return Err(DataError::FrameIndex {
                problem: format!("the data files have {n_rows} rows, the episodes {n_frames} frames"),
                path: root.join("data"),
            });
        }
        let mut table = Self {
            columns: empty_columns(info, &files, n_frames)?,
            places: vec![RowPlace { file: u32::MAX, row: 0 }; n_frames],
            files: files.iter().map(|file| file.path().to_path_buf()).collect(),
        };
        for (number, file) in files.iter().enumerate() {
            table.read_file(number, file)?;
        }
        let missing = table.places.iter().position(|place| place.file == u32::MAX);
        if let Some(index) = missing {
            return Err(DataError::FrameIndex {
                problem: format!("frame {index} is in none of the data files"),
                path: root.join("data"),
            });
        }
        table.check_episodes(root, episodes)?;
        Ok(table)
    }

    /// Number of frames.
    pub(crate) fn n_frames(&self) -> usize {
        self.places.len()
    }

    /// A numeric column.
    pub(crate) fn column(&self, key: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == key)
    }

    /// Names of the numeric columns.
    pub(crate) fn keys(&self) -> Vec<&str> {
        self.columns.iter().map(|column| column.name.as_str()).collect()
    }

    /// One value of a column of integers; nothing when there is no such column.
    pub(crate) fn integer(&self, key: &str, index: usize) -> Option<i64> {
        self.column(key)?.integer_at(index)
    }

    /// Time of a frame in its episode, in seconds.
    pub(crate) fn timestamp(&self, index: usize) -> f64 {
        let column = self.column(TIMESTAMP);
        column.and_then(|column| column.number_at(index)).unwrap_or(f64::NAN)
    }

    /// The file and the row of a frame.
    pub(crate) fn place(&self, index: usize) -> Option<(&Path, RowPlace)> {
        let place = self.places.get(index)?;
        let file = self.files.get(usize::try_from(place.file).ok()?)?;
        Some((file, *place))
    }

    /// The data files, in the order of the episodes.
    pub(crate) fn files(&self) -> &[PathBuf] {
        &self.files
    }

    fn read_file(&mut self, number: usize, file: &ParquetFile) -> Result<(), DataError> {
        let keys: Vec<String> = self.columns.iter().map(|column| column.name.clone()).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let mut first_row = 0;
        file.read(&keys, None, |batch| {
            self.read_batch(number, first_row, file, batch)?;
            first_row += batch.num_rows();
            Ok(())
        })
    }

    fn read_batch(
        &mut self,
        number: usize,
        first_row: usize,
        file: &ParquetFile,
        batch: &RecordBatch,
    ) -> Result<(), DataError> {
        let frames = self.take_places(number, first_row, file, batch)?;
        for column in &mut self.columns {
            let array = batch.column_by_name(&column.name).ok_or_else(|| file.missing(&column.name))?;
            column.fill(array, &frames, first_row, file.path())?;
        }
        Ok(())
    }

    /// The frames of the rows of a batch; each frame is taken once.
    fn take_places(
        &mut self,
        number: usize,
        first_row: usize,
        file: &ParquetFile,
        batch: &RecordBatch,
    ) -> Result<Vec<usize>, DataError> {
        let n_rows = batch.num_rows();
        let out_of_memory = || DataError::Parquet {
            problem: "a batch of rows does not fit into memory".to_owned(),
            path: file.path().to_path_buf(),
        };
        let integer = Dtype::Integer("int64".to_owned());
        let mut index = Column::zeros(INDEX, &integer, 1, n_rows).ok_or_else(out_of_memory)?;
        let array = batch.column_by_name(INDEX).ok_or_else(|| file.missing(INDEX))?;
        let rows: Vec<usize> = (0..n_rows).collect();
        index.fill(array, &rows, first_row, file.path())?;
        let Values::Integer(index) = index.values else {
            return Err(out_of_memory());
        };
        let n_frames = self.places.len();
        let mut frames = Vec::with_capacity(n_rows);
        for (row, value) in index.into_iter().enumerate() {
            let wrong = |problem: String| DataError::FrameIndex { problem, path: file.path().to_path_buf() };
            let frame = usize::try_from(value)
                .ok()
                .filter(|frame| *frame < n_frames)
                .ok_or_else(|| wrong(format!("{value} is not a frame of 0..{n_frames}")))?;
            if self.places[frame].file != u32::MAX {
                return Err(wrong(format!("frame {frame} occurs twice")));
            }
            let (Ok(file_number), Ok(row)) = (u32::try_from(number), u32::try_from(first_row + row)) else {
                return Err(wrong("the file has more than 4294967295 rows".to_owned()));
            };
            self.places[frame] = RowPlace { file: file_number, row };
            frames.push(frame);
        }
        Ok(frames)
    }

    /// Every frame belongs to the episode whose range it is in.
    fn check_episodes(&self, root: &Path, episodes: &[Episode]) -> Result<(), DataError> {
        for episode in episodes {
            let index = i64::try_from(episode.index).unwrap_or(i64::MAX);
            for frame in episode.from..episode.to {
                let found = self.integer(EPISODE_INDEX, frame);
                if found != Some(index) {
                    let (path, _) = self.place(frame).unwrap_or((root, RowPlace { file: 0, row: 0 }));
                    return Err(DataError::Episode {
                        episode: index,
                        problem: format!(
                            "meta/episodes says it holds frame {frame}, whose column `episode_index` says {}",
                            found.map_or("nothing".to_owned(), |found| found.to_string())
                        ),
                        path: path.to_path_buf(),
                    });
                }
            }
        }
        Ok(())
    }
}
