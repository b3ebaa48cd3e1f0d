//! The small files of a checkpoint on a server, or from the cache when the server is gone or has the same.

use mtdit_policy::checkpoint::FileSource;
use mtdit_policy::checkpoint::files::{CONFIG, EXTRAS, MAX_JSON};
use mtdit_policy::checkpoint::processors::{POSTPROCESSOR, PREPROCESSOR};

use crate::engine::load::Report;
use crate::engine::load::cache::Place;
use crate::engine::load::error::LoadError;
use crate::engine::load::fetch::{Body, Pending, check, pause};
use crate::engine::load::hash::Checksum;
use crate::manifest::{ListedFile, MANIFEST, Manifest};
use crate::origin::{Folder, Impostor, Patience, Record, listing};

/// CLIP's own configuration; a folder of CLIP's name is only looked into when a manifest lists it.
const CLIP: &str = "clip/config.json";
/// What is asked for at once when nothing is known of a folder.
const AHEAD: [&str; 4] = [CLIP, PREPROCESSOR, POSTPROCESSOR, EXTRAS];

/// Asks for small files.
pub(super) struct ServerFiles<'a> {
    folder: &'a Folder,
    place: Option<&'a Place>,
    record: Option<&'a Record>,
    ahead: Vec<(String, Pending)>,
    found: Found,
    report: &'a dyn Report,
}

/// What was found beside the parsed files.
#[derive(Default)]
pub(super) struct Found {
    /// The folder's list of files, if it has one.
    pub(super) manifest: Option<Manifest>,
    /// Whether the server is gone, so that everything comes from the cache.
    pub(super) is_offline: bool,
    /// Every file that was asked for.
    pub(super) files: Vec<FoundFile>,
}

/// A file that was asked for.
pub(super) struct FoundFile {
    pub(super) path: String,
    /// Its length; `None` when there is no such file.
    pub(super) length: Option<u64>,
    /// Its bytes, when they came from the server just now.
    pub(super) fresh: Option<Vec<u8>>,
}

impl<'a> ServerFiles<'a> {
    /// Looks for the folder's manifest, and finds out whether the server is there at all.
    pub(super) async fn open(
        folder: &'a Folder,
        place: Option<&'a Place>,
        record: Option<&'a Record>,
        report: &'a dyn Report,
    ) -> Result<Self, LoadError> {
        let mut files = Self { folder, place, record, ahead: Vec::new(), found: Found::default(), report };
        report.progress(&format!("Looking for {MANIFEST}"), 0, 0);
        match files.server_bytes(MANIFEST, None, None, MAX_JSON).await {
            Ok(bytes) => {
                files.found.manifest = bytes.as_deref().and_then(listing::read);
                let bytes = bytes.filter(|_| files.found.manifest.is_some());
                files.remember(MANIFEST, bytes.as_deref(), true);
            }
            Err(LoadError::Cancelled) => return Err(LoadError::Cancelled),
            Err(error) if error.is_passing() => files.go_offline(error).await?,
            // Whatever it is, it is no manifest.
            Err(_other) => {}
        }
        Ok(files)
    }

    /// What was found.
    pub(super) fn into_found(self) -> Found {
        self.found
    }

    /// Uses the cached copy from now on, when it is whole; a server that is only busy may still have the other files.
    async fn go_offline(&mut self, error: LoadError) -> Result<(), LoadError> {
        if !self.record.is_some_and(|record| record.complete) {
            return match error {
                LoadError::Unreachable { reason, .. } => {
                    Err(LoadError::Unreachable { url: self.folder.address(), reason })
                }
                _busy => Ok(()),
            };
        }
        self.found.is_offline = true;
        self.report.notice(format!("Offline: using the cached copy of {}.", self.folder.address()));
        if let Some(bytes) = self.cached_bytes(MANIFEST).await? {
            self.found.manifest = listing::read(&bytes);
        }
        Ok(())
    }

    /// A file from wherever it is best had. Without a hint it may be absent.
    async fn get(&mut self, path: &str, hint: Option<&'static str>, most: u64) -> Result<Option<Vec<u8>>, LoadError> {
        self.report.progress(&format!("Reading {path}"), 0, 0);
        let listed = self.found.manifest.as_ref().map(|manifest| manifest.file(path).cloned());
        let listed = match listed {
            Some(None) => return Ok(None),
            Some(listed) => listed,
            None => None,
        };
        if !listing::is_plain(path) || (listed.is_none() && path.ends_with("/config.json") && path != CLIP) {
            return Ok(None);
        }
        if self.found.is_offline {
            return self.cached_bytes(path).await;
        }
        let hash = listed.as_ref().and_then(listing::hash);
        if hash.is_some()
            && let Some(place) = self.place
            && let Some(bytes) = place.read(path).await
            && Checksum::check(path, &bytes, hash).is_ok()
        {
            self.remember(path, Some(&bytes), false);
            return Ok(Some(bytes));
        }
        let hint = if listed.is_some() { Some("manifest.json lists it; is the upload complete?") } else { hint };
        let bytes = self.server_bytes(path, listed.as_ref(), hint, most).await?;
        if let Some(bytes) = &bytes {
            Checksum::check(&self.folder.file(path), bytes, hash)?;
        }
        self.remember(path, bytes.as_deref(), true);
        Ok(bytes)
    }

