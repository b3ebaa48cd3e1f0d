//! Numbers of bytes as people read them.

/// `812 MB`, `1.3 GB`: powers of ten, as browsers and shops count.
pub fn words(bytes: u64) -> String {
    let tenths = |unit: u64| (bytes.saturating_add(unit / 20)) / (unit / 10);
    match bytes {
        0..1_000 => format!("{bytes} bytes"),
        1_000..1_000_000 => format!("{} kB", bytes / 1_000),
        1_000_000..1_000_000_000 => format!("{} MB", bytes / 1_000_000),
        _ => format!("{}.{} GB", tenths(1_000_000_000) / 10, tenths(1_000_000_000) % 10),
    }
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn sizes_are_short() {
        for (bytes, expected) in [
            (0, "0 bytes"),
            (999, "999 bytes"),
            (1_500, "1 kB"),
            (812_345_678, "812 MB"),
            (1_250_000_000, "1.3 GB"),
            (1_999_999_999, "2.0 GB"),
            (u64::MAX, "18446744073.7 GB"),
        ] {
            assert_eq!(words(bytes), expected);
        }
    }
}
