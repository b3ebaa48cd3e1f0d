//! The engine: a worker that owns the device and the policy, and works on one request at a time.
//!
//! ```text
//! message ─▶ queue ─▶ device · load · picture · sampling ─▶ events
//! ```

pub mod device;
pub mod load;
mod picture;
mod policy;
mod self_test;
mod sampling;
mod task;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use js_sys::Array;
use thiserror::Error;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::spawn_local;
use web_sys::{Blob, DedicatedWorkerGlobalScope, MessageEvent};

use crate::protocol::{Envelope, Event, Failure, Request};
use device::{DeviceError, Found};
use load::LoadError;
use mtdit_policy::PolicyError;
use picture::PictureError;
use policy::Ready;
use task::Task;

/// Listens to the page until the worker is ended.
pub fn serve() {
    run_constructors();
    task::report_crashes();
    let engine = Rc::new(Engine::default());
    let listener = Rc::clone(&engine);
    let listen = Closure::<dyn FnMut(MessageEvent)>::new(move |message: MessageEvent| listener.hear(&message.data()));
    scope().set_onmessage(Some(listen.as_ref().unchecked_ref()));
    listen.forget();
}

/// Runs what the linker collected to run before `main`: the operations of the GPU's kernel compiler are registered there.
///
/// Where no code calls it, the linker has every call from JavaScript run all of it again: 2 milliseconds each.
#[expect(unsafe_code, reason = "the linker's own function, called once, before anything else")]
pub fn run_constructors() {
    unsafe extern "C" {
        fn __wasm_call_ctors();
    }
    // SAFETY: it takes nothing, returns nothing, and nothing has run yet.
    unsafe { __wasm_call_ctors() }
}

/// The worker's global object.
fn scope() -> DedicatedWorkerGlobalScope {
    js_sys::global().unchecked_into()
}

/// Everything that outlives a request.
#[derive(Default)]
struct Engine {
    waiting: RefCell<VecDeque<Job>>,
    /// Requests that wait or are worked on: what can be cancelled.
    known: RefCell<Vec<Rc<Task>>>,
    busy: Cell<bool>,
    state: RefCell<State>,
}

/// A request with its attachments.
struct Job {
    task: Rc<Task>,
    request: Request,
    attachments: Vec<JsValue>,
}

/// The device and what is on it.
#[derive(Default)]
struct State {
    device: Option<Found>,
    ready: Option<Ready>,
}

