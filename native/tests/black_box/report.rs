//! What the other commands say: `eval`, `inspect`, `dataset` and `--help`.

use std::fs;
use std::process::Stdio;

use crate::place::{Place, golden, read_json, run};

/// A dataset of the goldens.
fn dataset(name: &str) -> String {
    golden("datasets").join(name).display().to_string()
}

/// `mtdit eval` of a run of the test's, quickly.
const QUICK: [&str; 10] = ["--windows", "7", "--samples", "3", "--sampler", "ddim", "--steps", "3", "--device", "cpu"];

#[test]
fn an_evaluation_is_a_page_that_needs_no_network_and_the_numbers_in_it() {
    let place = Place::new();
    run(place.train("png_in_parquet", "out").args(["--steps=2", "--dataset.eval_split=0.5"])).succeeded();
    let told = run(place.mtdit(&["eval", "--checkpoint", "out", "--out", "report"]).args(QUICK)).succeeded();
    assert!(!told.stderr.contains("held no episode out"), "{}", told.stderr);
    assert!(told.stdout.contains("mean absolute error") && told.stdout.contains("report.html"), "{}", told.stdout);

    let page = fs::read_to_string(place.path("report/report.html")).expect("the page");
    assert!(page.contains("<svg") && page.trim_end().ends_with("</html>"), "the page has no plot or is cut off");
    let elsewhere = page.replace("http://www.w3.org/2000/svg", "");
    assert!(!elsewhere.contains("http://") && !elsewhere.contains("https://"), "the page refers to something outside");

    let report = read_json(&place.path("report/eval.json"));
    for (field, length) in [
        ("mse_per_dim", 3),
        ("mae_per_dim", 3),
        ("spread_per_dim", 3),
        ("action_names", 3),
        ("mse_per_step", 4),
        ("mae_per_step", 4),
        ("stages", 6),
        ("examples", 6),
    ] {
        assert_eq!(report[field].as_array().map(Vec::len), Some(length), "length of `{field}`");
    }
    for (field, value) in [("n_windows", 7), ("n_samples", 3), ("n_action_steps", 4), ("n_episodes", 2)] {
        assert_eq!(report[field], value, "`{field}`");
    }
    for field in ["mse_per_dim", "mae_per_dim", "mae_per_step"] {
        assert!(report["mean_action"][field].is_array(), "no `{field}` of the mean action");
    }
    for field in ["p50", "p95", "p99", "mean"] {
        assert!(report["latency"][field].as_f64().is_some_and(|time| time > 0.0), "no `{field}` of the latency");
    }
    let example = &report["examples"][0];
    assert_eq!(example["samples"].as_array().map(Vec::len), Some(3), "three chunks per moment");
    assert_ne!(example["episode"], 0, "the first episode was trained on");
    assert!(example["task"].as_str().is_some_and(|task| task.ends_with("the cube")), "{}", example["task"]);
}

#[test]
fn an_evaluation_says_when_it_measures_what_was_trained_on() {
    let place = Place::new();
    run(place.train("png_in_parquet", "out").arg("--steps=1")).succeeded();
    let told = run(place.mtdit(&["eval", "--checkpoint", "out", "--out", "report"]).args(QUICK)).succeeded();
    assert!(told.stderr.contains("the training held no episode out"), "{}", told.stderr);
    let chosen = run(place.mtdit(&["eval", "--checkpoint", "out", "--out", "one", "--episodes", "1"]).args(QUICK));
    chosen.succeeded();
    assert_eq!(read_json(&place.path("one/eval.json"))["n_episodes"], 1, "the episode asked for");
}

#[test]
fn an_evaluation_on_what_does_not_fit_is_refused() {
    let place = Place::new();
    run(place.train("png_in_parquet", "one").arg("--steps=1")).succeeded();
    run(place.train("av1", "two").arg("--steps=1")).succeeded();
    let png = dataset("png_in_parquet");
    for (words, answer) in [
        (["one", "--episodes", "9"], "no episode 9"),
        (["one", "--dataset", "nowhere"], "`meta/info.json` is missing"),
        (["one", "--sampler", "rk4"], "use ddpm, ddim or dpm++"),
        (["nowhere", "--seed", "1"], "no checkpoint here"),
        (["two", "--dataset", &png], "looks through `observation.images.wrist`"),
    ] {
        let told = run(place.mtdit(&["eval", "--device", "cpu", "--out", "never", "--checkpoint"]).args(words));
        let sentence = told.refused();
        assert!(sentence.contains(answer), "{words:?} is answered: {sentence}");
        assert!(!place.path("never").exists(), "{words:?} leaves a folder behind");
    }
}

