//! Scenes drawn by chance: everything apart from everything else, and the asked task possible.

use rand::Rng;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rapier2d::math::Vec2;

use super::{Button, Puck, Table, Wall, Zone, is_possible};
use crate::color::{PuckColor, ZoneColor};
use crate::gripper::Gripper;
use crate::task::{SceneKind, Task};
use crate::{PUCK_RADIUS, ZONE_RADIUS};

/// Pucks and the gripper begin within this distance of the middle, so that the finger gets behind most pucks.
const SPREAD: f32 = 0.2;
/// Zones lie within this distance of the middle: wholly on the table.
const ZONE_SPREAD: f32 = 0.175;
/// Between the centres of zones: they never overlap.
const ZONE_GAP: f32 = 0.15;
/// Between the centres of a puck and a zone: a puck begins well outside.
const PUCK_ZONE_GAP: f32 = ZONE_RADIUS + PUCK_RADIUS + 0.01;
/// Between the centres of pucks that stand apart: room for an open gripper.
const PUCK_GAP: f32 = 0.105;
/// Between the centres of pucks that stand together: they all but touch.
const PAIR_GAP: f32 = 0.054;
/// Between the centres of buttons.
const BUTTON_GAP: f32 = 0.13;
/// Between the centres of a puck and a button: a closing gripper never meets both.
const PUCK_BUTTON_GAP: f32 = 0.1;
/// Between the gripper and any puck: a task is never done at the start.
const GRIPPER_GAP: f32 = 0.06;

impl Table {
    /// The scene of a seed and a task, and where the gripper begins.
    pub(crate) fn draw(seed: u64, task: Task) -> (Self, Gripper) {
        let mut rng = rng(seed, task);
        loop {
            let drawn = match task.scene_kind() {
                SceneKind::Pucks => pucks(&mut rng),
                SceneKind::Buttons => buttons(&mut rng),
                SceneKind::Wall => Some(wall(&mut rng)),
            };
            if let Some((table, gripper)) = drawn
                && is_possible(&table, &gripper, task)
            {
                return (table, gripper);
            }
        }
    }
}

/// Tasks with the same seed see different scenes.
fn rng(seed: u64, task: Task) -> StdRng {
    let index = Task::all().iter().position(|other| *other == task).unwrap_or_default() as u64;
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..16].copy_from_slice(&index.to_le_bytes());
    StdRng::from_seed(bytes)
}

/// Three pucks and two zones; in one scene of three a pair of pucks stands together. Nothing when it did not work out.
fn pucks(rng: &mut StdRng) -> Option<(Table, Gripper)> {
    let mut zones: Vec<Vec2> = Vec::new();
    for _ in ZoneColor::ALL {
        zones.push(free(rng, ZONE_SPREAD, &[(&zones, ZONE_GAP)])?);
    }
    let mut places: Vec<Vec2> = Vec::new();
    if rng.random_ratio(1, 3) {
        let one = free(rng, SPREAD, &[(&zones, PUCK_ZONE_GAP)])?;
        let other = one + direction(between(rng, 0.0, core::f32::consts::TAU)) * PAIR_GAP;
        let off = other.abs().max_element() > SPREAD || zones.iter().any(|zone| zone.distance(other) < PUCK_ZONE_GAP);
        if off {
            return None;
        }
        places.extend([one, other]);
    }
    while places.len() < PuckColor::ALL.len() {
        places.push(free(rng, SPREAD, &[(&zones, PUCK_ZONE_GAP), (&places, PUCK_GAP)])?);
    }
    places.shuffle(rng);
    let gripper = Gripper::open_at(free(rng, SPREAD, &[(&places, GRIPPER_GAP)])?);
    let zones = ZoneColor::ALL.into_iter().zip(zones).map(|(color, position)| Zone { color, position });
    let pucks = PuckColor::ALL.into_iter().zip(places).map(|(color, position)| Puck::at(color, position));
    Some((Table { pucks: pucks.collect(), zones: zones.collect(), buttons: Vec::new(), wall: None }, gripper))
}

