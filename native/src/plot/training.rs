//! The curves of a training run.

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::panel::{BLUE, GREEN, GREY, Line, ORANGE, Panel, count, drawn};

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
    /// Share of successful episodes in the world.
    pub(crate) env_success: Option<f64>,
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
    let success = line(|point| point.env_success);
    if !success.is_empty() {
        panels.push(panel("Success in the world", "share of episodes", vec![Line::new("", ORANGE, success).dotted()]));
    }
    let rate = line(|point| point.lr);
    if !rate.is_empty() {
        panels.push(panel("Learning rate", "rate", vec![Line::new("", GREEN, rate)]));
    }
    drawn((900, 260 * count(&panels)), 1, &panels)
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
