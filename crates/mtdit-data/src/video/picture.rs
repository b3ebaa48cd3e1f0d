//! PNG and JPEG files, as they lie in parquet cells: 8-bit RGB whatever they were, within bounds.

use std::io::Cursor;

use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder, ImageReader, Limits};

use super::{Frame, MAX_SIDE};
use crate::error::guarded;

/// Memory for one picture.
const MAX_BYTES: u64 = 256 << 20;

/// Decodes a PNG or JPEG file. Alpha is dropped, grey becomes red, green and blue, 16 bits become 8.
pub(crate) fn decode(bytes: &[u8]) -> Result<Frame, String> {
    guarded(|| decode_unguarded(bytes))?
}

fn decode_unguarded(bytes: &[u8]) -> Result<Frame, String> {
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_BYTES);
    let mut reader = ImageReader::new(Cursor::new(bytes))
        .with_guessed_format()
        .map_err(|error| format!("the picture cannot be read ({error})"))?;
    reader.limits(limits);
    let picture = reader.decode().map_err(|error| format!("the picture cannot be decoded ({error})"))?.into_rgb8();
    let side = |pixels: u32| usize::try_from(pixels).map_err(|error| error.to_string());
    Ok(Frame { height: side(picture.height())?, width: side(picture.width())?, rgb: picture.into_raw() })
}

/// Encodes a picture as a PNG file.
pub(crate) fn encode_png(frame: &Frame) -> Result<Vec<u8>, String> {
    let side = |pixels: usize| {
        u32::try_from(pixels)
            .ok()
            .filter(|side| (1..=MAX_SIDE).contains(side))
            .ok_or_else(|| format!("a side of {pixels} pixels is not between 1 and {MAX_SIDE}"))
    };
    let (width, height) = (side(frame.width)?, side(frame.height)?);
    if frame.rgb.len() != frame.width * frame.height * 3 {
        return Err(format!(
            "a picture of {}x{} pixels has {} bytes, not {}",
            frame.height,
            frame.width,
            frame.rgb.len(),
            frame.width * frame.height * 3
        ));
    }
    let mut png = Vec::new();
    PngEncoder::new(&mut png)
        .write_image(&frame.rgb, width, height, ExtendedColorType::Rgb8)
        .map_err(|error| format!("the picture cannot be encoded ({error})"))?;
    Ok(png)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn png_keeps_every_pixel() {
        let frame = Frame { height: 2, width: 3, rgb: (0..18).map(|value| value * 13).collect() };
        let png = encode_png(&frame).expect("a small picture");
        assert_eq!(decode(&png), Ok(frame), "lossless");
        assert!(decode(&png[..png.len() / 2]).is_err(), "half a file is refused");
        assert!(decode(b"no picture at all").is_err(), "neither PNG nor JPEG");
    }

    #[test]
    fn huge_pictures_are_refused_before_they_are_decoded() {
        let small = Frame { height: 1, width: 1, rgb: vec![0; 3] };
        let mut png = encode_png(&small).expect("one pixel");
        png[16..20].copy_from_slice(&100_000_u32.to_be_bytes()); // the width in IHDR
        assert!(decode(&png).is_err(), "100000 pixels wide");
        let wrong = Frame { width: 2, ..small };
        assert!(encode_png(&wrong).is_err(), "fewer bytes than pixels");
    }
}
