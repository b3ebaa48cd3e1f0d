//! Euler, midpoint and Runge-Kutta integration of a velocity from `t = 0` (noise) to `t = 1` (contract section 5.8).

use burn::tensor::Tensor;

use super::{Query, SamplerKind, SamplerSettings};
use crate::denoiser::timestep::{as_f64, round};

#[derive(Clone, Debug)]
pub(super) struct FlowSolver {
    kind: SamplerKind,
    grid: Vec<f32>,
    step: usize,
    x: Tensor<3>,
    /// Velocities already known within this step.
    stages: Vec<Tensor<3>>,
}

/// `steps + 1` equal times from 0 to 1, as `torch.linspace` rounds them.
fn grid(steps: usize) -> Vec<f32> {
    let step = 1.0 / round(as_f64(steps));
    let from_end = |i: usize| 1.0 - step * round(as_f64(steps - i));
    (0..=steps).map(|i| if i < steps.div_ceil(2) { step * round(as_f64(i)) } else { from_end(i) }).collect()
}

fn n_stages(kind: SamplerKind) -> usize {
    match kind {
        SamplerKind::Rk4 => 4,
        SamplerKind::Midpoint => 2,
        _ => 1,
    }
}

/// Offset of a stage within its step.
fn stage_time(kind: SamplerKind, stage: usize, start: f32, dt: f32) -> f32 {
    match (kind, stage) {
        (_, 0) => start,
        (SamplerKind::Rk4, 3) => start + dt,
        _ => start + dt / 2.0,
    }
}

/// The time of every evaluation, in order.
pub(super) fn evaluations(kind: SamplerKind, steps: usize) -> Vec<f32> {
    let times = |pair: &[f32]| {
        (0..n_stages(kind)).map(|stage| stage_time(kind, stage, pair[0], pair[1] - pair[0])).collect::<Vec<_>>()
    };
    grid(steps).windows(2).flat_map(times).collect()
}

impl FlowSolver {
    pub(super) fn new(settings: SamplerSettings, noise: Tensor<3>) -> Self {
        Self { kind: settings.kind, grid: grid(settings.steps), step: 0, x: noise, stages: Vec::new() }
    }

    fn span(&self) -> Option<(f32, f32)> {
        let start = self.grid[self.step];
        self.grid.get(self.step + 1).map(|end| (start, end - start))
    }

    pub(super) fn query(&self) -> Option<Query> {
        let (start, dt) = self.span()?;
        let stage = self.stages.len();
        let timestep = stage_time(self.kind, stage, start, dt);
        let x = match self.stages.last() {
            None => self.x.clone(),
            Some(velocity) => self.x.clone() + velocity.clone() * (timestep - start),
        };
        Some(Query { x, timestep, index: self.step * n_stages(self.kind) + stage })
    }

    pub(super) fn feed(&mut self, velocity: Tensor<3>) {
        let Some((_, dt)) = self.span() else { return };
        self.stages.push(velocity);
        if self.stages.len() < n_stages(self.kind) {
            return;
        }
        let stages = core::mem::take(&mut self.stages);
        let velocity = match <[Tensor<3>; 4]>::try_from(stages) {
            Ok([first, second, third, fourth]) => (first + (second + third) * 2.0 + fourth) / 6.0,
            // Euler's only stage, or midpoint's second.
            Err(mut stages) => stages.remove(stages.len() - 1),
        };
        self.x = self.x.clone() + velocity * dt;
        self.step += 1;
    }

    pub(super) fn into_actions(self) -> Tensor<3> {
        self.x
    }
}

#[cfg(test)]
mod tests {
    use super::{SamplerKind, evaluations};

    #[test]
    fn the_last_evaluation_of_rk4_is_at_one() {
        assert_eq!(evaluations(SamplerKind::Rk4, 6).last(), Some(&1.0), "t + dt of the last step");
        assert_eq!(evaluations(SamplerKind::Rk4, 6).len(), 24, "four per step");
        assert_eq!(evaluations(SamplerKind::Midpoint, 2), [0.0, 0.25, 0.5, 0.75], "start and middle of each step");
        assert_eq!(evaluations(SamplerKind::Euler, 4), [0.0, 0.25, 0.5, 0.75], "starts only");
    }
}