/// Why a request cannot be answered.
#[derive(Debug, Error)]
enum EngineError {
    #[error("stopped")]
    Cancelled,
    #[error("the engine has no device yet; restart it")]
    NotStarted,
    #[error("no checkpoint is loaded")]
    NothingLoaded,
    #[error(transparent)]
    Device(#[from] DeviceError),
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Picture(#[from] PictureError),
    #[error(transparent)]
    Policy(#[from] PolicyError),
    #[error("{0}")]
    Request(String),
}

impl Engine {
    /// Takes in a message: a cancellation is obeyed at once, everything else waits for its turn.
    fn hear(self: &Rc<Self>, data: &JsValue) {
        let message: Array = data.clone().unchecked_into();
        let text = message.get(0).as_string().unwrap_or_default();
        let envelope: Envelope<Request> = match serde_json::from_str(&text) {
            Ok(envelope) => envelope,
            Err(error) => {
                return web_sys::console::error_2(
                    &"a message that no page of this version sends:".into(),
                    &error.to_string().into(),
                );
            }
        };
        if let Request::Cancel { request } = envelope.body {
            self.known.borrow().iter().filter(|task| task.number() == request).for_each(|task| task.cancel());
            return;
        }
        let task = Rc::new(Task::new(envelope.request));
        self.known.borrow_mut().push(Rc::clone(&task));
        let attachments = message.iter().skip(1).collect();
        self.waiting.borrow_mut().push_back(Job { task, request: envelope.body, attachments });
        if !self.busy.replace(true) {
            let engine = Rc::clone(self);
            spawn_local(async move { engine.work().await });
        }
    }

    /// Works until nothing waits.
    async fn work(&self) {
        loop {
            let next = self.waiting.borrow_mut().pop_front();
            let Some(job) = next else { break };
            let task = Rc::clone(&job.task);
            // Nobody else borrows the state: there is one worker at a time.
            let mut state = self.state.take();
            let answer = if task.is_cancelled() { Err(EngineError::Cancelled) } else { state.answer(job).await };
            let of_gpu = state.device.as_ref().is_some_and(|found| found.is_gpu);
            self.state.replace(state);
            if let Err(error) = answer {
                task.say(&refusal(&task, &error, of_gpu));
            }
            self.known.borrow_mut().retain(|known| known.number() != task.number());
        }
        self.busy.set(false);
    }
}

/// What a visitor is told of a failed request.
fn refusal(task: &Task, error: &EngineError, of_gpu: bool) -> Event {
    if task.is_cancelled() || matches!(error, EngineError::Cancelled | EngineError::Load(LoadError::Cancelled)) {
        return Event::Cancelled;
    }
    let device_failed = matches!(error, EngineError::Policy(PolicyError::Device(_)));
    let message = match device_failed && of_gpu {
        true => {
            web_sys::console::error_1(&error.to_string().into());
            "The graphics device stopped working. Restart the engine to go on.".to_owned()
        }
        false => sentence(&error.to_string()),
    };
    let restart = device_failed || matches!(error, EngineError::NotStarted | EngineError::Device(_));
    Event::Failed(Failure { message, restart })
}

/// An error's text as a sentence. Names of files and addresses keep their small letters.
fn sentence(text: &str) -> String {
    let is_word = text.split(' ').next().is_some_and(|word| word.chars().all(char::is_alphabetic));
    if !is_word {
        return finished(text);
    }
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}", finished(letters.as_str()))
}

fn finished(text: &str) -> String {
    let end = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{text}{end}")
}

impl State {
    /// Does what is asked; everything but a failure is said by whoever does it.
    async fn answer(&mut self, job: Job) -> Result<(), EngineError> {
        let Job { task, request, attachments } = job;
        match request {
            Request::Start { backend } => {
                let found = device::find(backend, &*task).await?;
                task.say(&Event::Started(found.report.clone()));
                self.device = Some(found);
            }
            Request::Load(reference) => {
                let found = self.device.as_ref().ok_or(EngineError::NotStarted)?;
                // The memory of the one before is needed for the next.
                self.ready = None;
                let ready = Ready::load(&reference, &attachments, found, &task).await?;
                task.say(&Event::Loaded(Box::new(ready.card.clone())));
                self.ready = Some(ready);
            }
            Request::Preview { camera } => {
                let ready = self.ready.as_ref().ok_or(EngineError::NothingLoaded)?;
                picture::preview(&ready.policy, camera, blob(&attachments, 0)?, &task).await?;
            }
            Request::Predict(request) => {
                let ready = self.ready.as_mut().ok_or(EngineError::NothingLoaded)?;
                let began = task::now();
                let history = picture::history(&ready.policy, &request, &attachments).await?;
                let prediction = sampling::predict(ready, history, &request, began, &task).await?;
                task.say(&Event::Predicted(prediction));
            }
            Request::Cached => task.say(&Event::Cached(load::cached().await)),
            Request::Forget { key } => {
                load::forget(&key).await?;
                task.say(&Event::Cached(load::cached().await));
            }
            Request::Cancel { .. } => {}
        }
        Ok(())
    }
}

/// An attachment that has to be a picture or another file.
fn blob(attachments: &[JsValue], index: usize) -> Result<&Blob, EngineError> {
    attachments
        .get(index)
        .and_then(|attachment| attachment.dyn_ref::<Blob>())
        .ok_or_else(|| EngineError::Request(format!("attachment {index} of the message is missing or is not a file")))
}
