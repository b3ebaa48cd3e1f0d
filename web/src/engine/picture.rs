//! Pictures from the visitor to frames: looked at before they are decoded, turned upright, brought to the camera's size.

use std::sync::Arc;

use burn::tensor::Tensor;
use js_sys::{ArrayBuffer, Reflect, Uint8Array};
use thiserror::Error;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    Blob, ImageBitmap, ImageBitmapOptions, ImageOrientation, OffscreenCanvas, OffscreenCanvasRenderingContext2d,
    PremultiplyAlpha, RequestInit, Response,
};

use super::sampling::read;
use super::task::Task;
use super::{EngineError, blob, scope};
use crate::engine::load::Report;
use crate::protocol::{Event, PredictRequest, SampleObservation};
use mtdit_policy::{Frame, Moment, Policy, PolicyError};

/// Longest file.
const MAX_BYTES: f64 = 64.0 * 1024.0 * 1024.0;
/// Most pixels: more than any phone's camera takes.
const MAX_PIXELS: usize = 64_000_000;
/// Longest side.
const MAX_SIDE: usize = 16_384;
/// Bytes in which most pictures have said their size.
const HEAD: f64 = 256.0 * 1024.0;

/// Why a picture cannot be used.
#[derive(Debug, Error)]
pub(super) enum PictureError {
    #[error("`{name}` is not a picture that can be read; take a PNG, JPEG, WebP, GIF, BMP or AVIF file")]
    Unknown { name: String },
    #[error("`{name}` is {width} x {height} pixels; {MAX_PIXELS} pixels and {MAX_SIDE} on a side are the most")]
    TooLarge { name: String, width: usize, height: usize },
    #[error("`{name}` has {} MB; 64 are the most", megabytes(*bytes))]
    TooLong { name: String, bytes: f64 },
    #[error("`{name}` cannot be decoded by this browser: {reason}")]
    Broken { name: String, reason: String },
    #[error("pictures cannot be drawn in this browser: {0}")]
    NoCanvas(String),
}

fn megabytes(bytes: f64) -> f64 {
    (bytes / 1e6).round()
}

/// A picture at a camera's size, and what was done to it when that was not its own.
struct Fitted {
    frame: Frame,
    note: Option<String>,
}

/// Shows a picture as the model sees it.
pub(super) async fn preview(policy: &Policy, camera: usize, file: &Blob, task: &Task) -> Result<(), EngineError> {
    let declared = policy.config().cameras.get(camera);
    let [height, width] = declared.map_or([1, 1], |camera| [camera.height, camera.width]);
    let fitted = fit(file, [height, width]).await?;
    let seen = policy.preprocessor().view(camera, &fitted.frame)?;
    let [_, height, width] = seen.dims();
    let pixels = rgba(seen).await?;
    let pixels: ArrayBuffer = Uint8Array::from(pixels.as_slice()).buffer().unchecked_into();
    let side = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
    let event = Event::Preview { width: side(width), height: side(height), note: fitted.note };
    task.give(&event, &[pixels.into()]);
    Ok(())
}

/// `[3, height, width]` in `0..=1` to bytes, rows from top to bottom, four channels.
async fn rgba(seen: Tensor<3>) -> Result<Vec<u8>, PolicyError> {
    let [_, height, width] = seen.dims();
    let values = read(seen).await?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to a byte")]
    let byte = |value: f32| (value.clamp(0.0, 1.0) * 255.0).round() as u8;
    let plane = height * width;
    let pixel = |i: usize| [byte(values[i]), byte(values[plane + i]), byte(values[2 * plane + i]), 255];
    Ok((0..plane).flat_map(pixel).collect())
}

/// The moments of a request: every picture is decoded once, however often it is used.
pub(super) async fn history(
    policy: &Policy,
    request: &PredictRequest,
    attachments: &[JsValue],
) -> Result<Vec<Moment>, EngineError> {
    let cameras = &policy.config().cameras;
    let mut decoded: Vec<((usize, usize), Frame)> = Vec::new();
    let mut history = Vec::new();
    for (step, state) in request.states.iter().enumerate() {
        let places = request.frames.get(step).map_or(&[][..], Vec::as_slice);
        let mut frames = Vec::new();
        for (camera, &place) in cameras.iter().zip(places) {
            let key = (place, camera.height * MAX_SIDE + camera.width);
            let known = decoded.iter().find(|(decoded, _)| *decoded == key).map(|(_, frame)| frame.clone());
            let frame = match known {
                Some(frame) => frame,
                None => fit(blob(attachments, place)?, [camera.height, camera.width]).await?.frame,
            };
            decoded.push((key, frame.clone()));
            frames.push(frame);
        }
        history.push(Moment { frames, state: state.clone() });
    }
    Ok(history)
}

/// Decodes a picture and brings it to `[height, width]`: the largest part of its middle that has the camera's shape.
async fn fit(file: &Blob, [height, width]: [usize; 2]) -> Result<Fitted, PictureError> {
    let name = name(file);
    let declared = declared_size(file, &name).await?;
    let bitmap = decode(file, &name).await?;
    let (own_width, own_height) = (bitmap.width() as usize, bitmap.height() as usize);
    let frame = draw(&bitmap, [height, width]).map_err(|error| PictureError::NoCanvas(words(&error)));
    bitmap.close();

    let mut done = Vec::new();
    if (own_width, own_height) == (declared.1, declared.0) && own_width != own_height {
        done.push("turned upright as the camera noted".to_owned());
    }
    if [own_height, own_width] != [height, width] {
        let is_cut = own_width * height != own_height * width;
        let cut = if is_cut { " of the middle part" } else { "" };
        done.push(format!(
            "{own_width} x {own_height}{cut} brought to {width} x {height}, the size the policy was trained on"
        ));
    }
    Ok(Fitted { frame: frame?, note: (!done.is_empty()).then(|| done.join("; ")) })
}

