//! `mtdit dataset generate`: the episodes of a simulated expert as a dataset, the same bytes for the same seed.
//!
//! ```text
//! seed, number ─▶ World, Expert ──disturbance──▶ Recorded ──in order──▶ DatasetWriter ─▶ the folder, renamed when complete
//!                 ╰───────── on every core ─────────────╯
//! ```

mod disturbance;
mod record;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use mtdit_data::{DatasetSpec, DatasetWriter, Dtype, Feature, Png};
use mtdit_tabletop::{ACTION_NAMES, CONTROL_HZ, Camera, FRAME_SIZE, Family, STATE_NAMES};
use mtdit_train::atomic;

use crate::cli::{GenerateArguments, WorldName};
use crate::parallel::in_order;
use crate::progress::Progress;
use crate::tabletop::{ROBOT_TYPE, camera_key, families};
use record::{Recorded, record};

/// `LeRobot`'s size of a data file.
const DATA_FILES_SIZE_IN_MB: u32 = 100;
/// Disturbances stronger than this leave no expert a chance.
const MOST_NOISE: f32 = 3.0;

/// What is to be recorded.
#[derive(Clone, Debug)]
pub(crate) struct GenerateOptions {
    /// Successful episodes, which take the families in turn.
    pub(crate) episodes: usize,
    /// The families of tasks; at least one.
    pub(crate) families: Vec<Family>,
    /// Everything is drawn from it.
    pub(crate) seed: u64,
    /// Strength of the disturbance; 1 is the usual one, 0 none.
    pub(crate) noise: f32,
    /// The new folder.
    pub(crate) out: PathBuf,
}

pub(crate) fn run(arguments: &GenerateArguments) -> Result<ExitCode> {
    let WorldName::Tabletop = arguments.world;
    let options = GenerateOptions {
        episodes: arguments.episodes as usize,
        families: families(&arguments.tasks),
        seed: arguments.seed,
        noise: arguments.noise,
        out: arguments.out.clone(),
    };
    let began = Instant::now();
    let bar = Progress::new("Recording", options.episodes as u64);
    let frames = generate(&options, &|episodes| bar.set(episodes as u64, "episodes"))?;
    bar.finish();
    let (out, pace) = (options.out.display(), frames as f64 / began.elapsed().as_secs_f64().max(1e-9));
    say!("dataset: {out}, {} episodes, {frames} frames ({pace:.0} per second)", options.episodes);
    say!("next:    mtdit train --dataset.root={out} --output_dir=outputs/tabletop");
    Ok(ExitCode::SUCCESS)
}

/// Records a dataset and returns its number of frames; `progress` hears how many episodes are written. The folder is complete or
/// absent.
///
/// # Errors
/// When the folder holds something already, the expert fails again and again at one episode, or the disk refuses.
pub(crate) fn generate(options: &GenerateOptions, progress: &dyn Fn(usize)) -> Result<usize> {
    let (out, noise) = (&options.out, options.noise);
    ensure!((0.0..=MOST_NOISE).contains(&noise), "--noise {noise} is not between 0 and {MOST_NOISE}");
    ensure!(out.file_name().is_some(), "--out {} is not the name of a folder", out.display());
    ensure!(is_free(out), "the folder {} is not empty; choose another or delete it", out.display());
    let partial = atomic::partial(out);
    // An interrupted recording may have left some of it.
    atomic::remove_folder(&partial)?;
    let written = write(options, &partial, progress);
    if written.is_err() {
        // The error to tell is the one before.
        drop(atomic::remove_folder(&partial));
    }
    let frames = written?;
    atomic::publish_folder(&partial, out)?;
    Ok(frames)
}

/// Whether nothing would be overwritten.
fn is_free(folder: &Path) -> bool {
    match fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_none(),
        Err(_) => !folder.exists(),
    }
}

fn write(options: &GenerateOptions, folder: &Path, progress: &dyn Fn(usize)) -> Result<usize> {
    let mut writer = DatasetWriter::create(folder, spec())?;
    let keys = Camera::ALL.map(camera_key);
    let (mut episodes, mut frames) = (0, 0);
    in_order(
        options.episodes,
        |number| record(options, number),
        |recorded| {
            let recorded: Recorded = recorded?;
            for step in &recorded.steps {
                let (state, action) = (step.state.map(f64::from), step.action.map(f64::from));
                let values: [(&str, &[f64]); 2] = [("observation.state", &state), ("action", &action)];
                let pictures: Vec<(&str, &Png)> = keys.iter().map(String::as_str).zip(&step.pictures).collect();
                writer.add_encoded_frame(&values, &pictures, &recorded.instruction)?;
            }
            writer.save_episode()?;
            frames += recorded.steps.len();
            episodes += 1;
            progress(episodes);
            Ok(())
        },
    )?;
    writer.finalize().with_context(|| format!("finishing {}", folder.display()))?;
    Ok(frames)
}

/// What a moment of the tabletop holds.
fn spec() -> DatasetSpec {
    let cameras = Camera::ALL.map(|camera| Feature::image(&camera_key(camera), FRAME_SIZE, FRAME_SIZE));
    let numbers = [
        Feature::numbers("observation.state", Dtype::Float32, &STATE_NAMES),
        Feature::numbers("action", Dtype::Float32, &ACTION_NAMES),
    ];
    DatasetSpec {
        fps: CONTROL_HZ,
        robot_type: Some(ROBOT_TYPE.to_owned()),
        features: cameras.into_iter().chain(numbers).collect(),
        data_files_size_in_mb: DATA_FILES_SIZE_IN_MB,
    }
}
