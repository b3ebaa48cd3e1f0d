//! A file that may have been cut into pieces, and the windows it is asked for in. No window crosses a border.

use std::ops::Range;

/// Where a file's pieces end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pieces {
    /// Position of the first byte after each piece; only the last may be unknown.
    ends: Vec<Option<u64>>,
}

/// A stretch of the file that one request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// Which piece it lies in.
    pub piece: usize,
    /// Its bytes, counted from the piece's first.
    pub within: Range<u64>,
    /// Its bytes, counted from the file's first.
    pub file: Range<u64>,
}

impl Pieces {
    /// A file in one piece, whose length may not be known yet.
    pub fn whole(length: Option<u64>) -> Self {
        Self { ends: vec![length] }
    }

    /// A file in pieces of these lengths; `None` when they are more than any file has.
    pub fn cut(lengths: impl IntoIterator<Item = u64>) -> Option<Self> {
        let mut end = 0_u64;
        let ends = lengths.into_iter().map(|length| {
            end = end.checked_add(length)?;
            Some(Some(end))
        });
        let ends: Vec<Option<u64>> = ends.collect::<Option<_>>()?;
        (!ends.is_empty()).then_some(Self { ends })
    }

    /// Length of the file, when it is known.
    pub fn length(&self) -> Option<u64> {
        self.ends.last().copied().flatten()
    }

    /// Sets the length of a piece that was not known.
    pub fn set_length(&mut self, piece: usize, length: u64) {
        let start = self.start(piece);
        if let Some(end) = self.ends.get_mut(piece).filter(|end| end.is_none()) {
            *end = start.checked_add(length);
        }
    }

    /// Position of a piece's first byte.
    pub fn start(&self, piece: usize) -> u64 {
        let before = piece.checked_sub(1).and_then(|before| self.ends.get(before).copied().flatten());
        before.unwrap_or(0)
    }

    /// Position of the first byte after a piece, when it is known.
    pub fn end(&self, piece: usize) -> Option<u64> {
        self.ends.get(piece).copied().flatten()
    }

    /// The window that begins at a position, at most `size` bytes long; `None` at the file's end.
    pub fn window(&self, position: u64, size: u64) -> Option<Window> {
        let piece = self.ends.iter().position(|end| end.is_none_or(|end| position < end))?;
        let start = self.start(piece);
        let end = position.saturating_add(size);
        let end = self.end(piece).map_or(end, |piece_end| end.min(piece_end));
        Some(Window { piece, within: position - start..end - start, file: position..end })
    }
}

#[cfg(test)]
mod tests {
    use super::{Pieces, Window};

    fn windows(pieces: &Pieces, size: u64) -> Vec<Window> {
        let mut position = 0;
        let next = || {
            let window = pieces.window(position, size)?;
            position = window.file.end;
            Some(window)
        };
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn windows_cover_a_file_without_gaps() {
        for (lengths, size, expected) in [
            (vec![10], 4, vec![(0, 0..4), (0, 4..8), (0, 8..10)]),
            (vec![4, 6], 4, vec![(0, 0..4), (1, 0..4), (1, 4..6)]),
            (vec![3, 0, 3], 8, vec![(0, 0..3), (2, 0..3)]),
            (vec![5], 5, vec![(0, 0..5)]),
        ] {
            let pieces = Pieces::cut(lengths.clone()).expect("a file");
            let found: Vec<_> =
                windows(&pieces, size).into_iter().map(|window| (window.piece, window.within)).collect();
            assert_eq!(found, expected, "{lengths:?} in windows of {size}");
            assert_eq!(pieces.length(), Some(lengths.iter().sum::<u64>()), "{lengths:?}");
        }
    }

    #[test]
    fn an_unknown_length_is_filled_in_once() {
        let mut pieces = Pieces::whole(None);
        let window = pieces.window(7, 10).expect("nothing says that it is over");
        assert_eq!((window.within, window.file), (7..17, 7..17));
        assert_eq!(pieces.length(), None);
        pieces.set_length(0, 12);
        pieces.set_length(0, 99);
        assert_eq!(pieces.length(), Some(12), "what is known stays");
        assert_eq!(pieces.window(7, 10).expect("five bytes are left").file, 7..12);
        assert_eq!(pieces.window(12, 10), None);
    }

    #[test]
    fn impossible_files_are_none() {
        assert_eq!(Pieces::cut([u64::MAX, 1]), None);
        assert_eq!(Pieces::cut([]), None);
        assert_eq!(Pieces::whole(Some(0)).window(0, 1), None, "an empty file");
        assert_eq!(Pieces::whole(Some(9)).window(u64::MAX, 1), None);
    }
}
