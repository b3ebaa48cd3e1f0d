//! What is measured: a checkpoint, or an architecture with random weights and made-up statistics.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use burn::module::Param;
use burn::tensor::Tensor;
use mtdit_policy::checkpoint::keys::{KeyMap, Layout, NamedVisitor, visit_named};
use mtdit_policy::checkpoint::lerobot::{FeatureKind, ObjectiveName, POLICY_TYPE, PolicyFeature};
use mtdit_policy::checkpoint::{LeRobotConfig, clip};
use mtdit_policy::{
    Network, Policy, PolicyConfig, Precision, SamplerKind, SamplerSettings, SamplingPlan, Statistic, Statistics,
};
use mtdit_tabletop::{ACTION_NAMES, FRAME_SIZE, STATE_NAMES};
use mtdit_train::CheckpointFolder;
use mtdit_train::save::CheckpointWriter;
use serde_json::json;
use tempfile::TempDir;

use super::SEED;
use super::samplers::{USUAL, name};
use crate::backend::Chosen;
use crate::cli::Architecture;
use crate::predict::load;

/// Cameras of an architecture, as many as are asked for.
const CAMERAS: [&str; 3] = ["top", "wrist", "side"];
const SMALL: &str = include_str!("../../../models/presets/small/config.json");
const TABLETOP: &str = include_str!("../../../models/presets/tabletop/config.json");

/// A policy, and what its checkpoint says of it.
pub(super) struct Subject {
    /// The policy.
    pub(super) policy: Policy,
    /// `config.json`.
    pub(super) saved: LeRobotConfig,
    /// A state that any normalisation takes: the mean of the data.
    pub(super) state: Vec<f32>,
    /// An action of the same kind.
    pub(super) action: Vec<f32>,
    statistics: Statistics,
    /// Where it was loaded from; none has random weights.
    folder: Option<PathBuf>,
    name: String,
    parameters: usize,
}

/// A way to sample, prepared.
pub(super) struct Sampling {
    /// Its name, such as `ddim-10`.
    pub(super) name: String,
    /// The policy, with an objective that fits.
    pub(super) policy: Policy,
    /// The sampler.
    pub(super) plan: SamplingPlan,
}

impl Subject {
    /// A checkpoint.
    pub(super) fn open(path: &Path, chosen: &Chosen) -> Result<Self> {
        let folder = CheckpointFolder::find(path)?;
        let parts = folder.parts()?;
        let policy = load(&folder, chosen)?;
        let root = folder.root();
        let name = root.display().to_string();
        Ok(Self { folder: Some(root.to_owned()), ..Self::new(policy, parts.config, parts.statistics, name) })
    }

    /// An architecture with random weights.
    pub(super) fn random(architecture: Architecture, n_cameras: usize, chosen: &Chosen) -> Result<Self> {
        let mut saved = described(architecture, n_cameras)?;
        saved.device = Some(chosen.torch_name.to_owned());
        let config = PolicyConfig::try_from(&saved)?;
        let towers = clip::towers(&config, None)?;
        chosen.device.seed(SEED);
        let network = Network::init(&config, &towers, Precision::F32, &chosen.device);
        let statistics = made_up(&config);
        let policy = Policy::new(config, towers, network, &statistics, &statistics, &chosen.device)?;
        let name = format!("{architecture:?} architecture, random weights").to_lowercase();
        Ok(Self::new(policy, saved, statistics, name))
    }

    fn new(policy: Policy, saved: LeRobotConfig, statistics: Statistics, name: String) -> Self {
        let config = policy.config();
        let mut parameters = Parameters::default();
        visit_named(policy.network(), KeyMap::new(config), &mut parameters);
        Self {
            state: mean(&statistics, "observation.state", config.state_dim),
            action: mean(&statistics, "action", config.action_dim),
            folder: None,
            parameters: parameters.0,
            policy,
            saved,
            statistics,
            name,
        }
    }

    /// Cameras that the policy looks through.
    pub(super) fn n_cameras(&self) -> usize {
        self.policy.config().cameras.len()
    }

    /// What it is, for a person.
    pub(super) fn words(&self) -> String {
        let (name, millions) = (&self.name, self.parameters as f64 / 1e6);
        let camera = self.policy.config().cameras.first();
        let frames = camera.map_or_else(String::new, |c| format!(", frames of {} x {}", c.height, c.width));
        format!("{name}, {millions:.1} M parameters{frames}")
    }

    /// The samplers that were asked for, else the usual ones that fit.
    ///
    /// # Errors
    /// When one does not fit.
    pub(super) fn samplings(&self, asked: &[SamplerSettings]) -> Result<Vec<Sampling>> {
        if !asked.is_empty() {
            return asked.iter().map(|settings| self.sampling(*settings)).collect();
        }
        let usual: Vec<Sampling> = USUAL.into_iter().filter_map(|settings| self.sampling(settings).ok()).collect();
        ensure!(!usual.is_empty(), "no usual sampler fits this checkpoint; name others with --samplers");
        Ok(usual)
    }

    fn sampling(&self, settings: SamplerSettings) -> Result<Sampling> {
        let policy = match self.folder {
            Some(_) => self.policy.clone(),
            None => self.with_objective_of(settings.kind)?,
        };
        Ok(Sampling { name: name(settings), plan: policy.plan(settings)?, policy })
    }

