//! Host batch to device batch: normalised tensors, instructions as pooled features.

use std::sync::Arc;

use burn::tensor::{Device, Int, Tensor, TensorData};
use mtdit_policy::{Batch, Inputs, Policy, PolicyError, TextCondition};

use crate::samples::HostBatch;

/// Makes batches for one policy and one dataset.
#[derive(Clone, Debug)]
pub struct Batcher {
    policy: Arc<Policy>,
    /// Pooled feature of every instruction, `[tasks, width]`: the text tower is frozen, so once is enough.
    pooled: Tensor<2>,
    device: Device,
}

impl Batcher {
    /// Runs the text tower over all instructions.
    ///
    /// # Errors
    /// [`PolicyError::Instruction`] when one cannot be tokenised.
    pub fn new(policy: Arc<Policy>, tasks: &[String]) -> Result<Self, PolicyError> {
        let tokens: Result<Vec<Vec<u32>>, PolicyError> =
            tasks.iter().map(|task| policy.preprocessor().tokens(task)).collect();
        let text_encoder = &policy.network().observation_encoder.text_encoder;
        // One instruction at a time: its feature must not depend on the others' lengths, to the bit.
        let pooled = tokens?.into_iter().map(|tokens| text_encoder.pooled(&[tokens])).collect();
        Ok(Self { pooled: Tensor::cat(pooled, 0), device: policy.device().clone(), policy })
    }

    /// A batch on the device.
    pub fn batch(&self, host: HostBatch) -> Batch {
        let config = self.policy.config();
        let batch = host.frames.len();
        let [height, width] = host.size;
        let shape = [batch, config.n_obs_steps, config.cameras.len(), 3, height, width];
        let images = (!config.cameras.is_empty()).then(|| {
            let pixels = Tensor::from_data(TensorData::new(host.pixels, shape), &self.device);
            self.policy.preprocessor().normalize_images(pixels)
        });
        #[expect(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "task indices are small")]
        let tasks: Vec<i32> = host.tasks.iter().map(|&task| task as i32).collect();
        let tasks = Tensor::<1, Int>::from_data(TensorData::new(tasks, [batch]), &self.device);
        let actions = TensorData::new(host.actions, [batch, config.horizon, config.action_dim]);
        let actions = Tensor::from_data(actions, &self.device);
        let action_is_pad = TensorData::new(host.action_is_pad, [batch, config.horizon]);
        Batch {
            inputs: Inputs {
                images,
                state: self.policy.preprocessor().state(host.states, batch),
                text: TextCondition::Pooled(self.pooled.clone().select(0, tasks)),
            },
            actions: self.policy.postprocessor().normalize(actions),
            action_is_pad: Tensor::from_data(action_is_pad, &self.device),
        }
    }
}
