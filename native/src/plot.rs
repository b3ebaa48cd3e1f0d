//! Pictures of numbers, as SVG text: training curves, action chunks, errors and latencies.
//!
//! Every picture is a grid of panels, and a panel is plain data: lines, bars, a shaded span, two axes. One function draws
//! it. The colours are those of Okabe and Ito, which stay apart for colour-blind readers. Labels are measured roughly,
//! because an SVG is typeset by whoever shows it; the sizes below leave room for that.

use std::iter;
use std::ops::Range;

use anyhow::Result;
use plotters::coord::Shift;
use plotters::prelude::{
    BLACK, ChartBuilder, Color, DrawingArea, IntoDrawingArea, IntoTextStyle, LineSeries, PathElement, RGBColor,
    Rectangle, SVGBackend, SeriesLabelPosition, WHITE,
};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use serde::{Deserialize, Serialize};

const BLUE: RGBColor = RGBColor(0, 114, 178);
const ORANGE: RGBColor = RGBColor(213, 94, 0);
const GREEN: RGBColor = RGBColor(0, 158, 115);
const GREY: RGBColor = RGBColor(120, 120, 120);

const FONT: &str = "sans-serif";
/// More points than this on a line cannot be told apart.
const MOST_POINTS: usize = 1500;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// One line of `metrics.jsonl`. Fields that a picture does not need are not read.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct MetricPoint {
    /// Updates done.
    pub(crate) step: u64,
    /// Training loss, averaged since the line before.
    pub(crate) loss: Option<f64>,
    /// Loss on held-out episodes.
    pub(crate) eval_loss: Option<f64>,
    /// Mean absolute error of predicted actions on held-out episodes.
    pub(crate) eval_action_mae: Option<f64>,
    /// The same error of always predicting the mean action.
    pub(crate) eval_mean_action_mae: Option<f64>,
    /// Learning rate.
    pub(crate) lr: Option<f64>,
}

/// Loss, held-out error and learning rate over the steps of a run.
pub(crate) fn training_curves(metrics: &[MetricPoint]) -> Result<String> {
    let line = |field: fn(&MetricPoint) -> Option<f64>| -> Vec<(f64, f64)> {
        let points = metrics.iter().filter_map(|point| Some((point.step as f64, field(point)?)));
        points.filter(|(_, value)| value.is_finite()).collect()
    };
    let last = metrics.iter().map(|point| point.step).max().unwrap_or(1);
    let steps = 0.0..last.max(1) as f64;
    let panel = |title: &str, y_title: &str, lines: Vec<Line>| Panel {
        x_title: "step".to_owned(),
        y_title: y_title.to_owned(),
        x: Some(steps.clone()),
        lines,
        ..Panel::titled(title)
    };

    let loss = line(|point| point.loss);
    let smooth = smoothed(&loss);
    let mut panels = vec![Panel {
        logarithmic: true,
        ..panel(
            "Loss",
            "loss (log)",
            vec![
                Line::new("", BLUE, loss).faint(),
                Line::new("training", BLUE, smooth),
                Line::new("held out", ORANGE, line(|point| point.eval_loss)).dotted(),
            ],
        )
    }];
    let error = line(|point| point.eval_action_mae);
    if !error.is_empty() {
        let level = |points: Vec<(f64, f64)>| -> Vec<(f64, f64)> {
            let ends = [steps.start, steps.end];
            let last = points.last().copied();
            last.map_or_else(Vec::new, |(_, value)| ends.map(|step| (step, value)).into())
        };
        let mean = level(line(|point| point.eval_mean_action_mae));
        let lines = vec![Line::new("policy", ORANGE, error).dotted(), Line::new("mean action", GREY, mean)];
        panels.push(panel("Held-out action error", "mean |error|", lines));
    }
    let rate = line(|point| point.lr);
    if !rate.is_empty() {
        panels.push(panel("Learning rate", "rate", vec![Line::new("", GREEN, rate)]));
    }
    drawn((900, 260 * count(&panels)), 1, &panels)
}

/// Action chunks, one small panel per action dimension: samples of the policy, and the truth in black.
///
/// `samples` are `[sample][step][dimension]`; the first is the one that would be executed, and its first `executed` steps
/// are shaded.
pub(crate) fn chunk_plot(
    names: &[String],
    samples: &[Vec<Vec<f32>>],
    truth: Option<&[Vec<f32>]>,
    executed: usize,
) -> Result<String> {
    let dimensions = samples.first().and_then(|chunk| chunk.first()).map_or(0, Vec::len);
    let panels: Vec<Panel> = (0..dimensions)
        .map(|dimension| {
            let mut lines: Vec<Line> =
                samples.iter().map(|chunk| Line::new("", BLUE, curve(chunk, dimension))).collect();
            for other in lines.iter_mut().skip(1) {
                other.opacity = 0.35;
            }
            lines.extend(truth.map(|truth| Line::new("", BLACK, curve(truth, dimension))));
            let unnamed = format!("action {dimension}");
            Panel {
                lines,
                shade: (executed > 0).then(|| 0.0..executed.saturating_sub(1) as f64),
                ..Panel::titled(names.get(dimension).unwrap_or(&unnamed))
            }
        })
        .collect();
    let columns = panels.len().clamp(1, 4);
    let rows = panels.len().div_ceil(columns).max(1);
    let size = (260 * narrow(columns) + 20, 190 * narrow(rows));
    drawn(size, columns, &panels)
}

