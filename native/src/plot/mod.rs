//! Pictures of numbers, as SVG text: training curves, action chunks, errors, latencies and success.
//!
//! Every picture is a grid of panels, and a panel is plain data: lines, bars, a shaded span, two axes. One function draws
//! it. The colours are those of Okabe and Ito, which stay apart for colour-blind readers. Labels are measured roughly,
//! because an SVG is typeset by whoever shows it; the sizes below leave room for that.

mod training;
mod chunk;
mod errors;
mod success;
mod panel;
#[cfg(test)]
mod tests;

pub(crate) use self::chunk::chunk_plot;
pub(crate) use self::errors::{dimension_error_plot, horizon_error_plot, latency_histogram};
pub(crate) use self::panel::short;
pub(crate) use self::success::{SuccessBar, success_plot};
pub(crate) use self::training::{MetricPoint, training_curves};
