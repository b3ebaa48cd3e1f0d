//! How often tasks are done, and how sure that is.

use std::iter::once;

use anyhow::Result;
use plotters::prelude::{
    BLACK, ChartBuilder, Color, IntoDrawingArea, IntoTextStyle, PathElement, Rectangle, SVGBackend, WHITE,
};
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::panel::{BLUE, FONT, count, narrow};

/// One bar.
#[derive(Debug, Clone)]
pub(crate) struct SuccessBar {
    /// What was to be done.
    pub(crate) name: String,
    /// How often it was, from 0 to 1.
    pub(crate) share: f64,
    /// Where the true share is likely to be.
    pub(crate) interval: [f64; 2],
}

/// A bar for every share, with its interval as a line.
pub(crate) fn success_plot(bars: &[SuccessBar]) -> Result<String> {
    let longest = bars.iter().map(|bar| bar.name.chars().count()).max().unwrap_or(0);
    let left = 24 + 7 * narrow(longest.min(32));
    let rows = bars.len().max(1) as f64;
    let mut text = String::new();
    {
        let root = SVGBackend::with_string(&mut text, (900, 90 + 34 * count(bars))).into_drawing_area();
        root.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&root)
            .margin(8)
            .margin_right(30)
            .caption("Success, with 95% intervals", (FONT, 17))
            .x_label_area_size(30)
            .y_label_area_size(left)
            .build_cartesian_2d(0.0_f64..1.0, 0.0..rows)?;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .disable_y_axis()
            .max_light_lines(0)
            .x_labels(11)
            .set_all_tick_mark_size(4)
            .bold_line_style(BLACK.mix(0.12))
            .label_style((FONT, 14))
            .x_label_formatter(&|share: &f64| format!("{:.0}%", share * 100.0))
            .draw()?;
        let style = (FONT, 14).into_text_style(&root).pos(Pos::new(HPos::Right, VPos::Center));
        for (index, bar) in bars.iter().enumerate() {
            let top = rows - index as f64;
            let middle = top - 0.5;
            let corners = [(0.0, top - 0.2), (bar.share, top - 0.8)];
            chart.draw_series(once(Rectangle::new(corners, BLUE.mix(0.7).filled())))?;
            let [low, high] = bar.interval;
            let end = |at: f64| vec![(at, top - 0.35), (at, top - 0.65)];
            let lines = [vec![(low, middle), (high, middle)], end(low), end(high)];
            chart.draw_series(lines.map(|line| PathElement::new(line, BLACK.stroke_width(2))))?;
            let (x, y) = chart.backend_coord(&(0.0, middle));
            root.draw_text(&bar.name, &style, (x - 8, y))?;
        }
        root.present()?;
    }
    Ok(text)
}
