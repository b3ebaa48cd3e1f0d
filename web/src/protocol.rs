//! What the page and the engine say to each other.
//!
//! A message is an array: its text (JSON of [`Envelope`]) first, then attachments that JSON cannot hold (files, pictures,
//! pixels), which the text names by their place. The page numbers its requests; every event says which request it answers.
//! The engine works on one request at a time, in order; [`Request::Cancel`] and [`Request::Tell`] are heard at once.

use serde::{Deserialize, Serialize};

use crate::tabletop;

/// A message with the number of the request that it makes or answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Envelope<T> {
    /// Number of the request; 0 for what the engine says unasked.
    pub request: u32,
    /// The message.
    pub body: T,
}

/// What the page asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Request {
    /// Finds a device. Answered by [`Event::Started`]; comes first.
    Start {
        /// Which one.
        backend: BackendChoice,
    },
    /// Loads a checkpoint. Answered by [`Event::Progress`], then [`Event::Loaded`].
    Load(CheckpointRef),
    /// Decodes a picture (the only attachment) as the model sees it through a camera. Answered by [`Event::Preview`].
    Preview {
        /// Which camera, in the checkpoint's order.
        camera: usize,
    },
    /// Samples chunks. Answered by [`Event::Step`] after every evaluation, [`Event::Sampled`] after every chunk and at last
    /// [`Event::Predicted`].
    Predict(PredictRequest),
    /// Opens the tabletop, in place of one that is open. Answered by [`Event::Tabletop`], and by [`Event::Stage`],
    /// [`Event::Step`] and [`Event::Sampled`] for its chunks, until it is cancelled or another checkpoint is loaded. The engine
    /// works on other requests between its chunks.
    Tabletop(tabletop::Opening),
    /// Says something to the tabletop that the request of this number opened.
    Tell {
        /// The request.
        request: u32,
        /// What is said.
        command: tabletop::Command,
    },
    /// What is cached. Answered by [`Event::Cached`].
    Cached,
    /// Deletes a cached checkpoint. Answered by [`Event::Cached`].
    Forget {
        /// [`CachedCheckpoint::key`].
        key: String,
    },
    /// Stops the request of this number, which is then answered by [`Event::Cancelled`].
    Cancel {
        /// The request to stop.
        request: u32,
    },
}

/// Which device to compute on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackendChoice {
    /// The GPU when it is good enough, else the processor.
    #[default]
    Auto,
    /// The GPU or an error.
    WebGpu,
    /// The processor.
    Cpu,
}

/// Where a checkpoint is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum CheckpointRef {
    /// A folder on a server.
    Url {
        /// The folder, absolute; `config.json` lies below it.
        url: String,
    },
    /// Files from the visitor's disk, which are the message's attachments.
    Files {
        /// Path of each attachment, as `folder/model.safetensors`.
        paths: Vec<String>,
    },
}

/// One observation and how to sample from it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PredictRequest {
    /// The instruction.
    pub task: String,
    /// `[n_obs_steps][state_dim]` in robot units, oldest first.
    pub states: Vec<Vec<f32>>,
    /// `[n_obs_steps][n_cameras]`: which attachment is the picture.
    pub frames: Vec<Vec<usize>>,
    /// Name of the sampler: `ddpm`, `ddim`, `dpm++`, `euler`, `midpoint` or `rk4`.
    pub sampler: String,
    /// Denoising steps.
    pub steps: usize,
    /// Whether diffusion's steps begin at full noise.
    pub trailing: bool,
    /// Seed of the first chunk's noise; each further chunk's is one more.
    pub seed: u64,
    /// How many chunks.
    pub samples: u32,
}

/// What the engine answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event {
    /// The device was found.
    Started(DeviceReport),
    /// A load goes on.
    Progress(Progress),
    /// A checkpoint is ready.
    Loaded(Box<PolicyCard>),
    /// A picture as the model sees it; its pixels, RGBA, are the attachment (an `ArrayBuffer`).
    Preview {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// What was done to the picture, in words, when it had another size.
        note: Option<String>,
    },
    /// What a prediction is busy with before its first step, in words.
    Stage(String),
    /// One evaluation of the denoiser is over.
    Step(StepReport),
    /// One chunk is sampled.
    Sampled {
        /// Which, from 0.
        sample: u32,
        /// `[horizon][action_dim]` in robot units.
        actions: Vec<Vec<f32>>,
    },
    /// All chunks are sampled.
    Predicted(Prediction),
    /// How things stand on the tabletop.
    Tabletop(tabletop::Report),
    /// All cached checkpoints.
    Cached(Vec<CachedCheckpoint>),
    /// Something the visitor should know; nothing stops.
    Notice(String),
    /// The request was stopped as asked.
    Cancelled,
    /// The request failed.
    Failed(Failure),
    /// The engine is of no use any more and has to be restarted; unasked (request 0).
    Lost(String),
}

/// Why a request failed, for the visitor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// A sentence that names what is at fault and what to do.
    pub message: String,
    /// Whether only a restart of the engine helps.
    pub restart: bool,
}

