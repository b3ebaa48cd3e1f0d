//! Addresses of a checkpoint's files: the folder, and the query that goes with every file.

use thiserror::Error;

/// An address that no checkpoint can be loaded from.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AddressError {
    /// It does not begin as a web address does.
    #[error("`{address}` is no web address; give the folder of a checkpoint as https://… or http://…")]
    Scheme {
        /// What was given.
        address: String,
    },
}

/// A checkpoint's folder on a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    /// `https://host/path/`.
    base: String,
    /// With its `?`, or empty.
    query: String,
}

impl Folder {
    /// The folder that an address means: the address itself, with or without `/` at its end, or the folder of the file that
    /// it names. A model's page on the Hugging Face Hub means the files shown on it.
    ///
    /// # Errors
    /// [`AddressError`] when it is no web address.
    pub fn parse(address: &str) -> Result<Self, AddressError> {
        let refuse = || AddressError::Scheme { address: address.to_owned() };
        let whole = address.trim();
        let whole = whole.split_once('#').map_or(whole, |(before, _fragment)| before);
        let (path, query) = whole.split_once('?').map_or((whole, None), |(path, query)| (path, Some(query)));
        let (scheme, rest) = path.split_once("://").ok_or_else(refuse)?;
        let scheme = scheme.to_ascii_lowercase();
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        if !matches!(scheme.as_str(), "http" | "https") || host.is_empty() {
            return Err(refuse());
        }
        let mut segments: Vec<&str> = path.split('/').collect();
        if host == "huggingface.co" {
            as_hub_files(&mut segments);
        }
        let is_file = |segment: &str| segment.ends_with(".json") || segment.ends_with(".safetensors");
        if segments.last().is_some_and(|last| last.is_empty() || is_file(last)) {
            segments.pop();
        }
        let folders: String = segments.iter().map(|segment| format!("{segment}/")).collect();
        let query = query.filter(|query| !query.is_empty()).map(|query| format!("?{query}"));
        Ok(Self { base: format!("{scheme}://{host}/{folders}"), query: query.unwrap_or_default() })
    }

    /// The address of a file below the folder; `path` is a path as people write it.
    pub fn file(&self, path: &str) -> String {
        format!("{}{}{}", self.base, escaped(path, false), self.query)
    }

    /// The whole address of something that the folder's own files refer to.
    pub fn resolve(&self, reference: &str) -> String {
        let is_whole = ["https://", "http://", "data:", "blob:"].iter().any(|start| reference.starts_with(start));
        if is_whole {
            return reference.to_owned();
        }
        let path = reference.trim_start_matches("./");
        format!("{}{}{}", self.base, escaped(path, true), self.query)
    }

    /// The folder's own address; the same for every way to write it.
    pub fn address(&self) -> String {
        format!("{}{}", self.base, self.query)
    }

    /// A name for people: the last folder that says anything, or `owner/model` on the Hub.
    pub fn name(&self) -> String {
        let path = self.base.split_once("://").map_or("", |(_scheme, rest)| rest);
        let mut segments = path.trim_end_matches('/').split('/').map(unescaped);
        let host = segments.next().unwrap_or_default();
        let segments: Vec<String> = segments.collect();
        if host == "huggingface.co"
            && let [owner, model, ..] = segments.as_slice()
        {
            return format!("{owner}/{model}");
        }
        let says_nothing = |segment: &String| matches!(segment.as_str(), "pretrained_model" | "last" | "checkpoints");
        segments.into_iter().rev().find(|segment| !says_nothing(segment)).unwrap_or(host)
    }
}

/// `owner/model`, `owner/model/tree/main` and `owner/model/blob/main/config.json` are pages; the files are under `resolve`.
fn as_hub_files(segments: &mut Vec<&str>) {
    if segments.last().is_some_and(|last| last.is_empty()) {
        segments.pop();
    }
    let is_model = segments.first().is_some_and(|first| !matches!(*first, "datasets" | "spaces" | "api"));
    match segments.get(2).copied() {
        None if is_model && segments.len() == 2 => segments.extend(["resolve", "main"]),
        Some("tree" | "blob") if is_model => segments[2] = "resolve",
        _ => {}
    }
}

