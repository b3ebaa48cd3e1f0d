//! The boxes of an mp4 file (ISO/IEC 14496-12): finding them, and reading numbers from them.
//!
//! Every length is checked against the box around it, nothing loops on a box of size zero, and only `moov`, the table
//! of contents, is read into memory.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

/// No table of contents of a recording is larger.
const MAX_MOOV_BYTES: u64 = 256 << 20;
/// Boxes at the top level or beside each other.
const MAX_BOXES: usize = 4096;

/// The four letters that name a box.
pub(crate) type Name = [u8; 4];

/// A box in memory, without its header.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Body<'a>(pub(crate) &'a [u8]);

/// Reads the `moov` box of a file, wherever it stands.
pub(crate) fn read_moov(file: &mut File, file_bytes: u64) -> Result<Vec<u8>, String> {
    let mut at = 0_u64;
    let mut fragmented = false;
    for _ in 0..MAX_BOXES {
        if at >= file_bytes {
            break;
        }
        let (name, start, end) = top_level_box(file, at, file_bytes)?;
        match &name {
            b"moov" => return read_part(file, start, end),
            b"moof" => fragmented = true,
            _ => {}
        }
        at = end;
    }
    Err(if fragmented {
        "fragmented files are not supported".to_owned()
    } else {
        "it has no `moov` box; was the recording interrupted?".to_owned()
    })
}

/// Name, start and end of the content of a box.
fn top_level_box(file: &mut File, at: u64, file_bytes: u64) -> Result<(Name, u64, u64), String> {
    let cut = |_error: std::io::Error| format!("it ends inside a box header at byte {at}");
    let mut header = [0_u8; 8];
    file.seek(SeekFrom::Start(at)).map_err(cut)?;
    file.read_exact(&mut header).map_err(cut)?;
    let [size @ .., a, b, c, d] = header;
    let name = [a, b, c, d];
    let (header_bytes, size) = match u32::from_be_bytes(size) {
        0 => (8, file_bytes - at),
        1 => {
            let mut long = [0_u8; 8];
            file.read_exact(&mut long).map_err(cut)?;
            (16, u64::from_be_bytes(long))
        }
        size => (8, u64::from(size)),
    };
    let end = at.checked_add(size).filter(|end| *end <= file_bytes && size >= header_bytes);
    let end = end.ok_or_else(|| format!("box `{}` at byte {at} has the impossible size {size}", shown(name)))?;
    Ok((name, at + header_bytes, end))
}

fn read_part(file: &mut File, start: u64, end: u64) -> Result<Vec<u8>, String> {
    let length = end - start;
    if length > MAX_MOOV_BYTES {
        return Err(format!("its `moov` box has {length} bytes, more than the {MAX_MOOV_BYTES} that are read"));
    }
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(start))
        .and_then(|_| file.take(length).read_to_end(&mut bytes))
        .map_err(|error| format!("its `moov` box cannot be read ({error})"))?;
    Ok(bytes)
}

/// A name with unprintable letters replaced.
pub(crate) fn shown(name: Name) -> String {
    name.iter().map(|byte| if byte.is_ascii_graphic() { char::from(*byte) } else { '?' }).collect()
}

impl<'a> Body<'a> {
    /// The boxes inside, after `skip` bytes of fields.
    pub(crate) fn children(self, skip: usize) -> Result<Vec<(Name, Self)>, String> {
        let mut rest = self.0.get(skip..).unwrap_or(&[]);
        let mut children = Vec::new();
        while rest.len() >= 8 && children.len() < MAX_BOXES {
            let head = Body(rest);
            let name: Name = rest[4..8].try_into().unwrap_or_default();
            let (header, size) = match head.u32(0)? {
                0 => (8, rest.len()),
                1 => (16, usize::try_from(head.u64(8)?).unwrap_or(usize::MAX)),
                size => (8, usize::try_from(size).unwrap_or(usize::MAX)),
            };
            if size < header || size > rest.len() {
                return Err(format!("box `{}` has the impossible size {size}", shown(name)));
            }
            let (this, next) = rest.split_at(size);
            children.push((name, Body(&this[header..])));
            rest = next;
        }
        Ok(children)
    }

