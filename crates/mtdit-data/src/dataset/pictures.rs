//! Frames of a dataset: from the number of a frame to the file and the picture, and the picture decoded.

use std::path::PathBuf;

use super::{Dataset, unknown};
use crate::episodes::Episode;
use crate::error::DataError;
use crate::info::{Dtype, Feature};
use crate::video::{Frame, VideoReader, decode_picture};

/// A picture of a video file.
#[derive(Debug, Clone)]
pub(crate) struct VideoPlace {
    pub(crate) path: PathBuf,
    /// Its number in presentation order.
    pub(crate) picture: usize,
    /// Seconds between the time of the frame and the time of the picture.
    pub(crate) distance: f64,
}

impl Dataset {
    /// The declaration of a camera whose frames can be used.
    pub(crate) fn camera(&self, camera: &str) -> Result<&Feature, DataError> {
        let feature = self.feature(camera).filter(|feature| feature.is_camera());
        let feature = feature.ok_or_else(|| unknown("camera", camera, self.cameras()))?;
        if feature.is_depth() {
            return Err(DataError::DepthCamera { camera: camera.to_owned() });
        }
        Ok(feature)
    }

    /// The files that hold the frames of a camera.
    pub(crate) fn camera_files(&self, camera: &str) -> Result<Vec<PathBuf>, DataError> {
        if self.camera(camera)?.dtype != Dtype::Video {
            return Ok(self.table.files().to_vec());
        }
        let mut files = Vec::new();
        for episode in &self.episodes {
            let file = self.video_file(camera, episode)?;
            if files.last() != Some(&file) {
                files.push(file);
            }
        }
        files.sort();
        files.dedup();
        Ok(files)
    }

    /// Decodes frames one after the other, fastest in order.
    pub(crate) fn visit_frames(
        &self,
        camera: &str,
        frames: impl IntoIterator<Item = usize>,
        mut visit: impl FnMut(usize, Frame) -> Result<(), DataError>,
    ) -> Result<(), DataError> {
        let feature = self.camera(camera)?;
        let mut open: Option<VideoReader> = None;
        for index in frames {
            let (frame, path) = if feature.dtype == Dtype::Video {
                self.video_frame(camera, index, &mut open)?
            } else {
                self.stored_picture(camera, index)?
            };
            check_size(feature, index, &frame, path)?;
            visit(index, frame)?;
        }
        if let Some(reader) = open {
            self.videos.give_back(reader);
        }
        Ok(())
    }

    /// Where a frame is in the video files: the picture nearest to its time, at most half a frame away.
    pub(crate) fn video_place(&self, camera: &str, index: usize) -> Result<VideoPlace, DataError> {
        let episode = self.episode_of(index)?;
        let path = self.video_file(camera, episode)?;
        let from = episode.video(camera).map_or(0.0, |span| span.from_timestamp);
        let wanted = from + self.table.timestamp(index);
        let track = self.videos.track(&path)?;
        let nearest = track.nearest(wanted);
        let half_a_frame = 0.5 / f64::from(self.info.fps);
        match nearest {
            Some((picture, distance)) if distance <= half_a_frame => Ok(VideoPlace { path, picture, distance }),
            _ => Err(DataError::VideoTime {
                index,
                wanted,
                nearest: nearest.map_or(f64::NAN, |(picture, _)| track.seconds(picture)),
                path,
            }),
        }
    }

    fn video_frame(
        &self,
        camera: &str,
        index: usize,
        open: &mut Option<VideoReader>,
    ) -> Result<(Frame, PathBuf), DataError> {
        let place = self.video_place(camera, index)?;
        let reader = match open.take() {
            Some(reader) if reader.path() == place.path => reader,
            other => {
                if let Some(reader) = other {
                    self.videos.give_back(reader);
                }
                self.videos.take(&place.path, place.picture)?
            }
        };
        let frame = open.insert(reader).frame(place.picture)?;
        Ok((frame, place.path))
    }

    fn stored_picture(&self, camera: &str, index: usize) -> Result<(Frame, PathBuf), DataError> {
        let (path, place) =
            self.table.place(index).ok_or(DataError::FrameOutOfRange { index, n_frames: self.n_frames() })?;
        let frame = self.pictures.read(camera, path, place)?.and_then(|bytes| decode_picture(&bytes));
        let frame = frame.map_err(|problem| DataError::Picture {
            index,
            camera: camera.to_owned(),
            problem,
            path: path.to_path_buf(),
        })?;
        Ok((frame, path.to_path_buf()))
    }

    /// The video file of a camera in an episode.
    pub(crate) fn video_file(&self, camera: &str, episode: &Episode) -> Result<PathBuf, DataError> {
        let wrong = |problem: String| DataError::Episode {
            episode: i64::try_from(episode.index).unwrap_or(i64::MAX),
            problem,
            path: self.root.clone(),
        };
        let span = episode.video(camera);
        let span = span.ok_or_else(|| wrong(format!("it has no video of camera `{camera}`")))?;
        let name = self.info.video_file(camera, span.chunk, span.file).map_err(wrong)?;
        Ok(self.root.join(name))
    }
}

/// Pictures have the size that `info.json` declares.
fn check_size(feature: &Feature, index: usize, frame: &Frame, path: PathBuf) -> Result<(), DataError> {
    match feature.picture_size() {
        Some((height, width)) if (height, width) != (frame.height, frame.width) => Err(DataError::PictureSize {
            index,
            camera: feature.key.clone(),
            found: format!("{}x{}", frame.height, frame.width),
            declared: format!("{height}x{width}"),
            path,
        }),
        _ => Ok(()),
    }
}
