//! Normalisation, and beside it its inverse (contract section 3.3).
//!
//! A dimension that never moved in the data has a range of zero; as in `LeRobot` it is divided by `1e-8`, so the smallest
//! deviation becomes enormous. [`Normalizer::constant_dimensions`] lists them for a warning.

use burn::tensor::{Device, Tensor, TensorData};

use super::statistics::Statistics;
use crate::config::NormalizationMode;
use crate::error::StatsError;

const EPSILON: f32 = 1e-8;

/// One mode with its statistics on a device.
#[derive(Clone, Debug)]
pub struct Normalizer {
    formula: Formula,
    constant: Vec<usize>,
}

#[derive(Clone, Debug)]
enum Formula {
    Identity,
    /// `(x - mean) / (std + eps)` and `x · std + mean`.
    MeanStd {
        mean: Tensor<1>,
        std: Tensor<1>,
    },
    /// `2 (x - low) / range - 1` and `(x + 1) / 2 · range + low`.
    Range {
        low: Tensor<1>,
        range: Tensor<1>,
    },
}

impl Normalizer {
    /// The statistics of `features`, each of `dim` values, side by side.
    ///
    /// # Errors
    /// [`StatsError`] when one that the mode needs is absent, of the wrong length or not finite.
    pub fn new(
        mode: NormalizationMode,
        statistics: &Statistics,
        features: &[&str],
        dim: usize,
        device: &Device,
    ) -> Result<Self, StatsError> {
        let collect = |stat: &'static str| -> Result<Vec<f32>, StatsError> {
            let values = features.iter().map(|feature| statistics.required(feature, stat, dim));
            Ok(values.collect::<Result<Vec<_>, _>>()?.concat())
        };
        let tensor = |values: Vec<f32>| {
            let length = values.len();
            Tensor::from_data(TensorData::new(values, [length]), device)
        };
        let is_constant = |values: &[f32]| (0..values.len()).filter(|&i| values[i] == 0.0).collect();
        let (low, high) = match mode {
            NormalizationMode::Identity => return Ok(Self { formula: Formula::Identity, constant: Vec::new() }),
            NormalizationMode::MeanStd => {
                let std = collect("std")?;
                let constant = is_constant(&std);
                return Ok(Self {
                    formula: Formula::MeanStd { mean: tensor(collect("mean")?), std: tensor(std) },
                    constant,
                });
            }
            NormalizationMode::MinMax => ("min", "max"),
            NormalizationMode::Quantiles => ("q01", "q99"),
            NormalizationMode::Quantile10 => ("q10", "q90"),
        };
        let low = collect(low)?;
        let range: Vec<f32> = collect(high)?.iter().zip(&low).map(|(high, low)| high - low).collect();
        let constant = is_constant(&range);
        let range = range.into_iter().map(|range| if range == 0.0 { EPSILON } else { range }).collect();
        Ok(Self { formula: Formula::Range { low: tensor(low), range: tensor(range) }, constant })
    }

    /// Robot units to the network's; `broadcast` gives a statistic the rank of `x`.
    pub fn normalize<const D: usize>(&self, x: Tensor<D>, broadcast: impl Fn(Tensor<1>) -> Tensor<D>) -> Tensor<D> {
        match &self.formula {
            Formula::Identity => x,
            Formula::MeanStd { mean, std } => (x - broadcast(mean.clone())) / (broadcast(std.clone()) + EPSILON),
            Formula::Range { low, range } => (x - broadcast(low.clone())) * 2.0 / broadcast(range.clone()) - 1.0,
        }
    }

    /// The network's units to the robot's.
    pub fn unnormalize<const D: usize>(&self, x: Tensor<D>, broadcast: impl Fn(Tensor<1>) -> Tensor<D>) -> Tensor<D> {
        match &self.formula {
            Formula::Identity => x,
            Formula::MeanStd { mean, std } => x * broadcast(std.clone()) + broadcast(mean.clone()),
            Formula::Range { low, range } => (x + 1.0) / 2.0 * broadcast(range.clone()) + broadcast(low.clone()),
        }
    }

    /// Indices of values whose range or deviation is zero.
    pub fn constant_dimensions(&self) -> &[usize] {
        &self.constant
    }
}
