//! The checkpoints that this site offers. A site without a list offers none, which is no fault.

use leptos::prelude::*;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::Response;

use super::alert;
use super::loading::{self, After};
use super::state::App;
use crate::manifest::{Listed, SITE, Site};
use crate::quantity;

/// Fetches the list.
pub(super) fn fetch_list(app: App) {
    spawn_local(async move {
        let list = match text(SITE).await {
            // Some hosts answer every address with a page.
            Some(text) if !text.trim_start().starts_with('<') => match serde_json::from_str::<Site>(&text) {
                Ok(site) => site.checkpoints,
                Err(error) => {
                    alert::notice(app.checkpoint.notices, format!("This site's list {SITE} cannot be read: {error}."));
                    Vec::new()
                }
            },
            _ => Vec::new(),
        };
        app.checkpoint.site.set(Some(list));
    });
}

/// The text at an address; `None` when there is none.
async fn text(address: &str) -> Option<String> {
    let response = respond(address).await.ok().filter(Response::ok)?;
    JsFuture::from(response.text().ok()?).await.ok()?.as_string()
}

/// The answer to a request for an address.
pub(super) async fn respond(address: &str) -> Result<Response, JsValue> {
    JsFuture::from(window().fetch_with_str(address)).await?.dyn_into::<Response>()
}

/// Where a listed checkpoint lies, relative to the page.
fn folder(listed: &Listed) -> String {
    let list = SITE.rsplit_once('/').map_or("", |(folder, _)| folder);
    format!("{list}/{}", listed.folder)
}

/// The list as cards, each of which shows a result with one click.
pub(super) fn cards(app: App) -> impl IntoView {
    let shown = move || {
        match app.checkpoint.site.get() {
        None => view! { <p class="muted">"Looking for this site's checkpoints…"</p> }.into_any(),
        Some(list) if list.is_empty() => view! {
            <p class="muted" data-test="no-list">
                "This site offers no checkpoint of its own. Give an address, or drop the folder that LeRobot or mtdit wrote: "
                "config.json, model.safetensors and what lies beside them."
            </p>
        }
        .into_any(),
        Some(list) => {
            let cards = list.into_iter().map(|listed| card(app, &listed)).collect::<Vec<_>>();
            view! { <ul class="cards">{cards}</ul> }.into_any()
        }
    }
    };
    view! { <div class="site">{shown}</div> }
}

fn card(app: App, listed: &Listed) -> impl IntoView + use<> {
    let folder = folder(listed);
    let picture = listed.picture.as_ref().map(|picture| {
        let address = format!("{folder}/{picture}");
        view! { <img src=address alt="" width="96" height="96" loading="lazy" decoding="async" /> }
    });
    let run = {
        let folder = folder.clone();
        move |_| loading::load_written(app, &folder, After::Sample)
    };
    let load = {
        let folder = folder.clone();
        move |_| loading::load_written(app, &folder, After::Show)
    };
    let size = quantity::bytes(listed.bytes as f64);
    let name = listed.name.clone();
    view! {
        <li class="card" data-test="card" data-folder=listed.folder.clone()>
            {picture}
            <div class="grow">
                <h3>{name.clone()}</h3>
                <p>{listed.description.clone()}</p>
                <p class="row">
                    <button
                        type="button"
                        class="primary"
                        data-test="card-run"
                        aria-label=format!("Run {name}")
                        on:click=run
                    >
                        "Run"
                    </button>
                    <button type="button" data-test="card-load" aria-label=format!("Load {name}") on:click=load>
                        "Load"
                    </button>
                    <span class="muted numbers">{size}</span>
                </p>
            </div>
        </li>
    }
}
