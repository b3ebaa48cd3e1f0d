//! What steers the gripper: a policy, or one of those that it has to beat or to reach.

use anyhow::{Result, anyhow, ensure};
use burn::tensor::{Tensor, TensorData};
use mtdit_policy::{Noise, Observation, Policy, SamplerSettings, SamplingPlan};
use mtdit_tabletop::{ACTION_NAMES, Camera, FRAME_SIZE, STATE_NAMES};
use rand::rngs::StdRng;
use rand_distr::{Distribution, StandardNormal};

use super::episode::{Episode, Look};
use super::nearest::Nearest;
use super::scene::Action;
use crate::seed::{Purpose, generator};
use crate::tabletop::camera;

/// Who decides.
pub(crate) enum Controller<'a> {
    /// A policy, chunk by chunk.
    Policy(PolicyControl<'a>),
    /// The expert that the data came from: what can be reached.
    Expert,
    /// Always this action: what a policy that sees nothing can do.
    Mean(Action),
    /// What was done in the most similar recorded moment: what remembering alone can do.
    Nearest(Nearest),
}

impl<'a> Controller<'a> {
    /// A policy with a sampler.
    ///
    /// # Errors
    /// When the policy's cameras, state or actions are not the tabletop's, or the sampler does not fit the policy.
    pub(crate) fn policy(policy: &'a Policy, settings: SamplerSettings) -> Result<Self> {
        PolicyControl::new(policy, settings).map(Self::Policy)
    }

    /// What it looks at before it decides.
    pub(super) fn look(&self) -> Look {
        match self {
            Self::Policy(control) => control.look(),
            Self::Nearest(_) => Look { cameras: Camera::ALL.to_vec(), n_obs_steps: 1 },
            Self::Expert | Self::Mean(_) => Look::default(),
        }
    }

    /// The next actions of every episode, at least one for each.
    pub(super) fn chunks(&self, episodes: &mut [&mut Episode]) -> Result<Vec<Vec<Action>>> {
        match self {
            Self::Policy(control) => control.chunks(episodes),
            Self::Nearest(nearest) => episodes.iter().map(|episode| nearest.chunk(episode)).collect(),
            Self::Mean(action) => Ok(vec![vec![*action]; episodes.len()]),
            Self::Expert => Ok(episodes.iter_mut().map(|episode| vec![episode.expert.act(&episode.world)]).collect()),
        }
    }
}

/// A policy that fits the tabletop.
pub(crate) struct PolicyControl<'a> {
    policy: &'a Policy,
    plan: SamplingPlan,
    /// The world's camera for each of the policy's.
    cameras: Vec<Camera>,
}

impl<'a> PolicyControl<'a> {
    fn new(policy: &'a Policy, settings: SamplerSettings) -> Result<Self> {
        let config = policy.config();
        let [state_dim, action_dim] = [config.state_dim, config.action_dim];
        let mut cameras = Vec::new();
        for declared in &config.cameras {
            let known = camera(&declared.key);
            let names = Camera::ALL.map(Camera::name).join(" and ");
            cameras.push(known.ok_or_else(|| {
                anyhow!("the policy looks through `{}`; the tabletop has the cameras {names}", declared.key)
            })?);
            ensure!(
                [declared.height, declared.width] == [FRAME_SIZE; 2],
                "camera `{}` of the policy has pictures of {} x {}, those of the tabletop have {FRAME_SIZE} x {FRAME_SIZE}",
                declared.key,
                declared.height,
                declared.width
            );
        }
        for (what, found, names) in [("state", state_dim, &STATE_NAMES[..]), ("action", action_dim, &ACTION_NAMES[..])]
        {
            ensure!(
                found == names.len(),
                "the policy's {what} has {found} values; that of the tabletop has {}: {}",
                names.len(),
                names.join(", ")
            );
        }
        Ok(Self { policy, plan: policy.plan(settings)?, cameras })
    }

    fn look(&self) -> Look {
        Look { cameras: self.cameras.clone(), n_obs_steps: self.policy.config().n_obs_steps }
    }

    fn chunks(&self, episodes: &[&mut Episode]) -> Result<Vec<Vec<Action>>> {
        let observations: Vec<Observation> = episodes.iter().map(|episode| episode.observation()).collect();
        let places: Vec<(u64, u64)> = episodes.iter().map(|episode| (episode.scene.chance, episode.chunks)).collect();
        let chunks = pollster::block_on(self.policy.predict(&observations, &self.plan, self.noise(&places)))?;
        let action = |values: Vec<f32>| {
            Action::try_from(values).map_err(|values| anyhow!("an action has {} values", values.len()))
        };
        chunks.into_iter().map(|chunk| chunk.actions.into_iter().map(action).collect()).collect()
    }

    /// Noise for a chunk of every episode, `[episodes, horizon, action_dim]`.
    fn noise(&self, places: &[(u64, u64)]) -> Noise {
        let config = self.policy.config();
        let shape = [places.len(), config.horizon, config.action_dim];
        let mut streams = Streams::new(places);
        let mut next = || {
            let values = streams.next(config.horizon * config.action_dim);
            Tensor::from_data(TensorData::new(values, shape), self.policy.device())
        };
        Noise { initial: next(), steps: (0..self.plan.settings().n_step_noises()).map(|_| next()).collect() }
    }
}

/// Standard normal numbers for several chunks at once. Those of a chunk depend on its episode's seed and its number alone, not on
/// the batch that it is computed in.
struct Streams(Vec<StdRng>);

impl Streams {
    /// One stream for each seed and number of a chunk.
    fn new(places: &[(u64, u64)]) -> Self {
        Self(places.iter().map(|(seed, chunk)| generator(*seed, Purpose::Noise, &[*chunk])).collect())
    }

    /// The next `count` numbers of every stream, one stream after the other.
    fn next(&mut self, count: usize) -> Vec<f32> {
        let mut values = Vec::with_capacity(self.0.len() * count);
        for stream in &mut self.0 {
            values.extend((0..count).map(|_| -> f32 { StandardNormal.sample(stream) }));
        }
        values
    }
}

#[cfg(test)]
mod tests {
    use super::Streams;

    #[test]
    fn noise_does_not_depend_on_the_batch() {
        let places = [(7, 0), (7, 1), (8, 0)];
        let mut together = Streams::new(&places);
        let (first, second) = (together.next(5), together.next(5));
        for (row, place) in places.into_iter().enumerate() {
            let mut alone = Streams::new(&[place]);
            assert_eq!(alone.next(5), first[row * 5..(row + 1) * 5], "the first tensor of {place:?}");
            assert_eq!(alone.next(5), second[row * 5..(row + 1) * 5], "the second tensor of {place:?}");
        }
        assert_ne!(first[..5], first[5..10], "another chunk has other noise");
        assert_ne!(first[..5], first[10..], "another episode has other noise");
    }
}
