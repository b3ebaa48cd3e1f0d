//! One request on its way: what is said about it, whether it is still wanted, and who else may be heard meanwhile.

use std::cell::{Cell, RefCell};
use std::panic;

use gloo_timers::future::sleep;
use js_sys::{Array, WebAssembly};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{AbortController, AbortSignal};

use super::{EngineError, load, scope};
use crate::protocol::{Envelope, Event, Progress};

/// Milliseconds of work after which messages are listened to again.
const PATIENCE: f64 = 40.0;

/// A request.
#[derive(Debug)]
pub(super) struct Task {
    number: u32,
    cancelled: Cell<bool>,
    abort: Option<AbortController>,
    listened: Cell<f64>,
    said: RefCell<Option<(String, f64)>>,
    hushed: Cell<bool>,
}

impl Task {
    pub(super) fn new(number: u32) -> Self {
        Self {
            number,
            cancelled: Cell::new(false),
            abort: AbortController::new().ok(),
            listened: Cell::new(now()),
            said: RefCell::new(None),
            hushed: Cell::new(false),
        }
    }

    pub(super) fn number(&self) -> u32 {
        self.number
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.cancelled.get()
    }

    pub(super) fn cancel(&self) {
        self.cancelled.set(true);
        if let Some(abort) = &self.abort {
            abort.abort();
        }
    }

    /// Tells the page.
    pub(super) fn say(&self, event: &Event) {
        if !self.hushed.get() {
            say(self.number, event, &[]);
        }
    }

    /// Says nothing of what is done for another reason than that the page asked for it, until it is unhushed.
    pub(super) fn hush(&self, hushed: bool) {
        self.hushed.set(hushed);
    }

    /// Tells the page, and gives it something that JSON cannot hold.
    pub(super) fn give(&self, event: &Event, attachments: &[JsValue]) {
        say(self.number, event, attachments);
    }

    /// Lets messages be heard when they have waited long enough, then says whether to go on.
    ///
    /// # Errors
    /// [`EngineError::Cancelled`] when the request is not wanted any more.
    pub(super) async fn go_on(&self) -> Result<(), EngineError> {
        if now() - self.listened.get() > PATIENCE {
            sleep(std::time::Duration::ZERO).await;
            self.listened.set(now());
        }
        if self.cancelled.get() { Err(EngineError::Cancelled) } else { Ok(()) }
    }
}

impl load::Report for Task {
    fn progress(&self, stage: &str, bytes: u64, total: u64) {
        // Ten times a second is enough for anyone; a new stage is said at once.
        let mut said = self.said.borrow_mut();
        let is_new = said.as_ref().is_none_or(|(last, at)| last != stage || now() - at > 100.0) || bytes == total;
        if is_new {
            *said = Some((stage.to_owned(), now()));
            self.say(&Event::Progress(Progress { stage: stage.to_owned(), bytes, total, heap: heap() }));
        }
    }

    fn notice(&self, sentence: String) {
        self.say(&Event::Notice(sentence));
    }

    fn cancelled(&self) -> bool {
        self.cancelled.get()
    }

    fn abort_signal(&self) -> Option<AbortSignal> {
        self.abort.as_ref().map(AbortController::signal)
    }
}

/// Milliseconds since the worker began.
pub(super) fn now() -> f64 {
    scope().performance().map_or_else(js_sys::Date::now, |performance| performance.now())
}

/// Bytes of this program's memory; it never shrinks, so this is the peak.
pub(super) fn heap() -> u64 {
    let memory: WebAssembly::Memory = wasm_bindgen::memory().unchecked_into();
    let buffer: js_sys::ArrayBuffer = memory.buffer().unchecked_into();
    u64::from(buffer.byte_length())
}

/// Posts an event; an [`ArrayBuffer`](js_sys::ArrayBuffer) among the attachments changes hands.
fn say(request: u32, event: &Event, attachments: &[JsValue]) {
    let text = match serde_json::to_string(&Envelope { request, body: event }) {
        Ok(text) => text,
        Err(error) => return web_sys::console::error_1(&error.to_string().into()),
    };
    let message = Array::of1(&text.into());
    let transfer = Array::new();
    for attachment in attachments {
        message.push(attachment);
        if attachment.is_instance_of::<js_sys::ArrayBuffer>() {
            transfer.push(attachment);
        }
    }
    if let Err(error) = scope().post_message_with_transfer(&message, &transfer) {
        web_sys::console::error_2(&"the page cannot be told:".into(), &error);
    }
}

/// Tells the page when the program crashes or the graphics device goes away, whatever is being done.
pub(super) fn report_crashes() {
    panic::set_hook(Box::new(|info| {
        console_error_panic_hook::hook(info);
        let reason = info.payload_as_str().unwrap_or("no reason was given");
        say(0, &Event::Lost(format!("The engine crashed: {reason}. Restart it to go on.")), &[]);
    }));
    // Only the first call can fail, and this is it.
    if log::set_logger(&Ear).is_ok() {
        log::set_max_level(log::LevelFilter::Warn);
    }
}

/// Listens to what the libraries log: the loss of the device is said nowhere else, nor is a shader that does not compile.
struct Ear;

impl log::Log for Ear {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.level() <= log::Level::Warn
    }

    fn log(&self, record: &log::Record<'_>) {
        let words = format!("{}: {}", record.target(), record.args());
        if record.level() > log::Level::Error {
            return web_sys::console::warn_1(&words.into());
        }
        if record.target().ends_with("device_poison") {
            let reason = record.args();
            say(
                0,
                &Event::Lost(format!("The graphics device went away ({reason}). Restart the engine to go on.")),
                &[],
            );
        }
        web_sys::console::error_1(&words.into());
    }

    fn flush(&self) {}
}
