//! Quantities in words: bytes, times, and how fast a load goes.

use std::collections::VecDeque;

/// Milliseconds that a load's speed is taken over.
const WINDOW: f64 = 4000.0;

/// Bytes as people say them: `980 B`, `12.4 MB`, `1.25 GB`.
pub fn bytes(count: f64) -> String {
    let mut value = count.max(0.0);
    for unit in ["B", "kB", "MB"] {
        if value < 999.5 {
            return three_digits(value, unit);
        }
        value /= 1000.0;
    }
    three_digits(value, "GB")
}

fn three_digits(value: f64, unit: &str) -> String {
    if unit == "B" || value >= 99.95 {
        format!("{value:.0} {unit}")
    } else if value >= 9.995 {
        format!("{value:.1} {unit}")
    } else {
        format!("{value:.2} {unit}")
    }
}

/// A time: `0.42 ms`, `35 ms`, `1.24 s`, `2 min 5 s`.
pub fn milliseconds(time: f64) -> String {
    if time < 9.995 {
        format!("{time:.2} ms")
    } else if time < 999.5 {
        format!("{time:.0} ms")
    } else if time < 59_950.0 {
        format!("{:.2} s", time / 1000.0)
    } else {
        let seconds = (time / 1000.0).round();
        format!("{:.0} min {:.0} s", (seconds / 60.0).floor(), seconds % 60.0)
    }
}

/// A time to wait, roughly: `4 s`, `3 min`.
pub fn wait(time: f64) -> String {
    let seconds = (time / 1000.0).ceil();
    if seconds < 100.0 { format!("{seconds:.0} s") } else { format!("{:.0} min", (seconds / 60.0).ceil()) }
}

/// The middle of some numbers; `None` when there are none.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = sorted.get(middle).copied()?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    sorted.get(middle - 1).map(|lower| 0.5 * (lower + upper))
}

/// How fast a load goes, over its last few seconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pace {
    /// Milliseconds of the clock, and bytes by then.
    seen: VecDeque<(f64, f64)>,
}

impl Pace {
    /// Notes how many bytes there are at a time, in milliseconds of any clock that only goes forward.
    pub fn note(&mut self, now: f64, bytes: f64) {
        if self.seen.back().is_some_and(|&(_, before)| bytes < before) {
            self.seen.clear();
        }
        self.seen.push_back((now, bytes));
        while self.seen.len() > 2 && self.seen.front().is_some_and(|&(time, _)| now - time > WINDOW) {
            self.seen.pop_front();
        }
    }

    /// Bytes per second, once there is half a second to tell it from.
    pub fn speed(&self) -> Option<f64> {
        let (&(began, first), &(now, last)) = (self.seen.front()?, self.seen.back()?);
        (now - began >= 500.0).then(|| 1000.0 * (last - first) / (now - began))
    }

    /// Milliseconds until `total` bytes are there.
    pub fn left(&self, total: f64) -> Option<f64> {
        let speed = self.speed().filter(|&speed| speed > 0.0)?;
        let (_, bytes) = self.seen.back()?;
        (total > *bytes).then(|| 1000.0 * (total - bytes) / speed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        let said = [0.0, 999.0, 1000.0, 12_345.0, 999_600.0, 151_781_376.0, 1.25e9].map(bytes);
        assert_eq!(said, ["0 B", "999 B", "1.00 kB", "12.3 kB", "1.00 MB", "152 MB", "1.25 GB"], "bytes");
        let said = [0.421, 35.2, 999.6, 1240.0, 125_000.0].map(milliseconds);
        assert_eq!(said, ["0.42 ms", "35 ms", "1.00 s", "1.24 s", "2 min 5 s"], "times");
        assert_eq!([1.0, 3000.0, 130_000.0].map(wait), ["1 s", "3 s", "3 min"], "times to wait");
    }

    #[test]
    fn the_middle() {
        assert_eq!(median(&[]), None, "of nothing");
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0), "of three");
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), Some(2.5), "of four");
    }

    #[test]
    fn a_steady_load() {
        let mut pace = Pace::default();
        pace.note(0.0, 0.0);
        assert_eq!(pace.speed(), None, "one point tells no speed");
        for second in 1..=10_u8 {
            pace.note(1000.0 * f64::from(second), 5e6 * f64::from(second));
        }
        assert_eq!(pace.speed(), Some(5e6), "bytes per second");
        assert_eq!(pace.left(60e6), Some(2000.0), "10 MB are left");
        assert_eq!(pace.left(50e6), None, "nothing is left");
        pace.note(11_000.0, 1.0);
        assert_eq!(pace.speed(), None, "a load that began again");
    }
}
