//! Opening the data files: every promised column is there and as long as promised, before memory is taken for it.

use std::path::Path;

use super::column::Column;
use super::file::ParquetFile;
use super::{EPISODE_INDEX, FRAME_INDEX, INDEX, TASK_INDEX, TIMESTAMP};
use crate::episodes::Episode;
use crate::error::DataError;
use crate::info::{Dtype, INFO_PATH, Info};

/// The data files in the order of the episodes, each once.
pub(super) fn open_files(root: &Path, info: &Info, episodes: &[Episode]) -> Result<Vec<ParquetFile>, DataError> {
    let mut names: Vec<(usize, usize)> = episodes.iter().map(|episode| episode.data).collect();
    names.sort_unstable();
    names.dedup();
    names
        .into_iter()
        .map(|(chunk, file)| {
            let name = info.data_file(chunk, file).map_err(|problem| DataError::Json {
                problem: format!("`data_path`: {problem}"),
                path: root.join(INFO_PATH),
            })?;
            ParquetFile::open(&root.join(name))
        })
        .collect()
}

/// Room for the numeric features and the columns that every dataset has.
pub(super) fn empty_columns(info: &Info, files: &[ParquetFile], n_frames: usize) -> Result<Vec<Column>, DataError> {
    let integer = Dtype::Integer("int64".to_owned());
    let always = [
        (TIMESTAMP, Dtype::Float32),
        (FRAME_INDEX, integer.clone()),
        (EPISODE_INDEX, integer.clone()),
        (INDEX, integer.clone()),
        (TASK_INDEX, integer),
    ];
    let mut wanted: Vec<(&str, Dtype, usize)> = Vec::new();
    for feature in info.features.iter().filter(|feature| feature.dtype.is_numeric()) {
        wanted.push((&feature.key, feature.dtype.clone(), feature.width()));
    }
    for (key, dtype) in always {
        if info.feature(key).is_none() {
            wanted.push((key, dtype, 1));
        }
    }
    let mut columns = Vec::new();
    for (key, dtype, width) in wanted {
        for file in files {
            check_column(file, key, width)?;
        }
        let column = Column::zeros(key, &dtype, width, n_frames);
        columns.push(column.ok_or_else(|| DataError::TooLarge {
            what: "a column",
            bytes: u64::MAX,
            allowed: u64::MAX,
            path: files.first().map(|file| file.path().to_path_buf()).unwrap_or_default(),
        })?);
    }
    Ok(columns)
}

/// The column is there and has as many values as its declared shape, before memory is taken for it.
fn check_column(file: &ParquetFile, key: &str, width: usize) -> Result<(), DataError> {
    if !file.columns().contains(&key) {
        return Err(file.missing(key));
    }
    let found = usize::try_from(file.column_values(key)).unwrap_or(usize::MAX);
    if Some(found) == file.n_rows().checked_mul(width) {
        return Ok(());
    }
    Err(DataError::ColumnType {
        column: key.to_owned(),
        found: format!("{found} values in {} rows", file.n_rows()),
        expected: format!("{width} in each row, as meta/info.json says"),
        path: file.path().to_path_buf(),
    })
}
