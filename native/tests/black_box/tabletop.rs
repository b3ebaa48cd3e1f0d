//! The simulated tabletop: datasets recorded in it, and policies that act in it.

use std::collections::BTreeSet;
use std::fs;
use std::io::BufReader;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::place::{Place, files, golden, read_json, run};

/// Records a dataset into a folder.
fn generate(place: &Place, out: &str, flags: &str) -> Command {
    let mut command = place.mtdit(&["dataset", "generate", "tabletop", "--out", out]);
    command.args(flags.split_whitespace());
    command
}

/// Lets someone act, with the report in a folder.
fn rollout(place: &Place, out: &str, flags: &str) -> Command {
    let mut command = place.mtdit(&["rollout", "--device", "cpu", "--out", out]);
    command.args(flags.split_whitespace());
    command
}

/// What a rollout measured.
fn measured(place: &Place, out: &str) -> Value {
    read_json(&place.path(out).join("rollout.json"))
}

fn texts<'a>(report: &'a Value, field: &str) -> Vec<&'a str> {
    let episodes = report["episodes"].as_array().expect("the episodes");
    episodes.iter().map(|episode| episode[field].as_str().unwrap_or_else(|| panic!("no `{field}`"))).collect()
}

/// A tiny policy, trained for one step on a dataset of the tabletop.
fn checkpoint(place: &Place, out: &str) {
    run(&mut generate(place, "data", "--episodes 2 --tasks reach")).succeeded();
    let root = format!("--dataset.root={}", place.path("data").display());
    run(place.train("png_in_parquet", out).args([root.as_str(), "--steps=1"])).succeeded();
}

#[test]
fn the_same_seed_records_the_same_dataset() {
    let place = Place::new();
    for (out, seed) in [("one", 5), ("two", 5), ("other", 6)] {
        let told = run(&mut generate(&place, out, &format!("--episodes 8 --seed {seed}"))).succeeded();
        assert!(told.stdout.contains("8 episodes") && told.stdout.contains("mtdit train"), "{}", told.stdout);
        assert!(!place.path(&format!(".{out}.partial")).exists(), "an unfinished folder is left");
    }
    let names = files(&place.path("one"));
    assert_eq!(names, files(&place.path("two")), "the same files");
    let bytes = |folder: &str, name: &Path| fs::read(place.path(folder).join(name)).expect("a file of the dataset");
    for name in &names {
        assert!(bytes("one", name) == bytes("two", name), "{} differs", name.display());
    }
    let data = Path::new("data/chunk-000/file-000.parquet");
    assert!(bytes("one", data) != bytes("other", data), "another seed records something else");

    let check = run(&mut place.mtdit(&["dataset", "check", "one"])).succeeded().stdout;
    assert!(check.contains("8 episodes") && check.contains("no error"), "{check}");
    let info = run(&mut place.mtdit(&["dataset", "info", "one"])).succeeded().stdout;
    for words in ["10 Hz, robot mtdit_tabletop", "observation.images.top", "observation.images.wrist", "[64, 64, 3]"] {
        assert!(info.contains(words), "no `{words}` in\n{info}");
    }
    assert_eq!(info.matches(" 1 episodes  ").count(), 8, "eight families, eight instructions:\n{info}");
}

#[test]
fn a_recording_that_cannot_be_made_is_refused() {
    let place = Place::new();
    for (out, flags, words) in [
        ("clip", "--episodes 1", "the folder clip is not empty"),
        ("good.png", "--episodes 1", "the folder good.png is not empty"),
        ("never", "--episodes 1 --noise 100", "--noise 100 is not between 0 and 3"),
        ("never", "--episodes 1 --noise nan", "--noise NaN is not between 0 and 3"),
        ("..", "--episodes 1", "is not the name of a folder"),
    ] {
        let told = run(&mut generate(&place, out, flags));
        assert!(told.refused_at_once().contains(words), "{out} {flags} is answered: {}", told.refused_at_once());
    }
    for flags in ["--episodes 0", "--episodes 1 --tasks reach,juggle"] {
        let told = run(&mut generate(&place, "never", flags));
        assert_eq!(told.code, Some(2), "`{flags}` is answered: {}", told.stderr);
    }
    assert!(!place.path("never").exists(), "a refused recording leaves a folder behind");
}

