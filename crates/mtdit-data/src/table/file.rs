//! Opening a parquet file from anywhere: its footer is checked before anything is read or allocated.
//!
//! The arrow schema that some writers embed is ignored, so `list`, `large_list` and `fixed_size_list` all arrive as
//! plain lists and nothing depends on the writer's library.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::file::metadata::ColumnChunkMetaData;

use crate::error::{DataError, guarded};

const MAGIC: &[u8; 4] = b"PAR1";
/// A row of a dataset takes at least an eighth of a byte on disk.
const ROWS_PER_BYTE: u64 = 8;
/// No page of recorded numbers or pictures compresses better.
const MAX_RATIO: u64 = 4096;
/// A column of equal values takes next to no space; this many are believed of any file.
const MAX_FREE_VALUES: u64 = 1 << 26;
const ROWS_PER_BATCH: u64 = 4096;
const BYTES_PER_BATCH: u64 = 16 << 20;

/// A parquet file whose footer has been read.
#[derive(Debug)]
pub(crate) struct ParquetFile {
    path: PathBuf,
    metadata: ArrowReaderMetadata,
}

/// Rows of one row group.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowRange {
    pub(crate) group: usize,
    pub(crate) start: usize,
    pub(crate) count: usize,
}

impl ParquetFile {
    /// Reads and checks the footer.
    pub(crate) fn open(path: &Path) -> Result<Self, DataError> {
        let mut file = File::open(path).map_err(DataError::io("open", path))?;
        let bytes = file.metadata().map_err(DataError::io("read", path))?.len();
        check_ends(&mut file, bytes, path)?;
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let metadata = guarded(|| ArrowReaderMetadata::load(&file, options))
            .map_err(DataError::parquet(path))?
            .map_err(DataError::parquet(path))?;
        let opened = Self { path: path.to_path_buf(), metadata };
        opened.check_footer(bytes).map_err(DataError::parquet(path))?;
        Ok(opened)
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Number of rows.
    pub(crate) fn n_rows(&self) -> usize {
        self.group_rows().iter().sum()
    }

    /// Number of rows of every row group.
    pub(crate) fn group_rows(&self) -> Vec<usize> {
        self.metadata
            .metadata()
            .row_groups()
            .iter()
            .map(|group| usize::try_from(group.num_rows()).unwrap_or(0))
            .collect()
    }

    /// Bytes of a column in a row group after decompression, by the footer.
    pub(crate) fn column_bytes(&self, group: usize, column: &str) -> u64 {
        let groups = self.metadata.metadata().row_groups();
        groups.get(group).map_or(0, |group| {
            group
                .columns()
                .iter()
                .filter(|chunk| is_below(chunk, column))
                .map(|chunk| u64::try_from(chunk.uncompressed_size()).unwrap_or(0))
                .sum()
        })
    }

    /// Number of values in a column, all lists opened, by the footer.
    pub(crate) fn column_values(&self, column: &str) -> u64 {
        let groups = self.metadata.metadata().row_groups();
        groups
            .iter()
            .flat_map(|group| group.columns())
            .filter(|chunk| is_below(chunk, column))
            .map(|chunk| u64::try_from(chunk.num_values()).unwrap_or(0))
            .sum()
    }

    /// Names of the top-level columns.
    pub(crate) fn columns(&self) -> Vec<&str> {
        let fields = self.metadata.schema().fields();
        fields.iter().map(|field| field.name().as_str()).collect()
    }

    /// An error that lists what there is instead.
    pub(crate) fn missing(&self, column: &str) -> DataError {
        DataError::ColumnMissing {
            column: column.to_owned(),
            available: self.columns().join(", "),
            path: self.path.clone(),
        }
    }

    /// Reads some top-level columns, all rows or some rows of one row group, batch after batch. Columns that the file
    /// does not have are left out.
    pub(crate) fn read(
        &self,
        columns: &[&str],
        rows: Option<RowRange>,
        mut visit: impl FnMut(&RecordBatch) -> Result<(), DataError>,
    ) -> Result<(), DataError> {
        let mut reader = self.reader(columns, rows)?;
        loop {
            let next = guarded(|| reader.next()).map_err(DataError::parquet(&self.path))?;
            match next {
                None => return Ok(()),
                Some(batch) => visit(&batch.map_err(DataError::parquet(&self.path))?)?,
            }
        }
    }

    fn reader(&self, columns: &[&str], rows: Option<RowRange>) -> Result<ParquetRecordBatchReader, DataError> {
        let file = File::open(&self.path).map_err(DataError::io("open", &self.path))?;
        let roots: Vec<usize> = self
            .columns()
            .iter()
            .enumerate()
            .filter(|(_, name)| columns.contains(name))
            .map(|(index, _)| index)
            .collect();
        let batch_rows = self.batch_rows(columns);
        guarded(|| {
            let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone());
            let mask = ProjectionMask::roots(builder.parquet_schema(), roots);
            let builder = builder.with_projection(mask).with_batch_size(batch_rows);
            match rows {
                None => builder.build(),
                Some(rows) => {
                    builder.with_row_groups(vec![rows.group]).with_offset(rows.start).with_limit(rows.count).build()
                }
            }
        })
        .map_err(DataError::parquet(&self.path))?
        .map_err(DataError::parquet(&self.path))
    }