    /// The same network with the objective that a sampler is for: untrained weights fit both.
    fn with_objective_of(&self, kind: SamplerKind) -> Result<Policy> {
        let objective = match kind {
            SamplerKind::Ddpm | SamplerKind::Ddim | SamplerKind::DpmSolver => ObjectiveName::Diffusion,
            SamplerKind::Euler | SamplerKind::Midpoint | SamplerKind::Rk4 => ObjectiveName::FlowMatching,
        };
        let config = PolicyConfig::try_from(&LeRobotConfig { objective, ..self.saved.clone() })?;
        let (clip, network) = (self.policy.clip().clone(), self.policy.network().clone());
        Ok(Policy::new(config, clip, network, &self.statistics, &self.statistics, self.policy.device())?)
    }

    /// A folder that holds it as a checkpoint.
    ///
    /// # Errors
    /// When an architecture cannot be written to a temporary folder.
    pub(super) fn folder(&self) -> Result<Folder> {
        if let Some(path) = &self.folder {
            return Ok(Folder { path: path.clone(), _temporary: None });
        }
        let temporary = tempfile::tempdir().context("making a temporary folder")?;
        let path = temporary.path().join("pretrained_model");
        let writer = CheckpointWriter {
            folder: path.clone(),
            config: self.saved.clone(),
            clip: self.policy.clip().clone(),
            keys: KeyMap::new(self.policy.config()),
            statistics: self.statistics.clone(),
            train_config: json!({}),
            extras: json!({}),
            total_steps: 0,
            keep_last: 0,
        };
        writer.write_policy(&path, self.policy.network())?;
        Ok(Folder { path, _temporary: Some(temporary) })
    }
}

/// A checkpoint's folder; one that was made for this goes when it does.
pub(super) struct Folder {
    path: PathBuf,
    _temporary: Option<TempDir>,
}

impl Folder {
    /// The folder with `config.json`.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// An architecture's `config.json`, without features of any robot.
pub(super) fn preset(architecture: Architecture) -> Result<LeRobotConfig> {
    let mut saved = match architecture {
        Architecture::Default => LeRobotConfig { policy_type: POLICY_TYPE.to_owned(), ..LeRobotConfig::default() },
        Architecture::Small => LeRobotConfig::from_json(SMALL)?,
        // It names its `drop_n_last_frames`.
        Architecture::Tabletop => return Ok(LeRobotConfig::from_json(TABLETOP)?),
    };
    // As it is computed where nobody names it.
    saved.drop_n_last_frames = (saved.horizon + 1).saturating_sub(saved.n_action_steps + saved.n_obs_steps);
    Ok(saved)
}

/// The same for a robot of its usual size.
fn described(architecture: Architecture, n_cameras: usize) -> Result<LeRobotConfig> {
    let mut saved = preset(architecture)?;
    let (frame, state_dim, action_dim) = match architecture {
        Architecture::Default => ([480, 640], 6, 6),
        Architecture::Small => ([128, 128], 4, 4),
        Architecture::Tabletop => ([FRAME_SIZE; 2], STATE_NAMES.len(), ACTION_NAMES.len()),
    };
    let feature = |kind, shape: &[usize]| PolicyFeature { kind, shape: shape.to_vec() };
    for camera in CAMERAS.into_iter().take(n_cameras) {
        let pictures = feature(FeatureKind::Visual, &[3, frame[0], frame[1]]);
        saved.input_features.insert(format!("observation.images.{camera}"), pictures);
    }
    saved.input_features.insert("observation.state".to_owned(), feature(FeatureKind::State, &[state_dim]));
    saved.output_features.insert("action".to_owned(), feature(FeatureKind::Action, &[action_dim]));
    Ok(saved)
}

/// Statistics of data that nobody recorded: states and actions between -1 and 1, pictures between 0 and 1.
fn made_up(config: &PolicyConfig) -> Statistics {
    let mut statistics = Statistics::default();
    let mut add = |feature: &str, shape: &[usize], values: [(&str, f32); 4]| {
        for (stat, value) in values {
            let values = vec![value; shape.iter().product()];
            statistics.insert(feature, stat, Statistic { shape: shape.to_vec(), values });
        }
    };
    for camera in &config.cameras {
        add(&camera.key, &[3, 1, 1], [("min", 0.0), ("max", 1.0), ("mean", 0.5), ("std", 0.25)]);
    }
    for (feature, dim) in [("observation.state", config.state_dim), ("action", config.action_dim)] {
        add(feature, &[dim], [("min", -1.0), ("max", 1.0), ("mean", 0.0), ("std", 0.5)]);
    }
    statistics
}

/// The mean of a feature's data; zeros when it was not kept.
fn mean(statistics: &Statistics, feature: &str, dim: usize) -> Vec<f32> {
    let kept = statistics.get(feature, "mean").map(|mean| mean.values.clone());
    kept.filter(|mean| mean.len() == dim).unwrap_or_else(|| vec![0.0; dim])
}

/// Counts parameters. Random ones are drawn when they are first looked at, which must not be measured.
#[derive(Default)]
struct Parameters(usize);

impl NamedVisitor for Parameters {
    fn visit<const D: usize>(&mut self, _: &str, _: Layout, param: &Param<Tensor<D>>) {
        self.0 += param.val().shape().num_elements();
    }
}
