//! The page's own address: read when it opens, written when a visitor copies a link to what they see.

use leptos::prelude::*;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{Url, UrlSearchParams};

use super::observation::is_diffusion;
use super::state::{App, Source};
use super::tabletop;
use crate::link::{PageLink, View};
use crate::protocol::BackendChoice;

/// What the page's address says.
pub(super) fn read() -> PageLink {
    let query = window().location().search().unwrap_or_default();
    match UrlSearchParams::new_with_str(&query) {
        Ok(parameters) => PageLink::read(|name| parameters.get(name)),
        Err(_) => PageLink::default(),
    }
}

/// A link to what the visitor sees; pictures and files of their own are not in it.
fn current(app: App) -> PageLink {
    let fields = app.observation;
    let backend = Some(app.device.choice.get_untracked()).filter(|&choice| choice != BackendChoice::Auto);
    let checkpoint = app.checkpoint.source.with_untracked(|source| match source {
        Some(Source::Address { written, .. }) => Some(written.clone()),
        Some(Source::Files(_)) | None => None,
    });
    let Some(card) = app.checkpoint.card.get_untracked() else {
        return PageLink { checkpoint, backend, ..PageLink::default() };
    };
    if untrack(|| tabletop::shows(app)) {
        return tabletop::link(app, PageLink { checkpoint, backend, ..PageLink::default() });
    }
    let states = fields.states.get_untracked();
    let moments =
        if fields.same.get_untracked() { states.len().saturating_sub(1)..states.len() } else { 0..states.len() };
    let numbers: Option<Vec<f32>> =
        states.get(moments).unwrap_or_default().iter().flatten().map(|word| word.trim().parse().ok()).collect();
    PageLink {
        checkpoint,
        backend,
        view: card.world.is_some().then_some(View::Observation),
        task: Some(fields.task.get_untracked()).filter(|task| !task.is_empty()),
        seed: fields.seed.get_untracked().trim().parse().ok(),
        sampler: Some(fields.sampler.get_untracked()),
        steps: fields.steps.get_untracked().trim().parse().ok(),
        trailing: is_diffusion(&card).then(|| fields.trailing.get_untracked()),
        samples: fields.samples.get_untracked().trim().parse().ok(),
        state: numbers.filter(|numbers| !numbers.is_empty()),
    }
}

/// The link's whole address.
fn address(link: &PageLink) -> Option<String> {
    let url = Url::new(&window().location().href().ok()?).ok()?;
    url.set_search("");
    let parameters = url.search_params();
    for (name, value) in link.pairs() {
        parameters.append(name, &value);
    }
    url.set_hash("");
    Some(url.href())
}

/// The button, which also writes the link into the address bar.
pub(super) fn button(app: App, test: &'static str) -> impl IntoView {
    let copied = app.outcome.copied;
    let copy = move |_| {
        let Some(address) = address(&current(app)) else { return };
        // The address bar is a second chance when the clipboard is refused.
        if let Ok(history) = window().history() {
            let _ = history.replace_state_with_url(&JsValue::NULL, "", Some(&address));
        }
        spawn_local(async move {
            let done = window().is_secure_context()
                && JsFuture::from(window().navigator().clipboard().write_text(&address)).await.is_ok();
            copied.set(Some((address, done)));
        });
    };
    view! {
        <button type="button" data-test=test on:click=copy>
            "Copy link"
        </button>
    }
}

/// The link for copying by hand, and what came of copying it.
pub(super) fn written(app: App, id: &'static str) -> impl IntoView {
    let copied = app.outcome.copied;
    let shown = move || {
        copied.get().map(|(address, done)| {
            let files = app.checkpoint.source.with(|source| matches!(source, Some(Source::Files(_))));
            let words = match (done, files) {
                (true, false) => "The link is copied. It holds the settings; pictures are not in it.",
                (true, true) => {
                    "The link is copied. It holds the settings; files and pictures of your own are not in it."
                }
                (false, _) => "This browser does not let the page copy. Copy the link from here:",
            };
            view! {
                <label for=id>{words}</label>
                <input id=id type="text" readonly=true data-test=id prop:value=address />
            }
        })
    };
    view! { <div class="field link" role="status">{shown}</div> }
}
