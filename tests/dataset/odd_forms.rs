//! Forms that other writers give to the same data: all of them are read, and read the same.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, LargeListArray, ListArray, RecordBatch, UInt32Array};
use arrow::buffer::OffsetBuffer;
use arrow::compute::{cast, concat_batches, take};
use arrow::datatypes::{DataType, Field, Schema};
use mtdit_data::{DataError, Dataset};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;

use super::{assert_equals_lerobot, copy_of, edit, open, small};

const DATA: &str = "data/chunk-000/file-000.parquet";
const TASKS: &str = "meta/tasks.parquet";

pub(super) fn read_table(path: &Path) -> RecordBatch {
    let file = File::open(path).expect("a parquet file");
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("a parquet file");
    let schema = Arc::clone(reader.schema());
    let batches: Vec<RecordBatch> = reader.build().expect("a reader").map(|batch| batch.expect("rows")).collect();
    concat_batches(&schema, &batches).expect("one table")
}

pub(super) fn write_table(path: &Path, columns: Vec<(String, ArrayRef)>) {
    let fields: Vec<Field> =
        columns.iter().map(|(name, array)| Field::new(name.as_str(), array.data_type().clone(), true)).collect();
    let schema = Arc::new(Schema::new(fields));
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    let batch = RecordBatch::try_new(Arc::clone(&schema), arrays).expect("a table");
    let file = File::create(path).expect("a file");
    let mut writer = ArrowWriter::try_new(file, schema, None).expect("a writer");
    writer.write(&batch).expect("rows");
    writer.close().expect("a footer");
}

/// Rewrites a parquet file, one row group for all rows, each column changed.
pub(super) fn rewrite(path: &Path, change: impl Fn(&str, ArrayRef) -> (String, ArrayRef)) {
    let table = read_table(path);
    let columns = table
        .schema()
        .fields()
        .iter()
        .zip(table.columns())
        .map(|(field, array)| change(field.name(), Arc::clone(array)))
        .collect();
    write_table(path, columns);
}

/// The items that `LeRobot` returned stay the truth for every form.
fn assert_same(name: &str, change: impl Fn(&str, ArrayRef) -> (String, ArrayRef)) {
    let (_folder, root) = copy_of(name);
    rewrite(&root.join(DATA), change);
    assert_equals_lerobot(&root, &small(name).join("expected_items.safetensors"));
}

fn element(values: &ArrayRef) -> Arc<Field> {
    Arc::new(Field::new("item", values.data_type().clone(), true))
}

fn wide(values: &ArrayRef) -> ArrayRef {
    let target = match values.data_type() {
        DataType::Float32 => DataType::Float64,
        DataType::Int64 => DataType::Int32,
        DataType::Boolean => DataType::UInt8,
        other => other.clone(),
    };
    cast(values, &target).expect("numbers")
}

#[test]
fn lists_of_doubles_are_read() {
    assert_same("av1", |name, array| {
        let changed: ArrayRef = match array.as_fixed_size_list_opt() {
            Some(lists) => {
                let width = usize::try_from(lists.value_length()).expect("a width");
                let values = wide(lists.values());
                let offsets = OffsetBuffer::from_lengths(std::iter::repeat_n(width, lists.len()));
                Arc::new(ListArray::try_new(element(&values), offsets, values, None).expect("lists"))
            }
            None => wide(&array),
        };
        (name.to_owned(), changed)
    });
}

#[test]
fn large_lists_and_lists_of_one_are_read() {
    assert_same("png_in_parquet", |name, array| {
        let (width, values) = match array.as_fixed_size_list_opt() {
            Some(lists) => {
                let width = usize::try_from(lists.value_length()).expect("a width");
                (width, Arc::clone(lists.values()))
            }
            None if array.as_struct_opt().is_some() => return (name.to_owned(), array),
            None => (1, array),
        };
        let n_rows = values.len() / width;
        let offsets = OffsetBuffer::from_lengths(std::iter::repeat_n(width, n_rows));
        let lists = LargeListArray::try_new(element(&values), offsets, values, None);
        (name.to_owned(), Arc::new(lists.expect("lists")))
    });
}

#[test]
fn rows_may_come_in_any_order() {
    for name in ["av1", "png_in_parquet"] {
        assert_same(name, |name, array| {
            let n_rows = u32::try_from(array.len()).expect("few rows");
            let backwards = UInt32Array::from_iter_values((0..n_rows).rev());
            (name.to_owned(), take(&array, &backwards, None).expect("all rows"))
        });
    }
}

