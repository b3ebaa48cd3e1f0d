//! One file of decoded frames: all frames of a camera at one size.
//!
//! ```text
//! header │ checksum of every frame │ (padding to 4096) │ frame 0 │ frame 1 │ …    each [height, width, 3] bytes
//! ```
//!
//! Numbers are little endian. The header is written last, so an unfinished file has none.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use memmap2::Mmap;

use crate::error::DataError;

const MAGIC: &[u8; 8] = b"MTDITFRM";
const VERSION: u32 = 1;
const HEADER_BYTES: usize = 64;
const PAGE_BYTES: u64 = 4096;
/// Frames whose checksums are compared when a file is opened.
const PROBES: usize = 256;

/// The size and the number of frames of a file, and what it was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) n_frames: usize,
    /// Digest of the dataset, the camera and the size.
    pub(super) key: u128,
}

impl Layout {
    pub(super) fn frame_bytes(&self) -> usize {
        self.height.saturating_mul(self.width).saturating_mul(3)
    }

    fn data_start(&self) -> u64 {
        let table = (self.n_frames as u64).saturating_mul(8).saturating_add(HEADER_BYTES as u64);
        table.div_ceil(PAGE_BYTES).saturating_mul(PAGE_BYTES)
    }

    /// Bytes of the whole file; saturates when no file could be so large.
    pub(super) fn file_bytes(&self) -> u64 {
        let frames = (self.n_frames as u64).saturating_mul(self.frame_bytes() as u64);
        self.data_start().saturating_add(frames)
    }

    fn header(&self) -> [u8; HEADER_BYTES] {
        let mut header = [0; HEADER_BYTES];
        header[..8].copy_from_slice(MAGIC);
        header[8..12].copy_from_slice(&VERSION.to_le_bytes());
        header[16..24].copy_from_slice(&(self.height as u64).to_le_bytes());
        header[24..32].copy_from_slice(&(self.width as u64).to_le_bytes());
        header[32..40].copy_from_slice(&(self.n_frames as u64).to_le_bytes());
        header[40..56].copy_from_slice(&self.key.to_le_bytes());
        let sum = checksum(&header[..56]);
        header[56..].copy_from_slice(&sum.to_le_bytes());
        header
    }
}

/// Writes frames into a file that is being built. Every thread has its own.
pub(super) struct FrameWriter {
    file: File,
    path: PathBuf,
    layout: Layout,
}

impl FrameWriter {
    /// Creates the file at its full size.
    pub(super) fn create(path: &Path, layout: &Layout) -> Result<(), DataError> {
        let file = File::create(path).map_err(DataError::io("create", path))?;
        file.set_len(layout.file_bytes()).map_err(DataError::io("enlarge", path))
    }

    /// Opens a created file for writing.
    pub(super) fn open(path: &Path, layout: &Layout) -> Result<Self, DataError> {
        let file = File::options().write(true).open(path).map_err(DataError::io("open", path))?;
        Ok(Self { file, path: path.to_path_buf(), layout: *layout })
    }

    /// Writes a frame and its checksum.
    pub(super) fn write(&mut self, index: usize, rgb: &[u8]) -> Result<(), DataError> {
        let offset = (index as u64) * (self.layout.frame_bytes() as u64);
        let start = self.layout.data_start() + offset;
        self.write_at(start, rgb)?;
        self.write_at(HEADER_BYTES as u64 + index as u64 * 8, &checksum(rgb).to_le_bytes())
    }

    /// Writes the header and waits until everything is on disk.
    pub(super) fn finish(mut self) -> Result<(), DataError> {
        self.write_at(0, &self.layout.header())?;
        self.file.sync_all().map_err(DataError::io("write", &self.path))
    }

    fn write_at(&mut self, at: u64, bytes: &[u8]) -> Result<(), DataError> {
        self.file
            .seek(SeekFrom::Start(at))
            .and_then(|_| self.file.write_all(bytes))
            .map_err(DataError::io("write", &self.path))
    }
}

