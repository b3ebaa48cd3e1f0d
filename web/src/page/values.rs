//! The finished chunk as a table of numbers.

use std::sync::Arc;

use leptos::prelude::*;
use web_sys::HtmlDetailsElement;

use super::state::App;
use crate::protocol::Prediction;
use crate::record::Shape;

/// The table, made only while somebody looks at it.
pub(super) fn table(app: App) -> impl IntoView {
    let outcome = app.outcome;
    let open = RwSignal::new(false);
    let toggle = move |event: web_sys::Event| open.set(event_target::<HtmlDetailsElement>(&event).open());
    let rows = move || {
        let (shape, prediction) = (outcome.shape.get()?, outcome.prediction.get()?);
        open.get().then(|| chunk(&shape, &prediction, outcome.selected.get()))
    };
    view! {
        <details data-test="values" on:toggle=toggle>
            <summary>"Values of the chunk"</summary>
            <div class="table-scroll" tabindex="0" role="region" aria-label="Values of the chunk">
                {rows}
            </div>
        </details>
    }
}

fn chunk(shape: &Arc<Shape>, prediction: &Prediction, selected: usize) -> impl IntoView + use<> {
    let executed = shape.executed();
    let names = shape.names.iter().map(|name| view! { <th scope="col">{name.clone()}</th> }).collect::<Vec<_>>();
    let actions = prediction.samples.get(selected).cloned().unwrap_or_default();
    let row = |(step, values): (usize, Vec<f32>)| {
        let cells = values.into_iter().map(|value| view! { <td>{value.to_string()}</td> }).collect::<Vec<_>>();
        let mark = if executed.contains(&step) { "executed" } else { "" };
        view! {
            <tr class=mark>
                <th scope="row">{step}</th>
                <td>{mark}</td>
                {cells}
            </tr>
        }
    };
    let rows = actions.into_iter().enumerate().map(row).collect::<Vec<_>>();
    view! {
        <table class="numbers" data-test="table">
            <thead>
                <tr>
                    <th scope="col">"Step"</th>
                    <th scope="col">"Executed"</th>
                    {names}
                </tr>
            </thead>
            <tbody>{rows}</tbody>
        </table>
    }
}
