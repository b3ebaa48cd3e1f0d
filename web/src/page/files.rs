//! Files that a visitor drops or picks: folders are walked through, and every file keeps its path.

use js_sys::{Array, Function, Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    DataTransfer, File, FileList, FileSystemDirectoryEntry, FileSystemDirectoryReader, FileSystemEntry,
    FileSystemFileEntry, HtmlInputElement,
};

use super::engine::reason;

/// More files than any checkpoint has; whoever drops a home folder should hear about it soon.
const MOST: usize = 2000;

/// What was dropped. It has to be read while the drop is handled; the browser forgets it afterwards.
pub(super) struct Dropped {
    entries: Vec<FileSystemEntry>,
    files: Vec<File>,
}

impl Dropped {
    /// What a drop brought.
    pub(super) fn read(transfer: &DataTransfer) -> Self {
        let items = transfer.items();
        let entry = |place| items.get(place)?.webkit_get_as_entry().ok()?;
        let entries: Vec<FileSystemEntry> = (0..items.length()).filter_map(entry).collect();
        Self { entries, files: transfer.files().as_ref().map(listed).unwrap_or_default() }
    }

    /// All files, those of folders and of their folders too.
    pub(super) async fn walk(self) -> Result<Vec<(String, File)>, String> {
        if self.entries.is_empty() {
            return Ok(self.files.into_iter().map(with_path).collect());
        }
        let mut found = Vec::new();
        let mut open = self.entries;
        while let Some(entry) = open.pop() {
            let path = entry.full_path().trim_start_matches('/').to_owned();
            if entry.is_directory() {
                open.extend(inside(&entry.unchecked_into::<FileSystemDirectoryEntry>(), &path).await?);
            } else {
                found.push((path.clone(), file(&entry.unchecked_into::<FileSystemFileEntry>(), &path).await?));
            }
            if found.len() + open.len() > MOST {
                return Err(format!(
                    "There are more than {MOST} files in what was dropped. Drop the checkpoint's folder alone."
                ));
            }
        }
        found.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(found)
    }
}

/// The files of an input, with their paths when a folder was chosen.
pub(super) fn picked(input: &HtmlInputElement) -> Vec<(String, File)> {
    let files = input.files().as_ref().map(listed).unwrap_or_default();
    // Choosing the same files once more is a new choice.
    input.set_value("");
    files.into_iter().map(with_path).collect()
}

/// The files of a list.
pub(super) fn listed(list: &FileList) -> Vec<File> {
    (0..list.length()).filter_map(|place| list.get(place)).collect()
}

/// A file with its path below the folder that was chosen, or with its name.
fn with_path(file: File) -> (String, File) {
    let below = Reflect::get(&file, &JsValue::from_str("webkitRelativePath")).ok().and_then(|path| path.as_string());
    (below.filter(|path| !path.is_empty()).unwrap_or_else(|| file.name()), file)
}

/// What lies in a folder. A reader gives at most a hundred entries at a time, and none when it is through.
async fn inside(folder: &FileSystemDirectoryEntry, path: &str) -> Result<Vec<FileSystemEntry>, String> {
    let reader: FileSystemDirectoryReader = folder.create_reader();
    let mut entries = Vec::new();
    loop {
        let read = called_back(|done, failed| {
            // What fails here calls `failed`.
            let _ = reader.read_entries_with_callback_and_callback(done, failed);
        });
        let batch = read.await.map_err(|error| format!("{path} cannot be read: {}.", reason(&error)))?;
        let batch = batch.dyn_into::<Array>().unwrap_or_else(|_| Array::new());
        if batch.length() == 0 {
            return Ok(entries);
        }
        entries.extend((0..batch.length()).map(|place| batch.get(place).unchecked_into::<FileSystemEntry>()));
        if entries.len() > MOST {
            return Err(format!("{path} holds more than {MOST} files. Drop the checkpoint's folder alone."));
        }
    }
}

async fn file(entry: &FileSystemFileEntry, path: &str) -> Result<File, String> {
    let file = called_back(|done, failed| entry.file_with_callback_and_callback(done, failed)).await;
    let file = file.map_err(|error| format!("{path} cannot be read: {}.", reason(&error)))?;
    Ok(file.unchecked_into::<File>())
}

/// Waits for one of two callbacks.
async fn called_back(ask: impl FnOnce(&Function, &Function)) -> Result<JsValue, JsValue> {
    let mut ask = Some(ask);
    let promise = Promise::new(&mut |done: Function, failed: Function| {
        if let Some(ask) = ask.take() {
            ask(&done, &failed);
        }
    });
    JsFuture::from(promise).await
}
