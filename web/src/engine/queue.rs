//! Requests in their order, and the world's steps between them.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use gloo_timers::callback::Timeout;
use js_sys::Array;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::spawn_local;

use super::fault::{EngineError, refusal};
use super::state::{Job, State};
use super::tabletop::Tabletop;
use super::task::Task;
use crate::protocol::{Envelope, Event, Request};
use crate::tabletop::Command;

/// Everything that outlives a request.
#[derive(Default)]
pub(super) struct Engine {
    waiting: RefCell<VecDeque<Job>>,
    /// Requests that wait or are worked on: what can be cancelled.
    known: RefCell<Vec<Rc<Task>>>,
    busy: Cell<bool>,
    state: RefCell<State>,
    /// The world, while the page has it open.
    tabletop: RefCell<Option<Rc<Tabletop>>>,
    /// Rings when the world's next step is due.
    alarm: RefCell<Option<Timeout>>,
}

impl Engine {
    /// Takes in a message: what stops or steers something is obeyed at once, everything else waits for its turn.
    pub(super) fn hear(self: &Rc<Self>, data: &JsValue) {
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
        match envelope.body {
            Request::Cancel { request } => {
                self.known.borrow().iter().filter(|task| task.number() == request).for_each(|task| task.cancel());
                self.close(|tabletop| tabletop.number() == request);
            }
            Request::Tell { request, command } if self.tell(request, &command) => {}
            request => {
                let task = Rc::new(Task::new(envelope.request));
                self.known.borrow_mut().push(Rc::clone(&task));
                let attachments = message.iter().skip(1).collect();
                self.waiting.borrow_mut().push_back(Job { task, request, attachments });
            }
        }
        self.wake();
    }

    /// Says something to the world; whether the one that it is meant for is open.
    fn tell(&self, request: u32, command: &Command) -> bool {
        let tabletop = self.tabletop.borrow().clone().filter(|tabletop| tabletop.number() == request);
        tabletop.is_some_and(|tabletop| {
            tabletop.obey(command);
            true
        })
    }

    /// Closes the world, if this holds for the one that is open.
    fn close(&self, this: impl Fn(&Tabletop) -> bool) {
        let closed = self.tabletop.borrow_mut().take_if(|tabletop| this(tabletop));
        if let Some(tabletop) = closed {
            tabletop.close(&Event::Cancelled);
        }
    }

    /// Works, unless it does so already.
    fn wake(self: &Rc<Self>) {
        if !self.busy.replace(true) {
            spawn_local(Rc::clone(self).work());
        }
    }

    /// Works until nothing waits and the world needs nothing for a while.
    async fn work(self: Rc<Self>) {
        let rest = loop {
            let next = self.waiting.borrow_mut().pop_front();
            if let Some(job) = next {
                self.answer(job).await;
                continue;
            }
            let open = self.tabletop.borrow().clone();
            let Some(tabletop) = open else { break None };
            match tabletop.rest() {
                Some(0) => self.advance(&tabletop).await,
                rest => break rest,
            }
        };
        self.busy.set(false);
        let engine = Rc::clone(&self);
        drop(self.alarm.replace(rest.map(|rest| Timeout::new(rest, move || engine.wake()))));
    }

    /// Answers a request.
    async fn answer(&self, job: Job) {
        let task = Rc::clone(&job.task);
        // Nobody else borrows the state: there is one worker at a time.
        let mut state = self.state.take();
        let answer = if task.is_cancelled() {
            Err(EngineError::Cancelled)
        } else {
            match job.request {
                Request::Tabletop(opening) => {
                    self.close(|_| true);
                    state.open(&task, opening).map(|tabletop| drop(self.tabletop.replace(Some(Rc::new(tabletop)))))
                }
                Request::Tell { request, command } => {
                    self.tell(request, &command);
                    Ok(())
                }
                request => {
                    if matches!(request, Request::Load(_)) {
                        // The policy that moves the world goes away.
                        self.close(|_| true);
                    }
                    state.answer(Job { request, ..job }).await
                }
            }
        };
        let of_gpu = state.is_on_gpu();
        self.state.replace(state);
        if let Err(error) = answer {
            task.say(&refusal(&task, &error, of_gpu));
        }
        self.known.borrow_mut().retain(|known| known.number() != task.number());
    }

    /// Lets the world do what is due.
    async fn advance(&self, tabletop: &Tabletop) {
        let mut state = self.state.take();
        let done = match state.ready.as_mut() {
            Some(ready) => tabletop.advance(ready).await,
            None => Err(EngineError::NothingLoaded),
        };
        let of_gpu = state.is_on_gpu();
        self.state.replace(state);
        if let Err(error) = done {
            drop(self.tabletop.take());
            tabletop.close(&refusal(tabletop.task(), &error, of_gpu));
        }
    }
}
