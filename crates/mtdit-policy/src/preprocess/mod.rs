//! Observation to inputs: pixels, state and words as normalised tensors (contract section 3).

pub mod image;
pub mod normalize;
pub mod statistics;
pub mod tokenize;

use burn::tensor::{Device, Tensor, TensorData};

pub use normalize::Normalizer;
pub use statistics::{Statistic, Statistics};
pub use tokenize::Tokenizer;

use crate::config::{ImageConfig, PolicyConfig};
use crate::error::{PolicyError, StatsError};
use crate::observation::{Frame, Moment, Observation};
use image::{Resize, center_crop};

/// The wire from preprocessing to the encoders.
#[derive(Clone, Debug)]
pub struct Inputs {
    /// Normalised pictures at the vision tower's size, `[batch, n_obs_steps, n_cameras, 3, height, width]`.
    pub images: Option<Tensor<6>>,
    /// Normalised state, `[batch, n_obs_steps, state_dim]`.
    pub state: Tensor<3>,
    /// The instructions.
    pub text: TextCondition,
}

/// An instruction on its way into the network.
#[derive(Clone, Debug)]
pub enum TextCondition {
    /// Token ids, one list per sample; padding may be left out.
    Tokens(Vec<Vec<u32>>),
    /// Pooled features of the frozen text tower, `[batch, width]`, computed earlier.
    Pooled(Tensor<2>),
}

/// Observation to inputs.
#[derive(Clone, Debug)]
pub struct Preprocessor {
    config: PolicyConfig,
    visual: Normalizer,
    state: Normalizer,
    tokenizer: Tokenizer,
    resize: Option<Resize>,
    device: Device,
}

impl Preprocessor {
    /// Normalisers from a checkpoint's statistics, tables on the device.
    ///
    /// # Errors
    /// [`StatsError`] when a statistic that the normalisation needs is absent, of the wrong length or not finite.
    pub fn new(
        config: &PolicyConfig,
        vocab_size: usize,
        statistics: &Statistics,
        device: &Device,
    ) -> Result<Self, StatsError> {
        let keys: Vec<&str> = config.cameras.iter().map(|camera| camera.key.as_str()).collect();
        let state_dim = config.state_dim;
        Ok(Self {
            visual: Normalizer::new(config.normalization.visual, statistics, &keys, 3, device)?,
            state: Normalizer::new(config.normalization.state, statistics, &["observation.state"], state_dim, device)?,
            tokenizer: Tokenizer::clip(config.text.tokenizer_max_length, vocab_size),
            resize: Resize::new(config, device),
            config: config.clone(),
            device: device.clone(),
        })
    }

    /// A batch of observations as the network takes them.
    ///
    /// # Errors
    /// [`PolicyError`] names the camera, the state or the instruction that does not fit the policy.
    pub fn inputs(&self, observations: &[Observation]) -> Result<Inputs, PolicyError> {
        let moments = self.moments(observations)?;
        let states = moments.iter().flat_map(|moment| moment.state.iter().copied()).collect();
        let tasks = observations.iter().map(|observation| self.tokens(&observation.task));
        Ok(Inputs {
            images: self.images(&moments, observations.len())?,
            state: self.state(states, observations.len()),
            text: TextCondition::Tokens(tasks.collect::<Result<_, _>>()?),
        })
    }

    /// Token ids of an instruction.
    ///
    /// # Errors
    /// [`PolicyError::Instruction`] when the tokenizer refuses it or the text tower does not know a token.
    pub fn tokens(&self, task: &str) -> Result<Vec<u32>, PolicyError> {
        self.tokenizer.ids(task)
    }

    /// `batch * n_obs_steps * state_dim` values in robot units to `[batch, n_obs_steps, state_dim]`, normalised.
    pub fn state(&self, values: Vec<f32>, batch: usize) -> Tensor<3> {
        let shape = [batch, values.len() / batch / self.config.state_dim, self.config.state_dim];
        let state = Tensor::from_data(TensorData::new(values, shape), &self.device);
        self.state.normalize(state, Tensor::unsqueeze)
    }

