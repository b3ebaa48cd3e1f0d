//! Files that are not what their name says: told by their first bytes, before anything else is read.

/// What came instead of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Impostor {
    /// A web page.
    Html,
    /// The few lines that git leaves in the place of a large file.
    GitLfs,
}

impl Impostor {
    /// Recognises one by a file's first bytes; eight are enough.
    pub fn of(first: &[u8]) -> Option<Self> {
        // Text has no zeros. The length that safetensors begin with may have any letter as its first byte, and ends in zeros.
        if first.iter().take(8).any(|byte| *byte == 0) {
            return None;
        }
        let first = first.strip_prefix(b"\xef\xbb\xbf").unwrap_or(first).trim_ascii_start();
        if first.starts_with(b"<") {
            Some(Self::Html)
        } else if first.starts_with(b"version ") {
            Some(Self::GitLfs)
        } else {
            None
        }
    }

    /// Whether an answer's `Content-Type` announces a web page.
    pub fn is_html(content_type: &str) -> bool {
        let kind = content_type.split(';').next().unwrap_or_default().trim();
        kind.eq_ignore_ascii_case("text/html") || kind.eq_ignore_ascii_case("application/xhtml+xml")
    }
}

#[cfg(test)]
mod tests {
    use super::Impostor;

    #[test]
    fn pages_and_pointers_are_told_from_files() {
        for (first, expected) in [
            (&b"<!doctyp"[..], Some(Impostor::Html)),
            (b"\n\n  <htm", Some(Impostor::Html)),
            (b"\xef\xbb\xbf<html", Some(Impostor::Html)),
            (b"version ", Some(Impostor::GitLfs)),
            (b"version https://git-lfs.github.com/spec/v1\n", Some(Impostor::GitLfs)),
            (b"{\"type\":", None),
            (b"\x10\x27\0\0\0\0\0\0{", None),
            (b"<\xc4\0\0\0\0\0\0{", None),
            (b"", None),
        ] {
            assert_eq!(Impostor::of(first), expected, "{}", String::from_utf8_lossy(first));
        }
        assert!(Impostor::is_html("Text/HTML; charset=utf-8"));
        assert!(!Impostor::is_html("application/json"));
        assert!(!Impostor::is_html(""));
    }
}
