//! Sampled actions to a chunk in robot units: the executed part of the horizon, unnormalised (contract section 5.9).

use burn::tensor::{Device, Tensor};

use crate::action::ActionChunk;
use crate::config::PolicyConfig;
use crate::error::{PolicyError, StatsError};
use crate::preprocess::{Normalizer, Statistics};

/// Actions to chunks.
#[derive(Clone, Debug)]
pub struct Postprocessor {
    action: Normalizer,
    first: usize,
    n_action_steps: usize,
}

impl Postprocessor {
    /// The inverse normalisation from a checkpoint's statistics.
    ///
    /// # Errors
    /// [`StatsError`] when a statistic is absent, of the wrong length or not finite.
    pub fn new(config: &PolicyConfig, statistics: &Statistics, device: &Device) -> Result<Self, StatsError> {
        let mode = config.normalization.action;
        Ok(Self {
            action: Normalizer::new(mode, statistics, &["action"], config.action_dim, device)?,
            first: config.first_executed(),
            n_action_steps: config.n_action_steps,
        })
    }

    /// The executed steps of `[batch, horizon, action_dim]`, still normalised.
    pub fn executed(&self, actions: Tensor<3>) -> Tensor<3> {
        actions.slice_dim(1, self.first..self.first + self.n_action_steps)
    }

    /// Training targets: actions in robot units to the network's, any shape that ends in `action_dim`.
    pub fn normalize<const D: usize>(&self, actions: Tensor<D>) -> Tensor<D> {
        self.action.normalize(actions, Tensor::unsqueeze)
    }

    /// The network's units back to robot units, any shape that ends in `action_dim`.
    pub fn unnormalize<const D: usize>(&self, actions: Tensor<D>) -> Tensor<D> {
        self.action.unnormalize(actions, Tensor::unsqueeze)
    }

    /// `[batch, horizon, action_dim]` to one chunk per sample.
    ///
    /// # Errors
    /// [`PolicyError::NonFinite`] rather than a chunk with a NaN in it; [`PolicyError::Device`] when reading fails.
    pub async fn chunks(&self, actions: Tensor<3>) -> Result<Vec<ActionChunk>, PolicyError> {
        let normalized = self.executed(actions);
        let [batch, steps, dim] = normalized.dims();
        let actions = read(self.unnormalize(normalized.clone())).await?;
        let normalized = read(normalized).await?;

        let finite = |values: &[f32]| values.iter().position(|value| !value.is_finite());
        if let Some(index) = finite(&normalized).or_else(|| finite(&actions)) {
            let step = self.first + index / dim % steps;
            return Err(PolicyError::NonFinite { step, dimension: index % dim });
        }
        let rows = |values: &[f32]| values.chunks(dim).map(<[f32]>::to_vec).collect::<Vec<_>>();
        let (actions, normalized) = (rows(&actions), rows(&normalized));
        let chunk = |i: usize| ActionChunk {
            actions: actions[i * steps..(i + 1) * steps].to_vec(),
            normalized: normalized[i * steps..(i + 1) * steps].to_vec(),
        };
        Ok((0..batch).map(chunk).collect())
    }

    /// Action dimensions that never moved in the data.
    pub fn constant_dimensions(&self) -> &[usize] {
        self.action.constant_dimensions()
    }
}

/// The values of a tensor, without blocking.
pub(crate) async fn read<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, PolicyError> {
    let failed = |error: &dyn std::fmt::Display| PolicyError::Device(error.to_string());
    let data = tensor.into_data_async().await.map_err(|error| failed(&error))?;
    data.try_to_vec::<f32>().map_err(|error| failed(&error))
}
