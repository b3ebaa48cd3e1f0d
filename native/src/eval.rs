//! `mtdit eval`: a checkpoint against what was really done, over episodes it was not trained on.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::slice;
use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use mtdit_data::{Dataset, Episode, split_episodes};
use mtdit_policy::{Moment, Observation, Policy, PolicyConfig, SamplerSettings, SamplingPlan};
use mtdit_train::CheckpointFolder;
use mtdit_train::batch::Batcher;
use mtdit_train::config::Crop;
use mtdit_train::evaluate::{ActionErrors, PredictOptions, Predictions, predict, spread_per_dim};
use mtdit_train::samples::{SampleSource, SourceOptions};
use mtdit_train::trainer::mean_action;
use serde_json::Value;

use crate::backend::choose;
use crate::cli::{DeviceName, EvalArguments};
use crate::contact_sheet::{Frame, png};
use crate::dataset::known_episodes;
use crate::hub;
use crate::observation::drawn_noise;
use crate::percentiles::Percentiles;
use crate::predict::{Timings, action_names, load, sampler, timed, write};
use crate::progress::Progress;
use crate::report::{Baseline, EvalReport, Example, eval_report};

/// Moments shown with pictures.
const EXAMPLES: usize = 6;
/// Predictions timed, one observation at a time.
const TIMED: usize = 20;

pub(crate) fn run(arguments: &EvalArguments, device: DeviceName) -> Result<ExitCode> {
    let chosen = choose(device)?;
    let folder = CheckpointFolder::find(&arguments.checkpoint)?;
    let policy = Arc::new(load(&folder, &chosen)?);
    let settings = sampler(&policy, &arguments.sampling)?;
    let plan = policy.plan(settings)?;
    let trained = train_config(&folder);
    let root = dataset_root(arguments, &trained)?;
    let dataset = Dataset::open(&root)?;
    let episodes = episodes(arguments, &dataset, &trained)?;
    let ranges: Vec<_> =
        dataset.episodes().iter().filter(|episode| episodes.contains(&episode.index)).map(Episode::range).collect();
    let anchors = anchors(&ranges, policy.config().n_obs_steps, arguments.windows as usize);
    let source = source(dataset, &policy, arguments.sampling.seed)?;
    let batcher = Batcher::new(policy.clone(), source.tasks())?;

    let bar = Progress::new("Predicting", anchors.len() as u64);
    let report_progress = |done: usize| bar.set(done as u64, "moments");
    let options = PredictOptions {
        n_samples: usize::from(arguments.samples),
        batch_size: usize::from(arguments.batch_size),
        seed: arguments.sampling.seed,
        progress: &report_progress,
    };
    let predictions = predict(&policy, &source, &batcher, &plan, &anchors, options)?;
    bar.finish();

    let (latency, stages) = latencies(&policy, &source, &plan, settings, &anchors, arguments.sampling.seed)?;
    let mean = mean_action(&folder.parts()?.action_statistics);
    let baseline = ActionErrors::of(&predictions, |_, _, _, dim| mean.get(dim).copied().unwrap_or(0.0), 1);
    let errors = ActionErrors::of_samples(&predictions);
    let report = EvalReport {
        checkpoint: folder.root().display().to_string(),
        dataset: root.display().to_string(),
        facts: facts(settings, chosen.name, arguments.sampling.seed),
        n_episodes: ranges.len(),
        n_windows: anchors.len(),
        n_samples: usize::from(arguments.samples),
        n_action_steps: policy.config().n_action_steps,
        action_names: names(&source, &folder, policy.config().action_dim),
        spread_per_dim: spread_per_dim(&predictions),
        examples: examples(&policy, &source, &predictions)?,
        mean_action: Baseline {
            mse_per_dim: baseline.mse_per_dim.clone(),
            mae_per_dim: baseline.mae_per_dim.clone(),
            mae_per_step: baseline.mae_per_step.clone(),
        },
        mse_per_dim: errors.mse_per_dim.clone(),
        mae_per_dim: errors.mae_per_dim.clone(),
        mse_per_step: errors.mse_per_step.clone(),
        mae_per_step: errors.mae_per_step.clone(),
        latency,
        stages,
    };
    let page = arguments.out.join("report.html");
    write(&page, &eval_report(&report)?)?;
    write(&arguments.out.join("eval.json"), &serde_json::to_string_pretty(&report)?)?;
    say!("mean absolute error  {:.5}   always the mean action  {:.5}", errors.mae(), baseline.mae());
    say!("mean squared error   {:.5}   always the mean action  {:.5}", errors.mse(), baseline.mse());
    say!(
        "latency per chunk    p50 {:.1} ms, p95 {:.1} ms, p99 {:.1} ms",
        report.latency.p50,
        report.latency.p95,
        report.latency.p99
    );
    say!("report               {}", page.display());
    Ok(ExitCode::SUCCESS)
}

