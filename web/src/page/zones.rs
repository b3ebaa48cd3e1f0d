//! One zone per camera and moment: for files, drops, the clipboard and a webcam; it shows the picture as it was given and as the
//! model sees it.

use std::sync::Arc;

use leptos::html;
use leptos::prelude::*;
use wasm_bindgen_futures::spawn_local;
use web_sys::{ClipboardEvent, DragEvent, HtmlCanvasElement, HtmlInputElement, ImageData, MediaStream};

use super::cameras::{self, Place, picture};
use super::state::App;
use super::webcam::{self, Webcam};
use super::{alert, files};
use crate::protocol::{CameraCard, PolicyCard};

/// The zones of all cameras, newest moment first.
pub(super) fn zones(app: App, card: Arc<PolicyCard>) -> impl IntoView {
    let same = app.observation.same;
    move || {
        let newest = card.n_obs_steps.saturating_sub(1);
        let moments = if same.get() { newest..card.n_obs_steps } else { 0..card.n_obs_steps };
        let camera = |(place, camera): (usize, &CameraCard)| {
            let zone = |moment| zone(app, card.clone(), Place { moment, camera: place }, newest - moment);
            let zones = moments.clone().rev().map(zone).collect::<Vec<_>>();
            view! {
                <fieldset class="camera" data-test=format!("camera-{place}")>
                    <legend>
                        {camera.name.clone()} " "
                        <span class="muted numbers">{format!("{}×{}", camera.width, camera.height)}</span>
                    </legend>
                    {zones}
                </fieldset>
            }
        };
        card.cameras.iter().enumerate().map(camera).collect::<Vec<_>>()
    }
}

/// A moment in words.
pub(super) fn moment_label(earlier: usize) -> String {
    match earlier {
        0 => "now".to_owned(),
        1 => "1 step earlier".to_owned(),
        _ => format!("{earlier} steps earlier"),
    }
}

/// The zone of one camera at one moment, which lies so many steps before the newest.
fn zone(app: App, card: Arc<PolicyCard>, place: Place, earlier: usize) -> impl IntoView {
    let over = RwSignal::new(false);
    let label = moment_label(earlier);
    let name = card.cameras.get(place.camera).map(|camera| camera.name.clone()).unwrap_or_default();
    let about = format!("Camera {name}, {label}: drop a picture, paste it with Ctrl+V, or choose one");
    let test = format!("{}-{earlier}", place.camera);
    let zone_test = format!("zone-{test}");
    let frames_card = card.clone();
    let drop = move |event: DragEvent| {
        event.prevent_default();
        event.stop_propagation();
        over.set(false);
        cameras::put_files(app, &card, place, cameras::brought(event.data_transfer()));
    };
    let drag = move |event: DragEvent| {
        event.prevent_default();
        over.set(true);
    };
    let paste = {
        let card = frames_card.clone();
        move |event: ClipboardEvent| {
            let files = cameras::brought(event.clipboard_data());
            if !files.is_empty() {
                event.prevent_default();
                event.stop_propagation();
                cameras::put_files(app, &card, place, files);
            }
        }
    };
    view! {
        <div
            class="zone picture"
            class:over=move || over.get()
            tabindex="0"
            role="group"
            aria-label=about
            data-test=zone_test
            on:dragover=drag
            on:dragleave=move |_| over.set(false)
            on:drop=drop
            on:paste=paste
        >
            <p class="when">{label}</p>
            {frames(app, frames_card, place, test)}
        </div>
    }
}

/// The picture as it was given, live from a webcam if wanted, beside what the model sees; and the buttons below.
fn frames(app: App, card: Arc<PolicyCard>, place: Place, test: String) -> impl IntoView {
    let pictures = app.observation.pictures;
    let video = NodeRef::<html::Video>::new();
    let live: RwSignal<Option<MediaStream>, LocalStorage> = RwSignal::new_local(None);
    let is_live = move || live.with(Option::is_some);
    let shown =
        Memo::new(move |_| pictures.with(|all| picture(all, place).map(|it| (it.address.0.clone(), it.name.clone()))));
    let image = move || {
        shown.get().map(|(address, name)| {
            view! { <img src=address alt=format!("The picture {name} as it was given") decoding="async" /> }
        })
    };
    let hint = move || (shown.with(Option::is_none) && !is_live()).then_some("Drop, paste or choose a picture");
    let ratio =
        card.cameras.get(place.camera).map(|camera| format!("{} / {}", camera.width.max(1), camera.height.max(1)));
    let ratio = ratio.unwrap_or_else(|| "1 / 1".to_owned());
    view! {
        <div class="pair">
            <div class="frame" style:aspect-ratio=ratio.clone() data-test=format!("given-{test}")>
                <video
                    node_ref=video
                    autoplay=true
                    playsinline=true
                    prop:muted=true
                    hidden=move || !is_live()
                    data-test=format!("video-{test}")
                ></video>
                {image}
                <span class="muted hint">{hint}</span>
            </div>
            {seen(app, place, ratio, &test)}
        </div>
        {buttons(app, card, place, Webcam { video, live }, test)}
    }
}

