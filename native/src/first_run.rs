//! `mtdit train` without arguments: a dataset of the tabletop, a small policy on it, and what it can do.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use mtdit_data::Dataset;
use mtdit_tabletop::Family;
use serde_json::{Map, Value};

use crate::generate::{GenerateOptions, generate};
use crate::progress::Progress;

/// The policy, as `--policy.path=models/presets/tabletop` would give it.
const PRESET: &str = include_str!("../../models/presets/tabletop/config.json");
/// Where the dataset is recorded, below the folder that the program runs in.
const DATASET: &str = "datasets/tabletop";
/// Episodes: enough to learn the easier tasks from, recorded in seconds.
const EPISODES: usize = 2000;
/// What is trained, for some minutes on two cores. Each sample is denoised from two noises, which costs less than its pictures.
const FLAGS: [&str; 11] = [
    "--job_name=tabletop",
    "--env.type=tabletop",
    "--eval.n_episodes=25",
    "--steps=2000",
    "--env_eval_freq=1000",
    "--save_freq=1000",
    "--log_freq=50",
    "--batch_size=64",
    "--repeated_diffusion_steps=2",
    "--ema.enable=true",
    "--dataset.repo_id=mtdit/tabletop",
];

/// The flags that stand for none. Records the dataset when it is not there yet.
///
/// # Errors
/// When the dataset cannot be recorded, or its folder holds something else.
pub(crate) fn flags() -> Result<Vec<String>> {
    let dataset = Path::new(DATASET);
    eprintln!(
        "no arguments: a small policy learns the simulated tabletop (`mtdit train --help` shows what else it can do)"
    );
    if dataset.exists() {
        let known = Dataset::open(dataset)
            .with_context(|| format!("{DATASET} is in the way; move it, or give --dataset.root=FOLDER"))?;
        eprintln!("dataset: {DATASET}, {} episodes, recorded before", known.episodes().len());
    } else {
        record(dataset)?;
    }
    let preset: Map<String, Value> = serde_json::from_str(PRESET).context("the built-in preset")?;
    let policy = preset.iter().filter(|(key, _)| *key != "type").map(|(key, value)| match value {
        Value::String(text) => format!("--policy.{key}={text}"),
        value => format!("--policy.{key}={value}"),
    });
    let given = FLAGS.iter().map(|flag| (*flag).to_owned());
    Ok(policy.chain(given).chain([format!("--dataset.root={DATASET}")]).collect())
}

fn record(dataset: &Path) -> Result<()> {
    let options = GenerateOptions {
        episodes: EPISODES,
        families: Family::ALL.to_vec(),
        seed: 0,
        noise: 1.0,
        out: dataset.to_owned(),
    };
    let began = Instant::now();
    let bar = Progress::new("Recording", EPISODES as u64);
    let frames = generate(&options, &|episodes| bar.set(episodes as u64, "episodes"))?;
    bar.finish();
    let seconds = began.elapsed().as_secs_f64();
    eprintln!("dataset: {DATASET}, {EPISODES} episodes of an expert, {frames} frames, in {seconds:.0} s");
    Ok(())
}

#[cfg(test)]
mod tests {
    use mtdit_train::config::parse;

    use super::{FLAGS, PRESET};

    #[test]
    fn the_flags_and_the_preset_are_known() {
        let mut flags: Vec<String> = FLAGS.map(str::to_owned).into();
        flags.push("--dataset.root=anywhere".to_owned());
        let preset: serde_json::Map<String, serde_json::Value> = serde_json::from_str(PRESET).expect("it is JSON");
        let text = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        flags.extend(preset.iter().map(|(key, value)| format!("--policy.{key}={}", text(value))));
        let parsed = parse(&flags).expect("every flag is known");
        assert_eq!(parsed.config.policy["n_obs_steps"], 1, "the preset is taken over");
        assert_eq!(parsed.notes, Vec::<String>::new(), "nothing is ignored");
    }
}
