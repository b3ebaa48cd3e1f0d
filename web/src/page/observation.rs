//! The observation panel: its fields, made for a checkpoint, and the request that is read from them.

use std::mem;
use std::ops::RangeInclusive;
use std::sync::Arc;

use leptos::prelude::*;
use wasm_bindgen::JsValue;

use super::cameras::{self, Place, picture};
use super::state::App;
use super::zones::{moment_label, zones};
use super::{alert, inputs, run, sample, tabletop};
use crate::link::PageLink;
use crate::protocol::{PolicyCard, PredictRequest};
use crate::scale::four_digits;

/// Most chunks of one run; more would be a cloud without lines.
pub(super) const MOST_SAMPLES: u64 = 16;

/// Makes the fields for a checkpoint. They keep what the visitor wrote when they fit it already.
pub(super) fn prepare(app: App, card: &Arc<PolicyCard>) {
    let fields = app.observation;
    fields.fault.set(None);
    let link = app.link.try_update_value(mem::take).unwrap_or_default();
    let fits = fields.made_for.with_value(|old| old.as_ref().is_some_and(|old| alike(old, card)));
    fields.made_for.set_value(Some(card.clone()));
    if fits {
        return;
    }
    cameras::make_room(app, card);
    let usual: Vec<String> = card
        .state
        .iter()
        .map(|dimension| dimension.mean.map_or(0.0, |mean| four_digits(f64::from(mean))).to_string())
        .collect();
    let states = linked_states(&link, card).unwrap_or_else(|| vec![usual; card.n_obs_steps]);
    fields.same.set(states.windows(2).all(|pair| pair[0] == pair[1]));
    fields.states.set(states);
    fields.task.set(link.task.or_else(|| card.tasks.first().cloned()).unwrap_or_default());
    fields.seed.set(link.seed.unwrap_or_default().to_string());
    let sampler = link.sampler.filter(|name| card.samplers.contains(name));
    fields.sampler.set(sampler.or_else(|| card.samplers.first().cloned()).unwrap_or_default());
    fields.steps.set(link.steps.unwrap_or(card.steps).to_string());
    fields.trailing.set(link.trailing.unwrap_or_default() && is_diffusion(card));
    fields.samples.set(link.samples.unwrap_or(1).to_string());
}

/// Whether the same fields serve both.
fn alike(one: &PolicyCard, other: &PolicyCard) -> bool {
    one.origin == other.origin
        && one.cameras == other.cameras
        && one.n_obs_steps == other.n_obs_steps
        && one.state == other.state
        && one.samplers == other.samplers
}

/// Only diffusion's steps can begin elsewhere than at full noise.
pub(super) fn is_diffusion(card: &PolicyCard) -> bool {
    card.objective.contains("diffusion")
}

/// The states of a link, which gives those of one moment or of all.
fn linked_states(link: &PageLink, card: &PolicyCard) -> Option<Vec<Vec<String>>> {
    let words: Vec<String> = link.state.as_ref()?.iter().map(f32::to_string).collect();
    let dims = card.state.len();
    if dims == 0 {
        None
    } else if words.len() == dims {
        Some(vec![words; card.n_obs_steps])
    } else if words.len() == dims * card.n_obs_steps {
        Some(words.chunks(dims).map(<[String]>::to_vec).collect())
    } else {
        None
    }
}

/// The request that the fields make, with its pictures; or everything that is missing.
pub(super) fn read(app: App, card: &PolicyCard) -> Result<(PredictRequest, Vec<JsValue>), Vec<String>> {
    let fields = app.observation;
    let mut missing = Vec::new();
    let (frames, pictures) = frames(app, card, &mut missing);
    let states = states(app, card, &mut missing);
    let most_steps = u64::try_from(card.max_steps).unwrap_or(u64::MAX);
    let steps = whole(&fields.steps.get(), "number of steps", 1..=most_steps, &mut missing);
    let samples = whole(&fields.samples.get(), "number of chunks", 1..=MOST_SAMPLES, &mut missing);
    let request = PredictRequest {
        task: fields.task.get(),
        states,
        frames,
        sampler: fields.sampler.get(),
        steps: usize::try_from(steps).unwrap_or_default(),
        trailing: fields.trailing.get() && is_diffusion(card),
        seed: whole(&fields.seed.get(), "seed", 0..=u64::MAX, &mut missing),
        samples: u32::try_from(samples).unwrap_or_default(),
    };
    if missing.is_empty() { Ok((request, pictures)) } else { Err(missing) }
}

