//! Outcomes to scores: how often a policy succeeds, how sure that is, and why it fails.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use mtdit_tabletop::Family;
use serde::Serialize;

use super::scene::{Action, Scene};

/// The normal quantile of a 95 % interval.
const Z: f64 = 1.959_963_984_540_054;

/// What became of one episode.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Outcome {
    /// What was on the table and asked for.
    #[serde(flatten)]
    pub(crate) scene: Scene,
    /// Whether it was done.
    pub(crate) succeeded: bool,
    /// Why not.
    pub(crate) failure: Option<String>,
    /// Control steps.
    pub(crate) steps: usize,
    /// With another instruction: whether the task that the table was laid for was done instead.
    pub(crate) did_original: Option<bool>,
    /// The executed actions, by which it can be seen again.
    #[serde(skip)]
    pub(crate) actions: Vec<Action>,
}

impl Outcome {
    /// The family of the task that was asked for.
    pub(crate) fn family(&self) -> Family {
        self.scene.asked.family()
    }

    /// What was said.
    pub(crate) fn instruction(&self) -> &str {
        &self.scene.instruction
    }
}

/// Time that a rollout took.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Pace {
    /// Control steps of all episodes.
    pub(crate) steps: usize,
    /// Milliseconds per control step, everything included: world, pictures, policy. Episodes run side by side.
    pub(crate) ms_per_step: f64,
    /// Chunks that were computed.
    pub(crate) chunks: usize,
    /// Milliseconds per chunk. Chunks are computed in batches.
    pub(crate) ms_per_chunk: f64,
}

/// The score of one family of tasks.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct FamilyScore {
    /// Its name.
    pub(crate) family: &'static str,
    /// Its episodes.
    pub(crate) episodes: usize,
    /// Those that succeeded.
    pub(crate) succeeded: usize,
    /// Their share.
    pub(crate) success: f64,
    /// Wilson's 95 % interval of that share.
    pub(crate) interval: [f64; 2],
    /// Mean control steps until success; absent without any.
    pub(crate) mean_steps: Option<f64>,
    /// Reasons of failure and how often each, the most frequent first.
    pub(crate) failures: Vec<(String, usize)>,
    /// With other instructions: episodes in which the task that the table was laid for was done instead.
    pub(crate) did_original: Option<usize>,
}

/// What a rollout measured.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Scores {
    /// Success averaged over families, each counting the same.
    pub(crate) success: f64,
    /// Every family that was asked for.
    pub(crate) families: Vec<FamilyScore>,
    /// How long it took.
    pub(crate) pace: Pace,
    /// Every episode.
    pub(crate) episodes: Vec<Outcome>,
}

impl Scores {
    /// The scores of some episodes.
    pub(super) fn of(episodes: Vec<Outcome>, pace: Pace) -> Self {
        let families: Vec<FamilyScore> =
            Family::ALL.into_iter().filter_map(|family| FamilyScore::of(family, &episodes)).collect();
        Self { success: mean(families.iter().map(|family| family.success)).unwrap_or(0.0), families, pace, episodes }
    }
}

impl FamilyScore {
    fn of(family: Family, episodes: &[Outcome]) -> Option<Self> {
        let own: Vec<&Outcome> = episodes.iter().filter(|outcome| outcome.family() == family).collect();
        let done: Vec<&Outcome> = own.iter().copied().filter(|outcome| outcome.succeeded).collect();
        let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
        for reason in own.iter().filter_map(|outcome| outcome.failure.as_deref()) {
            *reasons.entry(reason).or_default() += 1;
        }
        let mut failures: Vec<(String, usize)> =
            reasons.into_iter().map(|(reason, count)| (reason.to_owned(), count)).collect();
        failures.sort_by_key(|(_, count)| Reverse(*count));
        let instead: Vec<bool> = own.iter().filter_map(|outcome| outcome.did_original).collect();
        (!own.is_empty()).then(|| Self {
            family: family.name(),
            episodes: own.len(),
            succeeded: done.len(),
            success: done.len() as f64 / own.len() as f64,
            interval: wilson(done.len(), own.len()),
            mean_steps: mean(done.iter().map(|outcome| outcome.steps as f64)),
            failures,
            did_original: (!instead.is_empty()).then(|| instead.iter().filter(|done| **done).count()),
        })
    }
}

