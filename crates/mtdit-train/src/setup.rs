//! What a training needs before its first step: dataset, policy, held-out episodes, decoded frames.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use burn::tensor::Device;
use mtdit_data::{CachedCamera, DataError, Dataset, EpisodeRange, FrameCache, FrameCacheOptions, split_episodes};
use mtdit_policy::checkpoint::keys::{KeyMap, Layout, NamedVisitor, visit_named};
use mtdit_policy::checkpoint::{CheckpointParts, LeRobotConfig, clip, load};
use mtdit_policy::objective::Objective;
use mtdit_policy::{Network, Policy, PolicyConfig, Precision, Statistics};

use crate::chance::{Stream, stream_seed};
use crate::config::{Extras, TrainConfig, VisionInit};
use crate::error::TrainError;
use crate::event::TrainEvent;
use crate::features::{Renames, settle, statistics};
use crate::folder::{CheckpointFolder, WeightFile, read_text};
use crate::samples::{SampleSource, SourceOptions};

/// A training as asked for, with everything from outside resolved to local folders.
#[derive(Clone, Debug)]
pub struct TrainOptions {
    /// `LeRobot`'s settings.
    pub config: TrainConfig,
    /// Ours.
    pub extras: Extras,
    /// Where checkpoints go.
    pub output_dir: PathBuf,
    /// The dataset's folder.
    pub dataset_root: PathBuf,
    /// A folder with CLIP's `model.safetensors` and `config.json`, when training starts from pretrained towers.
    pub clip_folder: Option<PathBuf>,
    /// Where decoded frames are kept.
    pub frame_cache_dir: PathBuf,
    /// Where to compute.
    pub device: Device,
    /// Its name for `config.json`: `cpu` or `cuda`.
    pub device_name: String,
}

/// The parts of a training, ready to run.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) saved: LeRobotConfig,
    pub(crate) policy: Policy,
    pub(crate) statistics: Statistics,
    pub(crate) source: Arc<SampleSource>,
    pub(crate) training: Vec<EpisodeRange>,
    pub(crate) held_out: Vec<EpisodeRange>,
}

/// Opens and checks everything.
pub(crate) fn prepare(
    options: &TrainOptions,
    stop: &AtomicBool,
    emit: &(dyn Fn(TrainEvent) + Sync),
) -> Result<Prepared, TrainError> {
    let note = |text: String| emit(TrainEvent::Note(text));
    let dataset = Dataset::open(&options.dataset_root)?;
    dataset.warnings().iter().for_each(|warning| note(warning.clone()));

    let renames = Renames::new(&options.config.rename_map);
    let mut saved = LeRobotConfig::from_value(&options.config.policy.clone().into())
        .map_err(|source| TrainError::Config { path: PathBuf::from("--policy"), source })?;
    settle(&mut saved, &dataset, &renames)?;
    saved.device = Some(options.device_name.clone());
    let start = Start::of(options, &saved)?;

    let stats = if options.config.dataset.use_imagenet_stats {
        dataset.stats().with_imagenet(&dataset.cameras())
    } else {
        dataset.stats().clone()
    };
    let (policy, statistics) = start.policy(options, &saved, statistics(&stats, &renames), &note)?;
    warn(&policy, &note);

    let (training, held_out) = episodes(&dataset, &options.config)?;
    let cameras: Vec<String> =
        policy.config().cameras.iter().map(|camera| renames.column(&camera.key).to_owned()).collect();
    let cache = frame_cache(&dataset, &cameras, policy.config(), options, stop, emit)?;
    let source_options = SourceOptions {
        cameras,
        state_key: renames.column("observation.state").to_owned(),
        seed: options.config.seed.unwrap_or(0),
        crop: options.extras.crop,
    };
    let source = Arc::new(SampleSource::new(dataset, cache, policy.config(), source_options));
    Ok(Prepared { saved, policy, statistics, source, training, held_out })
}

/// Where the weights come from.
enum Start {
    /// The run goes on.
    Resumed(CheckpointFolder),
    /// A trained policy, on other data.
    Trained(CheckpointFolder),
    /// Chance, with CLIP's towers or without. CLIP's own configuration, when a folder holds it.
    New { clip_json: Option<String> },
}

