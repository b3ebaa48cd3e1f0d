//! One statistic: numbers and their shape, and their nested lists in JSON.

use serde_json::Value;

/// No feature has more dimensions.
const MAX_RANK: usize = 8;

/// One statistic of a feature, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Statistic {
    /// `[n]` for vectors, `[3, 1, 1]` for cameras, `[1]` for counts.
    pub shape: Vec<usize>,
    /// The values; NaN where the file has `null` or `NaN`.
    pub values: Vec<f64>,
}

impl Statistic {
    /// A statistic of one dimension.
    pub fn vector(values: Vec<f64>) -> Self {
        Self { shape: vec![values.len()], values }
    }

    /// A statistic with one value per channel: `[3, 1, 1]`.
    pub fn per_channel(values: [f64; 3]) -> Self {
        Self { shape: vec![3, 1, 1], values: values.to_vec() }
    }

    pub(super) fn parse(value: &Value) -> Result<Self, String> {
        let mut shape = Vec::new();
        let mut values = Vec::new();
        flatten(value, 0, &mut shape, &mut values)?;
        if shape.is_empty() {
            shape.push(1);
        }
        if shape.iter().product::<usize>() != values.len() {
            return Err("its lists have different lengths".to_owned());
        }
        Ok(Self { shape, values })
    }

    pub(super) fn to_json(&self, is_count: bool) -> Value {
        let mut level: Vec<Value> = self.values.iter().map(|value| number(*value, is_count)).collect();
        for size in self.shape.iter().skip(1).rev() {
            level = level.chunks((*size).max(1)).map(|chunk| Value::Array(chunk.to_vec())).collect();
        }
        Value::Array(level)
    }
}

/// A number; counts stay whole, and what JSON cannot hold becomes `null`.
fn number(value: f64, is_count: bool) -> Value {
    #[expect(clippy::cast_possible_truncation, reason = "counts of frames are whole and far below 2^53")]
    let whole = value as i64;
    if is_count && value.fract() == 0.0 { Value::from(whole) } else { Value::from(value) }
}

fn flatten(value: &Value, depth: usize, shape: &mut Vec<usize>, values: &mut Vec<f64>) -> Result<(), String> {
    match value {
        Value::Number(number) if depth == shape.len() => values.push(number.as_f64().unwrap_or(f64::NAN)),
        Value::Null if depth == shape.len() => values.push(f64::NAN),
        Value::Bool(truth) if depth == shape.len() => values.push(f64::from(u8::from(*truth))),
        Value::Array(items) if depth < MAX_RANK && !items.is_empty() => {
            if depth == shape.len() && values.is_empty() {
                shape.push(items.len());
            }
            if shape.get(depth) != Some(&items.len()) {
                return Err("its lists have different lengths".to_owned());
            }
            for item in items {
                flatten(item, depth + 1, shape, values)?;
            }
        }
        _ => return Err("it is not a list of numbers".to_owned()),
    }
    Ok(())
}
