//! The tabletop in the engine: its session beside the policy that moves it. It obeys while a chunk is being sampled, because it
//! is spoken to whenever the engine listens.

use std::cell::RefCell;
use std::rc::Rc;

use js_sys::{ArrayBuffer, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};

use super::EngineError;
use super::policy::Ready;
use super::sampling::predict;
use super::task::{Task, now};
use crate::protocol::{Event, PredictRequest};
use crate::scale::whole;
use crate::tabletop::eyes::Eyes;
use crate::tabletop::session::Session;
use crate::tabletop::{Command, Opening, Report, Sampling};
use mtdit_policy::Moment;

/// Pixels on each side of the drawing for people: sharp enough on a phone, and drawn in a few milliseconds.
const DRAWING: usize = 384;

/// An open world.
pub(super) struct Tabletop {
    task: Rc<Task>,
    session: RefCell<Session>,
    sampling: RefCell<Sampling>,
    /// The chunk that is being sampled.
    chunk: RefCell<Option<Rc<Task>>>,
}

impl Tabletop {
    /// Opens the world for a request, and shows it.
    ///
    /// # Errors
    /// [`EngineError::Request`] when the policy was made for something else.
    pub(super) fn open(ready: &Ready, task: Rc<Task>, opening: Opening) -> Result<Self, EngineError> {
        let eyes = ready.card.world.as_ref().and_then(|_| Eyes::of(ready.policy.config(), &[], &[]));
        let eyes = eyes.ok_or_else(|| {
            EngineError::Request("the checkpoint that is loaded was not made for the tabletop".to_owned())
        })?;
        let tabletop = Self {
            task,
            session: RefCell::new(Session::open(eyes, opening.setup)),
            sampling: RefCell::new(opening.sampling),
            chunk: RefCell::new(None),
        };
        tabletop.say_scene();
        tabletop.show();
        Ok(tabletop)
    }

    /// The request that opened it.
    pub(super) fn task(&self) -> &Task {
        &self.task
    }

    /// The number of that request.
    pub(super) fn number(&self) -> u32 {
        self.task.number()
    }

    /// Does what the page says, and shows what has come of it.
    pub(super) fn obey(&self, command: &Command) {
        let mut session = self.session.borrow_mut();
        match command {
            Command::Begin(setup) => {
                self.drop_chunk();
                session.begin(setup.clone());
            }
            Command::Play => session.play(now()),
            Command::Pause => {
                self.drop_chunk();
                session.pause();
            }
            Command::Step => session.act_once(now()),
            Command::Instruct(instruction) => {
                self.drop_chunk();
                session.instruct(instruction.clone());
            }
            Command::Place { object, position } => {
                if !session.place(*object, *position) {
                    self.say(&Event::Tabletop(Report::Blocked { object: *object }));
                }
            }
            Command::Sample(sampling) => {
                self.drop_chunk();
                self.sampling.replace(sampling.clone());
            }
        }
        drop(session);
        self.say_scene();
        self.show();
    }

    /// Milliseconds until it wants to do something; `None` when it wants nothing until it is told.
    pub(super) fn rest(&self) -> Option<u32> {
        let rest = self.session.borrow().rest(now())?;
        Some(u32::try_from(whole(rest.ceil(), 0, 1000)).unwrap_or_default())
    }

    /// Does what is due: the next chunk, or one control step.
    ///
    /// # Errors
    /// [`EngineError`] as for any prediction, but not when the chunk was dropped.
    pub(super) async fn advance(&self, ready: &mut Ready) -> Result<(), EngineError> {
        if !self.session.borrow().wants_chunk() {
            self.step();
            return Ok(());
        }
        let chunk = Rc::new(Task::new(self.number()));
        self.chunk.replace(Some(Rc::clone(&chunk)));
        let (history, request) = self.question();
        let predicted = predict(ready, history, &request, now(), &chunk).await;
        self.chunk.replace(None);
        match predicted {
            // It may have been dropped after its last step, too.
            _ if chunk.is_cancelled() => Ok(()),
            Ok(prediction) => {
                let executed = ready.card.first_executed..ready.card.first_executed + ready.card.n_action_steps;
                let actions = prediction.samples.first().and_then(|actions| actions.get(executed));
                self.session.borrow_mut().accept(actions.unwrap_or_default());
                self.say(&Event::Tabletop(Report::Chunk(prediction.timings)));
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Closes it with its last words.
    pub(super) fn close(&self, last: &Event) {
        self.drop_chunk();
        self.say(last);
    }

    /// What the policy is asked now.
    fn question(&self) -> (Vec<Moment>, PredictRequest) {
        let (session, sampling) = (self.session.borrow(), self.sampling.borrow());
        let request = PredictRequest {
            task: session.instruction().to_owned(),
            // Its moments are handed over beside it.
            states: Vec::new(),
            frames: Vec::new(),
            sampler: sampling.sampler.clone(),
            steps: sampling.steps,
            trailing: sampling.trailing,
            seed: session.noise_seed(),
            samples: 1,
        };
        (session.history(), request)
    }

    fn step(&self) {
        let ended = self.session.borrow_mut().step(now());
        self.show();
        if let Some(succeeded) = ended {
            self.say_scene();
            self.say(&Event::Tabletop(Report::Over { succeeded }));
        }
    }

    fn drop_chunk(&self) {
        if let Some(chunk) = self.chunk.borrow().as_ref() {
            chunk.cancel();
        }
    }

    fn say(&self, event: &Event) {
        self.task.say(event);
    }

    fn say_scene(&self) {
        self.say(&Event::Tabletop(Report::Scene(self.session.borrow().scene())));
    }

    /// Shows the table and what the cameras see of it.
    fn show(&self) {
        let session = self.session.borrow();
        let mut pictures = vec![pixels(&session.world().draw(DRAWING).rgb)];
        let frames = session.present().into_iter().flat_map(|moment| &moment.frames);
        pictures.extend(frames.map(|frame| pixels(&frame.rgb)));
        self.task.give(&Event::Tabletop(Report::Snapshot(session.snapshot())), &pictures);
    }
}

/// RGB bytes as an `ArrayBuffer` of RGBA bytes.
fn pixels(rgb: &[u8]) -> JsValue {
    let mut rgba = Vec::with_capacity(rgb.len() / 3 * 4);
    for pixel in rgb.chunks_exact(3) {
        rgba.extend_from_slice(&[pixel[0], pixel[1], pixel[2], 255]);
    }
    Uint8Array::from(rgba.as_slice()).buffer().unchecked_into::<ArrayBuffer>().into()
}
