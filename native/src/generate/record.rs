//! One episode of an expert, drawn and encoded.

use anyhow::{Result, bail};
use mtdit_data::Png;
use mtdit_tabletop::{Camera, Expert, Status, Task, World};
use rand::Rng;

use super::GenerateOptions;
use super::disturbance::Disturbance;
use crate::seed::{Purpose, derived, generator};
use crate::tabletop::{camera_key, recorded};

/// Failures of the expert after which an episode is given up.
const MOST_FAILURES: u64 = 20;
/// Steps that are recorded after success, so that a policy learns to stop.
const REST_STEPS: u32 = 4;

/// One recorded moment.
#[derive(Debug)]
pub(super) struct Step {
    /// In the order of [`Camera::ALL`].
    pub(super) pictures: Vec<Png>,
    pub(super) state: [f32; 4],
    /// What the expert meant to do, not what the disturbance made of it.
    pub(super) action: [f32; 3],
}

/// A successful episode.
#[derive(Debug)]
pub(super) struct Recorded {
    pub(super) instruction: String,
    pub(super) steps: Vec<Step>,
}

/// Records the episode of that number: a function of the options and the number alone.
pub(super) fn record(options: &GenerateOptions, number: usize) -> Result<Recorded> {
    let family = options.families[number % options.families.len()];
    let place = number as u64;
    let mut random = generator(options.seed, Purpose::Instruction, &[place]);
    let tasks = Task::of(family);
    let task = tasks[random.random_range(0..tasks.len())];
    let mut phrasings = task.phrasings();
    let instruction = phrasings.swap_remove(random.random_range(0..phrasings.len()));

    for attempt in 0..MOST_FAILURES {
        let seed = |purpose| derived(options.seed, purpose, &[place, attempt]);
        let mut world = World::new(seed(Purpose::Scene), task);
        let mut expert = Expert::new(&world, seed(Purpose::Expert));
        let mut disturbance = Disturbance::new(options.noise, family, seed(Purpose::Disturbance));
        if let Some(steps) = steps(&mut world, &mut expert, &mut disturbance)? {
            return Ok(Recorded { instruction, steps });
        }
    }
    bail!(
        "the expert failed {MOST_FAILURES} times at `{instruction}` (episode {number}); try another --seed or less --noise"
    )
}

/// The moments of an episode until it has succeeded and rested; nothing when it failed.
fn steps(world: &mut World, expert: &mut Expert, disturbance: &mut Disturbance) -> Result<Option<Vec<Step>>> {
    let mut steps = Vec::new();
    let mut rest = None;
    while rest != Some(0) {
        let action = expert.act(world);
        let picture = |camera: Camera| Png::encode(&camera_key(camera), &recorded(world.frame(camera)));
        let pictures = Camera::ALL.into_iter().map(picture).collect::<Result<_, _>>()?;
        steps.push(Step { pictures, state: world.state(), action });
        let status = world.step(disturbance.disturb(action));
        rest = match (rest, status) {
            (Some(rest), _) => Some(rest - 1),
            (None, Status::Succeeded) => Some(REST_STEPS),
            (None, Status::Running) => None,
            (None, Status::Failed(_)) => return Ok(None),
        };
    }
    Ok(Some(steps))
}

#[cfg(test)]
mod tests {
    use super::{REST_STEPS, record};
    use crate::generate::GenerateOptions;
    use crate::seed::{Purpose, derived};
    use mtdit_tabletop::{Family, Status, Task, World};

    #[test]
    fn an_episode_ends_a_few_steps_after_success() {
        let options = GenerateOptions {
            episodes: Family::ALL.len(),
            families: Family::ALL.to_vec(),
            seed: 5,
            noise: 0.0,
            out: "never".into(),
        };
        for (number, family) in (0..).zip(Family::ALL) {
            let recorded = record(&options, number).expect("an undisturbed expert succeeds");
            let task = Task::parse(&recorded.instruction).expect("a phrasing of a task");
            assert_eq!(task.family(), family, "the families take turns");

            let mut world = World::new(derived(5, Purpose::Scene, &[number as u64, 0]), task);
            let mut taken = 0;
            for step in &recorded.steps {
                taken += 1;
                if world.step(step.action) != Status::Running {
                    break;
                }
            }
            assert_eq!(world.status(), Status::Succeeded, "{}", recorded.instruction);
            assert_eq!(recorded.steps.len(), taken + REST_STEPS as usize, "{}", recorded.instruction);
        }
    }
}