/// Three buttons, and one or two pucks for distraction. Nothing when it did not work out.
fn buttons(rng: &mut StdRng) -> Option<(Table, Gripper)> {
    let mut buttons: Vec<Vec2> = Vec::new();
    for _ in PuckColor::ALL {
        buttons.push(free(rng, SPREAD, &[(&buttons, BUTTON_GAP)])?);
    }
    let mut colors = PuckColor::ALL;
    colors.shuffle(rng);
    let n_pucks = if rng.random() { 1 } else { 2 };
    let mut places: Vec<Vec2> = Vec::new();
    for _ in 0..n_pucks {
        places.push(free(rng, SPREAD, &[(&buttons, PUCK_BUTTON_GAP), (&places, PUCK_GAP)])?);
    }
    let gripper = Gripper::open_at(free(rng, SPREAD, &[(&places, GRIPPER_GAP)])?);
    let pucks = colors.into_iter().zip(places).map(|(color, position)| Puck::at(color, position)).collect();
    let buttons = PuckColor::ALL.into_iter().zip(buttons);
    let buttons = buttons.map(|(color, position)| Button { color, position, lit: false }).collect();
    Some((Table { pucks, zones: Vec::new(), buttons, wall: None }, gripper))
}

/// A wall in the middle; the closed gripper before it, a zone behind it, the other zone aside; perhaps a puck in a corner.
fn wall(rng: &mut StdRng) -> (Table, Gripper) {
    let middle = Vec2::new(between(rng, -0.04, 0.04), between(rng, -0.03, 0.02));
    let wall = Wall { center: middle.into(), half_size: [between(rng, 0.07, 0.085), 0.014] };
    // Both ways around are equally long but for these few millimetres.
    let start = middle + Vec2::new(between(rng, -0.008, 0.008), -between(rng, 0.145, 0.165));
    let behind = middle + Vec2::new(between(rng, -0.01, 0.01), between(rng, 0.135, 0.155));
    let aside = if rng.random() { 1.0 } else { -1.0 };
    let near = Vec2::new(aside * between(rng, 0.16, 0.18), between(rng, -0.18, -0.12));
    let mut colors = ZoneColor::ALL;
    colors.shuffle(rng);
    let zones = colors.into_iter().zip([behind, near]).map(|(color, position)| Zone { color, position }).collect();
    let corner = Vec2::new(-aside * between(rng, 0.19, 0.21), between(rng, -0.21, -0.17));
    let color = PuckColor::ALL[usize::from(rng.random_range(0..3_u8))];
    let pucks = if rng.random() { vec![Puck::at(color, corner)] } else { Vec::new() };
    (Table { pucks, zones, buttons: Vec::new(), wall: Some(wall) }, Gripper::closed_at(start))
}

impl Puck {
    fn at(color: PuckColor, position: Vec2) -> Self {
        Self { color, position, velocity: Vec2::ZERO }
    }
}

/// A place within a square that keeps its distances; nothing when none was found soon.
fn free(rng: &mut StdRng, spread: f32, keep: &[(&Vec<Vec2>, f32)]) -> Option<Vec2> {
    /// A crowded table is drawn anew rather than searched for long.
    const TRIES: u8 = 50;
    (0..TRIES).find_map(|_| {
        let place = Vec2::new(between(rng, -spread, spread), between(rng, -spread, spread));
        let kept = |(others, gap): &(&Vec<Vec2>, f32)| others.iter().all(|other| other.distance(place) >= *gap);
        keep.iter().all(kept).then_some(place)
    })
}

fn between(rng: &mut StdRng, low: f32, high: f32) -> f32 {
    low + (high - low) * rng.random::<f32>()
}

fn direction(angle: f32) -> Vec2 {
    let (sin, cos) = libm::sincosf(angle);
    Vec2::new(cos, sin)
}
