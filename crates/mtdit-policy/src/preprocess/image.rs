//! 8-bit pixels to float, antialiased resize, crop (contract section 3.4).

use burn::tensor::{Device, Tensor, TensorData};

use crate::config::{CameraConfig, PolicyConfig};
use crate::denoiser::timestep::{as_f64, round};
use crate::error::PolicyError;
use crate::observation::Frame;

/// Whether a frame has its declared size and all its bytes.
pub(super) fn check(frame: &Frame, camera: &CameraConfig) -> Result<(), PolicyError> {
    let refuse = |reason| Err(PolicyError::Frame { camera: camera.name().to_owned(), reason });
    let [height, width] = [camera.height, camera.width];
    if [frame.height, frame.width] != [height, width] {
        return refuse(format!(
            "the frame is {} x {} pixels (width x height), the policy was trained on {width} x {height}; resize it first",
            frame.width, frame.height
        ));
    }
    if frame.rgb.len() != height * width * 3 {
        return refuse(format!("the frame has {} bytes, {height} x {width} x 3 are needed", frame.rgb.len()));
    }
    Ok(())
}

/// Frames of one size to `[frames, 3, height, width]` in `0..=1`.
pub(super) fn pixels(frames: &[&Frame], [height, width]: [usize; 2], device: &Device) -> Tensor<4> {
    let mut values = Vec::with_capacity(frames.len() * 3 * height * width);
    for frame in frames {
        for channel in 0..3 {
            values.extend(frame.rgb[channel..].iter().step_by(3).map(|&byte| f32::from(byte) / 255.0));
        }
    }
    Tensor::from_data(TensorData::new(values, [frames.len(), 3, height, width]), device)
}

/// Bilinear resize with antialiasing, as torchvision does it: a matrix per direction.
#[derive(Clone, Debug)]
pub struct Resize {
    rows: Tensor<3>,    // [1, height, source height]
    columns: Tensor<2>, // [source width, width]
}

impl Resize {
    /// The resize of a configuration; `None` when it leaves pictures as they are.
    pub fn new(config: &PolicyConfig, device: &Device) -> Option<Self> {
        let camera = config.cameras.first()?;
        let [height, width] = config.image.image_resize_shape?;
        Some(Self::between([camera.height, camera.width], [height, width], device))
    }

    /// From one size `[height, width]` to another.
    pub fn between(from: [usize; 2], to: [usize; 2], device: &Device) -> Self {
        let matrix = |axis: usize| {
            let data = TensorData::new(weights(from[axis], to[axis]), [to[axis], from[axis]]);
            Tensor::<2>::from_data(data, device)
        };
        Self { rows: matrix(0).unsqueeze(), columns: matrix(1).transpose() }
    }

    /// `[images, 3, source height, source width]` to `[images, 3, height, width]`.
    pub fn forward(&self, images: Tensor<4>) -> Tensor<4> {
        let [count, channels, source_height, source_width] = images.dims();
        let [_, width] = self.columns.dims();
        let [_, height, _] = self.rows.dims();
        let planes = images.reshape([count * channels * source_height, source_width]);
        let planes = planes.matmul(self.columns.clone()); // every row of every plane
        let planes = planes.reshape([count * channels, source_height, width]);
        let rows = self.rows.clone().expand([count * channels, height, source_height]);
        rows.matmul(planes).reshape([count, channels, height, width])
    }
}

/// `[to, from]`: the triangle filter around each output position, normalised.
fn weights(from: usize, to: usize) -> Vec<f32> {
    let scale = as_f64(from) / as_f64(to);
    let support = scale.max(1.0);
    let mut matrix = vec![0.0; from * to];
    for (i, row) in matrix.chunks_exact_mut(from).enumerate() {
        let center = scale * (as_f64(i) + 0.5);
        let triangle = |j: usize| (1.0 - ((as_f64(j) - center + 0.5) / support).abs()).max(0.0);
        let inside = |j: usize| {
            let position = as_f64(j);
            position >= (center - support + 0.5).floor() && position < (center + support + 0.5).floor()
        };
        let values: Vec<f64> = (0..from).map(|j| if inside(j) { triangle(j) } else { 0.0 }).collect();
        let sum: f64 = values.iter().sum();
        for (weight, value) in row.iter_mut().zip(values) {
            *weight = round(value / sum);
        }
    }
    matrix
}

/// The centre of `[images, channels, height, width]`; offsets round half to even, as Python does.
pub fn center_crop(images: Tensor<4>, [height, width]: [usize; 2]) -> Tensor<4> {
    let [count, channels, source_height, source_width] = images.dims();
    let top = center_offset(source_height, height);
    let left = center_offset(source_width, width);
    images.slice([0..count, 0..channels, top..top + height, left..left + width])
}

/// `round((from - to) / 2)` with halves to even.
pub fn center_offset(from: usize, to: usize) -> usize {
    let margin = from - to;
    let half = margin / 2;
    half + (margin % 2) * (half % 2)
}

#[cfg(test)]
mod tests {
    use super::{center_offset, weights};

    /// Contract section 3.4.
    #[test]
    fn center_offsets_round_half_to_even() {
        for (from, to, expected) in [(225, 224, 0), (227, 224, 2), (229, 224, 2), (48, 33, 8)] {
            assert_eq!(center_offset(from, to), expected, "{from} to {to}");
        }
    }

    #[test]
    fn a_resize_to_the_same_size_is_the_identity() {
        let matrix = weights(5, 5);
        for (i, weight) in matrix.iter().enumerate() {
            let expected = if i % 6 == 0 { 1.0 } else { 0.0 };
            assert!((weight - expected).abs() < 1e-6, "element {i} is {weight}");
        }
    }
}
