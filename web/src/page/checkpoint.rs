//! The checkpoint panel: the site's list, an address, files and folders, and what is loaded.

use std::sync::Arc;

use leptos::prelude::*;
use wasm_bindgen_futures::spawn_local;
use web_sys::{DragEvent, HtmlInputElement, SubmitEvent};

use super::files::{self, Dropped};
use super::loading::{self, After};
use super::state::App;
use super::{alert, cached, site};
use crate::protocol::PolicyCard;
use crate::quantity;

/// The panel.
pub(super) fn panel(app: App) -> impl IntoView {
    let state = app.checkpoint;
    view! {
        <section class="panel checkpoint" aria-labelledby="checkpoint-title" data-test="checkpoint">
            <h2 id="checkpoint-title">"Checkpoint"</h2>
            {site::cards(app)}
            {address(app)}
            {disk(app)}
            {loading::progress(app)}
            {alert::fault(state.fault, "load-error")}
            {alert::notices(state.notices, "load-notice")}
            {again(app)}
            {move || state.card.get().map(|card| facts(&card))}
            {cached::list(app)}
        </section>
    }
}

/// The address field.
fn address(app: App) -> impl IntoView {
    let address = app.checkpoint.address;
    let submit = move |event: SubmitEvent| {
        event.prevent_default();
        loading::load_written(app, &address.get_untracked(), After::Show);
    };
    view! {
        <form class="field" on:submit=submit>
            <label for="checkpoint-url">"Address of a checkpoint"</label>
            <div class="row">
                <input
                    id="checkpoint-url"
                    class="grow"
                    type="text"
                    inputmode="url"
                    autocomplete="off"
                    spellcheck="false"
                    placeholder="https://… or owner/name on the Hub"
                    data-test="url"
                    prop:value=move || address.get()
                    on:input=move |event| address.set(event_target_value(&event))
                />
                <button type="submit" data-test="load">
                    "Load"
                </button>
            </div>
        </form>
    }
}

/// A zone for files and folders of the visitor's disk.
fn disk(app: App) -> impl IntoView {
    let over = RwSignal::new(false);
    let picked = move |event: web_sys::Event| {
        loading::load_files(app, files::picked(&event_target::<HtmlInputElement>(&event)));
    };
    let drop = move |event: DragEvent| {
        event.prevent_default();
        event.stop_propagation();
        over.set(false);
        let Some(dropped) = event.data_transfer().map(|transfer| Dropped::read(&transfer)) else { return };
        spawn_local(async move {
            match dropped.walk().await {
                Ok(files) => loading::load_files(app, files),
                Err(sentence) => app.checkpoint.fault.set(Some(sentence)),
            }
        });
    };
    let drag = move |event: DragEvent| {
        event.prevent_default();
        over.set(true);
    };
    view! {
        <div
            class="zone disk"
            class:over=move || over.get()
            data-test="drop"
            on:dragover=drag
            on:dragleave=move |_| over.set(false)
            on:drop=drop
        >
            <span>"Drop a checkpoint folder or its files here. They stay on your machine."</span>
            <span class="row">
                <input
                    id="checkpoint-files"
                    class="unseen"
                    type="file"
                    multiple=true
                    data-test="files"
                    on:change=picked
                />
                <label class="button" for="checkpoint-files">"Choose files"</label>
                <input
                    id="checkpoint-folder"
                    class="unseen"
                    type="file"
                    multiple=true
                    prop:webkitdirectory=true
                    data-test="folder"
                    on:change=picked
                />
                <label class="button" for="checkpoint-folder">"Choose a folder"</label>
            </span>
        </div>
    }
}

/// A way back to the checkpoint that the engine no longer holds.
fn again(app: App) -> impl IntoView {
    let state = app.checkpoint;
    let shows = move || {
        !state.ready.get()
            && state.loading.with(Option::is_none)
            && app.device.lost.with(Option::is_none)
            && state.source.with(Option::is_some)
    };
    let load = move |_| {
        if let Some(source) = state.source.get_untracked() {
            loading::load(app, source, After::Show);
        }
    };
    move || {
        shows().then(|| {
            view! {
                <p class="row">
                    <span>"The engine holds no checkpoint."</span>
                    <button type="button" data-test="reload-checkpoint" on:click=load>
                        "Load it again"
                    </button>
                </p>
            }
        })
    }
}

/// What is loaded.
fn facts(card: &Arc<PolicyCard>) -> impl IntoView + use<> {
    let took: Vec<String> =
        card.timings.iter().map(|(stage, time)| format!("{stage} {}", quantity::milliseconds(*time))).collect();
    let cameras: Vec<String> =
        card.cameras.iter().map(|camera| format!("{} {}×{}", camera.name, camera.width, camera.height)).collect();
    let from = if card.from_cache { "this browser's cache" } else { "where it lies" };
    let rows = [
        ("Origin", card.origin.clone()),
        (
            "Parameters",
            format!("{:.1} million, {} as stored", card.parameters as f64 / 1e6, quantity::bytes(card.bytes as f64)),
        ),
        ("Objective", format!("{}, {} steps", card.objective, card.steps)),
        (
            "Looks at",
            format!(
                "{} moments of {}",
                card.n_obs_steps,
                if cameras.is_empty() { "no camera".to_owned() } else { cameras.join(", ") }
            ),
        ),
        (
            "Answers with",
            format!(
                "{} actions of {} numbers, of which {} are executed",
                card.horizon,
                card.action.len(),
                card.n_action_steps
            ),
        ),
        ("Loaded from", format!("{from}; {}", took.join(", "))),
        ("Engine memory", format!("{} at its peak", quantity::bytes(card.heap as f64))),
    ];
    let row = |(name, value): (&'static str, String)| {
        view! {
            <dt>{name}</dt>
            <dd>{value}</dd>
        }
    };
    view! {
        <div class="loaded" data-test="loaded">
            <p role="status">
                <strong data-test="checkpoint-name">{card.name.clone()}</strong>
                " is loaded."
            </p>
            <details>
                <summary>"About this checkpoint"</summary>
                <dl class="facts">{rows.into_iter().map(row).collect::<Vec<_>>()}</dl>
            </details>
        </div>
    }
}
