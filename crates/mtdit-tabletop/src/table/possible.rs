//! What can be asked of a scene as it stands.

use rapier2d::math::Vec2;

use super::Table;
use crate::gripper::Gripper;
use crate::task::Task;
use crate::{BUTTON_RADIUS, FINGER_RADIUS, HALF_TABLE, PUCK_RADIUS, ZONE_RADIUS};

/// The finger needs this much room behind a puck that it is to push.
pub(crate) const BEHIND: f32 = PUCK_RADIUS + FINGER_RADIUS + 0.013;
/// Another puck this near to the way of a pushed one would be hit.
const WAY_CLEARANCE: f32 = 2.0 * PUCK_RADIUS + 0.008;
/// The gripper's centre stays on the table, and a push needs some play.
const FINGER_REACH: f32 = HALF_TABLE - 0.005;
/// Nearer than this, two pucks are together.
const TOGETHER: f32 = 0.09;

/// Whether a task makes sense and an expert can do it.
pub(crate) fn is_possible(table: &Table, gripper: &Gripper, task: Task) -> bool {
    let puck_at = |color| table.puck(color).map(|index| table.pucks[index].position);
    let holds = |color| gripper.held.is_some() && gripper.held == table.puck(color);
    let no_wall = table.wall.is_none();
    match task {
        Task::Reach { puck } | Task::Lift { puck } => table.puck(puck).is_some() && !holds(puck),
        Task::Push { puck, zone } => match (table.puck(puck), table.zone(zone)) {
            (Some(index), Some(zone)) => no_wall && !holds(puck) && way_is_clear(table, index, zone.position),
            _ => false,
        },
        Task::Place { puck, zone } => match (puck_at(puck), table.zone(zone)) {
            (Some(puck), Some(zone)) => no_wall && is_outside(puck, zone.position),
            _ => false,
        },
        Task::Gather { puck, to: other } | Task::Separate { puck, from: other } => {
            let (Some(one), Some(two)) = (puck_at(puck), puck_at(other)) else { return false };
            let together = one.distance(two) < TOGETHER;
            no_wall && together == matches!(task, Task::Separate { .. })
        }
        Task::Press { first, second } => match (table.button(first), table.button(second)) {
            (Some(one), Some(two)) => one.color != two.color && is_uncovered(table),
            _ => false,
        },
        Task::Around { zone } => match (table.wall, table.zone(zone)) {
            (Some(wall), Some(zone)) => {
                gripper.is_finger() && wall.blocks(gripper.position, zone.position, FINGER_RADIUS)
            }
            _ => false,
        },
    }
}

/// Whether a puck is outside a zone beyond doubt.
fn is_outside(puck: Vec2, zone: Vec2) -> bool {
    puck.distance(zone) > ZONE_RADIUS + PUCK_RADIUS / 2.0
}

/// Whether a puck can be pushed straight into a zone: there is room for the finger, and no other puck in the way.
fn way_is_clear(table: &Table, index: usize, zone: Vec2) -> bool {
    let puck = table.pucks[index].position;
    if !is_outside(puck, zone) {
        return false;
    }
    let behind = puck - (zone - puck).normalize_or_zero() * BEHIND;
    let mut others = table.pucks.iter().enumerate().filter(|(other, _)| *other != index);
    behind.abs().max_element() <= FINGER_REACH
        && others.all(|(_, other)| distance_to_segment(other.position, behind, zone) >= WAY_CLEARANCE)
}

fn distance_to_segment(point: Vec2, from: Vec2, to: Vec2) -> f32 {
    let along = to - from;
    let share = ((point - from).dot(along) / along.length_squared().max(f32::MIN_POSITIVE)).clamp(0.0, 1.0);
    point.distance(from + along * share)
}

/// Whether no puck lies on a button, where a closing gripper would take it.
fn is_uncovered(table: &Table) -> bool {
    let far = |puck: Vec2, button: Vec2| puck.distance(button) > BUTTON_RADIUS + PUCK_RADIUS;
    table.buttons.iter().all(|button| table.pucks.iter().all(|puck| far(puck.position, button.position)))
}
