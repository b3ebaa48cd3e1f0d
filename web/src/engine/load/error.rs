//! Why a checkpoint cannot be loaded: one sentence per way, which names the file or address at fault and what to do.

use mtdit_policy::checkpoint::FilesError;
use mtdit_policy::{ConfigError, PolicyError, WeightError};
use thiserror::Error;

use crate::origin::{AddressError, SelectionError, patience};

/// A load that failed.
#[derive(Debug, Error)]
#[expect(missing_docs, reason = "the sentences name them")]
pub enum LoadError {
    /// The visitor stopped it.
    #[error("loading was stopped")]
    Cancelled,
    /// The address is none.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The files hold no checkpoint.
    #[error(transparent)]
    Selection(#[from] SelectionError),
    /// No answer at all.
    #[error(
        "{url} could not be reached: the server is down, or it does not allow other sites to read it (CORS); the browser says: {reason}"
    )]
    Unreachable { url: String, reason: String },
    /// The network is gone and the cache does not have it.
    #[error("{url} could not be reached, and this browser's cache does not hold it")]
    NotCached { url: String },
    /// The server does not have the file.
    #[error("{url} was not found (status {status}); {hint}")]
    NotFound { url: String, status: u16, hint: &'static str },
    /// The server refuses or fails.
    #[error(
        "{url} cannot be had: the server answered with status {status} {text}; try again later, or ask who runs it"
    )]
    Status { url: String, status: u16, text: String },
    /// A web page instead of a file.
    #[error(
        "{url} is a web page, not the file; give the address of the file's folder itself (some sites answer with a page when a file is missing or a login is needed)"
    )]
    Html { url: String },
    /// A pointer instead of a file.
    #[error("{file} is a git-lfs pointer, not the file itself; fetch the files with `git lfs pull` and try again")]
    GitLfs { file: String },
    /// The connection broke; tried again before it is shown.
    #[error("the connection to {url} broke: {reason}")]
    Broken { url: String, reason: String },
    /// It broke too often.
    #[error(
        "the connection to {url} broke {} times in a row after {bytes} bytes ({reason}); load again when the network is back: it goes on from there where the browser's cache works",
        patience::TRIES
    )]
    GaveUp { url: String, bytes: u64, reason: String },
    /// The server sends another part of the file than the one it was asked for.
    #[error("{url}: the server was asked for byte {asked} and sent byte {sent}; it cannot be loaded from there")]
    WrongRange { url: String, asked: u64, sent: u64 },
    /// Another state of the file than at the beginning.
    #[error("{url} was changed on the server while it was being read; load it again")]
    Changed { url: String },
    /// A file shorter than it ought to be.
    #[error("{file} is truncated: {expected} bytes are needed, it ends after {found}; copy or upload it again")]
    Truncated { file: String, found: u64, expected: u64 },
    /// A file of another length than its header or the manifest says.
    #[error(
        "{file} has {found} bytes or more where {expected} are expected; upload it again, together with manifest.json if there is one"
    )]
    Length { file: String, found: u64, expected: u64 },
    /// A file without a place in the manifest.
    #[error("{file} is not in the folder's manifest.json; publish the checkpoint again")]
    NotListed { file: String },
    /// Other bytes than the manifest says.
    #[error(
        "{file} is damaged: its SHA-256 is {found}, manifest.json says {expected}; load it again, and publish the checkpoint again if that does not help"
    )]
    Hash { file: String, found: String, expected: String },
    /// A small file that is not small.
    #[error("{file} has more than {most} bytes, which is too much for such a file")]
    TooLarge { file: String, most: u64 },
    /// A file that holds no text.
    #[error("{file}: not UTF-8 text: {reason}")]
    Text { file: String, reason: String },
    /// A missing local file.
    #[error("{file} is missing; {hint}")]
    Missing { file: String, hint: &'static str },
    /// A local file that cannot be read.
    #[error("{file} cannot be read: {reason}; was it moved or changed after it was chosen?")]
    Unreadable { file: String, reason: String },
    /// The cache refuses.
    #[error("the cached checkpoint cannot be deleted: {0}; close other tabs with this page and try again")]
    Cache(String),
    /// The configuration is invalid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The weights are invalid.
    #[error(transparent)]
    Weights(#[from] WeightError),
    /// The policy cannot be built.
    #[error(transparent)]
    Policy(#[from] PolicyError),
}

impl LoadError {
    /// Whether trying again may help: the network or the server failed, not the file.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Broken { .. } | Self::Unreachable { .. } => true,
            Self::Status { status, .. } => matches!(status, 408 | 425 | 429 | 500..=599),
            _ => false,
        }
    }

    /// Whether the bytes themselves are at fault, so that keeping them in the cache would keep the fault.
    pub(super) fn is_of_the_bytes(&self) -> bool {
        matches!(
            self,
            Self::Changed { .. }
                | Self::Truncated { .. }
                | Self::Length { .. }
                | Self::Hash { .. }
                | Self::GitLfs { .. }
                | Self::Weights(_)
                | Self::Policy(_)
        )
    }
}

impl From<FilesError<Self>> for LoadError {
    fn from(error: FilesError<Self>) -> Self {
        match error {
            FilesError::File(error) => error,
            FilesError::Text { file, reason } => Self::Text { file, reason },
            FilesError::Config(error) => error.into(),
            FilesError::Weights(error) => error.into(),
        }
    }
}
