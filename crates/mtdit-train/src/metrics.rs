//! `metrics.jsonl`: one JSON object per line, in the output folder; and the averages that go into it.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use crate::atomic::replace_file;
use crate::error::TrainError;
use crate::event::StepMetrics;

/// Appends lines to `metrics.jsonl`.
#[derive(Debug)]
pub(crate) struct MetricsFile {
    path: PathBuf,
}

impl MetricsFile {
    /// Opens the file of a run that is at `step`; lines of later steps, from a run that was cut off, are dropped.
    pub(crate) fn open(folder: &Path, step: u64) -> Result<Self, TrainError> {
        let path = folder.join("metrics.jsonl");
        if let Ok(text) = fs::read_to_string(&path) {
            let is_past = |line: &&str| {
                let value: Option<Value> = serde_json::from_str(line).ok();
                value.and_then(|value| value["step"].as_u64()).is_some_and(|at| at <= step)
            };
            let kept: Vec<&str> = text.lines().filter(is_past).collect();
            let mut kept = kept.join("\n");
            if !kept.is_empty() {
                kept.push('\n');
            }
            replace_file(&path, kept.as_bytes())?;
        }
        Ok(Self { path })
    }

    pub(crate) fn append(&self, line: &impl Serialize) -> Result<(), TrainError> {
        let invalid =
            |error: serde_json::Error| TrainError::Invalid { path: self.path.clone(), reason: error.to_string() };
        let mut text = serde_json::to_string(line).map_err(invalid)?;
        text.push('\n');
        let mut file = fs::File::options()
            .create(true)
            .append(true)
            .open(&self.path)
            .map_err(TrainError::io("opening", &self.path))?;
        file.write_all(text.as_bytes()).map_err(TrainError::io("writing", &self.path))
    }
}

/// Sums since the last line of the log.
#[derive(Clone, Debug, Default)]
pub(crate) struct Averages {
    updates: u32,
    samples: usize,
    loss: f64,
    grad_norm: f64,
    lr: f64,
    data: Duration,
    total: Duration,
}

impl Averages {
    pub(crate) fn add(&mut self, loss: f32, grad_norm: f32, lr: f64, samples: usize, data: Duration, total: Duration) {
        self.updates += 1;
        self.samples += samples;
        self.loss += f64::from(loss);
        self.grad_norm += f64::from(grad_norm);
        self.lr += lr;
        self.data += data;
        self.total += total;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.updates == 0
    }

    /// The averages, and a fresh start.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    pub(crate) fn take(&mut self, step: u64, samples: u64, n_frames: usize) -> StepMetrics {
        let Self { updates, samples: seen, loss, grad_norm, lr, data, total } = std::mem::take(self);
        let per_update = |sum: f64| sum / f64::from(updates.max(1));
        StepMetrics {
            step,
            samples,
            epochs: samples as f64 / n_frames.max(1) as f64,
            loss: per_update(loss),
            grad_norm: per_update(grad_norm),
            lr: per_update(lr),
            update_s: per_update((total.saturating_sub(data)).as_secs_f64()),
            data_s: per_update(data.as_secs_f64()),
            step_s: per_update(total.as_secs_f64()),
            samples_per_s: seen as f64 / total.as_secs_f64().max(1e-9),
        }
    }
}