impl Start {
    fn of(options: &TrainOptions, saved: &LeRobotConfig) -> Result<Self, TrainError> {
        if let Some(checkpoint) = options.config.checkpoint_path.as_ref().filter(|_| options.config.resume) {
            return CheckpointFolder::find(checkpoint).map(Self::Resumed);
        }
        let folder = match saved.pretrained_path.as_deref() {
            Some(path) => Some(CheckpointFolder::find(Path::new(path))?),
            None => None,
        };
        if let Some(folder) = folder.as_ref().filter(|folder| folder.has_weights()) {
            return Ok(Self::Trained(folder.clone()));
        }
        let candidates = [
            options.clip_folder.clone(),
            folder.map(|folder| folder.root().join("clip")),
            Some(PathBuf::from(&saved.vision_encoder_name)),
        ];
        let path =
            candidates.into_iter().flatten().map(|folder| folder.join("config.json")).find(|path| path.is_file());
        Ok(Self::New { clip_json: path.map(|path| read_text(&path)).transpose()? })
    }

    fn policy(
        &self,
        options: &TrainOptions,
        saved: &LeRobotConfig,
        statistics: Statistics,
        note: &dyn Fn(String),
    ) -> Result<(Policy, Statistics), TrainError> {
        let device = &options.device;
        let invalid = |source| TrainError::Config { path: PathBuf::from("--policy"), source };
        match self {
            Self::Resumed(folder) => {
                // A resumed run keeps the statistics it began with.
                let mut parts = folder.parts()?;
                let kept = parts.statistics.clone();
                parts.config = saved.clone();
                Ok((folder.policy_as(&parts, options.extras.precision, device)?, kept))
            }
            Self::Trained(folder) => {
                note(format!("starting from the weights in {}", folder.root().display()));
                let parts = CheckpointParts {
                    config: saved.clone(),
                    clip_json: folder.parts()?.clip_json,
                    statistics: statistics.clone(),
                    action_statistics: statistics.clone(),
                };
                Ok((folder.policy_as(&parts, options.extras.precision, device)?, statistics))
            }
            Self::New { clip_json } => {
                let config = PolicyConfig::try_from(saved).map_err(invalid)?;
                let towers = clip::towers(&config, clip_json.as_deref()).map_err(invalid)?;
                device.seed(stream_seed(options.config.seed.unwrap_or(0), Stream::Weights, 0));
                let network = Network::init(&config, &towers, options.extras.precision, device);
                // Parameters are drawn when first used; drawing them in module order makes the seed decide them.
                visit_named(&network, KeyMap::new(&config), &mut Draw);
                let network = self.with_clip(network, &config, options, note)?;
                Ok((Policy::new(config, towers, network, &statistics, &statistics, device)?, statistics))
            }
        }
    }

    fn with_clip(
        &self,
        network: Network,
        config: &PolicyConfig,
        options: &TrainOptions,
        note: &dyn Fn(String),
    ) -> Result<Network, TrainError> {
        if options.extras.vision_encoder_init == VisionInit::Random {
            note("both CLIP towers start from random weights; the text tower stays as it is, so every instruction has a fixed random feature".to_owned());
            return Ok(network);
        }
        let Some(folder) = &options.clip_folder else {
            return Err(TrainError::Setting(format!(
                "the weights of {} are not here; give --policy.clip_path=FOLDER, or train from random towers with --policy.vision_encoder_init=random",
                config.vision.vision_encoder_name
            )));
        };
        let mut weights = WeightFile::open(&folder.join("model.safetensors"))?;
        note(format!("both CLIP towers start from {}", folder.display()));
        Ok(pollster::block_on(load::load_clip(network, KeyMap::new(config), &mut weights, &options.device))?)
    }
}

struct Draw;

impl NamedVisitor for Draw {
    fn visit<const D: usize>(&mut self, _: &str, _: Layout, param: &burn::module::Param<burn::tensor::Tensor<D>>) {
        drop(param.val());
    }
}

