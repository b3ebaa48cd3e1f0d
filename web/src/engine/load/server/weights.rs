//! The weights of a checkpoint on a server: what the cache has of them is used when it is still the same.

use mtdit_policy::checkpoint::files::WEIGHTS;

use super::files::Found;
use crate::engine::load::Report;
use crate::engine::load::cache::{Place, Shelf, room};
use crate::engine::load::error::LoadError;
use crate::engine::load::fetch::{Pending, header, plain_length, stamp};
use crate::engine::load::js::bytes;
use crate::engine::load::origin::{Blobs, Http, Origin, Remote, Stored};
use crate::engine::load::weights::Weights;
use crate::manifest::ListedFile;
use crate::origin::{Folder, Pieces, Record, listing, size};

/// Opens the weights. Also says whether all of them come from the cache.
pub(super) async fn open<'a>(
    folder: &Folder,
    place: Option<Place>,
    record: Option<Record>,
    found: &Found,
    report: &'a dyn Report,
) -> Result<(Weights<'a>, bool), LoadError> {
    let file = folder.file(WEIGHTS);
    let listed = match &found.manifest {
        Some(manifest) => Some(manifest.file(WEIGHTS).ok_or_else(|| LoadError::NotListed { file: file.clone() })?),
        None => None,
    };
    let (urls, pieces) = parts(folder, listed);
    let sha256 = listed.and_then(listing::hash);
    let seen = Seen { folder, found, listed, report };
    let record = match record {
        Some(record) if seen.is_current(&record, urls.first()).await? => Some(record),
        _ => None,
    };
    let stamps = record.as_ref().map(|record| record.stamps.clone()).unwrap_or_default();
    let stored = match (&place, record) {
        (Some(place), Some(record)) => seen.take_up(place, record).await,
        _ => Stored::Undecided(Vec::new()),
    };

    let remote = Remote::new(Http::new(urls, pieces, &stamps, report), stored, place, report);
    let from_cache = remote.is_stored();
    let mut weights = Weights::open(file, Origin::Remote(Box::new(remote)), sha256, report).await?;
    let length = weights.bytes();
    if let Origin::Remote(remote) = weights.origin()
        && let Some((place, http)) = remote.undecided()
    {
        let shelf = seen.begin(place, http, length).await;
        remote.store(shelf).await;
    }
    Ok((weights, from_cache))
}

/// Addresses and lengths of the file's pieces, or of the file in one.
fn parts(folder: &Folder, listed: Option<&ListedFile>) -> (Vec<String>, Pieces) {
    let pieces = listed.map(|listed| listed.pieces.as_slice()).unwrap_or_default();
    match Pieces::cut(pieces.iter().map(|piece| piece.bytes)) {
        Some(cut) => (pieces.iter().map(|piece| folder.file(&piece.path)).collect(), cut),
        None => (vec![folder.file(WEIGHTS)], Pieces::whole(listed.map(|listed| listed.bytes))),
    }
}

/// What is known of the folder by now.
struct Seen<'a> {
    folder: &'a Folder,
    found: &'a Found,
    listed: Option<&'a ListedFile>,
    report: &'a dyn Report,
}

impl Seen<'_> {
    /// Whether the cached bytes are those of the file as it is now: by the manifest's hash, else by what the server says.
    async fn is_current(&self, record: &Record, url: Option<&String>) -> Result<bool, LoadError> {
        let (Some(url), false) = (url, self.found.is_offline) else { return Ok(true) };
        if let Some(listed) = self.listed
            && let Some(hash) = listing::hash(listed)
        {
            let known = record.sha256.as_deref();
            return Ok(known.is_some_and(|known| known.eq_ignore_ascii_case(hash)) && record.length == listed.bytes);
        }
        let response = match Pending::head(url, self.report).answer(self.report).await {
            Ok(response) => response,
            Err(LoadError::Unreachable { .. }) if record.complete => {
                self.report.notice(format!("Offline: using the cached copy of {}.", self.folder.address()));
                return Ok(true);
            }
            Err(error) => return Err(error),
        };
        let Some(known) = record.stamps.first().filter(|_| response.ok()) else { return Ok(false) };
        let same_length = || {
            let length: Option<u64> = header(&response, "content-length").and_then(|length| length.parse().ok());
            record.stamps.len() == 1 && length == Some(record.length)
        };
        Ok(known.is_same(&stamp(&response, plain_length(&response))).unwrap_or_else(same_length))
    }

    /// Uses what the cache has, and renews the small files there.
    async fn take_up(&self, place: &Place, mut record: Record) -> Stored {
        let Some(blob) = place.weights().await else { return Stored::Undecided(Vec::new()) };
        let on_disk = bytes(blob.size());
        let renewed = self.renew(place, &mut record).await;
        if record.is_whole(on_disk) {
            // Old small files in the cache matter only when the server is gone; then these are the best there are.
            if let Ok(true) = renewed {
                drop(place.note(&record).await);
            }
            return Stored::Whole(Blobs::new(self.folder.file(WEIGHTS), vec![blob]));
        }
        if record.usable(on_disk) == 0 {
            return Stored::Undecided(Vec::new());
        }
        match place.shelf(record).await {
            Ok(shelf) => Stored::Part(shelf),
            Err(reason) => {
                self.report.notice(format!("The checkpoint is not kept in this browser's cache: {reason}."));
                Stored::Nothing
            }
        }
    }

    /// Makes an entry for a file that was recognised.
    async fn begin(&self, place: &Place, http: &Http<'_>, length: u64) -> Result<Shelf, String> {
        if let Some(room) = room().await.filter(|room| *room < length) {
            return Err(format!("it needs {}, there is room for {}", size::words(length), size::words(room)));
        }
        let mut record = Record {
            url: self.folder.address(),
            length,
            stamps: http.stamps(),
            sha256: self.listed.and_then(listing::hash).map(str::to_owned),
            ..Record::default()
        };
        self.renew(place, &mut record).await?;
        place.shelf(record).await
    }

    /// Writes the small files that came from the server. Says whether there were any.
    async fn renew(&self, place: &Place, record: &mut Record) -> Result<bool, String> {
        let mut any = false;
        for file in &self.found.files {
            if let Some(bytes) = &file.fresh {
                place.write(&file.path, bytes).await?;
                any = true;
            }
            record.files.insert(file.path.clone(), file.length);
        }
        Ok(any)
    }
}
