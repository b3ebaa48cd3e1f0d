//! One episode: its world, what a policy has seen of it, and the actions that are still to be executed.

use std::collections::VecDeque;
use std::iter::repeat_n;

use mtdit_policy::{Moment, Observation};
use mtdit_tabletop::{Camera, Expert, Status, World};

use super::scene::{Action, Scene};
use super::score::Outcome;
use crate::seed::{Purpose, derived};
use crate::tabletop::seen;

/// What chunks are computed from.
#[derive(Clone, Debug, Default)]
pub(super) struct Look {
    /// Cameras, in the order of a moment's frames.
    pub(super) cameras: Vec<Camera>,
    /// Moments; none for those who do not look.
    pub(super) n_obs_steps: usize,
}

/// An episode that runs.
pub(super) struct Episode {
    pub(super) scene: Scene,
    pub(super) world: World,
    /// The same table under the task it was laid for, when another one is asked for.
    original: Option<World>,
    /// Asked for every action when an expert steers.
    pub(super) expert: Expert,
    history: VecDeque<Moment>,
    queue: VecDeque<Action>,
    /// Chunks so far.
    pub(super) chunks: u64,
    /// Executed actions.
    actions: Vec<Action>,
}

impl Episode {
    pub(super) fn new(scene: Scene) -> Self {
        let world = scene.world();
        let (seed, task) = scene.laid;
        Self {
            original: (scene.asked != task).then(|| World::new(seed, task)),
            expert: Expert::new(&world, derived(scene.chance, Purpose::Expert, &[])),
            history: VecDeque::new(),
            queue: VecDeque::new(),
            chunks: 0,
            actions: Vec::new(),
            world,
            scene,
        }
    }

    /// Whether it goes on.
    pub(super) fn is_running(&self) -> bool {
        self.world.status() == Status::Running
    }

    /// Whether all actions of the last chunk were executed.
    pub(super) fn needs_chunk(&self) -> bool {
        self.queue.is_empty()
    }

    /// Remembers this moment; the first one fills the whole history. Moments that the next chunk will not look at any more are
    /// not even drawn.
    pub(super) fn observe(&mut self, look: &Look) {
        if self.queue.len() >= look.n_obs_steps {
            return;
        }
        let frames = look.cameras.iter().map(|camera| seen(self.world.frame(*camera)));
        let moment = Moment { frames: frames.collect(), state: self.world.state().to_vec() };
        if self.history.is_empty() {
            self.history.extend(repeat_n(moment, look.n_obs_steps));
        } else {
            self.history.pop_front();
            self.history.push_back(moment);
        }
    }

    /// What a policy is told.
    pub(super) fn observation(&self) -> Observation {
        Observation { history: self.history.iter().cloned().collect(), task: self.scene.instruction.clone() }
    }

    /// Takes over the next actions.
    pub(super) fn refill(&mut self, chunk: Vec<Action>) {
        self.queue = chunk.into();
        self.chunks += 1;
    }

    /// Executes one action.
    pub(super) fn step(&mut self) {
        let Some(action) = self.queue.pop_front() else { return };
        self.world.step(action);
        if let Some(original) = &mut self.original {
            original.step(action);
        }
        self.actions.push(action);
    }

    /// What became of it.
    pub(super) fn outcome(self) -> Outcome {
        let status = self.world.status();
        let succeeded = status == Status::Succeeded;
        let failure = match status {
            Status::Failed(failure) => Some(failure.to_string()),
            Status::Running | Status::Succeeded => None,
        };
        let did_original = self.original.map(|world| !succeeded && world.status() == Status::Succeeded);
        Outcome {
            succeeded,
            failure,
            steps: self.actions.len(),
            did_original,
            actions: self.actions,
            scene: self.scene,
        }
    }
}

#[cfg(test)]
mod tests {
    use mtdit_tabletop::Family;

    use super::{Episode, Look, Scene};
    use crate::rollout::tests::options;

    fn episode() -> Episode {
        Episode::new(Scene::draw(&options(), Family::Reach, 0).expect("a scene"))
    }

    /// The chunk is executed to its end before another one is needed, and that one sees the last two moments.
    #[test]
    fn a_chunk_is_executed_before_the_next() {
        let look = Look { cameras: Vec::new(), n_obs_steps: 2 };
        let mut episode = episode();
        assert!(episode.needs_chunk(), "a new episode has no actions");
        episode.observe(&look);
        let first = episode.world.state().to_vec();
        let states = |episode: &Episode| {
            episode.observation().history.into_iter().map(|moment| moment.state).collect::<Vec<_>>()
        };
        assert_eq!(states(&episode), [first.clone(), first], "the first moment fills the history");

        episode.refill(vec![[0.02, 0.0, 1.0], [0.04, 0.0, 1.0], [0.06, 0.0, 1.0], [0.08, 0.0, 1.0]]);
        let mut seen = Vec::new();
        for left in (0..4).rev() {
            assert!(!episode.needs_chunk(), "{} actions are left", left + 1);
            episode.step();
            episode.observe(&look);
            seen.push(episode.world.state().to_vec());
        }
        assert!(episode.needs_chunk(), "all four actions are executed");
        assert_eq!(states(&episode), seen[2..], "the last two moments");
        assert_ne!(seen[2], seen[3], "the gripper moves");
    }

    #[test]
    fn whoever_does_not_look_sees_nothing() {
        let mut episode = episode();
        episode.observe(&Look::default());
        assert!(episode.observation().history.is_empty(), "no moment is remembered");
    }

    #[test]
    fn a_replay_shows_what_happened() {
        let mut episode = episode();
        let actions = vec![[0.1, 0.1, 1.0], [0.15, 0.1, 1.0]];
        episode.refill(actions.clone());
        episode.step();
        episode.step();
        let frames = episode.scene.replay(&actions, 64);
        assert_eq!(frames.len(), 3, "the first moment and two more");
        assert!(frames[2].rgb == episode.world.draw(64).rgb, "the last moment");
        assert!(frames[0].rgb != frames[2].rgb, "the gripper has moved");
    }
}
