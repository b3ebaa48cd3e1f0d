//! `mtdit bench --dataset`: every rate is one that can be, the cache goes again, and another loader's rates come beside.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use crate::place::{Place, golden, read_json, run};

/// Samples of a golden dataset, which has 10, 11 and 12 frames in its episodes.
fn bench(place: &Place, dataset: &str, flags: &str) -> Command {
    let mut command = place.mtdit(&["bench", "--dataset"]);
    command.arg(golden("datasets").join(dataset)).args(flags.split_whitespace());
    command
}

fn row<'a>(report: &'a Value, stage: &str) -> &'a Value {
    let rows = report["rows"].as_array().expect("the rows");
    rows.iter().find(|row| row["stage"] == stage).unwrap_or_else(|| panic!("nothing was measured of {stage}"))
}

fn all(row: &Value) -> Vec<f64> {
    row["all"].as_array().expect("numbers").iter().map(|number| number.as_f64().expect("a number")).collect()
}

/// Names in the folder of decoded frames.
fn left_over(place: &Place) -> Vec<PathBuf> {
    let entries = fs::read_dir(place.path("cache/mtdit/frames")).expect("the folder of decoded frames");
    entries.map(|entry| entry.expect("a readable folder").path()).collect()
}

#[test]
fn samples_have_rates() {
    let place = Place::new();
    let flags = "--architecture tabletop --training_batch 4 --num_workers 2 --runs 3 --warmup 1 --out x.json";
    for dataset in ["av1", "png_in_parquet"] {
        let told = run(&mut bench(&place, dataset, flags)).succeeded().stdout;
        let report = read_json(&place.path("x.json"));
        let cameras = if dataset == "av1" { 2 } else { 1 };
        assert_eq!(report["rows"].as_array().map(Vec::len), Some(4), "nothing else:\n{told}");
        for (stage, unit) in [
            ("samples_cold", "samples_per_second"),
            ("decoding", "milliseconds"),
            ("samples_warm", "samples_per_second"),
            ("samples_decoded", "samples_per_second"),
        ] {
            let row = row(&report, stage);
            let (rates, is_rate) = (all(row), unit == "samples_per_second");
            assert_eq!((rates.len(), &row["unit"]), (3, &json!(unit)), "{dataset}: {stage}");
            assert!(rates.iter().all(|rate| *rate > 0.0), "{dataset}: {stage}: {rates:?}");
            let best_first = |pair: &[f64]| if is_rate { pair[0] >= pair[1] } else { pair[0] <= pair[1] };
            assert!(rates.windows(2).all(best_first), "{dataset}: {stage}: {rates:?}");
            assert_eq!(row["p99"], json!(rates[2]), "{dataset}: the bad end of {stage}");
            assert_eq!((&row["cameras"], &row["batch"]), (&json!(cameras), &json!(4)), "{dataset}: {stage}");
        }
        // The horizon of 12 leaves 4, 5 and 6 samples in the episodes, and no epoch is faster than its decoding.
        let recordings = "3 episodes, 33 frames, 15 samples per epoch";
        assert_eq!(report["facts"]["recordings"], recordings, "{dataset}");
        let (cold, decoding) = (all(row(&report, "samples_cold")), all(row(&report, "decoding")));
        assert!(cold[0] < 15.0 / (decoding[0] / 1e3), "{dataset}: {cold:?} samples per second, {decoding:?} ms");

        assert!(report["facts"]["device"].is_null(), "{dataset}: none is used");
        assert_eq!(report["facts"]["batches"], "of 4 samples by 2 workers, 8 in a run", "{dataset}");
        for words in
            ["samples per second ", "samples, warm cache", "frame once, milliseconds", "more is better", "batch 4"]
        {
            assert!(told.contains(words), "{dataset}: no `{words}` in\n{told}");
        }
        assert!(!told.contains("LeRobot") && !told.contains("less is better"), "nobody was compared with:\n{told}");
        assert_eq!(left_over(&place), Vec::<PathBuf>::new(), "{dataset}: the frames are gone");
    }
}

#[test]
fn a_checkpoint_decides_what_a_sample_is() {
    let place = Place::new();
    let feature = |kind: &str, shape: &[usize]| json!({"type": kind, "shape": shape});
    let config = json!({
        "type": "multi_task_dit", "n_obs_steps": 3, "horizon": 8, "n_action_steps": 4, "drop_n_last_frames": 1,
        "image_resize_shape": [24, 32], "image_crop_shape": [20, 30],
        "input_features": {
            "observation.state": feature("STATE", &[4]),
            "observation.images.wrist": feature("VISUAL", &[3, 48, 64])
        },
        "output_features": {"action": feature("ACTION", &[3])}
    });
    fs::create_dir(place.path("policy")).expect("a new folder");
    fs::write(place.path("policy/config.json"), config.to_string()).expect("a new file");
    let flags = "--checkpoint policy --training_batch 32 --num_workers 0 --runs 1 --warmup 0 --out x.json";
    run(&mut bench(&place, "av1", flags)).succeeded();
    let report = read_json(&place.path("x.json"));
    for (name, words) in [
        ("recordings", "3 episodes, 33 frames, 30 samples per epoch"),
        ("1 camera", "frames of 48 x 64 become 20 x 30"),
        ("windows", "n_obs_steps 3, horizon 8"),
        ("batches", "of 32 samples by no worker, 4 in a run"),
        ("policy", "policy"),
    ] {
        assert_eq!(report["facts"][name], words);
    }
    for stage in ["samples_cold", "samples_warm", "samples_decoded"] {
        assert_eq!(row(&report, stage)["cameras"], 1, "{stage}: the other one is not looked through");
    }
}

