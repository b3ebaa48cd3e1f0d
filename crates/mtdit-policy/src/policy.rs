//! The policy: [`Policy::predict`] and [`Policy::loss`] name every stage once, in order.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::action::ActionChunk;
use crate::batch::{Batch, Chance};
use crate::conditioning::Conditioning;
use crate::config::{ObjectiveConfig, PolicyConfig, Precision};
use crate::denoiser::{Denoiser, Modulation};
use crate::encoders::{ClipConfig, ObservationEncoder};
use crate::error::PolicyError;
use crate::objective::{Objective, mean_squared_error};
use crate::observation::Observation;
use crate::postprocess::Postprocessor;
use crate::preprocess::{Inputs, Preprocessor, Statistics};
use crate::sampler::{Noise, Sampler, SamplerSettings};

/// All weights, under the checkpoint's names.
#[derive(Module, Debug)]
pub struct Network {
    /// What the policy sees and is told.
    pub observation_encoder: ObservationEncoder,
    /// The diffusion transformer.
    pub noise_predictor: Denoiser,
}

impl Network {
    /// Random weights as `LeRobot` initialises them, allocated when first used. `Device::seed` decides them.
    pub fn init(config: &PolicyConfig, clip: &ClipConfig, precision: Precision, device: &Device) -> Self {
        let vision_width = clip.vision_config.as_ref().map_or(0, |vision| vision.hidden_size);
        Self {
            observation_encoder: ObservationEncoder::init(config, clip, precision, device),
            noise_predictor: Denoiser::init(config, vision_width, precision, device),
        }
    }

    /// Inputs to the conditioning: everything that is constant over the denoising steps.
    pub fn encode(&self, inputs: Inputs) -> Conditioning {
        let features = self.observation_encoder.forward(inputs);
        Conditioning::from_features(features)
    }
}

/// A network with everything around it.
#[derive(Clone, Debug)]
pub struct Policy {
    config: PolicyConfig,
    clip: ClipConfig,
    preprocessor: Preprocessor,
    network: Network,
    objective: Objective,
    postprocessor: Postprocessor,
    device: Device,
}

/// A sampler with the time's part of every modulation: prepared once, used for every chunk.
#[derive(Clone, Debug)]
pub struct SamplingPlan {
    settings: SamplerSettings,
    time: Modulation,
}

impl SamplingPlan {
    /// The sampler.
    pub fn settings(&self) -> SamplerSettings {
        self.settings
    }

    /// The time's part of every modulation at one evaluation, `[1, 6 * hidden]` per block.
    pub fn time(&self, evaluation: usize) -> Modulation {
        self.time.row(evaluation)
    }
}

impl Policy {
    /// Puts the parts together.
    ///
    /// # Errors
    /// [`PolicyError::Stats`] when the statistics do not serve the configured normalisation.
    pub fn new(
        config: PolicyConfig,
        clip: ClipConfig,
        network: Network,
        statistics: &Statistics,
        action_statistics: &Statistics,
        device: &Device,
    ) -> Result<Self, PolicyError> {
        Ok(Self {
            preprocessor: Preprocessor::new(&config, clip.text_config.vocab_size, statistics, device)?,
            postprocessor: Postprocessor::new(&config, action_statistics, device)?,
            objective: Objective::new(&config.objective),
            config,
            clip,
            network,
            device: device.clone(),
        })
    }

    /// Observations to action chunks.
    ///
    /// # Errors
    /// [`PolicyError`] says what about the observations or the noise does not fit, or that the device failed.
    pub async fn predict(
        &self,
        observations: &[Observation],
        plan: &SamplingPlan,
        noise: Noise,
    ) -> Result<Vec<ActionChunk>, PolicyError> {
        let inputs = self.preprocessor.inputs(observations)?;
        let conditioning = self.network.encode(inputs);
        let actions = self.sample(&conditioning, plan, noise)?;
        self.postprocessor.chunks(actions).await
    }

