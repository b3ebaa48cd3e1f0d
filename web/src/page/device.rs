//! The device panel: what the engine computes on, why, and a way to start it again.

use std::time::Duration;

use leptos::prelude::*;

use super::alert;
use super::loading::{self, After};
use super::state::App;
use crate::link::{backend_by_name, backend_name};
use crate::protocol::{BackendChoice, DeviceReport, Event, PolicyCard, Request};

/// How long a visitor waits for the engine without a word.
const PATIENCE: Duration = Duration::from_secs(20);

/// Starts the engine, or starts it again.
pub(super) fn start(app: App) {
    let device = app.device;
    device.report.set(None);
    device.fault.set(None);
    device.lost.set(None);
    device.notices.set(Vec::new());
    app.checkpoint.ready.set(false);
    // What the old engine failed at is over.
    app.checkpoint.fault.set(None);
    app.outcome.fault.set(None);
    app.tabletop.fault.set(None);
    app.engine.start();
    let backend = device.choice.get_untracked();
    let request = app.engine.ask(Request::Start { backend }, &[], move |_, event, _| match event {
        Event::Started(report) => {
            if let Some(text) = report.notice.clone() {
                alert::notice(device.notices, text);
            }
            device.report.set(Some(report));
            loading::list_cached(app);
        }
        Event::Notice(text) => alert::notice(device.notices, text),
        Event::Failed(failure) => device.fault.set(Some(failure.message)),
        _ => {}
    });
    set_timeout(move || still_waiting(app, request), PATIENCE);
}

/// Says something when the engine has been silent for long, which is not a fault: it may still be on its way.
fn still_waiting(app: App, request: u32) {
    let device = app.device;
    let waits = device.report.with_untracked(Option::is_none)
        && device.fault.with_untracked(Option::is_none)
        && device.lost.with_untracked(Option::is_none)
        && app.engine.waits_for(request);
    if waits {
        let text = "The engine has not answered for 20 seconds. It is a few megabytes; on a slow connection it is still on \
                    its way. Otherwise restart it.";
        alert::notice(device.notices, text.to_owned());
    }
}

/// Starts the engine again and loads the checkpoint that it had.
fn start_and_reload(app: App) {
    start(app);
    if let Some(source) = app.checkpoint.source.get_untracked() {
        loading::load(app, source, After::Show);
    }
}

/// What the engine says unasked.
pub(super) fn unasked(app: App, event: Event) {
    match event {
        Event::Lost(message) => {
            app.checkpoint.ready.set(false);
            app.device.lost.set(Some(message));
        }
        Event::Notice(text) => alert::notice(app.device.notices, text),
        Event::Failed(failure) => app.device.fault.set(Some(failure.message)),
        _ => {}
    }
}

/// Across the page when the engine is of no use any more.
pub(super) fn banner(app: App) -> impl IntoView {
    let shown = move || {
        app.device.lost.get().map(|text| {
            view! {
                <div class="alert bad banner" data-test="engine-lost">
                    <p>
                        <strong>"The engine has stopped. "</strong>
                        {text}
                    </p>
                    <button type="button" class="primary" data-test="restart" on:click=move |_| start(app)>
                        "Restart the engine"
                    </button>
                </div>
            }
        })
    };
    view! { <div role="alert">{shown}</div> }
}

/// The panel.
pub(super) fn panel(app: App) -> impl IntoView {
    let device = app.device;
    let choose = move |event: web_sys::Event| {
        if let Some(choice) = backend_by_name(&event_target_value(&event)) {
            device.choice.set(choice);
            start_and_reload(app);
        }
    };
    let option = move |choice: BackendChoice, label: &'static str| {
        view! {
            <option value=backend_name(choice) prop:selected=move || device.choice.get() == choice>
                {label}
            </option>
        }
    };
    let badge = move || match (device.report.get(), device.fault.get().or_else(|| device.lost.get())) {
        (Some(report), None) => report.backend,
        (_, Some(_)) => "none".to_owned(),
        (None, None) => "starting…".to_owned(),
    };
    let adapter = move || device.report.with(|report| report.as_ref().map(|report| report.adapter.clone()));
    view! {
        <section class="panel device" aria-labelledby="device-title" data-test="device">
            <h2 id="device-title">"Device"</h2>
            <div class="row">
                <p class="row grow" role="status">
                    <span class="badge" data-test="backend">{badge}</span>
                    <span class="muted" data-test="adapter">{adapter}</span>
                </p>
                <label class="inline" for="backend">
                    "Compute on"
                    <select id="backend" data-test="backend-select" on:change=choose>
                        {option(BackendChoice::Auto, "the best device")}
                        {option(BackendChoice::WebGpu, "WebGPU")}
                        {option(BackendChoice::Cpu, "CPU")}
                    </select>
                </label>
            </div>
            {alert::fault(device.fault, "device-error")}
            {alert::notices(device.notices, "device-notice")}
            {move || app.checkpoint.card.get().map(|card| self_test(&card))}
            <details>
                <summary>"Limits and support"</summary>
                {move || device.report.get().map(|report| limits(&report))}
                <button type="button" data-test="restart-engine" on:click=move |_| start(app)>
                    "Restart the engine"
                </button>
            </details>
        </section>
    }
}

fn limits(report: &DeviceReport) -> impl IntoView + use<> {
    let row = |(name, value): &(String, String)| {
        view! {
            <dt>{name.clone()}</dt>
            <dd>{value.clone()}</dd>
        }
    };
    let why = report.notice.clone().map(|text| ("Notice".to_owned(), text));
    let rows = why.iter().chain(&report.details).map(row).collect::<Vec<_>>();
    view! { <dl class="facts" data-test="limits">{rows}</dl> }
}

/// The badge of the test with a known answer.
fn self_test(card: &PolicyCard) -> impl IntoView + use<> {
    let test = &card.self_test;
    let (class, verdict) =
        if test.passed { ("badge good", "self-test passed") } else { ("badge bad", "self-test FAILED") };
    let words = format!("{} Error {:.1e}, allowed {:.1e}.", test.words, test.error, test.tolerance);
    let (passed, role) = if test.passed { ("true", "status") } else { ("false", "alert") };
    view! {
        <p class="self-test" role=role data-test="self-test" data-passed=passed>
            <span class=class>{verdict}</span>
            " "
            <span class="muted">{words}</span>
        </p>
    }
}
