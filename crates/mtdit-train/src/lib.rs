//! x
#![recursion_limit = "256"]
pub mod error;
pub mod folder;
pub use error::TrainError;
pub use folder::CheckpointFolder;