/// Wilson's 95 % interval of a share (Wilson 1927): honest for few episodes and for shares near 0 and 1.
fn wilson(succeeded: usize, episodes: usize) -> [f64; 2] {
    let n = episodes.max(1) as f64;
    let share = succeeded as f64 / n;
    let scale = 1.0 + Z * Z / n;
    let center = (share + Z * Z / (2.0 * n)) / scale;
    let half = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt() / scale;
    [(center - half).max(0.0), (center + half).min(1.0)]
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (count, sum) = values.fold((0_u32, 0.0), |(count, sum), value| (count + 1, sum + value));
    (count > 0).then(|| sum / f64::from(count))
}

#[cfg(test)]
pub(super) mod tests {
    use mtdit_tabletop::{PuckColor, Task};

    use super::{Outcome, Pace, Scores, wilson};
    use crate::rollout::scene::Scene;

    /// An episode that took so many steps; without a reason it succeeded.
    pub(crate) fn outcome(asked: Task, steps: usize, failure: Option<&str>) -> Outcome {
        Outcome {
            scene: Scene { chance: 1, laid: (1, asked), asked, instruction: asked.instruction() },
            succeeded: failure.is_none(),
            failure: failure.map(str::to_owned),
            steps,
            did_original: None,
            actions: vec![[0.0, 0.0, 1.0]; steps],
        }
    }

    /// Numbers from R: `binom.confint(x, n, methods = "wilson")`.
    #[test]
    fn intervals_are_wilsons() {
        for (succeeded, episodes, expected) in [
            (8, 10, [0.490_162, 0.943_318]),
            (0, 10, [0.0, 0.277_533]),
            (10, 10, [0.722_467, 1.0]),
            (50, 100, [0.403_832, 0.596_168]),
        ] {
            let found = wilson(succeeded, episodes);
            for (found, expected) in found.iter().zip(expected) {
                assert!((found - expected).abs() < 1e-5, "{succeeded} of {episodes}: {found}, not {expected}");
            }
        }
    }

    #[test]
    fn families_count_the_same_however_many_episodes_they_have() {
        let reach = Task::Reach { puck: PuckColor::Red };
        let lift = Task::Lift { puck: PuckColor::Blue };
        let episodes = vec![
            outcome(reach, 20, None),
            outcome(reach, 40, None),
            outcome(reach, 80, Some("out of time")),
            outcome(reach, 80, Some("out of time")),
            outcome(lift, 9, Some("dropped")),
        ];
        let scores = Scores::of(episodes, Pace::default());
        let names: Vec<&str> = scores.families.iter().map(|family| family.family).collect();
        assert_eq!(names, ["reach", "lift"], "families without episodes have no row");
        assert!((scores.success - 0.25).abs() < 1e-12, "the mean of a half and nothing is {}", scores.success);
        let reach = &scores.families[0];
        assert_eq!((reach.episodes, reach.succeeded, reach.mean_steps), (4, 2, Some(30.0)), "successes only");
        assert_eq!(reach.failures, [("out of time".to_owned(), 2)], "why");
        assert_eq!(scores.families[1].mean_steps, None, "nothing to average");
    }

    #[test]
    fn what_was_done_instead_is_counted() {
        let asked = Task::Reach { puck: PuckColor::Red };
        let mut episodes = vec![outcome(asked, 80, Some("out of time")), outcome(asked, 20, None)];
        episodes[0].did_original = Some(true);
        episodes[1].did_original = Some(false);
        let scores = Scores::of(episodes, Pace::default());
        assert_eq!(scores.families[0].did_original, Some(1), "one of two");
    }

    #[test]
    fn an_episode_is_json_in_words() {
        let json = serde_json::to_value(outcome(Task::Lift { puck: PuckColor::Green }, 9, Some("dropped")));
        let json = json.expect("it is JSON");
        assert_eq!(json["task"], "pick up the green puck and hold it");
        assert_eq!(json["family"], "lift");
        assert_eq!(json["succeeded"], false);
        assert!(json.get("actions").is_none(), "actions are left out");
    }
}