#[test]
fn a_checkpoint_is_shown_stage_by_stage() {
    let place = Place::new();
    run(place.train("av1", "out").args(["--steps=1", "--ema.enable=true"])).succeeded();
    let whole = run(&mut place.mtdit(&["inspect", "out"])).succeeded().stdout;
    let stages = ["Observation", "Inputs", "Features", "Conditioning", "noise", "sampler", "actions", "ActionChunk"];
    let mut rest = whole.as_str();
    for stage in stages {
        let at = rest.find(stage).unwrap_or_else(|| panic!("no `{stage}` after the stages before it in\n{whole}"));
        rest = &rest[at..];
    }
    for words in [
        "2 moments of top 48x64, wrist 48x64; state [4]",
        "images [2, 2, 3, 32, 32]",
        "[8, 3]",
        "[4, 3] from step 1",
        "parameters, F32",
        "ddpm with 100 steps",
        "1 blocks of width 16, 2 heads",
        "patches of 8, pictures of 32; shared by all cameras",
    ] {
        assert!(whole.contains(words), "no `{words}` in\n{whole}");
    }
    for part in ["checkpoints/last", "checkpoints/last/pretrained_model", "checkpoints/last/pretrained_model_ema"] {
        let path = place.path("out").join(part).display().to_string();
        run(&mut place.mtdit(&["inspect", &path])).succeeded();
    }
    for folder in ["nowhere", "frames", "clip", "good.png"] {
        let told = run(&mut place.mtdit(&["inspect", folder]));
        assert!(told.refused_at_once().contains(folder), "{folder} is answered: {}", told.refused_at_once());
    }
}

#[test]
fn a_dataset_is_shown_with_its_episodes_tasks_and_ranges() {
    let place = Place::new();
    let root = dataset("av1");
    let info = run(&mut place.mtdit(&["dataset", "info", &root])).succeeded().stdout;
    for words in [
        "LeRobotDataset v3.0, 10 Hz, robot toy",
        "3 episodes, 33 frames, 2 tasks",
        "pick the cube",
        "observation.images.wrist",
        "video",
        "[48, 64, 3]",
        "-3.151..1.548",
    ] {
        assert!(info.contains(words), "no `{words}` in\n{info}");
    }
    let inspected = run(&mut place.mtdit(&["inspect", &root])).succeeded().stdout;
    assert_eq!(inspected, info, "`inspect` shows a dataset as `dataset info` does");
}

#[test]
fn every_readable_dataset_passes_the_check() {
    let place = Place::new();
    for (name, words) in [
        ("av1", "3 episodes, 33 frames, no error"),
        ("av1_many_files", "6 episodes, 63 frames, no error"),
        ("h264", "2 episodes, 13 frames, no error"),
        ("png_in_parquet", "3 episodes, 33 frames, no error"),
    ] {
        let told = run(&mut place.mtdit(&["dataset", "check", &dataset(name)])).succeeded();
        assert!(told.stdout.contains(words), "{name}: {}", told.stdout);
    }
}

#[cfg(not(feature = "ffmpeg"))]
#[test]
fn a_video_that_this_build_cannot_decode_is_named_with_the_feature_that_can() {
    let place = Place::new();
    let check = run(&mut place.mtdit(&["dataset", "check", &dataset("hevc")]));
    assert_eq!(check.code, Some(1), "{}", check.stdout);
    assert!(check.stdout.contains("HEVC") && check.stdout.contains("--features ffmpeg"), "{}", check.stdout);
    assert!(check.refused().contains("the dataset has errors"), "{}", check.stderr);
    let training = run(place.train("hevc", "never").arg("--steps=1"));
    let sentence = training.refused();
    assert!(sentence.contains("HEVC") && sentence.contains("--features ffmpeg"), "{sentence}");
    assert!(!place.path("never").exists(), "the refused training leaves a folder behind");
}

