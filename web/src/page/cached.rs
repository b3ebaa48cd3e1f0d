//! What this browser has cached, with its sizes and a way to delete it.

use leptos::prelude::*;

use super::loading::{self, After};
use super::state::App;
use crate::protocol::CachedCheckpoint;
use crate::quantity;

/// The list, folded away until somebody asks.
pub(super) fn list(app: App) -> impl IntoView {
    let state = app.checkpoint;
    let sum = move || {
        let bytes: f64 = state.cached.with(|all| all.iter().map(|one| one.bytes as f64).sum());
        let count = state.cached.with(Vec::len);
        if count == 0 { "nothing yet".to_owned() } else { format!("{count}, {}", quantity::bytes(bytes)) }
    };
    let room = move || {
        state.storage.get().map(|(used, quota)| {
            format!(
                "This site uses {} of about {} that the browser allows.",
                quantity::bytes(used),
                quantity::bytes(quota)
            )
        })
    };
    let rows = move || state.cached.get().into_iter().map(|one| row(app, one)).collect::<Vec<_>>();
    view! {
        <details class="cached" data-test="cached">
            <summary>"Kept in this browser: " {sum}</summary>
            <ul class="plain">{rows}</ul>
            <p class="muted" data-test="storage">{room}</p>
        </details>
    }
}

fn row(app: App, one: CachedCheckpoint) -> impl IntoView {
    let CachedCheckpoint { key, url, bytes, complete } = one;
    let state = if complete { "complete" } else { "partial: loading it goes on where it stopped" };
    let name = url.rsplit_once("//").map_or(url.as_str(), |(_, rest)| rest).to_owned();
    let (load_label, delete_label) = (format!("Load {name}"), format!("Delete {name} from this browser"));
    let load = {
        let url = url.clone();
        move |_| loading::load_written(app, &url, After::Show)
    };
    let delete = {
        let key = key.clone();
        move |_| loading::forget(app, key.clone())
    };
    view! {
        <li class="row" data-test="cached-row" data-key=key>
            <span class="grow address">{name}</span>
            <span class="muted numbers">{quantity::bytes(bytes as f64)} ", " {state}</span>
            <button type="button" data-test="cached-load" aria-label=load_label on:click=load>
                "Load"
            </button>
            <button type="button" data-test="cached-delete" aria-label=delete_label on:click=delete>
                "Delete"
            </button>
        </li>
    }
}