/// Sentences about settings that work but are seldom meant.
fn warn(policy: &Policy, note: &dyn Fn(String)) {
    let config = policy.config();
    let constant = policy.postprocessor().constant_dimensions();
    if !constant.is_empty() {
        note(format!(
            "action dimensions {constant:?} never change in the dataset; the policy will always answer their constant value"
        ));
    }
    if let (Some(camera), Some([height, width])) = (config.cameras.first(), config.image.image_crop_shape) {
        let [full_height, full_width] = config.image.resized([camera.height, camera.width]);
        let share = 100 * height * width / (full_height * full_width);
        if share < 50 {
            note(format!(
                "the crop of {height} x {width} shows the policy only {share} % of a {full_height} x {full_width} picture; set --policy.image_resize_shape to show it more"
            ));
        }
    }
    if let Objective::Diffusion { schedule, .. } = policy.objective() {
        let left = schedule.alpha_bar(Some(schedule.len() - 1));
        if left > 0.05 {
            note(format!(
                "with this beta schedule the noisiest timestep still holds {:.0} % of the signal, but sampling starts from pure noise; squaredcos_cap_v2 does not have this gap",
                100.0 * left
            ));
        }
    }
}

/// Episodes to train on and those held out.
fn episodes(dataset: &Dataset, config: &TrainConfig) -> Result<(Vec<EpisodeRange>, Vec<EpisodeRange>), TrainError> {
    let wanted = config.dataset.episodes.as_deref();
    if let Some(missing) =
        wanted.unwrap_or(&[]).iter().find(|&&index| dataset.episodes().iter().all(|episode| episode.index != index))
    {
        let last = dataset.episodes().len().saturating_sub(1);
        return Err(TrainError::Setting(format!(
            "--dataset.episodes names episode {missing}; the dataset has episodes 0 to {last}"
        )));
    }
    let chosen: Vec<_> = dataset
        .episodes()
        .iter()
        .filter(|episode| wanted.is_none_or(|wanted| wanted.contains(&episode.index)))
        .collect();
    let (training, held_out) = split_episodes(&chosen, config.dataset.eval_split)?;
    let ranges = |indices: &[usize]| {
        chosen.iter().filter(|episode| indices.contains(&episode.index)).map(|episode| episode.range()).collect()
    };
    Ok((ranges(&training), ranges(&held_out)))
}

fn frame_cache(
    dataset: &Dataset,
    cameras: &[String],
    config: &PolicyConfig,
    options: &TrainOptions,
    stop: &AtomicBool,
    emit: &(dyn Fn(TrainEvent) + Sync),
) -> Result<Option<FrameCache>, TrainError> {
    if !options.extras.frame_cache || cameras.is_empty() {
        return Ok(None);
    }
    let size = config.image.image_resize_shape.map(|[height, width]| (height, width));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a positive number of bytes")]
    let cache = FrameCacheOptions {
        directory: options.frame_cache_dir.clone(),
        cameras: cameras.iter().map(|camera| CachedCamera { camera: camera.clone(), size }).collect(),
        max_bytes: (options.extras.frame_cache_gb * 1e9) as u64,
        n_threads: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
    };
    match FrameCache::open_or_build(dataset, &cache, &|done, total| emit(TrainEvent::Caching(done, total)), stop) {
        Ok(cache) => Ok(Some(cache)),
        Err(error @ DataError::CacheTooLarge { .. }) => {
            emit(TrainEvent::Note(format!("frames are decoded again in every epoch: {error}")));
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// How many parameters train, and how many there are.
pub(crate) fn count_parameters(network: &Network, keys: KeyMap) -> (usize, usize) {
    #[derive(Default)]
    struct Count(usize, usize);
    impl NamedVisitor for Count {
        fn visit<const D: usize>(
            &mut self,
            key: &str,
            _: Layout,
            param: &burn::module::Param<burn::tensor::Tensor<D>>,
        ) {
            let count = param.lazy_shape().num_elements();
            self.1 += count;
            if !mtdit_policy::checkpoint::keys::is_frozen(key) {
                self.0 += count;
            }
        }
    }
    let mut count = Count::default();
    visit_named(network, keys, &mut count);
    (count.0, count.1)
}

/// The policy's name for a precision.
pub(crate) fn precision_name(precision: Precision) -> &'static str {
    match precision {
        Precision::F32 => "f32",
        Precision::Bf16 => "bf16",
    }
}
