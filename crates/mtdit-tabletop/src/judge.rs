//! Whether a task is done, goes on or has failed.

use rapier2d::math::Vec2;
use thiserror::Error;

use crate::color::PuckColor;
use crate::gripper::Gripper;
use crate::table::Table;
use crate::task::Task;
use crate::{BUTTON_RADIUS, PUCK_RADIUS, ZONE_RADIUS};

/// The open gripper has reached a puck when their centres are this near, metres.
const REACH_RADIUS: f32 = 0.02;
/// Steps in a row for which a puck must be reached.
const REACH_STEPS: u32 = 3;
/// Steps in a row for which a puck must be held.
const LIFT_STEPS: u32 = 5;
/// Pucks are next to each other when their centres are this near, metres.
const NEXT_TO: f32 = 3.0 * PUCK_RADIUS;
/// Pucks are away from each other when their centres are this far, metres.
const AWAY: f32 = 0.2;

/// How a task stands. Once it has succeeded or failed it stays so until the next one.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Status {
    /// Not done yet.
    Running,
    /// Done.
    Succeeded,
    /// It can no longer be done.
    Failed(Failure),
}

/// Why a task has failed.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug, Error)]
pub enum Failure {
    /// It took longer than [`Task::time_limit_steps`].
    #[error("the time is up")]
    TimedOut,
    /// Press: a button was pressed out of order, or the third one.
    #[error("a wrong button was pressed")]
    WrongButton,
    /// Push: the puck was taken.
    #[error("the puck was lifted, but was to be pushed")]
    LiftedPuck,
    /// Around: the finger met the wall.
    #[error("the wall was touched")]
    TouchedWall,
    /// Around: the gripper was opened, and so lifted from the table.
    #[error("the finger was lifted from the table")]
    LiftedFinger,
}

/// What happened in a step.
#[derive(Copy, Clone, Debug, Default)]
pub(crate) struct Events {
    /// The index of the puck that was taken.
    pub(crate) taken: Option<usize>,
    pub(crate) touched_wall: bool,
}

/// What must be remembered to judge a task.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Judge {
    pub(crate) task: Task,
    pub(crate) steps: u32,
    pub(crate) status: Status,
    /// Steps in a row in which the goal was met.
    streak: u32,
    /// Colours of the pucks that were in the air since the task began.
    lifted: Vec<PuckColor>,
    /// The button under the finger, which is not pressed again before the finger leaves it.
    under_finger: Option<usize>,
}

impl Judge {
    pub(crate) fn new(task: Task, table: &Table, gripper: &Gripper) -> Self {
        let lifted = gripper.held.map(|held| table.pucks[held].color);
        Self {
            task,
            steps: 0,
            status: Status::Running,
            streak: 0,
            lifted: lifted.into_iter().collect(),
            under_finger: button_under(table, gripper),
        }
    }

    /// Judges a control step; presses the button that the finger came upon.
    pub(crate) fn observe(&mut self, table: &mut Table, gripper: &Gripper, events: Events) {
        self.steps += 1;
        self.lifted.extend(events.taken.map(|puck| table.pucks[puck].color));
        let pressed = self.press(table, gripper);
        if self.status != Status::Running {
            return;
        }
        if let Some(failure) = self.failure(table, gripper, events, pressed) {
            self.status = Status::Failed(failure);
            return;
        }
        self.streak = if self.is_met(table, gripper) { self.streak + 1 } else { 0 };
        let needed = match self.task {
            Task::Reach { .. } => REACH_STEPS,
            Task::Lift { .. } => LIFT_STEPS,
            _ => 1,
        };
        if self.streak >= needed {
            self.status = Status::Succeeded;
        } else if self.steps >= self.task.time_limit_steps() {
            self.status = Status::Failed(Failure::TimedOut);
        }
    }

    /// The colour of the button that was pressed in this step.
    fn press(&mut self, table: &mut Table, gripper: &Gripper) -> Option<PuckColor> {
        let under = button_under(table, gripper);
        let came_upon = under.filter(|_| under != self.under_finger);
        self.under_finger = under;
        let button = &mut table.buttons[came_upon?];
        let first_time = !button.lit;
        button.lit = true;
        first_time.then_some(button.color)
    }

    fn failure(&self, table: &Table, gripper: &Gripper, events: Events, pressed: Option<PuckColor>) -> Option<Failure> {
        let is_lit = |color| table.button(color).is_some_and(|button| button.lit);
        match self.task {
            Task::Press { first, second } => {
                let in_order = pressed.is_none_or(|color| color == first || (color == second && is_lit(first)));
                (!in_order).then_some(Failure::WrongButton)
            }
            Task::Push { puck, .. } if self.lifted.contains(&puck) => Some(Failure::LiftedPuck),
            Task::Around { .. } if events.touched_wall => Some(Failure::TouchedWall),
            Task::Around { .. } if gripper.hovers() => Some(Failure::LiftedFinger),
            _ => None,
        }
    }

    fn is_met(&self, table: &Table, gripper: &Gripper) -> bool {
        let held = gripper.held.map(|held| table.pucks[held].color);
        let puck_at = |color| table.puck(color).map(|index| table.pucks[index].position);
        let in_zone = |point: Option<Vec2>, zone| match (point, table.zone(zone)) {
            (Some(point), Some(zone)) => point.distance(zone.position) <= ZONE_RADIUS,
            _ => false,
        };
        let distance = |one, other| Some(puck_at(one)?.distance(puck_at(other)?));
        match self.task {
            Task::Reach { puck } => {
                let near = puck_at(puck).is_some_and(|place| place.distance(gripper.position) <= REACH_RADIUS);
                near && gripper.hovers()
            }
            Task::Lift { puck } => held == Some(puck),
            Task::Push { puck, zone } => held != Some(puck) && in_zone(puck_at(puck), zone),
            Task::Place { puck, zone } => {
                held != Some(puck) && self.lifted.contains(&puck) && in_zone(puck_at(puck), zone)
            }
            Task::Gather { puck, to } => held.is_none() && distance(puck, to).is_some_and(|metres| metres <= NEXT_TO),
            Task::Separate { puck, from } => {
                held.is_none() && distance(puck, from).is_some_and(|metres| metres >= AWAY)
            }
            Task::Press { second, .. } => table.button(second).is_some_and(|button| button.lit),
            Task::Around { zone } => in_zone(Some(gripper.position), zone),
        }
    }
}

/// The button that a finger presses.
fn button_under(table: &Table, gripper: &Gripper) -> Option<usize> {
    let under = |center: Vec2| center.distance(gripper.position) <= BUTTON_RADIUS;
    let found = table.buttons.iter().position(|button| under(button.position));
    found.filter(|_| gripper.is_finger())
}
