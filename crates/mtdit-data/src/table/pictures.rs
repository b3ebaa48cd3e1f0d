//! PNG and JPEG files inside the data files: read when asked for, a bounded part of a row group at a time.
//!
//! A column of pictures is `struct<bytes: binary, path: string>`; where `bytes` is null, `path` names a file inside the
//! dataset (contract 1.4).

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{Array, AsArray, RecordBatch};

use super::RowPlace;
use super::file::{ParquetFile, RowRange};
use crate::error::DataError;
use crate::info::inside_dataset;

/// Encoded pictures that are kept.
const CACHED_BYTES: usize = 256 << 20;
/// Encoded pictures that are read at once.
const CHUNK_BYTES: u64 = 32 << 20;
/// Parquet footers that are kept.
const CACHED_FOOTERS: usize = 32;
/// No single picture file is larger.
const MAX_FILE_BYTES: u64 = 256 << 20;

/// Encoded pictures of some consecutive rows.
#[derive(Debug)]
struct Chunk {
    camera: String,
    file: u32,
    first_row: usize,
    pictures: Vec<Encoded>,
}

/// One cell of a column of pictures.
#[derive(Debug, Clone)]
enum Encoded {
    Bytes(Vec<u8>),
    Path(String),
    Missing,
}

/// Reads encoded pictures; shared by all threads.
#[derive(Debug)]
pub(crate) struct PictureStore {
    root: PathBuf,
    chunks: Mutex<VecDeque<Arc<Chunk>>>,
    footers: Mutex<VecDeque<(u32, Arc<ParquetFile>)>>,
}

impl PictureStore {
    /// A store without anything in it.
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.to_path_buf(), chunks: Mutex::new(VecDeque::new()), footers: Mutex::new(VecDeque::new()) }
    }

    /// The bytes of a PNG or JPEG file; the error says what is wrong with the cell.
    pub(crate) fn read(
        &self,
        camera: &str,
        file: &Path,
        place: RowPlace,
    ) -> Result<Result<Vec<u8>, String>, DataError> {
        let row = usize::try_from(place.row).unwrap_or(usize::MAX);
        let chunk = match self.cached(camera, place.file, row) {
            Some(chunk) => chunk,
            None => self.load(camera, file, place.file, row)?,
        };
        Ok(match chunk.pictures.get(row.wrapping_sub(chunk.first_row)) {
            Some(Encoded::Bytes(bytes)) => Ok(bytes.clone()),
            Some(Encoded::Path(name)) => self.read_file(name),
            Some(Encoded::Missing) | None => Err("the picture is missing".to_owned()),
        })
    }

    /// A picture that is a file of its own.
    fn read_file(&self, name: &str) -> Result<Vec<u8>, String> {
        let path = self.root.join(inside_dataset(name)?);
        let refused = |error: std::io::Error| format!("`{name}` cannot be read ({error})");
        let bytes = std::fs::metadata(&path).map_err(refused)?.len();
        if bytes > MAX_FILE_BYTES {
            return Err(format!("`{name}` has {bytes} bytes, more than the {MAX_FILE_BYTES} that are read"));
        }
        std::fs::read(&path).map_err(refused)
    }

    fn cached(&self, camera: &str, file: u32, row: usize) -> Option<Arc<Chunk>> {
        let mut chunks = self.chunks.lock().unwrap_or_else(PoisonError::into_inner);
        let at = chunks.iter().position(|chunk| {
            let rows = chunk.first_row..chunk.first_row + chunk.pictures.len();
            chunk.file == file && rows.contains(&row) && chunk.camera == camera
        })?;
        let chunk = chunks.remove(at)?;
        chunks.push_front(Arc::clone(&chunk));
        Some(chunk)
    }

    fn load(&self, camera: &str, path: &Path, file: u32, row: usize) -> Result<Arc<Chunk>, DataError> {
        let parquet = self.footer(path, file)?;
        if !parquet.columns().contains(&camera) {
            return Err(parquet.missing(camera));
        }
        let (first_row, range) = chunk_of(&parquet, camera, row);
        let mut pictures = Vec::with_capacity(range.count);
        parquet.read(&[camera], Some(range), |batch| cells(batch, camera, parquet.path(), &mut pictures))?;
        let chunk = Arc::new(Chunk { camera: camera.to_owned(), file, first_row, pictures });
        let mut chunks = self.chunks.lock().unwrap_or_else(PoisonError::into_inner);
        chunks.push_front(Arc::clone(&chunk));
        let mut bytes = 0;
        let mut kept = 0;
        for chunk in &*chunks {
            bytes += chunk.bytes();
            if bytes > CACHED_BYTES && kept > 0 {
                break;
            }
            kept += 1;
        }
        chunks.truncate(kept);
        Ok(chunk)
    }

    fn footer(&self, path: &Path, file: u32) -> Result<Arc<ParquetFile>, DataError> {
        let mut footers = self.footers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, footer)) = footers.iter().find(|(number, _)| *number == file) {
            return Ok(Arc::clone(footer));
        }
        let footer = Arc::new(ParquetFile::open(path)?);
        footers.push_front((file, Arc::clone(&footer)));
        footers.truncate(CACHED_FOOTERS);
        Ok(footer)
    }
}

