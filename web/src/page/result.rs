//! The result panel: the chunks as they are sampled, a way to replay every step, and what can be taken along.

use std::sync::Arc;
use std::time::Duration;

use leptos::prelude::*;
use web_sys::KeyboardEvent;

use super::plot::plot;
use super::state::{App, Outcome};
use super::{alert, download, share, tabletop, timings, values};
use crate::record::Shape;

/// Time between two steps of a replay.
const FRAME: Duration = Duration::from_millis(80);

/// The panel.
pub(super) fn panel(app: App) -> impl IntoView {
    let outcome = app.outcome;
    let plots = move || match outcome.shape.get() {
        None => view! {
            <p class="empty muted" data-test="no-result">
                "The sampled actions appear here: one plot per number of the action, drawn while they are denoised."
            </p>
        }
        .into_any(),
        Some(shape) => plots(app, &shape).into_any(),
    };
    view! {
        <section
            class="panel result"
            aria-labelledby="result-title"
            data-test="result"
            hidden=move || tabletop::shows(app)
        >
            <h2 id="result-title">"Actions"</h2>
            {alert::fault(outcome.fault, "run-error")}
            {controls(app)}
            {plots}
            {timings::panel(app)}
            {values::table(app)}
            <div class="row">
                {download::buttons(app)}
                {share::button(app, "copy-link")}
            </div>
            {share::written(app, "link")}
        </section>
    }
}

/// Which chunk is shown, after how many evaluations.
fn controls(app: App) -> impl IntoView {
    let outcome = app.outcome;
    let total = Memo::new(move |_| outcome.look(|record| record.total()).unwrap_or_default());
    let samples = Memo::new(move |_| outcome.look(|record| record.samples()).unwrap_or_default());
    let shown = move || match outcome.place.get() {
        Some(place) => place,
        None if outcome.running.get().is_some() => outcome.look(|record| record.newest().1).unwrap_or_default(),
        None => total.get(),
    };
    let busy = move || outcome.running.get().is_some() || total.get() < 2;
    let alone = move || samples.get() < 2;
    let slide = move |event: web_sys::Event| {
        let place = event_target_value(&event).parse::<usize>().ok();
        outcome.place.set(place.filter(|&place| place < total.get_untracked()));
    };
    let words = move || match total.get() {
        0 => "no evaluation yet".to_owned(),
        total => format!("after {} of {total} evaluations", shown()),
    };
    let option = move |sample: usize| {
        view! {
            <option value=sample.to_string() prop:selected=move || outcome.selected.get() == sample>
                {format!("{} of {}", sample + 1, samples.get_untracked())}
            </option>
        }
    };
    let choose = move |event: web_sys::Event| {
        if let Ok(sample) = event_target_value(&event).parse() {
            outcome.selected.set(sample);
        }
    };
    view! {
        <div class="controls">
            {play(outcome, total)}
            <label class="unseen" for="place">"Evaluations of the denoiser"</label>
            <input
                id="place"
                class="grow"
                type="range"
                min="1"
                max=move || total.get().max(1).to_string()
                prop:value=move || shown().to_string()
                aria-valuetext=words
                data-test="place"
                disabled=busy
                on:input=slide
            />
            <span class="muted numbers words" data-test="place-words">{words}</span>
            <label class="inline" for="sample" hidden=alone>
                "Chunk"
                <select id="sample" data-test="sample" on:change=choose>
                    {move || (0..samples.get()).map(option).collect::<Vec<_>>()}
                </select>
            </label>
        </div>
    }
}

