//! Pictures, numbers and safetensors files from the command line to an observation.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use burn::tensor::{Device, Tensor, TensorData};
use image::ImageReader;
use mtdit_policy::checkpoint::WeightSource;
use mtdit_policy::{Frame, Moment, Noise, Observation, PolicyConfig, SamplerSettings};
use mtdit_train::folder::WeightFile;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand_distr::{Distribution, StandardNormal};
use safetensors::tensor::Dtype;

use crate::cli::PredictArguments;

/// Most bytes a decoded picture may take: 64 MiB, about 4700 x 4700 pixels.
const MAX_PICTURE: u64 = 64 << 20;

/// What the arguments describe.
pub(crate) fn read(arguments: &PredictArguments, config: &PolicyConfig) -> Result<Observation> {
    let history = match &arguments.observation {
        Some(path) => from_file(path, config)?,
        None => from_arguments(arguments, config)?,
    };
    Ok(Observation { history, task: arguments.task.clone() })
}

fn from_arguments(arguments: &PredictArguments, config: &PolicyConfig) -> Result<Vec<Moment>> {
    ensure!(
        !arguments.states.is_empty(),
        "the policy needs the robot's state of {} numbers; give --state 0.1,0.2,.. or --observation FILE",
        config.state_dim
    );
    let mut states = Vec::new();
    for state in &arguments.states {
        states.push(numbers(state)?);
    }
    let mut cameras: Vec<Vec<Frame>> = vec![Vec::new(); config.cameras.len()];
    for image in &arguments.images {
        let (name, path) = image.split_once('=').with_context(|| format!("--image {image} is not CAMERA=FILE"))?;
        let camera = camera_index(name, config)?;
        cameras[camera].push(picture(Path::new(path))?);
    }
    for (frames, camera) in cameras.iter().zip(&config.cameras) {
        ensure!(!frames.is_empty(), "no picture of camera `{}`; give --image {}=FILE", camera.name(), camera.name());
    }
    let states = history(states, config.n_obs_steps, "--state")?;
    let cameras = cameras
        .into_iter()
        .zip(&config.cameras)
        .map(|(frames, camera)| history(frames, config.n_obs_steps, &format!("--image {}", camera.name())));
    let cameras = cameras.collect::<Result<Vec<_>>>()?;
    let moment = |(step, state): (usize, Vec<f32>)| Moment {
        frames: cameras.iter().map(|frames| frames[step].clone()).collect(),
        state,
    };
    Ok(states.into_iter().enumerate().map(moment).collect())
}

/// Fills a short history with copies of its oldest entry, as a new episode does.
fn history<T: Clone>(mut given: Vec<T>, n_obs_steps: usize, what: &str) -> Result<Vec<T>> {
    ensure!(
        given.len() <= n_obs_steps,
        "{what} is given {} times; the policy looks at {n_obs_steps} steps",
        given.len()
    );
    while given.len() < n_obs_steps {
        given.insert(0, given[0].clone());
    }
    Ok(given)
}

fn numbers(text: &str) -> Result<Vec<f32>> {
    let parse = |number: &str| {
        let value: Result<f32, _> = number.trim().parse();
        value.with_context(|| format!("--state {text}: `{number}` is not a number"))
    };
    text.trim_matches(['[', ']']).split(',').map(parse).collect()
}

fn camera_index(name: &str, config: &PolicyConfig) -> Result<usize> {
    let is_named = |camera: &mtdit_policy::config::CameraConfig| camera.name() == name || camera.key == name;
    config.cameras.iter().position(is_named).with_context(|| {
        let names: Vec<&str> = config.cameras.iter().map(mtdit_policy::config::CameraConfig::name).collect();
        match names.is_empty() {
            true => format!("the policy has no camera `{name}`; it has none at all"),
            false => format!("the policy has no camera `{name}`; it has {}", names.join(", ")),
        }
    })
}

/// Decodes a picture; its size is looked at before anything is allocated for it.
pub(crate) fn picture(path: &Path) -> Result<Frame> {
    let name = path.display();
    let mut reader = ImageReader::open(path)
        .with_context(|| format!("opening {name}"))?
        .with_guessed_format()
        .with_context(|| format!("reading {name}"))?;
    let mut limits = image::Limits::default();
    limits.max_alloc = Some(MAX_PICTURE);
    limits.max_image_width = Some(8192);
    limits.max_image_height = Some(8192);
    reader.limits(limits);
    let picture =
        reader.decode().with_context(|| format!("{name} is not a PNG or JPEG picture that can be read"))?.into_rgb8();
    let (width, height) = picture.dimensions();
    Ok(Frame { height: height as usize, width: width as usize, rgb: Arc::from(picture.into_raw()) })
}

