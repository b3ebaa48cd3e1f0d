//! A webcam as a source of pictures: opened when asked, and let go as soon as a picture is taken.

use js_sys::{Function, Promise};
use leptos::html;
use leptos::prelude::*;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    Blob, CanvasRenderingContext2d, HtmlCanvasElement, HtmlVideoElement, MediaStream, MediaStreamConstraints,
    MediaStreamTrack,
};

use super::engine::reason;

/// A webcam that may be open, and where it is shown.
#[derive(Clone, Copy)]
pub(super) struct Webcam {
    pub(super) video: NodeRef<html::Video>,
    pub(super) live: RwSignal<Option<MediaStream>, LocalStorage>,
}

impl Webcam {
    /// Opens it and shows it.
    pub(super) async fn open(self) -> Result<(), String> {
        let stream = open().await?;
        // The zone may be gone by now.
        match self.video.try_get_untracked().flatten() {
            Some(video) => {
                video.set_src_object(Some(&stream));
                self.close();
                self.live.set(Some(stream));
            }
            None => close(&stream),
        }
        Ok(())
    }

    /// Lets it go.
    pub(super) fn close(self) {
        if let Some(stream) = self.live.try_get_untracked().flatten() {
            close(&stream);
            self.live.set(None);
        }
    }
}

/// Opens the webcam, which asks the visitor.
async fn open() -> Result<MediaStream, String> {
    let devices = window().navigator().media_devices().ok().filter(|devices| !devices.is_undefined());
    let Some(devices) = devices else {
        return Err(
            "This browser gives no webcam to this page; a page has to be served over https for that.".to_owned()
        );
    };
    let constraints = MediaStreamConstraints::new();
    constraints.set_video(&JsValue::TRUE);
    let refused = |error: JsValue| format!("The webcam cannot be used: {}.", reason(&error));
    let asked = devices.get_user_media_with_constraints(&constraints).map_err(refused)?;
    let stream = JsFuture::from(asked).await.map_err(refused)?;
    Ok(stream.unchecked_into::<MediaStream>())
}

/// Lets the webcam go; its light goes out.
fn close(stream: &MediaStream) {
    let tracks = stream.get_tracks();
    for place in 0..tracks.length() {
        tracks.get(place).unchecked_into::<MediaStreamTrack>().stop();
    }
}

/// What the webcam shows now, as a PNG.
pub(super) async fn take(video: &HtmlVideoElement) -> Result<Blob, String> {
    const EMPTY: &str = "The webcam shows nothing yet. Wait for its picture and take it then.";
    let (width, height) = (video.video_width(), video.video_height());
    if width == 0 || height == 0 {
        return Err(EMPTY.to_owned());
    }
    let canvas = document().create_element("canvas").ok().and_then(|it| it.dyn_into::<HtmlCanvasElement>().ok());
    let canvas = canvas.ok_or_else(|| "This browser cannot draw.".to_owned())?;
    canvas.set_width(width);
    canvas.set_height(height);
    let context = context(&canvas).ok_or_else(|| "This browser cannot draw.".to_owned())?;
    context.draw_image_with_html_video_element(video, 0.0, 0.0).map_err(|error| reason(&error))?;
    let blob = JsFuture::from(to_blob(&canvas)).await.map_err(|error| reason(&error))?;
    blob.dyn_into::<Blob>().map_err(|_blob| EMPTY.to_owned())
}

/// What draws on a canvas.
pub(super) fn context(canvas: &HtmlCanvasElement) -> Option<CanvasRenderingContext2d> {
    canvas.get_context("2d").ok()??.dyn_into::<CanvasRenderingContext2d>().ok()
}

/// The promise of a canvas as a PNG, or of nothing when it is empty.
fn to_blob(canvas: &HtmlCanvasElement) -> Promise {
    Promise::new(&mut |done: Function, _: Function| {
        // It only fails for pictures of other sites, and a webcam is none.
        let _ = canvas.to_blob(&done);
    })
}
