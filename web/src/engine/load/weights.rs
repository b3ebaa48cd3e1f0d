//! The weights of a checkpoint, tensor by tensor, as their bytes arrive.

use mtdit_policy::checkpoint::{WeightIndex, WeightSource};
use mtdit_policy::{PolicyError, WeightError};

use super::Report;
use super::error::LoadError;
use super::origin::Origin;
use super::reader::Reader;
use crate::origin::Impostor;

/// A safetensors file that is read once, in order.
#[expect(missing_debug_implementations, reason = "it holds a connection")]
pub struct Weights<'a> {
    index: WeightIndex,
    reader: Reader<'a>,
    length: u64,
    /// What went wrong while a tensor was read; the loader itself only knows errors of weights.
    fault: Option<LoadError>,
}

impl<'a> Weights<'a> {
    /// Reads the header, and nothing after it.
    ///
    /// # Errors
    /// [`LoadError`] when the file is not safetensors, or not as long as its header says.
    pub(super) async fn open(
        file: String,
        origin: Origin<'a>,
        sha256: Option<&str>,
        report: &'a dyn Report,
    ) -> Result<Self, LoadError> {
        let mut reader = Reader::new(file, origin, sha256, report);
        match header(&mut reader).await {
            Ok((index, length)) => {
                reader.trust(length);
                Ok(Self { index, reader, length, fault: None })
            }
            Err(error) => {
                if error.is_of_the_bytes() {
                    reader.origin().forget().await;
                }
                Err(error)
            }
        }
    }

    /// Where the bytes come from.
    pub(super) fn origin(&mut self) -> &mut Origin<'a> {
        self.reader.origin()
    }

    /// Bytes of the whole file.
    pub fn bytes(&self) -> u64 {
        self.length
    }

    /// To be called with what came of building the policy. After a success it reads what is left, compares the hash, and
    /// completes the cached copy. After an error it says what really went wrong; a cached copy of bad bytes is removed, one that
    /// is only incomplete stays, so that the next load goes on from there.
    ///
    /// # Errors
    /// [`LoadError`] for a policy that was not built, or was built of other bytes than the manifest says.
    pub async fn settle<T>(&mut self, loaded: Result<T, PolicyError>) -> Result<T, LoadError> {
        let settled = match loaded {
            Ok(policy) => self.reader.finish().await.map(|()| policy),
            Err(error) => Err(self.fault.take().unwrap_or(LoadError::Policy(error))),
        };
        if let Err(error) = &settled
            && error.is_of_the_bytes()
        {
            self.origin().forget().await;
        }
        settled
    }

    async fn fill(&mut self, start: u64, into: &mut [u8]) -> Result<(), LoadError> {
        self.reader.skip_to(start).await?;
        self.reader.fill(into).await
    }
}

impl WeightSource for Weights<'_> {
    fn index(&self) -> &WeightIndex {
        &self.index
    }

    async fn read(&mut self, name: &str, into: &mut [u8]) -> Result<(), WeightError> {
        let start = self.index.entry(name)?.range.start;
        let unread =
            |file: &str, reason: String| WeightError::Read { file: file.to_owned(), name: name.to_owned(), reason };
        if start < self.reader.position() {
            return Err(unread(self.reader.file(), "a stream cannot go back to it".to_owned()));
        }
        match self.fill(start, into).await {
            Ok(()) => Ok(()),
            Err(fault) => {
                let error = unread(self.reader.file(), fault.to_string());
                self.fault = Some(fault);
                Err(error)
            }
        }
    }
}

/// The index and the length that the file ought to have. Nothing is allocated by a number that the file does not bear out.
async fn header(reader: &mut Reader<'_>) -> Result<(WeightIndex, u64), LoadError> {
    let first = reader.start(8).await?;
    let file = reader.file().to_owned();
    match Impostor::of(&first) {
        Some(Impostor::Html) => return Err(LoadError::Html { url: file }),
        Some(Impostor::GitLfs) => return Err(LoadError::GitLfs { file }),
        None => {}
    }
    let known = reader.length();
    let header_length = WeightIndex::header_length(&file, &first, known.unwrap_or(u64::MAX))?;
    let mut header = vec![0; usize::try_from(header_length).unwrap_or(0)];
    reader.fill(&mut header).await?;
    match known {
        Some(length) => Ok((WeightIndex::parse(&file, &header, length)?, length)),
        None => Ok(WeightIndex::parse_stream(&file, &header)?),
    }
}
