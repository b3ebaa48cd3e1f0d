//! One numeric column of the whole dataset, as a flat vector of its declared type.
//!
//! Whatever a file holds (floats of another size, integers, lists of lists, a list of one value for shape `[1]`) is
//! flattened and cast to the type that `meta/info.json` declares, as `LeRobot` does (contract 1.4).

use std::path::Path;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int64Type};

use crate::error::{DataError, guarded};
use crate::info::Dtype;

/// The values of a column, row after row.
#[derive(Debug, Clone)]
pub(crate) enum Values {
    Float32(Vec<f32>),
    Float64(Vec<f64>),
    Integer(Vec<i64>),
    Bool(Vec<bool>),
}

/// A column and the number of values in one of its rows.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) width: usize,
    pub(crate) values: Values,
}

impl Column {
    /// Zeros for `n_rows` rows of a numeric feature; nothing when that would not fit into memory.
    pub(crate) fn zeros(name: &str, dtype: &Dtype, width: usize, n_rows: usize) -> Option<Self> {
        let length = width.checked_mul(n_rows)?;
        let values = match dtype {
            Dtype::Float64 => Values::Float64(reserved(length)?),
            Dtype::Integer(_) => Values::Integer(reserved(length)?),
            Dtype::Bool => Values::Bool(reserved(length)?),
            _ => Values::Float32(reserved(length)?),
        };
        Some(Self { name: name.to_owned(), width, values })
    }

    /// Writes the rows of one batch to their places: row `r` of the array becomes row `places[r]`.
    pub(crate) fn fill(
        &mut self,
        array: &ArrayRef,
        places: &[usize],
        first_row: usize,
        path: &Path,
    ) -> Result<(), DataError> {
        let flat = self.flatten(array, first_row, path)?;
        let target = self.arrow_type();
        let flat =
            guarded(|| cast(&flat, &target)).map_err(DataError::parquet(path))?.map_err(DataError::parquet(path))?;
        if flat.null_count() > 0 {
            return Err(DataError::ColumnNull {
                column: self.name.clone(),
                expected: target.to_string(),
                path: path.to_path_buf(),
            });
        }
        let width = self.width;
        match &mut self.values {
            Values::Float32(values) => {
                scatter(values, flat.as_primitive::<Float32Type>().values(), places, width);
            }
            Values::Float64(values) => {
                scatter(values, flat.as_primitive::<Float64Type>().values(), places, width);
            }
            Values::Integer(values) => {
                scatter(values, flat.as_primitive::<Int64Type>().values(), places, width);
            }
            Values::Bool(values) => {
                let bits: Vec<bool> = flat.as_boolean().values().iter().collect();
                scatter(values, &bits, places, width);
            }
        }
        Ok(())
    }

    fn arrow_type(&self) -> DataType {
        match self.values {
            Values::Float32(_) => DataType::Float32,
            Values::Float64(_) => DataType::Float64,
            Values::Integer(_) => DataType::Int64,
            Values::Bool(_) => DataType::Boolean,
        }
    }

    /// The values of all rows without the lists around them; every row has exactly `width`.
    fn flatten(&self, array: &ArrayRef, first_row: usize, path: &Path) -> Result<ArrayRef, DataError> {
        let mut array = array.clone();
        let mut ends: Vec<usize> = (0..=array.len()).collect();
        while let Some(list) = array.as_list_opt::<i32>() {
            if list.null_count() > 0 {
                return Err(DataError::ColumnNull {
                    column: self.name.clone(),
                    expected: "a list".to_owned(),
                    path: path.to_path_buf(),
                });
            }
            let offsets = list.value_offsets();
            for end in &mut ends {
                let offset = offsets.get(*end).copied().unwrap_or(0);
                *end = usize::try_from(offset).unwrap_or(0);
            }
            let inner = list.values().clone();
            array = inner;
        }
        if !(array.data_type().is_numeric() || array.data_type() == &DataType::Boolean) {
            return Err(DataError::ColumnType {
                column: self.name.clone(),
                found: array.data_type().to_string(),
                expected: "numbers".to_owned(),
                path: path.to_path_buf(),
            });
        }
        for (row, pair) in ends.windows(2).enumerate() {
            let found = pair[1].saturating_sub(pair[0]);
            if found != self.width {
                return Err(DataError::ColumnLength {
                    column: self.name.clone(),
                    row: first_row.saturating_add(row),
                    found,
                    expected: self.width,
                    path: path.to_path_buf(),
                });
            }
        }
        let (start, end) = (ends.first().copied().unwrap_or(0), ends.last().copied().unwrap_or(0));
        Ok(array.slice(start, end.saturating_sub(start)))
    }

    /// One row as `f32`.
    #[expect(clippy::cast_possible_truncation, reason = "this is the f32 view of a column, whatever its type")]
    pub(crate) fn as_f32(&self, row: usize) -> Vec<f32> {
        let range = self.range(row);
        match &self.values {
            Values::Float32(values) => values[range].to_vec(),
            Values::Float64(values) => values[range].iter().map(|value| *value as f32).collect(),
            Values::Integer(values) => values[range].iter().map(|value| *value as f32).collect(),
            Values::Bool(values) => values[range].iter().map(|value| f32::from(u8::from(*value))).collect(),
        }
    }

