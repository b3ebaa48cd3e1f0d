//! Files on their way into a published folder: counted and hashed while they are written.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use mtdit_web::manifest::ListedFile;
use sha2::{Digest, Sha256};

/// Bytes that are copied at once.
const BLOCK: usize = 1 << 20;

/// A file that is being written.
pub(super) struct Sealed {
    path: PathBuf,
    listed: String,
    file: File,
    hash: Sha256,
    bytes: u64,
}

impl Sealed {
    /// A new file at a path below a folder; folders between are made.
    pub(super) fn create(folder: &Path, listed: &str) -> Result<Self> {
        let path = folder.join(listed);
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent).with_context(|| format!("creating {}", parent.display()))?;
        let file = File::create(&path).with_context(|| format!("creating {}", path.display()))?;
        Ok(Self { path, listed: listed.to_owned(), file, hash: Sha256::new(), bytes: 0 })
    }

    /// Adds bytes at its end.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        self.file.write_all(bytes).with_context(|| format!("writing {}", self.path.display()))
    }

    /// Flushes it and says what it holds.
    pub(super) fn finish(self) -> Result<ListedFile> {
        self.file.sync_all().with_context(|| format!("flushing {}", self.path.display()))?;
        let sha256 = self.hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(ListedFile { path: self.listed, bytes: self.bytes, sha256, pieces: Vec::new() })
    }
}

/// Writes a small file.
pub(super) fn write(folder: &Path, listed: &str, bytes: &[u8]) -> Result<ListedFile> {
    let mut sealed = Sealed::create(folder, listed)?;
    sealed.write(bytes)?;
    sealed.finish()
}

/// Copies a file of any length; `advance` hears how many bytes went by.
pub(super) fn copy(from: &Path, folder: &Path, listed: &str, advance: &dyn Fn(u64)) -> Result<ListedFile> {
    let mut source = File::open(from).with_context(|| format!("opening {}", from.display()))?;
    let mut sealed = Sealed::create(folder, listed)?;
    let mut block = vec![0; BLOCK];
    loop {
        let read = source.read(&mut block).with_context(|| format!("reading {}", from.display()))?;
        if read == 0 {
            return sealed.finish();
        }
        sealed.write(&block[..read])?;
        advance(read as u64);
    }
}
