//! What pushes an expert off its way while it is recorded, so that the data shows how to come back.
//!
//! The hand trembles all the time, and now and then it is knocked aside. Only the place is disturbed: a disturbed opening would
//! drop what is held.

use mtdit_tabletop::Family;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rand_distr::{Distribution, StandardNormal};

/// Standard deviation of the trembling, in metres.
const TREMBLE_STD: f32 = 0.005;
/// Farthest that trembling leads, in metres.
const MOST_TREMBLE: f32 = 0.01;
/// Share of the trembling that is left after a step: half of it is new after two.
const TREMBLE_KEPT: f32 = 0.7;
/// Knocks per step: about one in an episode.
const KNOCK_CHANCE: f32 = 0.02;
/// Farthest that a knock leads, in metres.
const MOST_KNOCK: f32 = 0.04;
/// Steps that a knock lasts, at most.
const MOST_KNOCK_STEPS: u32 = 3;
/// Share of the disturbance along a wall that must not be touched.
const NEAR_WALL: f32 = 0.25;

/// The disturbance of one episode.
#[derive(Debug)]
pub(super) struct Disturbance {
    random: StdRng,
    scale: f32,
    tremble: [f32; 2],
    knock: [f32; 2],
    knock_steps: u32,
}

impl Disturbance {
    /// A disturbance `scale` times as strong as usual.
    pub(super) fn new(scale: f32, family: Family, seed: u64) -> Self {
        let share = if family == Family::Around { NEAR_WALL } else { 1.0 };
        Self {
            random: StdRng::seed_from_u64(seed),
            scale: scale * share,
            tremble: [0.0; 2],
            knock: [0.0; 2],
            knock_steps: 0,
        }
    }

    /// What is executed when this action is meant.
    pub(super) fn disturb(&mut self, [x, y, opening]: [f32; 3]) -> [f32; 3] {
        let renewed = TREMBLE_STD * (1.0 - TREMBLE_KEPT * TREMBLE_KEPT).sqrt();
        for tremble in &mut self.tremble {
            let normal: f32 = StandardNormal.sample(&mut self.random);
            *tremble = (TREMBLE_KEPT * *tremble + renewed * normal).clamp(-MOST_TREMBLE, MOST_TREMBLE);
        }
        self.knock_steps = self.knock_steps.saturating_sub(1);
        if self.knock_steps == 0 {
            self.knock = [0.0; 2];
            if self.random.random::<f32>() < KNOCK_CHANCE {
                self.knock_steps = self.random.random_range(1..=MOST_KNOCK_STEPS);
                self.knock = self.in_disc().map(|side| side * MOST_KNOCK);
            }
        }
        let aside = |axis: usize| self.scale * (self.tremble[axis] + self.knock[axis]);
        [x + aside(0), y + aside(1), opening]
    }

    /// A point in the unit disc.
    fn in_disc(&mut self) -> [f32; 2] {
        loop {
            let point: [f32; 2] = [0, 1].map(|_| self.random.random_range(-1.0..1.0));
            if point[0] * point[0] + point[1] * point[1] <= 1.0 {
                return point;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Disturbance, MOST_KNOCK, MOST_TREMBLE};
    use mtdit_tabletop::Family;

    /// How far 2000 steps are led aside, `[steps]` in metres.
    fn distances(scale: f32, family: Family) -> Vec<f32> {
        let mut disturbance = Disturbance::new(scale, family, 3);
        let aside = |_| {
            let [x, y, opening] = disturbance.disturb([0.1, -0.1, 1.0]);
            assert!(opening > 0.999, "the opening stays");
            (x - 0.1).hypot(y + 0.1)
        };
        (0..2000).map(aside).collect()
    }

    #[test]
    fn a_disturbance_trembles_and_knocks_within_bounds() {
        let usual = distances(1.0, Family::Push);
        let most = usual.iter().copied().fold(0.0, f32::max);
        let reach = 2.0_f32.sqrt() * MOST_TREMBLE + MOST_KNOCK;
        assert!(most > 2.0 * MOST_TREMBLE && most <= reach, "the farthest is {most} m");
        let knocked = usual.iter().filter(|distance| **distance > 1.5 * MOST_TREMBLE).count();
        assert!((10..200).contains(&knocked), "{knocked} of 2000 steps are knocked");

        let near_wall = distances(1.0, Family::Around).into_iter().fold(0.0, f32::max);
        assert!((near_wall - 0.25 * most).abs() < 1e-4, "a quarter along the wall, not {near_wall} of {most}");
        let none = distances(0.0, Family::Push).into_iter().fold(0.0, f32::max);
        assert!(none < 1e-6, "no disturbance leads {none} m aside");
    }
}