    /// A batch to its loss, `[1]`. Every sample is encoded once, however many draws of chance there are for it.
    pub fn loss(&self, network: &Network, batch: Batch, chance: Chance) -> Tensor<1> {
        let repeats = chance.timesteps.len() / batch.actions.dims()[0];
        let conditioning = network.encode(batch.inputs).repeated(repeats);
        let actions = batch.actions.repeat_dim(0, repeats); // [draws, horizon, action_dim]
        let noisy = self.objective.noisy(actions.clone(), chance.noise.clone(), &chance.timesteps);
        let prediction =
            network.noise_predictor.forward(noisy, &chance.timesteps, &conditioning, chance.dropout.as_deref());
        let target = self.objective.target(actions, chance.noise);
        let is_pad = self.config.do_mask_loss_for_padding.then(|| batch.action_is_pad.repeat_dim(0, repeats));
        mean_squared_error(prediction, target, is_pad)
    }

    /// Conditioning and noise to actions `[batch, horizon, action_dim]`, normalised.
    ///
    /// # Errors
    /// [`PolicyError::Noise`] when the noise has the wrong shape.
    pub fn sample(
        &self,
        conditioning: &Conditioning,
        plan: &SamplingPlan,
        noise: Noise,
    ) -> Result<Tensor<3>, PolicyError> {
        let condition = self.network.noise_predictor.condition(conditioning);
        let mut sampler = self.sampler(plan, noise, conditioning.vector.dims()[0])?;
        while let Some(query) = sampler.query() {
            let time = plan.time(query.index);
            sampler.feed(self.network.noise_predictor.denoise(query.x, &time, &condition));
        }
        Ok(sampler.finish())
    }

    /// Prepares a sampler for this checkpoint.
    ///
    /// # Errors
    /// [`PolicyError::Sampler`] when it does not fit.
    pub fn plan(&self, settings: SamplerSettings) -> Result<SamplingPlan, PolicyError> {
        settings.validate(&self.config.objective)?;
        let evaluations = settings.evaluations(&self.config.objective);
        Ok(SamplingPlan { settings, time: self.network.noise_predictor.time(&evaluations) })
    }

    /// A sampling run over checked noise.
    ///
    /// # Errors
    /// [`PolicyError::Noise`] when the noise has the wrong shape.
    pub fn sampler(&self, plan: &SamplingPlan, noise: Noise, batch: usize) -> Result<Sampler, PolicyError> {
        let expected = [batch, self.config.horizon, self.config.action_dim];
        for (what, tensor) in
            [("initial noise", &noise.initial)].into_iter().chain(noise.steps.iter().map(|n| ("step noise", n)))
        {
            let found = tensor.dims();
            if found != expected {
                return Err(PolicyError::Noise { what, found: found.to_vec(), expected: expected.to_vec() });
            }
        }
        let schedule = match &self.objective {
            Objective::Diffusion { schedule, .. } => Some(schedule),
            Objective::FlowMatching { .. } => None,
        };
        Sampler::new(plan.settings, &self.config.objective, schedule, noise)
    }

    /// What the checkpoint asks for.
    pub fn default_sampler(&self) -> SamplerSettings {
        SamplerSettings::from_config(&self.config.objective)
    }

    /// The same policy with other weights, such as those after a training step.
    #[must_use]
    pub fn with_network(&self, network: Network) -> Self {
        Self { network, ..self.clone() }
    }

    /// The configuration.
    pub fn config(&self) -> &PolicyConfig {
        &self.config
    }

    /// Shapes of the CLIP towers.
    pub fn clip(&self) -> &ClipConfig {
        &self.clip
    }

    /// The weights.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The stage before the network.
    pub fn preprocessor(&self) -> &Preprocessor {
        &self.preprocessor
    }

    /// The stage after it.
    pub fn postprocessor(&self) -> &Postprocessor {
        &self.postprocessor
    }

    /// The training objective.
    pub fn objective(&self) -> &Objective {
        &self.objective
    }

    /// Whether the objective is a diffusion.
    pub fn is_diffusion(&self) -> bool {
        matches!(self.config.objective, ObjectiveConfig::Diffusion(_))
    }

    /// Where the weights are.
    pub fn device(&self) -> &Device {
        &self.device
    }
}
