//! The files of a built page: the build script, which embeds them, and `mtdit publish --page` see the same.

use std::path::Path;
use std::{fs, io};

/// Paths below a folder, with `/` between their parts, in order. Hidden files and a site's checkpoints are left out.
pub(super) fn files(folder: &Path) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    let mut folders = vec![String::new()];
    while let Some(inner) = folders.pop() {
        for entry in fs::read_dir(folder.join(&inner))? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = if inner.is_empty() { name.clone() } else { format!("{inner}/{name}") };
            if name.starts_with('.') || path == "models" {
                continue;
            }
            if entry.path().is_dir() {
                folders.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}
