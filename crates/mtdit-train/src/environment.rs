//! A world in which a policy acts while it is trained: how often it succeeds is what its loss cannot say.

use std::collections::BTreeMap;
use std::error::Error;

use mtdit_policy::Policy;
use serde::{Deserialize, Serialize};

/// A simulated world.
pub trait Environment {
    /// Lets the policy act in many episodes. `step` is the number of updates it has had.
    ///
    /// # Errors
    /// When the policy does not fit the world, or cannot be run.
    fn evaluate(&self, policy: &Policy, step: u64) -> Result<EnvMetrics, Box<dyn Error + Send + Sync>>;
}

/// A line of `metrics.jsonl`: what the policy reached in closed loop.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EnvMetrics {
    /// Updates so far.
    pub step: u64,
    /// Episodes in all.
    pub env_episodes: usize,
    /// Share of successful episodes, averaged over the tasks.
    pub env_success: f64,
    /// The same for each task.
    pub env_success_per_task: BTreeMap<String, f64>,
    /// Seconds that it took.
    pub env_s: f64,
}
