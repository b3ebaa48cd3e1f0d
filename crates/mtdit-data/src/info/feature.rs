//! One column of a dataset as `meta/info.json` declares it (contract 1.2 and 1.3).

use serde_json::{Map, Value};

/// Largest number of values in one row of a feature.
const MAX_WIDTH: usize = 1 << 20;

/// What a feature holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dtype {
    /// Half precision; kept as `f32`.
    Float16,
    /// Single precision.
    Float32,
    /// Double precision.
    Float64,
    /// Any integer type, by its numpy name; kept as `i64`.
    Integer(String),
    /// True or false.
    Bool,
    /// PNG or JPEG files inside the parquet files.
    Image,
    /// Frames of mp4 files.
    Video,
    /// Text and everything else that no policy reads.
    Other(String),
}

impl Dtype {
    /// From the name in `info.json`.
    pub fn parse(name: &str) -> Self {
        match name {
            "float16" => Self::Float16,
            "float32" => Self::Float32,
            "float64" => Self::Float64,
            "bool" => Self::Bool,
            "image" => Self::Image,
            "video" => Self::Video,
            "int8" | "int16" | "int32" | "int64" | "uint8" | "uint16" | "uint32" | "uint64" => {
                Self::Integer(name.to_owned())
            }
            _ => Self::Other(name.to_owned()),
        }
    }

    /// The name in `info.json`.
    pub fn name(&self) -> &str {
        match self {
            Self::Float16 => "float16",
            Self::Float32 => "float32",
            Self::Float64 => "float64",
            Self::Bool => "bool",
            Self::Image => "image",
            Self::Video => "video",
            Self::Integer(name) | Self::Other(name) => name,
        }
    }

    /// Whether rows are numbers that this crate keeps in memory.
    pub fn is_numeric(&self) -> bool {
        !matches!(self, Self::Image | Self::Video | Self::Other(_))
    }
}

/// One column: its name, type and shape.
#[derive(Debug, Clone, PartialEq)]
pub struct Feature {
    /// Name of the column, for example `observation.state`.
    pub key: String,
    /// What it holds.
    pub dtype: Dtype,
    /// Shape of one row as written in the file; height, width, channels for most cameras.
    pub shape: Vec<usize>,
    /// Names of the dimensions, nested lists flattened; empty when the file has none.
    pub names: Vec<String>,
    /// Facts about the video, as recorded. They can be wrong; the mp4 file decides.
    pub info: Map<String, Value>,
}

impl Feature {
    /// From its entry in `info.json`.
    pub(crate) fn parse(key: &str, entry: &Value) -> Result<Self, String> {
        if key.is_empty() || key.contains('/') {
            return Err("a name without `/`".to_owned());
        }
        let dtype = entry.get("dtype").and_then(Value::as_str).ok_or("an object with a `dtype`")?;
        let shape = match entry.get("shape") {
            Some(Value::Array(sizes)) => sizes.iter().map(size).collect::<Option<Vec<usize>>>(),
            None | Some(Value::Null) => Some(vec![1]),
            Some(_) => None,
        };
        let shape = shape.ok_or("a `shape` of positive integers")?;
        let feature = Self {
            key: key.to_owned(),
            dtype: Dtype::parse(dtype),
            names: entry.get("names").map(flat_names).unwrap_or_default(),
            info: ["info", "video_info"]
                .iter()
                .find_map(|field| entry.get(field).and_then(Value::as_object).cloned())
                .unwrap_or_default(),
            shape,
        };
        if feature.dtype.is_numeric() && feature.checked_width().is_none() {
            return Err("a `shape` of at most 1048576 values".to_owned());
        }
        if feature.is_camera() && feature.shape.len() != 3 {
            return Err("a camera `shape` of three sizes".to_owned());
        }
        Ok(feature)
    }

    /// A numeric column with one name per value.
    pub fn numbers(key: &str, dtype: Dtype, names: &[&str]) -> Self {
        Self {
            key: key.to_owned(),
            dtype,
            shape: vec![names.len()],
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            info: Map::new(),
        }
    }

    /// A camera whose pictures are stored as PNG.
    pub fn image(key: &str, height: usize, width: usize) -> Self {
        Self {
            key: key.to_owned(),
            dtype: Dtype::Image,
            shape: vec![height, width, 3],
            names: ["height", "width", "channels"].map(str::to_owned).to_vec(),
            info: Map::new(),
        }
    }

