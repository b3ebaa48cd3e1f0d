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
    /// Samples of a first epoch: every frame is decoded once, then all batches are cut.
    SamplesCold,
    /// The decoding in that.
    Decoding,
    /// Samples of a later epoch, whose frames are decoded.
    SamplesWarm,
    /// Samples that decode their own frames.
    SamplesDecoded,
}

impl Stage {
    /// What `LeRobot` does instead: it keeps nothing from chunk to chunk.
    pub(super) fn of_lerobot(self) -> Self {
        match self {
            Self::ChunkNewestNew => Self::ChunkAllNew,
            Self::SamplesCold | Self::SamplesWarm => Self::SamplesDecoded,
            other => other,
        }
    }

    /// What its numbers count.
    pub(super) fn unit(self) -> Unit {
        match self {
            Self::PeakMemory => Unit::Mebibytes,
            Self::SamplesCold | Self::SamplesWarm | Self::SamplesDecoded => Unit::SamplesPerSecond,
            _ => Unit::Milliseconds,
        }
    }
}

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Unit {
    Milliseconds,
    #[serde(rename = "MiB")]
    Mebibytes,
    /// Of this alone more is better.
    SamplesPerSecond,
}

impl Unit {
    /// Its name in the table.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Milliseconds => "milliseconds",
            Self::Mebibytes => "MiB",
            Self::SamplesPerSecond => "samples per second",
        }
    }

    /// How values are distributed, from the best to the worst.
    pub(super) fn distribution(self, values: Vec<f64>) -> Percentiles {
        match self {
            Self::Milliseconds | Self::Mebibytes => Percentiles::of(values),
            Self::SamplesPerSecond => Percentiles::of_rates(values),
        }
    }
}

/// One line of the table.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Row {
    #[serde(flatten)]
    pub(super) what: What,
    pub(super) unit: Unit,
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
        Self { unit: what.stage.unit(), what, ours, lerobot: None, lerobot_compiled: None }
    }
}
