//! DDPM, DDIM and DPM-Solver++(2M): one denoising step per evaluation (contract section 5.8).
//!
//! Coefficients are scalars on the host; the arithmetic stays in single precision whatever the network computes in, because
//! `1/√ᾱ` reaches 2,000 at the noisiest timestep.

use burn::tensor::Tensor;

use super::{Noise, Query, SamplerKind, SamplerSettings, TimestepSpacing};
use crate::config::{DiffusionConfig, PredictionType};
use crate::objective::NoiseSchedule;

#[derive(Clone, Debug)]
pub(super) struct DiffusionSolver {
    kind: SamplerKind,
    prediction_type: PredictionType,
    clip: Option<f64>,
    schedule: NoiseSchedule,
    timesteps: Vec<usize>,
    step_noise: Vec<Tensor<3>>,
    x: Tensor<3>,
    index: usize,
    /// DPM-Solver++: the previous clean actions and their half log signal-to-noise ratio.
    previous: Option<(Tensor<3>, f64)>,
}

/// The denoising timesteps, noisiest first.
pub(super) fn timesteps(n_train: usize, steps: usize, spacing: TimestepSpacing) -> Vec<usize> {
    match spacing {
        TimestepSpacing::Leading => (0..steps).rev().map(|i| i * (n_train / steps)).collect(),
        // round(n_train - i * n_train / steps) - 1, in whole numbers
        TimestepSpacing::Trailing => {
            (0..steps).map(|i| (2 * n_train * (steps - i) + steps) / (2 * steps) - 1).collect()
        }
    }
}

impl DiffusionSolver {
    pub(super) fn new(
        settings: SamplerSettings,
        config: &DiffusionConfig,
        schedule: NoiseSchedule,
        noise: Noise,
    ) -> Self {
        Self {
            kind: settings.kind,
            prediction_type: config.prediction_type,
            clip: config.clip_sample.then_some(config.clip_sample_range),
            timesteps: timesteps(schedule.len(), settings.steps, settings.spacing),
            schedule,
            step_noise: noise.steps,
            x: noise.initial,
            index: 0,
            previous: None,
        }
    }

    pub(super) fn query(&self) -> Option<Query> {
        let timestep = as_f32(*self.timesteps.get(self.index)?);
        Some(Query { x: self.x.clone(), timestep, index: self.index })
    }

    pub(super) fn feed(&mut self, output: Tensor<3>) {
        let Some(&timestep) = self.timesteps.get(self.index) else { return };
        let alpha_bar = self.schedule.alpha_bar(Some(timestep));
        let next = self.schedule.alpha_bar(self.timesteps.get(self.index + 1).copied());

        let clean = self.clean(&output, alpha_bar);
        self.x = match self.kind {
            SamplerKind::Ddim => self.ddim(output, clean, alpha_bar, next),
            SamplerKind::DpmSolver => self.dpm_solver(clean, alpha_bar, next),
            _ => self.ddpm(clean, alpha_bar, next),
        };
        self.index += 1;
    }

    pub(super) fn into_actions(self) -> Tensor<3> {
        self.x
    }

    /// The clean actions the network's output implies, clipped when the checkpoint says so.
    fn clean(&self, output: &Tensor<3>, alpha_bar: f32) -> Tensor<3> {
        let clean = match self.prediction_type {
            PredictionType::Epsilon => (self.x.clone() - output.clone() * (1.0 - alpha_bar).sqrt()) / alpha_bar.sqrt(),
            PredictionType::Sample => output.clone(),
        };
        match self.clip {
            Some(range) => clean.clamp(-range, range),
            None => clean,
        }
    }

    /// Ancestral step with the "fixed small" variance; the last one adds no noise.
    fn ddpm(&self, clean: Tensor<3>, alpha_bar: f32, next: f32) -> Tensor<3> {
        let alpha = alpha_bar / next;
        let beta = 1.0 - alpha;
        let [variance_now, variance_next] = [1.0 - alpha_bar, 1.0 - next];

        let mean = clean * (next.sqrt() * beta / variance_now)
            + self.x.clone() * (alpha.sqrt() * variance_next / variance_now);
        let is_last = self.index + 1 == self.timesteps.len();
        match self.step_noise.get(self.index) {
            Some(noise) if !is_last => {
                let variance = (variance_next / variance_now * beta).max(1e-20);
                mean + noise.clone() * variance.sqrt()
            }
            _ => mean,
        }
    }

    /// Deterministic step; for `epsilon` the raw output is reused, not derived again after clipping.
    fn ddim(&self, output: Tensor<3>, clean: Tensor<3>, alpha_bar: f32, next: f32) -> Tensor<3> {
        let noise = match self.prediction_type {
            PredictionType::Epsilon => output,
            PredictionType::Sample => (self.x.clone() - output * alpha_bar.sqrt()) / (1.0 - alpha_bar).sqrt(),
        };
        clean * next.sqrt() + noise * (1.0 - next).sqrt()
    }

    /// Second-order step in the clean actions; the first and the last are of first order.
    fn dpm_solver(&mut self, clean: Tensor<3>, alpha_bar: f32, next: f32) -> Tensor<3> {
        let [alpha_bar, next] = [f64::from(alpha_bar), f64::from(next)];
        let half_log_snr = |alpha_bar: f64| 0.5 * (libm::log(alpha_bar) - libm::log(1.0 - alpha_bar));
        let here = half_log_snr(alpha_bar);
        if next >= 1.0 {
            return clean;
        }
        let step = half_log_snr(next) - here;
        let extrapolated = match self.previous.take() {
            Some((previous, before)) => {
                let slope = step / (2.0 * (here - before));
                clean.clone() * (1.0 + slope) - previous * slope
            }
            None => clean.clone(),
        };
        self.previous = Some((clean, here));
        let ratio = ((1.0 - next) / (1.0 - alpha_bar)).sqrt();
        self.x.clone() * ratio - extrapolated * (next.sqrt() * libm::expm1(-step))
    }
}

#[expect(clippy::cast_precision_loss, reason = "timesteps are far below 2^24")]
pub(super) fn as_f32(timestep: usize) -> f32 {
    timestep as f32
}

#[cfg(test)]
mod tests {
    use super::{TimestepSpacing, timesteps};

    #[test]
    fn spacing_leading_is_that_of_diffusers() {
        assert_eq!(timesteps(100, 10, TimestepSpacing::Leading), [90, 80, 70, 60, 50, 40, 30, 20, 10, 0]);
        assert_eq!(timesteps(100, 30, TimestepSpacing::Leading)[0], 87, "29 steps of 3");
    }

    #[test]
    fn spacing_trailing_starts_at_full_noise() {
        assert_eq!(timesteps(100, 10, TimestepSpacing::Trailing), [99, 89, 79, 69, 59, 49, 39, 29, 19, 9]);
        assert_eq!(timesteps(7, 3, TimestepSpacing::Trailing), [6, 4, 1], "rounded, as 7, 4.67 and 2.33 are");
    }
}
