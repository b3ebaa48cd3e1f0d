//! `mtdit inspect`: the architecture's picture with the numbers of one checkpoint, or a dataset's contents.

use std::process::ExitCode;

use anyhow::{Result, bail};
use mtdit_policy::checkpoint::WeightSource;
use mtdit_policy::config::ObjectiveConfig;
use mtdit_policy::{PolicyConfig, SamplerSettings};
use mtdit_train::CheckpointFolder;

use crate::cli::InspectArguments;
use crate::dataset;
use crate::progress::format_count;

pub(crate) fn run(arguments: &InspectArguments) -> Result<ExitCode> {
    let path = &arguments.path;
    if path.join("meta/info.json").is_file() {
        return dataset::info(path);
    }
    match CheckpointFolder::find(path) {
        Ok(folder) => checkpoint(&folder),
        Err(_) if !path.exists() => bail!("{}: there is no such folder", path.display()),
        Err(error) => bail!("{error}; nor is it a dataset, which would hold meta/info.json"),
    }
}

fn checkpoint(folder: &CheckpointFolder) -> Result<ExitCode> {
    let parts = folder.parts()?;
    let config = PolicyConfig::try_from(&parts.config)
        .map_err(|source| anyhow::anyhow!("{}: {source}", folder.root().display()))?;
    say!("{}", folder.root().display());
    if !folder.has_weights() {
        say!("a preset: there is no model.safetensors yet");
        return Ok(ExitCode::SUCCESS);
    }
    let weights = folder.weights()?;
    let counts = Counts::of(weights.index());
    let clip = mtdit_policy::checkpoint::clip::infer(&config, weights.index(), parts.clip_json.as_deref())?;
    let vision_width = clip.vision_config.as_ref().map_or(0, |vision| vision.hidden_size);
    say!("{}", picture(&config, vision_width, &counts));
    say!("{}", details(&config, &clip));
    if parts.statistics.is_empty() {
        say!("it holds no processor files, so it cannot be given raw observations");
    }
    Ok(ExitCode::SUCCESS)
}

/// Parameters per stage.
struct Counts {
    vision: usize,
    text: usize,
    projection: usize,
    denoiser: usize,
    modulation: usize,
    dtypes: Vec<String>,
}

impl Counts {
    fn of(index: &mtdit_policy::checkpoint::WeightIndex) -> Self {
        let mut counts = Self { vision: 0, text: 0, projection: 0, denoiser: 0, modulation: 0, dtypes: Vec::new() };
        for (name, entry) in index.iter() {
            let count: usize = entry.shape.iter().product();
            let stage = if name.contains("vision_encoder") {
                &mut counts.vision
            } else if name.contains("text_encoder.projection") {
                &mut counts.projection
            } else if name.contains("text_encoder") {
                &mut counts.text
            } else if name.contains("adaLN_modulation") {
                &mut counts.modulation
            } else {
                &mut counts.denoiser
            };
            *stage += count;
            let dtype = format!("{:?}", entry.dtype);
            if !counts.dtypes.contains(&dtype) {
                counts.dtypes.push(dtype);
            }
        }
        counts
    }

    fn total(&self) -> usize {
        self.vision + self.text + self.projection + self.denoiser + self.modulation
    }
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn count(parameters: usize) -> String {
    format_count(parameters as f64)
}

fn picture(config: &PolicyConfig, vision_width: usize, counts: &Counts) -> String {
    let n_obs_steps = config.n_obs_steps;
    let cameras: Vec<String> =
        config.cameras.iter().map(|camera| format!("{} {}x{}", camera.name(), camera.height, camera.width)).collect();
    let cameras = if cameras.is_empty() { "no camera".to_owned() } else { cameras.join(", ") };
    let size = config.cameras.first().map(|camera| config.image.output([camera.height, camera.width]));
    let images = size.map_or("none".to_owned(), |[height, width]| {
        format!("[{n_obs_steps}, {}, 3, {height}, {width}]", config.cameras.len())
    });
    let settings = SamplerSettings::from_config(&config.objective);
    let evaluations = settings.evaluations(&config.objective).len();
    let rows: [(&str, String, String); 8] = [
        (
            "Observation",
            format!("{n_obs_steps} moments of {cameras}; state [{}]; an instruction", config.state_dim),
            String::new(),
        ),
        ("─preprocess▶ Inputs", format!("images {images}, state [{n_obs_steps}, {}]", config.state_dim), String::new()),
        (
            "─encoders▶ Features",
            format!(
                "vision [{n_obs_steps}, {}], text [{}]",
                config.cameras.len() * vision_width,
                config.denoiser.hidden_dim
            ),
            format!(
                "vision {}, text {} (frozen), projection {}",
                count(counts.vision),
                count(counts.text),
                count(counts.projection)
            ),
        ),
        ("─conditioning▶ Conditioning", format!("[{}]", config.conditioning_dim(vision_width)), String::new()),
        ("noise", format!("[{}, {}]", config.horizon, config.action_dim), String::new()),
        (
            "◀─denoiser─▶ sampler",
            format!("{} with {} steps, {evaluations} evaluations", settings.kind, settings.steps),
            format!(
                "denoiser {}, of it adaLN {}",
                count(counts.denoiser + counts.modulation),
                count(counts.modulation)
            ),
        ),
        ("─▶ actions", format!("[{}, {}]", config.horizon, config.action_dim), String::new()),
        (
            "─postprocess▶ ActionChunk",
            format!("[{}, {}] from step {}", config.n_action_steps, config.action_dim, config.first_executed()),
            String::new(),
        ),
    ];
    let mut lines: Vec<String> = rows
        .iter()
        .map(|(stage, shape, parameters)| format!("{stage:<30}{shape:<58}{parameters}").trim_end().to_owned())
        .collect();
    lines.push(format!("{:<30}{} parameters, {}", "in all", count(counts.total()), counts.dtypes.join(" and ")));
    lines.join("\n")
}

fn details(config: &PolicyConfig, clip: &mtdit_policy::encoders::ClipConfig) -> String {
    let denoiser = &config.denoiser;
    let mut lines = vec![
        match &config.objective {
            ObjectiveConfig::Diffusion(diffusion) => format!(
                "objective      diffusion, predicts {:?}, {:?} schedule over {} timesteps",
                diffusion.prediction_type, diffusion.beta_schedule, diffusion.num_train_timesteps
            ),
            ObjectiveConfig::FlowMatching(flow) => {
                format!("objective      flow matching, sigma_min {}", flow.sigma_min)
            }
        },
        format!(
            "denoiser       {} blocks of width {}, {} heads, {}{}",
            denoiser.num_layers,
            denoiser.hidden_dim,
            denoiser.num_heads,
            if denoiser.use_rope { "rotary positions" } else { "no rotary positions" },
            if denoiser.use_positional_encoding { ", learned positions" } else { "" }
        ),
    ];
    if let Some(vision) = &clip.vision_config {
        lines.push(format!(
            "vision tower   {} layers of width {}, patches of {}, pictures of {}; {}",
            vision.num_hidden_layers,
            vision.hidden_size,
            vision.patch_size,
            vision.image_size,
            if config.vision.use_separate_rgb_encoder_per_camera { "one per camera" } else { "shared by all cameras" }
        ));
    }
    lines.push(format!(
        "text tower     {} layers of width {}",
        clip.text_config.num_hidden_layers, clip.text_config.hidden_size
    ));
    lines.push(format!(
        "normalisation  pictures {:?}, state {:?}, action {:?}",
        config.normalization.visual, config.normalization.state, config.normalization.action
    ));
    lines.join("\n")
}