/// Tensors `images.<camera>` u8 `[n_obs_steps, H, W, 3]` and `state` f32 `[n_obs_steps, state_dim]`.
fn from_file(path: &Path, config: &PolicyConfig) -> Result<Vec<Moment>> {
    let mut file = WeightFile::open(path)?;
    let known = |name: &str| {
        name == "state" || config.cameras.iter().any(|camera| name.strip_prefix("images.") == Some(camera.name()))
    };
    let stranger = file.index().iter().map(|(name, _)| name.to_owned()).find(|name| !known(name));
    if let Some(name) = stranger {
        let names: Vec<String> = config.cameras.iter().map(|camera| format!("images.{}", camera.name())).collect();
        bail!(
            "{}: tensor `{name}` is none of the policy's inputs, which are state, {}",
            path.display(),
            names.join(", ")
        );
    }
    let steps = config.n_obs_steps;
    let shape = file.index().entry("state")?.shape.clone();
    ensure!(
        shape == [steps, config.state_dim],
        "{}: state has shape {shape:?}, [{steps}, {}] is needed",
        path.display(),
        config.state_dim
    );
    let states = file.values("state")?;
    let mut cameras = Vec::new();
    for camera in &config.cameras {
        let name = format!("images.{}", camera.name());
        let entry = file.index().entry(&name)?.clone();
        let expected = [steps, camera.height, camera.width, 3];
        ensure!(
            entry.shape == expected && entry.dtype == Dtype::U8,
            "{}: {name} is {:?} {:?}, U8 {expected:?} is needed",
            path.display(),
            entry.dtype,
            entry.shape
        );
        cameras.push(file.bytes(&name)?);
    }
    let moment = |step: usize| {
        let frame = |(bytes, camera): (&Vec<u8>, &mtdit_policy::config::CameraConfig)| {
            let size = camera.height * camera.width * 3;
            let rgb = Arc::from(&bytes[step * size..(step + 1) * size]);
            Frame { height: camera.height, width: camera.width, rgb }
        };
        Moment {
            frames: cameras.iter().zip(&config.cameras).map(frame).collect(),
            state: states[step * config.state_dim..(step + 1) * config.state_dim].to_vec(),
        }
    };
    Ok((0..steps).map(moment).collect())
}

/// Noise for one chunk: drawn from a seed.
pub(crate) fn drawn_noise(config: &PolicyConfig, settings: SamplerSettings, seed: u64, device: &Device) -> Noise {
    let mut generator = StdRng::seed_from_u64(seed);
    Noise::draw(config, settings, device, || StandardNormal.sample(&mut generator))
}

/// Noise from a file: `noise` `[1, horizon, action_dim]`; for DDPM also `step_noise` `[steps, 1, horizon, action_dim]`, else it
/// is drawn from the seed.
pub(crate) fn noise_from_file(
    path: &Path,
    config: &PolicyConfig,
    settings: SamplerSettings,
    seed: u64,
    device: &Device,
) -> Result<Noise> {
    let mut file = WeightFile::open(path)?;
    let shape = [1, config.horizon, config.action_dim];
    let found = file.index().entry("noise")?.shape.clone();
    ensure!(found == shape, "{}: noise has shape {found:?}, {shape:?} is needed", path.display());
    let mut noise = drawn_noise(config, settings, seed, device);
    let tensor = |values: Vec<f32>| Tensor::from_data(TensorData::new(values, shape), device);
    let values = file.values("noise")?;
    ensure!(
        values.iter().all(|value| value.is_finite()),
        "{}: noise holds a number that is not finite",
        path.display()
    );
    noise.initial = tensor(values);
    if let Some(steps) = file.index().shape("step_noise").map(<[usize]>::to_vec) {
        ensure!(
            steps.len() == 4 && steps[1..] == shape,
            "{}: step_noise has shape {steps:?}, [steps, 1, {}, {}] is needed",
            path.display(),
            config.horizon,
            config.action_dim
        );
        let needed = settings.n_step_noises();
        ensure!(
            steps[0] >= needed,
            "{}: step_noise holds {} steps, {} with {} steps needs {needed}",
            path.display(),
            steps[0],
            settings.kind,
            settings.steps
        );
        let values = file.values("step_noise")?;
        noise.steps = values.chunks(config.horizon * config.action_dim).map(|step| tensor(step.to_vec())).collect();
    }
    Ok(noise)
}