    /// Frames of `moments` (all samples, oldest first) to `[batch, n_obs_steps, n_cameras, 3, height, width]`.
    ///
    /// # Errors
    /// [`PolicyError::Frame`] when a frame has another size than the camera declares.
    pub fn images(&self, moments: &[&Moment], batch: usize) -> Result<Option<Tensor<6>>, PolicyError> {
        let Some(camera) = self.config.cameras.first() else { return Ok(None) };
        let frames: Vec<&Frame> = moments.iter().flat_map(|moment| &moment.frames).collect();
        let size = [camera.height, camera.width];
        let pixels = image::pixels(&frames, size, &self.device); // [batch * steps * cameras, 3, height, width]

        let n_cameras = self.config.cameras.len();
        let shape = [batch, moments.len() / batch, n_cameras, 3, size[0], size[1]];
        let pixels = self.normalize_images(pixels.reshape(shape)).reshape([frames.len(), 3, size[0], size[1]]);
        let images = self.resize_and_crop(pixels);
        let [_, _, height, width] = images.dims();
        Ok(Some(images.reshape([batch, moments.len() / batch, n_cameras, 3, height, width])))
    }

    /// A frame as the vision tower sees it through a camera, not yet normalised: `[3, height, width]` in `0..=1`.
    ///
    /// # Errors
    /// [`PolicyError::Cameras`] when there is no such camera, [`PolicyError::Frame`] when the frame does not fit it.
    pub fn view(&self, camera: usize, frame: &Frame) -> Result<Tensor<3>, PolicyError> {
        let cameras = &self.config.cameras;
        let Some(declared) = cameras.get(camera) else {
            let names: Vec<&str> = cameras.iter().map(|camera| camera.name()).collect();
            return Err(PolicyError::Cameras { found: camera + 1, expected: cameras.len(), names: names.join(", ") });
        };
        image::check(frame, declared)?;
        let pixels = image::pixels(&[frame], [declared.height, declared.width], &self.device);
        Ok(self.resize_and_crop(pixels).squeeze_dim(0))
    }

    /// Normalises pixels in `0..=1`, `[batch, n_obs_steps, n_cameras, 3, height, width]`, by each camera's statistics.
    pub fn normalize_images(&self, pixels: Tensor<6>) -> Tensor<6> {
        let n_cameras = self.config.cameras.len();
        self.visual.normalize(pixels, |stat| stat.reshape([1, 1, n_cameras, 3, 1, 1]))
    }

    /// The configured resize, then the centre crop: `[images, 3, height, width]` at the vision tower's size.
    pub fn resize_and_crop(&self, images: Tensor<4>) -> Tensor<4> {
        resize_and_crop(images, &self.config.image, self.resize.as_ref())
    }

    /// All moments of all observations in order, once each of them fits the policy.
    fn moments<'a>(&self, observations: &'a [Observation]) -> Result<Vec<&'a Moment>, PolicyError> {
        if observations.is_empty() {
            return Err(PolicyError::Empty);
        }
        let expected = self.config.n_obs_steps;
        for observation in observations {
            let found = observation.history.len();
            if found != expected {
                return Err(PolicyError::History { found, expected });
            }
            observation.history.iter().try_for_each(|moment| self.check(moment))?;
        }
        Ok(observations.iter().flat_map(|observation| &observation.history).collect())
    }

    /// Whether a moment fits the policy.
    ///
    /// # Errors
    /// [`PolicyError`] names what does not.
    pub fn check(&self, moment: &Moment) -> Result<(), PolicyError> {
        let cameras = &self.config.cameras;
        if moment.frames.len() != cameras.len() {
            let names: Vec<&str> = cameras.iter().map(|camera| camera.name()).collect();
            let names = names.join(", ");
            return Err(PolicyError::Cameras { found: moment.frames.len(), expected: cameras.len(), names });
        }
        for (camera, frame) in cameras.iter().zip(&moment.frames) {
            image::check(frame, camera)?;
        }
        let [found, expected] = [moment.state.len(), self.config.state_dim];
        if found != expected {
            return Err(PolicyError::State { found, expected });
        }
        match moment.state.iter().position(|value| !value.is_finite()) {
            Some(index) => Err(PolicyError::StateNonFinite { index }),
            None => Ok(()),
        }
    }
}

/// The configured resize, then the centre crop.
pub fn resize_and_crop(images: Tensor<4>, config: &ImageConfig, resize: Option<&Resize>) -> Tensor<4> {
    let images = match resize {
        Some(resize) => resize.forward(images),
        None => images,
    };
    match config.image_crop_shape {
        Some(size) => center_crop(images, size),
        None => images,
    }
}
