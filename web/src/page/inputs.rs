//! Fields for the instruction, the state and the sampling.

use std::sync::Arc;

use leptos::prelude::*;

use super::observation::{MOST_SAMPLES, is_diffusion};
use super::state::App;
use super::zones::moment_label;
use crate::protocol::{Dimension, PolicyCard};
use crate::scale::Span;

/// The instruction, with those that the policy was trained on as suggestions.
pub(super) fn instruction(app: App, card: &PolicyCard) -> impl IntoView + use<> {
    let task = app.observation.task;
    let known = card.tasks.iter().map(|task| view! { <option value=task.clone()></option> }).collect::<Vec<_>>();
    view! {
        <div class="field">
            <label for="task">"Instruction"</label>
            <input
                id="task"
                type="text"
                list="tasks"
                autocomplete="off"
                data-test="task"
                prop:value=move || task.get()
                on:input=move |event| task.set(event_target_value(&event))
            />
            <datalist id="tasks">{known}</datalist>
        </div>
    }
}

/// The state: a row per number, a column per moment.
pub(super) fn state(app: App, card: Arc<PolicyCard>) -> impl IntoView {
    let same = app.observation.same;
    (!card.state.is_empty()).then(|| {
        let rows = move || {
            let newest = card.n_obs_steps.saturating_sub(1);
            let moments = if same.get() { newest..card.n_obs_steps } else { 0..card.n_obs_steps };
            let row = |(dim, about): (usize, &Dimension)| {
                let field = |moment: usize| state_field(app, moment, newest - moment, dim, &about.name);
                let fields = moments.clone().rev().map(field).collect::<Vec<_>>();
                view! {
                    <div class="state-row">
                        <span class="name">{about.name.clone()}</span>
                        <span class="row">{fields}</span>
                        <span class="muted numbers">{range(about)}</span>
                    </div>
                }
            };
            card.state.iter().enumerate().map(row).collect::<Vec<_>>()
        };
        view! {
            <fieldset class="state" data-test="state">
                <legend>"State " <span class="muted">"in robot units, with the range of the dataset"</span></legend>
                {rows}
            </fieldset>
        }
    })
}

fn range(about: &Dimension) -> Option<String> {
    let span = Span::of([about.min?, about.max?])?;
    let room = span.roomy();
    Some(format!("{} to {}", room.value_label(span.low), room.value_label(span.high)))
}

/// The field of one number at one moment, which lies so many steps before the newest.
fn state_field(app: App, moment: usize, earlier: usize, dim: usize, name: &str) -> impl IntoView + use<> {
    let states = app.observation.states;
    let written = move || states.with(|all| all.get(moment).and_then(|row| row.get(dim)).cloned().unwrap_or_default());
    let write = move |event: web_sys::Event| {
        let text = event_target_value(&event);
        states.update(|all| {
            if let Some(field) = all.get_mut(moment).and_then(|row| row.get_mut(dim)) {
                *field = text;
            }
        });
    };
    view! {
        <input
            class="number"
            type="text"
            inputmode="decimal"
            autocomplete="off"
            aria-label=format!("{name}, {}", moment_label(earlier))
            data-test=format!("state-{earlier}-{dim}")
            prop:value=written
            on:input=write
        />
    }
}

/// Sampler, steps, seed and number of chunks.
pub(super) fn sampling(app: App, card: Arc<PolicyCard>) -> impl IntoView {
    let fields = app.observation;
    let option = |name: &String| {
        let (value, name) = (name.clone(), name.clone());
        let chosen = name.clone();
        view! {
            <option value=value prop:selected=move || fields.sampler.with(|now| *now == chosen)>
                {name}
            </option>
        }
    };
    let options = card.samplers.iter().map(option).collect::<Vec<_>>();
    let choose = move |event: web_sys::Event| fields.sampler.set(event_target_value(&event));
    let spacing = is_diffusion(&card).then(|| {
        view! {
            <label class="inline check" for="trailing">
                <input
                    id="trailing"
                    type="checkbox"
                    data-test="trailing"
                    prop:checked=move || fields.trailing.get()
                    on:change=move |event| fields.trailing.set(event_target_checked(&event))
                />
                "Begin at full noise"
            </label>
        }
    });
    view! {
        <fieldset class="sampling">
            <legend>"Sampling"</legend>
            <div class="grid">
                <div class="field">
                    <label for="sampler">"Sampler"</label>
                    <select id="sampler" data-test="sampler" on:change=choose>
                        {options}
                    </select>
                </div>
                {number(fields.steps, "steps", "Steps", format!("1 to {}", card.max_steps))}
                {number(fields.seed, "seed", "Seed", "any whole number".to_owned())}
                {number(fields.samples, "samples", "Chunks", format!("1 to {MOST_SAMPLES}"))}
            </div>
            {spacing}
        </fieldset>
    }
}

fn number(value: RwSignal<String>, id: &'static str, label: &'static str, hint: String) -> impl IntoView {
    view! {
        <div class="field">
            <label for=id>{label}</label>
            <input
                id=id
                class="number"
                type="text"
                inputmode="numeric"
                autocomplete="off"
                title=hint
                data-test=id
                prop:value=move || value.get()
                on:input=move |event| value.set(event_target_value(&event))
            />
        </div>
    }
}
