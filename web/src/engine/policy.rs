//! A checkpoint made ready: loaded, warmed up, tested, and described for the page.

use burn::module::Module;
use burn::tensor::Tensor;
use wasm_bindgen::JsValue;

use super::device::Found;
use super::load::{Opened, Report, open};
use super::task::{Task, heap, now};
use super::{EngineError, self_test};
use crate::protocol::{CameraCard, CheckpointRef, Dimension, PolicyCard, SelfTest};
use crate::tabletop::WORLD;
use crate::tabletop::eyes::Eyes;
use mtdit_policy::config::ObjectiveConfig;
use mtdit_policy::{Frame, Policy, Precision, SamplerKind, SamplerSettings, SamplingPlan, Statistics};

/// A policy with what it remembers between requests.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) policy: Policy,
    pub(super) card: PolicyCard,
    pub(super) is_gpu: bool,
    /// The last sampler with the time's part of every modulation.
    pub(super) plan: Option<SamplingPlan>,
    /// The last instruction and its feature.
    pub(super) text: Option<(String, Tensor<2>)>,
    /// The last moments' frames and their features.
    pub(super) vision: Vec<(Vec<Frame>, Tensor<3>)>,
}

impl Ready {
    /// Loads a checkpoint onto a device.
    ///
    /// # Errors
    /// [`EngineError`] names what is at fault.
    pub(super) async fn load(
        reference: &CheckpointRef,
        attachments: &[JsValue],
        found: &Found,
        task: &Task,
    ) -> Result<Self, EngineError> {
        let began = now();
        let mut opened = open(reference, attachments, task).await?;
        let loaded = opened.parts.load(&mut opened.weights, Precision::F32, &found.device).await;
        let policy = opened.weights.settle(loaded).await?;
        let loading = now() - began;

        let card = card(&opened, &policy);
        let mut ready = Self { policy, card, is_gpu: found.is_gpu, plan: None, text: None, vision: Vec::new() };

        let bytes = ready.card.bytes;
        task.progress("warming up", bytes, bytes);
        task.go_on().await?;
        let began = now();
        let kernels = self_test::kernels(&found.device).await?;
        let tested = now() - began;
        let began = now();
        let answer = self_test::known_answer(&mut ready, opened.manifest.as_ref(), task).await?;
        let warm_up = now() - began;

        ready.card.self_test = verdict(kernels, answer);
        ready.card.timings = [("loading", loading), ("self-test", tested), ("warm-up", warm_up)]
            .map(|(name, took)| (name.to_owned(), took))
            .to_vec();
        ready.card.heap = heap();
        Ok(ready)
    }

    /// The plan of a sampler, prepared when it is another than the last.
    ///
    /// # Errors
    /// [`EngineError::Policy`] when the sampler does not fit.
    pub(super) fn plan(&mut self, settings: SamplerSettings) -> Result<SamplingPlan, EngineError> {
        if let Some(plan) = self.plan.as_ref().filter(|plan| plan.settings() == settings) {
            return Ok(plan.clone());
        }
        let plan = self.policy.plan(settings)?;
        self.plan = Some(plan.clone());
        Ok(plan)
    }
}

/// Both tests in one: the worse of them decides.
fn verdict(kernels: SelfTest, answer: Option<SelfTest>) -> SelfTest {
    let Some(answer) = answer else { return kernels };
    SelfTest {
        passed: kernels.passed && answer.passed,
        words: format!("{}; {}", kernels.words, answer.words),
        error: kernels.error.max(answer.error),
        tolerance: kernels.tolerance.max(answer.tolerance),
    }
}

/// What the page shows of a policy.
fn card(opened: &Opened<'_>, policy: &Policy) -> PolicyCard {
    let config = policy.config();
    let is_diffusion = policy.is_diffusion();
    let own = policy.default_sampler();
    let fitting = SamplerKind::ALL.into_iter().filter(|kind| {
        SamplerSettings { kind: *kind, steps: 1, spacing: own.spacing }.validate(&config.objective).is_ok()
    });
    let others = fitting.filter(|kind| *kind != own.kind).map(SamplerKind::name);
    let max_steps = match &config.objective {
        ObjectiveConfig::Diffusion(diffusion) => diffusion.num_train_timesteps,
        ObjectiveConfig::FlowMatching(_) => 1000,
    };
    let camera = |camera: &mtdit_policy::config::CameraConfig| CameraCard {
        name: camera.name().to_owned(),
        width: camera.width,
        height: camera.height,
    };
    PolicyCard {
        name: opened.name.clone(),
        origin: opened.origin.clone(),
        cameras: config.cameras.iter().map(camera).collect(),
        n_obs_steps: config.n_obs_steps,
        horizon: config.horizon,
        first_executed: config.first_executed(),
        n_action_steps: config.n_action_steps,
        state: dimensions(
            "state",
            &opened.state_names,
            config.state_dim,
            &opened.parts.statistics,
            "observation.state",
        ),
        action: dimensions(
            "action",
            &opened.action_names,
            config.action_dim,
            &opened.parts.action_statistics,
            "action",
        ),
        objective: if is_diffusion { "diffusion" } else { "flow matching" }.to_owned(),
        samplers: std::iter::once(own.kind.name()).chain(others).map(str::to_owned).collect(),
        steps: own.steps,
        max_steps,
        tasks: opened.tasks.clone(),
        parameters: policy.network().num_params() as u64,
        bytes: opened.weights.bytes(),
        from_cache: opened.from_cache,
        sample: opened.sample.clone(),
        world: Eyes::of(config, &opened.state_names, &opened.action_names).map(|_| WORLD.to_owned()),
        self_test: SelfTest { passed: false, words: "not tested yet".to_owned(), error: 0.0, tolerance: 0.0 },
        timings: Vec::new(),
        heap: 0,
    }
}

/// Names and ranges of a vector's numbers.
fn dimensions(kind: &str, names: &[String], count: usize, statistics: &Statistics, feature: &str) -> Vec<Dimension> {
    let stat = |name: &str, i: usize| statistics.get(feature, name).and_then(|stat| stat.values.get(i)).copied();
    let name = |i: usize| names.get(i).cloned().unwrap_or_else(|| format!("{kind} {i}"));
    (0..count)
        .map(|i| Dimension { name: name(i), min: stat("min", i), max: stat("max", i), mean: stat("mean", i) })
        .collect()
}
