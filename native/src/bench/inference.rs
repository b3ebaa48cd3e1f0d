//! Observations to chunks, stage by stage and as a whole.

use anyhow::{Context, Result};
use burn::tensor::{Tensor, TensorData};
use mtdit_policy::{Frame, Moment, Noise, Observation, Session};
use mtdit_train::chance::{Stream, generator, normals};
use rand::RngCore;
use rand::rngs::StdRng;

use super::row::{Row, Stage, What};
use super::subject::{Sampling, Subject};
use super::{Repeats, SEED, TASK, Teller};
use crate::percentiles::Percentiles;
use crate::predict::{Timings, timed};

/// How many things [`measure`] measures.
pub(super) fn count(samplings: &[Sampling], batch: usize) -> usize {
    1 + samplings.len() * if batch == 1 { 3 } else { 2 }
}

/// Every stage once, and chunks with every sampler.
pub(super) fn measure(
    subject: &Subject,
    samplings: &[Sampling],
    batch: usize,
    repeats: Repeats,
    teller: &Teller,
) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let mut add = |stage, sampler: Option<&str>, times| {
        let sampler = sampler.map(str::to_owned);
        rows.push(Row::new(What { stage, sampler, cameras: subject.n_cameras(), batch: Some(batch) }, times));
    };
    // Stages do not depend on the sampler, so the quickest will do.
    let quickest = samplings.iter().min_by_key(|sampling| sampling.plan.settings().steps);
    teller.begin(&format!("stages, batch {batch}"));
    for (stage, times) in stages(subject, quickest.context("there is a sampler")?, batch, repeats)? {
        add(stage, None, times);
    }
    for sampling in samplings {
        let name = sampling.name.as_str();
        teller.begin(&format!("{name}, batch {batch}"));
        add(Stage::ChunkAllNew, Some(name), all_new(subject, sampling, batch, repeats)?);
        // A session is one robot's.
        if batch == 1 {
            teller.begin(&format!("{name} in a session"));
            add(Stage::ChunkNewestNew, Some(name), newest_new(subject, sampling, repeats)?);
        }
        teller.begin(&format!("{name} from the conditioning, batch {batch}"));
        add(Stage::ChunkEncoded, Some(name), encoded(subject, sampling, batch, repeats)?);
    }
    Ok(rows)
}

/// The stages of a chunk, and of it one denoising step; vision only with cameras.
fn stages(subject: &Subject, sampling: &Sampling, batch: usize, repeats: Repeats) -> Result<Vec<(Stage, Percentiles)>> {
    let mut random = generator(SEED, Stream::Sampling, 0);
    let observations = observations(subject, batch, &mut random);
    let mut timings: Vec<Timings> = Vec::new();
    for _ in 0..repeats.warmup + repeats.runs {
        let noise = noise(sampling, batch, &mut random);
        timings.push(timed(&sampling.policy, &observations, &sampling.plan, noise)?.1);
    }
    let timings = &timings[repeats.warmup..];
    let stage = |of: fn(&Timings) -> f64| Percentiles::of(timings.iter().map(of).collect());
    let steps = timings.iter().flat_map(|took| took.denoise.iter().copied()).collect();
    let vision = (subject.n_cameras() > 0).then(|| (Stage::Vision, stage(|took| took.vision)));
    let others = [
        (Stage::Text, stage(|took| took.text)),
        (Stage::Conditioning, stage(|took| took.conditioning)),
        (Stage::DenoisingStep, Percentiles::of(steps)),
        (Stage::Postprocess, stage(|took| took.postprocess)),
    ];
    let preprocess = (Stage::Preprocess, stage(|took| took.preprocess));
    Ok([preprocess].into_iter().chain(vision).chain(others).collect())
}

/// Chunks of observations of which nothing is known.
fn all_new(subject: &Subject, sampling: &Sampling, batch: usize, repeats: Repeats) -> Result<Percentiles> {
    let mut random = generator(SEED, Stream::Sampling, 1);
    let observations = observations(subject, batch, &mut random);
    repeats.time(
        || (),
        |()| {
            let noise = noise(sampling, batch, &mut random);
            pollster::block_on(sampling.policy.predict(&observations, &sampling.plan, noise))?;
            Ok(())
        },
    )
}

/// Chunks of one robot that asks for one at every control step.
fn newest_new(subject: &Subject, sampling: &Sampling, repeats: Repeats) -> Result<Percentiles> {
    let mut random = generator(SEED, Stream::Sampling, 2);
    let policy = &sampling.policy;
    // One more than the history holds: the newest moment is never in it already.
    let moments: Vec<Moment> = (0..=policy.config().n_obs_steps).map(|_| moment(subject, &mut random)).collect();
    let mut session = Session::new(policy, sampling.plan.settings())?;
    let mut act = |moment: Moment| -> Result<()> {
        session.observe(policy, moment)?;
        let noise = noise(sampling, 1, &mut random);
        pollster::block_on(session.predict(policy, TASK, noise))?;
        Ok(())
    };
    // The first fills the history and encodes the instruction.
    act(moments[0].clone())?;
    let mut next = 0;
    let newest = || {
        next = (next + 1) % moments.len();
        moments[next].clone()
    };
    repeats.time(newest, act)
}

/// Chunks of observations that were encoded before.
fn encoded(subject: &Subject, sampling: &Sampling, batch: usize, repeats: Repeats) -> Result<Percentiles> {
    let mut random = generator(SEED, Stream::Sampling, 3);
    let policy = &sampling.policy;
    let inputs = policy.preprocessor().inputs(&observations(subject, batch, &mut random))?;
    let conditioning = policy.network().encode(inputs);
    repeats.time(
        || (),
        |()| {
            let noise = noise(sampling, batch, &mut random);
            let actions = policy.sample(&conditioning, &sampling.plan, noise)?;
            pollster::block_on(policy.postprocessor().chunks(actions))?;
            Ok(())
        },
    )
}

/// What `batch` robots perceive.
fn observations(subject: &Subject, batch: usize, random: &mut StdRng) -> Vec<Observation> {
    let n_obs_steps = subject.policy.config().n_obs_steps;
    let mut observation =
        || Observation { history: (0..n_obs_steps).map(|_| moment(subject, random)).collect(), task: TASK.to_owned() };
    (0..batch).map(|_| observation()).collect()
}

/// Random pictures: no two moments share one.
fn moment(subject: &Subject, random: &mut StdRng) -> Moment {
    let mut frame = |height: usize, width: usize| {
        let mut rgb = vec![0_u8; height * width * 3];
        random.fill_bytes(&mut rgb);
        Frame { height, width, rgb: rgb.into() }
    };
    let cameras = &subject.policy.config().cameras;
    let frames = cameras.iter().map(|camera| frame(camera.height, camera.width)).collect();
    Moment { frames, state: subject.state.clone() }
}

/// Noise for `batch` chunks. It is drawn while the clock runs, as `LeRobot` draws it.
fn noise(sampling: &Sampling, batch: usize, random: &mut StdRng) -> Noise {
    let config = sampling.policy.config();
    let shape = [batch, config.horizon, config.action_dim];
    let mut next = || {
        let values = normals(random, shape.iter().product());
        Tensor::from_data(TensorData::new(values, shape), sampling.policy.device())
    };
    Noise { initial: next(), steps: (0..sampling.plan.settings().n_step_noises()).map(|_| next()).collect() }
}
