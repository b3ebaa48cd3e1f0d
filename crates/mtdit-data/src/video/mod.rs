//! Pictures out of mp4, PNG and JPEG files.
//!
//! ```text
//! mp4 ─boxes─▶ container ─▶ track (when is each picture shown, from where is it decoded)
//!                             │
//!        pool ─▶ reader ──────┴──▶ av1 │ h264 │ ffmpeg ─planes─▶ color ─▶ Frame
//!                                             PNG, JPEG ─▶ picture ────▶ Frame
//! ```

mod av1;
mod boxes;
mod color;
mod container;
#[cfg(feature = "ffmpeg")]
mod ffmpeg;
mod h264;
mod picture;
mod pool;
mod reader;
mod sps;
mod track;

use std::path::Path;

pub(crate) use self::picture::{decode as decode_picture, encode_png};
pub(crate) use self::pool::VideoPool;
pub(crate) use self::reader::VideoReader;
pub(crate) use self::track::Track;
use crate::error::DataError;

/// Pictures are at most this high and wide.
pub(crate) const MAX_SIDE: u32 = 8192;

/// One picture, red, green and blue, 8 bits each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Rows.
    pub height: usize,
    /// Pixels in a row.
    pub width: usize,
    /// `[height, width, 3]`, row after row.
    pub rgb: Vec<u8>,
}

/// Turns encoded samples into pictures. Pictures are numbered in presentation order.
trait Decoder: Send {
    /// Whether pictures are counted from the key frame, so that nothing before it may be shown after it.
    fn counts_pictures(&self) -> bool;

    /// Forgets everything. The next sample is a key frame that holds this picture.
    fn restart(&mut self, picture: usize) -> Result<(), String>;

    /// Decodes one sample that holds this picture; pictures that are ready go to the sink.
    fn send(&mut self, data: Vec<u8>, picture: usize, sink: &mut Sink) -> Result<(), String>;

    /// Gives out what is left. Only a restart may follow.
    fn finish(&mut self, sink: &mut Sink) -> Result<(), String>;
}

/// Collects the pictures that are worth converting to RGB.
struct Sink {
    /// Earlier pictures are only decoded, not converted.
    from: usize,
    /// The last picture that came out, converted or not.
    newest: Option<usize>,
    frames: Vec<(usize, Frame)>,
}

impl Sink {
    fn accept(&mut self, picture: usize, convert: impl FnOnce() -> Result<Frame, String>) -> Result<(), String> {
        self.newest = self.newest.max(Some(picture));
        if picture >= self.from {
            self.frames.push((picture, convert()?));
        }
        Ok(())
    }

    fn has(&self, picture: usize) -> bool {
        self.frames.iter().any(|(number, _)| *number == picture)
    }
}

/// The decoder for a track, or a sentence that says which build has one.
fn decoder_for(track: &Track, path: &Path) -> Result<Box<dyn Decoder>, DataError> {
    let failed = |problem: String| DataError::VideoPicture { picture: 0, problem, path: path.to_path_buf() };
    let unsupported = match track.codec.as_str() {
        "av01" if av1::is_supported(&track.config) => {
            return Ok(Box::new(av1::Av1Decoder::new().map_err(failed)?));
        }
        "avc1" | "avc3" => match h264::H264Decoder::new(&track.config, track.color).map_err(failed)? {
            Some(decoder) => return Ok(Box::new(decoder)),
            None => "H.264 other than progressive 8-bit 4:2:0".to_owned(),
        },
        "av01" => "AV1 other than 8-bit 4:2:0".to_owned(),
        "hev1" | "hvc1" => "HEVC".to_owned(),
        "mp4v" => "MPEG-4 part 2".to_owned(),
        "vp08" => "VP8".to_owned(),
        "vp09" => "VP9".to_owned(),
        _ => "of an unknown codec".to_owned(),
    };
    #[cfg(feature = "ffmpeg")]
    {
        let _described = unsupported;
        Ok(Box::new(ffmpeg::FfmpegDecoder::new(path).map_err(failed)?))
    }
    #[cfg(not(feature = "ffmpeg"))]
    {
        Err(DataError::UnsupportedVideo { codec: format!("{unsupported} ({})", track.codec), path: path.to_path_buf() })
    }
}
