//! The world with its clock: what happens next and when, which actions are left, and how the task stands.
//!
//! It samples no chunk and reads no clock: whoever holds it asks [`Session::rest`] how long nothing is to be done, and hands in
//! chunks and the time in milliseconds. The world waits for its chunk, however long that takes; it skips nothing.

use std::collections::VecDeque;

use mtdit_policy::Moment;
use mtdit_tabletop::{CONTROL_HZ, Family, HALF_TABLE, ObjectKind, Status, Task, World};

use super::eyes::Eyes;
use super::{Judgement, Object, Scene, Setup, Snapshot, Standing};

/// Milliseconds between two control steps.
const PERIOD: f64 = 1000.0 / CONTROL_HZ as f64;
/// A step that comes later than this had to wait for the policy, so that the next ones count from it.
const LATE: f64 = 0.5 * PERIOD;

/// What the visitor wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Rest,
    Step,
    Play,
}

/// A world that a policy moves in.
#[derive(Clone, Debug)]
pub struct Session {
    eyes: Eyes,
    world: World,
    seed: u64,
    instruction: String,
    judgement: Judgement,
    /// The last moments, oldest first.
    history: VecDeque<Moment>,
    /// What is left of the chunk.
    actions: VecDeque<[f32; 3]>,
    /// Chunks of this scene so far.
    chunks: u64,
    wish: Wish,
    /// Whether the episode has ended.
    over: bool,
    /// When the next step is due.
    due: f64,
}

impl Session {
    /// Lays a scene.
    pub fn open(eyes: Eyes, setup: Setup) -> Self {
        let Setup { seed, instruction } = setup;
        let known = instruction.as_deref().and_then(Task::parse);
        let task = known.unwrap_or_else(|| task_of(seed));
        let world = World::new(seed, task);
        let is_unknown = instruction.is_some() && known.is_none();
        let history = std::iter::repeat_n(eyes.look(&world), eyes.n_obs_steps()).collect();
        Self {
            eyes,
            world,
            seed,
            instruction: instruction.unwrap_or_else(|| task.instruction()),
            judgement: if is_unknown { Judgement::Unknown } else { Judgement::Judged },
            history,
            actions: VecDeque::new(),
            chunks: 0,
            wish: Wish::Rest,
            over: false,
            due: 0.0,
        }
    }

    /// Lays another scene.
    pub fn begin(&mut self, setup: Setup) {
        *self = Self::open(self.eyes.clone(), setup);
    }

    /// Lets the policy act from now on; not when the episode is over.
    pub fn play(&mut self, now: f64) {
        self.wake(Wish::Play, now);
    }

    /// Lets it act once.
    pub fn act_once(&mut self, now: f64) {
        self.wake(Wish::Step, now);
    }

    fn wake(&mut self, wish: Wish, now: f64) {
        if !self.over {
            self.due = if self.wish == Wish::Rest { now } else { self.due };
            self.wish = wish;
        }
    }

    /// Lets it rest.
    pub fn pause(&mut self) {
        self.wish = Wish::Rest;
    }

    /// Tells the policy something else: a new task on the same table. What it was about to do is dropped.
    pub fn instruct(&mut self, instruction: String) {
        self.judgement = match Task::parse(&instruction) {
            None => Judgement::Unknown,
            // Other words for what it is doing change nothing for the judge.
            Some(task) if task == self.world.task() && !self.over && self.judgement == Judgement::Judged => {
                Judgement::Judged
            }
            Some(task) if self.world.possible_tasks().contains(&task) => {
                self.world.set_task(task);
                Judgement::Judged
            }
            Some(_) => Judgement::Impossible,
        };
        self.instruction = instruction;
        self.actions.clear();
        self.over = false;
    }

    /// Moves an object by hand; whether it can stand there.
    pub fn place(&mut self, object: usize, position: [f32; 2]) -> bool {
        let is_placed = self.world.place(object, position);
        // The present is seen as it has become.
        if let Some(present) = self.history.back_mut() {
            *present = self.eyes.look(&self.world);
        }
        is_placed
    }

