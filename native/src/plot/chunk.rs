//! Action chunks, dimension by dimension.

use anyhow::Result;
use plotters::prelude::BLACK;

use super::panel::{BLUE, Line, Panel, drawn, narrow};

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

/// One dimension of a chunk, over its steps.
fn curve(chunk: &[Vec<f32>], dimension: usize) -> Vec<(f64, f64)> {
    let values = chunk.iter().map(|action| action.get(dimension).map_or(f64::NAN, |value| f64::from(*value)));
    (0u32..).map(f64::from).zip(values).collect()
}
