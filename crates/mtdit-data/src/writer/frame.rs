//! One frame before it is written: everything that can be wrong with it is found here.

use crate::error::DataError;
use crate::info::{Dtype, Feature};
use crate::video::{Frame, encode_png};

/// A picture as the PNG file that a dataset holds. Encoding is most of the work of recording, and any thread can do it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Png {
    height: usize,
    width: usize,
    bytes: Vec<u8>,
}

impl Png {
    /// Encodes a picture; `field` is only named in the error.
    ///
    /// # Errors
    /// When it has no pixels, too many, or another number of bytes than its size asks for.
    pub fn encode(field: &str, frame: &Frame) -> Result<Self, DataError> {
        let bytes = encode_png(frame).map_err(|problem| wrong(field, &problem))?;
        Ok(Self { height: frame.height, width: frame.width, bytes })
    }
}

/// One value of a row.
pub(super) enum Cell {
    Numbers(Vec<f64>),
    Picture(Vec<u8>),
}

/// What is wrong with a feature.
pub(super) fn wrong(field: &str, problem: &str) -> DataError {
    DataError::Record { field: field.to_owned(), problem: problem.to_owned() }
}

/// Whether a feature can be written.
pub(super) fn check_feature(feature: &Feature, all: &[Feature]) -> Result<(), DataError> {
    let key = &feature.key;
    if key.is_empty() || key.contains('/') || super::OWN_COLUMNS.contains(&key.as_str()) {
        return Err(wrong(key, "this name cannot be given to a feature"));
    }
    if all.iter().filter(|other| other.key == *key).count() > 1 {
        return Err(wrong(key, "two features have this name"));
    }
    match &feature.dtype {
        Dtype::Image if feature.shape.len() == 3 => Ok(()),
        Dtype::Image => Err(wrong(key, "a camera has a height, a width and channels")),
        dtype if dtype.is_numeric() && feature.shape.len() == 1 && feature.shape[0] > 0 => Ok(()),
        dtype if dtype.is_numeric() => Err(wrong(key, "only vectors of at least one value are written")),
        dtype => Err(wrong(key, &format!("features of type {} are not written", dtype.name()))),
    }
}

/// The values of a numeric feature in a frame.
pub(super) fn numbers(feature: &Feature, values: &[(&str, &[f64])]) -> Result<Vec<f64>, DataError> {
    let found = values.iter().find(|(key, _)| *key == feature.key);
    let (_, numbers) = found.ok_or_else(|| wrong(&feature.key, "the frame has no value for it"))?;
    if numbers.len() != feature.width() {
        let problem = format!("the frame has {} values, {} are declared", numbers.len(), feature.width());
        return Err(wrong(&feature.key, &problem));
    }
    if numbers.iter().any(|number| !number.is_finite()) {
        return Err(wrong(&feature.key, "a value is not finite"));
    }
    Ok(numbers.to_vec())
}

/// The PNG file of a camera in a frame.
pub(super) fn picture(feature: &Feature, pictures: &[(&str, &Png)]) -> Result<Vec<u8>, DataError> {
    let found = pictures.iter().find(|(key, _)| *key == feature.key);
    let (_, png) = found.ok_or_else(|| wrong(&feature.key, "the frame has no picture for it"))?;
    if feature.picture_size() != Some((png.height, png.width)) {
        let problem = format!("the picture has {}x{} pixels, another size is declared", png.height, png.width);
        return Err(wrong(&feature.key, &problem));
    }
    Ok(png.bytes.clone())
}
