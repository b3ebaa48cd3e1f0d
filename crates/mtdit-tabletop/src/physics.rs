//! Pushing: what a finger on the table does to pucks, and what pucks, walls and edges do to each other.
//!
//! A control step is simulated from the positions alone, so a world is plain data and can be copied.

use rapier2d::math::Vec2;
use rapier2d::prelude::{
    Collider, ColliderBuilder, Group, InteractionGroups, InteractionTestMode, PhysicsWorld, RigidBody,
    RigidBodyBuilder, RigidBodyHandle,
};

use crate::gripper::SPEED_LIMIT;
use crate::table::{Puck, Table};
use crate::{CONTROL_HZ, FINGER_RADIUS, HALF_TABLE, PUCK_RADIUS};

/// Physics steps per control step: a finger moves at most 3 mm in one.
const SUBSTEPS: u8 = 10;
/// Typical size of what moves, metres: the solver's tolerances follow it.
const LENGTH_UNIT: f32 = 0.05;
/// Friction of the table, per second: a puck that is no longer pushed stops within a centimetre.
const TABLE_FRICTION: f32 = 30.0;
/// Friction between pucks, finger, wall and edges.
const CONTACT_FRICTION: f32 = 0.3;
/// The finger is so much denser than a puck that pucks hardly slow it down, yet the wall stops it.
const FINGER_DENSITY: f32 = 30.0;
/// Slower pucks stand still, metres per second.
const REST_SPEED: f32 = 0.001;
/// A finger this near to the wall touches it, metres.
const TOUCH: f32 = 0.001;
/// Thickness of the solid edges, metres.
const EDGE: f32 = 0.1;

/// Where a finger ended up.
#[derive(Copy, Clone, Debug)]
pub(crate) struct FingerPath {
    pub(crate) end: Vec2,
    pub(crate) touched_wall: bool,
}

/// Moves the pucks on the table for one control step.
///
/// `finger` is where a finger on the table is and where it wants to be, if there is one; `held` is a puck in the air.
pub(crate) fn simulate(table: &mut Table, held: Option<usize>, finger: Option<(Vec2, Vec2)>) -> Option<FingerPath> {
    if finger.is_none() && is_settled(table, held) {
        return None;
    }
    let seconds = 1.0 / (CONTROL_HZ as f32 * f32::from(SUBSTEPS));
    let mut physics = PhysicsWorld::new();
    physics.gravity = Vec2::ZERO;
    physics.integration_parameters.dt = seconds;
    physics.integration_parameters.length_unit = LENGTH_UNIT;
    for (body, collider) in fixed(table) {
        physics.insert(body, collider);
    }
    let on_table = table.pucks.iter().enumerate().filter(|(index, _)| Some(*index) != held);
    let handles: Vec<(usize, RigidBodyHandle)> =
        on_table.map(|(index, puck)| (index, physics.insert(puck_body(puck), disc(PUCK_RADIUS)).0)).collect();
    let hand = finger.map(|(position, target)| {
        let body = RigidBodyBuilder::dynamic().translation(position).lock_rotations().can_sleep(false).build();
        let collider =
            disc(FINGER_RADIUS).density(FINGER_DENSITY).collision_groups(group(Group::GROUP_1, !Group::GROUP_2));
        (physics.insert(body, collider).0, target)
    });
    let mut touched_wall = false;
    for _ in 0..SUBSTEPS {
        if let Some((handle, target)) = hand {
            let body = &mut physics.bodies[handle];
            let velocity = ((target - body.translation()) / seconds).clamp_length_max(SPEED_LIMIT);
            body.set_linvel(velocity, true);
        }
        physics.step();
        if let (Some((handle, _)), Some(wall)) = (hand, table.wall) {
            touched_wall |= wall.distance(physics.bodies[handle].translation()) < FINGER_RADIUS + TOUCH;
        }
    }
    for (index, handle) in handles {
        settle(table, index, &physics.bodies[handle]);
    }
    let end = hand.map(|(handle, _)| physics.bodies[handle].translation()).filter(|end| end.is_finite());
    end.map(|end| FingerPath { end, touched_wall })
}

/// Whether nothing moves and nothing overlaps.
fn is_settled(table: &Table, held: Option<usize>) -> bool {
    let pucks: Vec<&Puck> =
        table.pucks.iter().enumerate().filter(|(index, _)| Some(*index) != held).map(|(_, puck)| puck).collect();
    let apart = |(index, puck): (usize, &&Puck)| {
        pucks[index + 1..].iter().all(|other| other.position.distance(puck.position) >= 2.0 * PUCK_RADIUS)
    };
    pucks.iter().all(|puck| puck.velocity == Vec2::ZERO) && pucks.iter().enumerate().all(apart)
}

/// The wall and the four edges of the table.
fn fixed(table: &Table) -> Vec<(RigidBody, Collider)> {
    let bar = |center: Vec2, half: Vec2, membership: Group| {
        let body = RigidBodyBuilder::fixed().translation(center).build();
        let collider = ColliderBuilder::cuboid(half.x, half.y).friction(CONTACT_FRICTION);
        (body, collider.collision_groups(group(membership, Group::ALL)).build())
    };
    let middle = HALF_TABLE + EDGE / 2.0;
    let edges = [Vec2::X, Vec2::Y, Vec2::NEG_X, Vec2::NEG_Y].map(|side| {
        let half = side.abs() * (EDGE / 2.0) + side.perp().abs() * (HALF_TABLE + EDGE);
        // The gripper is held on the table by its targets, so the finger ignores the edges.
        bar(side * middle, half, Group::GROUP_2)
    });
    let wall = table.wall.map(|wall| bar(wall.center.into(), wall.half_size.into(), Group::GROUP_1));
    edges.into_iter().chain(wall).collect()
}

fn group(membership: Group, filter: Group) -> InteractionGroups {
    InteractionGroups::new(membership, filter, InteractionTestMode::And)
}

fn disc(radius: f32) -> ColliderBuilder {
    ColliderBuilder::ball(radius).friction(CONTACT_FRICTION)
}

fn puck_body(puck: &Puck) -> RigidBody {
    let body = RigidBodyBuilder::dynamic().translation(puck.position).linvel(puck.velocity).can_sleep(false);
    body.linear_damping(TABLE_FRICTION).angular_damping(TABLE_FRICTION).build()
}

/// Takes over where a puck came to be.
fn settle(table: &mut Table, index: usize, body: &RigidBody) {
    let (position, velocity) = (body.translation(), body.linvel());
    if !position.is_finite() || !velocity.is_finite() {
        return;
    }
    table.pucks[index].position = table.inside(position);
    table.pucks[index].velocity = if velocity.length() < REST_SPEED { Vec2::ZERO } else { velocity };
}
