//! Weights by name: the index of a safetensors file and the trait its bytes arrive through.
//!
//! A file, a buffer in memory and HTTP range requests feed one loader, tensor by tensor.

use std::ops::Range;

use half::{bf16, f16};
use indexmap::IndexMap;
use safetensors::tensor::{Dtype, Metadata};

use crate::error::WeightError;

/// Longest header that is read, 32 MiB: a policy's has about 50 KiB.
pub const MAX_HEADER: u64 = 32 << 20;

/// Where one tensor lies.
#[derive(Clone, Debug)]
pub struct WeightEntry {
    /// Its number format.
    pub dtype: Dtype,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its bytes in the file.
    pub range: Range<u64>,
}

/// All tensors of a file, in file order.
#[derive(Clone, Debug)]
pub struct WeightIndex {
    file: String,
    entries: IndexMap<String, WeightEntry>,
}

impl WeightIndex {
    /// Length of the header, from the file's first eight bytes and its whole length.
    ///
    /// # Errors
    /// [`WeightError::Header`] when the header cannot be that long.
    pub fn header_length(file: &str, first: &[u8], file_length: u64) -> Result<u64, WeightError> {
        let refuse = |reason: String| WeightError::Header { file: file.to_owned(), reason };
        let Some(prefix) = first.first_chunk::<8>() else {
            return Err(refuse(format!("it has only {} bytes", first.len())));
        };
        let length = u64::from_le_bytes(*prefix);
        if length > MAX_HEADER {
            return Err(refuse(format!("it declares a header of {length} bytes, more than {MAX_HEADER}")));
        }
        if length + 8 > file_length {
            return Err(refuse(format!("it declares a header of {length} bytes but has only {file_length} bytes")));
        }
        Ok(length)
    }

    /// The index in a header (without the eight bytes before it).
    ///
    /// # Errors
    /// [`WeightError::Header`] for anything but a complete description of the file's bytes.
    pub fn parse(file: &str, header: &[u8], file_length: u64) -> Result<Self, WeightError> {
        let (index, described) = Self::parse_stream(file, header)?;
        if described != file_length {
            let fault = if described > file_length { "it is truncated" } else { "bytes follow its last tensor" };
            let reason = format!("{fault}: its header describes {described} bytes, it has {file_length}");
            return Err(WeightError::Header { file: file.to_owned(), reason });
        }
        Ok(index)
    }

    /// The index in the header of a file whose length is not known, and the length that it ought to have.
    ///
    /// # Errors
    /// [`WeightError::Header`] when the header is no description of tensors that follow each other.
    pub fn parse_stream(file: &str, header: &[u8]) -> Result<(Self, u64), WeightError> {
        let refuse = |reason: String| WeightError::Header { file: file.to_owned(), reason };
        let metadata: Metadata = serde_json::from_slice(header).map_err(|error| refuse(error.to_string()))?;
        let base = 8 + header.len() as u64;
        let names = metadata.offset_keys().into_iter();
        let entries = names.filter_map(|name| {
            let info = metadata.info(&name)?;
            let (start, end) = info.data_offsets;
            let range = base + start as u64..base + end as u64;
            Some((name, WeightEntry { dtype: info.dtype, shape: info.shape.clone(), range }))
        });
        let described = base.saturating_add(metadata.data_len() as u64);
        Ok((Self { file: file.to_owned(), entries: entries.collect() }, described))
    }

    /// The file's name, for messages.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// One tensor's place.
    ///
    /// # Errors
    /// [`WeightError::Missing`] when the file does not hold it.
    pub fn entry(&self, name: &str) -> Result<&WeightEntry, WeightError> {
        let missing = || WeightError::Missing { file: self.file.clone(), name: name.to_owned() };
        self.entries.get(name).ok_or_else(missing)
    }

    /// A tensor's shape, when the file holds it.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.entries.get(name).map(|entry| entry.shape.as_slice())
    }

    /// Names and places in file order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &WeightEntry)> {
        self.entries.iter().map(|(name, entry)| (name.as_str(), entry))
    }
}

/// Where weights come from.
pub trait WeightSource {
    /// What there is.
    fn index(&self) -> &WeightIndex;

    /// Fills `into` with the bytes of one tensor; it has exactly the length that the tensor's entry says.
    ///
    /// The loader asks in file order, so that a source may be a stream that cannot go back.
    ///
    /// # Errors
    /// [`WeightError::Missing`] or [`WeightError::Read`].
    fn read(&mut self, name: &str, into: &mut [u8]) -> impl Future<Output = Result<(), WeightError>>;
}

/// A whole safetensors file in memory.
#[derive(Clone, Debug)]
pub struct WeightBytes {
    index: WeightIndex,
    bytes: Vec<u8>,
}

impl WeightBytes {
    /// Takes over the file's bytes.
    ///
    /// # Errors
    /// [`WeightError::Header`] when they are not a safetensors file.
    pub fn new(file: &str, bytes: Vec<u8>) -> Result<Self, WeightError> {
        let length = WeightIndex::header_length(file, &bytes, bytes.len() as u64)?;
        #[expect(clippy::cast_possible_truncation, reason = "not longer than the bytes in memory")]
        let index = WeightIndex::parse(file, &bytes[8..8 + length as usize], bytes.len() as u64)?;
        Ok(Self { index, bytes })
    }

    /// A tensor's bytes.
    ///
    /// # Errors
    /// [`WeightError::Missing`] when there is none of that name.
    pub fn bytes(&self, name: &str) -> Result<&[u8], WeightError> {
        let range = &self.index.entry(name)?.range;
        #[expect(clippy::cast_possible_truncation, reason = "the index describes bytes in memory")]
        let range = range.start as usize..range.end as usize;
        Ok(&self.bytes[range])
    }

    /// A tensor's values in single precision.
    ///
    /// # Errors
    /// [`WeightError::Missing`], or [`WeightError::Dtype`] for integers.
    pub fn values(&self, name: &str) -> Result<Vec<f32>, WeightError> {
        floats(&self.index, name, self.bytes(name)?)
    }
}

impl WeightSource for WeightBytes {
    fn index(&self) -> &WeightIndex {
        &self.index
    }

    async fn read(&mut self, name: &str, into: &mut [u8]) -> Result<(), WeightError> {
        into.copy_from_slice(self.bytes(name)?);
        Ok(())
    }
}

/// Little-endian F32, F16 or BF16 to single precision.
///
/// # Errors
/// [`WeightError::Dtype`] for anything else.
pub fn floats(index: &WeightIndex, name: &str, bytes: &[u8]) -> Result<Vec<f32>, WeightError> {
    let pairs = || bytes.chunks_exact(2).map(|pair| [pair[0], pair[1]]);
    match index.entry(name)?.dtype {
        Dtype::F32 => Ok(bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()),
        Dtype::F16 => Ok(pairs().map(|pair| f16::from_le_bytes(pair).to_f32()).collect()),
        Dtype::BF16 => Ok(pairs().map(|pair| bf16::from_le_bytes(pair).to_f32()).collect()),
        other => Err(not_floats(index, name, other)),
    }
}

/// The error for a tensor that holds no floats.
pub(super) fn not_floats(index: &WeightIndex, name: &str, found: Dtype) -> WeightError {
    WeightError::Dtype { file: index.file.clone(), name: name.to_owned(), found: format!("{found:?}") }
}
