//! How often, and after what time, a broken connection is tried again.

/// Tries in a row without a single byte between them.
pub const TRIES: u32 = 5;
/// Milliseconds before the first of them; each further one waits twice as long.
const FIRST_PAUSE: u32 = 300;

/// Counts the tries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patience {
    failed: u32,
}

impl Patience {
    /// Bytes arrived: the count begins anew.
    pub fn restore(&mut self) {
        self.failed = 0;
    }

    /// Number of the next try and the milliseconds before it; `None` when it is enough.
    pub fn next_try(&mut self) -> Option<(u32, u32)> {
        if self.failed == TRIES {
            return None;
        }
        self.failed += 1;
        Some((self.failed, FIRST_PAUSE << (self.failed - 1)))
    }
}

#[cfg(test)]
mod tests {
    use super::{Patience, TRIES};

    #[test]
    fn pauses_grow_until_it_is_enough() {
        let mut patience = Patience::default();
        let tries: Vec<(u32, u32)> = std::iter::from_fn(|| patience.next_try()).collect();
        assert_eq!(tries, [(1, 300), (2, 600), (3, 1200), (4, 2400), (5, 4800)]);
        assert_eq!(patience.next_try(), None, "it stays enough");
        patience.restore();
        assert_eq!(std::iter::from_fn(|| patience.next_try()).count(), TRIES as usize);
    }
}
