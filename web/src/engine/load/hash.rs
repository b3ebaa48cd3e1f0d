//! SHA-256: of a file's bytes as they pass, and of an address, which is what the cache calls its entries.

use sha2::{Digest, Sha256};

use super::error::LoadError;

/// Compares the bytes of a file with the hash that it must have. Without a hash it does nothing.
pub(super) struct Checksum {
    hasher: Option<(Sha256, String)>,
}

impl Checksum {
    /// Begins with no bytes.
    pub(super) fn new(expected: Option<&str>) -> Self {
        Self { hasher: expected.map(|expected| (Sha256::new(), expected.to_ascii_lowercase())) }
    }

    /// Whether every byte has to pass.
    pub(super) fn is_wanted(&self) -> bool {
        self.hasher.is_some()
    }

    /// Takes in the next bytes.
    pub(super) fn update(&mut self, bytes: &[u8]) {
        if let Some((hasher, _)) = &mut self.hasher {
            hasher.update(bytes);
        }
    }

    /// Compares, after the last byte.
    ///
    /// # Errors
    /// [`LoadError::Hash`] with both hashes.
    pub(super) fn finish(&mut self, file: &str) -> Result<(), LoadError> {
        let Some((hasher, expected)) = self.hasher.take() else { return Ok(()) };
        let found = hex(hasher);
        if found == expected { Ok(()) } else { Err(LoadError::Hash { file: file.to_owned(), found, expected }) }
    }

    /// Compares a small file in memory.
    ///
    /// # Errors
    /// As [`Checksum::finish`].
    pub(super) fn check(file: &str, bytes: &[u8], expected: Option<&str>) -> Result<(), LoadError> {
        let mut checksum = Self::new(expected);
        checksum.update(bytes);
        checksum.finish(file)
    }
}

/// The cache's key of an address.
pub(super) fn key(address: &str) -> String {
    hex(Sha256::new_with_prefix(address.as_bytes()))
}

fn hex(hasher: Sha256) -> String {
    let digest: [u8; 32] = hasher.finalize().into();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
