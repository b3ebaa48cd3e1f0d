//! Loading: from an address or from files to the parts of a policy, and its weights tensor by tensor.
//!
//! ```text
//!   CheckpointRef ─▶ small files ─▶ CheckpointParts
//!                └─▶ origin ─▶ reader ─▶ Weights       bytes pass through once: copied, hashed, cached, counted
//! ```
//!
//! Neither the engine's memory nor the page ever holds the whole file. The arithmetic of it is in [`crate::origin`].

mod js;
mod error;
mod hash;
mod fetch;
mod cache;
mod origin;
mod reader;
mod weights;
mod server;
mod disk;

use mtdit_policy::checkpoint::CheckpointParts;
use wasm_bindgen::JsValue;
use web_sys::AbortSignal;

pub use self::error::LoadError;
pub use self::weights::Weights;

use crate::manifest::Manifest;
use crate::protocol::{CachedCheckpoint, CheckpointRef, SampleObservation};

/// Who hears of a load, and may stop it.
pub trait Report {
    /// What is being done, and how many of the weights' bytes have been read; a `total` of 0 is not known yet.
    fn progress(&self, stage: &str, bytes: u64, total: u64);

    /// Something that the visitor should know; nothing stops.
    fn notice(&self, sentence: String);

    /// Whether the load is to be stopped.
    fn cancelled(&self) -> bool;

    /// What aborts a request at once when the load is to be stopped.
    fn abort_signal(&self) -> Option<AbortSignal>;
}

/// A checkpoint whose weights are yet to be read.
#[expect(missing_debug_implementations, reason = "it holds a connection")]
pub struct Opened<'a> {
    /// Everything but the weights.
    pub parts: CheckpointParts,
    /// The weights. [`Weights::settle`] is to be called with what came of building the policy.
    pub weights: Weights<'a>,
    /// The folder's list of files, when it has one.
    pub manifest: Option<Manifest>,
    /// A name for people.
    pub name: String,
    /// Its address, or the folder that was chosen.
    pub origin: String,
    /// Whether all weights come from this browser's cache.
    pub from_cache: bool,
    /// A sample observation, with whole addresses of its pictures.
    pub sample: Option<SampleObservation>,
    /// Names of the state's dimensions; empty when the checkpoint does not remember them.
    pub state_names: Vec<String>,
    /// Names of the action's dimensions; likewise.
    pub action_names: Vec<String>,
    /// Instructions that it was trained on; likewise.
    pub tasks: Vec<String>,
}

/// Opens a checkpoint: reads all small files and the header of the weights.
///
/// # Errors
/// [`LoadError`] names the file or address at fault, and says what to do.
pub async fn open<'a>(
    reference: &CheckpointRef,
    attachments: &[JsValue],
    report: &'a dyn Report,
) -> Result<Opened<'a>, LoadError> {
    match reference {
        CheckpointRef::Url { url } => server::open(url, report).await,
        CheckpointRef::Files { paths } => disk::open(paths, attachments, report).await,
    }
}

/// All checkpoints in this browser's cache, whole or not.
pub async fn cached() -> Vec<CachedCheckpoint> {
    cache::list().await
}

/// Deletes a checkpoint from this browser's cache.
///
/// # Errors
/// [`LoadError::Cache`] in the browser's words.
pub async fn forget(key: &str) -> Result<(), LoadError> {
    cache::remove(key).await.map_err(LoadError::Cache)
}
