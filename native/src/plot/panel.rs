//! A grid of panels: lines, bars, a shaded span, two axes.

use std::iter;
use std::ops::Range;

use anyhow::Result;
use plotters::coord::Shift;
use plotters::prelude::{
    BLACK, ChartBuilder, Color, DrawingArea, IntoDrawingArea, LineSeries, PathElement, RGBColor, Rectangle, SVGBackend,
    SeriesLabelPosition, WHITE,
};

pub(super) const BLUE: RGBColor = RGBColor(0, 114, 178);
pub(super) const ORANGE: RGBColor = RGBColor(213, 94, 0);
pub(super) const GREEN: RGBColor = RGBColor(0, 158, 115);
pub(super) const GREY: RGBColor = RGBColor(120, 120, 120);

pub(super) const FONT: &str = "sans-serif";
/// More points than this on a line cannot be told apart.
const MOST_POINTS: usize = 1500;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// A curve in a panel.
pub(super) struct Line {
    label: String,
    color: RGBColor,
    pub(super) opacity: f64,
    dots: bool,
    points: Vec<(f64, f64)>,
}

impl Line {
    /// A line; one without a label stays out of the legend.
    pub(super) fn new(label: &str, color: RGBColor, points: Vec<(f64, f64)>) -> Self {
        Self { label: label.to_owned(), color, opacity: 1.0, dots: false, points }
    }

    pub(super) fn faint(mut self) -> Self {
        self.opacity = 0.3;
        self
    }

    /// With a dot at every point, for lines of few points.
    pub(super) fn dotted(mut self) -> Self {
        self.dots = true;
        self
    }
}

/// A bar of a histogram.
pub(super) struct Bar {
    pub(super) x: Range<f64>,
    pub(super) height: f64,
}

/// One set of axes and what is drawn in it.
pub(super) struct Panel {
    pub(super) title: String,
    pub(super) x_title: String,
    pub(super) y_title: String,
    /// The horizontal range, if it does not follow from the content.
    pub(super) x: Option<Range<f64>>,
    pub(super) logarithmic: bool,
    pub(super) from_zero: bool,
    pub(super) shade: Option<Range<f64>>,
    pub(super) lines: Vec<Line>,
    pub(super) bars: Vec<Bar>,
}

impl Panel {
    pub(super) fn titled(title: &str) -> Self {
        Self {
            title: title.to_owned(),
            x_title: String::new(),
            y_title: String::new(),
            x: None,
            logarithmic: false,
            from_zero: false,
            shade: None,
            lines: Vec::new(),
            bars: Vec::new(),
        }
    }

    /// Where a value is drawn on the vertical axis, if it can be.
    fn height(&self, value: f64) -> Option<f64> {
        let height = if self.logarithmic { value.log10() } else { value };
        height.is_finite().then_some(height)
    }

    /// The points of a line that can be drawn, thinned to as many as can be told apart.
    fn path(&self, line: &Line) -> Vec<(f64, f64)> {
        let every = line.points.len().div_ceil(MOST_POINTS).max(1);
        let points = line.points.iter().step_by(every);
        points.filter_map(|(x, y)| Some((*x, self.height(*y)?))).collect()
    }

    fn ranges(&self) -> (Range<f64>, Range<f64>) {
        let paths = self.lines.iter().flat_map(|line| self.path(line));
        let bars = self.bars.iter().flat_map(|bar| [(bar.x.start, 0.0), (bar.x.end, bar.height)]);
        let (xs, mut ys): (Vec<f64>, Vec<f64>) = paths.chain(bars).unzip();
        if self.from_zero {
            ys.push(0.0);
        }
        let y = spread(&ys, 0.06);
        let x = self.x.clone().unwrap_or_else(|| spread(&xs, 0.0));
        (x, if self.from_zero { 0.0..y.end } else { y })
    }

