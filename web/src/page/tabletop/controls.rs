//! What the visitor wants of the world: play, another scene, another instruction, other sampling.

use std::sync::Arc;

use leptos::prelude::*;
use web_sys::SubmitEvent;

use super::super::observation::is_diffusion;
use super::super::state::App;
use super::world::{begin, instruct, next, sampling as settings, tell, toggle};
use crate::protocol::PolicyCard;
use crate::tabletop::{Command, words};

/// The buttons, and which scene follows.
pub(super) fn buttons(app: App) -> impl IntoView {
    let tabletop = app.tabletop;
    let is_busy = move || app.checkpoint.loading.with(Option::is_some);
    let label = move || if tabletop.plays() { "Pause" } else { "Play" };
    let submit = move |event: SubmitEvent| {
        event.prevent_default();
        let played = untrack(|| tabletop.plays());
        begin(app, next(app));
        if played {
            tell(app, Command::Play);
        }
    };
    view! {
        <div class="row">
            <button
                type="button"
                class="primary wide-button"
                aria-keyshortcuts="Control+Enter"
                data-test="table-play"
                disabled=is_busy
                on:click=move |_| toggle(app)
            >
                {label}
            </button>
            <button
                type="button"
                data-test="table-step"
                disabled=move || is_busy() || tabletop.over.get()
                on:click=move |_| tell(app, Command::Step)
            >
                "Step"
            </button>
            {check(tabletop.keep_going, "table-keep-going", "Keep going")}
        </div>
        <form class="row" on:submit=submit>
            <label class="inline" for="table-seed">
                "Scene"
                <input
                    id="table-seed"
                    class="number seed"
                    type="text"
                    inputmode="numeric"
                    autocomplete="off"
                    title="any whole number"
                    data-test="table-seed"
                    prop:value=move || tabletop.seed.get()
                    on:input=move |event| tabletop.seed.set(event_target_value(&event))
                />
            </label>
            <button type="submit" data-test="table-next" disabled=is_busy>
                "New scene"
            </button>
            {check(tabletop.same_task, "table-same-task", "Same task")}
        </form>
    }
}

fn check(value: RwSignal<bool>, id: &'static str, label: &'static str) -> impl IntoView {
    view! {
        <label class="inline check" for=id>
            <input
                id=id
                type="checkbox"
                data-test=id
                prop:checked=move || value.get()
                on:change=move |event| value.set(event_target_checked(&event))
            />
            {label}
        </label>
    }
}

/// What the policy is told: chosen from what this table offers, or typed.
pub(super) fn instruction(app: App) -> impl IntoView {
    let tabletop = app.tabletop;
    let scene = tabletop.scene;
    let choices = Memo::new(move |_| scene.with(|scene| scene.as_deref().map(words::choices).unwrap_or_default()));
    let option = move |text: String| {
        let (own, value) = (text.clone(), text.clone());
        let is_chosen = move || scene.with(|scene| scene.as_ref().is_some_and(|scene| scene.instruction == own));
        view! {
            <option value=value prop:selected=is_chosen>
                {text}
            </option>
        }
    };
    let options = move || choices.get().into_iter().map(option).collect::<Vec<_>>();
    let submit = move |event: SubmitEvent| {
        event.prevent_default();
        instruct(app, tabletop.typed.get_untracked());
    };
    view! {
        <div class="field">
            <label for="table-task">"Instruction"</label>
            <select
                id="table-task"
                data-test="table-task"
                on:change=move |event| instruct(app, event_target_value(&event))
            >
                {options}
            </select>
        </div>
        <form class="field" on:submit=submit>
            <label for="table-typed">"In other words"</label>
            <div class="row">
                <input
                    id="table-typed"
                    class="grow"
                    type="text"
                    autocomplete="off"
                    data-test="table-typed"
                    prop:value=move || tabletop.typed.get()
                    on:input=move |event| tabletop.typed.set(event_target_value(&event))
                />
                <button type="submit" data-test="table-tell">
                    "Tell"
                </button>
            </div>
        </form>
    }
}

/// Sampler and steps: the checkpoint's, or fewer steps.
pub(super) fn sampling(app: App) -> impl IntoView {
    move || app.checkpoint.card.get().map(|card| fields(app, &card))
}

fn fields(app: App, card: &Arc<PolicyCard>) -> impl IntoView + use<> {
    let fields = app.observation;
    let sampler = |name: &String| {
        let (own, value, name) = (name.clone(), name.clone(), name.clone());
        let is_chosen = move || fields.sampler.with(|now| *now == own);
        view! {
            <option value=value prop:selected=is_chosen>
                {name}
            </option>
        }
    };
    let samplers = card.samplers.iter().map(sampler).collect::<Vec<_>>();
    let fewer = words::fewer_steps(card.steps);
    let offered = fewer.clone();
    let other = Memo::new(move |_| Some(settings(app).steps).filter(|steps| !offered.contains(steps)));
    let step = move |steps: usize| {
        view! {
            <option value=steps.to_string() prop:selected=move || settings(app).steps == steps>
                {steps}
            </option>
        }
    };
    let steps = move || other.get().into_iter().chain(fewer.clone()).map(step).collect::<Vec<_>>();
    let trailing = is_diffusion(card).then(|| check(fields.trailing, "table-trailing", "Begin at full noise"));
    view! {
        <div class="row">
            <label class="inline" for="table-sampler">
                "Sampler"
                <select
                    id="table-sampler"
                    data-test="table-sampler"
                    on:change=move |event| fields.sampler.set(event_target_value(&event))
                >
                    {samplers}
                </select>
            </label>
            <label class="inline" for="table-steps">
                "Steps"
                <select
                    id="table-steps"
                    data-test="table-steps"
                    on:change=move |event| fields.steps.set(event_target_value(&event))
                >
                    {steps}
                </select>
            </label>
            {trailing}
        </div>
    }
}
