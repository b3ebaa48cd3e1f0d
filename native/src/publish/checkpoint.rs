//! One checkpoint to a published folder: its files, its sample observation with the known answer, its manifest.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, ensure};
use mtdit_policy::checkpoint::files::{CONFIG, EXTRAS, WEIGHTS};
use mtdit_policy::checkpoint::pretty_json;
use mtdit_policy::checkpoint::processors::{
    POSTPROCESSOR, POSTPROCESSOR_STATE, PREPROCESSOR, PREPROCESSOR_STATE, normalizer_step,
};
use mtdit_policy::config::CameraConfig;
use mtdit_policy::{Observation, Policy, SamplerKind};
use mtdit_train::CheckpointFolder;
use mtdit_train::config::EXTRAS_KEY;
use mtdit_web::manifest::{ExpectedChunk, Listed, ListedFile, MANIFEST, Manifest};
use serde_json::Value;

use super::{Publication, sample, seal, weights};
use crate::observation::drawn_noise;
use crate::progress::format_count;

/// Most denoising steps of the known answer: every browser that opens the page computes it.
const STEPS: usize = 10;
/// Seed of its noise.
const SEED: u64 = 0;
/// Settings in `mtdit.json` that name places on the machine that trained.
const PLACES: [&str; 3] = ["clip_path", "frame_cache_dir", "noise_file"];

/// A checkpoint that is to be published.
pub(super) struct Order {
    /// Where it is.
    pub(super) folder: CheckpointFolder,
    /// A name for people.
    pub(super) name: String,
    /// Its folder in the site.
    pub(super) slug: String,
    /// Where its sample observation is to come from.
    pub(super) dataset: Option<PathBuf>,
    /// The instruction of its sample observation.
    pub(super) task: Option<String>,
    /// Bytes of its weights.
    pub(super) bytes: u64,
    /// Numbers in its weights.
    pub(super) parameters: usize,
}

/// Writes a checkpoint's folder, and says what the site's list says about it.
pub(super) fn write(order: &Order, folder: &Path, publication: &Publication) -> Result<Listed> {
    let mut files = small_files(&order.folder, folder)?;
    let from = order.folder.root().join(WEIGHTS);
    let advance = |bytes| publication.advance(bytes, &order.name);
    let mut weights = weights::write(&from, folder, publication.dtype, &advance)?;

    // The policy is loaded from what was written, so that a folder that does not load is never published.
    let published = CheckpointFolder::find(folder)?;
    let policy = published
        .policy(&publication.chosen.device)
        .with_context(|| format!("{} cannot be published", order.folder.root().display()))?;
    let observation = sample::find(order, &policy, publication)?;
    let expected = observation.as_ref().map(|observation| expected(&policy, observation)).transpose()?;
    let sample = match &observation {
        Some(observation) => {
            let (sample, pictures) = sample::write(observation, policy.config(), folder)?;
            files.extend(pictures);
            Some(sample)
        }
        None => None,
    };

    if let Some(most) = publication.max_piece {
        weights::cut(folder, &mut weights, most)?;
    }
    files.push(weights);
    let picture = sample.as_ref().and_then(|sample| sample.frames.last()?.first().cloned());
    let description = description(order, &policy);
    let bytes = files.iter().map(|file| file.bytes).sum();
    let manifest = Manifest { name: order.name.clone(), description: description.clone(), files, sample, expected };
    seal::write(folder, MANIFEST, pretty_json(&manifest, 2).as_bytes())?;
    Ok(Listed { folder: order.slug.clone(), name: order.name.clone(), description, bytes, picture })
}

/// Everything that the policy needs besides its weights. What only training needs stays behind.
fn small_files(checkpoint: &CheckpointFolder, folder: &Path) -> Result<Vec<ListedFile>> {
    let root = checkpoint.root();
    let nothing = |_: u64| {};
    let mut files = vec![seal::copy(&root.join(CONFIG), folder, CONFIG, &nothing)?];
    if let Some(text) = checkpoint.parts()?.clip_json {
        files.push(seal::write(folder, "clip/config.json", text.as_bytes())?);
    }
    for (name, usual_state) in [(PREPROCESSOR, PREPROCESSOR_STATE), (POSTPROCESSOR, POSTPROCESSOR_STATE)] {
        if !root.join(name).is_file() {
            continue;
        }
        let text = fs::read_to_string(root.join(name)).with_context(|| format!("reading {name}"))?;
        files.push(seal::write(folder, name, text.as_bytes())?);
        let step = normalizer_step(name, &text)?;
        let state = step.state_file.as_deref().unwrap_or(usual_state);
        if !files.iter().any(|file| file.path == state) {
            files.push(seal::copy(&root.join(state), folder, state, &nothing)?);
        }
    }
    let extras = root.join(EXTRAS);
    if extras.is_file() {
        files.push(seal::write(folder, EXTRAS, without_places(&extras)?.as_bytes())?);
    }
    Ok(files)
}

/// `mtdit.json` without the folders of the machine that trained.
fn without_places(path: &Path) -> Result<String> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let mut extras: Value = serde_json::from_str(&text).with_context(|| path.display().to_string())?;
    for place in PLACES {
        if let Some(setting) = extras.get_mut(EXTRAS_KEY).and_then(|settings| settings.get_mut(place)) {
            *setting = Value::Null;
        }
    }
    Ok(pretty_json(&extras, 4))
}

/// The policy's answer to its sample observation: the checkpoint's sampler, with few steps and no noise but the first.
fn expected(policy: &Policy, observation: &Observation) -> Result<ExpectedChunk> {
    let mut settings = policy.default_sampler();
    settings.steps = settings.steps.min(STEPS);
    if settings.kind == SamplerKind::Ddpm {
        settings.kind = SamplerKind::Ddim;
    }
    let plan = policy.plan(settings)?;
    let inputs = policy.preprocessor().inputs(std::slice::from_ref(observation))?;
    let conditioning = policy.network().encode(inputs);
    let noise = drawn_noise(policy.config(), settings, SEED, policy.device());
    let actions = policy.sample(&conditioning, &plan, noise)?; // [1, horizon, action_dim]

    let data = pollster::block_on(actions.into_data_async()).map_err(|error| anyhow!("the device failed: {error}"))?;
    let values = data.try_to_vec::<f32>().map_err(|error| anyhow!("the device failed: {error}"))?;
    ensure!(
        values.iter().all(|value| value.is_finite()),
        "the policy's answer to its sample observation is not finite; it cannot be published"
    );
    let actions = values.chunks(policy.config().action_dim).map(<[f32]>::to_vec).collect();
    Ok(ExpectedChunk { sampler: settings.kind.name().to_owned(), steps: settings.steps, seed: SEED, actions })
}

/// One sentence about a policy.
fn description(order: &Order, policy: &Policy) -> String {
    let objective = if policy.is_diffusion() { "diffusion" } else { "flow matching" };
    let parameters = format_count(order.parameters as f64);
    let cameras: Vec<&str> = policy.config().cameras.iter().map(CameraConfig::name).collect();
    let sees = match cameras.split_last() {
        None => "without cameras".to_owned(),
        Some((only, [])) => format!("with the camera {only}"),
        Some((last, others)) => format!("with the cameras {} and {last}", others.join(", ")),
    };
    let extras = sample::json(&order.folder.root().join(EXTRAS));
    let trained = extras["provenance"]["dataset"].as_str().map(|name| format!(", trained on {name}"));
    format!("A {objective} policy of {parameters} parameters {sees}{}.", trained.unwrap_or_default())
}