/// A complete file of frames, mapped into memory.
#[derive(Debug)]
pub(super) struct FrameFile {
    map: Mmap,
    path: PathBuf,
    layout: Layout,
    data_start: usize,
}

impl FrameFile {
    /// Opens a file if it is complete and was made for this layout; nothing when it has to be built again.
    pub(super) fn open(path: &Path, layout: &Layout) -> Result<Option<Self>, DataError> {
        let Ok(file) = File::open(path) else {
            return Ok(None);
        };
        let bytes = file.metadata().map_err(DataError::io("read", path))?.len();
        let data_start = usize::try_from(layout.data_start());
        let (true, Ok(data_start)) = (bytes == layout.file_bytes(), data_start) else {
            return Ok(None);
        };
        let map = map_file(&file).map_err(DataError::io("map", path))?;
        if map.get(..HEADER_BYTES) != Some(layout.header().as_slice()) {
            return Ok(None);
        }
        let opened = Self { map, path: path.to_path_buf(), layout: *layout, data_start };
        let step = layout.n_frames.div_ceil(PROBES).max(1);
        let intact = (0..layout.n_frames).step_by(step).all(|index| opened.intact(index).is_some());
        Ok(intact.then_some(opened))
    }

    /// Size and number of frames.
    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// A frame, after comparing its checksum. A damaged file is removed, so that it is built again.
    pub(super) fn frame(&self, index: usize) -> Result<&[u8], DataError> {
        self.intact(index).ok_or_else(|| {
            // Where it cannot be removed, the user is told its name.
            let _refused = std::fs::remove_file(&self.path);
            DataError::CacheDamaged { index, path: self.path.clone() }
        })
    }

    fn intact(&self, index: usize) -> Option<&[u8]> {
        if index >= self.layout.n_frames {
            return None;
        }
        let frame_bytes = self.layout.frame_bytes();
        let start = self.data_start + index * frame_bytes;
        let frame = self.map.get(start..start + frame_bytes)?;
        let at = HEADER_BYTES + index * 8;
        let expected = self.map.get(at..at + 8)?;
        (checksum(frame).to_le_bytes() == expected).then_some(frame)
    }
}

#[expect(
    unsafe_code,
    reason = "a memory map is the only way to use more frames than fit into memory; the file is complete, is written \
              under another name and only ever replaced as a whole by a rename"
)]
fn map_file(file: &File) -> std::io::Result<Mmap> {
    // SAFETY: caches are never changed in place by this program, and checksums are compared at every access. Somebody
    // who truncates the file while it is in use stops the process, which no program can prevent.
    unsafe { Mmap::map(file) }
}

/// A fast digest that changes with any change of the bytes: not a defence against intent.
pub(super) fn checksum(bytes: &[u8]) -> u64 {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut sum = (bytes.len() as u64).wrapping_mul(ODD) ^ ODD;
    let mut words = bytes.chunks_exact(8);
    for word in words.by_ref() {
        let word = <[u8; 8]>::try_from(word).map_or(0, u64::from_le_bytes);
        sum = (sum ^ word).wrapping_mul(ODD);
        sum ^= sum >> 29;
    }
    for byte in words.remainder() {
        sum = (sum ^ u64::from(*byte)).wrapping_mul(ODD);
        sum ^= sum >> 29;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_changed_byte_changes_the_checksum() {
        let mut bytes = vec![7; 37];
        let before = checksum(&bytes);
        for index in 0..bytes.len() {
            bytes[index] ^= 0x10;
            assert_ne!(checksum(&bytes), before, "byte {index}");
            bytes[index] ^= 0x10;
        }
        assert_ne!(checksum(&[]), checksum(&[0]), "the length counts");
    }

    #[test]
    fn impossible_layouts_saturate() {
        let layout = Layout { height: usize::MAX, width: 2, n_frames: usize::MAX, key: 0 };
        assert_eq!(layout.file_bytes(), u64::MAX, "no file is that large");
    }
}