/// Which picture belongs where, and the pictures, each of them once.
fn frames(app: App, card: &PolicyCard, missing: &mut Vec<String>) -> (Vec<Vec<usize>>, Vec<JsValue>) {
    let newest = card.n_obs_steps.saturating_sub(1);
    let same = app.observation.same.get();
    let mut pictures = Vec::new();
    let mut known: Vec<(Place, usize)> = Vec::new();
    let mut frames = Vec::new();
    for moment in 0..card.n_obs_steps {
        let mut row = Vec::new();
        for (camera, about) in card.cameras.iter().enumerate() {
            let place = Place { moment: if same { newest } else { moment }, camera };
            if let Some(&(_, attachment)) = known.iter().find(|(before, _)| *before == place) {
                row.push(attachment);
                continue;
            }
            let given = app
                .observation
                .pictures
                .with(|all| picture(all, place).map(|it| it.fault.is_none().then(|| JsValue::from(it.blob.clone()))));
            let when = if same || card.n_obs_steps == 1 {
                String::new()
            } else {
                format!(", {}", moment_label(newest - moment))
            };
            match given {
                Some(Some(blob)) => pictures.push(blob),
                Some(None) => missing.push(format!("Camera {}{when} has a picture that cannot be read.", about.name)),
                None => missing.push(format!("Camera {}{when} has no picture.", about.name)),
            }
            let attachment = pictures.len().saturating_sub(1);
            known.push((place, attachment));
            row.push(attachment);
        }
        frames.push(row);
    }
    (frames, pictures)
}

fn states(app: App, card: &PolicyCard, missing: &mut Vec<String>) -> Vec<Vec<f32>> {
    let newest = card.n_obs_steps.saturating_sub(1);
    let same = app.observation.same.get();
    let written = app.observation.states.get();
    let mut states = Vec::new();
    for moment in 0..card.n_obs_steps {
        let words = written.get(if same { newest } else { moment });
        let mut row = Vec::new();
        for (dim, about) in card.state.iter().enumerate() {
            let word = words.and_then(|words| words.get(dim)).map_or("", |word| word.trim());
            let value = word.replace('\u{2212}', "-").parse::<f32>().ok().filter(|value| value.is_finite());
            if value.is_none() && (!same || moment == newest) {
                missing.push(format!("State {}: “{word}” is not a number.", about.name));
            }
            row.push(value.unwrap_or_default());
        }
        states.push(row);
    }
    states
}

fn whole(text: &str, name: &str, range: RangeInclusive<u64>, missing: &mut Vec<String>) -> u64 {
    let value = text.trim().parse::<u64>().ok().filter(|value| range.contains(value));
    value.unwrap_or_else(|| {
        let (low, high) = (range.start(), range.end());
        missing.push(format!("The {name} has to be a whole number from {low} to {high}, not “{text}”."));
        0
    })
}

/// The panel.
pub(super) fn panel(app: App) -> impl IntoView {
    let fields = app.observation;
    let form = move || match app.checkpoint.card.get() {
        None => view! {
            <ol class="steps" data-test="what-to-do">
                <li>"Load a checkpoint: one of this site's, one from an address, or a folder of your own."</li>
                <li>"Give every camera a picture, and write what the robot should do."</li>
                <li>"Run: the actions that the policy would take appear while they are sampled."</li>
            </ol>
        }
        .into_any(),
        Some(card) => form(app, card).into_any(),
    };
    view! {
        <section
            class="panel observation"
            aria-labelledby="observation-title"
            data-test="observation"
            hidden=move || tabletop::shows(app)
        >
            <div class="row heading">
                <h2 id="observation-title">"Observation"</h2>
                {tabletop::way_back(app)}
            </div>
            {form}
            {alert::fault(fields.fault, "observation-error")}
            {alert::notices(fields.notices, "observation-notice")}
            {run::bar(app)}
        </section>
    }
}

fn form(app: App, card: Arc<PolicyCard>) -> impl IntoView {
    let same = app.observation.same;
    let offers = card.sample.is_some().then(|| {
        view! {
            <button type="button" data-test="use-sample" on:click=move |_| sample::fill(app, false)>
                "Use the sample observation"
            </button>
        }
    });
    let choose = move |event: web_sys::Event| {
        same.set(event_target_checked(&event));
        cameras::preview_all(app);
    };
    let history = (card.n_obs_steps > 1).then(|| {
        view! {
            <label class="inline check" for="same-moments">
                <input
                    id="same-moments"
                    type="checkbox"
                    data-test="same"
                    prop:checked=move || same.get()
                    on:change=choose
                />
                {format!("Use the same picture and state for all {} moments", card.n_obs_steps)}
            </label>
        }
    });
    view! {
        <div class="row">{offers} {history}</div>
        {inputs::instruction(app, &card)}
        <div class="cameras">{zones(app, card.clone())}</div>
        {inputs::state(app, card.clone())}
        {inputs::sampling(app, card)}
    }
}
