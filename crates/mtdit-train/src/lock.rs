//! One training per output folder.

use std::fs::{File, TryLockError};
use std::path::Path;

use crate::error::TrainError;

/// Holds the folder until it is dropped; the system releases it when the process ends, however it ends.
#[derive(Debug)]
pub struct OutputLock {
    _file: File,
}

impl OutputLock {
    /// Takes the folder.
    ///
    /// # Errors
    /// [`TrainError::Locked`] when another training has it.
    pub fn take(folder: &Path) -> Result<Self, TrainError> {
        std::fs::create_dir_all(folder).map_err(TrainError::io("creating", folder))?;
        let path = folder.join(".lock");
        let file = File::create(&path).map_err(TrainError::io("creating", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(TrainError::Locked { path }),
            Err(TryLockError::Error(source)) => Err(TrainError::Io { action: "locking", path, source }),
        }
    }
}