/// A path as it stands in an address. What is escaped already may be left as it is.
fn escaped(path: &str, keep_escapes: bool) -> String {
    let mut text = String::with_capacity(path.len());
    for byte in path.bytes() {
        let is_plain = byte.is_ascii_alphanumeric() || b"-_.~!$&'()*+,;=:@/".contains(&byte);
        if is_plain || (keep_escapes && byte == b'%') {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

/// A segment as people read it.
fn unescaped(segment: &str) -> String {
    let bytes = segment.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let digits = segment.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        if let Some(byte) = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            plain.push(byte);
            at += 3;
        } else {
            plain.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8(plain).unwrap_or_else(|_binary| segment.to_owned())
}

#[cfg(test)]
mod tests {
    use super::Folder;

    fn folder(address: &str) -> Folder {
        Folder::parse(address).unwrap_or_else(|error| panic!("{address}: {error}"))
    }

    #[test]
    fn every_way_to_write_a_folder_means_the_same() {
        let plain = "https://host/a/b/";
        for address in [
            "https://host/a/b",
            "https://host/a/b/",
            " https://host/a/b/ ",
            "HTTPS://host/a/b/#part",
            "https://host/a/b/config.json",
            "https://host/a/b/model.safetensors",
            "https://host/a/b/manifest.json",
        ] {
            assert_eq!(folder(address).address(), plain, "{address}");
        }
        assert_eq!(folder("http://host:8000").file("config.json"), "http://host:8000/config.json");
        assert_eq!(folder("http://host/config.json").file("config.json"), "http://host/config.json");
    }

    #[test]
    fn the_query_goes_with_every_file() {
        let folder = folder("https://host/a/config.json?token=x&y=1#z");
        assert_eq!(folder.file("clip/config.json"), "https://host/a/clip/config.json?token=x&y=1");
        assert_eq!(folder.address(), "https://host/a/?token=x&y=1");
        assert_eq!(folder.resolve("sample/0.png"), "https://host/a/sample/0.png?token=x&y=1");
    }

    #[test]
    fn a_page_of_the_hub_means_its_files() {
        let files = "https://huggingface.co/owner/model/resolve/main/";
        for page in [
            "https://huggingface.co/owner/model",
            "https://huggingface.co/owner/model/",
            "https://huggingface.co/owner/model/tree/main",
            "https://huggingface.co/owner/model/blob/main/config.json",
            "https://huggingface.co/owner/model/resolve/main/",
        ] {
            assert_eq!(folder(page).address(), files, "{page}");
            assert_eq!(folder(page).name(), "owner/model", "{page}");
        }
        let data = "https://huggingface.co/datasets/owner/";
        assert_eq!(folder(data).address(), data, "only models are known");
    }

    #[test]
    fn what_is_no_web_address_is_refused() {
        for address in ["", "folder", "/a/b", "ftp://host/a", "file:///a/b", "https://", "data:,x"] {
            assert!(Folder::parse(address).is_err(), "{address}");
        }
    }

    #[test]
    fn paths_are_escaped_and_names_are_not() {
        let folder = folder("https://host/my%20models/pretrained_model/");
        assert_eq!(folder.file("a b?#%.json"), "https://host/my%20models/pretrained_model/a%20b%3F%23%25.json");
        assert_eq!(folder.resolve("./a%20b é.png"), "https://host/my%20models/pretrained_model/a%20b%20%C3%A9.png");
        assert_eq!(folder.resolve("https://elsewhere/x.png"), "https://elsewhere/x.png");
        assert_eq!(folder.name(), "my models");
    }

    #[test]
    fn a_name_is_found_in_any_address() {
        for (address, name) in [
            ("https://host", "host"),
            ("https://host/pretrained_model", "host"),
            ("https://host/run/checkpoints/last/pretrained_model", "run"),
            ("https://host/%ff/", "%ff"),
            ("https://host/%", "%"),
            ("https://host/é%4", "é%4"),
        ] {
            assert_eq!(folder(address).name(), name, "{address}");
        }
    }
}
