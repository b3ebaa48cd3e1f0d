//! What the policy answers: a chunk of actions, and a queue that hands them out one at a time. No tensors.

use std::collections::VecDeque;

/// Actions for the next `n_action_steps` control steps.
#[derive(Clone, Debug, PartialEq)]
pub struct ActionChunk {
    /// `[n_action_steps][action_dim]` in robot units.
    pub actions: Vec<Vec<f32>>,
    /// The same as the network gave them.
    pub normalized: Vec<Vec<f32>>,
}

/// Hands out a chunk one action at a time.
#[derive(Clone, Debug, Default)]
pub struct ActionQueue {
    actions: VecDeque<Vec<f32>>,
}

impl ActionQueue {
    /// Takes over a chunk; what was left of an older one is dropped.
    pub fn refill(&mut self, chunk: ActionChunk) {
        self.actions = chunk.actions.into();
    }

    /// The next action, `[action_dim]` in robot units.
    pub fn pop(&mut self) -> Option<Vec<f32>> {
        self.actions.pop_front()
    }

    /// Whether a new chunk is needed.
    pub fn is_empty(&self) -> bool {
        self.actions.is_empty()
    }

    /// Forgets everything, at the start of an episode.
    pub fn clear(&mut self) {
        self.actions.clear();
    }
}
