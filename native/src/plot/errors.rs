//! Errors and latencies of an evaluation.

use anyhow::Result;
use plotters::prelude::{
    BLACK, ChartBuilder, Color, IntoDrawingArea, IntoTextStyle, RGBColor, Rectangle, SVGBackend, WHITE,
};
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::panel::{BLUE, Bar, FONT, GREY, Line, ORANGE, Panel, count, drawn, narrow, short};

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
