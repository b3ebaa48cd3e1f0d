//! Dataset to batches on the host: windows of states, actions and cropped frames.

use std::ops::Range;

use mtdit_data::{Dataset, FrameCache, Window};
use mtdit_policy::PolicyConfig;
use mtdit_policy::preprocess::image::center_offset;
use rand::Rng;

use crate::chance::{Stream, generator};
use crate::config::Crop;
use crate::error::TrainError;

/// One batch, not yet on a device.
#[derive(Clone, Debug, Default)]
pub struct HostBatch {
    /// Anchor frames.
    pub frames: Vec<usize>,
    /// `[batch, n_obs_steps, n_cameras, 3, height, width]` in `0..=1`.
    pub pixels: Vec<f32>,
    /// Height and width of those pictures.
    pub size: [usize; 2],
    /// `[batch, n_obs_steps, state_dim]` in robot units.
    pub states: Vec<f32>,
    /// `[batch, horizon, action_dim]` in robot units.
    pub actions: Vec<f32>,
    /// `[batch, horizon]`, 1 where padded.
    pub action_is_pad: Vec<f32>,
    /// The instruction of each sample, as an index into [`SampleSource::tasks`].
    pub tasks: Vec<usize>,
}

impl HostBatch {
    /// Some of its samples.
    #[must_use]
    pub fn part(&self, samples: Range<usize>) -> Self {
        let batch = self.frames.len().max(1);
        let rows = |values: &[f32]| {
            let width = values.len() / batch;
            values[samples.start * width..samples.end * width].to_vec()
        };
        Self {
            frames: self.frames[samples.clone()].to_vec(),
            pixels: rows(&self.pixels),
            size: self.size,
            states: rows(&self.states),
            actions: rows(&self.actions),
            action_is_pad: rows(&self.action_is_pad),
            tasks: self.tasks[samples.clone()].to_vec(),
        }
    }
}

/// Everything needed to make a batch.
#[derive(Debug)]
pub struct SampleSource {
    dataset: Dataset,
    cache: Option<FrameCache>,
    config: PolicyConfig,
    /// The dataset's camera for each of the policy's.
    cameras: Vec<String>,
    state_key: String,
    window: Window,
    tasks: Vec<String>,
    seed: u64,
    crop: Crop,
}

/// Whether crops are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Random crops, if the configuration says so, from this batch's stream.
    Training(u64),
    /// Centre crops.
    Evaluation,
}

/// How the dataset's columns are called and frames are cut.
#[derive(Clone, Debug)]
pub struct SourceOptions {
    /// The dataset's camera for each of the policy's, in the policy's order.
    pub cameras: Vec<String>,
    /// The dataset's column for `observation.state`.
    pub state_key: String,
    /// The run's seed.
    pub seed: u64,
    /// Where random crops are drawn.
    pub crop: Crop,
}

impl SampleSource {
    /// Puts a dataset and a policy's configuration together.
    pub fn new(dataset: Dataset, cache: Option<FrameCache>, config: &PolicyConfig, options: SourceOptions) -> Self {
        let tasks = dataset.tasks().iter().map(|(_, task)| task.to_owned()).collect();
        Self {
            dataset,
            cache,
            config: config.clone(),
            cameras: options.cameras,
            state_key: options.state_key,
            window: Window::new(config.n_obs_steps, config.horizon),
            tasks,
            seed: options.seed,
            crop: options.crop,
        }
    }

    /// The dataset.
    pub fn dataset(&self) -> &Dataset {
        &self.dataset
    }

    /// All instructions of the dataset.
    pub fn tasks(&self) -> &[String] {
        &self.tasks
    }

