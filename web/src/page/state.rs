//! What the page knows, as signals: one part per panel.

use std::rc::Rc;
use std::sync::Arc;

use leptos::prelude::*;
use web_sys::File;

use super::cameras::Pictures;
use super::engine::Engine;
use super::tabletop::Tabletop;
use crate::link::PageLink;
use crate::manifest::Listed;
use crate::protocol::{BackendChoice, CachedCheckpoint, DeviceReport, PolicyCard, Prediction, Progress};
use crate::quantity::Pace;
use crate::record::{Record, Shape};

/// Everything; copied into every part of the page.
#[derive(Clone, Copy)]
pub(super) struct App {
    pub(super) engine: Engine,
    pub(super) device: Device,
    pub(super) checkpoint: Checkpoint,
    pub(super) observation: Observation,
    pub(super) outcome: Outcome,
    pub(super) tabletop: Tabletop,
    /// What the address said, until a checkpoint takes it.
    pub(super) link: StoredValue<PageLink>,
}

impl App {
    /// A page that was opened by a link.
    pub(super) fn new(link: PageLink) -> Self {
        Self {
            engine: Engine::new(),
            device: Device::new(link.backend.unwrap_or_default()),
            checkpoint: Checkpoint::new(),
            observation: Observation::new(),
            outcome: Outcome::new(),
            tabletop: Tabletop::new(),
            link: StoredValue::new(link),
        }
    }
}

/// The device that the engine computes on.
#[derive(Clone, Copy)]
pub(super) struct Device {
    pub(super) choice: RwSignal<BackendChoice>,
    pub(super) report: RwSignal<Option<DeviceReport>>,
    /// Why no device was found.
    pub(super) fault: RwSignal<Option<String>>,
    pub(super) notices: RwSignal<Vec<String>>,
    /// Why the engine is of no use any more.
    pub(super) lost: RwSignal<Option<String>>,
}

impl Device {
    fn new(choice: BackendChoice) -> Self {
        Self {
            choice: RwSignal::new(choice),
            report: RwSignal::new(None),
            fault: RwSignal::new(None),
            notices: RwSignal::new(Vec::new()),
            lost: RwSignal::new(None),
        }
    }
}

/// Where a checkpoint is taken from.
#[derive(Clone)]
pub(super) enum Source {
    /// A folder on a server.
    Address {
        /// As it stands in a link.
        written: String,
        /// Absolute.
        url: String,
    },
    /// Files from the visitor's disk, with their paths.
    Files(Rc<Vec<(String, File)>>),
}

/// A load that goes on.
#[derive(Clone, Debug)]
pub(super) struct Loading {
    pub(super) request: u32,
    pub(super) progress: Progress,
    pub(super) pace: Pace,
}

/// The checkpoint and everything that could become one.
#[derive(Clone, Copy)]
pub(super) struct Checkpoint {
    /// What the site offers; `None` until that is known.
    pub(super) site: RwSignal<Option<Vec<Listed>>>,
    /// The address field.
    pub(super) address: RwSignal<String>,
    pub(super) loading: RwSignal<Option<Loading>>,
    pub(super) card: RwSignal<Option<Arc<PolicyCard>>>,
    /// Whether the engine holds the checkpoint of the card.
    pub(super) ready: RwSignal<bool>,
    /// What was asked for last.
    pub(super) source: RwSignal<Option<Source>, LocalStorage>,
    pub(super) fault: RwSignal<Option<String>>,
    pub(super) notices: RwSignal<Vec<String>>,
    pub(super) cached: RwSignal<Vec<CachedCheckpoint>>,
    /// Bytes that this site uses and may use, as the browser estimates.
    pub(super) storage: RwSignal<Option<(f64, f64)>>,
}

impl Checkpoint {
    fn new() -> Self {
        Self {
            site: RwSignal::new(None),
            address: RwSignal::new(String::new()),
            loading: RwSignal::new(None),
            card: RwSignal::new(None),
            ready: RwSignal::new(false),
            source: RwSignal::new_local(None),
            fault: RwSignal::new(None),
            notices: RwSignal::new(Vec::new()),
            cached: RwSignal::new(Vec::new()),
            storage: RwSignal::new(None),
        }
    }
}

