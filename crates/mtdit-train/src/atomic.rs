//! Writes that either happened or did not: temporary name, flush to disk, rename, flush of the folder.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::error::TrainError;

/// Ending of names that are not finished; what carries it after a crash is deleted at the next start.
pub const PARTIAL: &str = ".partial";

/// The temporary name beside `path`.
pub fn partial(path: &Path) -> PathBuf {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    path.with_file_name(format!(".{name}{PARTIAL}"))
}

/// Writes a file inside a folder that is itself not finished yet, and flushes it.
///
/// # Errors
/// [`TrainError::Io`] names the file.
pub fn write_flushed(path: &Path, bytes: &[u8]) -> Result<(), TrainError> {
    let mut file = File::create(path).map_err(TrainError::io("creating", path))?;
    file.write_all(bytes).map_err(TrainError::io("writing", path))?;
    file.sync_all().map_err(TrainError::io("flushing", path))
}

/// Replaces a file.
///
/// # Errors
/// [`TrainError::Io`] names the file.
pub fn replace_file(path: &Path, bytes: &[u8]) -> Result<(), TrainError> {
    let partial = partial(path);
    write_flushed(&partial, bytes)?;
    fs::rename(&partial, path).map_err(TrainError::io("renaming", &partial))?;
    flush_parent(path)
}

/// Gives a finished folder its name. An older folder of that name steps aside first.
///
/// # Errors
/// [`TrainError::Io`] names the folder.
pub fn publish_folder(partial_folder: &Path, path: &Path) -> Result<(), TrainError> {
    flush_folder(partial_folder)?;
    if path.exists() {
        let old =
            path.with_file_name(format!(".{}.old{PARTIAL}", path.file_name().unwrap_or_default().to_string_lossy()));
        remove_folder(&old)?;
        fs::rename(path, &old).map_err(TrainError::io("renaming", path))?;
        fs::rename(partial_folder, path).map_err(TrainError::io("renaming", partial_folder))?;
        remove_folder(&old)?;
    } else {
        fs::rename(partial_folder, path).map_err(TrainError::io("renaming", partial_folder))?;
    }
    flush_parent(path)
}

/// Points the link `path` at the folder `target` beside it; a text file with the name where links do not exist.
///
/// # Errors
/// [`TrainError::Io`] names the link.
pub fn replace_link(path: &Path, target: &str) -> Result<(), TrainError> {
    #[cfg(unix)]
    {
        let partial = partial(path);
        if partial.symlink_metadata().is_ok() {
            fs::remove_file(&partial).map_err(TrainError::io("removing", &partial))?;
        }
        std::os::unix::fs::symlink(target, &partial).map_err(TrainError::io("linking", &partial))?;
        fs::rename(&partial, path).map_err(TrainError::io("renaming", &partial))?;
        flush_parent(path)
    }
    #[cfg(not(unix))]
    replace_file(path, target.as_bytes())
}

/// Deletes what a crash left unfinished in a folder.
///
/// # Errors
/// [`TrainError::Io`] names what could not be deleted.
pub fn clean(folder: &Path) -> Result<(), TrainError> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().ends_with(PARTIAL) {
            let path = entry.path();
            if path.is_dir() && !path.is_symlink() {
                remove_folder(&path)?;
            } else {
                fs::remove_file(&path).map_err(TrainError::io("removing", &path))?;
            }
        }
    }
    Ok(())
}

/// Deletes a folder, if it is there.
///
/// # Errors
/// [`TrainError::Io`] names the folder.
pub fn remove_folder(path: &Path) -> Result<(), TrainError> {
    if path.exists() { fs::remove_dir_all(path).map_err(TrainError::io("removing", path)) } else { Ok(()) }
}

fn flush_parent(path: &Path) -> Result<(), TrainError> {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).map_or(Ok(()), flush_folder)
}

/// Flushes a folder's own entries, where the system can.
fn flush_folder(path: &Path) -> Result<(), TrainError> {
    #[cfg(unix)]
    File::open(path).and_then(|folder| folder.sync_all()).map_err(TrainError::io("flushing", path))?;
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}
