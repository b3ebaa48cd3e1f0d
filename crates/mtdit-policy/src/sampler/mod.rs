//! Noise to actions, one evaluation of the network at a time.
//!
//! A [`Sampler`] is pulled: it asks ([`Sampler::query`]), the caller evaluates the network any way it likes (and draws the
//! result on a page, or stops), and answers ([`Sampler::feed`]). It knows no network, draws no random number and reads no
//! device, so one implementation serves the native loop, the browser and tests with an analytic network.

mod diffusion;
mod flow;

use std::fmt;
use std::str::FromStr;

use burn::tensor::{Device, Tensor, TensorData};

use crate::config::{IntegrationMethod, NoiseSchedulerType, ObjectiveConfig, PolicyConfig};
use crate::error::PolicyError;
use crate::objective::NoiseSchedule;
use diffusion::DiffusionSolver;
use flow::FlowSolver;

/// The ways to sample; the first three for diffusion, the others for flow matching.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SamplerKind {
    /// Ancestral sampling (Ho et al. 2020).
    Ddpm,
    /// Deterministic sampling (Song et al. 2021).
    Ddim,
    /// Second-order multistep solver with clipped clean actions (Lu et al. 2022, DPM-Solver++ 2M).
    DpmSolver,
    /// First order.
    Euler,
    /// Second order, two evaluations per step.
    Midpoint,
    /// Fourth order, four evaluations per step.
    Rk4,
}

impl SamplerKind {
    /// All of them, in the order of the documentation.
    pub const ALL: [Self; 6] = [Self::Ddpm, Self::Ddim, Self::DpmSolver, Self::Euler, Self::Midpoint, Self::Rk4];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ddpm => "ddpm",
            Self::Ddim => "ddim",
            Self::DpmSolver => "dpm++",
            Self::Euler => "euler",
            Self::Midpoint => "midpoint",
            Self::Rk4 => "rk4",
        }
    }

    fn is_diffusion(self) -> bool {
        matches!(self, Self::Ddpm | Self::Ddim | Self::DpmSolver)
    }
}

impl fmt::Display for SamplerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for SamplerKind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|kind| kind.name() == name.to_lowercase()).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|kind| kind.name()).collect();
            format!("no sampler is called `{name}`; there are {}", names.join(", "))
        })
    }
}

/// Where diffusion's denoising steps lie among the training timesteps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimestepSpacing {
    /// diffusers' default: multiples of `N / n`, so the first step starts below the noise it is given.
    #[default]
    Leading,
    /// From the last training timestep down, so that sampling starts at full noise.
    Trailing,
}

/// A sampler, its number of steps and their spacing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SamplerSettings {
    /// Which sampler.
    pub kind: SamplerKind,
    /// Denoising or integration steps.
    pub steps: usize,
    /// Spacing of diffusion's steps; flow matching has none.
    pub spacing: TimestepSpacing,
}

impl SamplerSettings {
    /// What the checkpoint asks for.
    pub fn from_config(objective: &ObjectiveConfig) -> Self {
        let (kind, steps) = match objective {
            ObjectiveConfig::Diffusion(diffusion) => {
                let kind = match diffusion.noise_scheduler_type {
                    NoiseSchedulerType::Ddpm => SamplerKind::Ddpm,
                    NoiseSchedulerType::Ddim => SamplerKind::Ddim,
                };
                (kind, diffusion.num_inference_steps.unwrap_or(diffusion.num_train_timesteps))
            }
            ObjectiveConfig::FlowMatching(flow) => {
                let kind = match flow.integration_method {
                    IntegrationMethod::Euler => SamplerKind::Euler,
                    IntegrationMethod::Rk4 => SamplerKind::Rk4,
                };
                (kind, flow.num_integration_steps)
            }
        };
        Self { kind, steps, spacing: TimestepSpacing::Leading }
    }

    /// Whether the sampler fits the checkpoint's objective and number of timesteps.
    ///
    /// # Errors
    /// [`PolicyError::Sampler`] when it does not.
    pub fn validate(&self, objective: &ObjectiveConfig) -> Result<(), PolicyError> {
        let refuse = |reason: String| Err(PolicyError::Sampler { sampler: self.kind.name(), reason });
        match (objective, self.kind.is_diffusion()) {
            (ObjectiveConfig::Diffusion(_), false) => {
                refuse("it integrates a flow, but this is a diffusion checkpoint; use ddpm, ddim or dpm++".into())
            }
            (ObjectiveConfig::FlowMatching(_), true) => refuse(
                "it denoises a diffusion, but this is a flow matching checkpoint; use euler, midpoint or rk4".into(),
            ),
            _ if self.steps == 0 => refuse("the number of steps is 0; give at least 1".into()),
            (ObjectiveConfig::Diffusion(diffusion), true) if self.steps > diffusion.num_train_timesteps => {
                let most = diffusion.num_train_timesteps;
                refuse(format!("{} steps were asked for, but the checkpoint has {most} timesteps", self.steps))
            }
            (ObjectiveConfig::FlowMatching(_), false) if self.steps > 100_000 => {
                refuse(format!("{} steps were asked for; 100000 is the most", self.steps))
            }
            _ => Ok(()),
        }
    }