    /// The first box with this name.
    pub(crate) fn find(self, name: &Name) -> Result<Option<Self>, String> {
        let children = self.children(0)?;
        Ok(children.into_iter().find(|(found, _)| found == name).map(|(_, body)| body))
    }

    /// The first box with this name, which has to be there.
    pub(crate) fn require(self, name: &Name) -> Result<Self, String> {
        self.find(name)?.ok_or_else(|| format!("box `{}` is missing", shown(*name)))
    }

    fn bytes<const N: usize>(self, at: usize) -> Result<[u8; N], String> {
        let end = at.saturating_add(N);
        self.0
            .get(at..end)
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or_else(|| format!("a box ends after {} bytes, byte {end} was expected", self.0.len()))
    }

    /// A byte.
    pub(crate) fn u8(self, at: usize) -> Result<u8, String> {
        let [byte] = self.bytes::<1>(at)?;
        Ok(byte)
    }

    /// Two bytes.
    pub(crate) fn u16(self, at: usize) -> Result<u16, String> {
        self.bytes(at).map(u16::from_be_bytes)
    }

    /// Four bytes.
    pub(crate) fn u32(self, at: usize) -> Result<u32, String> {
        self.bytes(at).map(u32::from_be_bytes)
    }

    /// Four bytes with a sign.
    pub(crate) fn i32(self, at: usize) -> Result<i32, String> {
        self.bytes(at).map(i32::from_be_bytes)
    }

    /// Eight bytes.
    pub(crate) fn u64(self, at: usize) -> Result<u64, String> {
        self.bytes(at).map(u64::from_be_bytes)
    }

    /// Eight bytes with a sign.
    pub(crate) fn i64(self, at: usize) -> Result<i64, String> {
        self.bytes(at).map(i64::from_be_bytes)
    }

    /// The rows of a table: their number stands at `at`, the rows of `width` bytes follow.
    pub(crate) fn rows(self, at: usize, width: usize) -> Result<impl ExactSizeIterator<Item = Body<'a>>, String> {
        let count = usize::try_from(self.u32(at)?).unwrap_or(usize::MAX);
        let table = self.0.get(at + 4..).unwrap_or(&[]);
        let length = count.checked_mul(width).filter(|length| *length <= table.len());
        let length = length.ok_or_else(|| format!("a table declares {count} rows in {} bytes", table.len()))?;
        Ok(table[..length].chunks_exact(width).map(Body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_are_found_and_impossible_sizes_refused() {
        let bytes = [0, 0, 0, 10, b'a', b'b', b'c', b'd', 7, 8, 0, 0, 0, 0, b'l', b'a', b's', b't', 9];
        let body = Body(&bytes);
        let found = body.require(b"abcd").expect("the first box");
        assert_eq!(found.u16(0), Ok(0x0708), "its content");
        assert!(found.u16(1).is_err(), "reading past the end is an error");
        let last = body.require(b"last").expect("size zero reaches to the end");
        assert_eq!(last.u8(0), Ok(9), "its content");
        assert!(body.require(b"none").is_err(), "a missing box is an error");
        for size in [1, 7, 200] {
            let bytes = [0, 0, 0, size, b'a', b'b', b'c', b'd', 0, 0, 0, 0, 0, 0, 0, 3];
            assert!(Body(&bytes).children(0).is_err(), "size {size} is impossible");
        }
    }

    #[test]
    fn tables_cannot_be_longer_than_their_box() {
        let bytes = [0, 0, 0, 2, 1, 2, 3, 4];
        let body = Body(&bytes);
        assert_eq!(body.rows(0, 2).map(|rows| rows.len()), Ok(2), "two rows of two bytes");
        assert!(body.rows(0, 4).is_err(), "two rows of four bytes do not fit");
    }
}
