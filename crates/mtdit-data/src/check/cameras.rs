//! Looking over the cameras: times, counts, and the first and last picture of every episode.

use super::{Findings, Severity, TOLERANCE_SECS};
use crate::dataset::Dataset;
use crate::episodes::Episode;
use crate::info::Dtype;

/// What was seen of one camera.
#[derive(Default)]
pub(super) struct CameraFindings {
    errors: Vec<String>,
    late: Vec<usize>,
    furthest: f64,
    repeated: Vec<usize>,
}

impl CameraFindings {
    /// Sums up what was seen.
    pub(super) fn report(&self, camera: &str, findings: &mut Findings) {
        if let Some(first) = self.errors.first() {
            let others = match self.errors.len() {
                1 => String::new(),
                n_errors => format!(" (and {} more)", n_errors - 1),
            };
            findings.add(Severity::Error, format!("camera `{camera}`: {first}{others}"));
        }
        if let Some(first) = self.late.first() {
            findings.add(
                Severity::Warning,
                format!(
                    "camera `{camera}`: {} frames are more than {TOLERANCE_SECS} s from their picture, up to {:.6} s, \
                     the first is {first}; LeRobot refuses them",
                    self.late.len(),
                    self.furthest
                ),
            );
        }
        if let Some(first) = self.repeated.first() {
            findings.add(
                Severity::Warning,
                format!(
                    "camera `{camera}`: {} frames show the same picture as the frame before, the first is {first}; \
                     the video has gaps",
                    self.repeated.len()
                ),
            );
        }
    }
}

/// One episode of a camera.
pub(super) fn check_camera(dataset: &Dataset, camera: &str, episode: &Episode, seen: &mut CameraFindings) {
    if dataset.feature(camera).is_some_and(|feature| feature.dtype == Dtype::Video) {
        let mut previous = None;
        for index in episode.from..episode.to {
            match dataset.video_place(camera, index) {
                Ok(place) => {
                    if place.distance >= TOLERANCE_SECS {
                        seen.late.push(index);
                        seen.furthest = seen.furthest.max(place.distance);
                    }
                    if previous == Some(place.picture) {
                        seen.repeated.push(index);
                    }
                    previous = Some(place.picture);
                }
                Err(error) => {
                    seen.errors.push(error.to_string());
                    return;
                }
            }
        }
    }
    for index in [episode.from, episode.to - 1] {
        if let Err(error) = dataset.frame(camera, index) {
            seen.errors.push(error.to_string());
            return;
        }
    }
}

/// A video file has as many pictures as its episodes have frames.
pub(super) fn check_counts(dataset: &Dataset, camera: &str, findings: &mut Findings) {
    if dataset.feature(camera).is_none_or(|feature| feature.dtype != Dtype::Video) {
        return;
    }
    let Ok(files) = dataset.camera_files(camera) else {
        return;
    };
    for path in files {
        let here = dataset.episodes().iter().filter(|episode| {
            let file = dataset.video_file(camera, episode);
            file.is_ok_and(|file| file == path)
        });
        let n_frames: usize = here.map(|episode| episode.length).sum();
        if let Ok(track) = dataset.videos().track(&path)
            && track.len() != n_frames
        {
            findings.add(
                Severity::Warning,
                format!("{} has {} pictures, its episodes have {n_frames} frames", path.display(), track.len()),
            );
        }
    }
}