    /// One row as `f64`.
    pub(crate) fn as_f64(&self, row: usize) -> Vec<f64> {
        let range = self.range(row);
        match &self.values {
            Values::Float32(values) => values[range].iter().map(|value| f64::from(*value)).collect(),
            Values::Float64(values) => values[range].to_vec(),
            Values::Integer(values) => values[range].iter().map(|value| *value as f64).collect(),
            Values::Bool(values) => values[range].iter().map(|value| f64::from(u8::from(*value))).collect(),
        }
    }

    /// One row as integers; nothing for a column of floats.
    pub(crate) fn as_i64(&self, row: usize) -> Option<Vec<i64>> {
        let range = self.range(row);
        match &self.values {
            Values::Integer(values) => Some(values[range].to_vec()),
            Values::Bool(values) => Some(values[range].iter().map(|value| i64::from(*value)).collect()),
            Values::Float32(_) | Values::Float64(_) => None,
        }
    }

    /// The first value of a row as an integer; nothing for a column of floats or past the end.
    pub(crate) fn integer_at(&self, row: usize) -> Option<i64> {
        let at = row.checked_mul(self.width)?;
        match &self.values {
            Values::Integer(values) => values.get(at).copied(),
            Values::Bool(values) => values.get(at).map(|value| i64::from(*value)),
            Values::Float32(_) | Values::Float64(_) => None,
        }
    }

    /// The first value of a row as a number; nothing past the end.
    pub(crate) fn number_at(&self, row: usize) -> Option<f64> {
        let at = row.checked_mul(self.width)?;
        match &self.values {
            Values::Float32(values) => values.get(at).map(|value| f64::from(*value)),
            Values::Float64(values) => values.get(at).copied(),
            Values::Integer(values) => values.get(at).map(|value| *value as f64),
            Values::Bool(values) => values.get(at).map(|value| f64::from(u8::from(*value))),
        }
    }

    fn range(&self, row: usize) -> std::ops::Range<usize> {
        row * self.width..(row + 1) * self.width
    }
}

/// A vector of zeros, or nothing when the memory cannot be had.
fn reserved<T: Clone + Default>(length: usize) -> Option<Vec<T>> {
    let mut values = Vec::new();
    values.try_reserve_exact(length).ok()?;
    values.resize(length, T::default());
    Some(values)
}

fn scatter<T: Copy>(values: &mut [T], batch: &[T], places: &[usize], width: usize) {
    for (row, place) in batch.chunks_exact(width).zip(places) {
        values[place * width..(place + 1) * width].copy_from_slice(row);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Float64Array, Int64Array, ListArray};

    use super::*;

    fn list_of(lengths: &[usize], values: ArrayRef) -> ArrayRef {
        let offsets = arrow::buffer::OffsetBuffer::from_lengths(lengths.iter().copied());
        let field = Arc::new(arrow::datatypes::Field::new("element", values.data_type().clone(), true));
        Arc::new(ListArray::try_new(field, offsets, values, None).expect("a list"))
    }

    #[test]
    fn lists_of_lists_are_flattened_and_cast() {
        let numbers: ArrayRef = Arc::new(Float64Array::from_iter_values((0..8).map(f64::from)));
        let nested = list_of(&[2, 2], list_of(&[2, 2, 2, 2], numbers));
        let mut column = Column::zeros("matrix", &Dtype::Float32, 4, 2).expect("memory");
        column.fill(&nested, &[1, 0], 0, Path::new("file")).expect("a matrix per row");
        assert_eq!(column.as_f32(0), [4.0, 5.0, 6.0, 7.0], "rows go to their places");
        assert_eq!(column.as_f32(1), [0.0, 1.0, 2.0, 3.0], "rows go to their places");
    }

    #[test]
    fn wrong_lengths_nulls_and_texts_are_errors() {
        let path = Path::new("file");
        let mut column = Column::zeros("state", &Dtype::Float32, 2, 2).expect("memory");
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
        let ragged = column.fill(&list_of(&[2, 1], numbers), &[0, 1], 0, path);
        assert!(matches!(ragged, Err(DataError::ColumnLength { row: 1, found: 1, .. })), "{ragged:?}");
        let holes: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, Some(2), Some(3)]));
        let null = column.fill(&list_of(&[2, 2], holes), &[0, 1], 0, path);
        assert!(matches!(null, Err(DataError::ColumnNull { .. })), "{null:?}");
        let words: ArrayRef = Arc::new(arrow::array::StringArray::from(vec!["1", "2"]));
        let text = column.fill(&words, &[0, 1], 0, path);
        assert!(matches!(text, Err(DataError::ColumnType { .. })), "{text:?}");
    }
}
