//! The sample observation that a checkpoint offers: one click fills in everything.

use std::sync::Arc;

use leptos::prelude::*;
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::Blob;

use super::cameras::{self, Place};
use super::engine::reason;
use super::site::respond;
use super::state::{App, Source};
use super::{alert, run};
use crate::protocol::{PolicyCard, SampleObservation};

/// Fills in the sample of the checkpoint, if it has one, and runs it if asked.
pub(super) fn fill(app: App, then_run: bool) {
    let Some(card) = app.checkpoint.card.get_untracked() else { return };
    let Some(sample) = card.sample.clone() else {
        let text = "This checkpoint offers no sample observation. Give it pictures and a state below.";
        return alert::notice(app.observation.notices, text.to_owned());
    };
    spawn_local(async move {
        let fetched = fetch_all(app, &sample).await;
        // Another checkpoint may have come in the meantime.
        if !app.checkpoint.card.get_untracked().is_some_and(|now| Arc::ptr_eq(&now, &card)) {
            return;
        }
        match fetched {
            Ok(pictures) => {
                put(app, &card, &sample, pictures);
                if then_run {
                    run::start(app);
                }
            }
            Err(sentence) => app.observation.fault.set(Some(sentence)),
        }
    });
}

/// `[n_obs_steps][n_cameras]`: names and bytes of the pictures.
type Fetched = Vec<Vec<(String, Blob)>>;

async fn fetch_all(app: App, sample: &SampleObservation) -> Result<Fetched, String> {
    let source = app.checkpoint.source.get_untracked();
    let mut all: Fetched = Vec::new();
    for moment in &sample.frames {
        let mut pictures = Vec::new();
        for address in moment {
            let known = all.iter().flatten().find(|(name, _)| name == address).map(|(_, blob)| blob.clone());
            let blob = match known {
                Some(blob) => blob,
                None => fetch(source.as_ref(), address).await?,
            };
            pictures.push((address.clone(), blob));
        }
        all.push(pictures);
    }
    Ok(all)
}

/// A picture that lies in the checkpoint's folder, on a server or among the visitor's files.
async fn fetch(source: Option<&Source>, address: &str) -> Result<Blob, String> {
    let fault = |why: String| format!("The sample's picture {address} cannot be fetched: {why}.");
    let url = match source {
        Some(Source::Files(files)) => {
            let file = files.iter().find(|(path, _)| path == address || path.ends_with(&format!("/{address}")));
            return file
                .map(|(_, file)| file.clone().into())
                .ok_or_else(|| fault("it is not among the files".to_owned()));
        }
        Some(Source::Address { url, .. }) if !address.contains("://") => format!("{url}/{address}"),
        _ => address.to_owned(),
    };
    let response = respond(&url).await.map_err(|error| fault(reason(&error)))?;
    if !response.ok() {
        return Err(fault(format!("the server answers {}", response.status())));
    }
    let blob = response.blob().map_err(|error| fault(reason(&error)))?;
    let blob = JsFuture::from(blob).await.map_err(|error| fault(reason(&error)))?;
    blob.dyn_into::<Blob>().map_err(|_other| fault("the server answers something else".to_owned()))
}

fn put(app: App, card: &PolicyCard, sample: &SampleObservation, pictures: Fetched) {
    let observation = app.observation;
    let one_picture = sample.frames.windows(2).all(|pair| pair[0] == pair[1]);
    let one_state = sample.states.windows(2).all(|pair| pair[0] == pair[1]);
    observation.same.set(one_picture && one_state);
    observation.task.set(sample.task.clone());
    let words = |row: &Vec<f32>| row.iter().map(f32::to_string).collect::<Vec<_>>();
    let states: Vec<Vec<String>> = sample.states.iter().map(words).collect();
    if states.len() == card.n_obs_steps && states.iter().all(|row| row.len() == card.state.len()) {
        observation.states.set(states);
    }
    let first = card.n_obs_steps.saturating_sub(pictures.len());
    for (moment, row) in pictures.into_iter().enumerate() {
        for (camera, (name, blob)) in row.into_iter().enumerate() {
            let place = Place { moment: first + moment, camera };
            cameras::put(app, place, blob, name.rsplit('/').next().unwrap_or_default().to_owned());
        }
    }
}