/// The device that was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeviceReport {
    /// `WebGPU` or `CPU (WebAssembly)`.
    pub backend: String,
    /// The adapter in its own words.
    pub adapter: String,
    /// Why it is not the GPU, when it is not.
    pub notice: Option<String>,
    /// Largest buffer and other limits, by name, for a support question.
    pub details: Vec<(String, String)>,
}

/// How far a load has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// What is being done, in words.
    pub stage: String,
    /// Bytes so far, of the whole load.
    pub bytes: u64,
    /// Bytes in all; 0 when that is not known yet.
    pub total: u64,
    /// Size of the engine's memory in bytes, its peak, since it never shrinks.
    pub heap: u64,
}

/// A camera of the policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CameraCard {
    /// Its name.
    pub name: String,
    /// Width of its pictures in pixels.
    pub width: usize,
    /// Height of its pictures in pixels.
    pub height: usize,
}

/// One number of the state or the action.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dimension {
    /// Its name.
    pub name: String,
    /// Smallest value in the dataset, when the checkpoint tells.
    pub min: Option<f32>,
    /// Largest value in the dataset.
    pub max: Option<f32>,
    /// Mean in the dataset.
    pub mean: Option<f32>,
}

/// What a page needs to know of a loaded policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PolicyCard {
    /// A name for people.
    pub name: String,
    /// Where it came from: an address, or names of files.
    pub origin: String,
    /// Its cameras, in order.
    pub cameras: Vec<CameraCard>,
    /// Moments that it looks at.
    pub n_obs_steps: usize,
    /// Actions that it samples.
    pub horizon: usize,
    /// Position of the first action that is executed.
    pub first_executed: usize,
    /// Actions that are executed.
    pub n_action_steps: usize,
    /// The state's numbers.
    pub state: Vec<Dimension>,
    /// The action's numbers.
    pub action: Vec<Dimension>,
    /// `diffusion` or `flow matching`.
    pub objective: String,
    /// Samplers that fit, by name; the first is the checkpoint's.
    pub samplers: Vec<String>,
    /// The checkpoint's number of steps.
    pub steps: usize,
    /// Most steps that are possible.
    pub max_steps: usize,
    /// Instructions that the checkpoint was trained on, when it tells.
    pub tasks: Vec<String>,
    /// Number of parameters.
    pub parameters: u64,
    /// Bytes of weights as stored.
    pub bytes: u64,
    /// Whether the weights came from this browser's cache.
    pub from_cache: bool,
    /// A sample observation that the checkpoint's folder offers.
    pub sample: Option<SampleObservation>,
    /// Name of the world that it was made for and that the engine holds, if there is one: [`tabletop::WORLD`].
    pub world: Option<String>,
    /// Result of the test with a known answer.
    pub self_test: SelfTest,
    /// Milliseconds: loading, warm-up and self-test.
    pub timings: Vec<(String, f64)>,
    /// Size of the engine's memory in bytes: its peak.
    pub heap: u64,
}

/// What came of computing something whose answer is known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SelfTest {
    /// Whether the device computes what it should.
    pub passed: bool,
    /// What was compared and how near it came, in words.
    pub words: String,
    /// Largest difference, as a share of the largest expected number.
    pub error: f64,
    /// What is allowed.
    pub tolerance: f64,
}

/// An observation that is offered with a checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SampleObservation {
    /// The instruction.
    pub task: String,
    /// `[n_obs_steps][state_dim]` in robot units, oldest first.
    pub states: Vec<Vec<f32>>,
    /// `[n_obs_steps][n_cameras]`: addresses of pictures; relative ones begin at the checkpoint's folder.
    pub frames: Vec<Vec<String>>,
}

/// One evaluation of the denoiser.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepReport {
    /// Which chunk, from 0.
    pub sample: u32,
    /// Evaluations of this chunk so far.
    pub done: usize,
    /// Evaluations per chunk.
    pub total: usize,
    /// The actions at this point, `[horizon][action_dim]` in robot units.
    pub actions: Vec<Vec<f32>>,
    /// Milliseconds of this evaluation.
    pub milliseconds: f64,
}

/// All chunks of one request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// `[samples][horizon][action_dim]` in robot units.
    pub samples: Vec<Vec<Vec<f32>>>,
    /// Milliseconds of the first chunk.
    pub timings: Timings,
    /// Size of the engine's memory in bytes: its peak.
    pub heap: u64,
}

/// Milliseconds per stage of one chunk.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Timings {
    /// Decoding and normalising.
    pub preprocess: f64,
    /// The vision tower; 0 when all frames were known.
    pub vision: f64,
    /// The text tower; 0 when the instruction was known.
    pub text: f64,
    /// The conditioning's part of every modulation.
    pub conditioning: f64,
    /// Every evaluation of the denoiser.
    pub denoise: Vec<f64>,
    /// All of it.
    pub total: f64,
}

/// A checkpoint in this browser's cache.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CachedCheckpoint {
    /// Names it in [`Request::Forget`].
    pub key: String,
    /// Where it came from.
    pub url: String,
    /// Bytes on disk.
    pub bytes: u64,
    /// Whether it is whole; else the load goes on where it stopped.
    pub complete: bool,
}
