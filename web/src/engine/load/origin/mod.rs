//! Where a file's bytes come from, in order: the visitor's disk, a server, or the browser's cache and then a server.
//!
//! Every source hands out arrays of JavaScript, which live outside of the engine's memory and are gone once they are used.

mod blobs;
mod http;
mod remote;

use js_sys::Uint8Array;

pub(super) use self::blobs::Blobs;
pub(super) use self::http::Http;
pub(super) use self::remote::{Remote, Stored};

use super::error::LoadError;

/// How much is asked for at once, 8 MiB: enough that waiting between two requests does not count.
pub(super) const WINDOW: u64 = 8 << 20;

/// The bytes of one file, from the first to the last.
pub(super) enum Origin<'a> {
    /// Files on the visitor's disk.
    Local(Blobs),
    /// A server, with the browser's cache before it.
    Remote(Box<Remote<'a>>),
}

impl Origin<'_> {
    /// The next bytes, `wanted` of them or as many as have come; `None` at the end.
    ///
    /// # Errors
    /// [`LoadError`] names the file or address.
    pub(super) async fn next(&mut self, wanted: u64) -> Result<Option<Uint8Array>, LoadError> {
        match self {
            Self::Local(blobs) => blobs.next(wanted).await,
            Self::Remote(remote) => remote.next(wanted).await,
        }
    }

    /// The file's length, when it is known.
    pub(super) fn length(&self) -> Option<u64> {
        match self {
            Self::Local(blobs) => blobs.length(),
            Self::Remote(remote) => remote.length(),
        }
    }

    /// What is being done, for the visitor.
    pub(super) fn stage(&self) -> &'static str {
        match self {
            Self::Local(_) => "Reading the weights",
            Self::Remote(remote) => remote.stage(),
        }
    }

    /// The file was recognised and has this length.
    pub(super) fn trust(&mut self, length: u64) {
        if let Self::Remote(remote) = self {
            remote.trust(length);
        }
    }

    /// Every byte was read and is right.
    pub(super) async fn complete(&mut self) {
        if let Self::Remote(remote) = self {
            remote.complete().await;
        }
    }

    /// The bytes are at fault: no copy of them is kept.
    pub(super) async fn forget(&mut self) {
        if let Self::Remote(remote) = self {
            remote.forget().await;
        }
    }
}
