//! A training from its first step to its last, and one that goes on where it stopped.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::place::{Place, copy_folder, files, golden, last_step, metrics, read_json, read_tensor, run};

/// What `LeRobot` expects in `pretrained_model/`.
const PRETRAINED: [&str; 7] = [
    "config.json",
    "model.safetensors",
    "train_config.json",
    "policy_preprocessor.json",
    "policy_preprocessor_step_4_normalizer_processor.safetensors",
    "policy_postprocessor.json",
    "policy_postprocessor_step_0_unnormalizer_processor.safetensors",
];

/// What it expects in `training_state/`.
const STATE: [&str; 5] = [
    "optimizer_param_groups.json",
    "optimizer_state.safetensors",
    "rng_state.safetensors",
    "scheduler_state.json",
    "training_step.json",
];

#[test]
fn a_training_leaves_checkpoints_metrics_and_a_picture() {
    let place = Place::new();
    let told = run(place.train("av1", "out").args(["--steps=4", "--save_freq=2", "--log_freq=1"])).succeeded();
    let out = place.path("out");
    for step in ["000002", "000004", "last"] {
        let checkpoint = out.join("checkpoints").join(step);
        for file in PRETRAINED {
            assert!(checkpoint.join("pretrained_model").join(file).is_file(), "{step} has no {file}");
        }
        for file in STATE {
            assert!(checkpoint.join("training_state").join(file).is_file(), "{step} has no {file}");
        }
    }
    assert_eq!(last_step(&out), 4, "`last` is the last step");
    let permissions = |file: &str| {
        let path = out.join("checkpoints/last/pretrained_model").join(file);
        fs::metadata(path).expect("a file").permissions()
    };
    assert_eq!(permissions("model.safetensors"), permissions("config.json"), "whoever reads one may read the other");
    let config = read_json(&out.join("checkpoints/last/pretrained_model/config.json"));
    assert_eq!(config["type"], "multi_task_dit", "LeRobot knows the policy by this name");
    assert_eq!(config["output_features"]["action"]["shape"][0], 3, "the dataset's actions");

    let lines = metrics(&out);
    let steps: Vec<Option<u64>> = lines.iter().map(|line| line["step"].as_u64()).collect();
    assert_eq!(steps, [1, 2, 3, 4].map(Some), "one line per step");
    for field in ["samples", "epochs", "loss", "grad_norm", "lr", "update_s", "data_s", "step_s", "samples_per_s"] {
        assert!(lines.iter().all(|line| line[field].is_number()), "`{field}` is not a number everywhere");
    }
    let picture = fs::read_to_string(out.join("training.svg")).expect("the picture of the training");
    assert!(picture.contains("<svg") && picture.trim_end().ends_with("</svg>"), "{picture}");
    assert!(told.stdout.contains("checkpoints/last"), "it says where the checkpoint is:\n{}", told.stdout);
    assert!(told.stdout.contains("mtdit eval --checkpoint"), "it says what comes next:\n{}", told.stdout);
}

#[test]
fn a_checkpoint_before_the_first_line_of_metrics_is_no_reason_to_complain() {
    let place = Place::new();
    let told = run(place.train("png_in_parquet", "out").arg("--steps=2")).succeeded();
    assert!(!told.stderr.contains("no picture"), "{}", told.stderr);
    assert!(place.path("out/training.svg").is_file(), "the picture of the training");
}

