//! What the engine reports of the world, as the page takes it.

use std::sync::Arc;
use std::time::Duration;

use js_sys::Uint8ClampedArray;
use leptos::prelude::*;
use wasm_bindgen::JsValue;

use super::super::state::App;
use super::drag;
use super::world::{at_rest, play, shows};
use crate::protocol::Event;
use crate::tabletop::{Report, Scene, Setup, Snapshot, Standing, words};

/// How long an end is seen before the next scene.
const PAUSE: Duration = Duration::from_millis(1500);
/// A chunk that takes longer than this holds the world up, in milliseconds: the time of a control step.
const REAL_TIME: f64 = 100.0;

/// Hears one event.
pub(super) fn hear(app: App, event: Event, attachments: &[JsValue]) {
    let tabletop = app.tabletop;
    match event {
        Event::Tabletop(Report::Scene(scene)) => lay(app, scene),
        Event::Tabletop(Report::Snapshot(snapshot)) => show(app, snapshot, attachments),
        Event::Tabletop(Report::Chunk(timings)) => tabletop.timings.set(Some(Arc::new(timings))),
        Event::Tabletop(Report::Over { succeeded }) => end(app, succeeded),
        Event::Tabletop(Report::Blocked { object }) => drag::blocked(app, object),
        Event::Stage(_) => think(app, 0, 0),
        Event::Step(report) => {
            think(app, report.done, report.total);
            tabletop.chunk.set(report.actions);
        }
        Event::Sampled { actions, .. } => {
            tabletop.thinking.set(None);
            tabletop.chunk.set(actions);
        }
        Event::Cancelled => {
            tabletop.open.set(None);
            at_rest(app);
        }
        Event::Failed(failure) => {
            tabletop.open.set(None);
            at_rest(app);
            tabletop.fault.set(Some(failure.message));
        }
        _ => {}
    }
}

/// The world waits for its chunk, if chunks take long enough for anyone to notice.
fn think(app: App, done: usize, total: usize) {
    let tabletop = app.tabletop;
    // The world waits, so it is where the chunk begins.
    let state = tabletop.snapshot.with_untracked(|snapshot| snapshot.as_ref().map(|snapshot| snapshot.state.clone()));
    if let Some([x, y, ..]) = state.as_deref() {
        tabletop.chunk_from.set([*x, *y]);
    }
    let is_slow = tabletop.timings.with_untracked(|last| last.as_ref().is_none_or(|last| last.total > REAL_TIME));
    if is_slow {
        tabletop.thinking.set(Some((done, total)));
    }
}

/// Takes what is asked in which scene.
fn lay(app: App, scene: Scene) {
    let tabletop = app.tabletop;
    let before = tabletop.scene.with_untracked(|before| before.as_ref().map(|it| (it.seed, it.instruction.clone())));
    if before.as_ref().is_none_or(|(seed, _)| *seed != scene.seed) {
        tabletop.seed.set(scene.seed.to_string());
    }
    if before.is_none_or(|(_, instruction)| instruction != scene.instruction) {
        tabletop.typed.set(scene.instruction.clone());
    }
    tabletop.setup.set_value(Setup { seed: scene.seed, instruction: Some(scene.instruction.clone()) });
    tabletop.scene.set(Some(Arc::new(scene)));
}

/// Takes how the table looks now.
fn show(app: App, snapshot: Snapshot, attachments: &[JsValue]) {
    let tabletop = app.tabletop;
    tabletop.pictures.set(attachments.iter().map(Uint8ClampedArray::new).collect());
    let said = tabletop.scene.with_untracked(|scene| scene.as_ref().map(|scene| words::status(scene, &snapshot)));
    if let Some(said) = said.filter(|said| tabletop.status.with_untracked(|before| before != said)) {
        tabletop.status.set(said);
    }
    if snapshot.standing == Standing::Open {
        tabletop.over.set(false);
    }
    if !snapshot.playing {
        tabletop.thinking.set(None);
    }
    tabletop.snapshot.set(Some(Arc::new(snapshot)));
    drag::answered(app);
}

/// Counts an episode that has ended, and lets the next one follow if that is wanted.
fn end(app: App, succeeded: bool) {
    let tabletop = app.tabletop;
    tabletop.over.set(true);
    at_rest(app);
    tabletop.tally.update(|(successes, episodes)| {
        *successes += u32::from(succeeded);
        *episodes += 1;
    });
    let ended = tabletop.setup.get_value();
    let follow = move || {
        // The visitor may have gone on by hand.
        let is_still_there = tabletop.over.get_untracked() && tabletop.setup.with_value(|setup| *setup == ended);
        if tabletop.keep_going.get_untracked() && is_still_there && untrack(|| shows(app)) {
            play(app);
        }
    };
    if tabletop.keep_going.get_untracked() {
        set_timeout(follow, PAUSE);
    }
}
