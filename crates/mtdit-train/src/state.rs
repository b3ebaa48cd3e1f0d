//! `training_state/`: what a resumed run needs besides the policy, in `LeRobot`'s files (contract section 4.6).

use std::borrow::Cow;
use std::fs::File;
use std::path::Path;

use burn::module::Param;
use burn::tensor::{Device, Tensor, TensorData};
use indexmap::IndexMap;
use mtdit_policy::Network;
use mtdit_policy::checkpoint::keys::{KeyMap, Layout, NamedVisitor, visit_named};
use mtdit_policy::checkpoint::{WeightSource, pretty_json};
use safetensors::tensor::{Dtype, View};
use serde_json::{Value, json};

use crate::atomic::write_flushed;
use crate::error::TrainError;
use crate::folder::{WeightFile, read_text};
use crate::optimizer::{Adam, AdamConfig, LearningRates, Moments};

/// A run's position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Updates so far.
    pub step: u64,
    /// Samples per batch.
    pub batch_size: usize,
}

/// The numbers `LeRobot` writes beside the moments.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// Learning rates before the schedule.
    pub initial: LearningRates,
    /// Learning rates of the next update.
    pub current: LearningRates,
    /// Adam's constants.
    pub adam: AdamConfig,
    /// The run's seed.
    pub seed: u64,
}

/// Writes the five files.
///
/// # Errors
/// [`TrainError::Io`] names the file that could not be written.
pub fn save(
    folder: &Path,
    network: &Network,
    keys: KeyMap,
    adam: &Adam,
    schedule: &Schedule,
    progress: Progress,
) -> Result<(), TrainError> {
    let groups = keys.optimizer_groups(network);
    let json = |name: &str, value: &Value| write_flushed(&folder.join(name), pretty_json(value, 4).as_bytes());
    let step = json!({"step": progress.step, "num_processes": 1, "batch_size": progress.batch_size});
    json("training_step.json", &step)?;
    json("optimizer_param_groups.json", &param_groups(&groups, schedule))?;
    json("scheduler_state.json", &scheduler_state(schedule, progress.step))?;
    let state = optimizer_state(network, keys, adam, &groups);
    write_tensors(&folder.join("optimizer_state.safetensors"), state)?;
    write_tensors(&folder.join("rng_state.safetensors"), crate::rng_state::tensors(schedule.seed))
}