    /// The timestep of every evaluation of the network, in order.
    pub fn evaluations(&self, objective: &ObjectiveConfig) -> Vec<f32> {
        match objective {
            ObjectiveConfig::Diffusion(diffusion) => {
                diffusion::timesteps(diffusion.num_train_timesteps, self.steps, self.spacing)
                    .into_iter()
                    .map(diffusion::as_f32)
                    .collect()
            }
            ObjectiveConfig::FlowMatching(_) => flow::evaluations(self.kind, self.steps),
        }
    }

    /// How many noise tensors the sampler needs after the initial one.
    pub fn n_step_noises(&self) -> usize {
        if self.kind == SamplerKind::Ddpm { self.steps.saturating_sub(1) } else { 0 }
    }
}

/// The noise one sampling run starts from and, for DDPM, adds: drawn by the caller.
#[derive(Clone, Debug)]
pub struct Noise {
    /// `[batch, horizon, action_dim]`.
    pub initial: Tensor<3>,
    /// One `[batch, horizon, action_dim]` per entry, at least [`SamplerSettings::n_step_noises`].
    pub steps: Vec<Tensor<3>>,
}

impl Noise {
    /// Noise for one chunk out of standard normal numbers: first the initial noise, then that of every step, each in row-major
    /// order. Whoever draws the numbers in the same way samples the same chunk.
    pub fn draw(
        config: &PolicyConfig,
        settings: SamplerSettings,
        device: &Device,
        mut normal: impl FnMut() -> f32,
    ) -> Self {
        let shape = [1, config.horizon, config.action_dim];
        let mut next = || {
            let values: Vec<f32> = (0..config.horizon * config.action_dim).map(|_| normal()).collect();
            Tensor::from_data(TensorData::new(values, shape), device)
        };
        Self { initial: next(), steps: (0..settings.n_step_noises()).map(|_| next()).collect() }
    }
}

/// One question to the network.
#[derive(Clone, Debug)]
pub struct Query {
    /// The noisy actions, `[batch, horizon, action_dim]`.
    pub x: Tensor<3>,
    /// Their timestep.
    pub timestep: f32,
    /// Position of this evaluation in [`SamplerSettings::evaluations`].
    pub index: usize,
}

/// A sampling run.
#[derive(Clone, Debug)]
pub struct Sampler(Solver);

#[derive(Clone, Debug)]
enum Solver {
    Diffusion(DiffusionSolver),
    Flow(FlowSolver),
}

impl Sampler {
    /// Starts from noise. `schedule` is the diffusion objective's; flow matching needs none.
    ///
    /// # Errors
    /// [`PolicyError::Sampler`] when the settings do not fit the objective, [`PolicyError::Noise`] when noise is missing.
    pub fn new(
        settings: SamplerSettings,
        objective: &ObjectiveConfig,
        schedule: Option<&NoiseSchedule>,
        noise: Noise,
    ) -> Result<Self, PolicyError> {
        settings.validate(objective)?;
        if noise.steps.len() < settings.n_step_noises() {
            let expected = vec![settings.n_step_noises()];
            return Err(PolicyError::Noise { what: "step noise", found: vec![noise.steps.len()], expected });
        }
        Ok(Self(match (objective, schedule) {
            (ObjectiveConfig::Diffusion(config), Some(schedule)) => {
                Solver::Diffusion(DiffusionSolver::new(settings, config, schedule.clone(), noise))
            }
            (ObjectiveConfig::Diffusion(config), None) => {
                Solver::Diffusion(DiffusionSolver::new(settings, config, NoiseSchedule::new(config), noise))
            }
            (ObjectiveConfig::FlowMatching(_), _) => Solver::Flow(FlowSolver::new(settings, noise.initial)),
        }))
    }

    /// The next evaluation, or `None` when sampling is over.
    pub fn query(&self) -> Option<Query> {
        match &self.0 {
            Solver::Diffusion(solver) => solver.query(),
            Solver::Flow(solver) => solver.query(),
        }
    }

    /// The network's answer to the last [`query`](Self::query); ignored when sampling is over.
    pub fn feed(&mut self, output: Tensor<3>) {
        match &mut self.0 {
            Solver::Diffusion(solver) => solver.feed(output),
            Solver::Flow(solver) => solver.feed(output),
        }
    }

    /// The sampled actions so far, `[batch, horizon, action_dim]`, normalised.
    pub fn finish(self) -> Tensor<3> {
        match self.0 {
            Solver::Diffusion(solver) => solver.into_actions(),
            Solver::Flow(solver) => solver.into_actions(),
        }
    }
}
