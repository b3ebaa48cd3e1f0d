//! The noise schedules of diffusion: tables on the host, rounded where diffusers rounds them (contract section 5.7).

use crate::config::{BetaSchedule, DiffusionConfig};
use crate::denoiser::timestep::{as_f64, round};

/// Cumulative products `ᾱ` of a beta schedule.
#[derive(Clone, Debug)]
pub struct NoiseSchedule {
    alphas_cumprod: Vec<f32>,
}

impl NoiseSchedule {
    /// The table of a configuration.
    pub fn new(config: &DiffusionConfig) -> Self {
        let mut product = 1.0_f32;
        let alphas_cumprod = betas(config).into_iter().map(|beta| {
            product *= 1.0 - beta;
            product
        });
        Self { alphas_cumprod: alphas_cumprod.collect() }
    }

    /// `ᾱ` at every timestep.
    pub fn alphas_cumprod(&self) -> &[f32] {
        &self.alphas_cumprod
    }

    /// `ᾱ` at a timestep; 1 (no noise) for `None`, the end of sampling.
    pub fn alpha_bar(&self, timestep: Option<usize>) -> f32 {
        timestep.map_or(1.0, |timestep| self.alphas_cumprod[timestep])
    }

    /// Number of training timesteps.
    pub fn len(&self) -> usize {
        self.alphas_cumprod.len()
    }

    /// Whether there are no timesteps, which a validated configuration excludes.
    pub fn is_empty(&self) -> bool {
        self.alphas_cumprod.is_empty()
    }
}

fn betas(config: &DiffusionConfig) -> Vec<f32> {
    let steps = config.num_train_timesteps;
    let [start, end] = [config.beta_start, config.beta_end];
    match config.beta_schedule {
        BetaSchedule::Linear => linspace(start, end, steps),
        BetaSchedule::ScaledLinear => {
            linspace(start.sqrt(), end.sqrt(), steps).into_iter().map(|root| root * root).collect()
        }
        BetaSchedule::SquaredCosine => {
            let alpha_bar = |u: f64| libm::pow(libm::cos((u + 0.008) / 1.008 * core::f64::consts::FRAC_PI_2), 2.0);
            let at = |i: usize| alpha_bar(as_f64(i) / as_f64(steps));
            (0..steps).map(|i| round((1.0 - at(i + 1) / at(i)).min(0.999))).collect()
        }
        BetaSchedule::Sigmoid => linspace(-6.0, 6.0, steps)
            .into_iter()
            .map(|x| round(1.0 / (1.0 + libm::exp(-f64::from(x)))) * round(end - start) + round(start))
            .collect(),
    }
}

/// `torch.linspace` in single precision: counted from both ends.
fn linspace(start: f64, end: f64, steps: usize) -> Vec<f32> {
    if steps == 1 {
        return vec![round(start)];
    }
    let [start, end] = [round(start), round(end)];
    let step = (end - start) / round(as_f64(steps - 1));
    let from_start = |i: usize| start + step * round(as_f64(i));
    let from_end = |i: usize| end - step * round(as_f64(steps - 1 - i));
    (0..steps).map(|i| if i < steps / 2 { from_start(i) } else { from_end(i) }).collect()
}

#[cfg(test)]
mod tests {
    use super::NoiseSchedule;
    use crate::config::{BetaSchedule, DiffusionConfig, NoiseSchedulerType, PredictionType};

    fn schedule(beta_schedule: BetaSchedule) -> NoiseSchedule {
        NoiseSchedule::new(&DiffusionConfig {
            noise_scheduler_type: NoiseSchedulerType::Ddpm,
            num_train_timesteps: 100,
            beta_schedule,
            beta_start: 1e-4,
            beta_end: 0.02,
            prediction_type: PredictionType::Epsilon,
            clip_sample: true,
            clip_sample_range: 1.0,
            num_inference_steps: None,
        })
    }

    fn check(beta_schedule: BetaSchedule, expected: &[(usize, f64)], tolerance: f64) {
        let schedule = schedule(beta_schedule);
        for &(timestep, expected) in expected {
            let found = f64::from(schedule.alphas_cumprod()[timestep]);
            assert!(
                (found / expected - 1.0).abs() < tolerance,
                "{beta_schedule:?} at {timestep}: {found} instead of {expected}"
            );
        }
    }

    /// Contract appendix A.
    #[test]
    fn squared_cosine_equals_the_contract() {
        let expected = [
            (0, 0.999_368_727_207_183_8),
            (1, 0.998_252_511_024_475_1),
            (10, 0.966_716_647_148_132_3),
            (50, 0.478_264_570_236_206_05),
            (98, 0.000_242_857_204_284_518_96),
            (99, 2.428_540_710_752_713_5e-7),
        ];
        check(BetaSchedule::SquaredCosine, &expected, 1e-6);
    }

    #[test]
    fn the_other_schedules_equal_the_contract() {
        check(BetaSchedule::Linear, &[(0, 0.9999), (50, 0.769_29), (99, 0.363_56)], 1e-5);
        check(BetaSchedule::ScaledLinear, &[(0, 0.9999), (50, 0.891_55), (99, 0.484_59)], 1e-5);
        check(BetaSchedule::Sigmoid, &[(0, 0.999_85), (50, 0.878_87), (99, 0.362_96)], 2e-5);
    }
}
