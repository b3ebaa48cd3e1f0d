//! One open video file: any picture by its number.
//!
//! A jump decodes from the key frame before the picture; reading on continues where it stopped. The last few pictures
//! are kept, because an observation window asks for neighbours.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Decoder, Frame, Sink, Track, decoder_for};
use crate::error::DataError;

/// Pictures that are kept, the newest included.
const KEPT: usize = 4;
/// No encoded picture is larger.
const MAX_SAMPLE_BYTES: u32 = 256 << 20;

/// A video file with its decoder.
pub(crate) struct VideoReader {
    path: PathBuf,
    file: File,
    track: Arc<Track>,
    decoder: Box<dyn Decoder>,
    /// What the decoder is in the middle of; nothing when it has to restart.
    run: Option<Run>,
    recent: VecDeque<(usize, Frame)>,
}

/// Consecutive samples that were sent to the decoder.
#[derive(Clone, Copy)]
struct Run {
    /// The picture of its key frame.
    first: usize,
    /// The sample that is sent next.
    next: usize,
    /// The last picture that came out.
    newest: Option<usize>,
}

impl VideoReader {
    /// Opens a file whose table of contents is known.
    pub(crate) fn open(path: &Path, track: Arc<Track>) -> Result<Self, DataError> {
        Ok(Self {
            decoder: decoder_for(&track, path)?,
            file: File::open(path).map_err(DataError::io("open", path))?,
            path: path.to_path_buf(),
            track,
            run: None,
            recent: VecDeque::new(),
        })
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether a picture is at hand or next in line, so that no jump is needed.
    pub(crate) fn is_near(&self, picture: usize) -> bool {
        let at_hand = self.recent.iter().any(|(number, _)| *number == picture);
        at_hand || self.track.sample_of(picture).is_some_and(|sample| self.continues(sample, picture))
    }

    /// A picture, by its number in presentation order.
    pub(crate) fn frame(&mut self, picture: usize) -> Result<Frame, DataError> {
        if let Some((_, frame)) = self.recent.iter().find(|(number, _)| *number == picture) {
            return Ok(frame.clone());
        }
        self.decode(picture).map_err(|problem| {
            self.run = None;
            DataError::VideoPicture { picture, problem, path: self.path.clone() }
        })
    }

    fn decode(&mut self, picture: usize) -> Result<Frame, String> {
        let sample = self.track.sample_of(picture).ok_or("the video is shorter")?;
        let run = match self.run {
            Some(run) if self.continues(sample, picture) => run,
            _ => self.restart(sample)?,
        };
        let mut sink = Sink { from: picture.saturating_sub(KEPT - 1), newest: run.newest, frames: Vec::new() };
        self.run = self.decode_until(picture, run, &mut sink)?;
        let found = sink.frames.iter().find(|(number, _)| *number == picture);
        let frame = found.map(|(_, frame)| frame.clone()).ok_or("the decoder left it out")?;
        self.recent.extend(sink.frames);
        let surplus = self.recent.len().saturating_sub(KEPT);
        self.recent.drain(..surplus);
        Ok(frame)
    }

    /// Sends samples until a picture has come out, or the file ends.
    fn decode_until(&mut self, picture: usize, mut run: Run, sink: &mut Sink) -> Result<Option<Run>, String> {
        while !sink.has(picture) && sink.newest < Some(picture) {
            let Some(number) = self.track.picture_of(run.next) else {
                self.decoder.finish(sink)?;
                return Ok(None);
            };
            let data = self.read_sample(run.next)?;
            self.decoder.send(data, number, sink)?;
            run.next += 1;
        }
        run.newest = sink.newest;
        Ok(Some(run))
    }

    fn restart(&mut self, sample: usize) -> Result<Run, String> {
        self.run = None;
        let entry = self.track.entry_point(sample, self.decoder.counts_pictures());
        let first = self.track.picture_of(entry).unwrap_or(0);
        self.decoder.restart(first)?;
        Ok(Run { first, next: entry, newest: None })
    }

    /// Whether the decoder reaches a picture by reading on, without a key frame that would save work.
    fn continues(&self, sample: usize, picture: usize) -> bool {
        self.run.is_some_and(|run| {
            picture >= run.first
                && run.newest < Some(picture)
                && self.track.entry_point(sample, self.decoder.counts_pictures()) <= run.next
        })
    }

    fn read_sample(&mut self, sample: usize) -> Result<Vec<u8>, String> {
        let sample = self.track.sample(sample).ok_or("the video is shorter")?;
        if sample.size > MAX_SAMPLE_BYTES {
            return Err(format!("its sample has {} bytes", sample.size));
        }
        let mut data = vec![0; super::track::index_of(sample.size)];
        self.file
            .seek(SeekFrom::Start(sample.offset))
            .and_then(|_| self.file.read_exact(&mut data))
            .map_err(|error| format!("its sample cannot be read ({error})"))?;
        Ok(data)
    }
}
