//! What the policy would see: the frames of one batch in a PNG, and a page with them and the ranges of every input.
//!
//! `mtdit train --dry_run` writes both before anything is trained, because a wrong camera, a wrong crop or a wrong
//! normalisation is seen at a glance here and in no loss curve.

use std::io::Cursor;

use anyhow::{Context, Result};
use image::{GenericImage, ImageFormat, Rgb, RgbImage};

use crate::plot::short;
use crate::report::{document, escape, fact_list, figure, table};

/// Pixels between two frames.
const GAP: u32 = 4;
const BACKGROUND: Rgb<u8> = Rgb([32, 32, 32]);

/// A picture: three bytes per pixel, row by row.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    /// Columns.
    pub(crate) width: u32,
    /// Rows.
    pub(crate) height: u32,
    /// Red, green and blue of every pixel.
    pub(crate) pixels: Vec<u8>,
}

/// One sample of a batch.
#[derive(Debug, Clone)]
pub(crate) struct SheetRow {
    /// Where it comes from and what is to be done: episode, frame, task.
    pub(crate) label: String,
    /// Its frames, with the name of the camera and of the time step.
    pub(crate) frames: Vec<(String, Frame)>,
}

/// The values of one input or output of the policy, as the network gets them.
#[derive(Debug, Clone)]
pub(crate) struct ValueRange {
    /// Name of the feature.
    pub(crate) name: String,
    /// Its shape, in words or numbers.
    pub(crate) shape: String,
    /// Smallest value of the batch.
    pub(crate) min: f64,
    /// Largest value of the batch.
    pub(crate) max: f64,
    /// Mean of the batch.
    pub(crate) mean: f64,
}

/// The frames as one PNG: a row per sample.
pub(crate) fn sheet_png(rows: &[SheetRow]) -> Result<Vec<u8>> {
    let mut places = Vec::new();
    let (mut width, mut top) = (GAP, GAP);
    for row in rows {
        let (mut left, mut tallest) = (GAP, 0);
        for (_, frame) in &row.frames {
            places.push((frame, left, top));
            left += frame.width + GAP;
            tallest = tallest.max(frame.height);
        }
        width = width.max(left);
        top += tallest + GAP;
    }
    let mut sheet = RgbImage::from_pixel(width, top, BACKGROUND);
    for (frame, left, top) in places {
        sheet.copy_from(&pixels(frame)?, left, top)?;
    }
    encoded(&sheet)
}

/// One frame as a PNG.
pub(crate) fn png(frame: &Frame) -> Result<Vec<u8>> {
    encoded(&pixels(frame)?)
}

/// The page: facts about the run, the ranges of all values, and every sample with its frames.
pub(crate) fn dry_run_page(facts: &[(String, String)], ranges: &[ValueRange], rows: &[SheetRow]) -> Result<String> {
    let mut body = String::from("<h1>Dry run: what the policy sees</h1>\n");
    body += &fact_list(facts);
    body += "<h2>Values, as the network gets them</h2>\n";
    let lines = ranges.iter().map(|range| {
        vec![
            range.name.clone(),
            range.shape.clone(),
            short(range.min),
            short(range.max),
            short(range.mean),
            verdict(range).to_owned(),
        ]
    });
    body += &table(&["feature", "shape", "min", "max", "mean", ""], lines);
    body += "<h2>Frames, after resizing and cropping</h2>\n";
    for row in rows {
        body += &format!("<h3>{}</h3>\n<div class=\"frames\">\n", escape(&row.label));
        for (name, frame) in &row.frames {
            body += &figure(name, &png(frame)?);
        }
        body += "</div>\n";
    }
    Ok(document("Dry run", &body))
}

/// What is odd about the values, if anything.
fn verdict(range: &ValueRange) -> &'static str {
    if !(range.min.is_finite() && range.max.is_finite()) {
        "not finite: check the dataset's statistics"
    } else if range.max - range.min < 1e-6 {
        "constant: nothing can be learnt from it"
    } else if range.max.max(-range.min) > 20.0 {
        "very large: check the dataset's statistics"
    } else {
        ""
    }
}

fn pixels(frame: &Frame) -> Result<RgbImage> {
    let (width, height) = (frame.width, frame.height);
    RgbImage::from_raw(width, height, frame.pixels.clone())
        .with_context(|| format!("a frame of {width} x {height} has {} bytes", frame.pixels.len()))
}

fn encoded(picture: &RgbImage) -> Result<Vec<u8>> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png)?;
    Ok(bytes.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<SheetRow> {
        let frame = |width: u32, height: u32, shade: u8| {
            let bytes = usize::try_from(width * height * 3).expect("a small frame");
            ("top".to_owned(), Frame { width, height, pixels: vec![shade; bytes] })
        };
        let wide = SheetRow { label: "episode 0".to_owned(), frames: vec![frame(6, 4, 200), frame(6, 4, 100)] };
        let tall = SheetRow { label: "fold <it>".to_owned(), frames: vec![frame(3, 8, 50)] };
        vec![wide, tall]
    }

    #[test]
    fn every_frame_has_its_place() {
        let bytes = sheet_png(&rows()).expect("the frames fit");
        let sheet = image::load_from_memory(&bytes).expect("it is a PNG").to_rgb8();
        assert_eq!(sheet.dimensions(), (3 * GAP + 12, 3 * GAP + 12));
        assert_eq!(sheet.get_pixel(GAP, GAP), &Rgb([200; 3]));
        assert_eq!(sheet.get_pixel(2 * GAP + 6, GAP), &Rgb([100; 3]));
        assert_eq!(sheet.get_pixel(GAP, 2 * GAP + 4), &Rgb([50; 3]));
        assert_eq!(sheet.get_pixel(0, 0), &BACKGROUND);
    }

    #[test]
    fn an_empty_batch_is_an_empty_sheet() {
        assert!(!sheet_png(&[]).expect("nothing can go wrong").is_empty());
    }

    #[test]
    fn the_page_shows_frames_and_judges_ranges() {
        let range = |name: &str, min: f64, max: f64| ValueRange {
            name: name.to_owned(),
            shape: "[2, 4]".to_owned(),
            min,
            max,
            mean: 0.0,
        };
        let ranges = [range("action", -1.0, 1.0), range("gripper", 0.5, 0.5), range("state", -90.0, 1.0)];
        let facts = [("dataset".to_owned(), "local/kitchen".to_owned())];
        let page = dry_run_page(&facts, &ranges, &rows()).expect("the page is written");
        for part in ["local/kitchen", "constant", "very large", "fold &lt;it&gt;", "data:image/png"] {
            assert!(page.contains(part), "`{part}` is missing");
        }
    }

    #[test]
    fn a_frame_with_too_few_bytes_is_refused() {
        let frame = Frame { width: 4, height: 4, pixels: vec![0; 10] };
        let error = png(&frame).expect_err("it is too short").to_string();
        assert!(error.contains("4 x 4"), "{error}");
    }
}
