//! Tasks that are done with a puck between the fingers, and reaching for one.

use rapier2d::math::Vec2;

use super::motion::{close_at, hover, open_at, stay};
use crate::table::Table;
use crate::world::World;
use crate::{HALF_TABLE, PUCK_RADIUS, ZONE_RADIUS};

/// A puck is put down this far from the one it is gathered with: a gap of a centimetre.
const BESIDE: f32 = 0.06;
/// A puck is put down this far from the one it is taken from.
const FAR: f32 = 0.225;
/// A carried puck is put down at least this far from others.
const CLEAR: f32 = 2.0 * PUCK_RADIUS + 0.004;
/// A carried puck is put down at least this far from the edge, where it can be reached and pushed again.
const MARGIN: f32 = 0.045;
/// Directions that are tried around a puck: every 5 degrees.
const DIRECTIONS: u8 = 72;

pub(super) fn reach(world: &World, puck: usize) -> [f32; 3] {
    if world.gripper.held.is_some() {
        return stay(world, 1.0);
    }
    hover(world, world.table.pucks[puck].position)
}

pub(super) fn lift(world: &World, puck: usize) -> [f32; 3] {
    match world.gripper.held {
        None => close_at(world, world.table.pucks[puck].position),
        Some(held) if held == puck => stay(world, 0.0),
        Some(_) => stay(world, 1.0),
    }
}

pub(super) fn place(world: &World, puck: usize, zone: Vec2) -> [f32; 3] {
    carry(world, puck, |table| place_in_zone(table, puck, zone))
}

pub(super) fn gather(world: &World, puck: usize, to: usize) -> [f32; 3] {
    carry(world, puck, |table| place_around(table, puck, to, BESIDE))
}

pub(super) fn separate(world: &World, puck: usize, from: usize) -> [f32; 3] {
    carry(world, puck, |table| place_around(table, puck, from, FAR))
}

/// Takes a puck, and puts it down at a place that follows from the table.
fn carry(world: &World, puck: usize, place: impl FnOnce(&Table) -> Vec2) -> [f32; 3] {
    if world.gripper.held == Some(puck) { open_at(world, place(&world.table)) } else { lift(world, puck) }
}

/// The middle of a zone, or aside of it when another puck lies there.
fn place_in_zone(table: &Table, puck: usize, zone: Vec2) -> Vec2 {
    /// How far from the middle a puck still lies well in the zone.
    const ASIDE: f32 = 0.7 * ZONE_RADIUS;
    let others = table.pucks.iter().enumerate().filter(|(other, _)| *other != puck);
    let offsets = others.map(|(_, other)| other.position - zone);
    let nearest = offsets.min_by(|one, other| one.length().total_cmp(&other.length()));
    match nearest {
        Some(offset) if offset.length() < CLEAR => {
            let away = (-offset).try_normalize().unwrap_or(Vec2::NEG_Y);
            zone + away * (CLEAR - offset.length()).min(ASIDE)
        }
        _ => zone,
    }
}

/// The place at a distance from another puck that is most nearly in the direction of this one, on the table and clear.
fn place_around(table: &Table, puck: usize, center: usize, distance: f32) -> Vec2 {
    let (position, middle) = (table.pucks[puck].position, table.pucks[center].position);
    let straight = (position - middle).try_normalize().or_else(|| (-middle).try_normalize()).unwrap_or(Vec2::X);
    let reach = HALF_TABLE - MARGIN;
    let others = || table.pucks.iter().enumerate().filter(|(other, _)| *other != puck && *other != center);
    let fits = |place: &Vec2| {
        let clear = others().all(|(_, other)| other.position.distance(*place) >= CLEAR);
        clear && place.abs().max_element() <= reach.max(middle.abs().max_element())
    };
    let turned = |index: u8| {
        let (sin, cos) = libm::sincosf(core::f32::consts::TAU * f32::from(index) / f32::from(DIRECTIONS));
        Vec2::new(cos, sin)
    };
    let aside = (0..DIRECTIONS).map(turned).filter(|direction| fits(&(middle + *direction * distance)));
    let nearest = || aside.max_by(|one, other| one.dot(straight).total_cmp(&other.dot(straight)));
    let direct = middle + straight * distance;
    if fits(&direct) { direct } else { nearest().map_or(direct, |direction| middle + direction * distance) }
}
