//! Going around the wall on the table.

use rapier2d::math::Vec2;

use super::motion::{action, ramp, toward};
use crate::FINGER_RADIUS;
use crate::gripper::on_table;
use crate::table::Wall;
use crate::world::World;

/// Metres per control step.
const SPEED: f32 = 0.015;
/// Between the wall's end and the centre of the finger that passes it: a comfortable clearance.
const PASSING: f32 = FINGER_RADIUS + 0.033;
/// The straight way to the zone is free when the finger passes the wall at this distance.
const FREE: f32 = FINGER_RADIUS + 0.014;
/// Farther than this from the wall's middle, it is plain on which side the finger passes.
const DECIDED: f32 = 0.016;
/// This near to the line on which it passes the wall, the finger turns along that line.
const TURN: f32 = 0.05;
/// The finger first makes for a place this far before the wall's middle line.
const BEFORE: f32 = 0.02;

/// Passes the wall on a side (-1 left, 1 right), then goes to the zone.
pub(super) fn around(world: &World, zone: Vec2, side: f32) -> [f32; 3] {
    let position = world.gripper.position;
    let goal = match world.table.wall {
        Some(wall) if wall.blocks(position, zone, FREE) => beside(wall, position, zone, side),
        _ => zone,
    };
    action(toward(world, goal, SPEED), ramp(world, 0.0))
}

/// A place to make for while the wall is in the way: beside its end, and farther on the nearer the finger is to that line.
/// Past the middle it never turns back.
fn beside(wall: Wall, position: Vec2, zone: Vec2, side: f32) -> Vec2 {
    let center = Vec2::from(wall.center);
    let aside = position.x - center.x;
    let side = if aside.abs() > DECIDED { 1.0_f32.copysign(aside) } else { side };
    let x = center.x + side * (wall.half_size[0] + PASSING);
    let onward = 1.0_f32.copysign(zone.y - center.y);
    let past = (position.y - center.y) * onward;
    let turned = (TURN - (x - position.x).abs()).max(0.0);
    let ahead = if past > 0.0 { past + turned } else { turned - BEFORE };
    on_table(Vec2::new(x, center.y + onward * ahead))
}
