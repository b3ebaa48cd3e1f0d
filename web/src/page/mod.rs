//! The page: panels in the order in which a visitor needs them.
//!
//! ```text
//! checkpoint ─▶ device ─▶ observation ─▶ run ─▶ result
//!                  └────▶ tabletop
//! ```
//!
//! [`mount`] is its entry. Everything that computes is in the engine; a panel keeps signals (`state`), asks the engine
//! (`engine`) and draws. What needs no browser is beside this folder: links, scales, quantities, records, files to save.

mod alert;
mod state;

mod engine;

mod cached;
mod checkpoint;
mod files;
mod loading;
mod site;

mod device;

mod cameras;
mod inputs;
mod observation;
mod sample;
mod webcam;
mod zones;

mod run;

mod download;
mod plot;
mod result;
mod share;
mod timings;
mod values;

mod tabletop;

use leptos::prelude::*;
use leptos::{ev, mount::mount_to};
use wasm_bindgen::JsCast;
use web_sys::HtmlElement;

use self::loading::After;
use self::state::App;

/// Puts the page in place of the first paint that `index.html` holds.
pub fn mount() {
    console_error_panic_hook::set_once();
    let root = document().get_element_by_id("app").and_then(|root| root.dyn_into::<HtmlElement>().ok());
    let Some(root) = root else { return };
    root.set_inner_html("");
    // It only fails for a name that is none.
    let _ = root.remove_attribute("aria-busy");
    mount_to(root, page).forget();
}

fn page() -> impl IntoView {
    let link = share::read();
    let checkpoint = link.checkpoint.clone();
    let app = App::new(link);
    app.engine.listen(move |event| device::unasked(app, event));
    device::start(app);
    site::fetch_list(app);
    if let Some(address) = checkpoint {
        loading::load_written(app, &address, After::Show);
        app.checkpoint.address.set(address);
    }
    listen(app);
    view! {
        {device::banner(app)}
        <div class="columns">
            <div class="column">
                {checkpoint::panel(app)}
                {device::panel(app)}
                {observation::panel(app)}
            </div>
            <div class="column wide">{tabletop::panel(app)} {result::panel(app)}</div>
        </div>
    }
}

/// What is heard wherever the visitor is on the page.
fn listen(app: App) {
    window_event_listener(ev::keydown, move |event| {
        if event.repeat() || event.is_composing() {
            return;
        }
        match event.key().as_str() {
            "Enter" if event.ctrl_key() || event.meta_key() => {
                event.prevent_default();
                if untrack(|| tabletop::shows(app)) { tabletop::toggle(app) } else { run::start(app) }
            }
            "Escape" if untrack(|| tabletop::shows(app)) && app.checkpoint.ready.get_untracked() => {
                tabletop::pause(app);
            }
            "Escape" if app.outcome.running.get_untracked().is_some() => run::cancel(app),
            "Escape" => loading::cancel(app),
            _ => {}
        }
    });
    window_event_listener(ev::paste, move |event| {
        if cameras::put_in_empty(app, cameras::brought(event.clipboard_data())) {
            event.prevent_default();
        }
    });
    // A file that misses its zone would replace the page.
    window_event_listener(ev::dragover, |event| event.prevent_default());
    window_event_listener(ev::drop, |event| event.prevent_default());
}