/// The shell stands in for Python.
#[cfg(unix)]
#[test]
fn the_rates_of_another_loader_come_beside() {
    let place = Place::new();
    let line = r#"{"stage": "samples_decoded", "sampler": null, "cameras": 2, "batch": 4, "compiled": false, "all": [0.5, 0.125, 0.25]}"#;
    let script = format!(
        "case $1 in\n\
         dataset) grep -q observation.images.wrist $2/config.json && echo '{{\"video backend\": \"scissors 1.0\"}}' ;;\n\
         samples) echo \"$@\" > asked; echo '{line}' ;;\nesac\n"
    );
    fs::write(place.path("fake.sh"), script).expect("a new file");
    let flags = "--architecture tabletop --training_batch 4 --num_workers 2 --runs 3 --warmup 1 --out x.json \
                 --compare lerobot --python sh --script fake.sh";
    let told = run(&mut bench(&place, "av1", flags)).succeeded().stdout;
    let report = read_json(&place.path("x.json"));
    assert_eq!(report["facts"]["video backend"], "scissors 1.0");
    assert!(told.contains("scissors 1.0"), "what decodes is named:\n{told}");
    for stage in ["samples_cold", "samples_warm", "samples_decoded"] {
        let row = row(&report, stage);
        let (ours, theirs) = (row["p50"].as_f64().expect("a number"), &row["lerobot"]);
        assert_eq!((&theirs["p50"], &theirs["all"]), (&json!(0.25), &json!([0.5, 0.25, 0.125])), "{stage}");
        let ratio = theirs["ratio"].as_f64().expect("a number");
        assert!((ratio * 0.25 - ours).abs() < 1e-6 * ours, "{stage}: ratio {ratio} of {ours}");
        assert!(ratio > 1.0, "{stage}: more samples per second are a larger ratio: {ratio}");
    }
    assert!(row(&report, "decoding")["lerobot"].is_null(), "it never decodes everything at once");
    assert!(told.contains("more is better, 2.00 is twice as fast as LeRobot"), "{told}");
    // The dataset's path may be of any length.
    let table = &told[told.find("samples per second").expect("the table")..];
    assert!(table.lines().all(|line| line.chars().count() <= 100), "a line is too long:\n{table}");

    let asked = fs::read_to_string(place.path("asked")).expect("what the script was asked");
    for words in ["--num_workers 2", "--batch 4", "--batches_per_run 8", "--runs 3", "--warmup 1", "datasets/av1"] {
        assert!(asked.contains(words), "both do the same: no `{words}` in {asked}");
    }

    fs::write(place.path("fake.sh"), "echo 'it has no LeRobot' >&2\nexit 3\n").expect("a new file");
    let told = run(&mut bench(&place, "av1", flags));
    assert!(told.refused_at_once().ends_with("it has no LeRobot"), "{}", told.refused_at_once());
    assert_eq!(left_over(&place), Vec::<PathBuf>::new(), "nothing was decoded");
}

#[test]
fn what_cannot_be_loaded_is_refused() {
    let place = Place::new();
    let checkpoint = |name: &str| format!("--checkpoint {}", golden("cases").join(name).join("checkpoint").display());
    let mut cases = vec![
        ("nowhere", "--architecture tabletop".to_owned(), "`meta/info.json` is missing"),
        ("av1", "--checkpoint nowhere".to_owned(), "no checkpoint here"),
        ("av1", checkpoint("pipeline_ddim"), "the policy looks through `observation.images.front`; the dataset has"),
        ("av1", checkpoint("ddpm_sample_no_camera"), "there is nothing to decode: the policy has no camera"),
        ("av1", "--architecture default".to_owned(), "must fit into the [48, 64] pictures"),
        ("av1", "--architecture tabletop --compare lerobot".to_owned(), "give --script FILE.py"),
    ];
    if !cfg!(feature = "ffmpeg") {
        cases.push(("hevc", "--architecture tabletop".to_owned(), "build mtdit with --features ffmpeg"));
    }
    for (dataset, flags, words) in cases {
        let told = run(&mut bench(&place, dataset, &flags));
        let sentence = told.refused_at_once();
        assert!(sentence.contains(words), "{dataset} {flags} is answered: {sentence}");
    }
    for flags in
        ["--cameras 1", "--batch 2", "--samplers ddim-2", "--training", "--num_workers 257", "--num_workers -1"]
    {
        let told = run(&mut bench(&place, "av1", flags));
        assert_eq!(told.code, Some(2), "`{flags}` is answered: {}", told.stderr);
    }
    let alone = run(&mut place.mtdit(&["bench", "--num_workers", "2"]));
    assert_eq!(alone.code, Some(2), "samples of nothing: {}", alone.stderr);
    assert!(!place.path("cache").exists(), "nothing was decoded");
}
