//! The folder that holds caches: their names, and room for new ones.
//!
//! All caches in the folder together stay below a limit. When space is needed, those used longest ago are deleted; a
//! cache is touched whenever it is opened.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::file::checksum;
use crate::dataset::Dataset;
use crate::episodes::EPISODES_PATH;
use crate::error::DataError;
use crate::info::INFO_PATH;
use crate::table::parquet_files;

pub(super) const EXTENSION: &str = "frames";
pub(super) const PARTIAL_EXTENSION: &str = "partial";
/// An unfinished file that nobody has written to for this long was left behind.
const ABANDONED: Duration = Duration::from_secs(3600);

/// A digest of what the frames of a camera at some size depend on: the folder, its declaration, and the size and time of
/// every file.
pub(super) fn key(dataset: &Dataset, camera: &str, height: usize, width: usize) -> Result<u128, DataError> {
    let root = dataset.root();
    let mut text = format!("{camera}\n{height}x{width}\n");
    let canonical = fs::canonicalize(root).map_err(DataError::io("read", root))?;
    text.push_str(&canonical.to_string_lossy());
    let info = root.join(INFO_PATH);
    let info = fs::read(&info).map_err(DataError::io("read", &info))?;
    let mut files = parquet_files(&root.join(EPISODES_PATH))?;
    files.extend(dataset.camera_files(camera)?);
    for file in files {
        let metadata = fs::metadata(&file).map_err(DataError::io("read", &file))?;
        let time = metadata.modified().ok().and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
        let nanos = time.unwrap_or_default().as_nanos();
        let name = file.strip_prefix(root).unwrap_or(&file);
        text.push_str(&format!("\n{} {} {nanos}", name.to_string_lossy(), metadata.len()));
    }
    let high = checksum(text.as_bytes());
    text.push('\n');
    let low = checksum(text.as_bytes()) ^ checksum(&info).rotate_left(17);
    Ok((u128::from(high) << 64) | u128::from(low))
}

/// The file of a camera.
pub(super) fn file_name(camera: &str, height: usize, width: usize, key: u128) -> String {
    let plain: String = camera
        .chars()
        .map(|letter| if letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '_') { letter } else { '_' })
        .take(100)
        .collect();
    format!("{plain}-{height}x{width}-{key:032x}.{EXTENSION}")
}

/// Remembers that a cache was used.
pub(super) fn touch(path: &Path) {
    if let Ok(file) = File::options().append(true).open(path) {
        // A cache on a read-only disk is still a cache.
        let _refused = file.set_modified(SystemTime::now());
    }
}

/// Deletes other caches, longest unused first, until `needed` more bytes fit beside the `kept` files.
pub(super) fn make_room(folder: &Path, kept: &[PathBuf], needed: u64, allowed: u64) -> Result<(), DataError> {
    let mut others = Vec::new();
    let mut occupied = needed;
    for entry in fs::read_dir(folder).map_err(DataError::io("list", folder))? {
        let entry = entry.map_err(DataError::io("list", folder))?;
        let (path, Ok(metadata)) = (entry.path(), entry.metadata()) else {
            continue;
        };
        let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        let abandoned = modified.elapsed().is_ok_and(|age| age > ABANDONED);
        match path.extension().and_then(|extension| extension.to_str()) {
            Some(EXTENSION) if !kept.contains(&path) => others.push((modified, metadata.len(), path)),
            Some(PARTIAL_EXTENSION) if abandoned => {
                fs::remove_file(&path).map_err(DataError::io("remove", &path))?;
            }
            Some(EXTENSION | PARTIAL_EXTENSION) => occupied = occupied.saturating_add(metadata.len()),
            _ => {}
        }
    }
    if occupied > allowed {
        return Err(DataError::CacheTooLarge { needed: occupied, allowed, path: folder.to_path_buf() });
    }
    others.sort();
    let mut rest: u64 = others.iter().map(|(_, bytes, _)| bytes).sum();
    for (_, bytes, path) in others {
        if occupied.saturating_add(rest) <= allowed {
            break;
        }
        fs::remove_file(&path).map_err(DataError::io("remove", &path))?;
        rest -= bytes;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_file_names() {
        let name = file_name("observation.images/top ../x", 48, 64, 0xab);
        assert_eq!(name, "observation.images_top_.._x-48x64-000000000000000000000000000000ab.frames");
    }
}