#[test]
fn surplus_checkpoints_go_the_oldest_first() {
    let place = Place::new();
    let flags = ["--steps=5", "--save_freq=1", "--keep_last=2"];
    run(place.train("png_in_parquet", "out").args(flags)).succeeded();
    let mut names: Vec<String> = fs::read_dir(place.path("out/checkpoints"))
        .expect("checkpoints")
        .map(|entry| entry.expect("a readable folder").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    assert_eq!(names, ["000004", "000005", "last"], "what is left");
}

#[test]
fn held_out_episodes_are_measured_while_training() {
    let place = Place::new();
    let flags = ["--steps=4", "--log_freq=0", "--dataset.eval_split=0.5", "--eval_steps=2"];
    run(place.train("png_in_parquet", "out").args(flags)).succeeded();
    let lines = metrics(&place.path("out"));
    let steps: Vec<Option<u64>> = lines.iter().map(|line| line["step"].as_u64()).collect();
    assert_eq!(steps, [Some(0), Some(2), Some(4)], "before the first step, and every second one");
    for field in ["eval_loss", "eval_action_mae", "eval_mean_action_mae"] {
        assert!(lines.iter().all(|line| line[field].as_f64().is_some_and(|value| value > 0.0)), "`{field}`: {lines:?}");
    }
}

#[test]
fn a_dry_run_shows_what_the_policy_sees_and_trains_nothing() {
    let place = Place::new();
    run(place.train("av1", "out").arg("--dry_run=true")).succeeded();
    let page = fs::read_to_string(place.path("out/dry_run.html")).expect("the page");
    assert!(page.contains("observation.state") && page.contains("the cube"), "{page}");
    let sheet = image::open(place.path("out/contact_sheet.png")).expect("the contact sheet").into_rgb8();
    assert!(sheet.width() > 4 * 32 && sheet.height() > 8 * 32, "eight samples of two cameras at two moments");
    assert!(!place.path("out/checkpoints").exists(), "nothing was trained");
}

#[test]
fn another_training_starts_from_a_checkpoint() {
    let place = Place::new();
    run(place.train("png_in_parquet", "first").arg("--steps=2")).succeeded();
    let root = golden("datasets/png_in_parquet");
    let first = place.path("first");
    run(place.mtdit(&["train", "--device=cpu", "--steps=1", "--policy.optimizer_lr=1e-9"]).args([
        format!("--policy.path={}", first.join("checkpoints/last").display()),
        format!("--dataset.root={}", root.display()),
        format!("--output_dir={}", place.path("second").display()),
    ]))
    .succeeded();
    let weights = |run: &str| {
        let file = place.path(run).join("checkpoints/last/pretrained_model/model.safetensors");
        read_tensor(&file, "noise_predictor.input_proj.weight").values()
    };
    let apart = weights("first").iter().zip(weights("second")).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(apart < 1e-6, "the second run starts where the first ended, it is off by {apart}");
}

/// Five steps of a copied run, without what came after them.
fn cut(whole: &Path, copy: &Path) {
    copy_folder(whole, copy);
    fs::remove_dir_all(copy.join("checkpoints/000010")).expect("the last checkpoint");
    #[cfg(unix)]
    std::os::unix::fs::symlink("000005", copy.join("checkpoints/last")).expect("a new link");
    #[cfg(not(unix))]
    fs::write(copy.join("checkpoints/last"), "000005").expect("a new file");
}

/// What makes two runs the same run.
fn learning(run: &Path) -> Vec<[Value; 5]> {
    let fields = ["step", "samples", "loss", "grad_norm", "lr"];
    metrics(run).iter().map(|line| fields.map(|field| line[field].clone())).collect()
}

/// Ten steps with dropout, random crops and a moving average, by so many threads.
fn ten_steps(place: &Place, output: &str, workers: usize) {
    let flags = ["--steps=10", "--save_freq=5", "--log_freq=1", "--batch_size=4", "--ema.enable=true"];
    run(place.train("av1", output).args(flags).arg(format!("--num_workers={workers}"))).succeeded();
}

#[test]
fn five_steps_and_five_resumed_are_ten_to_the_last_bit() {
    let place = Place::new();
    for workers in 0..3 {
        let (whole, cut_off) = (format!("whole{workers}"), format!("cut{workers}"));
        ten_steps(&place, &whole, workers);
        cut(&place.path(&whole), &place.path(&cut_off));
        let config_path = match workers {
            0 => place.path(&cut_off),
            1 => place.path(&cut_off).join("checkpoints/000005/pretrained_model/train_config.json"),
            _ if cfg!(unix) => place.path(&cut_off).join("checkpoints/last/pretrained_model/train_config.json"),
            _ => place.path(&cut_off).join("checkpoints/last"),
        };
        let config_path = format!("--config_path={}", config_path.display());
        let told = run(&mut place.mtdit(&["train", "--resume=true", &config_path])).succeeded();
        assert!(told.stderr.contains("steps: 10 (from 5)"), "it goes on after step 5:\n{}", told.stderr);

        let [first, whole, resumed] = ["whole0", whole.as_str(), cut_off.as_str()].map(|run| place.path(run));
        assert_eq!(learning(&whole), learning(&resumed), "what is learnt with {workers} threads");
        assert_eq!(learning(&first), learning(&whole), "what is learnt with {workers} threads and none");
        let [first, whole, resumed] = [first, whole, resumed].map(|run| run.join("checkpoints/000010"));
        let state = files(&whole.join("training_state")).into_iter().map(|file| Path::new("training_state").join(file));
        let weights = ["pretrained_model", "pretrained_model_ema"].map(|of| Path::new(of).join("model.safetensors"));
        for file in weights.into_iter().chain(state) {
            let bytes = |folder: &Path| fs::read(folder.join(&file)).expect("a file of the checkpoint");
            assert!(bytes(&whole) == bytes(&resumed), "{} differs after resuming, {workers} threads", file.display());
            assert!(bytes(&whole) == bytes(&first), "{} differs between none and {workers} threads", file.display());
        }
    }
}

#[test]
fn a_resumed_run_keeps_its_statistics_to_the_last_bit() {
    let place = Place::new();
    ten_steps(&place, "whole", 1);
    cut(&place.path("whole"), &place.path("cut"));
    run(&mut place.resume("cut")).succeeded();
    for file in PRETRAINED.into_iter().filter(|file| file.ends_with("normalizer_processor.safetensors")) {
        let bytes = |run: &str| {
            let folder = place.path(run).join("checkpoints/000010/pretrained_model");
            fs::read(folder.join(file)).expect("a file of the checkpoint")
        };
        assert!(bytes("whole") == bytes("cut"), "{file} differs after resuming");
    }
}

#[test]
fn a_finished_run_is_made_longer() {
    let place = Place::new();
    run(place.train("png_in_parquet", "out").arg("--steps=2")).succeeded();
    run(place.resume("out").arg("--steps=5")).succeeded();
    assert_eq!(last_step(&place.path("out")), 5, "three more steps");
}
