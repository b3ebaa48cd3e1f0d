//! `meta/tasks.parquet`: the instruction behind every `task_index` (contract 1.5).
//!
//! `LeRobot` 0.6.1 looks tasks up by row position, whatever the column `task_index` says. Here the column decides, and a
//! file where the two disagree earns a warning.

use std::path::Path;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};

use crate::error::{DataError, guarded};
use crate::table::{ParquetFile, TASK_INDEX};

/// Where the tasks lie.
pub(crate) const TASKS_PATH: &str = "meta/tasks.parquet";

/// The instructions of a dataset, by `task_index`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tasks {
    /// Sorted by index.
    tasks: Vec<(i64, String)>,
}

impl Tasks {
    /// Reads `meta/tasks.parquet`; sentences for the user are added to `warnings`.
    pub(crate) fn read(root: &Path, warnings: &mut Vec<String>) -> Result<Self, DataError> {
        let path = root.join(TASKS_PATH);
        if !path.is_file() {
            return Err(DataError::NotADataset { missing: TASKS_PATH.to_owned(), path: root.to_path_buf() });
        }
        let file = ParquetFile::open(&path)?;
        let columns = file.columns();
        // Older files have no name for the index of their pandas table.
        let text = ["task", "__index_level_0__"]
            .into_iter()
            .find(|name| columns.contains(name))
            .ok_or_else(|| file.missing("task"))?;
        let mut tasks = Vec::new();
        file.read(&[TASK_INDEX, text], None, |batch| {
            tasks.extend(rows(batch, text, &file)?);
            Ok(())
        })?;
        if tasks.iter().enumerate().any(|(row, (index, _))| i64::try_from(row) != Ok(*index)) {
            warnings.push(format!(
                "the rows of {TASKS_PATH} are not in the order of `task_index`: the column is used here, LeRobot uses \
                 the position of the row and would show other instructions"
            ));
        }
        tasks.sort_by_key(|(index, _)| *index);
        if let Some(pair) = tasks.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(DataError::Tasks {
                problem: format!("task {} has two texts: `{}` and `{}`", pair[0].0, pair[0].1, pair[1].1),
                path,
            });
        }
        Ok(Self { tasks })
    }

    /// The instruction of a task.
    pub fn get(&self, task_index: i64) -> Option<&str> {
        let at = self.tasks.binary_search_by_key(&task_index, |(index, _)| *index).ok()?;
        Some(&self.tasks[at].1)
    }

    /// Index and instruction, by index.
    pub fn iter(&self) -> impl Iterator<Item = (i64, &str)> {
        self.tasks.iter().map(|(index, text)| (*index, text.as_str()))
    }

    /// Number of tasks.
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }
}

fn rows(batch: &RecordBatch, text: &str, file: &ParquetFile) -> Result<Vec<(i64, String)>, DataError> {
    let wrong = |column: &str, found: &DataType, expected: &str| DataError::ColumnType {
        column: column.to_owned(),
        found: found.to_string(),
        expected: expected.to_owned(),
        path: file.path().to_path_buf(),
    };
    let texts = batch.column_by_name(text).ok_or_else(|| file.missing(text))?;
    let indices = batch.column_by_name(TASK_INDEX).ok_or_else(|| file.missing(TASK_INDEX))?;
    if !indices.data_type().is_integer() {
        return Err(wrong(TASK_INDEX, indices.data_type(), "integers"));
    }
    let indices = guarded(|| cast(indices, &DataType::Int64))
        .map_err(DataError::parquet(file.path()))?
        .map_err(DataError::parquet(file.path()))?;
    let texts = texts.as_string_opt::<i32>().ok_or_else(|| wrong(text, texts.data_type(), "texts"))?;
    if indices.null_count() + texts.null_count() > 0 {
        return Err(DataError::ColumnNull {
            column: format!("{TASK_INDEX} or {text}"),
            expected: "a number and a text".to_owned(),
            path: file.path().to_path_buf(),
        });
    }
    let indices = indices.as_primitive::<Int64Type>().values();
    Ok(indices.iter().copied().zip(texts.iter().flatten().map(str::to_owned)).collect())
}
