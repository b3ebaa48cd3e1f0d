//! The columns of an episode as arrow arrays, and parquet files as `LeRobot` writes them: snappy, dictionaries, one row
//! group per episode (contract 1.4).

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryArray, Float64Array, ListArray, RecordBatch, StringArray, StructArray};
use arrow::buffer::OffsetBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use crate::error::{DataError, guarded};
use crate::info::{Dtype, Feature};

/// Name of the values in a list, as pyarrow calls them.
const ELEMENT: &str = "element";

/// A parquet file that is being written.
pub(super) struct ParquetWriter {
    path: PathBuf,
    writer: ArrowWriter<File>,
}

impl ParquetWriter {
    /// Creates the file and its folder. `images` are columns of encoded pictures, which gain nothing from dictionaries.
    pub(super) fn create(
        path: &Path,
        schema: SchemaRef,
        metadata: Option<(&str, String)>,
        images: &[&str],
    ) -> Result<Self, DataError> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(DataError::io("create", folder))?;
        }
        let file = File::create(path).map_err(DataError::io("create", path))?;
        // pyarrow looks into the embedded arrow schema, others into the footer.
        let schema = match &metadata {
            Some((key, value)) => {
                let schema = Schema::clone(&schema);
                Arc::new(schema.with_metadata([(*key, value.as_str())]))
            }
            None => schema,
        };
        let entry = metadata.map(|(key, value)| vec![KeyValue::new(key.to_owned(), value)]);
        let mut properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_max_row_group_row_count(None)
            .set_key_value_metadata(entry);
        for image in images {
            let column = ColumnPath::new(vec![(*image).to_owned(), "bytes".to_owned()]);
            properties = properties
                .set_column_dictionary_enabled(column.clone(), false)
                .set_column_statistics_enabled(column, EnabledStatistics::None);
        }
        let writer = ArrowWriter::try_new(file, schema, Some(properties.build())).map_err(DataError::parquet(path))?;
        Ok(Self { path: path.to_path_buf(), writer })
    }

    /// Writes some rows as one row group.
    pub(super) fn write_group(&mut self, batch: &RecordBatch) -> Result<(), DataError> {
        let written = guarded(|| self.writer.write(batch).and_then(|()| self.writer.flush()));
        written.map_err(DataError::parquet(&self.path))?.map_err(DataError::parquet(&self.path))
    }

    /// Bytes on disk so far.
    pub(super) fn bytes(&self) -> usize {
        self.writer.bytes_written()
    }

    /// Writes the footer and waits until everything is on disk.
    pub(super) fn finish(self) -> Result<(), DataError> {
        let file = self.writer.into_inner().map_err(DataError::parquet(&self.path))?;
        file.sync_all().map_err(DataError::io("write", &self.path))
    }
}

/// Values of `width` per row: a plain column for one, lists of fixed size for more.
pub(super) fn numeric_array(feature: &Feature, values: Vec<f64>) -> Result<ArrayRef, DataError> {
    let wrong = |problem: String| DataError::Record { field: feature.key.clone(), problem };
    let flat: ArrayRef = Arc::new(Float64Array::from(values));
    let flat = cast(&flat, &arrow_type(&feature.dtype)).map_err(|error| wrong(error.to_string()))?;
    if flat.null_count() > 0 {
        return Err(wrong(format!("a value does not fit {}", feature.dtype.name())));
    }
    if feature.width() == 1 {
        return Ok(flat);
    }
    let DataType::FixedSizeList(field, size) = column_type(feature) else {
        return Ok(flat);
    };
    let lists = arrow::array::FixedSizeListArray::try_new(field, size, flat, None);
    Ok(Arc::new(lists.map_err(|error| wrong(error.to_string()))?))
}

/// PNG files, with the names that `LeRobot` gives them.
pub(super) fn image_array(pictures: &[Vec<u8>]) -> Result<ArrayRef, String> {
    let names: Vec<String> = (0..pictures.len()).map(|index| format!("frame-{index:06}.png")).collect();
    let total: usize = pictures.iter().map(Vec::len).sum();
    if i32::try_from(total).is_err() {
        return Err(format!("the pictures of an episode have {total} bytes, a column holds 2147483647"));
    }
    let DataType::Struct(fields) = image_type() else {
        return Err("a picture is a struct".to_owned());
    };
    let bytes: ArrayRef = Arc::new(BinaryArray::from_iter_values(pictures));
    let names: ArrayRef = Arc::new(StringArray::from(names));
    let cells = StructArray::try_new(fields, vec![bytes, names], None);
    Ok(Arc::new(cells.map_err(|error| error.to_string())?))
}

/// The values as lists of `length` each.
pub(super) fn lists_of(values: ArrayRef, length: usize) -> Result<ArrayRef, String> {
    let n_lists = values.len().checked_div(length).unwrap_or(0);
    lists_with(values, std::iter::repeat_n(length, n_lists))
}

/// The values as lists of these lengths.
pub(super) fn lists_with(values: ArrayRef, lengths: impl IntoIterator<Item = usize>) -> Result<ArrayRef, String> {
    let offsets = OffsetBuffer::<i32>::try_from_lengths(lengths).map_err(|error| error.to_string())?;
    let field = Arc::new(Field::new(ELEMENT, values.data_type().clone(), true));
    let lists = ListArray::try_new(field, offsets, values, None).map_err(|error| error.to_string())?;
    Ok(Arc::new(lists))
}

/// The schema of the data files.
pub(super) fn data_schema(features: &[Feature]) -> SchemaRef {
    let fields: Vec<Field> =
        features.iter().map(|feature| Field::new(feature.key.as_str(), column_type(feature), true)).collect();
    Arc::new(Schema::new(fields))
}

fn column_type(feature: &Feature) -> DataType {
    if feature.dtype == Dtype::Image {
        return image_type();
    }
    let values = arrow_type(&feature.dtype);
    match i32::try_from(feature.width()) {
        Ok(width) if width > 1 => DataType::FixedSizeList(Arc::new(Field::new(ELEMENT, values, true)), width),
        _ => values,
    }
}

fn image_type() -> DataType {
    DataType::Struct(Fields::from(vec![
        Field::new("bytes", DataType::Binary, true),
        Field::new("path", DataType::Utf8, true),
    ]))
}

fn arrow_type(dtype: &Dtype) -> DataType {
    match dtype {
        Dtype::Float16 => DataType::Float16,
        Dtype::Float64 => DataType::Float64,
        Dtype::Bool => DataType::Boolean,
        Dtype::Integer(name) => match name.as_str() {
            "int8" => DataType::Int8,
            "int16" => DataType::Int16,
            "int32" => DataType::Int32,
            "uint8" => DataType::UInt8,
            "uint16" => DataType::UInt16,
            "uint32" => DataType::UInt32,
            "uint64" => DataType::UInt64,
            _ => DataType::Int64,
        },
        Dtype::Float32 | Dtype::Image | Dtype::Video | Dtype::Other(_) => DataType::Float32,
    }
}
