//! A checkpoint's `entry.json` in the browser's cache: what is there, and whose state it is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::answer::Stamp;

/// One cached checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Where it came from.
    pub url: String,
    /// Length of the weights in bytes.
    pub length: u64,
    /// Bytes of the weights that are written, from the first.
    pub have: u64,
    /// Whether that is all of them.
    pub complete: bool,
    /// What the server said of the weights, piece by piece.
    pub stamps: Vec<Stamp>,
    /// The hash that the folder's manifest gave for the weights.
    pub sha256: Option<String>,
    /// Length of every small file, or `None` for one that the server does not have.
    pub files: BTreeMap<String, Option<u64>>,
}

impl Record {
    /// Reads an entry; `None` for anything else.
    pub fn parse(json: &[u8]) -> Option<Self> {
        serde_json::from_slice(json).ok()
    }

    /// The entry as text.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// How many of the bytes on disk can be used, from the first: what was noted as written and is still there.
    pub fn usable(&self, on_disk: u64) -> u64 {
        self.have.min(on_disk).min(self.length)
    }

    /// Whether a file of this length holds all weights.
    pub fn is_whole(&self, on_disk: u64) -> bool {
        self.complete && on_disk == self.length
    }
}

/// Whether a text can be the key of an entry: 64 small hexadecimal digits.
pub fn is_key(key: &str) -> bool {
    key.len() == 64 && key.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// A small file's path as one file name, because an entry has no folders.
pub fn file_name(path: &str) -> String {
    path.replace('%', "%25").replace('/', "%2F")
}

#[cfg(test)]
mod tests {
    use super::{Record, file_name, is_key};

    #[test]
    fn a_record_survives_being_written() {
        let record = Record {
            url: "https://host/a/".to_owned(),
            length: 10,
            have: 7,
            files: [("clip/config.json".to_owned(), Some(3)), ("mtdit.json".to_owned(), None)].into_iter().collect(),
            ..Record::default()
        };
        assert_eq!(Record::parse(record.to_json().as_bytes()), Some(record));
        assert_eq!(Record::parse(b""), None);
        assert_eq!(Record::parse(b"{}"), None);
    }

    #[test]
    fn only_what_was_noted_and_is_there_counts() {
        let record = Record { length: 10, have: 7, complete: false, ..Record::default() };
        assert_eq!((record.usable(9), record.usable(3), record.usable(0)), (7, 3, 0));
        assert!(!record.is_whole(10));
        let whole = Record { have: 10, complete: true, ..record };
        assert!(whole.is_whole(10) && !whole.is_whole(9) && !whole.is_whole(11));
    }

    #[test]
    fn names_and_keys_hold_no_path() {
        assert_eq!(file_name("clip/config.json"), "clip%2Fconfig.json");
        assert_ne!(file_name("a/b"), file_name("a%2Fb"));
        assert!(is_key(&"0f".repeat(32)));
        for key in ["", "..", &"0F".repeat(32), &"0f".repeat(31), &"g0".repeat(32)] {
            assert!(!is_key(key), "{key}");
        }
    }
}
