//! Running the policy: one run at a time, every step of it drawn, and a bar with the two buttons.

use std::sync::Arc;

use leptos::prelude::*;
use wasm_bindgen::JsValue;
use web_sys::MouseEvent;

use super::loading::{self, After};
use super::state::{App, Outcome};
use super::{alert, observation};
use crate::protocol::{Event, PolicyCard, PredictRequest, Prediction, Request};
use crate::quantity;
use crate::record::Record;

/// Runs what the fields say, in place of a run that goes on. A checkpoint that the engine lost is loaded first.
pub(super) fn start(app: App) {
    let state = app.checkpoint;
    let Some(card) = state.card.get_untracked() else { return };
    if state.loading.with_untracked(Option::is_some) {
        return;
    }
    if !state.ready.get_untracked() {
        if let Some(source) = state.source.get_untracked() {
            loading::load(app, source, After::Run);
        }
        return;
    }
    match untrack(|| observation::read(app, &card)) {
        Ok((request, pictures)) => sample(app, &card, request, &pictures),
        Err(missing) => app.observation.fault.set(Some(missing.join(" "))),
    }
}

fn sample(app: App, card: &PolicyCard, request: PredictRequest, pictures: &[JsValue]) {
    let outcome = app.outcome;
    cancel(app);
    outcome.fault.set(None);
    app.observation.fault.set(None);
    app.observation.notices.set(Vec::new());
    let device = app.device.report.with_untracked(|report| {
        report.as_ref().map(|report| format!("{}: {}", report.backend, report.adapter)).unwrap_or_default()
    });
    let record = Record::begin(card, request.clone(), device);
    if outcome.shape.with_untracked(|shape| shape.as_deref() != Some(&record.shape)) {
        outcome.shape.set(Some(Arc::new(record.shape.clone())));
    }
    outcome.record.set_value(Some(record));
    outcome.prediction.set(None);
    outcome.place.set(None);
    outcome.selected.set(0);
    outcome.spoken.set("Sampling.".to_owned());
    let number = app.engine.ask(Request::Predict(request), pictures, move |number, event, _| {
        // A run that was replaced has nothing to say any more.
        if outcome.running.get_untracked() == Some(number) {
            hear(app, event);
        }
    });
    outcome.running.set(Some(number));
    outcome.draw();
}

/// Stops the run that goes on.
pub(super) fn cancel(app: App) {
    if let Some(request) = app.outcome.running.get_untracked() {
        app.engine.cancel(request);
    }
}

fn hear(app: App, event: Event) {
    let outcome = app.outcome;
    match event {
        Event::Stage(words) => outcome.spoken.set(format!("Sampling: {words}.")),
        Event::Step(report) => {
            let sample = usize::try_from(report.sample).unwrap_or_default();
            if outcome.selected.get_untracked() != sample {
                outcome.selected.set(sample);
            }
            note(outcome, |record| record.step(report));
            outcome.draw_soon();
        }
        Event::Sampled { sample, actions } => {
            note(outcome, |record| record.sampled(sample, actions));
            outcome.draw_soon();
        }
        Event::Predicted(prediction) => finished(outcome, prediction),
        Event::Notice(text) => alert::notice(app.observation.notices, text),
        Event::Cancelled => {
            outcome.running.set(None);
            outcome.spoken.set("Cancelled.".to_owned());
        }
        Event::Failed(failure) => {
            outcome.running.set(None);
            outcome.spoken.set(String::new());
            outcome.fault.set(Some(failure.message));
        }
        _ => {}
    }
}

fn note(outcome: Outcome, change: impl FnOnce(&mut Record)) {
    outcome.record.update_value(|record| {
        if let Some(record) = record {
            change(record);
        }
    });
}

fn finished(outcome: Outcome, prediction: Prediction) {
    let took = quantity::milliseconds(prediction.timings.total);
    let chunks = match prediction.samples.len() {
        1 => "One chunk".to_owned(),
        count => format!("{count} chunks"),
    };
    note(outcome, |record| record.finish(prediction.clone()));
    outcome.running.set(None);
    outcome.selected.set(0);
    outcome.spoken.set(format!("{chunks} sampled, {took} each."));
    outcome.prediction.set(Some(Arc::new(prediction)));
    outcome.draw();
}

/// The two buttons, what is missing, and how far the run is.
pub(super) fn bar(app: App) -> impl IntoView {
    let outcome = app.outcome;
    let state = app.checkpoint;
    let missing = Memo::new(move |_| {
        if state.loading.with(Option::is_some) {
            return vec!["The checkpoint is being loaded.".to_owned()];
        }
        match state.card.get() {
            None => vec!["Load a checkpoint first.".to_owned()],
            Some(card) => observation::read(app, &card).err().unwrap_or_default(),
        }
    });
    let wanting = move || missing.get().join(" ");
    // The second click of a double click is not a second wish.
    let click = move |event: MouseEvent| {
        if event.detail() < 2 {
            start(app);
        }
    };
    let far = move || {
        outcome.running.get()?;
        outcome.look(|record| {
            let ((sample, done), total) = (record.newest(), record.total());
            let evaluation = if total == 0 { "looking".to_owned() } else { format!("evaluation {done} of {total}") };
            if record.samples() > 1 {
                format!("chunk {} of {}, {evaluation}", sample + 1, record.samples())
            } else {
                evaluation
            }
        })
    };
    view! {
        <div class="run-bar">
            <div class="row">
                <button
                    type="button"
                    class="primary"
                    aria-describedby="missing"
                    aria-keyshortcuts="Control+Enter"
                    title=wanting
                    data-test="run"
                    disabled=move || !missing.with(Vec::is_empty)
                    on:click=click
                >
                    "Run"
                </button>
                <button
                    type="button"
                    aria-keyshortcuts="Escape"
                    data-test="cancel-run"
                    disabled=move || outcome.running.get().is_none()
                    on:click=move |_| cancel(app)
                >
                    "Cancel"
                </button>
                <span class="muted numbers" aria-hidden="true" data-test="run-progress">{far}</span>
            </div>
            <p id="missing" class="muted" data-test="missing">{wanting}</p>
            <p role="status" data-test="run-status">{move || outcome.spoken.get()}</p>
        </div>
    }
}
