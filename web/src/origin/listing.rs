//! What a folder's `manifest.json` may say: anything else is passed over, as if there were none.

use mtdit_policy::checkpoint::files::CONFIG;

use crate::manifest::{ListedFile, Manifest};

/// Reads a manifest. `None` when it is none, does not list `config.json`, or contradicts itself: many a web site has another
/// file of this name.
pub fn read(json: &[u8]) -> Option<Manifest> {
    let manifest: Manifest = serde_json::from_slice(json).ok()?;
    let is_sound = manifest.file(CONFIG).is_some() && manifest.files.iter().all(is_sound);
    is_sound.then_some(manifest)
}

/// Whether a path stays below its folder, and is written as an address has it.
pub fn is_plain(path: &str) -> bool {
    let is_name = |name: &str| !matches!(name, "" | "." | "..");
    !path.contains(['\\', ':']) && path.split('/').all(is_name)
}

/// The hash that a file must have, if any is given.
pub fn hash(file: &ListedFile) -> Option<&str> {
    Some(file.sha256.as_str()).filter(|hash| !hash.is_empty())
}

fn is_sound(file: &ListedFile) -> bool {
    let is_hash = |hash: &str| hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    let pieces = file.pieces.iter().try_fold(0_u64, |sum, piece| sum.checked_add(piece.bytes));
    is_plain(&file.path)
        && hash(file).is_none_or(is_hash)
        && file.pieces.iter().all(|piece| is_plain(&piece.path))
        && (file.pieces.is_empty() || pieces == Some(file.bytes))
}

#[cfg(test)]
mod tests {
    use super::{is_plain, read};

    #[test]
    fn a_manifest_lists_the_configuration() {
        let whole = r#"{"name": "x", "files": [
            {"path": "config.json", "bytes": 3, "sha256": ""},
            {"path": "model.safetensors", "bytes": 9, "sha256": "", "pieces": [
                {"path": "model.safetensors.000", "bytes": 5}, {"path": "model.safetensors.001", "bytes": 4}
            ]}
        ]}"#;
        assert!(read(whole.as_bytes()).is_some());
        for (what, from, to) in [
            ("no configuration", "config.json", "other.json"),
            ("a path that leaves the folder", "config.json", "../config.json"),
            ("pieces that do not add up", "\"bytes\": 9", "\"bytes\": 10"),
            ("a hash that is none", "\"sha256\": \"\"", "\"sha256\": \"abc\""),
            ("a web page", "{\"name\"", "<html>"),
            ("another site's manifest", "\"files\"", "\"icons\""),
        ] {
            assert!(read(whole.replacen(from, to, 1).as_bytes()).is_none(), "{what}");
        }
    }

    #[test]
    fn plain_paths_stay_below_their_folder() {
        for path in ["config.json", "clip/config.json", "a b/ü.png", "..a"] {
            assert!(is_plain(path), "{path}");
        }
        for path in ["", "/a", "a/", "a//b", "../a", "a/..", ".", "C:/a", "a\\b"] {
            assert!(!is_plain(path), "{path}");
        }
    }
}
