//! A file on the visitor's disk, or in the browser's cache: read slice by slice.

use js_sys::{ArrayBuffer, Uint8Array};
use web_sys::Blob;

use super::WINDOW;
use crate::engine::load::error::LoadError;
use crate::engine::load::js::{bytes, number, settled, words};
use crate::origin::Pieces;

/// A file in one or more pieces.
pub(in crate::engine::load) struct Blobs {
    name: String,
    blobs: Vec<Blob>,
    pieces: Pieces,
    position: u64,
}

impl Blobs {
    /// All pieces of a file, in order.
    pub(in crate::engine::load) fn new(name: String, blobs: Vec<Blob>) -> Self {
        let lengths = blobs.iter().map(|blob| bytes(blob.size()));
        let pieces = Pieces::cut(lengths).unwrap_or_else(|| Pieces::whole(Some(0)));
        Self { name, blobs, pieces, position: 0 }
    }

    /// The file's length.
    pub(in crate::engine::load) fn length(&self) -> Option<u64> {
        self.pieces.length()
    }

    /// The next bytes, at most `wanted`; `None` at the end.
    ///
    /// # Errors
    /// [`LoadError::Unreadable`].
    pub(in crate::engine::load) async fn next(&mut self, wanted: u64) -> Result<Option<Uint8Array>, LoadError> {
        let Some(window) = self.pieces.window(self.position, wanted.clamp(1, WINDOW)) else { return Ok(None) };
        let unreadable = |reason| LoadError::Unreadable { file: self.name.clone(), reason };
        let Some(blob) = self.blobs.get(window.piece) else { return Ok(None) };
        let slice = blob.slice_with_f64_and_f64(number(window.within.start), number(window.within.end));
        let slice = slice.map_err(|error| unreadable(words(&error)))?;
        let buffer: ArrayBuffer = settled(slice.array_buffer()).await.map_err(unreadable)?;
        let chunk = Uint8Array::new(&buffer);
        if u64::from(chunk.length()) != window.file.end - window.file.start {
            return Err(unreadable("it has become shorter".to_owned()));
        }
        self.position = window.file.end;
        Ok(Some(chunk))
    }

    /// All bytes, when there are not too many.
    ///
    /// # Errors
    /// [`LoadError::Unreadable`] or [`LoadError::TooLarge`].
    pub(in crate::engine::load) async fn whole(mut self, most: u64) -> Result<Vec<u8>, LoadError> {
        let length = self.pieces.length().unwrap_or(0);
        if length > most {
            return Err(LoadError::TooLarge { file: self.name, most });
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = self.next(WINDOW).await? {
            let have = bytes.len();
            bytes.resize(have + chunk.length() as usize, 0);
            chunk.copy_to(&mut bytes[have..]);
        }
        Ok(bytes)
    }
}
