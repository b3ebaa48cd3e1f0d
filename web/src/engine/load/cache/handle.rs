//! An open file of the cache: written in place, and this worker's alone until it is dropped.

use js_sys::Uint8Array;
use web_sys::{
    FileSystemDirectoryHandle, FileSystemFileHandle, FileSystemGetFileOptions, FileSystemReadWriteOptions,
    FileSystemSyncAccessHandle,
};

use crate::engine::load::js::{bytes, number, property, settled, short, words};

/// Closes the file when it is dropped.
pub(super) struct Handle(FileSystemSyncAccessHandle);

impl Handle {
    /// Opens a file, making it.
    pub(super) async fn open(folder: &FileSystemDirectoryHandle, name: &str) -> Result<Self, String> {
        let options = FileSystemGetFileOptions::new();
        options.set_create(true);
        let file: FileSystemFileHandle = settled(folder.get_file_handle_with_options(name, &options)).await?;
        if property(&file, "createSyncAccessHandle").is_none() {
            return Err("this browser cannot write to its private file system from a worker".to_owned());
        }
        let handle = settled(file.create_sync_access_handle()).await;
        handle.map(Self).map_err(|reason| format!("{reason} (is the page open in another tab?)"))
    }

    /// Bytes of the file.
    pub(super) fn length(&self) -> Result<u64, String> {
        self.0.get_size().map(bytes).map_err(|error| words(&error))
    }

    /// Cuts the file off, or fills it with zeros, to a length.
    pub(super) fn set_length(&self, length: u64) -> Result<(), String> {
        self.0.truncate_with_f64(number(length)).map_err(|error| words(&error))
    }

    /// The bytes of a stretch, all of which are there.
    pub(super) fn read(&self, position: u64, length: u64) -> Result<Uint8Array, String> {
        let chunk = Uint8Array::new_with_length(short(length));
        let read = self.0.read_with_js_u8_array_and_options(&chunk, &at(position)).map_err(|error| words(&error))?;
        if bytes(read) == u64::from(chunk.length()) { Ok(chunk) } else { Err("a file has become shorter".to_owned()) }
    }

    /// Writes bytes at a position.
    pub(super) fn write(&self, position: u64, chunk: &Uint8Array) -> Result<(), String> {
        let written = self.0.write_with_js_u8_array_and_options(chunk, &at(position));
        whole(written.map_err(|error| words(&error))?, u64::from(chunk.length()))
    }

    /// Replaces everything by a few bytes.
    pub(super) fn replace(&self, content: &[u8]) -> Result<(), String> {
        self.set_length(0)?;
        let written = self.0.write_with_u8_array_and_options(content, &at(0));
        whole(written.map_err(|error| words(&error))?, content.len() as u64)?;
        self.flush()
    }

    /// Makes sure that what was written is on disk.
    pub(super) fn flush(&self) -> Result<(), String> {
        self.0.flush().map_err(|error| words(&error))
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.close();
    }
}

fn at(position: u64) -> FileSystemReadWriteOptions {
    let options = FileSystemReadWriteOptions::new();
    options.set_at(number(position));
    options
}

fn whole(written: f64, expected: u64) -> Result<(), String> {
    if bytes(written) == expected {
        Ok(())
    } else {
        Err(format!("only {written} of {expected} bytes could be written"))
    }
}
