//! How things look. Everything that matters can be told from one small picture: what the gripper holds, how far it is open,
//! which buttons were pressed.

use super::canvas::{Canvas, Ink};
use crate::table::{Button, Puck, Wall, Zone};
use crate::world::World;
use crate::{FINGER_RADIUS, HALF_TABLE, PUCK_RADIUS, ZONE_RADIUS};

const FLOOR: [u8; 3] = [126, 134, 146];
const RIM: [u8; 3] = [206, 211, 219];
const TABLE: [u8; 3] = [239, 241, 244];
const SHADOW: [u8; 3] = [30, 36, 48];
const WALL: [u8; 3] = [120, 92, 72];
const BUTTON_BASE: [u8; 3] = [58, 64, 76];
const GRIPPER: [u8; 3] = [34, 38, 48];
const WHITE: [u8; 3] = [255, 255, 255];

/// The solid edge of the table, metres.
const RIM_WIDTH: f32 = 0.004;
/// Half the side of a button's base, metres.
const BUTTON_HALF: f32 = 0.034;
/// A held puck is nearer to the camera, and so looks larger.
const LIFTED: f32 = 1.14;
/// Half the size of a finger bar of the open gripper, metres: thin, so that it hides little.
const BAR_HALF: [f32; 2] = [0.0055, 0.019];

pub(super) fn paint(canvas: &mut Canvas, world: &World) {
    canvas.fill(Ink::opaque(FLOOR));
    canvas.bar([0.0; 2], [HALF_TABLE; 2], 0.0, Ink::opaque(RIM));
    canvas.bar([0.0; 2], [HALF_TABLE - RIM_WIDTH; 2], 0.006, Ink::opaque(TABLE));
    for zone in &world.table.zones {
        paint_zone(canvas, zone);
    }
    for button in &world.table.buttons {
        paint_button(canvas, button);
    }
    if let Some(wall) = world.table.wall {
        paint_wall(canvas, wall);
    }
    let held = world.gripper.held;
    for (_, puck) in world.table.pucks.iter().enumerate().filter(|(index, _)| Some(*index) != held) {
        paint_puck(canvas, puck, 1.0);
    }
    if let Some(puck) = held.map(|held| &world.table.pucks[held]) {
        paint_puck(canvas, puck, LIFTED);
    }
    paint_gripper(canvas, world);
}

fn paint_zone(canvas: &mut Canvas, zone: &Zone) {
    let center = zone.position.into();
    canvas.disc(center, ZONE_RADIUS, Ink::opaque(zone.color.rgb()));
    canvas.disc(center, ZONE_RADIUS * 0.9, Ink::shaded(zone.color.rgb(), 0.35));
}

fn paint_button(canvas: &mut Canvas, button: &Button) {
    let center: [f32; 2] = button.position.into();
    if button.lit {
        canvas.glow(center, BUTTON_HALF, BUTTON_HALF * 1.8, Ink::clear(button.color.rgb(), 0.65));
    } else {
        paint_shadow(canvas, center, [BUTTON_HALF; 2]);
    }
    canvas.bar(center, [BUTTON_HALF; 2], 0.01, Ink::opaque(BUTTON_BASE));
    canvas.disc(center, 0.026, Ink::shaded(button.color.rgb(), if button.lit { 0.3 } else { 0.0 }));
    if button.lit {
        canvas.disc(center, 0.016, Ink::opaque(WHITE));
    }
}

fn paint_wall(canvas: &mut Canvas, wall: Wall) {
    paint_shadow(canvas, wall.center, wall.half_size);
    canvas.bar(wall.center, wall.half_size, 0.004, Ink::opaque(WALL));
    let inner = [wall.half_size[0] - 0.004, wall.half_size[1] - 0.004];
    canvas.bar(wall.center, inner, 0.003, Ink::shaded(WALL, 0.18));
}

/// The soft shadow of something square.
fn paint_shadow(canvas: &mut Canvas, [x, y]: [f32; 2], half: [f32; 2]) {
    for spread in [0.0, 0.002, 0.004] {
        let wider = half.map(|half| half + spread);
        canvas.bar([x + 0.003, y - 0.005], wider, 0.006 + spread, Ink::clear(SHADOW, 0.1));
    }
}

/// `scale` is 1 on the table and more in the air, where the shadow falls farther off.
fn paint_puck(canvas: &mut Canvas, puck: &Puck, scale: f32) {
    let [x, y] = puck.position.into();
    let (radius, height) = (PUCK_RADIUS * scale, (scale - 1.0) * 0.08);
    let shadow = [x + 0.002 + height * 0.6, y - 0.004 - height];
    canvas.glow(shadow, radius * 0.7, radius * 1.25, Ink::clear(SHADOW, 0.35));
    canvas.disc([x, y], radius, Ink::shaded(puck.color.rgb(), -0.18));
    canvas.disc([x, y], radius * 0.88, Ink::opaque(puck.color.rgb()));
    canvas.ring([x, y], radius * 0.52, radius * 0.62, Ink::clear(WHITE, 0.2));
    canvas.glow([x - radius * 0.28, y + radius * 0.3], 0.0, radius * 0.5, Ink::clear(WHITE, 0.4));
}

/// Open: two bars, as far apart as it is open. Around a puck: two bars at its sides. A finger: a disc, its middle as large
/// as it is open.
fn paint_gripper(canvas: &mut Canvas, world: &World) {
    let gripper = &world.gripper;
    let [x, y] = gripper.position.into();
    if gripper.is_finger() {
        canvas.glow([x + 0.002, y - 0.003], FINGER_RADIUS, FINGER_RADIUS * 1.35, Ink::clear(SHADOW, 0.3));
        canvas.disc([x, y], FINGER_RADIUS, Ink::clear(GRIPPER, 0.55));
        canvas.ring([x, y], FINGER_RADIUS * 0.7, FINGER_RADIUS, Ink::opaque(GRIPPER));
        canvas.disc([x, y], FINGER_RADIUS * (0.3 + 0.5 * gripper.opening), Ink::opaque(GRIPPER));
        return;
    }
    let around_puck = PUCK_RADIUS * LIFTED + BAR_HALF[0] + 0.006 * gripper.opening;
    let apart = if gripper.held.is_some() { around_puck } else { 0.016 + 0.022 * gripper.opening };
    canvas.bar([x, y], [apart, 0.0016], 0.0015, Ink::clear(GRIPPER, 0.5));
    for side in [-1.0, 1.0] {
        canvas.bar([x + side * apart, y], BAR_HALF, 0.004, Ink::opaque(GRIPPER));
    }
}
