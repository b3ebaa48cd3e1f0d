//! `mtdit rollout` on the command line: who steers, what is measured, where the report goes.

use std::cell::OnceCell;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use mtdit_policy::Policy;
use mtdit_train::CheckpointFolder;

use super::nearest::{Nearest, mean_action};
use super::record;
use super::report::Report;
use super::video::videos;
use super::{Controller, RolloutOptions, rollout};
use crate::backend::choose;
use crate::cli::{DeviceName, RolloutArguments, Steering, WorldName};
use crate::predict::sampler;
use crate::progress::Progress;
use crate::tabletop::families;

/// Recorded steps that `--policy nearest` executes before it looks again.
const NEAREST_STEPS: usize = 8;

/// Names and values for the report.
type Facts = Vec<(&'static str, String)>;

pub(crate) fn run(arguments: &RolloutArguments, device: DeviceName) -> Result<ExitCode> {
    let WorldName::Tabletop = arguments.world;
    let options = RolloutOptions {
        families: families(&arguments.tasks),
        episodes: arguments.episodes as usize,
        seed: arguments.sampling.seed,
        batch: usize::from(arguments.batch),
        held_out_phrasings: arguments.held_out_phrasings,
        swap: arguments.swap,
    };
    match arguments.policy {
        Steering::Checkpoint => {
            let (policy, mut facts) = policy(arguments, device)?;
            let settings = sampler(&policy, &arguments.sampling)?;
            facts.push(("sampler", format!("{}, {} steps", settings.kind, settings.steps)));
            facts.push(("n_action_steps", policy.config().n_action_steps.to_string()));
            measure(&Controller::policy(&policy, settings)?, &options, facts, arguments)
        }
        Steering::Expert => {
            let facts = vec![("policy", "the expert".to_owned())];
            measure(&Controller::Expert, &options, facts, arguments)
        }
        Steering::Mean => {
            let root = dataset(arguments)?;
            let facts = vec![("policy", format!("always the mean action of {}", root.display()))];
            measure(&Controller::Mean(mean_action(root)?), &options, facts, arguments)
        }
        Steering::Nearest => {
            let root = dataset(arguments)?;
            let n_action_steps = arguments.n_action_steps.map_or(NEAREST_STEPS, usize::from);
            let facts = vec![
                ("policy", format!("the nearest recorded moment of {}", root.display())),
                ("n_action_steps", n_action_steps.to_string()),
            ];
            let bar = OnceCell::new();
            let nearest = Nearest::read(root, n_action_steps, &|done, count| {
                bar.get_or_init(|| Progress::new("Remembering", count as u64)).set(done as u64, "moments");
            })?;
            if let Some(bar) = bar.get() {
                bar.finish();
            }
            measure(&Controller::Nearest(nearest), &options, facts, arguments)
        }
    }
}

/// The checkpoint's policy, with as many executed steps as were asked for.
fn policy(arguments: &RolloutArguments, device: DeviceName) -> Result<(Policy, Facts)> {
    let path = arguments.checkpoint.as_ref();
    let path = path.context("who is to steer? Give --checkpoint DIR, or --policy expert, mean or nearest")?;
    let folder = CheckpointFolder::find(path)?;
    let chosen = choose(device)?;
    let mut parts = folder.parts()?;
    if let Some(n_action_steps) = arguments.n_action_steps.map(usize::from) {
        let config = &mut parts.config;
        let (predicted, past) = (config.horizon, config.n_obs_steps.saturating_sub(1));
        let most = predicted.saturating_sub(past);
        ensure!(
            n_action_steps <= most,
            "--n_action_steps {n_action_steps} is too many: of the {predicted} steps that the policy predicts the first {past} lie in \
             the past, so at most {most} can be executed"
        );
        config.n_action_steps = n_action_steps;
    }
    let policy = folder.policy_with(&parts, &chosen.device);
    let policy = policy.with_context(|| format!("loading {}", folder.root().display()))?;
    let facts = vec![("checkpoint", folder.root().display().to_string()), ("device", chosen.name.to_owned())];
    Ok((policy, facts))
}

/// The dataset of those that steer by one.
fn dataset(arguments: &RolloutArguments) -> Result<&PathBuf> {
    arguments.dataset.as_ref().context("without a checkpoint it steers by a dataset; give --dataset DIR")
}

/// Rolls out, and reports.
fn measure(
    controller: &Controller<'_>,
    options: &RolloutOptions,
    mut facts: Facts,
    arguments: &RolloutArguments,
) -> Result<ExitCode> {
    let out = &arguments.out;
    fs::create_dir_all(out).with_context(|| format!("creating {}", out.display()))?;
    facts.push(("instructions", instructions(options).to_owned()));
    facts.push(("seed", options.seed.to_string()));
    facts.push(("mtdit", env!("CARGO_PKG_VERSION").to_owned()));

    let wanted = options.families.len() * options.episodes;
    let bar = Progress::new("Acting", wanted as u64);
    let scores = rollout(controller, options, &|ended| bar.set(ended as u64, "episodes"))?;
    bar.finish();
    let found = scores.episodes.len();
    ensure!(found > 0, "no scene of these tasks allows another instruction; leave --swap out, or name other --tasks");
    if found < wanted {
        eprintln!("note: {} scenes allow no other instruction and are left out", wanted - found);
    }
    let videos = videos(&scores.episodes, usize::from(arguments.videos))?;
    let checkpoint = arguments.checkpoint.as_ref().filter(|_| arguments.record);
    if let Some(checkpoint) = checkpoint {
        record::note(CheckpointFolder::find(checkpoint)?.root(), conditions(&facts), &scores)?;
    }
    let report = Report { facts, scores: &scores, videos: &videos };
    report.write(out)?;
    say!("{}", report.table());
    say!("\nreport   {}", out.join("index.html").display());
    Ok(ExitCode::SUCCESS)
}

/// What of the facts decides how well it goes, wherever it is measured.
fn conditions(facts: &Facts) -> record::Conditions {
    let decisive = facts.iter().filter(|(name, _)| !["checkpoint", "device", "mtdit"].contains(name));
    decisive.map(|(name, fact)| ((*name).to_owned(), fact.as_str().into())).collect()
}

/// How the tasks were asked for, in words.
fn instructions(options: &RolloutOptions) -> &'static str {
    match (options.swap, options.held_out_phrasings) {
        (false, false) => "as in the data",
        (false, true) => "worded as never in the data",
        (true, false) => "another task than the scene was laid for, worded as in the data",
        (true, true) => "another task than the scene was laid for, worded as never in the data",
    }
}
