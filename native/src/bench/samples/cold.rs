//! A first epoch in a process of its own: every frame is decoded into an empty folder, then every sample is made once.

use std::env;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context, Result};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::Recordings;
use crate::bench::child::answers;
use crate::cli::BenchArguments;

/// One first epoch.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct FirstEpoch {
    /// Milliseconds until every frame was decoded.
    pub(super) decoding: f64,
    /// Of the decoding and all batches together.
    pub(super) samples_per_second: f64,
}

/// Measures in this process, and answers whoever started it.
pub(in crate::bench) fn once(recordings: &Recordings, into: &Path) -> Result<ExitCode> {
    let dataset = recordings.dataset()?;
    let began = Instant::now();
    let cache = recordings.decode(&dataset, into)?;
    let decoding = began.elapsed().as_secs_f64() * 1e3;
    let mut loader = recordings.loader(dataset, Some(cache))?;
    let mut samples = 0;
    while samples < recordings.samples_per_epoch() {
        samples += loader.next_batch()?.frames.len();
    }
    let epoch = FirstEpoch { decoding, samples_per_second: samples as f64 / began.elapsed().as_secs_f64() };
    say!("{}", serde_json::to_string(&epoch)?);
    Ok(ExitCode::SUCCESS)
}

/// The answer of a new process.
pub(super) fn measure(arguments: &BenchArguments, dataset: &Path, into: &Path) -> Result<Vec<FirstEpoch>> {
    let program = env::current_exe().context("finding this program")?;
    let mut command = Command::new(&program);
    command.arg("bench").arg("--dataset").arg(dataset).arg("--decode_into").arg(into);
    command.args(["--training_batch", &arguments.training_batch.to_string()]);
    command.args(["--num_workers", &arguments.num_workers.to_string()]);
    match &arguments.checkpoint {
        Some(path) => command.arg("--checkpoint").arg(path),
        None => {
            let name = arguments.architecture.to_possible_value().context("every architecture has a name")?;
            command.args(["--architecture", name.get_name()])
        }
    };
    answers(&mut command)
}
