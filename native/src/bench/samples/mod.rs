//! How fast samples of a dataset are made ready for training, with the windows, cameras, resize and crop of a policy.
//!
//! ```text
//! dataset ─▶ Recordings ─┬─ cold: new processes, each with an empty cache ─┐
//!                        ├─ warm: the cache that the last of them left ────┼─▶ Rows
//!                        ╰─ decoded: no cache, as LeRobot ─────────────────╯
//! ```
//!
//! A sample is ready when its floats lie in a batch on the host: what comes after that, its normalisation first, needs the policy.

mod recordings;
mod cold;
mod lerobot;

use std::path::Path;
use std::time::Instant;
use std::{fs, process};

use anyhow::{Context, Result};
use mtdit_train::loader::Loader;
use tempfile::TempDir;

use super::row::{Row, Stage, What};
use super::{Repeats, Teller};
use crate::cli::BenchArguments;
use crate::hub::frame_cache_folder;
pub(super) use cold::once as first_epoch;
pub(super) use lerobot::DataLoader;
pub(super) use recordings::Recordings;

/// Processes that decode everything, one after the other.
const COLD_RUNS: usize = 3;
/// Batches of a run for each worker: one alone would be waited for or lie there already.
const BATCHES_PER_WORKER: usize = 4;
/// Exit status after Ctrl-C, as shells know it.
const INTERRUPTED: i32 = 130;

/// First epochs, later ones, and what they would be without the cache.
pub(super) fn measure(recordings: &Recordings, arguments: &BenchArguments) -> Result<Vec<Row>> {
    let folder = temporary()?;
    let frames = folder.path().join("frames");
    let teller = Teller::new("Measuring", COLD_RUNS + 2);
    let mut epochs = Vec::new();
    for _ in 0..COLD_RUNS {
        teller.begin("a first epoch");
        remove(&frames)?;
        epochs.extend(cold::measure(arguments, recordings.root(), &frames)?);
    }

    let repeats = Repeats::of(arguments);
    teller.begin("samples of the warm cache");
    let dataset = recordings.dataset()?;
    let cache = recordings.decode(&dataset, &frames)?;
    let warm = rates(recordings.loader(dataset, Some(cache))?, recordings.batches_per_run(), repeats)?;
    teller.begin("samples decoded every time");
    let decoded = rates(recordings.loader(recordings.dataset()?, None)?, recordings.batches_per_run(), repeats)?;
    teller.bar.finish();

    let row = |stage: Stage, values: Vec<f64>| {
        let what = What { stage, sampler: None, cameras: recordings.n_cameras(), batch: Some(recordings.batch()) };
        Row::new(what, stage.unit().distribution(values))
    };
    Ok(vec![
        row(Stage::SamplesCold, epochs.iter().map(|epoch| epoch.samples_per_second).collect()),
        row(Stage::Decoding, epochs.iter().map(|epoch| epoch.decoding).collect()),
        row(Stage::SamplesWarm, warm),
        row(Stage::SamplesDecoded, decoded),
    ])
}

/// Samples per second of every run that counts.
fn rates(mut loader: Loader, batches: usize, repeats: Repeats) -> Result<Vec<f64>> {
    // Threads start and files are opened before the clock does.
    loader.next_batch()?;
    let mut rates = Vec::new();
    for _ in 0..repeats.warmup + repeats.runs {
        let began = Instant::now();
        let mut samples = 0;
        for _ in 0..batches {
            samples += loader.next_batch()?.frames.len();
        }
        rates.push(samples as f64 / began.elapsed().as_secs_f64());
    }
    Ok(rates.split_off(repeats.warmup))
}

/// A folder for decoded frames, on the disk where training keeps its own. It goes when the measurement ends, after Ctrl-C too.
fn temporary() -> Result<TempDir> {
    let parent = frame_cache_folder();
    fs::create_dir_all(&parent).with_context(|| format!("creating {}", parent.display()))?;
    let folder = tempfile::Builder::new().prefix("bench-").tempdir_in(&parent);
    let folder = folder.with_context(|| format!("making a temporary folder in {}", parent.display()))?;
    let doomed = folder.path().to_owned();
    #[expect(clippy::exit, reason = "Ctrl-C means now")]
    ctrlc::set_handler(move || {
        drop(fs::remove_dir_all(&doomed));
        process::exit(INTERRUPTED);
    })
    .context("listening for Ctrl-C")?;
    Ok(folder)
}

/// Removes what an earlier process decoded, if one did.
fn remove(frames: &Path) -> Result<()> {
    if frames.exists() {
        fs::remove_dir_all(frames).with_context(|| format!("removing {}", frames.display()))?;
    }
    Ok(())
}
