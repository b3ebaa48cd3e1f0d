//! `mtdit rollout`: a policy acts in a simulated world, and is judged by what it gets done.
//!
//! ```text
//! Scene ─▶ Episode ──observation──▶ Controller ──chunk──▶ Episode ─▶ .. ─▶ Outcome ─▶ Scores ─▶ page, videos
//!             ╰──────────── all episodes in lockstep ────────────╯
//! ```
//!
//! Episode number N of a family has the same scene and the same noise whoever steers, whatever else runs beside it.

mod scene;
mod episode;
mod control;
mod nearest;
mod score;
mod video;
mod record;
mod report;
mod command;
mod environment;

use std::time::{Duration, Instant};

use anyhow::Result;
use mtdit_tabletop::Family;

use crate::parallel;
pub(crate) use command::run;
pub(crate) use control::Controller;
pub(crate) use environment::Tabletop;
use episode::Episode;
use scene::Scene;
pub(crate) use score::Scores;
use score::{Outcome, Pace};

/// Episodes that run at once, at most: they take memory, and more of them would save no time.
const MOST_AT_ONCE: usize = 1024;

/// What is rolled out.
#[derive(Clone, Debug)]
pub(crate) struct RolloutOptions {
    /// The families of tasks.
    pub(crate) families: Vec<Family>,
    /// Episodes for each of them.
    pub(crate) episodes: usize,
    /// Scenes, instructions and noise are drawn from it.
    pub(crate) seed: u64,
    /// Chunks that are computed at once, at most; not zero.
    pub(crate) batch: usize,
    /// Whether instructions are worded as no data words them.
    pub(crate) held_out_phrasings: bool,
    /// Whether another task is asked for than the one that the table was laid for.
    pub(crate) swap: bool,
}

/// Lets someone steer through many episodes; `progress` hears how many have ended.
///
/// # Errors
/// When the policy cannot be run, or a remembering one remembers nothing of a task.
pub(crate) fn rollout(
    controller: &Controller<'_>,
    options: &RolloutOptions,
    progress: &dyn Fn(usize),
) -> Result<Scores> {
    let places = options.families.iter().flat_map(|family| (0..options.episodes).map(move |number| (*family, number)));
    let scenes: Vec<Scene> = places.filter_map(|(family, number)| Scene::draw(options, family, number)).collect();
    let began = Instant::now();
    let mut outcomes: Vec<Outcome> = Vec::new();
    let mut computed = Computed::default();
    for scenes in scenes.chunks(MOST_AT_ONCE) {
        let before = outcomes.len();
        let ended = |ended: usize| progress(before + ended);
        outcomes.extend(run_together(controller, scenes, options.batch, &mut computed, &ended)?);
    }
    let steps: usize = outcomes.iter().map(|outcome| outcome.steps).sum();
    let pace = Pace {
        steps,
        ms_per_step: began.elapsed().as_secs_f64() * 1e3 / steps.max(1) as f64,
        chunks: computed.chunks,
        ms_per_chunk: computed.time.as_secs_f64() * 1e3 / computed.chunks.max(1) as f64,
    };
    Ok(Scores::of(outcomes, pace))
}

/// Chunks so far, and the time they took.
#[derive(Default)]
struct Computed {
    chunks: usize,
    time: Duration,
}

/// Episodes step by step, side by side: those that need a chunk get it in batches, then all of them act.
fn run_together(
    controller: &Controller<'_>,
    scenes: &[Scene],
    batch: usize,
    computed: &mut Computed,
    progress: &dyn Fn(usize),
) -> Result<Vec<Outcome>> {
    let look = controller.look();
    let mut episodes: Vec<Episode> = scenes.iter().cloned().map(Episode::new).collect();
    loop {
        let mut running: Vec<&mut Episode> = episodes.iter_mut().filter(|episode| episode.is_running()).collect();
        progress(scenes.len() - running.len());
        if running.is_empty() {
            break;
        }
        parallel::for_each(&mut running, |episode| episode.observe(&look));

        let mut waiting: Vec<&mut Episode> =
            running.iter_mut().map(|episode| &mut **episode).filter(|episode| episode.needs_chunk()).collect();
        for batch in waiting.chunks_mut(batch) {
            let began = Instant::now();
            let chunks = controller.chunks(batch)?;
            computed.time += began.elapsed();
            computed.chunks += chunks.len();
            for (episode, chunk) in batch.iter_mut().zip(chunks) {
                episode.refill(chunk);
            }
        }
        parallel::for_each(&mut running, |episode| episode.step());
    }
    Ok(episodes.into_iter().map(Episode::outcome).collect())
}

#[cfg(test)]
mod tests {
    use mtdit_tabletop::Family;

    use super::{Controller, RolloutOptions, Scores, rollout};

    /// Two quick episodes.
    pub(super) fn options() -> RolloutOptions {
        RolloutOptions {
            families: vec![Family::Reach],
            episodes: 2,
            seed: 3,
            batch: 64,
            held_out_phrasings: false,
            swap: false,
        }
    }

    fn steps(scores: &Scores) -> Vec<usize> {
        scores.episodes.iter().map(|outcome| outcome.steps).collect()
    }

    #[test]
    fn an_expert_succeeds_whatever_runs_beside_it() {
        let options = RolloutOptions { families: vec![Family::Reach, Family::Press], ..options() };
        let together = rollout(&Controller::Expert, &options, &|_| {}).expect("an expert cannot fail to run");
        assert!((together.success - 1.0).abs() < 1e-12, "{:?}", together.families);
        assert_eq!(together.pace.steps, steps(&together).iter().sum::<usize>(), "every step is counted");
        assert_eq!(together.pace.chunks, together.pace.steps, "an expert decides at every step");

        let alone = RolloutOptions { families: vec![Family::Press], batch: 1, ..options };
        let alone = rollout(&Controller::Expert, &alone, &|_| {}).expect("an expert cannot fail to run");
        assert_eq!(steps(&alone), steps(&together)[2..], "the same episodes");
    }

    #[test]
    fn an_action_that_never_changes_does_nothing() {
        let rest = Controller::Mean([0.24, -0.24, 1.0]);
        let scores = rollout(&rest, &RolloutOptions { families: vec![Family::Lift], ..options() }, &|_| {});
        let scores = scores.expect("it can be run");
        assert_eq!(scores.families[0].succeeded, 0, "{:?}", scores.families);
        assert!(scores.episodes.iter().all(|outcome| outcome.failure.is_some()), "every failure has a reason");
    }

    #[test]
    fn an_expert_does_what_is_asked_and_not_what_the_table_was_laid_for() {
        let options = RolloutOptions { swap: true, episodes: 4, ..options() };
        let scores = rollout(&Controller::Expert, &options, &|_| {}).expect("an expert cannot fail to run");
        assert_eq!(scores.episodes.len(), 4, "three pucks allow more than one task");
        for outcome in &scores.episodes {
            assert!(outcome.succeeded, "{outcome:?}");
        }
    }
}
