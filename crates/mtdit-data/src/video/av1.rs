//! AV1, the codec of `LeRobot`'s recorder, through rav1d.
//!
//! The decoder carries a number from each sample to its picture, so jumps need no counting. One thread and no frame
//! delay: a picture comes out as soon as its sample is in, and parallelism is one decoder per loader thread.

use re_rav1d::dav1d::pixel::{MatrixCoefficients, YUVRange};
use re_rav1d::dav1d::{Decoder as Rav1d, Error, Picture, PixelLayout, PlanarImageComponent, Settings};

use super::color::{ColorSpace, Planes, rgb_from_yuv420};
use super::track::index_of;
use super::{Decoder, Frame, MAX_SIDE, Sink};
use crate::error::guarded;

/// Attempts to hand over one sample before the decoder counts as stuck.
const MAX_ATTEMPTS: usize = 64;

/// An AV1 decoder.
pub(super) struct Av1Decoder {
    decoder: Rav1d,
}

/// Whether an `av1C` box describes 8-bit 4:2:0. Without a box the pictures decide.
pub(super) fn is_supported(config: &[u8]) -> bool {
    const HIGH_BITDEPTH: u8 = 0x40;
    const MONOCHROME: u8 = 0x10;
    const SUBSAMPLING: u8 = 0x0c;
    config.get(2).is_none_or(|flags| flags & (HIGH_BITDEPTH | MONOCHROME | SUBSAMPLING) == SUBSAMPLING)
}

impl Av1Decoder {
    pub(super) fn new() -> Result<Self, String> {
        let mut settings = Settings::new();
        settings.set_n_threads(1);
        settings.set_max_frame_delay(1);
        settings.set_frame_size_limit(MAX_SIDE * MAX_SIDE);
        let decoder = guarded(|| Rav1d::with_settings(&settings))?.map_err(described)?;
        Ok(Self { decoder })
    }

    /// Takes all pictures that are ready.
    fn collect(&mut self, sink: &mut Sink) -> Result<(), String> {
        loop {
            match guarded(|| self.decoder.get_picture())? {
                Ok(picture) => {
                    let number = picture
                        .timestamp()
                        .and_then(|number| usize::try_from(number).ok())
                        .ok_or("a picture came out that was not put in")?;
                    sink.accept(number, || guarded(|| frame(&picture))?)?;
                }
                Err(Error::Again) => return Ok(()),
                Err(error) => return Err(described(error)),
            }
        }
    }
}

impl Decoder for Av1Decoder {
    fn counts_pictures(&self) -> bool {
        false
    }

    fn restart(&mut self, _picture: usize) -> Result<(), String> {
        guarded(|| self.decoder.flush())
    }

    fn send(&mut self, data: Vec<u8>, picture: usize, sink: &mut Sink) -> Result<(), String> {
        if data.is_empty() {
            return Err("its sample is empty".to_owned());
        }
        let number = i64::try_from(picture).ok();
        let mut sent = guarded(|| self.decoder.send_data(data, None, number, None))?;
        for _ in 0..MAX_ATTEMPTS {
            self.collect(sink)?;
            match sent {
                Ok(()) => return Ok(()),
                Err(Error::Again) => sent = guarded(|| self.decoder.send_pending_data())?,
                Err(error) => return Err(described(error)),
            }
        }
        Err("the decoder does not take its sample".to_owned())
    }

    fn finish(&mut self, sink: &mut Sink) -> Result<(), String> {
        self.collect(sink)
    }
}

/// The picture as RGB, by the tags of the stream.
fn frame(picture: &Picture) -> Result<Frame, String> {
    if picture.bit_depth() != 8 || picture.pixel_layout() != PixelLayout::I420 {
        return Err("it is not 8-bit 4:2:0; build mtdit with --features ffmpeg".to_owned());
    }
    let y = picture.plane(PlanarImageComponent::Y);
    let u = picture.plane(PlanarImageComponent::U);
    let v = picture.plane(PlanarImageComponent::V);
    let planes = Planes {
        width: index_of(picture.width()),
        height: index_of(picture.height()),
        y: &y,
        u: &u,
        v: &v,
        y_stride: index_of(picture.stride(PlanarImageComponent::Y)),
        uv_stride: index_of(picture.stride(PlanarImageComponent::U)),
    };
    let color = ColorSpace {
        bt709: matches!(picture.matrix_coefficients(), MatrixCoefficients::BT709),
        full_range: matches!(picture.color_range(), YUVRange::Full),
    };
    rgb_from_yuv420(&planes, color)
}

fn described(error: Error) -> String {
    match error {
        Error::UnsupportedBitstream => {
            "this build decodes 8-bit AV1 only; build mtdit with --features ffmpeg".to_owned()
        }
        other => format!("the AV1 decoder says: {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configurations_tell_what_is_supported() {
        assert!(is_supported(&[0x81, 0x00, 0x0c, 0x00]), "8-bit 4:2:0");
        assert!(!is_supported(&[0x81, 0x00, 0x4c, 0x00]), "10 bits");
        assert!(!is_supported(&[0x81, 0x20, 0x00, 0x00]), "4:4:4");
        assert!(!is_supported(&[0x81, 0x00, 0x1c, 0x00]), "grey");
        assert!(is_supported(&[]), "unknown until a picture comes");
    }
}