/// Width and height as the file declares them, refused when they are too much to decode.
async fn declared_size(file: &Blob, name: &str) -> Result<(usize, usize), PictureError> {
    let name = name.to_owned();
    if file.size() > MAX_BYTES {
        return Err(PictureError::TooLong { name, bytes: file.size() });
    }
    let mut size = imagesize::blob_size(&first_bytes(file, HEAD).await);
    if size.is_err() && file.size() > HEAD {
        size = imagesize::blob_size(&first_bytes(file, file.size()).await);
    }
    let Ok(size) = size else { return Err(PictureError::Unknown { name }) };
    let (width, height) = (size.width, size.height);
    if width > MAX_SIDE || height > MAX_SIDE || width * height > MAX_PIXELS {
        return Err(PictureError::TooLarge { name, width, height });
    }
    Ok((width, height))
}

/// The first bytes of a file; none when it cannot be read.
async fn first_bytes(file: &Blob, most: f64) -> Vec<u8> {
    let Ok(head) = file.slice_with_f64_and_f64(0.0, most) else { return Vec::new() };
    let buffer = JsFuture::from(head.array_buffer()).await;
    buffer.map(|buffer| Uint8Array::new(&buffer).to_vec()).unwrap_or_default()
}

/// The browser's own decoder, with colours as they are in the file.
async fn decode(file: &Blob, name: &str) -> Result<ImageBitmap, PictureError> {
    let broken = |error: JsValue| PictureError::Broken { name: name.to_owned(), reason: words(&error) };
    let options = ImageBitmapOptions::new();
    options.set_image_orientation(ImageOrientation::FromImage);
    options.set_premultiply_alpha(PremultiplyAlpha::None);
    options.set_color_space_conversion(web_sys::ColorSpaceConversion::None);
    let promise = scope().create_image_bitmap_with_blob_and_image_bitmap_options(file, &options).map_err(broken)?;
    JsFuture::from(promise).await.map(JsCast::unchecked_into).map_err(broken)
}

/// Draws a picture's middle into a frame.
fn draw(bitmap: &ImageBitmap, [height, width]: [usize; 2]) -> Result<Frame, JsValue> {
    let side = |length: usize| f64::from(u32::try_from(length).unwrap_or(u32::MAX));
    let (to_width, to_height) = (side(width), side(height));
    let (own_width, own_height) = (f64::from(bitmap.width()), f64::from(bitmap.height()));
    let scale = (own_width / to_width).min(own_height / to_height);
    let (cut_width, cut_height) = (to_width * scale, to_height * scale);

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a whole number within u32")]
    let canvas = OffscreenCanvas::new(to_width as u32, to_height as u32)?;
    let options = js_sys::Object::new();
    Reflect::set(&options, &"willReadFrequently".into(), &JsValue::TRUE)?;
    let context = canvas.get_context_with_context_options("2d", &options)?;
    let context: OffscreenCanvasRenderingContext2d =
        context.ok_or_else(|| JsValue::from("there is no drawing context"))?.unchecked_into();
    Reflect::set(&context, &"imageSmoothingQuality".into(), &"high".into())?;
    context.draw_image_with_image_bitmap_and_sw_and_sh_and_dx_and_dy_and_dw_and_dh(
        bitmap,
        (own_width - cut_width) / 2.0,
        (own_height - cut_height) / 2.0,
        cut_width,
        cut_height,
        0.0,
        0.0,
        to_width,
        to_height,
    )?;
    let rgba = context.get_image_data(0.0, 0.0, to_width, to_height)?.data();
    let rgb: Vec<u8> = rgba.chunks_exact(4).flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect();
    Ok(Frame { height, width, rgb: Arc::from(rgb) })
}

/// What to call a file.
fn name(file: &Blob) -> String {
    file.dyn_ref::<web_sys::File>().map_or_else(|| "the picture".to_owned(), web_sys::File::name)
}

fn words(error: &JsValue) -> String {
    error.dyn_ref::<js_sys::Error>().map_or_else(|| format!("{error:?}"), |error| String::from(error.message()))
}

/// The moments of an observation that came with a checkpoint; `None` when a picture cannot be had.
pub(super) async fn sample(policy: &Policy, sample: &SampleObservation, task: &Task) -> Option<Vec<Moment>> {
    let mut history = Vec::new();
    for (step, state) in sample.states.iter().enumerate() {
        let mut frames = Vec::new();
        for (address, camera) in sample.frames.get(step)?.iter().zip(&policy.config().cameras) {
            let options = RequestInit::new();
            options.set_signal(task.abort_signal().as_ref());
            let response = JsFuture::from(scope().fetch_with_str_and_init(address, &options)).await.ok()?;
            let response: Response = response.unchecked_into();
            if !response.ok() {
                return None;
            }
            let file: Blob = JsFuture::from(response.blob().ok()?).await.ok()?.unchecked_into();
            frames.push(fit(&file, [camera.height, camera.width]).await.ok()?.frame);
        }
        history.push(Moment { frames, state: state.clone() });
    }
    Some(history)
}
