//! A file read from its first byte to its last: copied to where it belongs, hashed, and counted for the progress bar.

use std::mem;

use js_sys::Uint8Array;

use super::Report;
use super::error::LoadError;
use super::hash::Checksum;
use super::js::short;
use super::origin::{Origin, WINDOW};

/// Bytes between two words about progress.
const STEP: u64 = 1 << 20;
/// Bytes that are skipped at once where they have to be hashed.
const SKIP: u64 = 64 << 10;

/// Reads a file in order.
pub(super) struct Reader<'a> {
    file: String,
    origin: Origin<'a>,
    checksum: Checksum,
    chunk: Option<Chunk>,
    position: u64,
    /// Length of the file, once it was recognised.
    total: Option<u64>,
    told: u64,
    report: &'a dyn Report,
}

/// Bytes that have come.
struct Chunk {
    bytes: Uint8Array,
    used: u32,
}

impl<'a> Reader<'a> {
    /// A file that messages call `file`, and whose bytes must have a hash if one is given.
    pub(super) fn new(file: String, origin: Origin<'a>, sha256: Option<&str>, report: &'a dyn Report) -> Self {
        let checksum = Checksum::new(sha256);
        Self { file, origin, checksum, chunk: None, position: 0, total: None, told: 0, report }
    }

    /// What messages call the file.
    pub(super) fn file(&self) -> &str {
        &self.file
    }

    /// Where the bytes come from.
    pub(super) fn origin(&mut self) -> &mut Origin<'a> {
        &mut self.origin
    }

    /// Bytes read so far.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// The file's length, when it is known.
    pub(super) fn length(&self) -> Option<u64> {
        self.total.or_else(|| self.origin.length())
    }

    /// The file was recognised: it has this length, and is worth reading on.
    pub(super) fn trust(&mut self, length: u64) {
        self.total = Some(length);
        self.origin.trust(length);
        self.tell();
    }

    /// Fills a buffer with the next bytes.
    ///
    /// # Errors
    /// [`LoadError::Truncated`] when there are too few, and what the origin says.
    pub(super) async fn fill(&mut self, mut into: &mut [u8]) -> Result<(), LoadError> {
        while !into.is_empty() {
            let part = self.take(into.len() as u64).await?;
            let (now, rest) = mem::take(&mut into).split_at_mut(part.length() as usize);
            part.copy_to(now);
            self.checksum.update(now);
            into = rest;
        }
        Ok(())
    }

    /// Fills a buffer with the next bytes, or with as many as there are.
    ///
    /// # Errors
    /// What the origin says.
    pub(super) async fn start(&mut self, most: usize) -> Result<Vec<u8>, LoadError> {
        let mut bytes = vec![0; most];
        match self.fill(&mut bytes).await {
            Err(LoadError::Truncated { .. }) => bytes.truncate(usize::try_from(self.position).unwrap_or(0)),
            other => other?,
        }
        Ok(bytes)
    }

    /// Passes over bytes that nobody needs.
    ///
    /// # Errors
    /// As [`Reader::fill`].
    pub(super) async fn skip_to(&mut self, position: u64) -> Result<(), LoadError> {
        let mut passed = Vec::new();
        while self.position < position {
            let left = position - self.position;
            if self.checksum.is_wanted() {
                passed.resize(short(left.min(SKIP)) as usize, 0);
                self.fill(&mut passed).await?;
            } else {
                self.take(left).await?;
            }
        }
        Ok(())
    }

    /// After the last byte: compares the hash and lets the cache keep what it has.
    ///
    /// # Errors
    /// [`LoadError::Hash`].
    pub(super) async fn finish(&mut self) -> Result<(), LoadError> {
        if let Some(total) = self.total {
            self.skip_to(total).await?;
        }
        self.checksum.finish(&self.file)?;
        self.origin.complete().await;
        Ok(())
    }

    /// The next bytes that are there, at least one and at most `most`.
    async fn take(&mut self, most: u64) -> Result<Uint8Array, LoadError> {
        if self.report.cancelled() {
            return Err(LoadError::Cancelled);
        }
        let mut chunk = match self.chunk.take() {
            Some(chunk) => chunk,
            None => self.refill(most).await?,
        };
        let left = chunk.bytes.length() - chunk.used;
        let count = left.min(short(most));
        let part = chunk.bytes.subarray(chunk.used, chunk.used + count);
        chunk.used += count;
        self.chunk = (count < left).then_some(chunk);
        self.position += u64::from(count);
        if self.position - self.told >= STEP || Some(self.position) == self.total {
            self.tell();
        }
        Ok(part)
    }

    /// Waits for bytes. Before the file was recognised no more than needed are asked for.
    async fn refill(&mut self, most: u64) -> Result<Chunk, LoadError> {
        let wanted = if self.total.is_some() { WINDOW } else { most };
        while let Some(bytes) = self.origin.next(wanted).await? {
            if bytes.length() > 0 {
                return Ok(Chunk { bytes, used: 0 });
            }
        }
        let expected = self.length().unwrap_or(self.position + most).max(self.position + most);
        Err(LoadError::Truncated { file: self.file.clone(), found: self.position, expected })
    }

    fn tell(&mut self) {
        self.told = self.position;
        self.report.progress(self.origin.stage(), self.position, self.length().unwrap_or(0));
    }
}
