//! Episodes to look at, as animated PNG: every browser plays them, and nothing is lost.

use anyhow::{Context, Result, ensure};
use mtdit_tabletop::{CONTROL_HZ, Family, Frame};
use png::{BitDepth, ColorType, Encoder};

use super::score::Outcome;

/// Side of a video, in pixels.
const SIDE: usize = 256;
/// Seconds that the end stands still.
const REST_SECS: u16 = 2;

/// An episode to look at.
pub(super) struct Video {
    /// Number of the episode in the rollout.
    pub(super) episode: usize,
    /// An animated PNG.
    pub(super) png: Vec<u8>,
}

/// Videos of the first failure of every family, then of the first success, as many as are wanted.
pub(super) fn videos(outcomes: &[Outcome], most: usize) -> Result<Vec<Video>> {
    let frames_per_s = u16::try_from(CONTROL_HZ).unwrap_or(u16::MAX);
    let video = |episode: usize| -> Result<Video> {
        let outcome = &outcomes[episode];
        let png = animated(&outcome.scene.replay(&outcome.actions, SIDE), frames_per_s)?;
        Ok(Video { episode, png })
    };
    interesting(outcomes).into_iter().take(most).map(video).collect()
}

/// Episodes worth a look, the most telling first.
fn interesting(outcomes: &[Outcome]) -> Vec<usize> {
    let mut found = Vec::new();
    for succeeded in [false, true] {
        let is_kind = |outcome: &Outcome, family| outcome.family() == family && outcome.succeeded == succeeded;
        let first = |family: Family| outcomes.iter().position(|outcome| is_kind(outcome, family));
        found.extend(Family::ALL.into_iter().filter_map(first));
    }
    found
}

/// Frames of one size as an animated PNG that starts over and over. Of every frame only the part that changed is stored.
fn animated(frames: &[Frame], frames_per_s: u16) -> Result<Vec<u8>> {
    let first = frames.first().context("a video has at least one frame")?;
    ensure!(
        frames.iter().all(|frame| (frame.width, frame.height) == (first.width, first.height)),
        "the frames of a video have one size"
    );
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, narrow(first.width)?, narrow(first.height)?);
    encoder.set_color(ColorType::Rgb);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_animated(narrow(frames.len())?, 0)?;
    encoder.set_frame_delay(1, frames_per_s)?;
    encoder.validate_sequence(true);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&first.rgb)?;
    for (number, pair) in (2..).zip(frames.windows(2)) {
        let part = Part::changed(&pair[0], &pair[1]);
        writer.reset_frame_position()?;
        writer.set_frame_dimension(narrow(part.width)?, narrow(part.height)?)?;
        writer.set_frame_position(narrow(part.left)?, narrow(part.top)?)?;
        if number == frames.len() {
            writer.set_frame_delay(REST_SECS, 1)?;
        }
        writer.write_image_data(&part.cut(&pair[1]))?;
    }
    writer.finish()?;
    Ok(bytes)
}

/// A rectangle of a frame, in pixels.
#[derive(Debug, PartialEq, Eq)]
struct Part {
    left: usize,
    top: usize,
    width: usize,
    height: usize,
}

impl Part {
    /// The smallest one with every pixel in which two frames of one size differ; a single pixel when they are the same.
    fn changed(before: &Frame, after: &Frame) -> Self {
        let pixels = before.rgb.chunks_exact(3).zip(after.rgb.chunks_exact(3));
        let differing = pixels.enumerate().filter(|(_, (before, after))| before != after);
        let places = differing.map(|(index, _)| [index % after.width, index / after.width]);
        let bounds = places.fold(None, |bounds: Option<[[usize; 2]; 2]>, place| {
            let [low, high] = bounds.unwrap_or([place; 2]);
            Some([[0, 1].map(|axis| low[axis].min(place[axis])), [0, 1].map(|axis| high[axis].max(place[axis]))])
        });
        let [low, high] = bounds.unwrap_or_default();
        Self { left: low[0], top: low[1], width: high[0] - low[0] + 1, height: high[1] - low[1] + 1 }
    }

