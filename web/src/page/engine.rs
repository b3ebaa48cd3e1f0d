//! The link to the engine: starts its worker, numbers what is asked, and hands every answer to whoever asked.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::mem;
use std::rc::Rc;

use js_sys::Array;
use leptos::prelude::*;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{ErrorEvent, MessageEvent, Worker};

use crate::protocol::{Envelope, Event, Failure, Request};
use crate::tabletop::Command;

/// Below the page. It keeps what is said to the engine until that listens.
const SCRIPT: &str = "./engine_loader.js";

/// Hears the answers to a request: its number, what was said, and the attachments.
type Answer = Rc<dyn Fn(u32, Event, &[JsValue])>;

/// The engine as the page sees it.
#[derive(Clone, Copy)]
pub(super) struct Engine(StoredValue<Rc<Link>, LocalStorage>);

impl Engine {
    /// A link without a worker.
    pub(super) fn new() -> Self {
        Self(StoredValue::new_local(Rc::default()))
    }

    /// Says who hears what the engine says unasked.
    pub(super) fn listen(self, unasked: impl Fn(Event) + 'static) {
        *self.0.get_value().unasked.borrow_mut() = Some(Rc::new(unasked));
    }

    /// Starts a worker in place of the one before. Whoever waits for that one hears that it was cancelled.
    pub(super) fn start(self) {
        let link = self.0.get_value();
        // Dropping it ends it.
        drop(link.running.take());
        link.answer_all(&|_| Event::Cancelled);
        link.dead.set(false);
        match Running::start(self) {
            Ok(running) => drop(link.running.replace(Some(running))),
            Err(message) => self.lost(message),
        }
    }

    /// Asks for something; `answer` hears everything until the last event of the request, whose number is returned.
    pub(super) fn ask(
        self,
        body: Request,
        attachments: &[JsValue],
        answer: impl Fn(u32, Event, &[JsValue]) + 'static,
    ) -> u32 {
        let link = self.0.get_value();
        let request = link.number();
        let sent = if link.dead.get() {
            Err("The engine has stopped. Restart it.".to_owned())
        } else {
            link.post(request, body, attachments)
        };
        match sent {
            Ok(()) => drop(link.pending.borrow_mut().insert(request, Rc::new(answer))),
            // The caller has to know its number before it hears an answer.
            Err(message) => queue_microtask(move || {
                answer(request, Event::Failed(Failure { message, restart: true }), &[]);
            }),
        }
        request
    }

    /// Stops a request.
    pub(super) fn cancel(self, request: u32) {
        self.say(Request::Cancel { request });
    }

    /// Says something to the tabletop that a request has opened.
    pub(super) fn tell(self, request: u32, command: Command) {
        self.say(Request::Tell { request, command });
    }

    /// Says what has no answer of its own.
    fn say(self, body: Request) {
        let link = self.0.get_value();
        let number = link.number();
        if let Err(message) = link.post(number, body, &[]) {
            self.lost(message);
        }
    }

    /// Whether a request has not been answered for the last time.
    pub(super) fn waits_for(self, request: u32) -> bool {
        self.0.get_value().pending.borrow().contains_key(&request)
    }

    fn hear(self, event: &MessageEvent) {
        const STRANGE: &str = "The engine says something that this page does not understand: the two are of different \
                               versions. Reload the page; if that does not help, clear this site's data.";
        let Some((envelope, attachments)) = read(event) else { return self.lost(STRANGE.to_owned()) };
        let Envelope { request, body } = envelope;
        let link = self.0.get_value();
        if request == 0 {
            return match body {
                Event::Lost(message) => self.lost(message),
                other => link.say(other),
            };
        }
        let failure = match &body {
            Event::Failed(failure) if failure.restart => Some(failure.message.clone()),
            _ => None,
        };
        if let Some(answer) = link.answer(request, is_last(&body)) {
            answer(request, body, &attachments);
        }
        if let Some(message) = failure {
            self.lost(message);
        }
    }

    /// The engine is of no use any more: whoever waits is told, and the page offers a restart.
    fn lost(self, message: String) {
        let link = self.0.get_value();
        link.dead.set(true);
        link.answer_all(&|_| Event::Failed(Failure { message: message.clone(), restart: true }));
        link.say(Event::Lost(message));
    }
}

/// The text and the attachments of a message.
fn read(event: &MessageEvent) -> Option<(Envelope<Event>, Vec<JsValue>)> {
    let parts = event.data().dyn_into::<Array>().ok()?;
    let envelope = serde_json::from_str(&parts.get(0).as_string()?).ok()?;
    Some((envelope, (1..parts.length()).map(|place| parts.get(place)).collect()))
}

