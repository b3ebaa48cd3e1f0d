//! The world: a table, a gripper and a task, moved on by actions.

use rapier2d::math::Vec2;

use crate::color::{PuckColor, ZoneColor};
use crate::gripper::{Gripper, on_table};
use crate::judge::{Events, Judge, Status};
use crate::physics;
use crate::picture::{self, Camera, Frame};
use crate::table::{Table, Wall, is_possible};
use crate::task::Task;
use crate::{BUTTON_RADIUS, HALF_TABLE, PUCK_RADIUS, ZONE_RADIUS};

/// A simulated tabletop with a task. Plain data: a copy goes its own way.
#[derive(Clone, Debug, PartialEq)]
pub struct World {
    pub(crate) table: Table,
    pub(crate) gripper: Gripper,
    judge: Judge,
}

/// What an object is.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub enum ObjectKind {
    /// A disc to push, lift and carry.
    Puck(PuckColor),
    /// A place on the table.
    Zone(ZoneColor),
    /// A push button.
    Button(PuckColor),
}

/// Something on the table, as a person points at it.
#[derive(Copy, Clone, PartialEq, Debug)]
pub struct Object {
    /// What it is.
    pub kind: ObjectKind,
    /// Its centre `[x, y]`, metres.
    pub position: [f32; 2],
    /// Its radius, metres.
    pub radius: f32,
    /// The gripper holds this puck, or has pressed this button.
    pub is_on: bool,
}

impl World {
    /// The scene of a seed and a task, at its start.
    pub fn new(seed: u64, task: Task) -> Self {
        let (table, gripper) = Table::draw(seed, task);
        let judge = Judge::new(task, &table, &gripper);
        Self { table, gripper, judge }
    }

    /// What is asked.
    pub fn task(&self) -> Task {
        self.judge.task
    }

    /// Asks for something else in the same scene: clock, success and pressed buttons begin anew.
    pub fn set_task(&mut self, task: Task) {
        for button in &mut self.table.buttons {
            button.lit = false;
        }
        self.judge = Judge::new(task, &self.table, &self.gripper);
    }

    /// What makes sense in this scene now, whatever is asked.
    pub fn possible_tasks(&self) -> Vec<Task> {
        Task::all().into_iter().filter(|task| self.task_is_possible(*task)).collect()
    }

    /// Whether a task makes sense in this scene now: what it names is there, it is not done yet, nothing is in the way.
    pub fn task_is_possible(&self, task: Task) -> bool {
        is_possible(&self.table, &self.gripper, task)
    }

    /// Carries out an action for one control step; see [`crate::ACTION_NAMES`].
    ///
    /// The target that it means is as in [`World::step_to`].
    pub fn step(&mut self, [ahead_x, ahead_y, opening]: [f32; 3]) -> Status {
        let here = self.gripper.position;
        self.step_to([here.x + ahead_x, here.y + ahead_y, opening])
    }

    /// Moves the gripper towards a place `[x, y]` of the table, metres, and an opening, for one control step.
    ///
    /// Targets are clamped to the table and to 0..=1. A number that is not finite leaves its target as it was.
    pub fn step_to(&mut self, target: [f32; 3]) -> Status {
        let before = self.gripper.position;
        self.gripper.aim(target);
        let next = self.gripper.next_position();
        let finger = self.gripper.is_finger().then_some((before, next));
        let path = physics::simulate(&mut self.table, self.gripper.held, finger);
        self.gripper.position = on_table(path.map_or(next, |path| path.end));
        self.gripper.moved = self.gripper.position - before;
        if let Some(held) = self.gripper.held {
            self.table.pucks[held].position = self.gripper.position;
        }
        let taken = self.gripper.open_or_close(&mut self.table);
        let events = Events { taken, touched_wall: path.is_some_and(|path| path.touched_wall) };
        self.judge.observe(&mut self.table, &self.gripper, events);
        self.judge.status
    }

    /// How the task stands.
    pub fn status(&self) -> Status {
        self.judge.status
    }

    /// Control steps since the task began.
    pub fn steps(&self) -> u32 {
        self.judge.steps
    }

