//! Smooth motion: a target a little ahead of the gripper.

use rapier2d::math::Vec2;

use crate::world::World;

/// Metres per control step in the air.
pub(super) const IN_THE_AIR: f32 = 0.025;
/// A step covers at most this share of what is left: the soft stop.
const SHARE: f32 = 0.6;
/// Where the soft stop would only creep, a step is this long, metres.
const CREEP: f32 = 0.005;
/// A step is at most so much longer than the last one, metres: the soft start.
const GAIN: f32 = 0.01;
/// Change of the opening per control step.
const RAMP: f32 = 0.35;

/// The next target on the straight way to a goal, with a soft start.
pub(super) fn onward(world: &World, goal: Vec2, fastest: f32) -> Vec2 {
    let soft_start = world.gripper.moved.length() + GAIN;
    world.gripper.position.move_towards(goal, soft_start.min(fastest))
}

/// The next target on the straight way to a goal, with a soft start and a soft stop.
pub(super) fn toward(world: &World, goal: Vec2, fastest: f32) -> Vec2 {
    let left = world.gripper.position.distance(goal);
    let soft_stop = (SHARE * left).max(CREEP.min(left));
    onward(world, goal, soft_stop.min(fastest))
}

/// The next target of the opening.
pub(super) fn ramp(world: &World, goal: f32) -> f32 {
    let opening = world.gripper.opening;
    opening + (goal - opening).clamp(-RAMP, RAMP)
}

/// Stays where the gripper is, with this opening in the end.
pub(super) fn stay(world: &World, opening: f32) -> [f32; 3] {
    action(world.gripper.position, ramp(world, opening))
}

/// Goes to a place in the air; opens first when the gripper is on the table.
pub(super) fn hover(world: &World, goal: Vec2) -> [f32; 3] {
    let target = if world.gripper.hovers() { toward(world, goal, IN_THE_AIR) } else { world.gripper.position };
    action(target, ramp(world, 1.0))
}

/// Goes to a place in the air and closes there.
pub(super) fn close_at(world: &World, goal: Vec2) -> [f32; 3] {
    /// An open gripper begins to close this near to its place, metres.
    const NEAR: f32 = 0.008;
    /// A closing gripper goes on closing this near, metres.
    const STILL_NEAR: f32 = 0.016;
    let gripper = &world.gripper;
    let near = if gripper.opening > 0.95 { NEAR } else { STILL_NEAR };
    if gripper.hovers() && gripper.position.distance(goal) <= near {
        action(toward(world, goal, IN_THE_AIR), ramp(world, 0.0))
    } else {
        hover(world, goal)
    }
}

/// Carries what is held to a place and lets go of it there.
pub(super) fn open_at(world: &World, goal: Vec2) -> [f32; 3] {
    /// A closed gripper begins to open this near to its place, metres.
    const NEAR: f32 = 0.008;
    /// An opening gripper goes on opening this near, metres.
    const STILL_NEAR: f32 = 0.016;
    let gripper = &world.gripper;
    let near = if gripper.opening < 0.05 { NEAR } else { STILL_NEAR };
    let opening = if gripper.position.distance(goal) <= near { 1.0 } else { 0.0 };
    action(toward(world, goal, IN_THE_AIR), ramp(world, opening))
}

pub(super) fn action(target: Vec2, opening: f32) -> [f32; 3] {
    [target.x, target.y, opening]
}