/// `train_config.json` of the checkpoint, or null.
fn train_config(folder: &CheckpointFolder) -> Value {
    let text = fs::read_to_string(folder.root().join("train_config.json")).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or(Value::Null)
}

fn dataset_root(arguments: &EvalArguments, trained: &Value) -> Result<PathBuf> {
    if let Some(root) = &arguments.dataset {
        return Ok(root.clone());
    }
    let root = trained["dataset"]["root"].as_str().map(PathBuf::from);
    let repo_id = trained["dataset"]["repo_id"].as_str();
    match (root, repo_id) {
        (Some(root), _) => Ok(root),
        (None, Some(repo_id)) => hub::dataset_folder(None, repo_id, trained["dataset"]["revision"].as_str()),
        (None, None) => bail!("the checkpoint does not say which dataset it was trained on; give --dataset DIR"),
    }
}

/// The episodes asked for, else those the training held out, else all.
fn episodes(arguments: &EvalArguments, dataset: &Dataset, trained: &Value) -> Result<Vec<usize>> {
    if let Some(wanted) = &arguments.episodes {
        known_episodes(dataset, wanted)?;
        return Ok(wanted.clone());
    }
    let subset: Option<Vec<usize>> = serde_json::from_value(trained["dataset"]["episodes"].clone()).unwrap_or(None);
    let chosen: Vec<&Episode> = dataset
        .episodes()
        .iter()
        .filter(|episode| subset.as_ref().is_none_or(|subset| subset.contains(&episode.index)))
        .collect();
    let fraction = trained["dataset"]["eval_split"].as_f64().unwrap_or(0.0);
    let (_, held_out) = split_episodes(&chosen, fraction)?;
    if held_out.is_empty() {
        eprintln!(
            "note: the training held no episode out, so these numbers include what it was trained on; name others with --episodes"
        );
        return Ok(chosen.iter().map(|episode| episode.index).collect());
    }
    Ok(held_out)
}

/// `count` frames, evenly over all episodes.
fn anchors(episodes: &[mtdit_data::EpisodeRange], n_obs_steps: usize, count: usize) -> Vec<usize> {
    let first = n_obs_steps.saturating_sub(1);
    let all: Vec<usize> =
        episodes.iter().flat_map(|episode| (episode.from + first).min(episode.to - 1)..episode.to).collect();
    let count = count.min(all.len());
    (0..count).map(|i| all[i * all.len() / count.max(1)]).collect()
}

fn source(dataset: Dataset, policy: &Policy, seed: u64) -> Result<SampleSource> {
    let options = source_options(&dataset, policy.config(), seed)?;
    Ok(SampleSource::new(dataset, None, policy.config(), options))
}

/// How a policy's samples are made of a dataset.
///
/// # Errors
/// When the dataset has other cameras than the policy, or vectors of another length.
pub(crate) fn source_options(dataset: &Dataset, config: &PolicyConfig, seed: u64) -> Result<SourceOptions> {
    for camera in &config.cameras {
        let names = dataset.cameras().join(", ");
        let feature = dataset.feature(&camera.key);
        ensure!(feature.is_some(), "the policy looks through `{}`; the dataset has {names}", camera.key);
        let size = feature.and_then(mtdit_data::Feature::picture_size);
        ensure!(
            size == Some((camera.height, camera.width)),
            "camera `{}` has pictures of {size:?} in the dataset, the policy was trained on ({}, {})",
            camera.key,
            camera.height,
            camera.width
        );
    }
    for (key, expected) in [("observation.state", config.state_dim), ("action", config.action_dim)] {
        let found = dataset.feature(key).map(mtdit_data::Feature::width);
        ensure!(found == Some(expected), "`{key}` has {found:?} values in the dataset, the policy needs {expected}");
    }
    Ok(SourceOptions {
        cameras: config.cameras.iter().map(|camera| camera.key.clone()).collect(),
        state_key: "observation.state".to_owned(),
        seed,
        crop: Crop::PerSample,
    })
}

