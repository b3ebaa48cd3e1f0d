//! What the repository comes with: the policy of the tabletop, and the towers that such policies start from.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::place::{Place, copy_folder, read_json, run};

fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models")
}

/// The rollouts that a checkpoint notes.
fn noted(folder: &Path) -> Vec<Value> {
    read_json(&folder.join("mtdit.json"))["rollouts"].as_array().cloned().unwrap_or_default()
}

#[test]
fn the_shipped_policy_does_what_is_asked() {
    let place = Place::new();
    copy_folder(&models().join("tabletop"), &place.path("policy"));
    let before = noted(&place.path("policy"));
    assert!(!before.is_empty(), "what it can do is noted with it");

    let acts = |more: &[&str]| {
        let mut command = place.mtdit(&["rollout", "--device", "cpu", "--checkpoint", "policy", "--out", "out"]);
        command.args(["--episodes", "6", "--seed", "77", "--videos", "0", "--record"]).args(more);
        run(&mut command).succeeded();
        read_json(&place.path("out/rollout.json"))["success"].as_f64().expect("a share")
    };
    let (asked, swapped) = (acts(&[]), acts(&["--swap"]));
    // 48 episodes: a share this far below the noted one would be seen once in thousands of seeds.
    assert!(asked > 0.75, "it succeeds in {asked} of its episodes");
    assert!(swapped > 0.6, "asked for something else it succeeds in {swapped} of them");

    let after = noted(&place.path("policy"));
    assert_eq!(after.len(), before.len() + 2, "both were noted");
    let newest = &after[after.len() - 2];
    assert_eq!(newest["conditions"]["seed"], "77", "under its conditions: {newest}");
    assert!(newest["conditions"].get("checkpoint").is_none(), "no place of this machine: {newest}");
}

#[test]
fn a_new_policy_of_the_tabletop_starts_from_the_programs_own_towers() {
    let place = Place::new();
    run(&mut place.mtdit(&["dataset", "generate", "tabletop", "--episodes", "1", "--out", "data"])).succeeded();
    let preset = format!("--policy.path={}", models().join("presets/tabletop").display());
    let flags =
        ["train", &preset, "--dataset.root=data", "--output_dir=out", "--steps=1", "--batch_size=2", "--device=cpu"];
    let told = run(place.mtdit(&flags).env("HF_HUB_OFFLINE", "1")).succeeded().stderr;
    assert!(told.contains("towers start from") && told.contains("mtdit--clip-vit-tabletop-patch16"), "{told}");
}
