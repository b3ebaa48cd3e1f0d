//! The towers that policies of the tabletop start from, which this program has with it (`examples/tabletop_clip`).

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use flate2::read::ZlibDecoder;
use mtdit_train::atomic::replace_file;

/// Their name in a policy's configuration.
pub(crate) const NAME: &str = "mtdit/clip-vit-tabletop-patch16";

const CONFIG: &[u8] = include_bytes!("../../models/tabletop-clip/config.json");
/// Compressed by `build.rs`: most words of the vocabulary mean nothing to them.
static WEIGHTS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/towers"));

/// Writes them below a folder, as a CLIP model, where they are not there yet; returns the model's folder.
///
/// # Errors
/// When the folder cannot be written.
pub(crate) fn unpacked(below: &Path) -> Result<PathBuf> {
    let folder = below.join(NAME.replace('/', "--"));
    let mut weights = Vec::new();
    ZlibDecoder::new(WEIGHTS).read_to_end(&mut weights).context("the towers in this program")?;
    fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    for (name, bytes) in [("config.json", CONFIG), ("model.safetensors", &weights)] {
        let path = folder.join(name);
        if fs::read(&path).ok().as_deref() != Some(bytes) {
            replace_file(&path, bytes)?;
        }
    }
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::unpacked;

    #[test]
    fn the_towers_are_a_clip_model() {
        let folder = tempfile::tempdir().expect("a folder");
        let model = unpacked(folder.path()).expect("written");
        let weights = std::fs::read(model.join("model.safetensors")).expect("there");
        let known = std::fs::read("../models/tabletop-clip/model.safetensors").expect("in the repository");
        assert!(weights == known, "the same bytes");
        std::fs::write(model.join("model.safetensors"), b"cut").expect("damaged");
        unpacked(folder.path()).expect("written again");
        assert!(std::fs::read(model.join("model.safetensors")).expect("there") == known, "mended");
    }
}
