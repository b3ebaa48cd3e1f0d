//! One plot: a number of the action over the horizon, in robot units.

use std::sync::Arc;

use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{Element, PointerEvent};

use super::state::App;
use crate::record::{Record, Shape};
use crate::scale::{Span, across, add_line, step_at};

/// Units of the drawing, which is stretched over whatever room there is.
const WIDTH: i32 = 2000;
const HEIGHT: i32 = 1000;

/// Everything that changes while a run goes on or is replayed, as SVG paths.
#[derive(Clone, Debug, Default, PartialEq)]
struct Drawing {
    /// All steps of the other chunks.
    others: String,
    /// All steps of the chunk that is looked at.
    line: String,
    /// Its executed steps.
    executed: String,
    /// The lines of the ticks.
    grid: String,
    /// Depth below the top as a share, and label.
    ticks: Vec<(String, String)>,
}

impl Drawing {
    fn of(record: &Record, dim: usize, place: Option<usize>, selected: usize) -> Self {
        let span = record.span(dim, place);
        let mut drawing = Self::default();
        for sample in (0..record.samples()).filter(|&sample| sample != selected) {
            add_line(&mut drawing.others, points(record, span, dim, sample, place));
        }
        let chosen: Vec<(f64, f64)> = points(record, span, dim, selected, place).collect();
        let executed = chosen.get(record.shape.executed()).unwrap_or_default().to_vec();
        add_line(&mut drawing.line, chosen);
        add_line(&mut drawing.executed, executed);
        for tick in span.ticks() {
            let depth = span.depth(tick);
            add_line(&mut drawing.grid, [0.0, f64::from(WIDTH)].map(|x| (x, depth * f64::from(HEIGHT))));
            drawing.ticks.push((format!("{:.2}%", 100.0 * depth), span.tick_label(tick)));
        }
        drawing
    }
}

/// Where a chunk's values lie on the drawing.
fn points(
    record: &Record,
    span: Span,
    dim: usize,
    sample: usize,
    place: Option<usize>,
) -> impl Iterator<Item = (f64, f64)> {
    let horizon = record.shape.horizon;
    let actions = record.at(sample, place).into_iter().flatten();
    actions.enumerate().filter_map(move |(step, row)| {
        let value = f64::from(*row.get(dim)?);
        Some((across(step, horizon, WIDTH), span.depth(value) * f64::from(HEIGHT)))
    })
}

/// The plot of one number.
pub(super) fn plot(app: App, shape: Arc<Shape>, dim: usize) -> impl IntoView {
    let outcome = app.outcome;
    let drawing = Memo::new(move |_| {
        let (place, selected) = (outcome.place.get(), outcome.selected.get());
        outcome.look(|record| Drawing::of(record, dim, place, selected)).unwrap_or_default()
    });
    let ticks = Memo::new(move |_| drawing.with(|drawing| drawing.ticks.clone()));
    let horizon = shape.horizon;
    let name = shape.names.get(dim).cloned().unwrap_or_default();
    let value = move || {
        let (step, place, selected) = (outcome.cursor.get()?, outcome.place.get(), outcome.selected.get());
        outcome.look(|record| {
            let value = *record.at(selected, place)?.get(step)?.get(dim)?;
            Some(record.span(dim, None).value_label(f64::from(value)))
        })?
    };
    let point = move |event: PointerEvent| {
        let Some(target) = event.current_target().and_then(|target| target.dyn_into::<Element>().ok()) else { return };
        let frame = target.get_bounding_client_rect();
        if frame.width() > 0.0 {
            let share = (f64::from(event.client_x()) - frame.left()) / frame.width();
            outcome.cursor.set(Some(step_at(share, horizon)));
        }
    };
    let labels = move || {
        let label = |(depth, text): (String, String)| view! { <span class="tick" style:top=depth>{text}</span> };
        ticks.get().into_iter().map(label).collect::<Vec<_>>()
    };
    view! {
        <figure class="plot" data-test=format!("plot-{dim}")>
            <figcaption>
                <span class="name">{name.clone()}</span>
                <span class="numbers value" data-test=format!("value-{dim}")>{value}</span>
            </figcaption>
            <div class="axis" aria-hidden="true">{labels}</div>
            <svg
                class="drawing"
                role="img"
                aria-label=format!("{name} over {horizon} steps")
                viewBox=format!("0 0 {WIDTH} {HEIGHT}")
                preserveAspectRatio="none"
                on:pointermove=point
                on:pointerdown=point
                on:pointerleave=move |_| outcome.cursor.set(None)
            >
                {band(&shape)}
                <path class="tick-lines" d=move || drawing.with(|drawing| drawing.grid.clone())></path>
                <path class="others" d=move || drawing.with(|drawing| drawing.others.clone())></path>
                <path class="line" d=move || drawing.with(|drawing| drawing.line.clone())></path>
                <path
                    class="executed"
                    data-test=format!("executed-{dim}")
                    d=move || drawing.with(|drawing| drawing.executed.clone())
                ></path>
                <path class="cursor" d=move || cursor_line(outcome.cursor.get(), horizon)></path>
            </svg>
            <div class="steps-axis numbers" aria-hidden="true">
                <span>"0"</span>
                <span>{horizon.saturating_sub(1)}</span>
            </div>
        </figure>
    }
}

/// The band behind the executed steps, half a step wider on both sides.
fn band(shape: &Shape) -> impl IntoView + use<> {
    let executed = shape.executed();
    let half = if shape.horizon > 1 { 0.5 * across(1, shape.horizon, WIDTH) } else { 0.5 * f64::from(WIDTH) };
    let left = (across(executed.start, shape.horizon, WIDTH) - half).max(0.0);
    let right = (across(executed.end.saturating_sub(1), shape.horizon, WIDTH) + half).min(f64::from(WIDTH));
    let width = if executed.is_empty() { 0.0 } else { right - left };
    view! {
        <rect class="band" x=format!("{left:.0}") y="0" width=format!("{width:.0}") height=HEIGHT.to_string()></rect>
    }
}

fn cursor_line(cursor: Option<usize>, horizon: usize) -> String {
    let mut line = String::new();
    if let Some(step) = cursor {
        let x = across(step, horizon, WIDTH);
        add_line(&mut line, [(x, 0.0), (x, f64::from(HEIGHT))]);
    }
    line
}
