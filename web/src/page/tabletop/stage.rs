//! The table: the world's drawing, the way of the newest chunk over it, and a handle on everything that can be moved.

use js_sys::Uint8ClampedArray;
use leptos::html;
use leptos::prelude::*;
use web_sys::{HtmlCanvasElement, ImageData, PointerEvent};

use super::super::state::App;
use super::super::webcam::context;
use super::drag;

/// Units of the overlay on each side.
const UNITS: i32 = 2000;

/// The drawing with its overlay.
pub(super) fn stage(app: App) -> impl IntoView {
    let canvas = NodeRef::<html::Canvas>::new();
    let count = Memo::new(move |_| objects(app));
    let handles = move || (0..count.get()).map(|index| handle(app, index, canvas)).collect::<Vec<_>>();
    let ways = Memo::new(move |_| ways(app));
    view! {
        <div class="stage" data-test="table-stage">
            {picture(app, 0, "The table from above".to_owned(), canvas)}
            <svg class="overlay" viewBox=format!("0 0 {UNITS} {UNITS}") aria-hidden="true">
                <path class="line" data-test="table-way" d=move || ways.with(|ways| ways.0.clone())></path>
                <path class="executed" data-test="table-executed" d=move || ways.with(|ways| ways.1.clone())></path>
                {handles}
            </svg>
        </div>
    }
}

/// How many objects there are.
pub(super) fn objects(app: App) -> usize {
    app.tabletop.snapshot.with(|snapshot| snapshot.as_ref().map_or(0, |snapshot| snapshot.objects.len()))
}

/// The way of the chunk from where it was asked for, and of the part that is executed, as SVG paths.
fn ways(app: App) -> (String, String) {
    let (Some(plane), Some(card)) = (drag::plane(app), app.checkpoint.card.get()) else { return Default::default() };
    app.tabletop.chunk.with(|chunk| {
        // What lies before it was done when the chunk began.
        let ahead = chunk.get(card.first_executed..).unwrap_or_default();
        let executed = ahead.get(..card.n_action_steps).unwrap_or_default();
        let from = app.tabletop.chunk_from.get();
        (plane.way(from, ahead, UNITS), plane.way(from, executed, UNITS))
    })
}

/// What the pointer takes an object by.
fn handle(app: App, index: usize, canvas: NodeRef<html::Canvas>) -> impl IntoView {
    let circle = Memo::new(move |_| {
        let (object, plane) = (drag::object(app, index)?, drag::plane(app)?);
        let [across, down] = plane.share(object.position);
        let radius = f64::from(object.radius) / (2.0 * f64::from(plane.half));
        Some([across, down, radius].map(|share| format!("{:.0}", share * f64::from(UNITS))))
    });
    let part = move |place: usize| move || circle.with(|circle| circle.as_ref().map(|parts| parts[place].clone()));
    let square = move || canvas.get_untracked().map(|canvas| canvas.get_bounding_client_rect());
    view! {
        <circle
            class="handle"
            data-test=format!("table-handle-{index}")
            cx=part(0)
            cy=part(1)
            r=part(2)
            on:pointerdown=move |event: PointerEvent| drag::take(app, index, &event, square())
            on:pointermove=move |event: PointerEvent| drag::carry(app, index, &event, square())
            on:pointerup=move |_| drag::let_go(app)
            on:pointercancel=move |_| drag::let_go(app)
        ></circle>
    }
}

/// A canvas with the newest of the world's pictures, by its place among them.
pub(super) fn picture(app: App, place: usize, label: String, canvas: NodeRef<html::Canvas>) -> impl IntoView {
    let pictures = app.tabletop.pictures;
    Effect::new(move |_| {
        if let Some(canvas) = canvas.get() {
            pictures.with(|all| {
                if let Some(pixels) = all.get(place) {
                    paint(&canvas, pixels);
                }
            });
        }
    });
    view! {
        <canvas
            node_ref=canvas
            role="img"
            aria-label=label
            data-test=format!("table-picture-{place}")
        ></canvas>
    }
}

/// Paints the pixels of a square.
fn paint(canvas: &HtmlCanvasElement, pixels: &Uint8ClampedArray) {
    let side = (pixels.length() / 4).isqrt();
    let image = ImageData::new_with_js_u8_clamped_array_and_sh(pixels, side, side);
    let (Ok(image), Some(context)) = (image, context(canvas)) else { return };
    // Being given a size empties a canvas.
    if canvas.width() != side || canvas.height() != side {
        canvas.set_width(side);
        canvas.set_height(side);
    }
    // Without its pixels it stays as it was; everything else tells how the world goes.
    let _ = context.put_image_data(&image, 0.0, 0.0);
}
