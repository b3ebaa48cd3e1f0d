//! The tabletop panel, for checkpoints that were made for it: a world that the policy moves in, beside the engine's other work.
//!
//! ```text
//! controls, drag ─▶ world ── Command ──▶ engine ── Report ──▶ report ─▶ state ─▶ stage, objects, readings
//! ```

mod state;
mod world;
mod report;
mod drag;
mod stage;
mod objects;
mod controls;
mod readings;

use leptos::prelude::*;

use self::controls::{buttons, instruction, sampling};
use self::readings::{cameras, standing, times};
use super::state::App;
use super::{alert, share};
use crate::link::{PageLink, View};
use crate::tabletop::{Command, Sampling};

pub(super) use self::state::Tabletop;
pub(super) use self::world::{close, pause, play, prepare, shows, toggle};

/// Shows the tabletop, or the fields for one observation, where the world rests.
pub(super) fn show(app: App, view: View) {
    if view == View::Observation {
        pause(app);
    }
    app.tabletop.view.set(view);
}

/// The way back to the tabletop, for a checkpoint that was made for it.
pub(super) fn way_back(app: App) -> impl IntoView {
    let fits = fits(app);
    move || {
        fits.get().then(|| {
            view! {
                <button
                    type="button"
                    class="quiet"
                    data-test="show-tabletop"
                    on:click=move |_| show(app, View::Tabletop)
                >
                    "Back to the tabletop"
                </button>
            }
        })
    }
}

/// What a link to the tabletop says, beside what every link does.
pub(super) fn link(app: App, link: PageLink) -> PageLink {
    let setup = app.tabletop.setup.get_value();
    let Sampling { sampler, steps, trailing } = untrack(|| world::sampling(app));
    PageLink {
        view: Some(View::Tabletop),
        task: setup.instruction,
        seed: Some(setup.seed),
        sampler: Some(sampler),
        steps: Some(steps),
        trailing: trailing.then_some(true),
        ..link
    }
}

/// The panel, when the checkpoint was made for the tabletop.
pub(super) fn panel(app: App) -> impl IntoView {
    let fits = fits(app);
    move || fits.get().then(|| section(app))
}

/// Whether the checkpoint was made for the tabletop.
fn fits(app: App) -> Memo<bool> {
    Memo::new(move |_| app.checkpoint.card.with(|card| world::fits(card.as_ref())))
}

fn section(app: App) -> impl IntoView {
    // The fields of the other view serve this one, too.
    Effect::new(move |before: Option<Sampling>| {
        let now = world::sampling(app);
        let is_open = app.tabletop.open.get_untracked().is_some();
        if is_open && before.is_some_and(|before| before != now) {
            world::tell(app, Command::Sample(now.clone()));
        }
        now
    });
    view! {
        <section
            class="panel tabletop"
            aria-labelledby="tabletop-title"
            data-test="tabletop"
            hidden=move || !shows(app)
        >
            <div class="row heading">
                <h2 id="tabletop-title">"Tabletop"</h2>
                <button
                    type="button"
                    class="quiet"
                    data-test="show-observation"
                    on:click=move |_| show(app, View::Observation)
                >
                    "One observation instead"
                </button>
            </div>
            {alert::fault(app.tabletop.fault, "table-error")}
            <div class="asked">{instruction(app)}</div>
            <div class="world">
                {stage::stage(app)}
                <div class="beside">
                    {standing(app)}
                    {buttons(app)}
                    {cameras(app)}
                </div>
            </div>
            {objects::list(app)}
            {sampling(app)}
            {times(app)}
            <div class="row">{share::button(app, "copy-table-link")}</div>
            {share::written(app, "table-link")}
        </section>
    }
}
