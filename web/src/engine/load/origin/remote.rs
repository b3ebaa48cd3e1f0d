//! Weights on a server, with the browser's cache before it: what the cache holds comes from there, what comes from the server
//! goes there. A cache that fails is left out with a notice; the load goes on.

use std::mem;

use js_sys::Uint8Array;

use super::{Blobs, Http};
use crate::engine::load::Report;
use crate::engine::load::cache::{Place, Shelf, granted};
use crate::engine::load::error::LoadError;
use crate::engine::load::fetch::breathe;

/// What the cache does for this load.
pub(in crate::engine::load) enum Stored {
    /// It is not used.
    Nothing,
    /// It may be used once the file is recognised: the bytes so far, which will then be written.
    Undecided(Vec<Uint8Array>),
    /// It holds the beginning and takes the rest.
    Part(Shelf),
    /// It holds everything.
    Whole(Blobs),
}

/// One file from the cache and a server.
pub(in crate::engine::load) struct Remote<'a> {
    http: Http<'a>,
    stored: Stored,
    place: Option<Place>,
    position: u64,
    report: &'a dyn Report,
}

impl<'a> Remote<'a> {
    /// A file of which some is stored; `place` is its entry in the cache, if there is a cache.
    pub(in crate::engine::load) fn new(
        http: Http<'a>,
        stored: Stored,
        place: Option<Place>,
        report: &'a dyn Report,
    ) -> Self {
        let stored = match stored {
            Stored::Undecided(_) if place.is_none() => Stored::Nothing,
            stored => stored,
        };
        Self { http, stored, place, position: 0, report }
    }

    /// What stands in the place of a file in the cache; `None` when the cache is not used.
    pub(in crate::engine::load) fn undecided(&self) -> Option<(&Place, &Http<'a>)> {
        match self.stored {
            Stored::Undecided(_) => Some((self.place.as_ref()?, &self.http)),
            Stored::Nothing | Stored::Part(_) | Stored::Whole(_) => None,
        }
    }

    /// From now on the bytes are stored, those that came before first.
    pub(in crate::engine::load) async fn store(&mut self, shelf: Result<Shelf, String>) {
        let before = match mem::replace(&mut self.stored, Stored::Nothing) {
            Stored::Undecided(before) => before,
            other => {
                self.stored = other;
                return;
            }
        };
        match shelf {
            Ok(mut shelf) => match before.iter().try_for_each(|chunk| shelf.append(chunk)) {
                Ok(()) => self.stored = Stored::Part(shelf),
                Err(reason) => {
                    drop(shelf);
                    self.go_on_without(&reason).await;
                }
            },
            // The entry may be another tab's, so it stays.
            Err(reason) => self.tell(&reason).await,
        }
    }

    /// The file's length, when it is known.
    pub(in crate::engine::load) fn length(&self) -> Option<u64> {
        match &self.stored {
            Stored::Whole(blobs) => blobs.length(),
            Stored::Part(shelf) => Some(shelf.length()),
            Stored::Nothing | Stored::Undecided(_) => self.http.length(),
        }
    }

    /// Whether everything comes from the cache.
    pub(in crate::engine::load) fn is_stored(&self) -> bool {
        matches!(self.stored, Stored::Whole(_))
    }

    pub(super) fn stage(&self) -> &'static str {
        match &self.stored {
            Stored::Whole(_) => "Reading the weights from this browser's cache",
            Stored::Part(shelf) if self.position < shelf.have() => "Reading the weights from this browser's cache",
            Stored::Nothing | Stored::Undecided(_) | Stored::Part(_) => "Downloading the weights",
        }
    }

    pub(super) fn trust(&mut self, length: u64) {
        self.http.trust(length);
    }

    /// The next bytes; those from the cache are at most `wanted`.
    pub(super) async fn next(&mut self, wanted: u64) -> Result<Option<Uint8Array>, LoadError> {
        if let Some(chunk) = self.cached_bytes(wanted).await? {
            self.position += u64::from(chunk.length());
            return Ok(Some(chunk));
        }
        if let Stored::Whole(_) = self.stored {
            return Ok(None);
        }
        self.http.go_to(self.position);
        let Some(chunk) = self.http.next().await? else { return Ok(None) };
        self.position += u64::from(chunk.length());
        let written = match &mut self.stored {
            Stored::Part(shelf) => shelf.append(&chunk),
            Stored::Undecided(before) => {
                before.push(chunk.clone());
                Ok(())
            }
            Stored::Nothing | Stored::Whole(_) => Ok(()),
        };
        if let Err(reason) = written {
            self.go_on_without(&reason).await;
        }
        Ok(Some(chunk))
    }

    /// The next bytes that the cache holds; `None` when it holds no more, or cannot be read any more.
    async fn cached_bytes(&mut self, wanted: u64) -> Result<Option<Uint8Array>, LoadError> {
        let read = match &mut self.stored {
            Stored::Whole(blobs) => blobs.next(wanted).await.map_err(|error| error.to_string()),
            Stored::Part(shelf) if self.position < shelf.have() => {
                // Reading here does not wait for anything, so nothing else would get its turn.
                breathe().await;
                shelf.read(self.position, wanted).map(Some)
            }
            Stored::Nothing | Stored::Undecided(_) | Stored::Part(_) => Ok(None),
        };
        if self.report.cancelled() {
            return Err(LoadError::Cancelled);
        }
        match read {
            Ok(chunk) => Ok(chunk),
            Err(reason) => {
                self.go_on_without(&reason).await;
                Ok(None)
            }
        }
    }

    /// Every byte was read and is right.
    pub(super) async fn complete(&mut self) {
        let Stored::Part(shelf) = &mut self.stored else { return };
        match shelf.complete() {
            // The files are closed, so that another tab can use them.
            Ok(()) => self.stored = Stored::Nothing,
            Err(reason) => self.go_on_without(&reason).await,
        }
    }

    /// Removes the entry.
    pub(super) async fn forget(&mut self) {
        // First the files are closed.
        self.stored = Stored::Nothing;
        if let Some(place) = self.place.take() {
            // When it cannot be removed, the next load finds the same fault and tries again.
            drop(place.remove().await);
        }
    }

    /// Leaves the cache out, and gives its room back: what is in it is of no use.
    async fn go_on_without(&mut self, reason: &str) {
        self.forget().await;
        self.tell(reason).await;
    }

    async fn tell(&self, reason: &str) {
        let (reason, granted) = (reason.trim_end_matches('.'), granted().await);
        self.report.notice(format!("The checkpoint is not kept in this browser's cache: {reason}.{granted}"));
    }
}
