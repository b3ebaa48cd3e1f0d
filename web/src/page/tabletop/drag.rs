//! Moving things by hand: with the pointer on the drawing, with the arrow keys in the list.

use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{DomRect, Element, KeyboardEvent, PointerEvent};

use super::super::state::App;
use super::world::tell;
use crate::tabletop::plane::Plane;
use crate::tabletop::{Command, Object, words};

/// How far an arrow key moves an object, in metres.
const NUDGE: f32 = 0.01;
/// How far it does with the shift key.
const LEAP: f32 = 0.05;

/// An object of the table.
pub(super) fn object(app: App, index: usize) -> Option<Object> {
    app.tabletop.snapshot.with(|snapshot| snapshot.as_ref()?.objects.get(index).cloned())
}

/// The table as a square.
pub(super) fn plane(app: App) -> Option<Plane> {
    app.tabletop.scene.with(|scene| scene.as_ref().map(|scene| Plane { half: scene.half_table }))
}

/// Moves an object to the nearest place on the table. The engine is told of the newest place only, once it has answered to the
/// one before.
fn place(app: App, index: usize, position: [f32; 2]) {
    let reach = untrack(|| Some(plane(app)?.half - object(app, index)?.radius));
    let position = reach.map(|reach| position.map(|value| value.clamp(-reach, reach)));
    app.tabletop.wanted.set_value(position.map(|position| (index, position)));
    send(app);
}

fn send(app: App) {
    let tabletop = app.tabletop;
    if tabletop.asked.get_value() {
        return;
    }
    if let Some((object, position)) = tabletop.wanted.try_update_value(Option::take).flatten() {
        tabletop.asked.set_value(true);
        tell(app, Command::Place { object, position });
    }
}

/// The engine has answered.
pub(super) fn answered(app: App) {
    app.tabletop.asked.set_value(false);
    send(app);
}

/// An object cannot stand where it was to be placed.
pub(super) fn blocked(app: App, index: usize) {
    // The pointer shows it by itself.
    if app.tabletop.held.get_value().is_none()
        && let Some(object) = untrack(|| object(app, index))
    {
        app.tabletop.spoken.set(format!("The {} cannot stand there.", object.name));
    }
}

/// The pointer takes an object.
pub(super) fn take(app: App, index: usize, event: &PointerEvent, square: Option<DomRect>) {
    let found = untrack(|| Some((object(app, index)?, under(app, event, square?)?)));
    let Some((object, [x, y])) = found.filter(|_| event.is_primary() && event.button() == 0) else { return };
    // It would begin to select text.
    event.prevent_default();
    if let Some(handle) = event.current_target().and_then(|target| target.dyn_into::<Element>().ok()) {
        // Without it the object is let go of at the edge of its handle.
        let _ = handle.set_pointer_capture(event.pointer_id());
    }
    let offset = [object.position[0] - x, object.position[1] - y];
    app.tabletop.held.set_value(Some((index, offset)));
}

/// The pointer moves what it holds.
pub(super) fn carry(app: App, index: usize, event: &PointerEvent, square: Option<DomRect>) {
    let offset = app.tabletop.held.get_value().filter(|(held, _)| *held == index).map(|(_, offset)| offset);
    let under = untrack(|| under(app, event, square?));
    if let (Some([right, up]), Some([x, y])) = (offset, under) {
        place(app, index, [x + right, y + up]);
    }
}

/// The pointer lets go.
pub(super) fn let_go(app: App) {
    app.tabletop.held.set_value(None);
}

/// The point of the table under the pointer.
fn under(app: App, event: &PointerEvent, square: DomRect) -> Option<[f32; 2]> {
    let across = (f64::from(event.client_x()) - square.left()) / square.width();
    let down = (f64::from(event.client_y()) - square.top()) / square.height();
    let plane = plane(app)?;
    (across.is_finite() && down.is_finite()).then(|| plane.point([across, down]))
}

/// An arrow key moves an object of the list.
pub(super) fn nudge(app: App, index: usize, event: &KeyboardEvent) {
    let far = if event.shift_key() { LEAP } else { NUDGE };
    let [right, up] = match event.key().as_str() {
        "ArrowRight" => [far, 0.0],
        "ArrowLeft" => [-far, 0.0],
        "ArrowUp" => [0.0, far],
        "ArrowDown" => [0.0, -far],
        _ => return,
    };
    // It would scroll the page.
    event.prevent_default();
    if let Some(object) = untrack(|| object(app, index)) {
        let position = [object.position[0] + right, object.position[1] + up];
        app.tabletop.spoken.set(format!("{}: {}", object.name, words::place(position)));
        place(app, index, position);
    }
}
