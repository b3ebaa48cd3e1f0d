//! What a server's answer says of a file: which bytes it holds, and whether the file is still the same.

use serde::{Deserialize, Serialize};

/// `Content-Range: bytes 0-99/1234`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentRange {
    /// Position of the first byte.
    pub start: u64,
    /// Length of the whole file, when the server tells.
    pub total: Option<u64>,
}

impl ContentRange {
    /// Reads the header.
    pub fn parse(header: &str) -> Option<Self> {
        let (range, total) = header.trim().strip_prefix("bytes ")?.split_once('/')?;
        let (start, _last) = range.split_once('-')?;
        Some(Self { start: start.trim().parse().ok()?, total: total.trim().parse().ok() })
    }
}

/// By what a file's state is known again. Servers tell some of it, and let other sites see less.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// `ETag`.
    pub etag: Option<String>,
    /// `Last-Modified`.
    pub modified: Option<String>,
    /// Length in bytes, as it is on the server.
    pub length: Option<u64>,
}

impl Stamp {
    /// Whether two stamps are of the same state of a file: by the entity tag, else by the date, else by the length alone.
    /// `None` when they have nothing in common to compare.
    pub fn is_same(&self, other: &Self) -> Option<bool> {
        if let (Some(one), Some(other)) = (self.length, other.length)
            && one != other
        {
            return Some(false);
        }
        if let (Some(one), Some(other)) = (&self.etag, &other.etag) {
            return Some(bare(one) == bare(other));
        }
        if let (Some(one), Some(other)) = (&self.modified, &other.modified) {
            return Some(one == other);
        }
        self.length.and(other.length).map(|_equal| true)
    }
}

/// An entity tag without what a compressing server adds to it.
fn bare(etag: &str) -> &str {
    let etag = etag.trim();
    let etag = etag.strip_prefix("W/").unwrap_or(etag).trim_matches('"');
    let etag = etag.strip_suffix("-gzip").or_else(|| etag.strip_suffix("-br")).unwrap_or(etag);
    etag.trim_end_matches('-')
}

#[cfg(test)]
mod tests {
    use super::{ContentRange, Stamp};

    #[test]
    fn the_header_of_a_range_is_read() {
        let read = ContentRange::parse;
        assert_eq!(read("bytes 5-9/10"), Some(ContentRange { start: 5, total: Some(10) }));
        assert_eq!(read(" bytes 0-0/* "), Some(ContentRange { start: 0, total: None }));
        for header in ["", "bytes */10", "bytes 5", "items 0-1/2", "bytes a-b/c", "bytes -1-2/3"] {
            assert_eq!(read(header), None, "{header}");
        }
    }

    #[test]
    fn stamps_are_compared_by_what_both_have() {
        let stamp = |etag: Option<&str>, modified: Option<&str>, length: Option<u64>| Stamp {
            etag: etag.map(str::to_owned),
            modified: modified.map(str::to_owned),
            length,
        };
        let whole = stamp(Some("\"a\""), Some("Monday"), Some(9));
        for (what, other, expected) in [
            ("the same", whole.clone(), Some(true)),
            ("another date of the same tag", stamp(Some("\"a\""), Some("Tuesday"), None), Some(true)),
            ("a compressed answer", stamp(Some("W/\"a-gzip\""), None, None), Some(true)),
            ("another tag", stamp(Some("\"b\""), Some("Monday"), Some(9)), Some(false)),
            ("another length", stamp(Some("\"a\""), None, Some(8)), Some(false)),
            ("the date alone", stamp(None, Some("Monday"), None), Some(true)),
            ("another date alone", stamp(None, Some("Tuesday"), Some(9)), Some(false)),
            ("the length alone", stamp(None, None, Some(9)), Some(true)),
            ("nothing", stamp(None, None, None), None),
        ] {
            assert_eq!(whole.is_same(&other), expected, "{what}");
            assert_eq!(other.is_same(&whole), expected, "{what}, the other way round");
        }
    }
}
