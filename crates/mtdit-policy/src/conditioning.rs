//! Features to the conditioning vector: what stays constant over the denoising steps (contract section 5.3).

use burn::tensor::Tensor;

use crate::encoders::Features;

/// The wire from the observation to the denoiser.
#[derive(Clone, Debug)]
pub struct Conditioning {
    /// `[batch, conditioning_dim]`: per observation step the state, the cameras in configuration order, the instruction;
    /// steps oldest first.
    pub vector: Tensor<2>,
}

impl Conditioning {
    /// Joins the features; the instruction is repeated at every step.
    pub fn from_features(features: Features) -> Self {
        let [batch, steps, _] = features.state.dims();
        let [_, hidden_dim] = features.text.dims();
        let text = features.text.unsqueeze_dim::<3>(1).expand([batch, steps, hidden_dim]);

        let parts = [Some(features.state), features.vision, Some(text)];
        let steps = Tensor::cat(parts.into_iter().flatten().collect(), 2); // [batch, n_obs_steps, per_step]
        Self { vector: steps.flatten(1, 2) } // [batch, conditioning_dim]
    }

    /// The whole batch several times over.
    #[must_use]
    pub fn repeated(&self, times: usize) -> Self {
        Self { vector: self.vector.clone().repeat_dim(0, times) } // [times * batch, conditioning_dim]
    }
}