/// How the error grows towards the end of the chunk. `mse` is drawn as its root, in the unit of the actions.
pub(crate) fn horizon_error_plot(mae: &[f64], mse: &[f64], baseline: &[f64]) -> Result<String> {
    let points = |values: &[f64]| -> Vec<(f64, f64)> { (0u32..).map(f64::from).zip(values.iter().copied()).collect() };
    let root: Vec<f64> = mse.iter().map(|value| value.sqrt()).collect();
    let panel = Panel {
        x_title: "step of the chunk".to_owned(),
        y_title: "error".to_owned(),
        from_zero: true,
        lines: vec![
            Line::new("mean |error|", BLUE, points(mae)).dotted(),
            Line::new("root mean square", ORANGE, points(&root)),
            Line::new("mean action, mean |error|", GREY, points(baseline)),
        ],
        ..Panel::titled("Error over the chunk")
    };
    drawn((900, 300), 1, &[panel])
}

/// How long predictions took, with the median and the slowest twentieth.
pub(crate) fn latency_histogram(milliseconds: &[f64]) -> Result<String> {
    let mut sorted: Vec<f64> = milliseconds.iter().copied().filter(|value| value.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let (Some(first), Some(last)) = (sorted.first(), sorted.last()) else {
        return drawn((900, 240), 1, &[Panel::titled("Latency (nothing was measured)")]);
    };
    let n_bins = sorted.len().isqrt().clamp(5, 40);
    let width = ((last - first) / n_bins as f64).max(1e-3);
    let edge = |bin: usize| first + bin as f64 * width;
    let below = |limit: f64| sorted.partition_point(|value| *value < limit);
    let bars: Vec<Bar> = (0..n_bins)
        .map(|bin| {
            let end = if bin + 1 == n_bins { sorted.len() } else { below(edge(bin + 1)) };
            Bar { x: edge(bin)..edge(bin + 1), height: (end - below(edge(bin))) as f64 }
        })
        .collect();
    let tallest = bars.iter().map(|bar| bar.height).fold(1.0, f64::max);
    let at = |percent: usize| sorted[(sorted.len() - 1) * percent / 100];
    let mark = |label: &str, color, value: f64| {
        let label = format!("{label} {} ms", short(value));
        Line::new(&label, color, vec![(value, 0.0), (value, tallest)])
    };
    let panel = Panel {
        x_title: "milliseconds per prediction".to_owned(),
        y_title: "predictions".to_owned(),
        from_zero: true,
        lines: vec![mark("median", ORANGE, at(50)), mark("95th percentile", BLACK, at(95))],
        bars,
        ..Panel::titled("Latency")
    };
    drawn((900, 260), 1, &[panel])
}

/// The error of every action dimension, beside that of always predicting its mean.
pub(crate) fn dimension_error_plot(names: &[String], mae: &[f64], baseline: &[f64]) -> Result<String> {
    let longest = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let left = 24 + 7 * narrow(longest.min(32));
    let largest = mae.iter().chain(baseline).copied().filter(|value| value.is_finite()).fold(1e-9, f64::max);
    let rows = names.len().max(1) as f64;
    let mut text = String::new();
    {
        let root = SVGBackend::with_string(&mut text, (900, 90 + 34 * count(names))).into_drawing_area();
        root.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&root)
            .margin(8)
            .margin_right(20)
            .caption("Error per action dimension (grey: mean action)", (FONT, 17))
            .x_label_area_size(44)
            .y_label_area_size(left)
            .build_cartesian_2d(0.0..largest * 1.05, 0.0..rows)?;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .disable_y_axis()
            .max_light_lines(0)
            .x_labels(8)
            .set_all_tick_mark_size(4)
            .bold_line_style(BLACK.mix(0.12))
            .label_style((FONT, 14))
            .x_desc("mean |error|")
            .x_label_formatter(&|value: &f64| short(*value))
            .draw()?;
        let style = (FONT, 14).into_text_style(&root).pos(Pos::new(HPos::Right, VPos::Center));
        for (index, name) in names.iter().enumerate() {
            let top = rows - index as f64;
            let bar = |values: &[f64], from: f64, to: f64, color: RGBColor| {
                let length = values.get(index).copied().filter(|value| value.is_finite()).unwrap_or(0.0);
                Rectangle::new([(0.0, top - from), (length, top - to)], color.filled())
            };
            chart.draw_series([bar(mae, 0.15, 0.55, BLUE), bar(baseline, 0.6, 0.8, GREY)])?;
            let (x, y) = chart.backend_coord(&(0.0, top - 0.45));
            root.draw_text(name, &style, (x - 8, y))?;
        }
        root.present()?;
    }
    Ok(text)
}

/// A curve in a panel.
struct Line {
    label: String,
    color: RGBColor,
    opacity: f64,
    dots: bool,
    points: Vec<(f64, f64)>,
}

