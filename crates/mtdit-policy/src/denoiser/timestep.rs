//! Timestep to embedding: sinusoids and their two-layer network (contract section 5.4).

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};

use crate::config::Precision;
use crate::linear::{Linear, gelu_erf};

/// The network after the sinusoids.
#[derive(Module, Debug)]
pub struct TimeMlp {
    fc1: Linear,
    fc2: Linear,
}

impl TimeMlp {
    pub(crate) fn init(embed_dim: usize, precision: Precision, device: &Device) -> Self {
        Self {
            fc1: Linear::uniform([embed_dim, 2 * embed_dim], precision, device),
            fc2: Linear::uniform([2 * embed_dim, embed_dim], precision, device),
        }
    }

    /// `[times]` on the host to `[times, embed_dim]`.
    pub fn forward(&self, timesteps: &[f32]) -> Tensor<2> {
        let weight = self.fc1.weight.val();
        let [embed_dim, _] = weight.dims();
        let data = TensorData::new(sinusoids(timesteps, embed_dim), [timesteps.len(), embed_dim]);
        let embedding = Tensor::from_data(data, &weight.device());
        gelu_erf(self.fc2.forward(gelu_erf(self.fc1.forward(embedding))))
    }
}

/// `[sin(t f), cos(t f)]` per timestep, with `f_i = exp(-i ln(10000) / (embed_dim/2 - 1))`.
///
/// Frequencies and products are rounded to single precision where `PyTorch` rounds them.
pub(crate) fn sinusoids(timesteps: &[f32], embed_dim: usize) -> Vec<f32> {
    let half = embed_dim / 2;
    let frequencies: Vec<f32> = (0..half)
        .map(|i| {
            let exponent = -(libm::log(10_000.0) / (as_f64(half) - 1.0));
            round(libm::exp(as_f64(i) * f64::from(round(exponent))))
        })
        .collect();
    let angles = |t: f32| frequencies.iter().map(move |frequency| f64::from(t * frequency));
    timesteps
        .iter()
        .flat_map(|&t| angles(t).map(libm::sin).chain(angles(t).map(libm::cos)).map(round).collect::<Vec<_>>())
        .collect()
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub(crate) fn as_f64(count: usize) -> f64 {
    count as f64
}

#[expect(clippy::cast_possible_truncation, reason = "rounding to single precision is the point")]
pub(crate) fn round(value: f64) -> f32 {
    value as f32
}

#[cfg(test)]
mod tests {
    use super::sinusoids;

    /// Contract appendix A.
    #[test]
    fn sinusoids_equal_the_contract() {
        let expected =
            [0.656_986_6, 0.319_224_7, 0.015_080_5, 0.000_7, 0.753_902_3, 0.947_679, 0.999_886_3, 0.999_999_8];
        for (value, expected) in sinusoids(&[7.0], 8).into_iter().zip(expected) {
            assert!((f64::from(value) - expected).abs() < 1e-6, "{value} instead of {expected}");
        }
    }
}
