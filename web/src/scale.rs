//! The scales of a plot: which numbers it spans, where they lie on it, and how they are written.

use std::fmt::Write;

/// Numbers from the bottom of a plot to its top.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    /// At the bottom.
    pub low: f64,
    /// At the top.
    pub high: f64,
}

impl Span {
    /// The span of some numbers; `None` when none of them is finite.
    pub fn of(values: impl IntoIterator<Item = f32>) -> Option<Self> {
        let finite = values.into_iter().filter(|value| value.is_finite()).map(f64::from);
        finite.map(|value| Self { low: value, high: value }).reduce(Self::union)
    }

    /// What spans both.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self { low: self.low.min(other.low), high: self.high.max(other.high) }
    }

    /// With a margin, and never without length.
    #[must_use]
    pub fn roomy(self) -> Self {
        let margin = (0.05 * (self.high - self.low)).max(1e-3 * self.low.abs().max(self.high.abs())).max(1e-6);
        Self { low: self.low - margin, high: self.high + margin }
    }

    /// How far below the top a number lies, as a share of the span.
    pub fn depth(self, value: f64) -> f64 {
        (self.high - value) / (self.high - self.low)
    }

    /// Round numbers in the span: one to five of them.
    pub fn ticks(self) -> Vec<f64> {
        let step = self.step();
        let first = (self.low / step).ceil();
        (0..8_u8).map(|tick| (first + f64::from(tick)) * step).take_while(|&value| value <= self.high).collect()
    }

    /// The distance of the ticks: 1, 2 or 5 times a power of ten.
    fn step(self) -> f64 {
        let rough = (self.high - self.low) / 4.0;
        let power = 10_f64.powf(rough.log10().floor());
        let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= rough).unwrap_or(10.0);
        factor * power
    }

    /// A tick in as few digits as tell it from the next.
    pub fn tick_label(self, value: f64) -> String {
        written(value, self.step())
    }

    /// A value in as many digits as can be seen on a plot of this span, and one more.
    pub fn value_label(self, value: f64) -> String {
        written(value, 0.001 * (self.high - self.low))
    }
}

/// A number in as many decimals as a resolution needs.
fn written(value: f64, resolution: f64) -> String {
    let digits = usize::try_from(whole(-resolution.log10().floor(), 0, 9)).unwrap_or_default();
    let text = format!("{value:.digits$}");
    // What rounds to nothing has no sign.
    let zero = text.strip_prefix('-').filter(|rest| rest.chars().all(|sign| sign == '0' || sign == '.'));
    zero.map_or_else(|| text.replace('-', "\u{2212}"), str::to_owned)
}

/// A number with four digits, for a field that a person may want to change.
pub fn four_digits(value: f64) -> f64 {
    let power = 10_f64.powf(3.0 - value.abs().log10().floor());
    let rounded = (value * power).round() / power;
    if rounded.is_finite() { rounded } else { value }
}

/// The nearest whole number between two.
#[expect(clippy::cast_possible_truncation, reason = "the number lies between two of the target type")]
pub fn whole(value: f64, low: i32, high: i32) -> i32 {
    value.round().clamp(f64::from(low), f64::from(high)) as i32
}

/// Where a step of the horizon lies between 0 and `width`.
pub fn across(step: usize, horizon: usize, width: i32) -> f64 {
    let share = if horizon > 1 { step as f64 / (horizon - 1) as f64 } else { 0.5 };
    share * f64::from(width)
}

/// Which step of the horizon lies nearest to a share of the width.
pub fn step_at(share: f64, horizon: usize) -> usize {
    let last = i32::try_from(horizon.saturating_sub(1)).unwrap_or(i32::MAX);
    usize::try_from(whole(share * f64::from(last), 0, last)).unwrap_or_default()
}

/// Adds a line to the `d` of an SVG path, in whole units: `M0 5 10 7 …`. Numbers that are not finite are left out.
pub fn add_line(path: &mut String, points: impl IntoIterator<Item = (f64, f64)>) {
    let mut before = 'M';
    for (x, y) in points.into_iter().filter(|(x, y)| x.is_finite() && y.is_finite()) {
        // Far outside, a line only has to leave the plot in the right direction.
        let (x, y) = (whole(x, -100_000, 100_000), whole(y, -100_000, 100_000));
        // Writing to a string cannot fail.
        let _ = write!(path, "{before}{x} {y}");
        before = ' ';
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_skip_what_is_not_a_number() {
        let span = Span::of([1.0, f32::NAN, -3.0, f32::INFINITY]);
        assert_eq!(span, Some(Span { low: -3.0, high: 1.0 }), "two finite numbers");
        assert_eq!(Span::of([f32::NAN]), None, "no number");
    }

    #[test]
    fn a_constant_has_room() {
        for value in [0.0, 5.0, -1e4] {
            let span = Span { low: value, high: value }.roomy();
            assert!(span.low < value && value < span.high, "{span:?} around {value}");
            assert!((span.depth(value) - 0.5).abs() < 1e-6, "in the middle");
        }
    }

    #[test]
    fn ticks_are_round_and_inside() {
        let span = Span { low: -0.13, high: 0.92 };
        let labels: Vec<String> = span.ticks().into_iter().map(|tick| span.tick_label(tick)).collect();
        assert_eq!(labels, ["0.0", "0.5"], "halves");
        for (low, high) in [(-1.0, 1.0), (0.0, 1e-4), (99.0, 101.0), (-3e5, 7e5), (0.2003, 0.2114)] {
            let span = Span { low, high };
            let ticks = span.ticks();
            assert!((2..=5).contains(&ticks.len()), "{span:?}: {ticks:?}");
            assert!(ticks.iter().all(|&tick| tick >= low && tick <= high), "{span:?}: {ticks:?}");
        }
    }

    #[test]
    fn labels() {
        let span = Span { low: -1.0, high: 1.0 };
        assert_eq!(span.value_label(0.123_456), "0.123", "a thousandth of the span");
        assert_eq!(span.value_label(-0.5), "\u{2212}0.500", "a minus sign, not a hyphen");
        assert_eq!(span.tick_label(-0.000_1), "0.0", "nothing has no sign");
    }

    #[test]
    fn four_digits_of_any_size() {
        let rounded = [0.0, 123_456.0, -0.001_234_56, 1.0].map(four_digits);
        assert_eq!(rounded.map(|value| value.to_string()), ["0", "123500", "-0.001235", "1"], "four digits");
    }

    #[test]
    fn lines() {
        let mut path = String::new();
        add_line(&mut path, [(0.0, 5.4), (10.2, f64::NAN), (20.0, 7.5)]);
        add_line(&mut path, [(1.0, 1e12)]);
        assert_eq!(path, "M0 5 20 8M1 100000", "two lines");
        assert_eq!([across(0, 5, 100), across(4, 5, 100), across(0, 1, 100)], [0.0, 100.0, 50.0], "first, last, only");
        assert_eq!([step_at(-1.0, 5), step_at(0.6, 5), step_at(9.0, 5), step_at(0.3, 1)], [0, 2, 4, 0], "nearest");
    }
}