/// Whether nothing follows this event.
fn is_last(event: &Event) -> bool {
    let goes_on = matches!(event, Event::Progress(_) | Event::Stage(_) | Event::Step(_) | Event::Sampled { .. });
    !(goes_on || matches!(event, Event::Tabletop(_) | Event::Notice(_)))
}

/// Hears what the engine says unasked.
type Unasked = Rc<dyn Fn(Event)>;

/// What the link keeps. Nothing is borrowed while somebody hears an answer, who may ask for more.
#[derive(Default)]
struct Link {
    running: RefCell<Option<Running>>,
    dead: Cell<bool>,
    numbers: Cell<u32>,
    pending: RefCell<BTreeMap<u32, Answer>>,
    unasked: RefCell<Option<Unasked>>,
}

impl Link {
    /// The next request's number.
    fn number(&self) -> u32 {
        self.numbers.set(self.numbers.get().wrapping_add(1).max(1));
        self.numbers.get()
    }

    fn post(&self, request: u32, body: Request, attachments: &[JsValue]) -> Result<(), String> {
        let text = serde_json::to_string(&Envelope { request, body }).map_err(|error| error.to_string())?;
        let message = Array::of1(&JsValue::from_str(&text));
        for attachment in attachments {
            message.push(attachment);
        }
        let running = self.running.borrow();
        let Some(running) = running.as_ref() else { return Err("The engine is not running. Restart it.".to_owned()) };
        running
            .worker
            .post_message(&message)
            .map_err(|error| format!("The engine cannot be reached: {}.", reason(&error)))
    }

    fn answer(&self, request: u32, last: bool) -> Option<Answer> {
        let mut pending = self.pending.borrow_mut();
        if last { pending.remove(&request) } else { pending.get(&request).cloned() }
    }

    fn answer_all(&self, event: &dyn Fn(u32) -> Event) {
        let waiting = mem::take(&mut *self.pending.borrow_mut());
        for (request, answer) in waiting {
            answer(request, event(request), &[]);
        }
    }

    fn say(&self, event: Event) {
        let unasked = self.unasked.borrow().clone();
        if let Some(unasked) = unasked {
            unasked(event);
        }
    }
}

/// A worker and what hears it; ends with its value.
struct Running {
    worker: Worker,
    _message: Closure<dyn FnMut(MessageEvent)>,
    _trouble: Closure<dyn FnMut(web_sys::Event)>,
}

impl Running {
    fn start(engine: Engine) -> Result<Self, String> {
        let worker = Worker::new(&address())
            .map_err(|error| format!("The engine's worker cannot be started: {}.", reason(&error)))?;
        let message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| engine.hear(&event));
        let trouble =
            Closure::<dyn FnMut(web_sys::Event)>::new(move |event: web_sys::Event| engine.lost(words(&event)));
        worker.set_onmessage(Some(message.as_ref().unchecked_ref()));
        worker.set_onmessageerror(Some(trouble.as_ref().unchecked_ref()));
        worker.set_onerror(Some(trouble.as_ref().unchecked_ref()));
        Ok(Self { worker, _message: message, _trouble: trouble })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.worker.set_onmessage(None);
        self.worker.set_onmessageerror(None);
        self.worker.set_onerror(None);
        self.worker.terminate();
    }
}

/// The script's address, with the page's version, so that a cached engine of another version is not taken.
fn address() -> String {
    let version = document().document_element().and_then(|root| root.get_attribute("data-version"));
    version.map_or_else(|| SCRIPT.to_owned(), |version| format!("{SCRIPT}?{version}"))
}

/// What went wrong in the worker, for the visitor.
fn words(event: &web_sys::Event) -> String {
    let said = event.dyn_ref::<ErrorEvent>().map(ErrorEvent::message).filter(|message| !message.is_empty());
    match (event.type_().as_str(), said) {
        ("messageerror", _) => "The engine sent something that this browser cannot read. Restart it.".to_owned(),
        (_, Some(message)) => format!("The engine has failed: {message}. Restart it."),
        _ => format!("The engine's script {SCRIPT} could not be loaded. Check the connection and restart the engine."),
    }
}

/// The message of a JavaScript error.
pub(super) fn reason(error: &JsValue) -> String {
    let message = error.dyn_ref::<js_sys::Error>().map(|error| String::from(error.message()));
    let message = message.or_else(|| error.as_string()).unwrap_or_else(|| format!("{error:?}"));
    message.trim_end_matches('.').to_owned()
}
