//! A folder to a policy that can be asked, each time in a new process: its memory holds nothing else, and nothing is known but
//! what the system keeps of the file.

use std::env;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context, Result};
use clap::ValueEnum;
use mtdit_train::CheckpointFolder;
use serde::{Deserialize, Serialize};

use super::child::answers;
use super::machine::peak_mib;
use super::row::{Row, Stage, What};
use crate::backend::Chosen;
use crate::cli::DeviceName;
use crate::percentiles::Percentiles;
use crate::predict::load;

/// Processes that load the checkpoint, one after the other.
pub(super) const LOADS: usize = 3;

/// One load.
#[derive(Debug, Serialize, Deserialize)]
struct Load {
    milliseconds: f64,
    /// Unknown but on Linux.
    peak_mib: Option<f64>,
}

/// Loads in this process, and answers whoever started it.
pub(super) fn once(path: &Path, chosen: &Chosen) -> Result<ExitCode> {
    let began = Instant::now();
    let policy = load(&CheckpointFolder::find(path)?, chosen)?;
    drop(policy.device().sync());
    let load = Load { milliseconds: began.elapsed().as_secs_f64() * 1e3, peak_mib: peak_mib() };
    say!("{}", serde_json::to_string(&load)?);
    Ok(ExitCode::SUCCESS)
}

/// Time and, where the system tells it, memory.
pub(super) fn measure(checkpoint: &Path, device: DeviceName, cameras: usize) -> Result<Vec<Row>> {
    let program = env::current_exe().context("finding this program")?;
    let device = device.to_possible_value().context("every device has a name")?;
    let mut loads: Vec<Load> = Vec::new();
    for _ in 0..LOADS {
        let mut command = Command::new(&program);
        command.args(["bench", "--load_only", "--device", device.get_name(), "--checkpoint"]).arg(checkpoint);
        loads.extend(answers::<Load>(&mut command)?);
    }
    let what = |stage| What { stage, sampler: None, cameras, batch: None };
    let times = Percentiles::of(loads.iter().map(|load| load.milliseconds).collect());
    let peaks: Option<Vec<f64>> = loads.iter().map(|load| load.peak_mib).collect();
    let memory = peaks.map(|peaks| Row::new(what(Stage::PeakMemory), Percentiles::of(peaks)));
    Ok([Row::new(what(Stage::Loading), times)].into_iter().chain(memory).collect())
}