/// What the policy looks at and how it samples, as the visitor wrote it.
#[derive(Clone, Copy)]
pub(super) struct Observation {
    /// `[n_obs_steps][n_cameras]`, oldest first.
    pub(super) pictures: RwSignal<Pictures, LocalStorage>,
    /// `[n_obs_steps][state_dim]`, oldest first.
    pub(super) states: RwSignal<Vec<Vec<String>>>,
    /// Whether the newest pictures and state stand for all moments.
    pub(super) same: RwSignal<bool>,
    pub(super) task: RwSignal<String>,
    pub(super) seed: RwSignal<String>,
    pub(super) sampler: RwSignal<String>,
    pub(super) steps: RwSignal<String>,
    pub(super) trailing: RwSignal<bool>,
    pub(super) samples: RwSignal<String>,
    pub(super) fault: RwSignal<Option<String>>,
    pub(super) notices: RwSignal<Vec<String>>,
    /// The card that the fields were made for.
    pub(super) made_for: StoredValue<Option<Arc<PolicyCard>>>,
}

impl Observation {
    fn new() -> Self {
        Self {
            pictures: RwSignal::new_local(Pictures::default()),
            states: RwSignal::new(Vec::new()),
            same: RwSignal::new(true),
            task: RwSignal::new(String::new()),
            seed: RwSignal::new("0".to_owned()),
            sampler: RwSignal::new(String::new()),
            steps: RwSignal::new(String::new()),
            trailing: RwSignal::new(false),
            samples: RwSignal::new("1".to_owned()),
            fault: RwSignal::new(None),
            notices: RwSignal::new(Vec::new()),
            made_for: StoredValue::new(None),
        }
    }
}

/// The newest run and how it is looked at.
#[derive(Clone, Copy)]
pub(super) struct Outcome {
    pub(super) record: StoredValue<Option<Record>>,
    /// Changes whenever the record is to be drawn again.
    pub(super) drawn: RwSignal<u32>,
    /// Whether a drawing is under way to the screen.
    pub(super) due: StoredValue<bool>,
    /// The request that samples.
    pub(super) running: RwSignal<Option<u32>>,
    /// Changes only when the plots have to be laid out anew.
    pub(super) shape: RwSignal<Option<Arc<Shape>>>,
    /// The end of the run, once it is over.
    pub(super) prediction: RwSignal<Option<Arc<Prediction>>>,
    /// Evaluations after which the chunks are shown; `None` as they are now.
    pub(super) place: RwSignal<Option<usize>>,
    /// Which chunk is shown boldly.
    pub(super) selected: RwSignal<usize>,
    /// The step of the horizon whose values are read.
    pub(super) cursor: RwSignal<Option<usize>>,
    /// How the run goes, in words.
    pub(super) spoken: RwSignal<String>,
    /// The link that was asked for, and whether it is in the clipboard.
    pub(super) copied: RwSignal<Option<(String, bool)>>,
    pub(super) fault: RwSignal<Option<String>>,
}

impl Outcome {
    fn new() -> Self {
        Self {
            record: StoredValue::new(None),
            drawn: RwSignal::new(0),
            due: StoredValue::new(false),
            running: RwSignal::new(None),
            shape: RwSignal::new(None),
            prediction: RwSignal::new(None),
            place: RwSignal::new(None),
            selected: RwSignal::new(0),
            cursor: RwSignal::new(None),
            spoken: RwSignal::new(String::new()),
            copied: RwSignal::new(None),
            fault: RwSignal::new(None),
        }
    }

    /// Draws the record with the next frame, and only once however much has happened until then.
    pub(super) fn draw_soon(self) {
        if self.due.get_value() {
            return;
        }
        self.due.set_value(true);
        request_animation_frame(move || {
            self.due.set_value(false);
            self.draw();
        });
    }

    /// Draws the record.
    pub(super) fn draw(self) {
        self.drawn.update(|count| *count = count.wrapping_add(1));
    }

    /// Looks at the record, again whenever it is drawn.
    pub(super) fn look<T>(self, read: impl FnOnce(&Record) -> T) -> Option<T> {
        self.drawn.track();
        self.record.with_value(|record| record.as_ref().map(read))
    }
}