    /// What the robot measures of itself; see [`crate::STATE_NAMES`].
    pub fn state(&self) -> [f32; 4] {
        let Gripper { position, opening, held, .. } = &self.gripper;
        [position.x, position.y, *opening, if held.is_some() { 1.0 } else { 0.0 }]
    }

    /// What the gripper was last told to reach: a place `[x, y]` of the table, metres, and an opening.
    pub fn gripper_target(&self) -> [f32; 3] {
        [self.gripper.target.x, self.gripper.target.y, self.gripper.target_opening]
    }

    /// What a camera of the robot sees.
    pub fn frame(&self, camera: Camera) -> Frame {
        picture::frame(self, camera)
    }

    /// The whole table for people, `pixels` (1 to 4096) along each side.
    pub fn draw(&self, pixels: usize) -> Frame {
        picture::draw(self, pixels)
    }

    /// The wall, where there is one.
    pub fn wall(&self) -> Option<Wall> {
        self.table.wall
    }

    /// Zones, buttons and pucks, in the order in which they are drawn. The wall is apart.
    pub fn objects(&self) -> Vec<Object> {
        let object = |kind, position: Vec2, radius, is_on| Object { kind, position: position.into(), radius, is_on };
        let zones = self.table.zones.iter();
        let zones = zones.map(|zone| object(ObjectKind::Zone(zone.color), zone.position, ZONE_RADIUS, false));
        let buttons = self.table.buttons.iter();
        let buttons =
            buttons.map(|button| object(ObjectKind::Button(button.color), button.position, BUTTON_RADIUS, button.lit));
        let is_held = |puck: usize| self.gripper.held == Some(puck);
        let pucks = self.table.pucks.iter().enumerate();
        let pucks =
            pucks.map(|(index, puck)| object(ObjectKind::Puck(puck.color), puck.position, PUCK_RADIUS, is_held(index)));
        zones.chain(buttons).chain(pucks).collect()
    }

    /// The index in [`World::objects`] of the topmost object at a point.
    pub fn object_at(&self, point: [f32; 2]) -> Option<usize> {
        let at = |object: &Object| Vec2::from(object.position).distance(Vec2::from(point)) <= object.radius;
        self.objects().iter().rposition(at)
    }

    /// Moves an object of [`World::objects`] by hand; a held puck is let go of first.
    ///
    /// Returns false, and changes nothing, where it does not fit: off the table, in the wall, on another of its kind.
    pub fn place(&mut self, object: usize, position: [f32; 2]) -> bool {
        let objects = self.objects();
        let Some(moved) = objects.get(object) else { return false };
        let place = Vec2::from(position);
        if !place.is_finite() || place.abs().max_element() > HALF_TABLE - moved.radius {
            return false;
        }
        let clear_of_wall = |wall: Wall| wall.distance(place) >= moved.radius;
        let same_kind = |other: &Object| core::mem::discriminant(&other.kind) == core::mem::discriminant(&moved.kind);
        let clear_of = |(index, other): (usize, &Object)| {
            index == object
                || !same_kind(other)
                || place.distance(Vec2::from(other.position)) >= moved.radius + other.radius
        };
        if !self.table.wall.is_none_or(clear_of_wall) || !objects.iter().enumerate().all(clear_of) {
            return false;
        }
        self.put(moved.kind, place);
        true
    }

    fn put(&mut self, kind: ObjectKind, place: Vec2) {
        match kind {
            ObjectKind::Zone(color) => {
                self.table.zones.iter_mut().filter(|zone| zone.color == color).for_each(|zone| zone.position = place);
            }
            ObjectKind::Button(color) => {
                let buttons = self.table.buttons.iter_mut().filter(|button| button.color == color);
                buttons.for_each(|button| button.position = place);
            }
            ObjectKind::Puck(color) => {
                let Some(index) = self.table.puck(color) else { return };
                if self.gripper.held == Some(index) {
                    self.gripper.let_go(&mut self.table);
                }
                self.table.pucks[index].position = place;
                self.table.pucks[index].velocity = Vec2::ZERO;
            }
        }
    }
}
