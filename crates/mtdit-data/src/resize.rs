//! Antialiased bilinear resizing of 8-bit pictures, the kernel that the policy applies to its images (contract 3.4).
//!
//! Per axis, with `scale = in / out` and `support = max(1, scale)`: output `i` looks at the inputs around
//! `c = scale·(i + 0.5)` and weighs input `j` with `max(0, 1 − |j − c + 0.5| / support)`, normalised to one. Rows are
//! resized first, then columns, and the result is rounded once at the end.

use crate::video::Frame;

/// Inputs of one output along an axis: the first, and the weights from there on.
struct Taps {
    first: usize,
    weights: Vec<f32>,
}

/// Resizes a picture to exactly this size; the aspect ratio is not kept.
///
/// A picture or a target without pixels gives a black picture of the target size.
pub fn resize(frame: &Frame, height: usize, width: usize) -> Frame {
    if frame.height == height && frame.width == width {
        return frame.clone();
    }
    if frame.rgb.len() != frame.height * frame.width * 3 || frame.rgb.is_empty() || height == 0 || width == 0 {
        return Frame { height, width, rgb: vec![0; height * width * 3] };
    }
    let columns = taps(frame.width, width);
    let rows = taps(frame.height, height);
    let narrow: Vec<f32> = frame.rgb.chunks_exact(frame.width * 3).flat_map(|row| resized_row(row, &columns)).collect(); // [frame.height, width, 3]
    let mut rgb = Vec::with_capacity(height * width * 3);
    let mut sums = vec![0.0_f32; width * 3];
    for row in &rows {
        sums.fill(0.0);
        let inputs = narrow[row.first * width * 3..].chunks_exact(width * 3);
        for (weight, input) in row.weights.iter().zip(inputs) {
            for (sum, value) in sums.iter_mut().zip(input) {
                *sum += weight * value;
            }
        }
        rgb.extend(sums.iter().map(|sum| rounded(*sum)));
    }
    Frame { height, width, rgb }
}

fn resized_row(row: &[u8], columns: &[Taps]) -> Vec<f32> {
    let mut narrow = Vec::with_capacity(columns.len() * 3);
    for column in columns {
        let mut sum = [0.0_f32; 3];
        let pixels = row[column.first * 3..].chunks_exact(3);
        for (weight, pixel) in column.weights.iter().zip(pixels) {
            for (sum, value) in sum.iter_mut().zip(pixel) {
                *sum += weight * f32::from(*value);
            }
        }
        narrow.extend_from_slice(&sum);
    }
    narrow
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "pixel positions are not negative and far below 2^52; weights become f32"
)]
fn taps(input: usize, output: usize) -> Vec<Taps> {
    let scale = input as f64 / output as f64;
    let support = scale.max(1.0);
    (0..output)
        .map(|index| {
            let centre = scale * (index as f64 + 0.5);
            let first = (centre - support + 0.5).max(0.0) as usize;
            let end = ((centre + support + 0.5) as usize).min(input);
            let first = first.min(end.saturating_sub(1));
            let weights: Vec<f64> =
                (first..end).map(|tap| (1.0 - ((tap as f64 - centre + 0.5) / support).abs()).max(0.0)).collect();
            let total: f64 = weights.iter().sum();
            Taps { first, weights: weights.iter().map(|weight| (weight / total) as f32).collect() }
        })
        .collect()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the value is clamped to 0..=255 before")]
fn rounded(value: f32) -> u8 {
    value.round_ties_even().clamp(0.0, 255.0) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(height: usize, width: usize, values: &[u8]) -> Frame {
        Frame { height, width, rgb: values.iter().flat_map(|value| [*value; 3]).collect() }
    }

    #[test]
    fn halving_weighs_four_pixels() {
        // scale 2, support 2, centre 1: weights 0.75, 0.75, 0.25 of the pixels 0, 1, 2, normalised.
        let frame = grey(1, 4, &[0, 70, 140, 210]);
        let small = resize(&frame, 1, 2);
        assert_eq!(small, grey(1, 2, &[50, 160]), "antialiased");
    }

    #[test]
    fn doubling_interpolates_and_repeats_the_border() {
        let frame = grey(1, 2, &[0, 100]);
        assert_eq!(resize(&frame, 1, 4), grey(1, 4, &[0, 25, 75, 100]), "quarters");
        assert_eq!(resize(&frame, 2, 2), grey(2, 2, &[0, 100, 0, 100]), "rows are repeated");
    }

    #[test]
    fn constant_pictures_stay_constant() {
        let frame = grey(5, 7, &[137; 35]);
        for (height, width) in [(3, 3), (7, 5), (1, 1), (224, 224)] {
            let resized = resize(&frame, height, width);
            assert!(resized.rgb.iter().all(|value| *value == 137), "{height}x{width}");
            assert_eq!(resized.rgb.len(), height * width * 3, "{height}x{width}");
        }
    }
}
