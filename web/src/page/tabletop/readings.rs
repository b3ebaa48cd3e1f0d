//! What can be read off: how the episode stands, what the cameras see, and how long the policy takes.

use leptos::html;
use leptos::prelude::*;

use super::super::state::App;
use super::stage::picture;
use crate::protocol::{CameraCard, Timings};
use crate::quantity::{median, milliseconds};
use crate::tabletop::words;

/// How the episode stands, and how many went well.
pub(super) fn standing(app: App) -> impl IntoView {
    let tabletop = app.tabletop;
    let tally = move || match tabletop.tally.get() {
        (_, 0) => "No episode has ended yet.".to_owned(),
        (successes, 1) => format!("{successes} of 1 episode succeeded."),
        (successes, episodes) => format!("{successes} of {episodes} episodes succeeded."),
    };
    let acting = move || match tabletop.thinking.get() {
        Some((_, 0)) => "thinking: looking".to_owned(),
        Some((done, total)) => format!("thinking: evaluation {done} of {total}"),
        None if tabletop.plays() => "acting".to_owned(),
        None => "at rest".to_owned(),
    };
    let clock = move || {
        let seconds = tabletop.snapshot.with(|snapshot| snapshot.as_ref().map(|snapshot| snapshot.seconds));
        seconds.map(|seconds| format!("{seconds:.1} s"))
    };
    let gripper =
        move || tabletop.snapshot.with(|snapshot| snapshot.as_ref().map(|snapshot| words::gripper(&snapshot.state)));
    view! {
        <p class="standing" role="status" data-test="table-status">{move || tabletop.status.get()}</p>
        <p class="muted numbers small" aria-hidden="true">
            <span data-test="table-clock">{clock}</span>
            ", "
            <span data-test="table-acting">{acting}</span>
            ". Gripper: "
            {gripper}
            "."
        </p>
        <p class="row">
            <span data-test="table-tally">{tally}</span>
            <button
                type="button"
                class="quiet"
                data-test="table-reset"
                disabled=move || tabletop.tally.get().1 == 0
                on:click=move |_| tabletop.tally.set((0, 0))
            >
                "Reset"
            </button>
        </p>
    }
}

/// The pictures that the policy is given.
pub(super) fn cameras(app: App) -> impl IntoView {
    let camera = move |(index, camera): (usize, &CameraCard)| {
        let label = format!("What camera {} sees", camera.name);
        view! {
            <figure class="camera-view">
                {picture(app, index + 1, label, NodeRef::<html::Canvas>::new())}
                <figcaption class="muted small">
                    {format!("{} {}×{}", camera.name, camera.width, camera.height)}
                </figcaption>
            </figure>
        }
    };
    let all = move || {
        let card = app.checkpoint.card.get();
        card.map(|card| card.cameras.iter().enumerate().map(camera).collect::<Vec<_>>())
    };
    view! { <div class="row camera-views">{all}</div> }
}

/// How long the last chunk took.
pub(super) fn times(app: App) -> impl IntoView {
    let words = move || app.tabletop.timings.get().map_or_else(|| "No chunk yet.".to_owned(), |last| in_words(&last));
    view! { <p class="muted numbers small times" data-test="table-times">{words}</p> }
}

fn in_words(last: &Timings) -> String {
    let step = median(&last.denoise).map_or_else(|| "none".to_owned(), milliseconds);
    let pictures = milliseconds(last.preprocess + last.vision);
    format!(
        "Last chunk {}: pictures {pictures}, instruction {}, denoising step {step} (median of {}).",
        milliseconds(last.total),
        milliseconds(last.text),
        last.denoise.len()
    )
}