impl Chunk {
    fn bytes(&self) -> usize {
        let size = |picture: &Encoded| match picture {
            Encoded::Bytes(bytes) => bytes.len(),
            Encoded::Path(name) => name.len(),
            Encoded::Missing => 0,
        };
        self.pictures.iter().map(size).sum()
    }
}

/// The rows to read for a row: about 32 MiB of the row group it is in. Also the first of them, counted in the file.
fn chunk_of(parquet: &ParquetFile, camera: &str, row: usize) -> (usize, RowRange) {
    let mut group_start = 0;
    for (group, n_rows) in parquet.group_rows().into_iter().enumerate() {
        if row < group_start + n_rows {
            let bytes = parquet.column_bytes(group, camera);
            let per_row = (bytes / u64::try_from(n_rows).unwrap_or(1).max(1)).max(1);
            let count = usize::try_from(CHUNK_BYTES / per_row).unwrap_or(1).clamp(1, n_rows);
            let start = (row - group_start) / count * count;
            let range = RowRange { group, start, count: count.min(n_rows - start) };
            return (group_start + start, range);
        }
        group_start += n_rows;
    }
    let nothing = RowRange { group: 0, start: 0, count: 0 };
    (row, nothing)
}

fn cells(batch: &RecordBatch, camera: &str, path: &Path, pictures: &mut Vec<Encoded>) -> Result<(), DataError> {
    let wrong = |found: String| DataError::ColumnType {
        column: camera.to_owned(),
        found,
        expected: "pictures: struct<bytes: binary, path: string>".to_owned(),
        path: path.to_path_buf(),
    };
    let column = batch.column_by_name(camera).ok_or_else(|| wrong("nothing".to_owned()))?;
    let (bytes, names) = match column.as_struct_opt() {
        Some(cells) => (cells.column_by_name("bytes"), cells.column_by_name("path")),
        None => (Some(column), None),
    };
    let bytes = match bytes {
        Some(bytes) => Some(bytes.as_binary_opt::<i32>().ok_or_else(|| wrong(column.data_type().to_string()))?),
        None => None,
    };
    let names = names.and_then(|names| names.as_string_opt::<i32>());
    for row in 0..batch.num_rows() {
        let data = bytes.filter(|bytes| !bytes.is_null(row) && !column.is_null(row));
        let name = names.filter(|names| !names.is_null(row) && !column.is_null(row));
        pictures.push(match (data, name) {
            (Some(bytes), _) => Encoded::Bytes(bytes.value(row).to_vec()),
            (None, Some(names)) => Encoded::Path(names.value(row).to_owned()),
            (None, None) => Encoded::Missing,
        });
    }
    Ok(())
}
