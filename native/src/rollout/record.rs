//! What a policy reached, noted in its own `mtdit.json`, so that whoever is handed the checkpoint knows.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use mtdit_policy::checkpoint::pretty_json;
use mtdit_train::atomic::replace_file;
use serde_json::{Map, Value, json};

use super::score::Scores;

/// What a rollout is known by: another one with the same takes its place.
pub(super) type Conditions = Map<String, Value>;

/// Adds the scores to the checkpoint's `rollouts`.
///
/// # Errors
/// When `mtdit.json` is not an object, or cannot be written.
pub(super) fn note(folder: &Path, conditions: Conditions, scores: &Scores) -> Result<()> {
    let path = folder.join("mtdit.json");
    let mut known: Value = match fs::read_to_string(&path) {
        Ok(text) => serde_json::from_str(&text).with_context(|| format!("{} is not JSON", path.display()))?,
        Err(_) => json!({}),
    };
    ensure!(known.is_object(), "{} is not an object", path.display());
    let families = scores.families.iter().map(|family| {
        let numbers = json!({
            "success": rounded(family.success),
            "interval": family.interval.map(rounded),
            "episodes": family.episodes,
        });
        (family.family.to_owned(), numbers)
    });
    let noted = json!({
        "conditions": conditions,
        "success": rounded(scores.success),
        "families": families.collect::<Map<_, _>>(),
    });
    let mut rollouts = known["rollouts"].take().as_array().cloned().unwrap_or_default();
    rollouts.retain(|rollout| rollout["conditions"] != noted["conditions"]);
    rollouts.push(noted);
    known["rollouts"] = Value::Array(rollouts);
    Ok(replace_file(&path, pretty_json(&known, 4).as_bytes())?)
}

/// Four digits: more than any number of episodes tells.
fn rounded(share: f64) -> f64 {
    (share * 1e4).round() / 1e4
}

#[cfg(test)]
mod tests {
    use mtdit_tabletop::{PuckColor, Task};
    use serde_json::{Map, Value, json};

    use super::note;
    use crate::rollout::score::tests::outcome;
    use crate::rollout::score::{Pace, Scores};

    #[test]
    fn a_rollout_replaces_the_one_under_the_same_conditions() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("mtdit.json");
        std::fs::write(&path, r#"{"provenance": {"program": "mtdit"}}"#).expect("written");
        let lift = Task::Lift { puck: PuckColor::Blue };
        let scores = |failure| Scores::of(vec![outcome(lift, 5, failure)], Pace::default());
        let under = |sampler: &str| Map::from_iter([("sampler".to_owned(), json!(sampler))]);
        note(folder.path(), under("ddim"), &scores(Some("too late"))).expect("noted");
        note(folder.path(), under("euler"), &scores(None)).expect("noted");
        note(folder.path(), under("ddim"), &scores(None)).expect("noted again");

        let known: Value = serde_json::from_slice(&std::fs::read(&path).expect("there")).expect("JSON");
        assert_eq!(known["provenance"]["program"], "mtdit", "what was there stays");
        let rollouts = known["rollouts"].as_array().expect("a list");
        assert_eq!(rollouts.len(), 2, "one for each sampler: {rollouts:?}");
        assert_eq!(rollouts[1]["conditions"]["sampler"], "ddim", "the newest comes last");
        assert_eq!(rollouts[1]["families"]["lift"]["success"], 1.0, "of the newer rollout");

        std::fs::write(&path, "[]").expect("damaged");
        assert!(note(folder.path(), under("ddim"), &scores(None)).is_err(), "nothing is overwritten");
    }
}
