//! `mtdit predict`: one observation to one chunk, stage by stage, with the time each stage takes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::slice;
use std::time::Instant;

use anyhow::{Context, Result};
use mtdit_policy::{
    ActionChunk, Conditioning, Features, Noise, Observation, Policy, SamplerSettings, SamplingPlan, TimestepSpacing,
};
use mtdit_train::CheckpointFolder;
use serde_json::{Value, json};

use crate::backend::{Chosen, choose};
use crate::cli::{DeviceName, PredictArguments, SamplerArguments};
use crate::observation::{drawn_noise, noise_from_file, read};
use crate::plot;

pub(crate) fn run(arguments: &PredictArguments, device: DeviceName) -> Result<ExitCode> {
    let chosen = choose(device)?;
    let folder = CheckpointFolder::find(&arguments.checkpoint)?;
    let policy = load(&folder, &chosen)?;
    let settings = sampler(&policy, &arguments.sampling)?;
    let observation = read(arguments, policy.config())?;
    let plan = policy.plan(settings)?;

    let mut chunks = Vec::new();
    let mut timings = Timings::default();
    for sample in 0..u64::from(arguments.samples) {
        let seed = arguments.sampling.seed + sample;
        let noise = match &arguments.initial_noise {
            Some(path) if sample == 0 => noise_from_file(path, policy.config(), settings, seed, policy.device())?,
            _ => drawn_noise(policy.config(), settings, seed, policy.device()),
        };
        let (sampled, took) = timed(&policy, slice::from_ref(&observation), &plan, noise)?;
        if sample == 0 {
            timings = took;
        }
        chunks.extend(sampled);
    }

    let names = action_names(&folder, policy.config().action_dim);
    let answer = answer(arguments, &folder, settings, &chunks, &names, &timings, chosen.name);
    let text = serde_json::to_string_pretty(&answer)?;
    match &arguments.out {
        Some(path) => write(path, &text)?,
        None => say!("{text}"),
    }
    let plot_path = arguments.plot.clone().or_else(|| arguments.out.as_ref().map(|out| out.with_extension("svg")));
    if let Some(path) = plot_path {
        let samples: Vec<Vec<Vec<f32>>> = chunks.into_iter().map(|chunk| chunk.actions).collect();
        write(&path, &plot::chunk_plot(&names, &samples, None, policy.config().n_action_steps)?)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The policy of a checkpoint, with a sentence when it has no statistics.
pub(crate) fn load(folder: &CheckpointFolder, chosen: &Chosen) -> Result<Policy> {
    folder.policy(&chosen.device).with_context(|| format!("loading {}", folder.root().display()))
}

/// The sampler that was asked for, the checkpoint's where nothing was.
pub(crate) fn sampler(policy: &Policy, arguments: &SamplerArguments) -> Result<SamplerSettings> {
    let mut settings = policy.default_sampler();
    if let Some(name) = &arguments.sampler {
        settings.kind = name.parse().map_err(anyhow::Error::msg)?;
    }
    if let Some(steps) = arguments.steps {
        settings.steps = steps;
    }
    if arguments.trailing {
        settings.spacing = TimestepSpacing::Trailing;
    }
    settings.validate(&policy.config().objective)?;
    Ok(settings)
}

/// Milliseconds per stage.
#[derive(Clone, Debug, Default)]
pub(crate) struct Timings {
    pub(crate) preprocess: f64,
    pub(crate) vision: f64,
    pub(crate) text: f64,
    pub(crate) conditioning: f64,
    pub(crate) denoise: Vec<f64>,
    pub(crate) postprocess: f64,
}

impl Timings {
    pub(crate) fn total(&self) -> f64 {
        self.stages().iter().map(|(_, milliseconds)| milliseconds).sum()
    }

    /// Stage names of the architecture's picture, in its order.
    pub(crate) fn stages(&self) -> [(&'static str, f64); 6] {
        [
            ("preprocess", self.preprocess),
            ("vision", self.vision),
            ("text", self.text),
            ("conditioning", self.conditioning),
            ("denoise", self.denoise.iter().sum()),
            ("postprocess", self.postprocess),
        ]
    }
}

/// What [`Policy::predict`] does, with a clock between the stages.
pub(crate) fn timed(
    policy: &Policy,
    observations: &[Observation],
    plan: &SamplingPlan,
    noise: Noise,
) -> Result<(Vec<ActionChunk>, Timings)> {
    let mut timings = Timings::default();
    let device = policy.device().clone();
    let clock = |began: Instant| {
        // Work that is still queued on a GPU counts for the stage that queued it.
        drop(device.sync());
        began.elapsed().as_secs_f64() * 1e3
    };
    let network = policy.network();

    let began = Instant::now();
    let inputs = policy.preprocessor().inputs(observations)?;
    timings.preprocess = clock(began);

    let began = Instant::now();
    let vision = inputs.images.map(|images| network.observation_encoder.vision(images));
    timings.vision = clock(began);

    let began = Instant::now();
    let text = network.observation_encoder.text(inputs.text);
    timings.text = clock(began);

    let began = Instant::now();
    let conditioning = Conditioning::from_features(Features { state: inputs.state, vision, text });
    let condition = network.noise_predictor.condition(&conditioning);
    timings.conditioning = clock(began);

    let mut sampler = policy.sampler(plan, noise, observations.len())?;
    while let Some(query) = sampler.query() {
        let began = Instant::now();
        let time = plan.time(query.index);
        sampler.feed(network.noise_predictor.denoise(query.x, &time, &condition));
        timings.denoise.push(clock(began));
    }

    let began = Instant::now();
    let chunks = pollster::block_on(policy.postprocessor().chunks(sampler.finish()))?;
    timings.postprocess = clock(began);
    Ok((chunks, timings))
}

fn answer(
    arguments: &PredictArguments,
    folder: &CheckpointFolder,
    settings: SamplerSettings,
    chunks: &[ActionChunk],
    names: &[String],
    timings: &Timings,
    device: &str,
) -> Value {
    let mut stages: serde_json::Map<String, Value> =
        timings.stages().into_iter().map(|(stage, milliseconds)| (stage.to_owned(), json!(milliseconds))).collect();
    stages.insert("denoise_steps".to_owned(), json!(timings.denoise));
    stages.insert("total".to_owned(), json!(timings.total()));
    json!({
        "chunk": chunks[0].actions,
        "chunk_normalized": chunks[0].normalized,
        "action_names": names,
        "samples": chunks.iter().map(|chunk| &chunk.actions).collect::<Vec<_>>(),
        "task": arguments.task,
        "checkpoint": folder.root(),
        "sampler": settings.kind.name(),
        "steps": settings.steps,
        "spacing": if settings.spacing == TimestepSpacing::Trailing { "trailing" } else { "leading" },
        "seed": arguments.sampling.seed,
        "device": device,
        "timings_ms": stages,
    })
}

/// The names of the action's dimensions, when the checkpoint remembers them.
pub(crate) fn action_names(folder: &CheckpointFolder, action_dim: usize) -> Vec<String> {
    let remembered = folder.files().ok().map(|files| files.provenance.action_names);
    remembered
        .filter(|names| names.len() == action_dim)
        .unwrap_or_else(|| (0..action_dim).map(|dim| format!("action {dim}")).collect())
}

/// Writes a small file, making its folder.
pub(crate) fn write(path: &Path, text: &str) -> Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
    }
    fs::write(path, text).with_context(|| format!("writing {}", PathBuf::from(path).display()))
}