    /// Rows that decode to about 16 MiB.
    fn batch_rows(&self, columns: &[&str]) -> usize {
        let n_groups = self.metadata.metadata().num_row_groups();
        let bytes: u64 =
            (0..n_groups).flat_map(|group| columns.iter().map(move |column| self.column_bytes(group, column))).sum();
        let rows = u64::try_from(self.n_rows()).unwrap_or(u64::MAX).max(1);
        let batch = (BYTES_PER_BATCH / (bytes / rows).max(1)).clamp(1, ROWS_PER_BATCH);
        usize::try_from(batch).unwrap_or(1)
    }

    /// Counts and positions of the footer have to be possible for a file of this size.
    fn check_footer(&self, file_bytes: u64) -> Result<(), String> {
        let metadata = self.metadata.metadata();
        let declared = metadata.file_metadata().num_rows();
        let mut rows = 0_u64;
        let mut decoded = 0_u64;
        for group in metadata.row_groups() {
            let group_rows =
                u64::try_from(group.num_rows()).map_err(|_negative| "a row group has a negative length")?;
            rows = rows.saturating_add(group_rows);
            for chunk in group.columns() {
                let start = chunk.dictionary_page_offset().unwrap_or_else(|| chunk.data_page_offset());
                let start = u64::try_from(start).ok();
                let length = u64::try_from(chunk.compressed_size()).ok();
                let end = start.zip(length).and_then(|(start, length)| start.checked_add(length));
                if end.is_none_or(|end| end > file_bytes) {
                    return Err("a column lies outside the file".to_owned());
                }
                let size = u64::try_from(chunk.uncompressed_size()).unwrap_or(u64::MAX);
                decoded = decoded.saturating_add(size);
                let values = u64::try_from(chunk.num_values()).unwrap_or(u64::MAX);
                if values > MAX_FREE_VALUES.saturating_add(file_bytes.saturating_mul(1024)) {
                    return Err(format!("{values} values cannot be in a file of {file_bytes} bytes"));
                }
            }
        }
        if u64::try_from(declared) != Ok(rows) {
            return Err(format!("the footer declares {declared} rows, its row groups have {rows}"));
        }
        if rows > file_bytes.saturating_mul(ROWS_PER_BYTE) {
            return Err(format!("{rows} rows cannot be in a file of {file_bytes} bytes"));
        }
        if decoded > file_bytes.saturating_mul(MAX_RATIO) {
            return Err(format!("{decoded} bytes of data cannot be in a file of {file_bytes} bytes"));
        }
        Ok(())
    }
}

/// Whether a leaf belongs to a top-level column.
fn is_below(chunk: &ColumnChunkMetaData, column: &str) -> bool {
    let root = chunk.column_path().parts().first();
    root.is_some_and(|root| root == column)
}

/// A parquet file starts and ends with `PAR1`. A recorder that was killed leaves the end out.
fn check_ends(file: &mut File, bytes: u64, path: &Path) -> Result<(), DataError> {
    let (mut first, mut last) = ([0_u8; 4], [0_u8; 4]);
    if bytes >= 4 {
        file.read_exact(&mut first).map_err(DataError::io("read", path))?;
        file.seek(SeekFrom::End(-4)).and_then(|_| file.read_exact(&mut last)).map_err(DataError::io("read", path))?;
    }
    let path = path.to_path_buf();
    if bytes == 0 || (&first == MAGIC && (&last != MAGIC || bytes < 12)) {
        Err(DataError::NotFinalised { path })
    } else if &first != MAGIC {
        Err(DataError::Parquet { problem: "not a parquet file".to_owned(), path })
    } else {
        Ok(())
    }
}

/// The parquet files of a folder and of its chunk folders, ordered by the numbers in their names, so that chunk 1000
/// follows chunk 999.
pub(crate) fn parquet_files(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let mut files = Vec::new();
    for path in entries(folder)? {
        if path.is_dir() {
            files.extend(entries(&path)?);
        } else {
            files.push(path);
        }
    }
    files.retain(|path| path.extension().is_some_and(|extension| extension == "parquet"));
    files.sort_by_cached_key(|path| (numbers(path), path.clone()));
    Ok(files)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect())
        .map_err(DataError::io("list", folder))
}

/// The last number in the folder's name and the last number in the file's name.
fn numbers(path: &Path) -> [u64; 2] {
    let last_number = |name: Option<&std::ffi::OsStr>| {
        let name = name.and_then(|name| name.to_str()).unwrap_or("");
        let digits = name.rsplit(|letter: char| !letter.is_ascii_digit()).find(|part| !part.is_empty());
        digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
    };
    [last_number(path.parent().and_then(Path::file_name)), last_number(path.file_stem())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_sort_by_number() {
        assert_eq!(numbers(Path::new("data/chunk-1000/file-002.parquet")), [1000, 2]);
        assert!(numbers(Path::new("chunk-999/file-9.parquet")) < numbers(Path::new("chunk-1000/file-0.parquet")));
    }
}
