//! Reading and writing the JSON files of a dataset: bounded, and lenient where Python is.
//!
//! Python's `json` writes `NaN` and `Infinity` as bare words, which JSON does not know. They become `null` here, and
//! `null` becomes a NaN where a number is expected, so one odd reward does not make a whole recording unreadable.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::error::DataError;

/// No JSON file of a dataset is larger.
const MAX_BYTES: u64 = 64 << 20;

/// Reads a JSON file of at most 64 MiB.
pub(crate) fn read(path: &Path) -> Result<Value, DataError> {
    let bytes = fs::metadata(path).map_err(DataError::io("read", path))?.len();
    if bytes > MAX_BYTES {
        return Err(DataError::TooLarge { what: "a JSON file", bytes, allowed: MAX_BYTES, path: path.to_path_buf() });
    }
    let text = fs::read(path).map_err(DataError::io("read", path))?;
    parse(&text).map_err(|problem| DataError::Json { problem, path: path.to_path_buf() })
}

fn parse(text: &[u8]) -> Result<Value, String> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    serde_json::from_slice(text).or_else(|error| {
        without_python_numbers(text)
            .and_then(|cleaned| serde_json::from_slice(&cleaned).ok())
            .ok_or_else(|| format!("not valid JSON ({error})"))
    })
}

/// The text with `NaN` and `Infinity` outside strings replaced by `null`; nothing when there are none.
fn without_python_numbers(text: &[u8]) -> Option<Vec<u8>> {
    const WORDS: [&[u8]; 3] = [b"-Infinity", b"Infinity", b"NaN"];
    let mut cleaned = Vec::with_capacity(text.len());
    let (mut at, mut in_string, mut replaced) = (0, false, false);
    while let Some(&byte) = text.get(at) {
        if in_string && byte == b'\\' {
            cleaned.extend_from_slice(&text[at..text.len().min(at + 2)]);
            at += 2;
            continue;
        }
        if byte == b'"' {
            in_string = !in_string;
        }
        let word = WORDS.iter().find(|word| !in_string && text[at..].starts_with(word));
        if let Some(word) = word {
            cleaned.extend_from_slice(b"null");
            at += word.len();
            replaced = true;
        } else {
            cleaned.push(byte);
            at += 1;
        }
    }
    replaced.then_some(cleaned)
}

/// Writes a JSON file with four spaces of indentation, as `LeRobot` does, so that a kill leaves the old file or the
/// new one: temporary name, fsync, rename.
pub(crate) fn write(path: &Path, value: &Value) -> Result<(), DataError> {
    let mut text = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, formatter);
    serde::Serialize::serialize(value, &mut serializer).map_err(|error| DataError::Json {
        problem: format!("cannot be written as JSON ({error})"),
        path: path.to_path_buf(),
    })?;
    let temporary = with_suffix(path, ".partial");
    let mut file = File::create(&temporary).map_err(DataError::io("create", &temporary))?;
    file.write_all(&text).and_then(|()| file.sync_all()).map_err(DataError::io("write", &temporary))?;
    fs::rename(&temporary, path).map_err(DataError::io("rename a temporary file to", path))?;
    sync_folder(path);
    Ok(())
}

/// The path with something appended to its file name.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Makes a rename in this file's folder durable, where folders can be opened.
pub(crate) fn sync_folder(path: &Path) {
    if let Some(folder) = path.parent().and_then(|folder| File::open(folder).ok()) {
        // Some file systems refuse to sync folders; the rename itself has happened.
        let _refused = folder.sync_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn python_numbers_become_null_outside_strings() {
        let value = parse(br#"{"a": NaN, "b": [-Infinity, 1], "c": "NaN \" Infinity"}"#);
        let value = value.expect("bare NaN is read");
        assert!(value["a"].is_null(), "NaN becomes null");
        assert!(value["b"][0].is_null(), "-Infinity becomes null");
        assert_eq!(value["c"], "NaN \" Infinity", "strings are left alone");
        assert!(parse(b"{\"a\": nonsense}").is_err(), "other words are refused");
    }
}
