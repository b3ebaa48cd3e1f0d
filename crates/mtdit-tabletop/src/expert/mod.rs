//! Experts: how each task is done by somebody who sees where everything is.
//!
//! What an expert does follows from the present scene alone, so that it can be learned from single frames. The one exception
//! is the side on which it goes around the wall: while it stands before the middle, a coin that was thrown once decides.

mod motion;
mod carry;
mod push;
mod press;
mod around;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::judge::Status;
use crate::task::Task;
use crate::world::World;
use motion::stay;

/// Does any task by looking at the world at every control step.
#[derive(Clone, Debug)]
pub struct Expert {
    /// On which side it passes the wall: -1 left, 1 right.
    side: f32,
}

impl Expert {
    /// An expert for a world; the seed throws its coin.
    pub fn new(_world: &World, seed: u64) -> Self {
        let left = StdRng::seed_from_u64(seed).random::<bool>();
        Self { side: if left { -1.0 } else { 1.0 } }
    }

    /// The action for this control step; see [`crate::ACTION_NAMES`].
    pub fn act(&mut self, world: &World) -> [f32; 3] {
        let ([x, y, opening], here) = (self.target(world), world.gripper.position);
        [x - here.x, y - here.y, opening]
    }

    /// The place and the opening to reach next.
    fn target(&self, world: &World) -> [f32; 3] {
        let (table, task) = (&world.table, world.task());
        if world.status() == Status::Succeeded {
            return stay(world, resting_opening(task));
        }
        let target = match task {
            Task::Reach { puck } => table.puck(puck).map(|puck| carry::reach(world, puck)),
            Task::Lift { puck } => table.puck(puck).map(|puck| carry::lift(world, puck)),
            Task::Push { puck, zone } => {
                table.puck(puck).zip(table.zone(zone)).map(|(puck, zone)| push::push(world, puck, zone.position))
            }
            Task::Place { puck, zone } => {
                table.puck(puck).zip(table.zone(zone)).map(|(puck, zone)| carry::place(world, puck, zone.position))
            }
            Task::Gather { puck, to } => {
                table.puck(puck).zip(table.puck(to)).map(|(puck, to)| carry::gather(world, puck, to))
            }
            Task::Separate { puck, from } => {
                table.puck(puck).zip(table.puck(from)).map(|(puck, from)| carry::separate(world, puck, from))
            }
            Task::Press { first, second } => {
                let next = table.button(first).filter(|button| !button.lit).or_else(|| table.button(second));
                next.map(|button| press::press(world, button.position))
            }
            Task::Around { zone } => table.zone(zone).map(|zone| around::around(world, zone.position, self.side)),
        };
        target.unwrap_or_else(|| stay(world, world.gripper.opening))
    }
}

/// How far the gripper is open once the task is done.
fn resting_opening(task: Task) -> f32 {
    match task {
        Task::Reach { .. } | Task::Place { .. } | Task::Gather { .. } | Task::Separate { .. } => 1.0,
        Task::Lift { .. } | Task::Push { .. } | Task::Press { .. } | Task::Around { .. } => 0.0,
    }
}