/// The button that replays the run.
fn play(outcome: Outcome, total: Memo<usize>) -> impl IntoView {
    let timer = StoredValue::new(None::<IntervalHandle>);
    let plays = RwSignal::new(false);
    let stop = move || {
        if let Some(timer) = timer.try_update_value(Option::take).flatten() {
            timer.clear();
        }
        plays.set(false);
    };
    let step = move || {
        // It has no place at the end.
        let next = outcome.place.get_untracked().map(|place| place + 1);
        let next = next.filter(|&place| outcome.running.get_untracked().is_none() && place < total.get_untracked());
        outcome.place.set(next);
        if next.is_none() {
            stop();
        }
    };
    let toggle = move |_| {
        if plays.get_untracked() {
            return stop();
        }
        if outcome.place.get_untracked().is_none() {
            outcome.place.set(Some(1));
        }
        plays.set(true);
        timer.set_value(set_interval_with_handle(step, FRAME).ok());
    };
    let busy = move || outcome.running.get().is_some() || total.get() < 2;
    let label = move || if plays.get() { "Pause" } else { "Replay" };
    view! {
        <button
            type="button"
            class="play"
            data-test="play"
            disabled=busy
            on:click=toggle
        >
            {label}
        </button>
    }
}

/// All plots, with one cursor for all of them: the pointer's, or that of the arrow keys.
fn plots(app: App, shape: &Arc<Shape>) -> impl IntoView + use<> {
    let outcome = app.outcome;
    let executed = shape.executed();
    let horizon = shape.horizon;
    let spoken = RwSignal::new(String::new());
    let say = {
        let shape = shape.clone();
        move |step: usize| spoken.set(values_at(outcome, &shape, step))
    };
    let key = {
        let first = executed.start;
        move |event: KeyboardEvent| {
            let last = horizon.saturating_sub(1);
            let step = match (event.key().as_str(), outcome.cursor.get_untracked()) {
                ("ArrowRight", Some(step)) => (step + 1).min(last),
                ("ArrowLeft", Some(step)) => step.saturating_sub(1),
                ("ArrowRight" | "ArrowLeft", None) => first,
                ("Home", _) => 0,
                ("End", _) => last,
                _ => return,
            };
            event.prevent_default();
            outcome.cursor.set(Some(step));
            say(step);
        }
    };
    let legend = match executed.len() {
        0 => String::new(),
        count => format!("Shaded: the {count} executed steps, {} to {}.", executed.start, executed.end - 1),
    };
    let reading = {
        let executed = executed.clone();
        move || match outcome.cursor.get() {
            None => "Point at a plot, or focus the plots and press the arrow keys, to read values.".to_owned(),
            Some(step) => {
                let executed = if executed.contains(&step) { ", executed" } else { "" };
                format!("Step {step} of 0 to {}{executed}", horizon.saturating_sub(1))
            }
        }
    };
    let all = (0..shape.names.len()).map(|dim| plot(app, shape.clone(), dim)).collect::<Vec<_>>();
    view! {
        <p class="muted legend">
            <span>{legend}</span>
            " "
            <span class="numbers" data-test="reading">{reading}</span>
        </p>
        <div
            class="plots"
            role="group"
            tabindex="0"
            aria-label="Plots of the actions. The left and right arrow keys read the values step by step."
            data-test="plots"
            on:keydown=key
            on:blur=move |_| outcome.cursor.set(None)
        >
            {all}
        </div>
        <p class="unseen" role="status" data-test="spoken-values">{move || spoken.get()}</p>
    }
}

/// All numbers of one step, for a screen reader.
fn values_at(outcome: Outcome, shape: &Shape, step: usize) -> String {
    let row = outcome.record.with_value(|record| {
        let record = record.as_ref()?;
        let actions = record.at(outcome.selected.get_untracked(), outcome.place.get_untracked())?;
        let values = actions.get(step)?.iter().zip(&shape.names).enumerate();
        let words = values.map(|(dim, (&value, name))| {
            let span = record.span(dim, None);
            format!("{name} {}", span.value_label(f64::from(value)))
        });
        Some(words.collect::<Vec<_>>().join(", "))
    });
    format!("Step {step}: {}", row.unwrap_or_else(|| "no values yet".to_owned()))
}
