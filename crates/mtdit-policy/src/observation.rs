//! What the robot perceives, raw: pictures, state, instruction. No tensors.

use std::sync::Arc;

/// One RGB picture, 8 bits per channel, rows from top to bottom, channels last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Height in pixels.
    pub height: usize,
    /// Width in pixels.
    pub width: usize,
    /// `height * width * 3` bytes, shared because histories hold a frame more than once.
    pub rgb: Arc<[u8]>,
}

/// One moment: a frame per camera and the state.
#[derive(Clone, Debug, PartialEq)]
pub struct Moment {
    /// One frame per camera, in the policy's camera order.
    pub frames: Vec<Frame>,
    /// The state in robot units, `[state_dim]`.
    pub state: Vec<f32>,
}

/// Everything one prediction depends on apart from chance.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// The last `n_obs_steps` moments, oldest first.
    pub history: Vec<Moment>,
    /// The instruction, as the operator says it.
    pub task: String,
}
