//! The learning rate over a run: the schedules of diffusers that `LeRobot` names in `scheduler_name`.
//!
//! Every parameter group has its own base rate and they all share one factor `g(n)`, where `n` counts updates from zero:
//! update `n` uses `base · g(n)`. The formulas and the order of their operations are those of
//! `diffusers.optimization`, so that the factors agree to the bit. `steps` is the length of the whole run: continuing a
//! run with more steps stretches the curve.

use std::f64::consts::PI;

use thiserror::Error;

/// Where a polynomial schedule ends, as a rate (not a factor): diffusers' `lr_end`.
const POLYNOMIAL_END: f64 = 1e-7;

/// What is wrong with the schedule that was asked for.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum ScheduleError {
    /// The name is none of diffusers'.
    #[error("unknown learning-rate schedule `{0}`: choose one of {known}", known = NAMES.join(", "))]
    Unknown(String),
    /// diffusers has the name, but it needs rules that `LeRobot`'s configuration cannot hold.
    #[error(
        "the schedule `piecewise_constant` needs step rules that a LeRobot configuration cannot hold: \
         choose one of {known}",
        known = NAMES.join(", ")
    )]
    NeedsRules,
    /// A polynomial schedule falls towards a fixed rate, so it has to start above it.
    #[error(
        "a polynomial schedule ends at a learning rate of {end}, which {0} is not above: \
         raise the learning rate or choose another schedule",
        end = POLYNOMIAL_END
    )]
    TooLow(f64),
}

/// The names that can be used.
const NAMES: [&str; 6] = ["cosine", "linear", "constant", "constant_with_warmup", "cosine_with_restarts", "polynomial"];

#[derive(Debug, Clone, Copy, PartialEq)]
enum Shape {
    Cosine,
    Linear,
    Constant,
    ConstantWithWarmup,
    CosineWithRestarts,
    /// From the base rate in the field down to [`POLYNOMIAL_END`], in a straight line.
    Polynomial(f64),
}

/// The factor that every base learning rate is multiplied with, update by update.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LearningRate {
    shape: Shape,
    warmup: u64,
    steps: u64,
}

impl LearningRate {
    /// The schedule called `name` over `steps` updates, of which the first `warmup` climb from zero.
    ///
    /// `lr` is the optimizer's base rate; only `polynomial` depends on it.
    ///
    /// # Errors
    /// When the name is unknown or the schedule cannot be built from these numbers.
    pub fn new(name: &str, lr: f64, warmup: u64, steps: u64) -> Result<Self, ScheduleError> {
        let shape = match name {
            "cosine" => Shape::Cosine,
            "linear" => Shape::Linear,
            "constant" => Shape::Constant,
            "constant_with_warmup" => Shape::ConstantWithWarmup,
            "cosine_with_restarts" => Shape::CosineWithRestarts,
            "polynomial" if lr > POLYNOMIAL_END => Shape::Polynomial(lr),
            "polynomial" => return Err(ScheduleError::TooLow(lr)),
            "piecewise_constant" => return Err(ScheduleError::NeedsRules),
            _ => return Err(ScheduleError::Unknown(name.to_owned())),
        };
        Ok(Self { shape, warmup, steps })
    }

    /// `g(update)`: what the base rates are multiplied with at this update, counted from zero.
    pub fn factor(&self, update: u64) -> f64 {
        if matches!(self.shape, Shape::Constant) {
            return 1.0;
        }
        if update < self.warmup {
            return update as f64 / self.warmup as f64;
        }
        let progress = (update - self.warmup) as f64 / self.decay_steps();
        match self.shape {
            Shape::Constant | Shape::ConstantWithWarmup => 1.0,
            Shape::Linear => self.steps.saturating_sub(update) as f64 / self.decay_steps(),
            Shape::Cosine => half_cosine(progress),
            Shape::CosineWithRestarts if progress >= 1.0 => 0.0,
            Shape::CosineWithRestarts => half_cosine(progress % 1.0),
            Shape::Polynomial(base) if update > self.steps || self.steps <= self.warmup => POLYNOMIAL_END / base,
            Shape::Polynomial(base) => ((base - POLYNOMIAL_END) * (1.0 - progress) + POLYNOMIAL_END) / base,
        }
    }

    /// The number of updates after the warm-up, never zero.
    fn decay_steps(&self) -> f64 {
        self.steps.saturating_sub(self.warmup).max(1) as f64
    }
}

/// From one at the start to zero at the end.
fn half_cosine(progress: f64) -> f64 {
    (0.5 * (1.0 + (PI * progress).cos())).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(name: &str, warmup: u64, steps: u64) -> LearningRate {
        LearningRate::new(name, 2e-5, warmup, steps).expect("the schedule is known")
    }

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-12, "found {found}, expected {expected}");
    }

    #[test]
    fn cosine_has_the_contract_rates() {
        let cosine = schedule("cosine", 0, 12);
        close(2e-5 * cosine.factor(0), 2e-5);
        close(2e-5 * cosine.factor(6), 1e-5);
        close(2e-5 * cosine.factor(8), 5e-6);
        close(cosine.factor(12), 0.0);
    }

    /// `scheduler_state.json` of a genuine run of six steps holds exactly these two rates after step 3.
    #[test]
    fn cosine_equals_a_genuine_run_to_the_bit() {
        let factor = schedule("cosine", 0, 6).factor(3);
        assert_eq!((2e-5 * factor).to_bits(), 1e-5_f64.to_bits());
        assert_eq!((2.0000000000000003e-6 * factor).to_bits(), 1.0000000000000002e-6_f64.to_bits());
    }

    #[test]
    fn warm_up_climbs_from_zero() {
        for name in ["cosine", "linear", "constant_with_warmup", "polynomial"] {
            let schedule = schedule(name, 4, 12);
            close(schedule.factor(0), 0.0);
            close(schedule.factor(1), 0.25);
            close(schedule.factor(4), 1.0);
        }
        close(schedule("cosine", 4, 12).factor(8), 0.5);
        close(schedule("linear", 4, 12).factor(10), 0.25);
        close(schedule("constant", 4, 12).factor(0), 1.0);
    }

    #[test]
    fn one_cycle_of_restarts_is_half_a_cosine() {
        let restarts = schedule("cosine_with_restarts", 0, 12);
        close(restarts.factor(6), 0.5);
        close(restarts.factor(12), 0.0);
        close(restarts.factor(20), 0.0);
    }

    #[test]
    fn polynomial_ends_at_a_rate_above_zero() {
        let polynomial = schedule("polynomial", 0, 10);
        close(2e-5 * polynomial.factor(5), (2e-5 + 1e-7) / 2.0);
        close(2e-5 * polynomial.factor(10), 1e-7);
        close(2e-5 * polynomial.factor(99), 1e-7);
    }

    #[test]
    fn degenerate_runs_stay_finite() {
        for name in NAMES {
            for (warmup, steps) in [(0, 0), (5, 5), (9, 3)] {
                for update in 0..12 {
                    let factor = schedule(name, warmup, steps).factor(update);
                    assert!(factor.is_finite(), "{name} {warmup} {steps} {update}");
                }
            }
        }
    }

    #[test]
    fn what_cannot_be_built_is_said() {
        let error = |name, lr| LearningRate::new(name, lr, 0, 10).expect_err("must be refused").to_string();
        assert!(error("cosign", 2e-5).contains("cosine"));
        assert!(error("piecewise_constant", 2e-5).contains("step rules"));
        assert!(error("polynomial", 1e-8).contains("polynomial"));
    }
}
