//! Seeds made of seeds: everything drawn in a simulated world is a function of the seed that a person gave and of what it is for.

use mtdit_train::chance::derived_seed;
use rand::SeedableRng;
use rand::rngs::StdRng;

/// What a number is drawn for; each use has its own stream.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose {
    /// The task of a recorded episode, and the sentence that asks for it.
    Instruction = 1,
    /// The scene of a recorded episode.
    Scene = 2,
    /// The choices of an expert.
    Expert = 3,
    /// What pushes an expert off its way.
    Disturbance = 4,
    /// The scene of a rollout, and what is asked in it.
    Rollout = 5,
    /// The noise that a chunk is sampled from.
    Noise = 6,
}

/// The seed of one purpose at one place.
pub(crate) fn derived(seed: u64, purpose: Purpose, place: &[u64]) -> u64 {
    derived_seed(derived_seed(seed, &[purpose as u64]), place)
}

/// A generator for one purpose at one place.
pub(crate) fn generator(seed: u64, purpose: Purpose, place: &[u64]) -> StdRng {
    StdRng::seed_from_u64(derived(seed, purpose, place))
}

#[cfg(test)]
mod tests {
    use super::{Purpose, derived};

    #[test]
    fn purposes_and_places_do_not_share_a_seed() {
        let seeds = [
            derived(7, Purpose::Scene, &[0, 0]),
            derived(7, Purpose::Scene, &[0, 1]),
            derived(7, Purpose::Scene, &[1, 0]),
            derived(7, Purpose::Expert, &[0, 0]),
            derived(8, Purpose::Scene, &[0, 0]),
        ];
        for (i, seed) in seeds.iter().enumerate() {
            assert!(!seeds[..i].contains(seed), "seed {i} was used before");
        }
    }
}
