//! The device and what is on it, and how each request is answered with them.

use std::rc::Rc;

use wasm_bindgen::JsValue;

use super::device::{self, Found};
use super::fault::EngineError;
use super::policy::Ready;
use super::tabletop::Tabletop;
use super::task::{self, Task};
use super::{blob, load, picture, sampling};
use crate::protocol::{Event, Request};
use crate::tabletop::Opening;

/// A request with its attachments.
pub(super) struct Job {
    pub(super) task: Rc<Task>,
    pub(super) request: Request,
    pub(super) attachments: Vec<JsValue>,
}

/// The device and what is on it.
#[derive(Default)]
pub(super) struct State {
    pub(super) device: Option<Found>,
    pub(super) ready: Option<Ready>,
}

impl State {
    pub(super) fn is_on_gpu(&self) -> bool {
        self.device.as_ref().is_some_and(|found| found.is_gpu)
    }

    /// Opens the tabletop.
    pub(super) fn open(&self, task: &Rc<Task>, opening: Opening) -> Result<Tabletop, EngineError> {
        let ready = self.ready.as_ref().ok_or(EngineError::NothingLoaded)?;
        Tabletop::open(ready, Rc::clone(task), opening)
    }

    /// Does what is asked; everything but a failure is said by whoever does it.
    pub(super) async fn answer(&mut self, job: Job) -> Result<(), EngineError> {
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
            // These are not left to the state.
            Request::Tabletop(_) | Request::Tell { .. } | Request::Cancel { .. } => {}
        }
        Ok(())
    }
}