    /// Its pixels, row after row.
    fn cut(&self, frame: &Frame) -> Vec<u8> {
        let rows = frame.rgb.chunks_exact(frame.width * 3).skip(self.top).take(self.height);
        rows.flat_map(|row| &row[self.left * 3..(self.left + self.width) * 3]).copied().collect()
    }
}

fn narrow(size: usize) -> Result<u32> {
    u32::try_from(size).with_context(|| format!("a video cannot have a size of {size}"))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use mtdit_tabletop::{Frame, PuckColor, Task};

    use super::{Part, animated, interesting, videos};
    use crate::rollout::score::tests::outcome;

    /// A dark frame of 6 x 4 with a bright pixel.
    fn frame(x: usize, y: usize) -> Frame {
        let mut rgb = vec![20; 6 * 4 * 3];
        rgb[(y * 6 + x) * 3..][..3].copy_from_slice(&[250, 240, 230]);
        Frame { width: 6, height: 4, rgb }
    }

    #[test]
    fn only_what_changed_is_stored() {
        let part = Part::changed(&frame(1, 1), &frame(3, 2));
        assert_eq!(part, Part { left: 1, top: 1, width: 3, height: 2 }, "both pixels");
        let cut = part.cut(&frame(3, 2));
        assert_eq!(cut.len(), 3 * 2 * 3, "as many bytes as the part has");
        assert_eq!(cut[(3 + 2) * 3..], [250, 240, 230], "the bright pixel is the last");
        let same = Part::changed(&frame(1, 1), &frame(1, 1));
        assert_eq!(same, Part { left: 0, top: 0, width: 1, height: 1 }, "a part is never empty");
    }

    #[test]
    fn a_video_has_every_frame() {
        let frames = [frame(0, 0), frame(1, 0), frame(1, 0), frame(5, 3)];
        let bytes = animated(&frames, 10).expect("frames of one size");
        let mut reader = png::Decoder::new(Cursor::new(bytes)).read_info().expect("it is a PNG");
        let animation = reader.info().animation_control().expect("it is animated");
        assert_eq!((animation.num_frames, animation.num_plays), (4, 0), "all frames, over and over");

        let mut shown = Vec::new();
        let mut canvas = vec![0; 6 * 4 * 3];
        for _ in 0..4 {
            let mut part = vec![0; reader.output_buffer_size().expect("a small picture")];
            reader.next_frame(&mut part).expect("the next frame");
            let control = *reader.info().frame_control().expect("a frame of an animation");
            let [left, top, width, height] =
                [control.x_offset, control.y_offset, control.width, control.height].map(|size| size as usize);
            for row in 0..height {
                let to = ((top + row) * 6 + left) * 3;
                canvas[to..to + width * 3].copy_from_slice(&part[row * width * 3..][..width * 3]);
            }
            shown.push(canvas.clone());
        }
        assert!(shown.iter().zip(&frames).all(|(shown, frame)| *shown == frame.rgb), "the frames as they were");
        assert!(animated(&[], 10).is_err(), "a video without frames");
    }

    #[test]
    fn failures_are_shown_before_successes() {
        let reach = Task::Reach { puck: PuckColor::Red };
        let lift = Task::Lift { puck: PuckColor::Red };
        let outcomes = [
            outcome(reach, 2, None),
            outcome(reach, 3, None),
            outcome(lift, 4, None),
            outcome(lift, 5, Some("dropped")),
            outcome(lift, 5, Some("dropped")),
        ];
        assert_eq!(interesting(&outcomes), [3, 0, 2], "the first of every kind");
        let shown = videos(&outcomes, 2).expect("they can be replayed");
        assert_eq!(shown.iter().map(|video| video.episode).collect::<Vec<_>>(), [3, 0], "as many as are wanted");
    }
}
