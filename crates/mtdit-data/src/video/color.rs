//! From the planes of a decoded picture to RGB, with the exact integers of `FFmpeg`'s scaler.
//!
//! `y = ((Y·8 − off)·cy) >> 16`, `u = U·8 − 1024`, `v = V·8 − 1024`, then `R = y + (v·crv >> 16)`,
//! `G = y + (u·cgu >> 16) + (v·cgv >> 16)`, `B = y + (u·cbu >> 16)`: arithmetic shifts, one clamp at the end, and each
//! chroma value repeated over its two by two pixels. Equal to `PyAV` and torchcodec on every picture of even height; for
//! odd heights their scaler takes another path and differs by a few units.
//!
//! The tag of the stream chooses the matrix, as torchcodec does; `PyAV` always takes BT.601. An untagged stream is
//! BT.601, limited range. Matrices other than BT.709 are treated as BT.601.

use super::Frame;

/// How a stream turned colours into its planes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct ColorSpace {
    /// BT.709 instead of BT.601.
    pub(crate) bt709: bool,
    /// 0 to 255 instead of 16 to 235.
    pub(crate) full_range: bool,
}

impl ColorSpace {
    /// From the matrix coefficients of ITU-T H.273: 1 is BT.709, 2 is unspecified.
    pub(crate) fn from_tags(matrix_coefficients: u16, full_range: bool) -> Self {
        Self { bt709: matrix_coefficients == 1, full_range }
    }
}

/// A picture with one chroma sample for two by two pixels, 8 bits each.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Planes<'a> {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) y: &'a [u8],
    pub(crate) u: &'a [u8],
    pub(crate) v: &'a [u8],
    pub(crate) y_stride: usize,
    pub(crate) uv_stride: usize,
}

struct Coefficients {
    off: i32,
    cy: i32,
    crv: i32,
    cbu: i32,
    cgu: i32,
    cgv: i32,
}

fn coefficients(color: ColorSpace) -> Coefficients {
    let (off, cy, crv, cbu, cgu, cgv) = match (color.bt709, color.full_range) {
        (false, false) => (128, 9539, 13075, 16525, -3209, -6660),
        (true, false) => (128, 9539, 14686, 17305, -1747, -4366),
        (false, true) => (0, 8192, 11485, 14516, -2819, -5850),
        (true, true) => (0, 8192, 12901, 15201, -1535, -3835),
    };
    Coefficients { off, cy, crv, cbu, cgu, cgv }
}

/// Converts a picture. The error says which plane is too small.
pub(crate) fn rgb_from_yuv420(planes: &Planes<'_>, color: ColorSpace) -> Result<Frame, String> {
    let Planes { width, height, .. } = *planes;
    let chroma_width = width.div_ceil(2);
    if width == 0 || height == 0 || planes.y_stride < width || planes.uv_stride < chroma_width {
        return Err(format!("a decoded picture of {width}x{height} has impossible rows"));
    }
    let rows =
        |plane: &[u8], stride: usize, used: usize| plane.len().checked_sub(used).map_or(0, |rest| rest / stride + 1);
    let luma_rows = rows(planes.y, planes.y_stride, width);
    let chroma_rows =
        rows(planes.u, planes.uv_stride, chroma_width).min(rows(planes.v, planes.uv_stride, chroma_width));
    // The last row of chroma of a picture of odd height may be missing; it is repeated then.
    if luma_rows < height || chroma_rows < (height / 2).max(1) {
        return Err(format!("a decoded picture of {width}x{height} has only {luma_rows} rows"));
    }
    let coefficients = coefficients(color);
    let length =
        width.checked_mul(height).and_then(|pixels| pixels.checked_mul(3)).ok_or("a decoded picture is too large")?;
    let mut rgb = vec![0_u8; length];
    for (row, pixels) in rgb.chunks_exact_mut(width * 3).enumerate() {
        let luma = &planes.y[row * planes.y_stride..][..width];
        let chroma_start = (row / 2).min(chroma_rows - 1) * planes.uv_stride;
        let u = &planes.u[chroma_start..][..chroma_width];
        let v = &planes.v[chroma_start..][..chroma_width];
        convert_row(&coefficients, luma, u, v, pixels);
    }
    Ok(Frame { height, width, rgb })
}

fn convert_row(coefficients: &Coefficients, luma: &[u8], u: &[u8], v: &[u8], pixels: &mut [u8]) {
    let chroma = u.iter().zip(v);
    for ((luma, pixels), (u, v)) in luma.chunks(2).zip(pixels.chunks_mut(6)).zip(chroma) {
        let (u, v) = (i32::from(*u) * 8 - 1024, i32::from(*v) * 8 - 1024);
        let red = (v * coefficients.crv) >> 16;
        let green = ((u * coefficients.cgu) >> 16) + ((v * coefficients.cgv) >> 16);
        let blue = (u * coefficients.cbu) >> 16;
        for (luma, pixel) in luma.iter().zip(pixels.chunks_exact_mut(3)) {
            let y = ((i32::from(*luma) * 8 - coefficients.off) * coefficients.cy) >> 16;
            pixel.copy_from_slice(&[clamped(y + red), clamped(y + green), clamped(y + blue)]);
        }
    }
}

#[expect(clippy::cast_sign_loss, reason = "the value is clamped to 0..=255 before")]
fn clamped(value: i32) -> u8 {
    value.clamp(0, 255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pixel(luma: u8, u: u8, v: u8, color: ColorSpace) -> Vec<u8> {
        let planes = Planes { width: 1, height: 1, y: &[luma], u: &[u], v: &[v], y_stride: 1, uv_stride: 1 };
        rgb_from_yuv420(&planes, color).expect("one pixel").rgb
    }

    #[test]
    fn black_and_white_are_exact() {
        let limited = ColorSpace::default();
        let full = ColorSpace::from_tags(2, true);
        assert_eq!(pixel(16, 128, 128, limited), [0, 0, 0], "limited black");
        assert_eq!(pixel(235, 128, 128, limited), [255, 255, 255], "limited white, as FFmpeg rounds it");
        assert_eq!(pixel(0, 128, 128, full), [0, 0, 0], "full black");
        assert_eq!(pixel(255, 128, 128, full), [255, 255, 255], "full white");
    }

    #[test]
    fn red_of_bt601_and_bt709_differs() {
        // By hand: y = ((81*8-128)*9539)>>16 = 75; v = 240*8-1024 = 896.
        let limited = ColorSpace::default();
        assert_eq!(pixel(81, 90, 240, limited), [253, 0, 0], "BT.601 red");
        let bt709 = ColorSpace::from_tags(1, false);
        assert_eq!(pixel(63, 102, 240, bt709), [254, 0, 0], "BT.709 red");
    }

    #[test]
    fn odd_sizes_repeat_chroma_and_small_planes_are_refused() {
        let planes =
            Planes { width: 3, height: 3, y: &[100; 9], u: &[128; 2], v: &[128; 2], y_stride: 3, uv_stride: 2 };
        let frame = rgb_from_yuv420(&planes, ColorSpace::default()).expect("a missing last row is repeated");
        assert_eq!(frame.rgb, [97; 27], "every pixel is converted");
        let short = Planes { y: &[100; 8], ..planes };
        assert!(rgb_from_yuv420(&short, ColorSpace::default()).is_err(), "luma is complete");
        let narrow = Planes { y_stride: 2, ..planes };
        assert!(rgb_from_yuv420(&narrow, ColorSpace::default()).is_err(), "rows are complete");
    }
}
