//! The open video files of a dataset: tables of contents once per file, decoders as many as threads need.
//!
//! A thread takes a reader out, uses it without a lock and gives it back. Only a bounded number stay open, so a dataset
//! of thousands of files needs neither their memory nor their file handles.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::{Track, VideoReader, container};
use crate::error::DataError;

/// Decoders that stay open while nobody uses them.
const MAX_IDLE: usize = 16;

/// Tables of contents and idle readers; shared by all threads.
#[derive(Default)]
pub(crate) struct VideoPool {
    tracks: Mutex<HashMap<PathBuf, Arc<Track>>>,
    idle: Mutex<Vec<VideoReader>>,
}

impl VideoPool {
    /// The table of contents of a file.
    pub(crate) fn track(&self, path: &Path) -> Result<Arc<Track>, DataError> {
        let known = self.tracks.lock().unwrap_or_else(PoisonError::into_inner).get(path).cloned();
        if let Some(track) = known {
            return Ok(track);
        }
        let track = Arc::new(container::open(path)?);
        let mut tracks = self.tracks.lock().unwrap_or_else(PoisonError::into_inner);
        tracks.insert(path.to_path_buf(), Arc::clone(&track));
        Ok(track)
    }

    /// A reader for a file, the one nearest to a picture if there is a choice.
    pub(crate) fn take(&self, path: &Path, picture: usize) -> Result<VideoReader, DataError> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let near = idle.iter().position(|reader| reader.path() == path && reader.is_near(picture));
        let any = near.or_else(|| idle.iter().position(|reader| reader.path() == path));
        if let Some(index) = any {
            return Ok(idle.remove(index));
        }
        drop(idle);
        VideoReader::open(path, self.track(path)?)
    }

    /// Keeps a reader for later; the one that was idle longest is closed when there are too many.
    pub(crate) fn give_back(&self, reader: VideoReader) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push(reader);
        if idle.len() > MAX_IDLE {
            idle.remove(0);
        }
    }
}

impl fmt::Debug for VideoPool {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("VideoPool").finish_non_exhaustive()
    }
}