/// The picture as the model sees it.
fn seen(app: App, place: Place, ratio: String, test: &str) -> impl IntoView + use<> {
    let pictures = app.observation.pictures;
    let canvas = NodeRef::<html::Canvas>::new();
    let is_seen = Memo::new(move |_| pictures.with(|all| picture(all, place).is_some_and(|it| it.seen.is_some())));
    let note = move || {
        pictures.with(|all| {
            let seen = picture(all, place)?.seen.as_ref()?;
            let size = format!("As the model sees it: {}×{}.", seen.width, seen.height);
            Some(seen.note.as_ref().map_or_else(|| size.clone(), |note| format!("{size} {note}")))
        })
    };
    let fault = move || pictures.with(|all| picture(all, place)?.fault.clone());
    let hint = move || (!is_seen.get()).then_some("the model's view");
    Effect::new(move |_| {
        if let Some(canvas) = canvas.get() {
            pictures.with(|all| {
                if let Some(seen) = picture(all, place).and_then(|it| it.seen.as_ref()) {
                    draw(&canvas, seen);
                }
            });
        }
    });
    view! {
        <div class="frame" style:aspect-ratio=ratio>
            <canvas
                node_ref=canvas
                hidden=move || !is_seen.get()
                role="img"
                aria-label="The picture as the model sees it"
                data-test=format!("preview-{test}")
            ></canvas>
            <span class="muted hint">{hint}</span>
        </div>
        <p class="note muted" data-test=format!("preview-note-{test}")>{note}</p>
        <p class="note bad-text" role="alert" data-test=format!("picture-error-{test}")>{fault}</p>
    }
}

fn draw(canvas: &HtmlCanvasElement, seen: &cameras::Seen) {
    let image = ImageData::new_with_js_u8_clamped_array_and_sh(&seen.pixels, seen.width, seen.height);
    let (Ok(image), Some(context)) = (image, webcam::context(canvas)) else { return };
    canvas.set_width(seen.width);
    canvas.set_height(seen.height);
    // Without its pixels the canvas stays empty, and the note below it still tells what was done.
    let _ = context.put_image_data(&image, 0.0, 0.0);
}

fn buttons(app: App, card: Arc<PolicyCard>, place: Place, camera: Webcam, test: String) -> impl IntoView {
    let fault = RwSignal::new(None::<String>);
    let has_picture = move || app.observation.pictures.with(|all| picture(all, place).is_some());
    let is_live = move || camera.live.with(Option::is_some);
    on_cleanup(move || camera.close());
    let choose = move |event: web_sys::Event| {
        let files = files::picked(&event_target::<HtmlInputElement>(&event));
        cameras::put_files(app, &card, place, files.into_iter().map(|(_, file)| file).collect());
    };
    let open = move |_| {
        spawn_local(async move {
            if let Err(sentence) = camera.open().await {
                fault.set(Some(sentence));
            }
        });
    };
    let take = move |_| {
        let Some(video) = camera.video.get_untracked() else { return };
        spawn_local(async move {
            match webcam::take(&video).await {
                Ok(blob) => {
                    camera.close();
                    cameras::put(app, place, blob, "webcam".to_owned());
                }
                Err(sentence) => fault.set(Some(sentence)),
            }
        });
    };
    let input = format!("picture-{test}");
    view! {
        <div class="row">
            <input
                id=input.clone()
                class="unseen"
                type="file"
                accept="image/*"
                multiple=true
                data-test=input.clone()
                on:change=choose
            />
            <label class="button" for=input>"Choose"</label>
            <button type="button" hidden=is_live data-test=format!("webcam-{test}") on:click=open>
                "Webcam"
            </button>
            <button type="button" class="primary" hidden=move || !is_live() data-test=format!("take-{test}") on:click=take>
                "Take picture"
            </button>
            <button
                type="button"
                hidden=move || !is_live()
                data-test=format!("webcam-close-{test}")
                on:click=move |_| camera.close()
            >
                "Close webcam"
            </button>
            <button
                type="button"
                hidden=move || !has_picture()
                data-test=format!("remove-{test}")
                on:click=move |_| cameras::clear(app, place)
            >
                "Remove"
            </button>
        </div>
        {alert::fault(fault, "webcam-error")}
    }
}
