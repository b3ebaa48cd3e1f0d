//! The weights of one checkpoint while they are being cached: written as they arrive, and noted so that the next load goes on
//! where this one stops.

use js_sys::Uint8Array;
use mtdit_policy::checkpoint::files::WEIGHTS;
use web_sys::FileSystemDirectoryHandle;

use super::ENTRY;
use super::handle::Handle;
use crate::origin::Record;

/// Bytes between two notes of how much is written.
const NOTE: u64 = 32 << 20;

/// An entry that this load writes to; no other tab can meanwhile.
pub(in crate::engine::load) struct Shelf {
    entry: Handle,
    weights: Handle,
    record: Record,
    noted: u64,
}

impl Shelf {
    /// Opens an entry's files and cuts the weights off after what the record can vouch for.
    pub(super) async fn open(folder: &FileSystemDirectoryHandle, mut record: Record) -> Result<Self, String> {
        let entry = Handle::open(folder, ENTRY).await?;
        let weights = Handle::open(folder, WEIGHTS).await?;
        record.complete = false;
        record.have = record.usable(weights.length()?);
        weights.set_length(record.have)?;
        let mut shelf = Self { entry, weights, noted: record.have, record };
        shelf.note()?;
        Ok(shelf)
    }

    /// Bytes that are written, from the first.
    pub(in crate::engine::load) fn have(&self) -> u64 {
        self.record.have
    }

    /// Length of the whole file.
    pub(in crate::engine::load) fn length(&self) -> u64 {
        self.record.length
    }

    /// Written bytes from a position, at most `wanted`.
    pub(in crate::engine::load) fn read(&self, position: u64, wanted: u64) -> Result<Uint8Array, String> {
        let left = self.record.have.saturating_sub(position);
        self.weights.read(position, wanted.min(left))
    }

    /// Writes the next bytes.
    pub(in crate::engine::load) fn append(&mut self, chunk: &Uint8Array) -> Result<(), String> {
        self.weights.write(self.record.have, chunk)?;
        self.record.have += u64::from(chunk.length());
        if self.record.have - self.noted >= NOTE {
            self.note()?;
        }
        Ok(())
    }

    /// Notes that everything is there and right.
    pub(in crate::engine::load) fn complete(&mut self) -> Result<(), String> {
        if self.record.have != self.record.length {
            return Err(format!("{} of {} bytes were written", self.record.have, self.record.length));
        }
        self.record.complete = true;
        self.note()
    }

    fn note(&mut self) -> Result<(), String> {
        // The note must not be on disk before the bytes that it vouches for.
        self.weights.flush()?;
        self.entry.replace(self.record.to_json().as_bytes())?;
        self.noted = self.record.have;
        Ok(())
    }
}

impl Drop for Shelf {
    fn drop(&mut self) {
        // A load that is stopped leaves its beginning behind. If the note fails, less of it counts.
        drop(self.note());
    }
}
