//! Sizes as people write and read them.

/// Bytes of `24MiB`, `25 MB` or `1000000`; at least 1 KiB.
///
/// # Errors
/// A sentence for the command line.
pub(crate) fn parse(text: &str) -> Result<u64, String> {
    let digits = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => Some(1),
        "kb" => Some(1_000),
        "k" | "kib" => Some(1 << 10),
        "mb" => Some(1_000_000),
        "m" | "mib" => Some(1 << 20),
        "gb" => Some(1_000_000_000),
        "g" | "gib" => Some(1 << 30),
        _ => None,
    };
    let bytes = number.parse::<u64>().ok().zip(factor).and_then(|(number, factor)| number.checked_mul(factor));
    bytes.filter(|&bytes| bytes >= 1 << 10).ok_or_else(|| "write a size like 24MiB, at least 1KiB".to_owned())
}

/// `1.4 GiB`.
pub(super) fn words(bytes: u64) -> String {
    let mut size = bytes as f64;
    for unit in ["bytes", "KiB", "MiB"] {
        if size < 1024.0 {
            return if unit == "bytes" { format!("{bytes} bytes") } else { format!("{size:.1} {unit}") };
        }
        size /= 1024.0;
    }
    format!("{size:.1} GiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_their_unit() {
        let cases = [("24MiB", 24 << 20), ("25 MB", 25_000_000), ("4096", 4096), ("1g", 1 << 30), ("2kib", 2048)];
        for (text, bytes) in cases {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
        for text in ["", "MiB", "-1MiB", "1.5MiB", "10", "1 parsec", "99999999999999GiB", "٣MiB"] {
            assert!(parse(text).is_err(), "{text} is a size");
        }
    }

    #[test]
    fn sizes_are_said_in_the_largest_unit() {
        let cases = [(0, "0 bytes"), (1023, "1023 bytes"), (1536, "1.5 KiB"), (24 << 20, "24.0 MiB")];
        for (bytes, text) in cases {
            assert_eq!(words(bytes), text);
        }
        assert_eq!(words(3 << 30), "3.0 GiB", "the largest unit");
    }
}