#[test]
fn an_expert_needs_no_checkpoint() {
    let place = Place::new();
    let told = run(&mut rollout(&place, "expert", "--policy expert --episodes 2 --videos 3")).succeeded();
    let report = measured(&place, "expert");
    let success = report["success"].as_f64().expect("a share");
    assert!(success >= 0.9, "the expert succeeds in {success} of the episodes:\n{}", told.stdout);
    let families = report["families"].as_array().expect("the families");
    assert_eq!(families.len(), 8, "every family");
    for family in families {
        let name = family["family"].as_str().expect("its name");
        assert_eq!(family["episodes"], 2, "{name}");
        assert!(told.stdout.contains(name), "no `{name}` in\n{}", told.stdout);
    }
    for words in ["95% interval", "mean", "expert/index.html"] {
        assert!(told.stdout.contains(words), "no `{words}` in\n{}", told.stdout);
    }

    let page = fs::read_to_string(place.path("expert/index.html")).expect("the page");
    assert!(page.contains("<svg") && page.trim_end().ends_with("</html>"), "the page has no plot or is cut off");
    let elsewhere = page.replace("http://www.w3.org/2000/svg", "");
    assert!(!elsewhere.contains("http://") && !elsewhere.contains("https://"), "the page refers to something outside");
    assert_eq!(page.matches("data:image/png;base64,").count(), 3, "three videos");
    let names = files(&place.path("expert"));
    let videos = names.iter().filter(|name| name.extension().is_some_and(|end| end == "png"));
    assert_eq!(videos.clone().count(), 3, "{names:?}");
    for video in videos {
        let number = video.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.strip_prefix("episode-"));
        let number: usize = number.and_then(|number| number.parse().ok()).expect("the number of an episode");
        let file = fs::File::open(place.path("expert").join(video)).expect("a video");
        let reader = png::Decoder::new(BufReader::new(file)).read_info().expect("it is a PNG");
        let frames = reader.info().animation_control().expect("it is animated").num_frames;
        let steps = report["episodes"][number]["steps"].as_u64().expect("a number of steps");
        assert_eq!(u64::from(frames), steps + 1, "the first moment and that after every step");
    }
}

#[test]
fn a_checkpoint_acts_the_same_every_time() {
    let place = Place::new();
    checkpoint(&place, "out");
    let flags =
        "--checkpoint out --episodes 2 --tasks reach,around --videos 1 --n_action_steps 7 --sampler ddim --steps 2";
    for out in ["one", "two"] {
        run(&mut rollout(&place, out, flags)).succeeded();
    }
    let [one, two] = ["one", "two"].map(|out| measured(&place, out));
    assert_eq!(one["episodes"], two["episodes"], "the same episodes");
    assert_eq!(one["facts"]["n_action_steps"], "7", "as asked for");
    assert_eq!(one["facts"]["sampler"], "ddim, 2 steps", "as asked for");
    let episodes = one["episodes"].as_array().expect("the episodes");
    let steps: Vec<u64> = episodes.iter().filter_map(|episode| episode["steps"].as_u64()).collect();
    assert_eq!(steps.len(), 4, "two episodes of two families");
    let chunks: u64 = steps.iter().map(|steps| steps.div_ceil(7)).sum();
    assert_eq!(one["pace"]["chunks"], chunks, "a chunk for every seven steps");
}

