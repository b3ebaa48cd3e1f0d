//! x
#![recursion_limit = "256"]
pub mod error;
pub mod folder;
pub mod gradients;
pub mod optimizer;
pub use error::TrainError;
pub use folder::CheckpointFolder;