#[test]
fn an_exported_dataset_is_a_dataset_again() {
    let place = Place::new();
    for (name, frames) in [("png_in_parquet", 33), ("av1", 33)] {
        run(&mut place.mtdit(&["dataset", "export", &dataset(name), "--out", name])).succeeded();
        let check = run(&mut place.mtdit(&["dataset", "check", name])).succeeded();
        assert!(check.stdout.contains(&format!("3 episodes, {frames} frames, no error")), "{}", check.stdout);
    }
    let flags = [format!("--dataset.root={}", place.path("av1").display()), "--steps=1".to_owned()];
    run(place.train("av1", "trained").args(flags)).succeeded();

    let some = ["dataset", "export", &dataset("png_in_parquet"), "--out", "some", "--episodes", "0,2"];
    run(&mut place.mtdit(&some)).succeeded();
    let check = run(&mut place.mtdit(&["dataset", "check", "some"])).succeeded();
    assert!(check.stdout.contains("2 episodes, 22 frames, no error"), "{}", check.stdout);
    let again = run(&mut place.mtdit(&some));
    assert!(again.refused().contains("the folder some is not empty"), "{}", again.refused());
}

#[test]
fn an_export_of_episodes_that_are_not_there_is_refused() {
    let place = Place::new();
    for episodes in ["9", "0,9"] {
        let words = ["dataset", "export", &dataset("png_in_parquet"), "--out", "never", "--episodes", episodes];
        let told = run(&mut place.mtdit(&words));
        let sentence = told.refused();
        assert!(sentence.contains('9') && !sentence.contains("Some("), "{episodes} is answered: {sentence}");
        assert!(!place.path("never").exists(), "{episodes} leaves a folder behind");
    }
}

#[test]
fn every_command_explains_its_arguments() {
    let place = Place::new();
    let commands: [(&str, &[&str]); 9] = [
        ("", &["train", "predict", "eval", "inspect", "dataset", "Examples"]),
        ("predict", &["--checkpoint", "--image", "--state", "--observation", "--task", "--initial-noise", "--samples"]),
        ("predict", &["--out", "--plot", "--sampler", "--steps", "--trailing", "--seed", "--device"]),
        ("eval", &["--checkpoint", "--dataset", "--episodes", "--windows", "--samples", "--batch-size", "--out"]),
        ("inspect", &["<DIR>"]),
        ("dataset", &["info", "check", "export"]),
        ("dataset info", &["<DIR>"]),
        ("dataset check", &["<DIR>"]),
        ("dataset export", &["<DIR>", "--out", "--episodes"]),
    ];
    for (command, arguments) in commands {
        let words: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
        let help = run(&mut place.mtdit(&words)).succeeded().stdout;
        for argument in arguments {
            assert!(help.contains(argument), "`mtdit {command} --help` does not mention {argument}:\n{help}");
        }
    }
    assert!(run(&mut place.mtdit(&["--version"])).succeeded().stdout.starts_with("mtdit "), "its name and version");
}

#[test]
fn the_help_of_train_teaches() {
    let place = Place::new();
    let help = run(&mut place.mtdit(&["train", "--help"])).succeeded().stdout;
    for words in [
        "Usage: mtdit train --dataset.root=FOLDER",
        "--resume=true --config_path=",
        "--policy.path=",
        "Names and meanings are those of lerobot-train",
        "--policy.objective=diffusion",
        "--policy.vision_encoder_init=pretrained",
        "--ema.enable=false",
        "--save_freq=20000",
        "--dry_run=false",
    ] {
        assert!(help.contains(words), "no `{words}` in\n{help}");
    }
    assert_eq!(run(&mut place.mtdit(&["train", "-h"])).succeeded().stdout, help, "the short flag");
    let too_long = help.lines().find(|line| line.chars().count() > 160);
    assert_eq!(too_long, None, "a line that no terminal shows");
}

#[test]
fn a_reader_that_has_seen_enough_is_no_panic() {
    let place = Place::new();
    let root = dataset("av1");
    for words in [&["train", "--help"][..], &["dataset", "info", &root], &["inspect", &root]] {
        let mut command = place.mtdit(words);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
        drop(child.stdout.take());
        let told = child.wait_with_output().expect("the program ends");
        let stderr = String::from_utf8_lossy(&told.stderr).into_owned();
        assert!(!stderr.contains("panicked"), "{words:?}: {stderr}");
    }
}
