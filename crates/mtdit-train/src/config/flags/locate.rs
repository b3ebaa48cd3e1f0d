//! Finding a configuration file in a folder, a checkpoint or a run, and reading it.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::config::ConfigError;

/// The file called `name` that a path stands for: the file itself, or the one in a folder, a checkpoint or a run.
pub(super) fn locate(path: &Path, name: &'static str) -> Result<PathBuf, ConfigError> {
    let yaml = |extension: &OsStr| extension == "yaml" || extension == "yml";
    if path.extension().is_some_and(yaml) {
        return Err(ConfigError::Yaml(path.to_owned()));
    }
    let mut path = path.to_owned();
    if path.file_name() == Some(OsStr::new("last")) {
        path = step_of(&path);
    }
    let mut candidates = vec![path.clone(), path.join(name), path.join("pretrained_model").join(name)];
    let step = newest(&path.join("checkpoints")).or_else(|| newest(&path));
    candidates.extend(step.map(|step| step.join("pretrained_model").join(name)));
    let found = candidates.into_iter().find(|file| file.is_file());
    found.ok_or(ConfigError::NotFound { name, path })
}

/// What `checkpoints/last` points at: it is a link, or a text file where links are not to be had.
fn step_of(last: &Path) -> PathBuf {
    let link = fs::read_link(last).ok();
    let text = || fs::read_to_string(last).ok().map(|text| PathBuf::from(text.trim()));
    link.or_else(text).map_or_else(|| last.to_owned(), |step| last.with_file_name(step))
}

/// The checkpoint that `last` names, or the one with the highest step.
fn newest(checkpoints: &Path) -> Option<PathBuf> {
    let last = step_of(&checkpoints.join("last"));
    if last.is_dir() {
        return Some(last);
    }
    let entries = fs::read_dir(checkpoints).ok()?.flatten();
    let steps = entries.filter_map(|entry| Some((entry.file_name().to_str()?.parse::<u64>().ok()?, entry.path())));
    steps.max().map(|(_, step)| step)
}

pub(super) fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

pub(super) fn read_object(path: &Path) -> Result<Map<String, Value>, ConfigError> {
    let text = fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    serde_json::from_str(&text).map_err(|source| ConfigError::Json { path: path.to_owned(), source })
}