#[test]
fn pictures_may_be_files_beside_the_table() {
    let (_folder, root) = copy_of("png_in_parquet");
    let table = read_table(&root.join(DATA));
    let pictures = table.column_by_name("observation.images.top").expect("pictures");
    let bytes = pictures.as_struct().column_by_name("bytes").expect("bytes").as_binary::<i32>();
    std::fs::create_dir_all(root.join("images")).expect("a folder");
    let paths: Vec<String> = (0..bytes.len()).map(|row| format!("images/{row}.png")).collect();
    for (row, path) in paths.iter().enumerate() {
        std::fs::write(root.join(path), bytes.value(row)).expect("a picture");
    }
    let cells = |paths: Vec<String>| -> ArrayRef {
        let none: Vec<Option<&[u8]>> = vec![None; paths.len()];
        let bytes: ArrayRef = Arc::new(arrow::array::BinaryArray::from(none));
        let names: ArrayRef = Arc::new(arrow::array::StringArray::from(paths));
        let fields = vec![Field::new("bytes", DataType::Binary, true), Field::new("path", DataType::Utf8, true)];
        let cells = arrow::array::StructArray::try_new(fields.into(), vec![bytes, names], None);
        Arc::new(cells.expect("cells"))
    };
    let replace = |column: &ArrayRef| {
        rewrite(&root.join(DATA), |name, array| {
            let is_camera = name == "observation.images.top";
            (name.to_owned(), if is_camera { Arc::clone(column) } else { array })
        });
    };
    replace(&cells(paths));
    assert_equals_lerobot(&root, &small("png_in_parquet").join("expected_items.safetensors"));
    replace(&cells(vec!["../../etc/passwd".to_owned(); 33]));
    let error = open(&root).frame("observation.images.top", 0).expect_err("outside the dataset");
    assert!(error.to_string().contains("leaves the folder"), "{error}");
}

#[test]
fn unnamed_task_columns_are_read_and_shuffled_rows_are_noticed() {
    let (_folder, root) = copy_of("av1");
    rewrite(&root.join(TASKS), |name, array| {
        let backwards = UInt32Array::from(vec![1, 0]);
        let name = if name == "task" { "__index_level_0__" } else { name };
        (name.to_owned(), take(&array, &backwards, None).expect("both rows"))
    });
    assert_equals_lerobot(&root, &small("av1").join("expected_items.safetensors"));
    let warnings = open(&root).warnings().join("\n");
    assert!(warnings.contains("not in the order of `task_index`"), "{warnings}");
}

#[test]
fn missing_quantiles_and_other_spellings_are_no_obstacle() {
    let (_folder, root) = copy_of("av1");
    let stats = root.join("meta/stats.json");
    edit(&stats, |text| {
        let mut stats: Value = serde_json::from_str(text).expect("statistics");
        for entry in stats.as_object_mut().expect("features").values_mut() {
            entry.as_object_mut().expect("statistics").retain(|name, _| !name.starts_with('q'));
        }
        stats.to_string()
    });
    edit(&root.join("meta/info.json"), |text| {
        text.replace("\"v3.0\"", "\"3.0\"")
            .replace("\"fps\": 10,", "\"fps\": 10.0, \"total_videos\": 6,")
            .replace("\"video.codec\": \"av1\"", "\"video.codec\": \"h264\"")
    });
    let dataset = open(&root);
    assert!(dataset.stats().get("action", "q01").is_none(), "no quantiles");
    assert!(dataset.stats().get("action", "mean").is_some(), "but a mean");
    let warnings = dataset.warnings().join("\n");
    for part in ["total_videos", "is h264, its files are av1"] {
        assert!(warnings.contains(part), "`{part}` in: {warnings}");
    }
    assert_equals_lerobot(&root, &small("av1").join("expected_items.safetensors"));
}

#[test]
fn other_versions_are_explained() {
    let message = |version: &str| {
        let (_folder, root) = copy_of("av1");
        edit(&root.join("meta/info.json"), |text| text.replace("\"v3.0\"", &format!("\"{version}\"")));
        Dataset::open(&root).map(|dataset| dataset.warnings().join("\n")).map_err(|error| error.to_string())
    };
    let v21 = message("v2.1").expect_err("2.1 is refused");
    assert!(v21.contains("python -m lerobot.scripts.convert_dataset_v21_to_v30"), "{v21}");
    let v20 = message("v2.0").expect_err("2.0 is refused");
    assert!(v20.contains("lerobot 0.3.x"), "{v20}");
    assert!(message("newest").is_err(), "no version at all");
    for newer in ["v3.1", "v4.0"] {
        let warning = message(newer).expect("newer versions are tried");
        assert!(warning.contains("newer"), "{newer}: {warning}");
    }
}

#[test]
fn folders_that_are_no_datasets_are_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let error = Dataset::open(folder.path()).expect_err("an empty folder");
    assert!(matches!(&error, DataError::NotADataset { missing, .. } if missing == "meta/info.json"), "{error:?}");
    let (_folder, root) = copy_of("av1");
    std::fs::remove_file(root.join(TASKS)).expect("tasks to remove");
    let error = Dataset::open(&root).expect_err("no tasks");
    assert!(error.to_string().contains(TASKS), "{error}");
    std::fs::remove_dir_all(root.join("meta/episodes")).expect("episodes to remove");
    assert!(Dataset::open(&root).is_err(), "no episodes");
}
