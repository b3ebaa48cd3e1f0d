//! The gripper: where it is, how far it is open, what it holds.

use rapier2d::math::Vec2;

use crate::table::Table;
use crate::{CONTROL_HZ, FINGER_RADIUS, HALF_TABLE};

/// A closing gripper takes the nearest puck whose centre is within this distance, metres.
const GRASP_RADIUS: f32 = 0.025;
/// Above this opening it hovers over everything; at or below, it holds a puck or is a finger on the table.
const HOVER_OPENING: f32 = 0.5;
/// Change of the opening per second: fully in 0.2 s.
const OPENING_RATE: f32 = 5.0;
/// Metres per second.
pub(crate) const SPEED_LIMIT: f32 = 0.3;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Gripper {
    pub(crate) position: Vec2,
    pub(crate) opening: f32,
    pub(crate) target: Vec2,
    pub(crate) target_opening: f32,
    /// What it moved in the last step.
    pub(crate) moved: Vec2,
    /// The index of the puck that it holds.
    pub(crate) held: Option<usize>,
}

impl Gripper {
    pub(crate) fn open_at(position: Vec2) -> Self {
        Self { position, opening: 1.0, target: position, target_opening: 1.0, moved: Vec2::ZERO, held: None }
    }

    pub(crate) fn closed_at(position: Vec2) -> Self {
        Self { opening: 0.0, target_opening: 0.0, ..Self::open_at(position) }
    }

    /// Whether it is above everything.
    pub(crate) fn hovers(&self) -> bool {
        self.opening > HOVER_OPENING
    }

    /// Whether it is closed around nothing: a finger on the table.
    pub(crate) fn is_finger(&self) -> bool {
        !self.hovers() && self.held.is_none()
    }

    /// Takes new targets `[x, y, opening]`, clamped to what it can reach; a number that is none leaves its target as it was.
    pub(crate) fn aim(&mut self, action: [f32; 3]) {
        let or = |value: f32, old: f32| if value.is_finite() { value } else { old };
        self.target = on_table(Vec2::new(or(action[0], self.target.x), or(action[1], self.target.y)));
        self.target_opening = or(action[2], self.target_opening).clamp(0.0, 1.0);
    }

    /// Where it gets in one control step when nothing is in the way.
    pub(crate) fn next_position(&self) -> Vec2 {
        self.position.move_towards(self.target, SPEED_LIMIT / CONTROL_HZ as f32)
    }

    /// Opens or closes for one control step: takes a puck or lets go of one. Returns the puck that it took.
    pub(crate) fn open_or_close(&mut self, table: &mut Table) -> Option<usize> {
        let hovered = self.hovers();
        let most = OPENING_RATE / CONTROL_HZ as f32;
        self.opening += (self.target_opening - self.opening).clamp(-most, most);
        match (hovered, self.hovers()) {
            (true, false) => {
                self.held = nearest_puck(table, self.position);
                if let Some(held) = self.held {
                    table.pucks[held].position = self.position;
                    table.pucks[held].velocity = Vec2::ZERO;
                } else if let Some(wall) = table.wall {
                    self.position = wall.pushed_out(self.position, FINGER_RADIUS);
                }
                self.held
            }
            (false, true) => {
                self.let_go(table);
                None
            }
            _ => None,
        }
    }

    /// Sets down what it holds.
    pub(crate) fn let_go(&mut self, table: &mut Table) {
        if let Some(held) = self.held.take() {
            table.pucks[held].position = table.inside(self.position);
            table.pucks[held].velocity = Vec2::ZERO;
        }
    }
}

/// The nearest place that the gripper's centre can reach.
pub(crate) fn on_table(place: Vec2) -> Vec2 {
    let reach = Vec2::splat(HALF_TABLE);
    place.clamp(-reach, reach)
}

fn nearest_puck(table: &Table, position: Vec2) -> Option<usize> {
    let distances = table.pucks.iter().map(|puck| puck.position.distance(position)).enumerate();
    let nearest = distances.min_by(|(_, one), (_, other)| one.total_cmp(other));
    nearest.filter(|(_, distance)| *distance <= GRASP_RADIUS).map(|(index, _)| index)
}
