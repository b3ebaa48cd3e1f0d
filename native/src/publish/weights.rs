//! The weights of a checkpoint into a published folder: as they are or halved, whole or in pieces, never all in memory.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use half::f16;
use mtdit_policy::checkpoint::files::WEIGHTS;
use mtdit_policy::checkpoint::{WeightIndex, WeightSource};
use mtdit_train::folder::WeightFile;
use mtdit_web::manifest::{ListedFile, Piece};
use safetensors::tensor::Dtype;
use serde_json::json;

use super::seal::{self, Sealed};
use crate::cli::WeightDtype;

/// Writes `model.safetensors`; `advance` hears how many bytes of the source went by.
pub(super) fn write(from: &Path, folder: &Path, dtype: WeightDtype, advance: &dyn Fn(u64)) -> Result<ListedFile> {
    match dtype {
        WeightDtype::F32 => seal::copy(from, folder, WEIGHTS, advance),
        WeightDtype::F16 => halved(from, folder, advance),
    }
}

/// Single precision becomes half precision; tensors of other formats stay as they are.
fn halved(from: &Path, folder: &Path, advance: &dyn Fn(u64)) -> Result<ListedFile> {
    let mut weights = WeightFile::open(from)?;
    let tensors: Vec<_> = weights.index().iter().map(|(name, entry)| (name.to_owned(), entry.dtype)).collect();
    let mut sealed = Sealed::create(folder, WEIGHTS)?;
    sealed.write(&header(weights.index()))?;
    for (name, dtype) in tensors {
        let bytes = weights.bytes(&name)?;
        if dtype == Dtype::F32 {
            sealed.write(&halves(&name, &bytes).with_context(|| from.display().to_string())?)?;
        } else {
            sealed.write(&bytes)?;
        }
        advance(bytes.len() as u64);
    }
    sealed.finish()
}

/// The file's beginning: the length of the header, then the header, with the tensors in the order of the index.
fn header(index: &WeightIndex) -> Vec<u8> {
    let mut header = json!({"__metadata__": {"format": "pt"}});
    let mut offset = 0;
    for (name, entry) in index.iter() {
        let length = entry.range.end - entry.range.start;
        let (dtype, length) = if entry.dtype == Dtype::F32 { (Dtype::F16, length / 2) } else { (entry.dtype, length) };
        header[name] = json!({"dtype": dtype, "shape": entry.shape, "data_offsets": [offset, offset + length]});
        offset += length;
    }
    let mut text = header.to_string().into_bytes();
    // The tensors begin at a multiple of eight.
    text.resize(text.len().next_multiple_of(8), b' ');
    [&(text.len() as u64).to_le_bytes()[..], &text].concat()
}

/// Little-endian single precision to half, rounded to the nearest.
fn halves(name: &str, bytes: &[u8]) -> Result<Vec<u8>> {
    let mut halves = Vec::with_capacity(bytes.len() / 2);
    for (i, quad) in bytes.chunks_exact(4).enumerate() {
        let value = f32::from_le_bytes([quad[0], quad[1], quad[2], quad[3]]);
        let half = f16::from_f32(value);
        // A number that was not finite before is the loader's to refuse.
        ensure!(
            half.is_finite() || !value.is_finite(),
            "tensor `{name}` holds {value} at element {i}, and half precision ends at 65504; publish it with --dtype f32"
        );
        halves.extend_from_slice(&half.to_le_bytes());
    }
    Ok(halves)
}

/// Cuts a file that is longer than `most` bytes, from its end on, so that this takes room for one more piece at most.
pub(super) fn cut(folder: &Path, file: &mut ListedFile, most: u64) -> Result<()> {
    if file.bytes <= most {
        return Ok(());
    }
    let whole = folder.join(&file.path);
    let piece = |i: u64| Piece { path: format!("{}.{i:03}", file.path), bytes: most.min(file.bytes - i * most) };
    let mut pieces: Vec<Piece> = (0..file.bytes.div_ceil(most)).map(piece).collect();
    let cutting = || -> io::Result<()> {
        let mut source = File::options().read(true).write(true).open(&whole)?;
        let mut end = file.bytes;
        for piece in pieces.iter().skip(1).rev() {
            end -= piece.bytes;
            source.seek(SeekFrom::Start(end))?;
            let mut target = File::create(folder.join(&piece.path))?;
            io::copy(&mut source.by_ref().take(piece.bytes), &mut target)?;
            target.sync_all()?;
            source.set_len(end)?;
        }
        source.sync_all()?;
        pieces.first().map_or(Ok(()), |first| fs::rename(&whole, folder.join(&first.path)))
    };
    cutting().with_context(|| format!("cutting {}", whole.display()))?;
    file.pieces.append(&mut pieces);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_rounded_to_the_nearest_half() {
        let bytes: Vec<u8> = [0.1_f32, -65504.0, 1e-9].iter().flat_map(|value| value.to_le_bytes()).collect();
        let expected: Vec<u8> = [0x2e66_u16, 0xfbff, 0x0000].iter().flat_map(|value| value.to_le_bytes()).collect();
        assert_eq!(halves("a", &bytes).expect("they fit"), expected, "bits of the halves");
    }

    #[test]
    fn a_number_that_is_too_large_is_named() {
        for value in [65_520.0_f32, -1e30] {
            let error = halves("a.weight", &value.to_le_bytes()).expect_err("it does not fit").to_string();
            assert!(error.contains("`a.weight` holds") && error.contains("element 0"), "{error}");
        }
    }
}
