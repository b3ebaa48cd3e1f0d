//! The world as the page steers it: opened with a checkpoint, and told what the visitor wants.

use std::sync::Arc;

use leptos::prelude::*;

use super::super::loading::{self, After};
use super::super::observation::is_diffusion;
use super::super::state::App;
use super::report;
use crate::link::{PageLink, View};
use crate::protocol::{PolicyCard, Request};
use crate::tabletop::{Command, Opening, Sampling, Setup, WORLD};

/// Whether a policy was made for the tabletop.
pub(in crate::page) fn fits(card: Option<&Arc<PolicyCard>>) -> bool {
    card.is_some_and(|card| card.world.as_deref() == Some(WORLD))
}

/// Whether the tabletop is shown in place of the fields for one observation.
pub(in crate::page) fn shows(app: App) -> bool {
    app.checkpoint.card.with(|card| fits(card.as_ref())) && app.tabletop.view.get() == View::Tabletop
}

/// Takes a checkpoint that was loaded; a link may say what is shown of it.
pub(in crate::page) fn prepare(app: App, card: &Arc<PolicyCard>, link: &PageLink) {
    let tabletop = app.tabletop;
    let is_same = tabletop
        .made_for
        .with_value(|old| old.as_ref().is_some_and(|old| old.origin == card.origin && old.world == card.world));
    tabletop.made_for.set_value(Some(card.clone()));
    tabletop.fault.set(None);
    if !is_same {
        tabletop.view.set(link.view.unwrap_or_default());
        let is_linked = link.view == Some(View::Tabletop);
        let setup = Setup {
            seed: link.seed.filter(|_| is_linked).unwrap_or_default(),
            instruction: link.task.clone().filter(|_| is_linked),
        };
        tabletop.setup.set_value(setup);
        tabletop.tally.set((0, 0));
        tabletop.timings.set(None);
    }
    if fits(Some(card)) {
        open(app);
    }
}

/// Opens the world, in place of the one that is open.
fn open(app: App) {
    let tabletop = app.tabletop;
    close(app);
    let opening = Opening { setup: tabletop.setup.get_value(), sampling: untrack(|| sampling(app)) };
    let number = app.engine.ask(Request::Tabletop(opening), &[], move |number, event, attachments| {
        // A world that was replaced has nothing to say any more.
        if tabletop.open.get_untracked() == Some(number) {
            report::hear(app, event, attachments);
        }
    });
    tabletop.open.set(Some(number));
    tabletop.asked.set_value(false);
}

/// Closes the world.
pub(in crate::page) fn close(app: App) {
    if let Some(number) = app.tabletop.open.get_untracked() {
        app.tabletop.open.set(None);
        app.engine.cancel(number);
    }
    at_rest(app);
}

/// Nothing is sampled any more.
pub(super) fn at_rest(app: App) {
    app.tabletop.thinking.set(None);
    app.tabletop.chunk.set(Vec::new());
}

/// How chunks are sampled: the fields that serve a single observation, too.
pub(super) fn sampling(app: App) -> Sampling {
    let fields = app.observation;
    let Some(card) = app.checkpoint.card.get() else { return Sampling::default() };
    let steps = fields.steps.get().trim().parse().ok().filter(|steps| (1..=card.max_steps).contains(steps));
    Sampling {
        sampler: fields.sampler.get(),
        steps: steps.unwrap_or(card.steps),
        trailing: fields.trailing.get() && is_diffusion(&card),
    }
}

/// Says something to the world; opens it first when the engine has lost it.
pub(super) fn tell(app: App, command: Command) {
    let tabletop = app.tabletop;
    if tabletop.open.get_untracked().is_none() && app.checkpoint.ready.get_untracked() {
        tabletop.fault.set(None);
        open(app);
    }
    if let Some(number) = tabletop.open.get_untracked() {
        app.engine.tell(number, command);
    }
}

/// Lets the policy act; after the end of an episode in the next scene.
pub(in crate::page) fn play(app: App) {
    let tabletop = app.tabletop;
    if app.checkpoint.loading.with_untracked(Option::is_some) {
        return;
    }
    if !app.checkpoint.ready.get_untracked() {
        // The engine has lost its checkpoint.
        if let Some(source) = app.checkpoint.source.get_untracked() {
            loading::load(app, source, After::Play);
        }
        return;
    }
    if tabletop.over.get_untracked() {
        begin(app, next(app));
    }
    tell(app, Command::Play);
}

/// Lets it rest.
pub(in crate::page) fn pause(app: App) {
    if app.tabletop.open.get_untracked().is_some() {
        tell(app, Command::Pause);
    }
}

/// Plays or pauses.
pub(in crate::page) fn toggle(app: App) {
    if untrack(|| app.tabletop.plays()) { pause(app) } else { play(app) }
}

/// The scene that follows: of the seed that was typed, or else of the next one.
pub(super) fn next(app: App) -> Setup {
    let tabletop = app.tabletop;
    let now = tabletop.setup.get_value();
    let typed = tabletop.seed.with_untracked(|seed| seed.trim().parse::<u64>().ok()).filter(|&seed| seed != now.seed);
    let seed = typed.unwrap_or(now.seed.wrapping_add(1));
    Setup { seed, instruction: now.instruction.filter(|_| tabletop.same_task.get_untracked()) }
}

/// Lays a scene.
pub(super) fn begin(app: App, setup: Setup) {
    app.tabletop.setup.set_value(setup.clone());
    app.tabletop.over.set(false);
    at_rest(app);
    tell(app, Command::Begin(setup));
}

/// Tells the policy something else.
pub(super) fn instruct(app: App, instruction: String) {
    if !instruction.trim().is_empty() {
        app.tabletop.chunk.set(Vec::new());
        app.tabletop.setup.update_value(|setup| setup.instruction = Some(instruction.clone()));
        tell(app, Command::Instruct(instruction));
    }
}
