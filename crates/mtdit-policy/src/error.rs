//! What can go wrong at the policy's boundary: one variant per way, with both values in it.

use thiserror::Error;

/// A configuration that cannot be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The JSON text does not parse, or a field has the wrong type.
    #[error("{file}: field `{field}`: {reason}")]
    Field {
        /// The file.
        file: String,
        /// Path of the field.
        field: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Another policy's configuration.
    #[error("config.json: type is `{found}`; mtdit runs `multi_task_dit` policies only")]
    PolicyType {
        /// The type found.
        found: String,
    },
    /// A value out of its range.
    #[error("config.json: `{field}` is {value}; {expected}")]
    Value {
        /// The field.
        field: &'static str,
        /// Its value.
        value: String,
        /// What it must be.
        expected: String,
    },
    /// The network would not fit into any memory.
    #[error(
        "config.json describes a network of about {millions} million parameters, more than the {limit} million mtdit accepts; check hidden_dim, num_layers and timestep_embed_dim"
    )]
    TooLarge {
        /// Parameters, in millions.
        millions: u64,
        /// The limit, in millions.
        limit: u64,
    },
    /// CLIP's shape cannot be known.
    #[error("CLIP tower `{name}`: {reason}")]
    Clip {
        /// Name of the CLIP model.
        name: String,
        /// What is missing or wrong.
        reason: String,
    },
}

/// A safetensors file that cannot be used.
#[derive(Debug, Error)]
pub enum WeightError {
    /// The header is broken.
    #[error("{file}: not a valid safetensors file: {reason}")]
    Header {
        /// The file.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A tensor is absent.
    #[error("{file}: tensor `{name}` is missing")]
    Missing {
        /// The file.
        file: String,
        /// The tensor.
        name: String,
    },
    /// Tensors that this policy has no place for.
    #[error(
        "{file}: {count} tensors do not belong to this policy, the first is `{name}`; check that config.json and model.safetensors belong together"
    )]
    Extra {
        /// The file.
        file: String,
        /// How many.
        count: usize,
        /// The first of them.
        name: String,
    },
    /// A tensor of the wrong shape.
    #[error("{file}: tensor `{name}` has shape {found:?}, the configuration needs {expected:?}")]
    Shape {
        /// The file.
        file: String,
        /// The tensor.
        name: String,
        /// Shape in the file.
        found: Vec<usize>,
        /// Shape the configuration needs.
        expected: Vec<usize>,
    },
    /// A number format that weights do not come in.
    #[error("{file}: tensor `{name}` has dtype {found}; F32, F16 and BF16 are read")]
    Dtype {
        /// The file.
        file: String,
        /// The tensor.
        name: String,
        /// Its dtype.
        found: String,
    },
    /// NaN or infinity.
    #[error(
        "{file}: tensor `{name}` holds {value} at element {index}; the checkpoint is damaged or its training diverged"
    )]
    NonFinite {
        /// The file.
        file: String,
        /// The tensor.
        name: String,
        /// The element's index in the flattened tensor.
        index: usize,
        /// The value.
        value: f32,
    },
    /// The bytes could not be had.
    #[error("{file}: cannot read tensor `{name}`: {reason}")]
    Read {
        /// The file.
        file: String,
        /// The tensor.
        name: String,
        /// Why.
        reason: String,
    },
}

/// Statistics that normalisation cannot work with.
#[derive(Debug, Error)]
pub enum StatsError {
    /// A statistic is absent.
    #[error("normalisation of `{feature}` needs the statistic `{stat}`, which the checkpoint does not hold")]
    Missing {
        /// The feature.
        feature: String,
        /// The statistic.
        stat: &'static str,
    },
    /// A statistic of the wrong length.
    #[error("statistic `{stat}` of `{feature}` has {found} values, {expected} are needed")]
    Length {
        /// The feature.
        feature: String,
        /// The statistic.
        stat: &'static str,
        /// Values found.
        found: usize,
        /// Values needed.
        expected: usize,
    },
    /// NaN or infinity among the statistics.
    #[error("statistic `{stat}` of `{feature}` is not finite at index {index}")]
    NonFinite {
        /// The feature.
        feature: String,
        /// The statistic.
        stat: &'static str,
        /// The index.
        index: usize,
    },
}

/// Why an observation was refused, or a prediction failed.
#[derive(Debug, Error)]
pub enum PolicyError {
    /// No observation at all.
    #[error("there is nothing to predict from: no observation was given")]
    Empty,
    /// Wrong length of the history.
    #[error("the observation holds {found} moments, the policy looks at {expected}")]
    History {
        /// Moments given.
        found: usize,
        /// `n_obs_steps`.
        expected: usize,
    },
    /// Wrong number of cameras.
    #[error("the observation holds {found} camera frames per moment, the policy has {expected} cameras: {names}")]
    Cameras {
        /// Frames given.
        found: usize,
        /// Cameras of the policy.
        expected: usize,
        /// Their names.
        names: String,
    },
    /// A frame that cannot be used.
    #[error("camera `{camera}`: {reason}")]
    Frame {
        /// The camera.
        camera: String,
        /// What is wrong.
        reason: String,
    },
    /// Wrong length of the state.
    #[error("the state has {found} values, the policy needs {expected}")]
    State {
        /// Values given.
        found: usize,
        /// `state_dim`.
        expected: usize,
    },
    /// NaN or infinity in the state.
    #[error("the state is not finite at index {index}")]
    StateNonFinite {
        /// The index.
        index: usize,
    },
    /// Noise of the wrong shape.
    #[error("the {what} has shape {found:?}, the policy needs {expected:?}")]
    Noise {
        /// Which noise.
        what: &'static str,
        /// Its shape.
        found: Vec<usize>,
        /// The shape needed.
        expected: Vec<usize>,
    },
    /// A sampler that does not fit the checkpoint or the step count.
    #[error("sampler `{sampler}`: {reason}")]
    Sampler {
        /// The sampler.
        sampler: &'static str,
        /// Why it cannot be used.
        reason: String,
    },
    /// The tokenizer refused, or a token lies outside the text tower's vocabulary.
    #[error("instruction: {0}")]
    Instruction(String),
    /// NaN or infinity came out; the chunk is withheld.
    #[error("the sampled actions are not finite (step {step}, dimension {dimension}); no chunk is returned")]
    NonFinite {
        /// Step of the horizon.
        step: usize,
        /// Action dimension.
        dimension: usize,
    },
    /// The device failed.
    #[error("the device failed: {0}")]
    Device(String),
    /// The configuration is invalid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The weights are invalid.
    #[error(transparent)]
    Weights(#[from] WeightError),
    /// The statistics are invalid.
    #[error(transparent)]
    Stats(#[from] StatsError),
}
