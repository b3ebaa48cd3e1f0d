//! The pictures that the policy looks at: where they are kept, and how the model sees them.

use std::rc::Rc;

use js_sys::Uint8ClampedArray;
use leptos::prelude::*;
use wasm_bindgen::JsValue;
use web_sys::{Blob, File, Url};

use super::alert;
use super::files::listed;
use super::state::App;
use crate::protocol::{Event, PolicyCard, Request};

/// One camera at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// From the oldest.
    pub(super) moment: usize,
    /// In the checkpoint's order.
    pub(super) camera: usize,
}

/// `[n_obs_steps][n_cameras]`, oldest first.
pub(super) type Pictures = Vec<Vec<Option<Picture>>>;

/// A picture that a visitor gave.
#[derive(Clone)]
pub(super) struct Picture {
    /// Its bytes as they came; the engine decodes them.
    pub(super) blob: Blob,
    /// For showing it.
    pub(super) address: Rc<Address>,
    /// Where it came from, in words.
    pub(super) name: String,
    /// As the model sees it.
    pub(super) seen: Option<Seen>,
    /// Why the model cannot see it.
    pub(super) fault: Option<String>,
}

/// An address of bytes in the browser's memory, valid as long as this value.
pub(super) struct Address(pub(super) String);

impl Drop for Address {
    fn drop(&mut self) {
        // An address that is gone already does no harm.
        let _ = Url::revoke_object_url(&self.0);
    }
}

/// A picture's pixels after the policy's preprocessing.
#[derive(Clone)]
pub(super) struct Seen {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) note: Option<String>,
    /// RGBA.
    pub(super) pixels: Uint8ClampedArray,
}

impl Picture {
    fn new(blob: Blob, name: String) -> Option<Self> {
        let address = Rc::new(Address(Url::create_object_url_with_blob(&blob).ok()?));
        Some(Self { blob, address, name, seen: None, fault: None })
    }
}

/// A picture, if there is one at a place.
pub(super) fn picture(pictures: &[Vec<Option<Picture>>], place: Place) -> Option<&Picture> {
    pictures.get(place.moment)?.get(place.camera)?.as_ref()
}

/// The places that are shown, in the order in which they are filled.
pub(super) fn places(app: App, card: &PolicyCard) -> Vec<Place> {
    let newest = card.n_obs_steps.saturating_sub(1);
    let moments = if app.observation.same.get_untracked() { newest..card.n_obs_steps } else { 0..card.n_obs_steps };
    let cameras = 0..card.cameras.len();
    moments.rev().flat_map(|moment| cameras.clone().map(move |camera| Place { moment, camera })).collect()
}

/// Puts a picture in its place and asks how the model sees it.
pub(super) fn put(app: App, place: Place, blob: Blob, name: String) {
    let picture = Picture::new(blob, name);
    app.observation.pictures.update(|all| {
        if let Some(slot) = all.get_mut(place.moment).and_then(|moment| moment.get_mut(place.camera)) {
            *slot = picture;
        }
    });
    preview(app, place);
}

/// Takes a picture away.
pub(super) fn clear(app: App, place: Place) {
    app.observation.pictures.update(|all| {
        if let Some(slot) = all.get_mut(place.moment).and_then(|moment| moment.get_mut(place.camera)) {
            *slot = None;
        }
    });
}

/// Puts files in a place and those that follow it.
pub(super) fn put_files(app: App, card: &PolicyCard, first: Place, files: Vec<File>) {
    let places = places(app, card).into_iter().skip_while(|&place| place != first);
    for (place, file) in places.zip(files) {
        let name = file.name();
        put(app, place, file.into(), name);
    }
}

/// Puts files in the places that are empty; whether there was one.
pub(super) fn put_in_empty(app: App, files: Vec<File>) -> bool {
    let Some(card) = app.checkpoint.card.get_untracked() else { return false };
    let free = |&place: &Place| app.observation.pictures.with_untracked(|all| picture(all, place).is_none());
    let free: Vec<Place> = places(app, &card).into_iter().filter(free).collect();
    let any = !free.is_empty() && !files.is_empty();
    for (place, file) in free.into_iter().zip(files) {
        let name = file.name();
        put(app, place, file.into(), name);
    }
    any
}

/// The files of a clipboard or a drop.
pub(super) fn brought(transfer: Option<web_sys::DataTransfer>) -> Vec<File> {
    transfer.and_then(|transfer| transfer.files()).as_ref().map(listed).unwrap_or_default()
}

/// Asks how the model sees every picture.
pub(super) fn preview_all(app: App) {
    if let Some(card) = app.checkpoint.card.get_untracked() {
        for place in places(app, &card) {
            preview(app, place);
        }
    }
}

fn preview(app: App, place: Place) {
    let pictures = app.observation.pictures;
    let asked = pictures.with_untracked(|all| picture(all, place).map(|it| (it.blob.clone(), it.address.clone())));
    let Some((blob, address)) = asked.filter(|_| app.checkpoint.ready.get_untracked()) else { return };
    let answer = move |_: u32, event: Event, attachments: &[JsValue]| {
        let seen = match event {
            Event::Preview { width, height, note } => {
                let pixels = attachments.first().map(Uint8ClampedArray::new);
                pixels.map(|pixels| Seen { width, height, note, pixels }).ok_or("The engine sent no pixels.".to_owned())
            }
            Event::Failed(failure) => Err(failure.message),
            Event::Notice(text) => return alert::notice(app.observation.notices, text),
            _ => return,
        };
        pictures.update(|all| {
            let slot = all.get_mut(place.moment).and_then(|moment| moment.get_mut(place.camera)?.as_mut());
            // The visitor may have put another picture there in the meantime.
            if let Some(slot) = slot.filter(|slot| Rc::ptr_eq(&slot.address, &address)) {
                slot.fault = seen.as_ref().err().cloned();
                slot.seen = seen.ok();
            }
        });
    };
    app.engine.ask(Request::Preview { camera: place.camera }, &[JsValue::from(blob)], answer);
}

/// Makes room for the pictures of a card, and keeps none.
pub(super) fn make_room(app: App, card: &PolicyCard) {
    app.observation.pictures.set(vec![vec![None; card.cameras.len()]; card.n_obs_steps]);
}