    /// The entry in `info.json`; `names` is null when there are none.
    pub(crate) fn to_json(&self) -> Value {
        let names = if self.names.is_empty() { Value::Null } else { Value::from(self.names.clone()) };
        let mut entry = Map::new();
        entry.insert("dtype".to_owned(), Value::from(self.dtype.name()));
        entry.insert("shape".to_owned(), Value::from(self.shape.clone()));
        entry.insert("names".to_owned(), names);
        if !self.info.is_empty() {
            entry.insert("info".to_owned(), Value::Object(self.info.clone()));
        }
        Value::Object(entry)
    }

    /// Values in one row of a numeric feature: the product of the shape.
    pub fn width(&self) -> usize {
        self.checked_width().unwrap_or(MAX_WIDTH)
    }

    fn checked_width(&self) -> Option<usize> {
        self.shape
            .iter()
            .try_fold(1_usize, |width, size| width.checked_mul(*size))
            .filter(|width| (1..=MAX_WIDTH).contains(width))
    }

    /// Whether rows are pictures, in parquet or in mp4 files.
    pub fn is_camera(&self) -> bool {
        matches!(self.dtype, Dtype::Image | Dtype::Video)
    }

    /// Whether the camera records depth, under any of the names that `LeRobot` has used.
    pub fn is_depth(&self) -> bool {
        ["is_depth_map", "video.is_depth_map"]
            .iter()
            .any(|field| self.info.get(*field).and_then(Value::as_bool) == Some(true))
    }

    /// Height and width of a camera's pictures.
    ///
    /// `LeRobot` calls a shape height-width-channels when `names[2]` says so and channels-height-width otherwise; where
    /// the names say nothing the dimension of size 1, 3 or 4 is the channels.
    pub fn picture_size(&self) -> Option<(usize, usize)> {
        let [first, second, third] = *self.shape.as_slice() else {
            return None;
        };
        let is_channel = |index: usize| {
            let name = self.names.get(index).map(String::as_str);
            matches!(name, Some("channel" | "channels"))
        };
        let channels_last = is_channel(2) || (!is_channel(0) && matches!(third, 1 | 3 | 4));
        self.is_camera().then_some(if channels_last { (first, second) } else { (second, third) })
    }
}

fn size(value: &Value) -> Option<usize> {
    value.as_u64().and_then(|size| usize::try_from(size).ok()).filter(|size| *size > 0)
}

/// `["x", "y"]`, `[["x", "y"]]` and `{"motors": ["x", "y"]}` all name two dimensions.
fn flat_names(names: &Value) -> Vec<String> {
    match names {
        Value::String(name) => vec![name.clone()],
        Value::Array(items) => items.iter().flat_map(flat_names).collect(),
        Value::Object(groups) => groups.values().flat_map(flat_names).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_come_in_three_forms() {
        for names in [json!(["x", "y"]), json!([["x", "y"]]), json!({"motors": ["x", "y"]})] {
            assert_eq!(flat_names(&names), ["x", "y"], "{names}");
        }
        assert!(flat_names(&Value::Null).is_empty(), "null names nothing");
    }

    #[test]
    fn picture_sizes_follow_the_names() {
        let size = |shape: Value, names: Value| {
            let entry = json!({"dtype": "video", "shape": shape, "names": names});
            Feature::parse("observation.image", &entry).expect("a camera").picture_size()
        };
        let names = json!(["height", "width", "channels"]);
        assert_eq!(size(json!([48, 64, 3]), names), Some((48, 64)));
        let names = json!(["channels", "height", "width"]);
        assert_eq!(size(json!([3, 48, 64]), names), Some((48, 64)));
        assert_eq!(size(json!([48, 64, 3]), Value::Null), Some((48, 64)));
        assert_eq!(size(json!([3, 48, 64]), Value::Null), Some((48, 64)));
    }

    #[test]
    fn impossible_features_are_refused() {
        let bad = [
            json!(7),
            json!({"dtype": "float32", "shape": [0]}),
            json!({"dtype": "float32", "shape": [-1]}),
            json!({"dtype": "float32", "shape": [1_000_000_000, 1_000_000_000, 1_000_000_000]}),
            json!({"dtype": "video", "shape": [3]}),
        ];
        for entry in bad {
            assert!(Feature::parse("key", &entry).is_err(), "{entry}");
        }
        assert!(Feature::parse("a/b", &json!({"dtype": "float32", "shape": [1]})).is_err());
    }
}