fn facts(settings: SamplerSettings, device: &str, seed: u64) -> Vec<(String, String)> {
    [
        ("sampler", format!("{}, {} steps", settings.kind, settings.steps)),
        ("device", device.to_owned()),
        ("seed", seed.to_string()),
        ("mtdit", env!("CARGO_PKG_VERSION").to_owned()),
    ]
    .map(|(name, fact)| (name.to_owned(), fact))
    .to_vec()
}

fn names(source: &SampleSource, folder: &CheckpointFolder, action_dim: usize) -> Vec<String> {
    let names = source.dataset().feature("action").map(|feature| feature.names.clone()).unwrap_or_default();
    if names.len() == action_dim { names } else { action_names(folder, action_dim) }
}

/// The observation at an anchor, as a robot would send it.
fn observation(policy: &Policy, source: &SampleSource, anchor: usize) -> Result<Observation> {
    let dataset = source.dataset();
    let config = policy.config();
    let episode = dataset.episode_of(anchor)?.range();
    let window = mtdit_data::Window::new(config.n_obs_steps, config.horizon);
    let (rows, _) = mtdit_data::Window::rows(anchor, episode, &window.observation);
    let mut history = Vec::new();
    for row in rows {
        let mut frames = Vec::new();
        for camera in &config.cameras {
            let frame = dataset.frame(&camera.key, row)?;
            frames.push(mtdit_policy::Frame { height: frame.height, width: frame.width, rgb: frame.rgb.into() });
        }
        history.push(Moment { frames, state: dataset.values("observation.state", row)? });
    }
    Ok(Observation { history, task: dataset.task(anchor)?.to_owned() })
}

/// Whole predictions of one observation each, after one that warms up; and the median time of every stage.
fn latencies(
    policy: &Policy,
    source: &SampleSource,
    plan: &SamplingPlan,
    settings: SamplerSettings,
    anchors: &[usize],
    seed: u64,
) -> Result<(Percentiles, Vec<(String, f64)>)> {
    let mut timings: Vec<Timings> = Vec::new();
    let bar = Progress::new("Timing", TIMED as u64);
    for i in 0..=TIMED {
        let anchor = anchors[i * anchors.len() / (TIMED + 1)];
        let observation = observation(policy, source, anchor)?;
        let noise = drawn_noise(policy.config(), settings, seed, policy.device());
        let (_, took) = timed(policy, slice::from_ref(&observation), plan, noise)?;
        if i > 0 {
            timings.push(took);
            bar.set(i as u64, "chunks");
        }
    }
    bar.finish();
    let names = Timings::default().stages().map(|(stage, _)| stage);
    let stages = names.iter().enumerate().map(|(i, name)| {
        let times = timings.iter().map(|took| took.stages()[i].1).collect();
        ((*name).to_owned(), Percentiles::of(times).p50)
    });
    Ok((Percentiles::of(timings.iter().map(Timings::total).collect()), stages.collect()))
}

fn examples(policy: &Policy, source: &SampleSource, predictions: &Predictions) -> Result<Vec<Example>> {
    let dataset = source.dataset();
    let count = EXAMPLES.min(predictions.anchors.len());
    let mut examples = Vec::new();
    for i in (0..count).map(|i| i * predictions.anchors.len() / count) {
        let anchor = predictions.anchors[i];
        let episode = dataset.episode_of(anchor)?;
        let mut images = Vec::new();
        for camera in &policy.config().cameras {
            let frame = dataset.frame(&camera.key, anchor)?;
            let [width, height] = [frame.width, frame.height].map(|side| u32::try_from(side).unwrap_or(0));
            images.push((camera.name().to_owned(), png(&Frame { width, height, pixels: frame.rgb })?));
        }
        examples.push(Example {
            episode: episode.index,
            frame: anchor - episode.from,
            task: dataset.task(anchor)?.to_owned(),
            images,
            truth: predictions.truth[i].clone(),
            samples: predictions.samples[i].clone(),
        });
    }
    ensure!(!examples.is_empty(), "there is no moment to predict at");
    Ok(examples)
}
