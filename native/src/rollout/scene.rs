//! What is on the table at the start of an episode, and what is asked for.

use mtdit_tabletop::{Family, Frame, Task, World};
use rand::Rng;
use serde::ser::{Serialize, SerializeStruct, Serializer};

use super::RolloutOptions;
use crate::seed::{Purpose, derived, generator};

/// A target of the gripper: x, y, opening.
pub(crate) type Action = [f32; 3];

/// Scenes that are looked at until one allows another instruction.
const MOST_SCENES: u64 = 20;

/// What is on the table, and what is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Scene {
    /// What the noise and the expert of the episode are drawn from.
    pub(super) chance: u64,
    /// The seed and the task that the table was laid for.
    pub(super) laid: (u64, Task),
    /// The task that is asked for.
    pub(super) asked: Task,
    /// How it is asked for.
    pub(super) instruction: String,
}

impl Scene {
    /// The scene of that number for a family: a function of the seed, the family and the number. There is none when another
    /// instruction was wanted and no scene allows one.
    pub(super) fn draw(options: &RolloutOptions, family: Family, number: usize) -> Option<Self> {
        let tasks = Task::of(family);
        let task = tasks[number % tasks.len()];
        (0..MOST_SCENES).find_map(|attempt| {
            let place = [family as u64, number as u64, attempt];
            let chance = derived(options.seed, Purpose::Rollout, &place);
            let mut random = generator(chance, Purpose::Scene, &[]);
            let seed = random.random();
            let asked = if options.swap {
                let mut others = World::new(seed, task).possible_tasks();
                others.retain(|other| *other != task);
                let choice = random.random_range(0..others.len().max(1));
                *others.get(choice)?
            } else {
                task
            };
            let mut phrasings = if options.held_out_phrasings { asked.held_out_phrasings() } else { asked.phrasings() };
            let instruction = phrasings.swap_remove(random.random_range(0..phrasings.len()));
            Some(Self { chance, laid: (seed, task), asked, instruction })
        })
    }

    /// The table with its task.
    pub(super) fn world(&self) -> World {
        let (seed, task) = self.laid;
        let mut world = World::new(seed, task);
        if self.asked != task {
            world.set_task(self.asked);
        }
        world
    }

    /// What people would have seen while these actions were executed: the first moment, and that after each.
    pub(super) fn replay(&self, actions: &[Action], pixels: usize) -> Vec<Frame> {
        let mut world = self.world();
        let mut frames = vec![world.draw(pixels)];
        for action in actions {
            world.step(*action);
            frames.push(world.draw(pixels));
        }
        frames
    }
}

impl Serialize for Scene {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (seed, laid_for) = self.laid;
        let mut fields = serializer.serialize_struct("Scene", 5)?;
        fields.serialize_field("family", self.asked.family().name())?;
        fields.serialize_field("task", &self.asked.instruction())?;
        fields.serialize_field("instruction", &self.instruction)?;
        fields.serialize_field("world_seed", &seed)?;
        fields.serialize_field("laid_for", &laid_for.instruction())?;
        fields.end()
    }
}

#[cfg(test)]
mod tests {
    use mtdit_tabletop::{Family, Task, World};

    use super::Scene;
    use crate::rollout::RolloutOptions;
    use crate::rollout::tests::options;

    #[test]
    fn another_instruction_is_one_that_the_scene_allows() {
        let options = RolloutOptions { swap: true, ..options() };
        for number in 0..6 {
            let scene = Scene::draw(&options, Family::Push, number).expect("three pucks allow more than one task");
            let (seed, task) = scene.laid;
            assert_ne!(scene.asked, task, "another task");
            assert!(World::new(seed, task).possible_tasks().contains(&scene.asked), "a possible one");
            assert_eq!(Task::parse(&scene.instruction), Some(scene.asked), "is what is said");
        }
    }

    #[test]
    fn scenes_depend_on_the_seed_alone() {
        let draw = |seed| {
            let options = RolloutOptions { seed, ..options() };
            Scene::draw(&options, Family::Gather, 1).expect("a scene").chance
        };
        assert_eq!(draw(1), draw(1), "the same seed");
        assert_ne!(draw(1), draw(2), "another seed");
    }
}
