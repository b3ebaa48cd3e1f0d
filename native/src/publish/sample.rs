//! The observation that a page begins with: from a dataset, or from `sample/` in the checkpoint.
//!
//! `sample/observation.json` holds a [`SampleObservation`]; its pictures lie beside it as `sample/CAMERA_STEP.png`, step 0
//! the oldest. Publishing writes this folder, so a published checkpoint can be published again.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use mtdit_data::{Dataset, Window};
use mtdit_policy::checkpoint::files::EXTRAS;
use mtdit_policy::{Frame, Moment, Observation, Policy, PolicyConfig};
use mtdit_train::features::Renames;
use mtdit_web::manifest::ListedFile;
use mtdit_web::protocol::SampleObservation;
use serde_json::Value;

use super::Publication;
use super::checkpoint::Order;
use super::seal;
use super::site::{Names, is_inner};
use crate::contact_sheet::{self, png};
use crate::hub;
use crate::observation::picture;

/// The observation's numbers and words, below the checkpoint's folder.
const OBSERVATION: &str = "sample/observation.json";

/// The sample observation of a checkpoint: from the dataset that was given, else from the one it was trained on, if that is
/// here, else from its own `sample/`.
pub(super) fn find(order: &Order, policy: &Policy, publication: &Publication) -> Result<Option<Observation>> {
    if let Some(root) = &order.dataset {
        let observation = recorded(root, order, policy);
        return observation.map(Some).with_context(|| format!("taking a sample observation from {}", root.display()));
    }
    if let Some(root) = trained_on(order.folder.root()) {
        match recorded(&root, order, policy) {
            Ok(observation) => return Ok(Some(observation)),
            Err(error) => publication.note(&format!("no sample observation from {}: {error:#}", root.display())),
        }
    }
    let root = order.folder.root();
    if root.join(OBSERVATION).is_file() {
        return saved(order, policy).map(Some).with_context(|| root.join(OBSERVATION).display().to_string());
    }
    publication.note(&format!("{} gets no sample observation; take one from a dataset with --dataset", order.name));
    Ok(None)
}

/// The dataset that a checkpoint was trained on, if it is on this machine.
fn trained_on(checkpoint: &Path) -> Option<PathBuf> {
    let trained = json(&checkpoint.join("train_config.json"));
    let dataset = &trained["dataset"];
    let root = dataset["root"].as_str().map(PathBuf::from);
    root.filter(|root| root.join("meta/info.json").is_file()).or_else(|| {
        let extras = json(&checkpoint.join(EXTRAS));
        let repo_id = dataset["repo_id"].as_str().or(extras["provenance"]["dataset"].as_str())?;
        hub::dataset_folder(None, repo_id, dataset["revision"].as_str()).ok()
    })
}

/// A file of JSON, or null.
pub(super) fn json(path: &Path) -> Value {
    fs::read_to_string(path).ok().and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
}

/// The middle of the first episode (with the instruction, if one was given that the dataset has).
fn recorded(root: &Path, order: &Order, policy: &Policy) -> Result<Observation> {
    let dataset = Dataset::open(root)?;
    let config = policy.config();
    let trained = json(&order.folder.root().join("train_config.json"));
    let renames = trained["rename_map"].as_object().map(Renames::new).unwrap_or_default();

    let episodes = dataset.episodes();
    let fitting = episodes.iter().find(|episode| order.task.as_ref().is_some_and(|task| episode.tasks.contains(task)));
    let episode = fitting.or(episodes.first()).context("the dataset has no episode")?;
    let anchor = usize::midpoint(episode.from, episode.to);
    let window = Window::new(config.n_obs_steps, config.horizon);
    let (rows, _) = Window::rows(anchor, episode.range(), &window.observation);
    let mut history = Vec::new();
    for row in rows {
        let mut frames = Vec::new();
        for camera in &config.cameras {
            let frame = dataset.frame(renames.column(&camera.key), row)?;
            frames.push(Frame { height: frame.height, width: frame.width, rgb: frame.rgb.into() });
        }
        history.push(Moment { frames, state: dataset.values(renames.column("observation.state"), row)? });
    }
    let task = match &order.task {
        Some(task) => task.clone(),
        None => dataset.task(anchor)?.to_owned(),
    };
    checked(Observation { history, task }, policy)
}

/// What lies in the checkpoint's `sample/`.
fn saved(order: &Order, policy: &Policy) -> Result<Observation> {
    let root = order.folder.root();
    let sample: SampleObservation = serde_json::from_str(&fs::read_to_string(root.join(OBSERVATION))?)?;
    ensure!(
        sample.frames.len() == sample.states.len(),
        "it has pictures of {} moments and states of {}",
        sample.frames.len(),
        sample.states.len()
    );
    let mut history = Vec::new();
    for (paths, state) in sample.frames.iter().zip(sample.states) {
        let frames = paths.iter().map(|path| inner_picture(root, path)).collect::<Result<_>>()?;
        history.push(Moment { frames, state });
    }
    let task = order.task.clone().unwrap_or(sample.task);
    checked(Observation { history, task }, policy)
}

fn inner_picture(root: &Path, path: &str) -> Result<Frame> {
    ensure!(is_inner(path), "it names the picture `{path}`, which is not a path below the checkpoint's folder");
    picture(&root.join(path))
}

/// An observation that the policy can be given.
fn checked(observation: Observation, policy: &Policy) -> Result<Observation> {
    let [found, expected] = [observation.history.len(), policy.config().n_obs_steps];
    ensure!(found == expected, "it has {found} moments, the policy looks at {expected}");
    observation.history.iter().try_for_each(|moment| policy.preprocessor().check(moment))?;
    Ok(observation)
}

/// Writes an observation into a published checkpoint. Pictures are PNG files, which keep every pixel.
pub(super) fn write(
    observation: &Observation,
    config: &PolicyConfig,
    folder: &Path,
) -> Result<(SampleObservation, Vec<ListedFile>)> {
    let mut names = Names::default();
    let cameras: Vec<String> = config.cameras.iter().map(|camera| names.take(camera.name())).collect();
    let mut files = Vec::new();
    let mut sample = SampleObservation { task: observation.task.clone(), ..SampleObservation::default() };
    for (step, moment) in observation.history.iter().enumerate() {
        let mut paths = Vec::new();
        for (camera, frame) in cameras.iter().zip(&moment.frames) {
            let path = format!("sample/{camera}_{step}.png");
            let [width, height] = [frame.width, frame.height].map(|side| u32::try_from(side).unwrap_or(0));
            let picture = png(&contact_sheet::Frame { width, height, pixels: frame.rgb.to_vec() })?;
            files.push(seal::write(folder, &path, &picture)?);
            paths.push(path);
        }
        sample.frames.push(paths);
        sample.states.push(moment.state.clone());
    }
    let text = serde_json::to_string_pretty(&sample)?;
    files.push(seal::write(folder, OBSERVATION, text.as_bytes())?);
    Ok((sample, files))
}
