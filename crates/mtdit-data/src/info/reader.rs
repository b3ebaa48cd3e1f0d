//! The fields of a JSON object, each with an error that says what was found and what was expected.

use std::path::Path;

use serde_json::{Map, Value};

use super::feature::Feature;
use crate::error::DataError;

/// The object and its path, for errors.
pub(super) struct Reader<'a> {
    pub(super) object: &'a Map<String, Value>,
    pub(super) path: &'a Path,
}

impl Reader<'_> {
    pub(super) fn error(&self, field: &str, found: &str, expected: &'static str) -> DataError {
        let shown: String = found.chars().take(120).collect();
        DataError::Info { field: field.to_owned(), found: shown, expected, path: self.path.to_path_buf() }
    }

    pub(super) fn text(&self, field: &str) -> Result<Option<String>, DataError> {
        match self.object.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(other) => Err(self.error(field, &other.to_string(), "a text")),
        }
    }

    pub(super) fn count(&self, field: &str, default: usize) -> Result<usize, DataError> {
        match self.object.get(field) {
            None | Some(Value::Null) => Ok(default),
            Some(value) => value
                .as_u64()
                .and_then(|count| usize::try_from(count).ok())
                .ok_or_else(|| self.error(field, &value.to_string(), "a count")),
        }
    }

    pub(super) fn positive(&self, field: &str, default: f64) -> Result<f64, DataError> {
        match self.object.get(field) {
            None | Some(Value::Null) => Ok(default),
            Some(value) => value
                .as_f64()
                .filter(|number| number.is_finite() && *number > 0.0)
                .ok_or_else(|| self.error(field, &value.to_string(), "a positive number")),
        }
    }

    /// Frames per second; `30.0` is accepted as 30.
    pub(super) fn fps(&self) -> Result<u32, DataError> {
        let value = self.object.get("fps").unwrap_or(&Value::Null);
        let whole = value.as_u64().or_else(|| {
            let fps = value.as_f64()?;
            (1..=1000_u32).find(|whole| f64::from(*whole) == fps).map(u64::from)
        });
        whole
            .and_then(|fps| u32::try_from(fps).ok())
            .filter(|fps| (1..=100_000).contains(fps))
            .ok_or_else(|| self.error("fps", &value.to_string(), "a whole number of frames per second, at least 1"))
    }

    pub(super) fn features(&self) -> Result<Vec<Feature>, DataError> {
        let value = self.object.get("features").unwrap_or(&Value::Null);
        let entries = value
            .as_object()
            .filter(|entries| !entries.is_empty())
            .ok_or_else(|| self.error("features", &value.to_string(), "an object with one entry per column"))?;
        let parse = |(key, entry): (&String, &Value)| {
            Feature::parse(key, entry).map_err(|expected| DataError::Json {
                problem: format!("feature `{key}` is {}, expected {expected}", shortened(entry)),
                path: self.path.to_path_buf(),
            })
        };
        entries.iter().map(parse).collect()
    }
}

fn shortened(value: &Value) -> String {
    value.to_string().chars().take(120).collect()
}