#[test]
fn a_rollout_that_cannot_be_made_is_refused() {
    let place = Place::new();
    checkpoint(&place, "good");
    run(place.train("png_in_parquet", "other").arg("--steps=1")).succeeded();
    let toy = format!("--policy mean --dataset {}", golden("datasets/png_in_parquet").display());
    for (flags, words) in [
        ("--episodes 1", "Give --checkpoint DIR, or --policy expert, mean or nearest"),
        ("--checkpoint nowhere", "no checkpoint here"),
        ("--checkpoint other", "`observation.images.top` of the policy has pictures of 48 x 64"),
        ("--checkpoint good --n_action_steps 8", "--n_action_steps 8 is too many: of the 8 steps"),
        ("--checkpoint good --sampler rk4", "use ddpm, ddim or dpm++"),
        ("--policy mean", "give --dataset DIR"),
        ("--policy nearest --dataset nowhere", "`meta/info.json` is missing"),
        (toy.as_str(), "not a dataset of the tabletop"),
    ] {
        let told = run(&mut rollout(&place, "never", flags));
        assert!(told.refused_at_once().contains(words), "{flags} is answered: {}", told.refused_at_once());
    }
    for flags in ["--policy expert --tasks juggle", "--policy nobody", "--policy expert --batch 0"] {
        let told = run(&mut rollout(&place, "never", flags));
        assert_eq!(told.code, Some(2), "`{flags}` is answered: {}", told.stderr);
    }
    assert!(!place.path("never").exists(), "a refused rollout leaves a folder behind");
}

#[test]
fn those_that_only_remember_act_too() {
    let place = Place::new();
    run(&mut generate(&place, "data", "--episodes 24 --tasks reach")).succeeded();
    for policy in ["mean", "nearest"] {
        let flags = format!("--policy {policy} --dataset data --tasks reach --episodes 3 --videos 0");
        run(&mut rollout(&place, policy, &flags)).succeeded();
        assert_eq!(measured(&place, policy)["families"][0]["episodes"], 3, "{policy}");
    }
    let told = run(&mut rollout(&place, "press", "--policy nearest --dataset data --tasks press --episodes 1"));
    assert!(told.refused().contains("the dataset never shows how to `press the"), "{}", told.refused());
}

#[test]
fn other_words_and_other_tasks_are_asked_for() {
    let place = Place::new();
    let flags = "--policy expert --tasks reach,lift --episodes 3 --videos 0";
    for (out, more) in [("plain", ""), ("words", "--held_out_phrasings"), ("tasks", "--swap")] {
        run(&mut rollout(&place, out, &format!("{flags} {more}"))).succeeded();
    }
    let [plain, words, tasks] = ["plain", "words", "tasks"].map(|out| measured(&place, out));
    assert_eq!(texts(&plain, "task"), texts(&words, "task"), "the same tasks");
    let said = |report: &Value| texts(report, "instruction").into_iter().map(str::to_owned).collect::<BTreeSet<_>>();
    assert!(said(&plain).is_disjoint(&said(&words)), "in other words: {:?} and {:?}", said(&plain), said(&words));
    assert_eq!(texts(&plain, "laid_for"), texts(&plain, "task"), "what the scene was laid for");
    let swapped = texts(&tasks, "laid_for").into_iter().zip(texts(&tasks, "task"));
    assert!(swapped.clone().count() == 6 && swapped.into_iter().all(|(laid_for, task)| laid_for != task), "{tasks}");
    assert!(tasks["families"][0]["did_original"].is_u64(), "what was done instead is counted");
    assert!(plain["families"][0]["did_original"].is_null(), "there is nothing else to do");
}

#[test]
fn help_teaches_with_examples() {
    let place = Place::new();
    let commands: [(&str, &[&str]); 3] = [
        ("", &["rollout"]),
        ("rollout", &["--checkpoint", "--tasks", "--n_action_steps", "--swap", "--policy", "--videos", "Examples"]),
        ("dataset generate", &["<WORLD>", "--episodes", "--seed", "--tasks", "--noise", "Examples"]),
    ];
    for (command, words) in commands {
        let help = run(&mut place.mtdit(&command.split_whitespace().chain(["--help"]).collect::<Vec<_>>()));
        let help = help.succeeded().stdout;
        for word in words {
            assert!(help.contains(word), "`mtdit {command} --help` does not mention {word}:\n{help}");
        }
    }
}
