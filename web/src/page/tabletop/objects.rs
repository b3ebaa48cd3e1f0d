//! Everything on the table as a list, for the keyboard.

use leptos::prelude::*;
use web_sys::KeyboardEvent;

use super::super::state::App;
use super::drag;
use super::stage::objects;
use crate::tabletop::words;

/// The list.
pub(super) fn list(app: App) -> impl IntoView {
    let count = Memo::new(move |_| objects(app));
    let rows = move || (0..count.get()).map(|index| row(app, index)).collect::<Vec<_>>();
    view! {
        <div class="things" role="group" aria-labelledby="things-title">
            <h3 id="things-title">"On the table"</h3>
            <p id="things-hint" class="muted small">
                "Drag things in the drawing, also while the policy acts; or focus them here and press the arrow keys, with Shift \
                 for longer moves."
            </p>
            <ul class="plain row">{rows}</ul>
            <p class="unseen" role="status" data-test="table-spoken">{move || app.tabletop.spoken.get()}</p>
        </div>
    }
}

fn row(app: App, index: usize) -> impl IntoView {
    let object = Memo::new(move |_| drag::object(app, index));
    let name = move || object.with(|object| object.as_ref().map(|object| object.name.clone()));
    let place = move || object.with(|object| object.as_ref().map(|object| words::place(object.position)));
    let metres = move |axis: usize| {
        move || object.with(|object| object.as_ref().map(|object| format!("{:.4}", object.position[axis])))
    };
    view! {
        <li>
            <button
                type="button"
                class="thing"
                aria-describedby="things-hint"
                data-test=format!("table-object-{index}")
                data-x=metres(0)
                data-y=metres(1)
                on:keydown=move |event: KeyboardEvent| drag::nudge(app, index, &event)
            >
                <span data-test=format!("table-name-{index}")>{name}</span>
                " "
                <span class="muted numbers">{place}</span>
            </button>
        </li>
    }
}
