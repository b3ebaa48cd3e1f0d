//! The browser's cache of checkpoints: a folder for each in the page's private file system (OPFS), named by the hash of its
//! address.
//!
//! ```text
//! checkpoints/<key>/entry.json         what is there (origin/record.rs)
//! checkpoints/<key>/model.safetensors  the weights, or their beginning
//! checkpoints/<key>/config.json …      the small files
//! ```
//!
//! Every failure here is a reason in words, never the end of a load.

mod handle;
mod shelf;

use js_sys::AsyncIterator;
use mtdit_policy::checkpoint::files::WEIGHTS;
use wasm_bindgen::JsValue;
use web_sys::{
    Blob, FileSystemDirectoryHandle, FileSystemFileHandle, FileSystemGetDirectoryOptions, FileSystemRemoveOptions,
    StorageEstimate,
};

use self::handle::Handle;
pub(super) use self::shelf::Shelf;
use super::js::{bytes, property, settled, storage};
use super::origin::Blobs;
use crate::origin::record::{file_name, is_key};
use crate::origin::{Record, size};
use crate::protocol::CachedCheckpoint;

const ROOT: &str = "checkpoints";
const ENTRY: &str = "entry.json";

/// One checkpoint's place in the cache, whether or not anything is there yet.
pub(super) struct Place {
    root: FileSystemDirectoryHandle,
    key: String,
}

impl Place {
    /// The place of a key.
    ///
    /// # Errors
    /// The reason why there is no cache.
    pub(super) async fn of(key: String) -> Result<Self, String> {
        Ok(Self { root: root().await?, key })
    }

    /// What is there.
    pub(super) async fn record(&self) -> Option<Record> {
        Record::parse(&self.read(ENTRY).await?)
    }

    /// The weights as they lie there.
    pub(super) async fn weights(&self) -> Option<Blob> {
        self.blob(WEIGHTS).await
    }

    /// A small file.
    pub(super) async fn read(&self, path: &str) -> Option<Vec<u8>> {
        let blob = self.blob(&file_name(path)).await?;
        let most = bytes(blob.size());
        Blobs::new(path.to_owned(), vec![blob]).whole(most).await.ok()
    }

    /// Writes a small file.
    ///
    /// # Errors
    /// The browser's reason.
    pub(super) async fn write(&self, path: &str, content: &[u8]) -> Result<(), String> {
        let folder = self.folder(true).await?;
        Handle::open(&folder, &file_name(path)).await?.replace(content)
    }

    /// Notes what is there, while nobody writes the weights.
    ///
    /// # Errors
    /// The browser's reason.
    pub(super) async fn note(&self, record: &Record) -> Result<(), String> {
        self.write(ENTRY, record.to_json().as_bytes()).await
    }

    /// Opens the weights for writing after the first `record.have` bytes.
    ///
    /// # Errors
    /// The browser's reason; another tab that writes here is one.
    pub(super) async fn shelf(&self, record: Record) -> Result<Shelf, String> {
        let folder = self.folder(true).await?;
        Shelf::open(&folder, record).await
    }

    /// Removes everything.
    ///
    /// # Errors
    /// The browser's reason.
    pub(super) async fn remove(&self) -> Result<(), String> {
        let options = FileSystemRemoveOptions::new();
        options.set_recursive(true);
        settled::<JsValue>(self.root.remove_entry_with_options(&self.key, &options)).await.map(drop)
    }

    async fn folder(&self, create: bool) -> Result<FileSystemDirectoryHandle, String> {
        below(&self.root, &self.key, create).await
    }

    async fn blob(&self, name: &str) -> Option<Blob> {
        let folder = self.folder(false).await.ok()?;
        let file: FileSystemFileHandle = settled(folder.get_file_handle(name)).await.ok()?;
        settled(file.get_file()).await.ok()
    }

    async fn card(self) -> CachedCheckpoint {
        let weights = self.weights().await.map_or(0, |blob| bytes(blob.size()));
        let record = self.record().await;
        let small: u64 = record.iter().flat_map(|record| record.files.values().flatten()).sum();
        CachedCheckpoint {
            key: self.key,
            bytes: weights.saturating_add(small),
            complete: record.as_ref().is_some_and(|record| record.is_whole(weights)),
            url: record.map_or_else(|| "an entry that cannot be read".to_owned(), |record| record.url),
        }
    }
}

/// All checkpoints that are cached, whole or not.
pub(super) async fn list() -> Vec<CachedCheckpoint> {
    let Ok(root) = root().await else { return Vec::new() };
    let names = root.keys();
    let mut cards = Vec::new();
    while let Some(key) = next_name(&names).await {
        cards.push(Place { root: root.clone(), key }.card().await);
    }
    cards.sort_by(|one, other| one.url.cmp(&other.url));
    cards
}

/// Deletes one.
///
/// # Errors
/// The browser's reason.
pub(super) async fn remove(key: &str) -> Result<(), String> {
    if !is_key(key) {
        return Err(format!("`{key}` is no key of a cached checkpoint"));
    }
    Place::of(key.to_owned()).await?.remove().await
}

/// How much room the browser grants, as a sentence; empty when it does not tell.
pub(super) async fn granted() -> String {
    let Some(estimate) = estimate().await else { return String::new() };
    match (estimate.get_quota(), estimate.get_usage()) {
        (Some(quota), Some(usage)) => {
            let (quota, usage) = (size::words(bytes(quota)), size::words(bytes(usage)));
            format!(" The browser grants this page {quota}, of which {usage} are used.")
        }
        _ => String::new(),
    }
}

/// Bytes that may still be written, when the browser tells.
pub(super) async fn room() -> Option<u64> {
    let estimate = estimate().await?;
    Some(bytes(estimate.get_quota()?).saturating_sub(bytes(estimate.get_usage()?)))
}

async fn estimate() -> Option<StorageEstimate> {
    settled(storage()?.estimate().ok()?).await.ok()
}

async fn root() -> Result<FileSystemDirectoryHandle, String> {
    let storage = storage().ok_or_else(|| {
        "this browser has no private file system for this page (it needs https:// or localhost)".to_owned()
    })?;
    let top: FileSystemDirectoryHandle = settled(storage.get_directory()).await?;
    below(&top, ROOT, true).await
}

async fn below(
    folder: &FileSystemDirectoryHandle,
    name: &str,
    create: bool,
) -> Result<FileSystemDirectoryHandle, String> {
    let options = FileSystemGetDirectoryOptions::new();
    options.set_create(create);
    settled(folder.get_directory_handle_with_options(name, &options)).await
}

async fn next_name(names: &AsyncIterator) -> Option<String> {
    let next: JsValue = settled(names.next().ok()?).await.ok()?;
    property(&next, "value")?.as_string()
}
