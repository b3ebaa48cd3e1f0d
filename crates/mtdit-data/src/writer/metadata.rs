//! The folder `meta/` of a new dataset: tasks, episodes, statistics, and at last `info.json` (contract 1.2, 1.5, 1.6).

use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema};
use serde_json::{Map, Value, json};

use super::columns::{ParquetWriter, lists_of, lists_with};
use super::{DatasetSpec, EpisodeRow};
use crate::error::DataError;
use crate::info::{DATA_PATH, Dtype, Feature, INFO_PATH};
use crate::stats::{STATS_PATH, Stats, aggregate};
use crate::tasks::TASKS_PATH;

/// Files per chunk folder.
pub(super) const CHUNKS_SIZE: usize = 1000;
const EPISODES_FILE: &str = "meta/episodes/chunk-000/file-000.parquet";
const VIDEO_FILES_SIZE_IN_MB: u64 = 200;

/// The tasks in the order of their index, with the metadata by which pandas knows that the text is the index. Without
/// it `LeRobot` takes the row number for the instruction.
pub(super) fn write_tasks(root: &Path, tasks: &[String]) -> Result<(), DataError> {
    let path = root.join(TASKS_PATH);
    let pandas = json!({
        "index_columns": ["task"],
        "column_indexes": [{
            "name": null,
            "field_name": null,
            "pandas_type": "unicode",
            "numpy_type": "object",
            "metadata": {"encoding": "UTF-8"},
        }],
        "columns": [
            {
                "name": "task_index",
                "field_name": "task_index",
                "pandas_type": "int64",
                "numpy_type": "int64",
                "metadata": null,
            },
            {
                "name": "task",
                "field_name": "task",
                "pandas_type": "unicode",
                "numpy_type": "object",
                "metadata": null,
            },
        ],
        "attributes": {},
        "creator": {"library": "mtdit", "version": env!("CARGO_PKG_VERSION")},
        "pandas_version": "2.3.3",
    });
    let indices: ArrayRef = Arc::new(integers(0..tasks.len()));
    let texts: ArrayRef = Arc::new(StringArray::from_iter_values(tasks));
    let columns = vec![("task_index".to_owned(), indices), ("task".to_owned(), texts)];
    write_table(&path, columns, Some(("pandas", pandas.to_string())))
}

/// One row per episode, statistics included.
pub(super) fn write_episodes(root: &Path, episodes: &[EpisodeRow]) -> Result<(), DataError> {
    let path = root.join(EPISODES_FILE);
    let wrong = |problem: String| DataError::Parquet { problem, path: path.clone() };
    let count = |of: fn(&EpisodeRow) -> usize| -> ArrayRef { Arc::new(integers(episodes.iter().map(of))) };
    let texts: ArrayRef = Arc::new(StringArray::from_iter_values(episodes.iter().flat_map(|episode| &episode.tasks)));
    let tasks = lists_with(texts, episodes.iter().map(|episode| episode.tasks.len())).map_err(wrong)?;
    let mut columns = vec![
        ("episode_index".to_owned(), count(|episode| episode.index)),
        ("tasks".to_owned(), tasks),
        ("length".to_owned(), count(|episode| episode.to - episode.from)),
        ("data/chunk_index".to_owned(), count(|episode| episode.chunk)),
        ("data/file_index".to_owned(), count(|episode| episode.file)),
        ("dataset_from_index".to_owned(), count(|episode| episode.from)),
        ("dataset_to_index".to_owned(), count(|episode| episode.to)),
    ];
    columns.extend(stats_columns(episodes).map_err(wrong)?);
    columns.push(("meta/episodes/chunk_index".to_owned(), count(|_| 0)));
    columns.push(("meta/episodes/file_index".to_owned(), count(|_| 0)));
    write_table(&path, columns, None)
}