    fn draw(&self, area: &Area<'_>) -> Result<()> {
        let (x, y) = self.ranges();
        let (low, high) = (y.start, y.end);
        let mut chart = ChartBuilder::on(area)
            .margin(8)
            .margin_right(20)
            .caption(&self.title, (FONT, 17))
            .x_label_area_size(if self.x_title.is_empty() { 26 } else { 44 })
            .y_label_area_size(if self.y_title.is_empty() { 50 } else { 70 })
            .build_cartesian_2d(x, y)?;
        let y_text = |value: &f64| short(if self.logarithmic { 10_f64.powf(*value) } else { *value });
        let x_text = |value: &f64| short(*value);
        chart
            .configure_mesh()
            .max_light_lines(0)
            .x_labels(8)
            .y_labels(5)
            .set_all_tick_mark_size(4)
            .bold_line_style(BLACK.mix(0.12))
            .axis_style(BLACK.mix(0.5))
            .label_style((FONT, 14))
            .axis_desc_style((FONT, 15))
            .x_desc(self.x_title.as_str())
            .y_desc(self.y_title.as_str())
            .x_label_formatter(&x_text)
            .y_label_formatter(&y_text)
            .draw()?;
        if let Some(shade) = &self.shade {
            let corners = [(shade.start, low), (shade.end, high)];
            chart.draw_series(iter::once(Rectangle::new(corners, BLUE.mix(0.1).filled())))?;
        }
        let bars = self.bars.iter().map(|bar| {
            let corners = [(bar.x.start, 0.0), (bar.x.end, bar.height)];
            Rectangle::new(corners, BLUE.mix(0.6).filled())
        });
        chart.draw_series(bars)?;
        for line in self.lines.iter().filter(|line| !line.points.is_empty()) {
            let style = line.color.mix(line.opacity).stroke_width(2).filled();
            let dot = if line.dots { 3 } else { 0 };
            let path = LineSeries::new(self.path(line), style).point_size(dot);
            let series = chart.draw_series(path)?;
            if !line.label.is_empty() {
                series
                    .label(line.label.as_str())
                    .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 18, y)], style));
            }
        }
        let has_legend = |line: &Line| !line.label.is_empty() && !line.points.is_empty();
        if self.lines.iter().any(has_legend) {
            chart
                .configure_series_labels()
                .position(SeriesLabelPosition::UpperRight)
                .background_style(WHITE.mix(0.85))
                .border_style(BLACK.mix(0.15))
                .label_font((FONT, 14))
                .legend_area_size(24)
                .margin(6)
                .draw()?;
        }
        Ok(())
    }
}

/// A grid of panels as the text of an SVG.
pub(super) fn drawn(size: (u32, u32), columns: usize, panels: &[Panel]) -> Result<String> {
    let mut text = String::new();
    {
        let root = SVGBackend::with_string(&mut text, size).into_drawing_area();
        root.fill(&WHITE)?;
        let rows = panels.len().div_ceil(columns).max(1);
        let areas = root.split_evenly((rows, columns));
        for (area, panel) in areas.iter().zip(panels) {
            panel.draw(area)?;
        }
        root.present()?;
    }
    Ok(text)
}

/// The range of some values, a little wider than they are, and never empty.
fn spread(values: &[f64], margin: f64) -> Range<f64> {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if low > high {
        return 0.0..1.0;
    }
    let size = low.abs().max(high.abs());
    let least = if size > 1e-12 { size * 1e-3 } else { 1.0 };
    let width = (high - low).max(least);
    let (before, after) = if high - low < least { (0.5, 0.5) } else { (margin, margin) };
    low - before * width..high + after * width
}

/// A number for an axis or a legend: short, and without digits that say nothing.
pub(crate) fn short(value: f64) -> String {
    let size = value.abs();
    for (limit, suffix) in [(1e9, "B"), (1e6, "M"), (1e4, "K")] {
        if size >= limit {
            let unit = if limit < 1e6 { 1e3 } else { limit };
            return trimmed(format!("{:.2}", value / unit)) + suffix;
        }
    }
    if size < 1e-12 {
        "0".to_owned()
    } else if size < 1e-3 {
        format!("{value:.1e}").replace(".0e", "e")
    } else if size < 0.1 {
        trimmed(format!("{value:.4}"))
    } else if size < 10.0 {
        trimmed(format!("{value:.3}"))
    } else if size < 1000.0 {
        trimmed(format!("{value:.1}"))
    } else {
        format!("{value:.0}")
    }
}

fn trimmed(digits: String) -> String {
    if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.').to_owned() } else { digits }
}

/// How many there are, as pictures count pixels.
pub(super) fn count<T>(items: &[T]) -> u32 {
    narrow(items.len())
}

pub(super) fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX / 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let cases = [
            (0.0, "0"),
            (2e-5, "2e-5"),
            (0.025, "0.025"),
            (0.5, "0.5"),
            (35.0, "35"),
            (1500.0, "1500"),
            (20_000.0, "20K"),
            (1_500_000.0, "1.5M"),
            (-0.25, "-0.25"),
        ];
        for (value, expected) in cases {
            assert_eq!(short(value), expected);
        }
    }

    #[test]
    fn ranges_are_never_empty() {
        for values in [&[][..], &[0.0][..], &[3.0, 3.0][..], &[1.0, 2.0][..]] {
            let range = spread(values, 0.0);
            assert!(range.start < range.end, "{values:?}");
        }
    }
}
