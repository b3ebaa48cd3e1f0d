//! Where the time of a chunk went.

use leptos::prelude::*;

use super::state::App;
use crate::protocol::Prediction;
use crate::quantity::{bytes, median, milliseconds};

/// The bar and its table, in a room that is there before they are.
pub(super) fn panel(app: App) -> impl IntoView {
    let outcome = app.outcome;
    let executed = move || outcome.shape.with(|shape| shape.as_ref().map_or(0, |shape| shape.executed().len()));
    let shown = move || outcome.prediction.get().map(|prediction| bar(&prediction, executed()));
    view! { <div class="timings" data-test="timings">{shown}</div> }
}

/// Names of the stages as the architecture calls them, and their milliseconds.
fn stages(prediction: &Prediction) -> [(&'static str, f64); 5] {
    let timings = &prediction.timings;
    [
        ("preprocess", timings.preprocess),
        ("vision", timings.vision),
        ("text", timings.text),
        ("conditioning", timings.conditioning),
        ("denoising", timings.denoise.iter().sum()),
    ]
}

fn bar(prediction: &Prediction, executed: usize) -> impl IntoView + use<> {
    let timings = &prediction.timings;
    let stages = stages(prediction);
    let sum = stages.iter().map(|(_, time)| time).sum::<f64>().max(f64::MIN_POSITIVE);
    let part = |(name, time): (&'static str, f64)| {
        let share = 100.0 * time / sum;
        view! { <span class=format!("part {name}") style:width=format!("{share:.2}%") title=name></span> }
    };
    let fact = |(name, words): (&'static str, String)| {
        view! {
            <div class="fact">
                <dt class=name>{name}</dt>
                <dd data-test=format!("time-{}", name.replace(' ', "-"))>{words}</dd>
            </div>
        }
    };
    let step = median(&timings.denoise).map_or_else(|| "none".to_owned(), milliseconds);
    let rate = if timings.total > 0.0 { 1000.0 * executed as f64 / timings.total } else { 0.0 };
    let mut facts: Vec<(&'static str, String)> =
        stages.iter().map(|&(name, time)| (name, milliseconds(time))).collect();
    facts.push(("per step", format!("{step} (median of {})", timings.denoise.len())));
    facts.push(("total", milliseconds(timings.total)));
    facts.push(("rate", format!("{rate:.1} actions per second")));
    facts.push(("engine memory", format!("{} at its peak", bytes(prediction.heap as f64))));
    view! {
        <h3>"Time of the first chunk"</h3>
        <div class="bar" aria-hidden="true">{stages.map(part).into_iter().collect::<Vec<_>>()}</div>
        <dl class="facts-row numbers">{facts.into_iter().map(fact).collect::<Vec<_>>()}</dl>
    }
}