/// `stats/<feature>/<statistic>`: lists as deep as the statistic has dimensions.
fn stats_columns(episodes: &[EpisodeRow]) -> Result<Vec<(String, ArrayRef)>, String> {
    let mut columns = Vec::new();
    let Some(first) = episodes.first() else {
        return Ok(columns);
    };
    for key in first.stats.keys() {
        for (name, statistic) in first.stats.feature(key).into_iter().flatten() {
            let mut values = Vec::new();
            for episode in episodes {
                let here = episode.stats.get(key, name).filter(|here| here.shape == statistic.shape);
                let here = here.ok_or_else(|| format!("episode {} has no {name} of `{key}`", episode.index))?;
                values.extend_from_slice(&here.values);
            }
            let mut array: ArrayRef = Arc::new(Float64Array::from(values));
            if name == "count" {
                array = cast(&array, &DataType::Int64).map_err(|error| error.to_string())?;
            }
            for size in statistic.shape.iter().rev() {
                array = lists_of(array, *size)?;
            }
            columns.push((format!("stats/{key}/{name}"), array));
        }
    }
    Ok(columns)
}

/// The statistics over all episodes.
pub(super) fn write_stats(root: &Path, episodes: &[EpisodeRow]) -> Result<(), DataError> {
    let parts: Vec<Stats> = episodes.iter().map(|episode| episode.stats.clone()).collect();
    crate::json::write(&root.join(STATS_PATH), &aggregate(&parts).to_json())
}

/// The declaration of the dataset. It is written last: without it nobody takes the folder for a dataset.
pub(super) fn write_info(
    root: &Path,
    spec: &DatasetSpec,
    features: &[Feature],
    episodes: &[EpisodeRow],
    n_tasks: usize,
) -> Result<(), DataError> {
    let entries = features.iter().map(|feature| (feature.key.clone(), feature.to_json()));
    let info = json!({
        "codebase_version": "v3.0",
        "fps": spec.fps,
        "features": Value::Object(entries.collect::<Map<String, Value>>()),
        "total_episodes": episodes.len(),
        "total_frames": episodes.last().map_or(0, |episode| episode.to),
        "total_tasks": n_tasks,
        "chunks_size": CHUNKS_SIZE,
        "data_files_size_in_mb": spec.data_files_size_in_mb,
        "video_files_size_in_mb": VIDEO_FILES_SIZE_IN_MB,
        "data_path": DATA_PATH,
        "video_path": null,
        "robot_type": spec.robot_type,
        "splits": {"train": format!("0:{}", episodes.len())},
    });
    crate::json::write(&root.join(INFO_PATH), &info)
}

/// What the `datasets` library wants to know about a data file.
pub(super) fn hugging_face(features: &[Feature]) -> String {
    let described = features.iter().map(|feature| {
        let value = json!({"dtype": feature.dtype.name(), "_type": "Value"});
        let entry = match (&feature.dtype, feature.width()) {
            (Dtype::Image, _) => json!({"_type": "Image"}),
            (_, 1) => value,
            (_, width) => json!({"feature": value, "length": width, "_type": "List"}),
        };
        (feature.key.clone(), entry)
    });
    json!({"info": {"features": Value::Object(described.collect::<Map<String, Value>>())}}).to_string()
}

fn integers(values: impl IntoIterator<Item = usize>) -> Int64Array {
    let values = values.into_iter().map(|value| i64::try_from(value).unwrap_or(i64::MAX));
    Int64Array::from_iter_values(values)
}

fn write_table(
    path: &Path,
    columns: Vec<(String, ArrayRef)>,
    metadata: Option<(&str, String)>,
) -> Result<(), DataError> {
    let fields: Vec<Field> =
        columns.iter().map(|(name, array)| Field::new(name.as_str(), array.data_type().clone(), true)).collect();
    let schema = Arc::new(Schema::new(fields));
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    let batch = RecordBatch::try_new(Arc::clone(&schema), arrays).map_err(DataError::parquet(path))?;
    let mut writer = ParquetWriter::create(path, schema, metadata, &[])?;
    writer.write_group(&batch)?;
    writer.finish()
}
