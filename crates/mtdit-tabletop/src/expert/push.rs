//! Pushing a puck with the closed gripper.

use rapier2d::math::Vec2;

use super::motion::{action, close_at, onward, ramp, stay};
use crate::gripper::on_table;
use crate::table::BEHIND;
use crate::world::World;
use crate::{FINGER_RADIUS, PUCK_RADIUS};

/// Between the centres of a puck and a finger that touches it.
const CONTACT: f32 = PUCK_RADIUS + FINGER_RADIUS;
/// A finger that is farther off than this has lost the puck.
const LOST: f32 = CONTACT + 0.03;
/// A finger farther from the axis than this angle no longer steers the puck, radians.
const LOST_ANGLE: f32 = 0.9;
/// Metres per control step.
const SPEED: f32 = 0.018;
/// The finger goes to the other side of the axis by this share of the angle that it is off: the puck turns back.
const COUNTER: f32 = 0.4;

/// Goes behind the puck, closes, and pushes; comes round again when the puck slips off.
pub(super) fn push(world: &World, puck: usize, zone: Vec2) -> [f32; 3] {
    let gripper = &world.gripper;
    let puck = world.table.pucks[puck].position;
    let Some(ahead) = (zone - puck).try_normalize() else { return stay(world, gripper.opening) };
    if gripper.held.is_some() {
        return stay(world, 1.0);
    }
    if gripper.hovers() {
        return close_at(world, on_table(puck - ahead * BEHIND));
    }
    let offset = puck - gripper.position;
    let angle = libm::atan2f(ahead.perp_dot(offset), ahead.dot(offset));
    if offset.length() > LOST || angle.abs() > LOST_ANGLE {
        return stay(world, 1.0);
    }
    let (sin, cos) = libm::sincosf(-COUNTER * angle);
    let contact = ahead.rotate(Vec2::new(cos, sin)) * CONTACT;
    let advance = SPEED * (1.0 - angle.abs() / LOST_ANGLE);
    let goal = puck + ahead * advance - contact;
    action(onward(world, goal, SPEED), ramp(world, 0.0))
}