impl Line {
    /// A line; one without a label stays out of the legend.
    fn new(label: &str, color: RGBColor, points: Vec<(f64, f64)>) -> Self {
        Self { label: label.to_owned(), color, opacity: 1.0, dots: false, points }
    }

    fn faint(mut self) -> Self {
        self.opacity = 0.3;
        self
    }

    /// With a dot at every point, for lines of few points.
    fn dotted(mut self) -> Self {
        self.dots = true;
        self
    }
}

/// A bar of a histogram.
struct Bar {
    x: Range<f64>,
    height: f64,
}

/// One set of axes and what is drawn in it.
struct Panel {
    title: String,
    x_title: String,
    y_title: String,
    /// The horizontal range, if it does not follow from the content.
    x: Option<Range<f64>>,
    logarithmic: bool,
    from_zero: bool,
    shade: Option<Range<f64>>,
    lines: Vec<Line>,
    bars: Vec<Bar>,
}

impl Panel {
    fn titled(title: &str) -> Self {
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
fn drawn(size: (u32, u32), columns: usize, panels: &[Panel]) -> Result<String> {
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

/// One dimension of a chunk, over its steps.
fn curve(chunk: &[Vec<f32>], dimension: usize) -> Vec<(f64, f64)> {
    let values = chunk.iter().map(|action| action.get(dimension).map_or(f64::NAN, |value| f64::from(*value)));
    (0u32..).map(f64::from).zip(values).collect()
}

/// A running mean that forgets over about a thirtieth of the line.
fn smoothed(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let weight = 2.0 / (points.len() as f64 / 30.0 + 1.0).max(2.0);
    let mut mean = None;
    let follow = |(x, y): &(f64, f64)| {
        let before = mean.unwrap_or(*y);
        let now = before + weight * (y - before);
        mean = Some(now);
        (*x, now)
    };
    points.iter().map(follow).collect()
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
fn count<T>(items: &[T]) -> u32 {
    narrow(items.len())
}

fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX / 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_a_picture(svg: &str, parts: &[&str]) {
        assert!(svg.starts_with("<svg width="), "{svg:.80}");
        assert!(svg.trim_end().ends_with("</svg>"), "the picture is cut off");
        assert!(svg.contains("viewBox"), "a picture has to scale");
        assert!(!svg.contains("NaN"), "a coordinate is not a number");
        for part in parts {
            assert!(svg.contains(*part), "`{part}` is missing");
        }
    }

    #[test]
    fn training_curves_read_lines_of_metrics() {
        let lines = [
            r#"{"step": 200, "loss": 1.0, "lr": 2e-5, "grad_norm": 3.5}"#,
            r#"{"step": 400, "loss": 0.5, "lr": 1e-5}"#,
            r#"{"step": 400, "eval_loss": 0.6, "eval_action_mae": 0.2, "eval_mean_action_mae": 0.4}"#,
        ];
        let metrics: Vec<MetricPoint> =
            lines.iter().map(|line| serde_json::from_str(line).expect("a line of metrics")).collect();
        let svg = training_curves(&metrics).expect("it can be drawn");
        is_a_picture(&svg, &["Loss", "held out", "Held-out action error", "mean action", "Learning rate"]);
    }

    #[test]
    fn odd_metrics_are_drawn_too() {
        is_a_picture(&training_curves(&[]).expect("an empty run"), &["Loss"]);
        let odd =
            [0.0, -1.0, f64::NAN, f64::INFINITY].map(|loss| MetricPoint { loss: Some(loss), ..MetricPoint::default() });
        is_a_picture(&training_curves(&odd).expect("odd numbers"), &["Loss"]);
    }

    #[test]
    fn a_chunk_has_a_panel_per_dimension() {
        let names: Vec<String> = ["shoulder", "elbow", "x<y"].map(str::to_owned).into();
        let chunk = vec![vec![0.1, 0.2, 0.3]; 8];
        let samples = vec![chunk.clone(), chunk.clone()];
        let svg = chunk_plot(&names, &samples, Some(&chunk), 4).expect("it can be drawn");
        is_a_picture(&svg, &["shoulder", "elbow", "x&lt;y"]);
        is_a_picture(&chunk_plot(&[], &samples, None, 0).expect("without names"), &["action 2"]);
        is_a_picture(&chunk_plot(&names, &[], None, 0).expect("without samples"), &[]);
    }

    #[test]
    fn errors_and_latencies_are_drawn() {
        let names: Vec<String> = ["shoulder", "elbow"].map(str::to_owned).into();
        let svg = dimension_error_plot(&names, &[0.1, 0.2], &[0.5]).expect("it can be drawn");
        is_a_picture(&svg, &["shoulder", "elbow"]);
        let svg = horizon_error_plot(&[0.1, 0.2], &[0.02, 0.05], &[]).expect("it can be drawn");
        is_a_picture(&svg, &["step of the chunk"]);
        for times in [&[][..], &[5.0][..], &[1.0, 2.0, 2.5, 9.0][..]] {
            is_a_picture(&latency_histogram(times).expect("it can be drawn"), &["Latency"]);
        }
    }

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
