//! H.264 through openh264.
//!
//! The decoder gives no times, so pictures are counted from the key frame on: it puts them out in presentation order.
//! Two things are needed for `LeRobot`'s streams, which announce reordered pictures: no flush after a sample (it fails
//! after a few pictures), and a new decoder after a jump or a flush.

use openh264::OpenH264API;
use openh264::decoder::{DecodedYUV, Decoder as OpenH264, DecoderConfig, Flush};
use openh264::formats::YUVSource;

use super::color::{ColorSpace, Planes, rgb_from_yuv420};
use super::sps::{self, SequenceFacts};
use super::{Decoder, Frame, MAX_SIDE, Sink};
use crate::error::guarded;

const START_CODE: [u8; 4] = [0, 0, 0, 1];
const SEQUENCE_PARAMETERS: u8 = 7;
const KEY_SLICE: u8 = 5;

/// An H.264 decoder.
pub(super) struct H264Decoder {
    decoder: OpenH264,
    parameters: Parameters,
    color: ColorSpace,
    /// The picture that comes out next.
    next: usize,
    fresh: bool,
}

/// The content of an `avcC` box.
struct Parameters {
    /// Bytes of the length before every unit.
    length_bytes: usize,
    /// Sequence and picture parameter sets, with start codes.
    units: Vec<u8>,
    facts: Option<SequenceFacts>,
}

impl H264Decoder {
    /// A decoder for the streams that openh264 can decode: progressive, 8 bits, 4:2:0. Nothing for others.
    pub(super) fn new(config: &[u8], tags: Option<ColorSpace>) -> Result<Option<Self>, String> {
        let parameters = Parameters::parse(config).ok_or("its `avcC` box is damaged")?;
        let mut color = tags.unwrap_or_default();
        if let Some(facts) = parameters.facts {
            let small = facts.width <= u64::from(MAX_SIDE) && facts.height <= u64::from(MAX_SIDE);
            if !small {
                return Err(format!("it is {}x{} pixels", facts.width, facts.height));
            }
            if facts.chroma_format != 1 || facts.bit_depth != 8 || !facts.progressive {
                return Ok(None);
            }
            color.full_range = facts.full_range.unwrap_or(color.full_range);
            color.bt709 = facts.matrix.map_or(color.bt709, |matrix| matrix == 1);
        }
        Ok(Some(Self { decoder: open()?, parameters, color, next: 0, fresh: true }))
    }
}

impl Decoder for H264Decoder {
    fn counts_pictures(&self) -> bool {
        true
    }

    fn restart(&mut self, picture: usize) -> Result<(), String> {
        if !self.fresh {
            self.decoder = open()?;
            self.fresh = true;
        }
        self.next = picture;
        Ok(())
    }

    fn send(&mut self, data: Vec<u8>, _picture: usize, sink: &mut Sink) -> Result<(), String> {
        let stream = self.parameters.with_start_codes(&data, self.fresh)?;
        self.fresh = false;
        let (decoder, packet) = (&mut self.decoder, stream.as_slice());
        let decoded = guarded(move || decoder.decode(packet))?.map_err(|error| described(&error))?;
        if let Some(picture) = decoded {
            sink.accept(self.next, || frame(&picture, self.color))?;
            self.next += 1;
        }
        Ok(())
    }

    fn finish(&mut self, sink: &mut Sink) -> Result<(), String> {
        let decoder = &mut self.decoder;
        let rest = guarded(move || decoder.flush_remaining())?.map_err(|error| described(&error))?;
        for picture in &rest {
            sink.accept(self.next, || frame(picture, self.color))?;
            self.next += 1;
        }
        Ok(())
    }
}

impl Parameters {
    fn parse(config: &[u8]) -> Option<Self> {
        let length_bytes = usize::from(config.get(4)? & 3) + 1;
        let mut parsed = Self { length_bytes, units: Vec::new(), facts: None };
        let mut at = 5;
        for mask in [0x1f, 0xff] {
            let n_units = config.get(at)? & mask;
            at += 1;
            for _ in 0..n_units {
                let length = usize::from(u16::from_be_bytes([*config.get(at)?, *config.get(at + 1)?]));
                let unit = config.get(at + 2..at + 2 + length)?;
                at += 2 + length;
                parsed.units.extend_from_slice(&START_CODE);
                parsed.units.extend_from_slice(unit);
                if unit.first().is_some_and(|head| head & 0x1f == SEQUENCE_PARAMETERS) && parsed.facts.is_none() {
                    parsed.facts = sps::parse(unit);
                }
            }
        }
        Some(parsed)
    }

    /// Lengths before the units become start codes, and key frames get the parameter sets before them.
    fn with_start_codes(&self, data: &[u8], first: bool) -> Result<Vec<u8>, String> {
        let mut stream = Vec::with_capacity(data.len() + self.units.len() + 64);
        let mut has_parameters = false;
        if first {
            stream.extend_from_slice(&self.units);
            has_parameters = true;
        }
        let mut rest = data;
        while !rest.is_empty() {
            let (length, after) = rest.split_at_checked(self.length_bytes).ok_or("its sample ends inside a length")?;
            let length = length.iter().fold(0_usize, |length, byte| (length << 8) | usize::from(*byte));
            let (unit, after) =
                after.split_at_checked(length).ok_or("a unit of its sample is longer than the sample")?;
            let kind = unit.first().map_or(0, |head| head & 0x1f);
            if kind == KEY_SLICE && !has_parameters {
                stream.extend_from_slice(&self.units);
                has_parameters = true;
            }
            stream.extend_from_slice(&START_CODE);
            stream.extend_from_slice(unit);
            rest = after;
        }
        if i32::try_from(stream.len()).is_err() {
            return Err("its sample is too large".to_owned());
        }
        Ok(stream)
    }
}

fn open() -> Result<OpenH264, String> {
    let config = DecoderConfig::new().flush_after_decode(Flush::NoFlush);
    OpenH264::with_api_config(OpenH264API::from_source(), config).map_err(|error| described(&error))
}

fn frame(picture: &DecodedYUV<'_>, color: ColorSpace) -> Result<Frame, String> {
    let (width, height) = picture.dimensions();
    let (y_stride, uv_stride, _) = picture.strides();
    let planes = Planes { width, height, y: picture.y(), u: picture.u(), v: picture.v(), y_stride, uv_stride };
    rgb_from_yuv420(&planes, color)
}

fn described(error: &openh264::Error) -> String {
    format!("the H.264 decoder says: error {}", error.native_code())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_become_start_codes() {
        let parameters =
            Parameters::parse(&[1, 100, 0, 10, 0xff, 0xe1, 0, 2, 0x67, 0x64, 1, 0, 1, 0x68]).expect("avcC");
        assert_eq!(parameters.length_bytes, 4, "four bytes of length");
        assert_eq!(parameters.units, [0, 0, 0, 1, 0x67, 0x64, 0, 0, 0, 1, 0x68], "both parameter sets");
        let key = parameters.with_start_codes(&[0, 0, 0, 2, 0x65, 9], false).expect("one unit");
        assert_eq!(key[..11], parameters.units, "a key frame gets the parameter sets");
        assert_eq!(key[11..], [0, 0, 0, 1, 0x65, 9], "then comes the unit");
        let other = parameters.with_start_codes(&[0, 0, 0, 1, 0x41], false).expect("one unit");
        assert_eq!(other, [0, 0, 0, 1, 0x41], "others do not");
        assert!(parameters.with_start_codes(&[0, 0, 0, 9, 1], false).is_err(), "a length past the end");
        assert!(Parameters::parse(&[1, 100, 0]).is_none(), "a damaged box");
    }
}