    /// The samples at some anchors.
    ///
    /// # Errors
    /// [`TrainError::Data`] when a row or a frame cannot be read.
    pub fn batch(&self, anchors: &[usize], mode: Mode) -> Result<HostBatch, TrainError> {
        let mut batch = HostBatch { frames: anchors.to_vec(), size: self.size(), ..HostBatch::default() };
        let mut offsets = self.offsets(mode);
        for &anchor in anchors {
            let episode = self.dataset.episode_of(anchor)?.range();
            let (rows, _) = Window::rows(anchor, episode, &self.window.observation);
            let crops: Vec<[usize; 2]> = self.cameras.iter().map(|_| offsets.next()).collect();
            for &row in &rows {
                batch.states.extend(self.dataset.values(&self.state_key, row)?);
                for (camera, &offset) in self.cameras.iter().zip(&crops) {
                    self.cut(camera, row, offset, &mut batch.pixels)?;
                }
            }
            let (rows, is_pad) = Window::rows(anchor, episode, &self.window.action);
            for &row in &rows {
                batch.actions.extend(self.dataset.values("action", row)?);
            }
            batch.action_is_pad.extend(is_pad.into_iter().map(|pad| f32::from(u8::from(pad))));
            batch.tasks.push(self.task(anchor)?);
        }
        Ok(batch)
    }

    /// Size `[height, width]` of what enters the vision tower.
    fn size(&self) -> [usize; 2] {
        let size = self.config.cameras.first().map_or([0, 0], |camera| [camera.height, camera.width]);
        self.config.image.output(size)
    }

    fn task(&self, anchor: usize) -> Result<usize, TrainError> {
        let task = self.dataset.task(anchor)?;
        let position = self.tasks.iter().position(|known| known == task);
        position.ok_or_else(|| {
            TrainError::Setting(format!("frame {anchor} has an instruction that meta/tasks.parquet does not hold"))
        })
    }

    /// The crop of one frame as planar floats.
    fn cut(&self, camera: &str, row: usize, [top, left]: [usize; 2], pixels: &mut Vec<f32>) -> Result<(), TrainError> {
        let [height, width] = self.size();
        let mut planar = |rgb: &[u8], stride: usize| {
            for channel in 0..3 {
                for y in top..top + height {
                    let first = (y * stride + left) * 3 + channel;
                    pixels.extend(rgb[first..].iter().step_by(3).take(width).map(|&byte| f32::from(byte) / 255.0));
                }
            }
        };
        match &self.cache {
            Some(cache) => {
                let frame = cache.frame(camera, row)?;
                planar(frame.rgb, frame.width);
            }
            None => {
                let frame = self.dataset.frame(camera, row)?;
                let [resized_height, resized_width] = self.config.image.resized([frame.height, frame.width]);
                let frame = mtdit_data::resize(&frame, resized_height, resized_width);
                planar(&frame.rgb, frame.width);
            }
        }
        Ok(())
    }

    fn offsets(&self, mode: Mode) -> Offsets {
        let source = self.config.cameras.first().map_or([0, 0], |camera| [camera.height, camera.width]);
        let source = self.config.image.resized(source);
        let size = self.size();
        let center = [center_offset(source[0], size[0]), center_offset(source[1], size[1])];
        match mode {
            Mode::Training(index) if self.config.image.image_crop_is_random => {
                let mut random = generator(self.seed, Stream::Crop, index);
                let shared = (self.crop == Crop::Shared).then(|| draw(&mut random, source, size));
                Offsets { random: Some(random), shared, center, source, size }
            }
            _ => Offsets { random: None, shared: None, center, source, size },
        }
    }
}

/// Places of crops, one per sample and camera; a window's steps share theirs.
struct Offsets {
    random: Option<rand::rngs::StdRng>,
    shared: Option<[usize; 2]>,
    center: [usize; 2],
    source: [usize; 2],
    size: [usize; 2],
}

impl Offsets {
    fn next(&mut self) -> [usize; 2] {
        match (self.shared, &mut self.random) {
            (Some(shared), _) => shared,
            (None, Some(random)) => draw(random, self.source, self.size),
            (None, None) => self.center,
        }
    }
}

fn draw(random: &mut rand::rngs::StdRng, source: [usize; 2], size: [usize; 2]) -> [usize; 2] {
    [0, 1].map(|axis| random.random_range(0..=source[axis] - size[axis]))
}
