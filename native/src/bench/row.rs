//! What is measured, and one line of the table.

use serde::{Deserialize, Serialize};

use crate::percentiles::Percentiles;

/// What was measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct What {
    pub(super) stage: Stage,
    /// How a chunk was sampled, such as `ddim-10`.
    pub(super) sampler: Option<String>,
    pub(super) cameras: usize,
    /// Observations or samples at once.
    pub(super) batch: Option<usize>,
}

/// The parts that are measured, in the order of the architecture's picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Stage {
    /// A checkpoint's folder to a policy, in a process of its own.
    Loading,
    /// The most memory that this process ever had, in MiB.
    PeakMemory,
    /// Pictures, state and words to normalised tensors.
    Preprocess,
    /// Every camera's frames of every moment.
    Vision,
    /// The instruction.
    Text,
    /// Features to the conditioning's part of every modulation.
    Conditioning,
    /// One evaluation of the denoiser, and what the sampler makes of it.
    DenoisingStep,
    /// Actions to chunks in robot units.
    Postprocess,
    /// A chunk when nothing is known yet.
    ChunkAllNew,
    /// A chunk when the instruction and all frames but those of the newest moment are known.
    ChunkNewestNew,
    /// A chunk when the whole observation is encoded.
    ChunkEncoded,
    /// Forward, backward and optimizer.
    TrainingStep,
}

impl Stage {
    /// What `LeRobot` does instead: it keeps nothing from chunk to chunk.
    pub(super) fn of_lerobot(self) -> Self {
        if self == Self::ChunkNewestNew { Self::ChunkAllNew } else { self }
    }
}

/// One line of the table: milliseconds, or MiB of memory.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Row {
    #[serde(flatten)]
    pub(super) what: What,
    #[serde(flatten)]
    pub(super) ours: Percentiles,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) lerobot: Option<Theirs>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) lerobot_compiled: Option<Theirs>,
}

/// The same, measured on `LeRobot`.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Theirs {
    #[serde(flatten)]
    pub(super) times: Percentiles,
    /// Our median as a share of theirs.
    pub(super) ratio: f64,
}

impl Row {
    /// A line without a comparison.
    pub(super) fn new(what: What, ours: Percentiles) -> Self {
        Self { what, ours, lerobot: None, lerobot_compiled: None }
    }
}