    /// Milliseconds until something is to be done; `None` when nothing is until somebody wants it.
    pub fn rest(&self, now: f64) -> Option<f64> {
        match self.wish {
            Wish::Rest => None,
            _ if self.actions.is_empty() => Some(0.0),
            _ => Some((self.due - now).max(0.0)),
        }
    }

    /// Whether a chunk has to be sampled before the next step.
    pub fn wants_chunk(&self) -> bool {
        self.wish != Wish::Rest && self.actions.is_empty()
    }

    /// What the policy is told.
    pub fn instruction(&self) -> &str {
        &self.instruction
    }

    /// The last moments, oldest first.
    pub fn history(&self) -> Vec<Moment> {
        self.history.iter().cloned().collect()
    }

    /// Seed of the next chunk's noise: the scene's, and one more for every chunk in it.
    pub fn noise_seed(&self) -> u64 {
        self.seed.wrapping_add(self.chunks)
    }

    /// Takes the executed part of a chunk.
    pub fn accept(&mut self, actions: &[Vec<f32>]) {
        self.actions = actions.iter().filter_map(|action| action.as_slice().try_into().ok()).collect();
        self.chunks += 1;
    }

    /// Makes one control step; whether the task was done in an episode that ended with it.
    pub fn step(&mut self, now: f64) -> Option<bool> {
        let action = self.actions.pop_front()?;
        self.world.step(action);
        self.history.pop_front();
        self.history.push_back(self.eyes.look(&self.world));
        self.due = if now - self.due < LATE { self.due + PERIOD } else { now + PERIOD };
        if self.wish == Wish::Step {
            self.wish = Wish::Rest;
        }
        let standing = self.standing();
        if standing == Standing::Open {
            return None;
        }
        self.over = true;
        self.wish = Wish::Rest;
        self.actions.clear();
        Some(standing == Standing::Succeeded)
    }

    fn standing(&self) -> Standing {
        if self.judgement != Judgement::Judged {
            return Standing::Open;
        }
        match self.world.status() {
            Status::Running => Standing::Open,
            Status::Succeeded => Standing::Succeeded,
            Status::Failed(failure) => Standing::Failed(failure.to_string()),
        }
    }

    /// The world, to be looked at.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// What the policy sees now, in the order of its cameras.
    pub fn present(&self) -> Option<&Moment> {
        self.history.back()
    }

    /// What is asked in which scene.
    pub fn scene(&self) -> Scene {
        Scene {
            seed: self.seed,
            instruction: self.instruction.clone(),
            judgement: self.judgement,
            tasks: self.world.possible_tasks().into_iter().map(Task::instruction).collect(),
            half_table: HALF_TABLE,
        }
    }

    /// The table as it is now.
    pub fn snapshot(&self) -> Snapshot {
        let object = |object: mtdit_tabletop::Object| Object {
            name: name(object.kind),
            position: object.position,
            radius: object.radius,
        };
        Snapshot {
            seconds: self.world.steps() as f32 / CONTROL_HZ as f32,
            state: self.world.state().to_vec(),
            objects: self.world.objects().into_iter().map(object).collect(),
            standing: self.standing(),
            playing: self.wish == Wish::Play,
        }
    }
}

/// The task of a scene whose seed alone is given: the families take turns.
fn task_of(seed: u64) -> Task {
    let turn = |count: usize, seed: u64| usize::try_from(seed % count as u64).unwrap_or_default();
    let families = Family::ALL;
    let tasks = Task::of(families[turn(families.len(), seed)]);
    tasks[turn(tasks.len(), seed / families.len() as u64)]
}

fn name(kind: ObjectKind) -> String {
    match kind {
        ObjectKind::Puck(color) => format!("{} puck", color.name()),
        ObjectKind::Zone(color) => format!("{} zone", color.name()),
        ObjectKind::Button(color) => format!("{} button", color.name()),
    }
}

#[cfg(test)]
mod tests;
