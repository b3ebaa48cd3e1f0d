//! Decoding every frame once, with several threads.
//!
//! The work is cut into runs of whole episodes of one file. A thread takes the next run, decodes it from its first
//! frame to its last, resizes and writes.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::file::{FrameWriter, Layout};
use crate::dataset::Dataset;
use crate::error::DataError;
use crate::resize::resize;
use crate::video::Frame;

/// Frames of a run; the last episode of it may make it longer.
const FRAMES_PER_RUN: usize = 256;

/// A camera whose frames are to be decoded.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) camera: String,
    pub(super) layout: Layout,
    /// Where the frames are written until they are complete.
    pub(super) partial: PathBuf,
    /// The name of the complete file.
    pub(super) path: PathBuf,
}

/// Consecutive frames of a camera.
#[derive(Debug)]
struct Run {
    job: usize,
    from: usize,
    to: usize,
}

/// What the threads share.
struct Shared<'a> {
    dataset: &'a Dataset,
    jobs: &'a [&'a Job],
    runs: Vec<Run>,
    next: AtomicUsize,
    done: AtomicU64,
    total: u64,
    progress: &'a (dyn Fn(u64, u64) + Sync),
    stop: &'a AtomicBool,
    failure: Mutex<Option<DataError>>,
}

/// Decodes all jobs into their partial files.
pub(super) fn decode_all(
    dataset: &Dataset,
    jobs: &[&Job],
    n_threads: usize,
    progress: &(dyn Fn(u64, u64) + Sync),
    stop: &AtomicBool,
) -> Result<(), DataError> {
    for job in jobs {
        FrameWriter::create(&job.partial, &job.layout)?;
    }
    let runs: Vec<Run> = (0..jobs.len()).flat_map(|job| runs_of(dataset, job, &jobs[job].camera)).collect();
    let total: u64 = jobs.iter().map(|job| job.layout.n_frames as u64).sum();
    let n_threads = n_threads.clamp(1, runs.len().max(1));
    let shared = Shared {
        dataset,
        jobs,
        runs,
        next: AtomicUsize::new(0),
        done: AtomicU64::new(0),
        total,
        progress,
        stop,
        failure: Mutex::new(None),
    };
    progress(0, total);
    std::thread::scope(|scope| {
        for _ in 0..n_threads {
            scope.spawn(|| shared.work());
        }
    });
    let failure = shared.failure.into_inner().unwrap_or_else(PoisonError::into_inner);
    match failure {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

/// Whole episodes, so that each run starts at a key frame, and never across files.
fn runs_of(dataset: &Dataset, job: usize, camera: &str) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut last_file = None;
    for episode in dataset.episodes() {
        let file = episode.video(camera).map_or(episode.data, |span| (span.chunk, span.file));
        let grows = last_file == Some(file);
        match runs.last_mut() {
            Some(run) if grows && run.to - run.from < FRAMES_PER_RUN => run.to = episode.to,
            _ => runs.push(Run { job, from: episode.from, to: episode.to }),
        }
        last_file = Some(file);
    }
    runs
}

impl Shared<'_> {
    fn work(&self) {
        while let Some(run) = self.runs.get(self.next.fetch_add(1, Ordering::Relaxed)) {
            if let Err(error) = self.decode_run(run) {
                let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
                failure.get_or_insert(error);
            }
            if self.has_failed() {
                return;
            }
        }
    }

    fn has_failed(&self) -> bool {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    fn decode_run(&self, run: &Run) -> Result<(), DataError> {
        let job = &self.jobs[run.job];
        let mut writer = FrameWriter::open(&job.partial, &job.layout)?;
        self.dataset.visit_frames(&job.camera, run.from..run.to, |index, frame: Frame| {
            if self.stop.load(Ordering::Relaxed) || self.has_failed() {
                return Err(DataError::Stopped);
            }
            let small = resize(&frame, job.layout.height, job.layout.width);
            writer.write(index, &small.rgb)?;
            let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
            (self.progress)(done, self.total);
            Ok(())
        })
    }
}
