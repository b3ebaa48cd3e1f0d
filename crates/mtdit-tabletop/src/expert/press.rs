//! Pressing buttons: from above, so that none is pressed on the way.

use rapier2d::math::Vec2;

use super::motion::{close_at, stay};
use crate::world::World;

/// Closes above the next button; opens first when the gripper is closed.
pub(super) fn press(world: &World, button: Vec2) -> [f32; 3] {
    if world.gripper.hovers() { close_at(world, button) } else { stay(world, 1.0) }
}
