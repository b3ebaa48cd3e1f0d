//! `mtdit dataset`: look at, check, rewrite or make a `LeRobot` dataset.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, bail};
use mtdit_data::{Dataset, DatasetSpec, DatasetWriter, Dtype, Feature, Severity, check};

use crate::cli::DatasetCommand;
use crate::generate;
use crate::plot::short;
use crate::progress::Progress;

pub(crate) fn run(command: &DatasetCommand) -> Result<ExitCode> {
    match command {
        DatasetCommand::Info { path } => info(path),
        DatasetCommand::Check { path } => checked(path),
        DatasetCommand::Export { path, out, episodes } => export(path, out, episodes.as_deref()),
        DatasetCommand::Generate(arguments) => generate::run(arguments),
    }
}

/// Episodes, tasks, cameras and ranges.
pub(crate) fn info(path: &Path) -> Result<ExitCode> {
    let dataset = Dataset::open(path)?;
    let facts = dataset.info();
    say!("{}", path.display());
    say!(
        "LeRobotDataset {}, {} Hz, robot {}",
        facts.codebase_version,
        facts.fps,
        facts.robot_type.as_deref().unwrap_or("unknown")
    );
    say!("{} episodes, {} frames, {} tasks", dataset.episodes().len(), dataset.n_frames(), dataset.tasks().len());
    say!("\ntasks");
    for (index, task) in dataset.tasks().iter() {
        let count = dataset.episodes().iter().filter(|episode| episode.tasks.iter().any(|of| of == task)).count();
        say!("  {index:>3}  {count:>5} episodes  {task}");
    }
    say!("\nfeatures");
    for feature in &facts.features {
        say!(
            "  {:<32} {:<9} {:<16} {}",
            feature.key,
            feature.dtype.name(),
            format!("{:?}", feature.shape),
            range(&dataset, feature)
        );
    }
    for warning in dataset.warnings() {
        say!("\nnote: {warning}");
    }
    Ok(ExitCode::SUCCESS)
}

/// The values a vector takes.
fn range(dataset: &Dataset, feature: &Feature) -> String {
    let stats = dataset.stats();
    let (Some(low), Some(high)) = (stats.get(&feature.key, "min"), stats.get(&feature.key, "max")) else {
        return String::new();
    };
    if feature.is_camera() || low.values.len() > 8 {
        return String::new();
    }
    let span = |(low, high): (&f64, &f64)| format!("{}..{}", short(*low), short(*high));
    low.values.iter().zip(&high.values).map(span).collect::<Vec<_>>().join("  ")
}

fn checked(path: &Path) -> Result<ExitCode> {
    let dataset = Dataset::open(path)?;
    let bar = Progress::new("Checking", dataset.n_frames() as u64);
    let findings = check(&dataset, &|done, _| bar.set(done, "frames"));
    bar.finish();
    for finding in &findings {
        let severity = match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        };
        say!("{severity}: {}", finding.message);
    }
    if findings.iter().any(|finding| finding.severity == Severity::Error) {
        bail!("{}: the dataset has errors", path.display());
    }
    say!("{}: {} episodes, {} frames, no error", path.display(), dataset.episodes().len(), dataset.n_frames());
    Ok(ExitCode::SUCCESS)
}

/// Whether the dataset has all of these episodes.
pub(crate) fn known_episodes(dataset: &Dataset, wanted: &[usize]) -> Result<()> {
    let is_known = |index: &usize| dataset.episodes().iter().any(|episode| episode.index == *index);
    match wanted.iter().find(|index| !is_known(index)) {
        Some(missing) => bail!("the dataset has no episode {missing}; it has {} episodes", dataset.episodes().len()),
        None => Ok(()),
    }
}

/// Rewrites episodes with PNG pictures in parquet.
fn export(path: &Path, out: &Path, episodes: Option<&[usize]>) -> Result<ExitCode> {
    let dataset = Dataset::open(path)?;
    known_episodes(&dataset, episodes.unwrap_or(&[]))?;
    let own = ["timestamp", "frame_index", "episode_index", "index", "task_index"];
    let kept: Vec<&Feature> = dataset
        .info()
        .features
        .iter()
        .filter(|feature| !own.contains(&feature.key.as_str()) && (feature.is_camera() || feature.dtype.is_numeric()))
        .collect();
    let picture = |feature: &Feature| {
        let (height, width) = feature.picture_size().unwrap_or((1, 1));
        Feature::image(&feature.key, height, width)
    };
    let features = kept
        .iter()
        .map(|feature| match feature.dtype {
            Dtype::Image | Dtype::Video => picture(feature),
            _ => (*feature).clone(),
        })
        .collect();
    let spec = DatasetSpec {
        fps: dataset.info().fps,
        robot_type: dataset.info().robot_type.clone(),
        features,
        data_files_size_in_mb: 100,
    };
    let chosen: Vec<_> = dataset
        .episodes()
        .iter()
        .filter(|episode| episodes.is_none_or(|wanted| wanted.contains(&episode.index)))
        .collect();
    let total: usize = chosen.iter().map(|episode| episode.length).sum();
    let bar = Progress::new("Writing", total as u64);
    let mut writer = DatasetWriter::create(out, spec)?;
    let mut done = 0;
    for episode in chosen {
        for index in episode.from..episode.to {
            let mut values = Vec::new();
            let mut pictures = Vec::new();
            for feature in &kept {
                if feature.is_camera() {
                    pictures.push((feature.key.as_str(), dataset.frame(&feature.key, index)?));
                } else {
                    let row: Vec<f64> = dataset.values(&feature.key, index)?.into_iter().map(f64::from).collect();
                    values.push((feature.key.as_str(), row));
                }
            }
            let values: Vec<(&str, &[f64])> = values.iter().map(|(key, row)| (*key, row.as_slice())).collect();
            let pictures: Vec<_> = pictures.iter().map(|(key, frame)| (*key, frame)).collect();
            writer.add_frame(&values, &pictures, dataset.task(index)?)?;
            done += 1;
            bar.set(done, "frames");
        }
        writer.save_episode()?;
    }
    writer.finalize()?;
    bar.finish();
    say!("{}: {total} frames", out.display());
    Ok(ExitCode::SUCCESS)
}
