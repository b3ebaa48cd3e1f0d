//! Every other codec, through the system libraries of `FFmpeg`.
//!
//! Samples come from our own table of contents, so times and jumps are the same for all decoders; `FFmpeg` opens the file
//! once for the parameters of the codec. 8-bit 4:2:0 pictures take the same integer conversion as everywhere, other
//! formats go through FFmpeg's scaler.

use std::path::Path;

use ffmpeg_next::codec::context::Context;
use ffmpeg_next::format::Pixel;
use ffmpeg_next::software::scaling;
use ffmpeg_next::util::log;
use ffmpeg_next::{Error, Packet, color, decoder, frame, media, threading};

use super::color::{ColorSpace, Planes, rgb_from_yuv420};
use super::track::index_of;
use super::{Decoder, Frame, MAX_SIDE, Sink};
use crate::error::guarded;

/// A decoder of the system's `FFmpeg`.
pub(super) struct FfmpegDecoder {
    decoder: decoder::Video,
}

impl FfmpegDecoder {
    pub(super) fn new(path: &Path) -> Result<Self, String> {
        guarded(|| open(path))?.map(|decoder| Self { decoder }).map_err(described)
    }

    fn collect(&mut self, sink: &mut Sink) -> Result<(), String> {
        loop {
            let mut picture = frame::Video::empty();
            match guarded(|| self.decoder.receive_frame(&mut picture))? {
                Ok(()) => {
                    let number = picture
                        .pts()
                        .and_then(|number| usize::try_from(number).ok())
                        .ok_or("a picture came out that was not put in")?;
                    sink.accept(number, || guarded(|| converted(&picture))?)?;
                }
                Err(Error::Eof) => return Ok(()),
                Err(error) if is_again(error) => return Ok(()),
                Err(error) => return Err(described(error)),
            }
        }
    }
}

impl Decoder for FfmpegDecoder {
    fn counts_pictures(&self) -> bool {
        false
    }

    fn restart(&mut self, _picture: usize) -> Result<(), String> {
        guarded(|| self.decoder.flush())
    }

    fn send(&mut self, data: Vec<u8>, picture: usize, sink: &mut Sink) -> Result<(), String> {
        let number = i64::try_from(picture).ok();
        let sent = guarded(|| {
            let mut packet = Packet::copy(&data);
            packet.set_pts(number);
            self.decoder.send_packet(&packet)
        })?;
        sent.map_err(described)?;
        self.collect(sink)
    }

    fn finish(&mut self, sink: &mut Sink) -> Result<(), String> {
        guarded(|| self.decoder.send_eof())?.map_err(described)?;
        self.collect(sink)
    }
}

fn open(path: &Path) -> Result<decoder::Video, Error> {
    ffmpeg_next::init()?;
    log::set_level(log::Level::Fatal);
    let input = ffmpeg_next::format::input(path)?;
    let stream = input.streams().best(media::Type::Video).ok_or(Error::StreamNotFound)?;
    let mut context = Context::from_parameters(stream.parameters())?;
    context.set_threading(threading::Config::count(1));
    context.decoder().video()
}

fn is_again(error: Error) -> bool {
    error == Error::Other { errno: ffmpeg_next::error::EAGAIN }
}

fn converted(picture: &frame::Video) -> Result<Frame, String> {
    let (width, height) = (picture.width(), picture.height());
    if width > MAX_SIDE || height > MAX_SIDE {
        return Err(format!("it is {width}x{height} pixels"));
    }
    let format = picture.format();
    if !matches!(format, Pixel::YUV420P | Pixel::YUVJ420P) {
        return scaled(picture);
    }
    let planes = Planes {
        width: index_of(width),
        height: index_of(height),
        y: picture.data(0),
        u: picture.data(1),
        v: picture.data(2),
        y_stride: picture.stride(0),
        uv_stride: picture.stride(1),
    };
    let tags = ColorSpace {
        bt709: picture.color_space() == color::Space::BT709,
        full_range: format == Pixel::YUVJ420P || picture.color_range() == color::Range::JPEG,
    };
    rgb_from_yuv420(&planes, tags)
}

/// Other pixel formats: FFmpeg's own conversion.
fn scaled(picture: &frame::Video) -> Result<Frame, String> {
    let (width, height) = (picture.width(), picture.height());
    let mut scaler =
        scaling::Context::get(picture.format(), width, height, Pixel::RGB24, width, height, scaling::Flags::BILINEAR)
            .map_err(described)?;
    let mut output = frame::Video::empty();
    scaler.run(picture, &mut output).map_err(described)?;
    let (width, height) = (index_of(width), index_of(height));
    let stride = output.stride(0);
    let data = output.data(0);
    let mut rgb = Vec::with_capacity(width * height * 3);
    for row in 0..height {
        let pixels = data.get(row * stride..row * stride + width * 3).ok_or("a converted picture is incomplete")?;
        rgb.extend_from_slice(pixels);
    }
    Ok(Frame { height, width, rgb })
}

fn described(error: Error) -> String {
    format!("FFmpeg says: {error}")
}
