//! What the page knows of the tabletop.

use std::sync::Arc;

use js_sys::Uint8ClampedArray;
use leptos::prelude::*;

use crate::link::View;
use crate::protocol::{PolicyCard, Timings};
use crate::tabletop::{Scene, Setup, Snapshot};

/// The tabletop's part of the page's state.
#[derive(Clone, Copy)]
pub(in crate::page) struct Tabletop {
    /// What is shown of a checkpoint that was made for it.
    pub(in crate::page) view: RwSignal<View>,
    /// Why it stopped.
    pub(in crate::page) fault: RwSignal<Option<String>>,
    /// The request that opened the world, while it is open.
    pub(super) open: RwSignal<Option<u32>>,
    pub(super) scene: RwSignal<Option<Arc<Scene>>>,
    pub(super) snapshot: RwSignal<Option<Arc<Snapshot>>>,
    /// Pixels, RGBA: the drawing, then the policy's cameras.
    pub(super) pictures: RwSignal<Vec<Uint8ClampedArray>, LocalStorage>,
    /// The newest chunk as far as it is denoised, `[horizon][action_dim]`.
    pub(super) chunk: RwSignal<Vec<Vec<f32>>>,
    /// Where the gripper was when it was asked for, `[x, y]` on the table.
    pub(super) chunk_from: RwSignal<[f32; 2]>,
    /// Evaluations of the denoiser so far and in all, while the world waits for a chunk.
    pub(super) thinking: RwSignal<Option<(usize, usize)>>,
    /// Where the time of the last chunk went.
    pub(super) timings: RwSignal<Option<Arc<Timings>>>,
    /// How the episode goes, in words.
    pub(super) status: RwSignal<String>,
    /// What came of moving something with the keyboard, in words.
    pub(super) spoken: RwSignal<String>,
    /// Episodes that succeeded, and all that ended.
    pub(super) tally: RwSignal<(u32, u32)>,
    /// Whether the last episode has ended.
    pub(super) over: RwSignal<bool>,
    /// Whether the next scene follows by itself.
    pub(super) keep_going: RwSignal<bool>,
    /// Whether the next scene asks for the same.
    pub(super) same_task: RwSignal<bool>,
    /// The field for the scene's seed.
    pub(super) seed: RwSignal<String>,
    /// The field for an instruction.
    pub(super) typed: RwSignal<String>,
    /// The scene to open when the engine has lost the one that it had.
    pub(super) setup: StoredValue<Setup>,
    /// What the pointer holds: an object, and how far its middle is from the pointer.
    pub(super) held: StoredValue<Option<(usize, [f32; 2])>>,
    /// Where an object is to be moved that the engine has not been told of.
    pub(super) wanted: StoredValue<Option<(usize, [f32; 2])>>,
    /// Whether the engine has yet to answer to a move.
    pub(super) asked: StoredValue<bool>,
    /// The card that all this was made for.
    pub(super) made_for: StoredValue<Option<Arc<PolicyCard>>>,
}

impl Tabletop {
    pub(in crate::page) fn new() -> Self {
        Self {
            view: RwSignal::new(View::default()),
            fault: RwSignal::new(None),
            open: RwSignal::new(None),
            scene: RwSignal::new(None),
            snapshot: RwSignal::new(None),
            pictures: RwSignal::new_local(Vec::new()),
            chunk: RwSignal::new(Vec::new()),
            chunk_from: RwSignal::new([0.0; 2]),
            thinking: RwSignal::new(None),
            timings: RwSignal::new(None),
            status: RwSignal::new(String::new()),
            spoken: RwSignal::new(String::new()),
            tally: RwSignal::new((0, 0)),
            over: RwSignal::new(false),
            keep_going: RwSignal::new(false),
            same_task: RwSignal::new(false),
            seed: RwSignal::new(String::new()),
            typed: RwSignal::new(String::new()),
            setup: StoredValue::new(Setup::default()),
            held: StoredValue::new(None),
            wanted: StoredValue::new(None),
            asked: StoredValue::new(false),
            made_for: StoredValue::new(None),
        }
    }

    /// Whether the policy acts.
    pub(super) fn plays(self) -> bool {
        self.open.get().is_some() && self.snapshot.with(|snapshot| snapshot.as_ref().is_some_and(|it| it.playing))
    }
}