/// Reads the position and the moments back.
///
/// # Errors
/// [`TrainError`] names the file and tensor that are missing or do not fit.
pub fn load(
    folder: &Path,
    network: &Network,
    keys: KeyMap,
    device: &Device,
) -> Result<(Progress, IndexMap<String, Moments>), TrainError> {
    let path = folder.join("training_step.json");
    if !path.is_file() {
        return Err(TrainError::MissingFile {
            path,
            hint: "a run can only be resumed from a checkpoint with training_state/",
        });
    }
    let value: Value = serde_json::from_str(&read_text(&path)?)
        .map_err(|error| TrainError::Invalid { path: path.clone(), reason: error.to_string() })?;
    let number = |name: &str| value.get(name).and_then(Value::as_u64);
    let missing =
        |name: &str| TrainError::Invalid { path: path.clone(), reason: format!("it holds no number `{name}`") };
    let progress = Progress {
        step: number("step").ok_or_else(|| missing("step"))?,
        batch_size: usize::try_from(number("batch_size").ok_or_else(|| missing("batch_size"))?).unwrap_or(1),
    };
    let mut file = WeightFile::open(&folder.join("optimizer_state.safetensors"))?;
    let mut shapes = Shapes(IndexMap::new());
    visit_named(network, keys, &mut shapes);
    let mut moments = IndexMap::new();
    for (i, key) in keys.optimizer_groups(network).concat().iter().enumerate() {
        let name = |part: &str| format!("state/{i}/{part}");
        if file.index().shape(&name("exp_avg")).is_none() {
            continue;
        }
        let (layout, shape) = &shapes.0[key];
        let mut moment = |part: &str| -> Result<Tensor<1>, TrainError> {
            let expected = layout.checkpoint_shape(shape.clone());
            let found = file.index().entry(&name(part))?.shape.clone();
            if found != expected {
                let (file, name) = (file.index().file().to_owned(), format!("{} ({key})", name(part)));
                return Err(mtdit_policy::WeightError::Shape { file, name, found, expected }.into());
            }
            let values = layout.transpose(file.values(&name(part))?, &expected);
            let length = values.len();
            Ok(Tensor::from_data(TensorData::new(values, [length]), device))
        };
        let (exp_avg, exp_avg_sq) = (moment("exp_avg")?, moment("exp_avg_sq")?);
        let step = file.values(&name("step"))?.first().copied().unwrap_or(0.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count, saved as a float")]
        moments.insert(key.clone(), Moments { exp_avg, exp_avg_sq, step: step as u32 });
    }
    Ok((progress, moments))
}

fn param_groups(groups: &[Vec<String>; 2], schedule: &Schedule) -> Value {
    let AdamConfig { betas, eps, weight_decay } = schedule.adam;
    let group = |lr: f64, initial_lr: f64, params: std::ops::Range<usize>| {
        json!({
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "amsgrad": false, "maximize": false,
            "foreach": null, "capturable": false, "differentiable": false, "fused": null, "decoupled_weight_decay": false,
            "initial_lr": initial_lr, "params": params.collect::<Vec<_>>(),
        })
    };
    let [others, vision] = [groups[0].len(), groups[1].len()];
    json!([
        group(schedule.current.base, schedule.initial.base, 0..others),
        group(schedule.current.vision, schedule.initial.vision, others..others + vision),
    ])
}

fn scheduler_state(schedule: &Schedule, step: u64) -> Value {
    json!({
        "base_lrs": [schedule.initial.base, schedule.initial.vision],
        "last_epoch": step,
        "_step_count": step + 1,
        "_is_initial": false,
        "_get_lr_called_within_step": false,
        "_last_lr": [schedule.current.base, schedule.current.vision],
        "lr_lambdas": [null, null],
    })
}

fn optimizer_state(
    network: &Network,
    keys: KeyMap,
    adam: &Adam,
    groups: &[Vec<String>; 2],
) -> Vec<(String, SavedTensor)> {
    let mut shapes = Shapes(IndexMap::new());
    visit_named(network, keys, &mut shapes);
    let mut tensors = Vec::new();
    for (i, key) in groups.concat().iter().enumerate() {
        // `post_layernorm` never receives a gradient and has no state.
        let Some(moments) = adam.moments().get(key) else { continue };
        let (layout, shape) = &shapes.0[key];
        let saved = |tensor: &Tensor<1>| SavedTensor::device(tensor.clone(), *layout, shape.clone());
        tensors.push((format!("state/{i}/exp_avg"), saved(&moments.exp_avg)));
        tensors.push((format!("state/{i}/exp_avg_sq"), saved(&moments.exp_avg_sq)));
        #[expect(clippy::cast_precision_loss, reason = "torch saves the count as a float too")]
        let step = (moments.step as f32).to_le_bytes().to_vec();
        tensors.push((format!("state/{i}/step"), SavedTensor::host(Dtype::F32, Vec::new(), step)));
    }
    tensors
}

/// All weights of a network under their checkpoint keys.
pub fn weights(network: &Network, keys: KeyMap) -> Vec<(String, SavedTensor)> {
    let mut collect = Weights(Vec::new());
    visit_named(network, keys, &mut collect);
    collect.0
}

/// Writes a safetensors file, reading device tensors one at a time, and flushes it.
///
/// # Errors
/// [`TrainError::Io`] names the file.
pub fn write_tensors(path: &Path, tensors: Vec<(String, SavedTensor)>) -> Result<(), TrainError> {
    // The library writes a temporary file that only its owner may read; a checkpoint is readable like any other file.
    let permissions =
        File::create(path).and_then(|file| file.metadata()).map_err(TrainError::io("creating", path))?.permissions();
    safetensors::serialize_to_file(tensors, None, path).map_err(|error| match error {
        safetensors::SafeTensorError::IoError(source) => {
            TrainError::Io { action: "writing", path: path.to_owned(), source }
        }
        other => TrainError::Invalid { path: path.to_owned(), reason: other.to_string() },
    })?;
    let file = File::options().write(true).open(path).map_err(TrainError::io("opening", path))?;
    file.set_permissions(permissions).map_err(TrainError::io("opening up", path))?;
    file.sync_all().map_err(TrainError::io("flushing", path))
}

/// A tensor on its way into a file.
#[derive(Debug)]
pub struct SavedTensor {
    dtype: Dtype,
    shape: Vec<usize>,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Host(Vec<u8>),
    /// Flattened in its own layout and shape.
    Device(Tensor<1>, Layout, Vec<usize>),
}

impl SavedTensor {
    /// Bytes that are already on the host.
    pub fn host(dtype: Dtype, shape: Vec<usize>, bytes: Vec<u8>) -> Self {
        Self { dtype, shape, content: Content::Host(bytes) }
    }

    /// A single-precision parameter, flattened from `shape` in its own layout.
    pub fn device(tensor: Tensor<1>, layout: Layout, shape: Vec<usize>) -> Self {
        let saved = layout.checkpoint_shape(shape.clone());
        Self { dtype: Dtype::F32, shape: saved, content: Content::Device(tensor, layout, shape) }
    }
}

impl View for SavedTensor {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        match &self.content {
            Content::Host(bytes) => Cow::Borrowed(bytes),
            Content::Device(tensor, layout, shape) => {
                let values = tensor.to_data().try_to_vec::<f32>().unwrap_or_default();
                let values = layout.transpose(values, shape);
                Cow::Owned(values.iter().flat_map(|value| value.to_le_bytes()).collect())
            }
        }
    }

    fn data_len(&self) -> usize {
        match &self.content {
            Content::Host(bytes) => bytes.len(),
            Content::Device(..) => self.shape.iter().product::<usize>() * 4,
        }
    }
}

struct Weights(Vec<(String, SavedTensor)>);

impl NamedVisitor for Weights {
    fn visit<const D: usize>(&mut self, key: &str, layout: Layout, param: &Param<Tensor<D>>) {
        let value = param.val().without_autodiff();
        let shape = value.dims().to_vec();
        let length = value.shape().num_elements();
        self.0.push((key.to_owned(), SavedTensor::device(value.reshape([length]), layout, shape)));
    }
}

struct Shapes(IndexMap<String, (Layout, Vec<usize>)>);

impl NamedVisitor for Shapes {
    fn visit<const D: usize>(&mut self, key: &str, layout: Layout, param: &Param<Tensor<D>>) {
        self.0.insert(key.to_owned(), (layout, param.lazy_shape().dims::<D>().to_vec()));
    }
}
