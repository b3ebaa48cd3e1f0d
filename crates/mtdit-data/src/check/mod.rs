//! Looking a whole dataset over: what a user should know before training on it.

mod cameras;

use self::cameras::{CameraFindings, check_camera, check_counts};
use crate::dataset::Dataset;
use crate::table::{FRAME_INDEX, TASK_INDEX};

/// `LeRobot` refuses pictures that are further from their frame, in seconds.
const TOLERANCE_SECS: f64 = 1e-4;
/// A 32-bit time of an hour is known this well.
const RELATIVE_TOLERANCE: f64 = 1e-6;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Training works, but perhaps not as intended.
    Warning,
    /// Training will fail or learn from wrong data.
    Error,
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// A sentence for the user.
    pub message: String,
}

/// Examines every number, every table of contents, and the first and last picture of every episode.
///
/// `progress` is told how many episodes of how many were examined, cameras counted one by one. What cannot be opened at
/// all was already reported by [`Dataset::open`].
pub fn check(dataset: &Dataset, progress: &(dyn Fn(u64, u64) + Sync)) -> Vec<Finding> {
    let mut findings = Findings::default();
    for warning in dataset.warnings() {
        findings.add(Severity::Warning, warning.clone());
    }
    check_times(dataset, &mut findings);
    check_numbers(dataset, &mut findings);
    check_tasks(dataset, &mut findings);
    check_stats(dataset, &mut findings);
    let cameras = dataset.cameras();
    let total = (cameras.len() * dataset.episodes().len()) as u64;
    let mut done = 0;
    for camera in cameras {
        let mut seen = CameraFindings::default();
        for episode in dataset.episodes() {
            progress(done, total);
            check_camera(dataset, camera, episode, &mut seen);
            done += 1;
        }
        seen.report(camera, &mut findings);
        check_counts(dataset, camera, &mut findings);
    }
    progress(total, total);
    findings.0
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, severity: Severity, message: String) {
        self.0.push(Finding { severity, message });
    }
}

/// Frames of an episode are numbered from zero, and their times are those numbers divided by the rate.
fn check_times(dataset: &Dataset, findings: &mut Findings) {
    let fps = f64::from(dataset.info().fps);
    let (mut wrong_numbers, mut wrong_times) = (Vec::new(), Vec::new());
    for episode in dataset.episodes() {
        for (offset, index) in (episode.from..episode.to).enumerate() {
            let number = dataset.table().integer(FRAME_INDEX, index);
            if number.and_then(|number| usize::try_from(number).ok()) != Some(offset) {
                wrong_numbers.push(index);
            }
            let expected = offset as f64 / fps;
            let found = dataset.table().timestamp(index);
            let close = (found - expected).abs() <= TOLERANCE_SECS + expected * RELATIVE_TOLERANCE;
            if !close {
                wrong_times.push(index);
            }
        }
    }
    if let Some(first) = wrong_numbers.first() {
        findings.add(
            Severity::Warning,
            format!(
                "`frame_index` does not count the frames of its episode in {} frames, the first is {first}",
                wrong_numbers.len()
            ),
        );
    }
    if let Some(first) = wrong_times.first() {
        findings.add(
            Severity::Warning,
            format!(
                "`timestamp` is not frame_index / {fps} in {} frames, the first is {first}; the recording had gaps or \
                 another rate",
                wrong_times.len()
            ),
        );
    }
}

/// Numbers are finite, and dimensions of states and actions move.
fn check_numbers(dataset: &Dataset, findings: &mut Findings) {
    for key in dataset.numeric_keys() {
        let Some(column) = dataset.column(key) else {
            continue;
        };
        let mut extremes = vec![(f64::INFINITY, f64::NEG_INFINITY); column.width];
        let mut not_finite = Vec::new();
        for index in 0..dataset.n_frames() {
            let row = column.as_f64(index);
            if row.iter().any(|value| !value.is_finite()) {
                not_finite.push(index);
            }
            for ((min, max), value) in extremes.iter_mut().zip(row) {
                *min = min.min(value);
                *max = max.max(value);
            }
        }
        if let Some(first) = not_finite.first() {
            let n_frames = not_finite.len();
            findings.add(Severity::Error, format!("`{key}` is not finite in {n_frames} frames, the first is {first}"));
        }
        let normalised = key == "action" || key.starts_with("observation.");
        let still: Vec<String> = extremes
            .iter()
            .enumerate()
            .filter(|(_, (min, max))| normalised && min >= max)
            .map(|(dimension, _)| name_of(dataset, key, dimension))
            .collect();
        if !still.is_empty() {
            findings.add(
                Severity::Warning,
                format!(
                    "`{key}` never moves in {}; a small deviation from it becomes a huge number after normalisation",
                    still.join(", ")
                ),
            );
        }
    }
}

/// The name of a dimension, or its number.
fn name_of(dataset: &Dataset, key: &str, dimension: usize) -> String {
    let names = dataset.feature(key).map(|feature| feature.names.as_slice());
    let name = names.and_then(|names| names.get(dimension));
    name.map_or_else(|| format!("dimension {dimension}"), |name| format!("`{name}`"))
}

/// Instructions are used, and the episodes list those that their frames have.
fn check_tasks(dataset: &Dataset, findings: &mut Findings) {
    let mut used: Vec<i64> = Vec::new();
    for episode in dataset.episodes() {
        let mut here: Vec<i64> =
            (episode.from..episode.to).filter_map(|index| dataset.table().integer(TASK_INDEX, index)).collect();
        here.sort_unstable();
        here.dedup();
        let listed = here.iter().filter_map(|task| dataset.tasks().get(*task));
        let missing: Vec<&str> = listed.filter(|text| !episode.tasks.iter().any(|task| task == text)).collect();
        if !missing.is_empty() && !episode.tasks.is_empty() {
            findings.add(
                Severity::Warning,
                format!("episode {} does not list its task `{}`", episode.index, missing.join("`, `")),
            );
        }
        used.extend(here);
        used.sort_unstable();
        used.dedup();
    }
    for (index, text) in dataset.tasks().iter() {
        if text.trim().is_empty() {
            findings.add(Severity::Warning, format!("task {index} has no text"));
        }
        if used.binary_search(&index).is_err() {
            findings.add(Severity::Note, format!("task {index} (`{text}`) is in no frame"));
        }
    }
}

/// Everything that is normalised has statistics.
fn check_stats(dataset: &Dataset, findings: &mut Findings) {
    for feature in &dataset.info().features {
        let normalised = feature.key == "action" || feature.key.starts_with("observation.");
        if !normalised || feature.is_depth() || !(feature.is_camera() || feature.dtype.is_numeric()) {
            continue;
        }
        let key = &feature.key;
        let missing: Vec<&str> = ["min", "max", "mean", "std"]
            .into_iter()
            .filter(|statistic| {
                let found = dataset.stats().get(key, statistic);
                found.is_none_or(|found| found.values.iter().any(|value| !value.is_finite()))
            })
            .collect();
        if !missing.is_empty() {
            findings.add(Severity::Warning, format!("the statistics of `{key}` lack {}", missing.join(", ")));
        }
    }
}