    fn remember(&mut self, path: &str, bytes: Option<&[u8]>, is_fresh: bool) {
        let length = bytes.map(|bytes| bytes.len() as u64);
        let fresh = bytes.filter(|_| is_fresh).map(<[u8]>::to_vec);
        self.found.files.push(FoundFile { path: path.to_owned(), length, fresh });
    }

    /// A file as the last load left it.
    async fn cached_bytes(&self, path: &str) -> Result<Option<Vec<u8>>, LoadError> {
        let (Some(place), Some(record)) = (self.place, self.record) else { return Ok(None) };
        match record.files.get(path) {
            Some(Some(_length)) => {
                let lost = || LoadError::NotCached { url: self.folder.file(path) };
                place.read(path).await.map(Some).ok_or_else(lost)
            }
            _ => Ok(None),
        }
    }

    /// A file from the server; in pieces when the manifest says so.
    async fn server_bytes(
        &mut self,
        path: &str,
        listed: Option<&ListedFile>,
        hint: Option<&'static str>,
        most: u64,
    ) -> Result<Option<Vec<u8>>, LoadError> {
        let pieces = listed.map(|listed| listed.pieces.as_slice()).unwrap_or_default();
        let paths: Vec<&str> =
            if pieces.is_empty() { vec![path] } else { pieces.iter().map(|piece| piece.path.as_str()).collect() };
        let mut whole = Vec::new();
        for path in paths {
            let url = self.folder.file(path);
            match self.request(&url, hint.unwrap_or_default(), most).await {
                Ok(bytes) => whole.extend(bytes),
                Err(error) => {
                    let may_be_absent = hint.is_none() && self.is_absent(&error).await;
                    return if may_be_absent { Ok(None) } else { Err(error) };
                }
            }
        }
        Ok(Some(whole))
    }

    async fn request(&mut self, url: &str, hint: &'static str, most: u64) -> Result<Vec<u8>, LoadError> {
        let position = self.ahead.iter().position(|(asked, _)| asked == url);
        let mut pending = position.map(|position| self.ahead.swap_remove(position).1);
        let mut patience = Patience::default();
        loop {
            let asked = pending.take().unwrap_or_else(|| Pending::file(url, self.report));
            match answer(asked, url, hint, most, self.report).await {
                Err(error @ LoadError::Broken { .. }) => {
                    let Some((_, milliseconds)) = patience.next_try() else { return Err(error) };
                    pause(milliseconds, self.report).await?;
                }
                answer => return answer,
            }
        }
    }

    /// Whether an error means that there is no such file. Servers say so in several ways; some let other sites see only their
    /// good answers, so that a missing file looks like a server that is down.
    async fn is_absent(&self, error: &LoadError) -> bool {
        match error {
            LoadError::NotFound { .. } | LoadError::Html { .. } | LoadError::Status { status: 400 | 403, .. } => true,
            LoadError::Unreachable { .. } => {
                Pending::head(&self.folder.file(CONFIG), self.report).answer(self.report).await.is_ok()
            }
            _ => false,
        }
    }

    /// Asks for what is needed next, all at once.
    fn ask_ahead(&mut self) {
        if self.record.is_some() || self.found.is_offline {
            return;
        }
        let manifest = self.found.manifest.as_ref();
        let is_there = |path: &&str| manifest.is_none_or(|manifest| manifest.file(path).is_some());
        let ask = |path: &str| {
            let url = self.folder.file(path);
            let pending = Pending::file(&url, self.report);
            (url, pending)
        };
        self.ahead = AHEAD.into_iter().filter(is_there).map(ask).collect();
    }
}

impl FileSource for ServerFiles<'_> {
    type Error = LoadError;

    fn name(&self, path: &str) -> String {
        self.folder.file(path)
    }

    async fn find(&mut self, path: &str, most: u64) -> Result<Option<Vec<u8>>, LoadError> {
        self.get(path, None, most).await
    }

    async fn need(&mut self, path: &str, hint: &'static str, most: u64) -> Result<Vec<u8>, LoadError> {
        let bytes = self.get(path, Some(hint), most).await?;
        let bytes = bytes.ok_or_else(|| LoadError::Missing { file: self.folder.file(path), hint })?;
        if path == CONFIG {
            self.ask_ahead();
        }
        Ok(bytes)
    }
}

/// Reads the answer to a request, unless it is something else than the file.
async fn answer(
    asked: Pending,
    url: &str,
    hint: &'static str,
    most: u64,
    report: &dyn Report,
) -> Result<Vec<u8>, LoadError> {
    let response = asked.answer(report).await?;
    check(&response, url, hint)?;
    let bytes = Body::of(&response, url).whole(most, report).await?;
    match Impostor::of(&bytes) {
        Some(Impostor::Html) => Err(LoadError::Html { url: url.to_owned() }),
        Some(Impostor::GitLfs) => Err(LoadError::GitLfs { file: url.to_owned() }),
        None => Ok(bytes),
    }
}
