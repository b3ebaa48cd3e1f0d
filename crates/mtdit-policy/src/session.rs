//! One robot's run: its history of observations and its queue of actions (`LeRobot`'s `select_action`, contract section 5.9).
//!
//! What was computed is kept: the pooled instruction until the words change, a frame's vision features until the frame leaves
//! the history.

use std::collections::VecDeque;

use burn::tensor::Tensor;

use crate::action::{ActionChunk, ActionQueue};
use crate::conditioning::Conditioning;
use crate::encoders::Features;
use crate::error::PolicyError;
use crate::observation::Moment;
use crate::policy::{Policy, SamplingPlan};
use crate::sampler::{Noise, SamplerSettings};

/// The state between two control steps.
#[derive(Debug)]
pub struct Session {
    plan: SamplingPlan,
    history: VecDeque<Remembered>,
    queue: ActionQueue,
    instruction: Option<Instruction>,
}

/// A moment and, once it was needed, its vision features `[1, 1, n_cameras * width]`.
#[derive(Clone, Debug)]
struct Remembered {
    moment: Moment,
    vision: Option<Tensor<3>>,
}

/// An instruction and its projected feature `[1, hidden_dim]`.
#[derive(Debug)]
struct Instruction {
    task: String,
    text: Tensor<2>,
}

impl Session {
    /// A fresh session with a sampler.
    ///
    /// # Errors
    /// [`PolicyError::Sampler`] when the sampler does not fit the policy.
    pub fn new(policy: &Policy, settings: SamplerSettings) -> Result<Self, PolicyError> {
        let plan = policy.plan(settings)?;
        Ok(Self { plan, history: VecDeque::new(), queue: ActionQueue::default(), instruction: None })
    }

    /// Forgets history and queue, at the start of an episode.
    pub fn reset(&mut self) {
        self.history.clear();
        self.queue.clear();
    }

    /// Remembers this moment; the first one fills the whole history.
    ///
    /// # Errors
    /// [`PolicyError`] names what about the moment does not fit the policy; nothing is remembered then.
    pub fn observe(&mut self, policy: &Policy, moment: Moment) -> Result<(), PolicyError> {
        policy.preprocessor().check(&moment)?;
        let n_obs_steps = policy.config().n_obs_steps;
        let remembered = Remembered { moment, vision: None };
        if self.history.is_empty() {
            self.history.extend(std::iter::repeat_n(remembered, n_obs_steps));
        } else {
            self.history.pop_front();
            self.history.push_back(remembered);
        }
        Ok(())
    }

    /// Whether [`Session::select_action`] will sample a new chunk, and so needs noise.
    pub fn needs_chunk(&self) -> bool {
        self.queue.is_empty()
    }

    /// The action for this control step, `[action_dim]` in robot units; samples a chunk when the queue is empty.
    ///
    /// # Errors
    /// [`PolicyError`]; history and queue are left as they were.
    pub async fn select_action(
        &mut self,
        policy: &Policy,
        moment: Moment,
        task: &str,
        noise: impl FnOnce() -> Noise,
    ) -> Result<Vec<f32>, PolicyError> {
        let before = self.history.clone();
        self.observe(policy, moment)?;
        if self.queue.is_empty() {
            match self.predict(policy, task, noise()).await {
                Ok(chunk) => self.queue.refill(chunk),
                Err(error) => {
                    self.history = before;
                    return Err(error);
                }
            }
        }
        self.queue.pop().ok_or(PolicyError::Empty)
    }

    /// A chunk from the present history.
    ///
    /// # Errors
    /// [`PolicyError::Empty`] before the first observation, else as [`Policy::predict`].
    pub async fn predict(&mut self, policy: &Policy, task: &str, noise: Noise) -> Result<ActionChunk, PolicyError> {
        let features = self.features(policy, task)?;
        let conditioning = Conditioning::from_features(features);
        let actions = policy.sample(&conditioning, &self.plan, noise)?;
        let chunks = policy.postprocessor().chunks(actions).await?;
        chunks.into_iter().next().ok_or(PolicyError::Empty)
    }

    fn features(&mut self, policy: &Policy, task: &str) -> Result<Features, PolicyError> {
        if self.history.is_empty() {
            return Err(PolicyError::Empty);
        }
        let states = self.history.iter().flat_map(|remembered| remembered.moment.state.iter().copied());
        Ok(Features {
            state: policy.preprocessor().state(states.collect(), 1),
            vision: self.vision(policy)?,
            text: self.text(policy, task)?,
        })
    }

    /// Vision features of the history; only frames that were never encoded are.
    fn vision(&mut self, policy: &Policy) -> Result<Option<Tensor<3>>, PolicyError> {
        if policy.config().cameras.is_empty() {
            return Ok(None);
        }
        for i in 0..self.history.len() {
            if self.history[i].vision.is_some() {
                continue;
            }
            let same = (0..i).find(|&j| same_frames(&self.history[j].moment, &self.history[i].moment));
            self.history[i].vision = match same {
                Some(j) => self.history[j].vision.clone(),
                None => {
                    let images = policy.preprocessor().images(&[&self.history[i].moment], 1)?;
                    images.map(|images| policy.network().observation_encoder.vision(images))
                }
            };
        }
        let features = self.history.iter().filter_map(|remembered| remembered.vision.clone());
        Ok(Some(Tensor::cat(features.collect(), 1)))
    }

    /// The projected instruction, computed when the words change.
    fn text(&mut self, policy: &Policy, task: &str) -> Result<Tensor<2>, PolicyError> {
        if let Some(known) = self.instruction.as_ref().filter(|known| known.task == task) {
            return Ok(known.text.clone());
        }
        let tokens = policy.preprocessor().tokens(task)?;
        let encoder = &policy.network().observation_encoder.text_encoder;
        let text = encoder.project(encoder.pooled(&[tokens]));
        self.instruction = Some(Instruction { task: task.to_owned(), text: text.clone() });
        Ok(text)
    }
}

/// Whether two moments share their pictures, as the copies that fill a new history do.
fn same_frames(left: &Moment, right: &Moment) -> bool {
    let same = |(left, right): (&crate::Frame, &crate::Frame)| std::sync::Arc::ptr_eq(&left.rgb, &right.rgb);
    left.frames.iter().zip(&right.frames).all(same)
}
