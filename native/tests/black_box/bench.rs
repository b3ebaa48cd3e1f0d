//! `mtdit bench`: everything that is measured has a time, another program's times come beside, and what cannot be is refused.

use std::process::Command;

use serde_json::Value;

use crate::place::{Place, golden, read_json, run};

/// Measures something on the processor.
fn bench(place: &Place, flags: &str) -> Command {
    let mut command = place.mtdit(&["bench", "--device", "cpu"]);
    command.args(flags.split_whitespace());
    command
}

/// The row of a stage with a sampler, or without (`""`).
fn row<'a>(report: &'a Value, stage: &str, sampler: &str, batch: Option<u64>) -> Option<&'a Value> {
    let rows = report["rows"].as_array().expect("the rows");
    rows.iter().find(|row| {
        row["stage"] == stage
            && row["sampler"].as_str().unwrap_or_default() == sampler
            && row["batch"].as_u64() == batch
    })
}

#[test]
fn everything_that_is_measured_has_a_time() {
    let place = Place::new();
    let flags = "--architecture tabletop --samplers ddim-2,euler-3 --batch 1,3 --runs 2 --warmup 1 --training \
                 --training_batch 2 --out x.json";
    let told = run(&mut bench(&place, flags)).succeeded().stdout;
    let report = read_json(&place.path("x.json"));
    let stages =
        ["preprocess", "vision", "text", "conditioning", "denoising_step", "postprocess"].map(|stage| (stage, ""));
    let chunks = ["chunk_all_new", "chunk_encoded"].map(|stage| [(stage, "ddim-2"), (stage, "euler-3")]).concat();
    let of_a_batch = |batch| stages.iter().chain(&chunks).map(move |(stage, sampler)| (*stage, *sampler, Some(batch)));
    let in_a_session = ["ddim-2", "euler-3"].map(|sampler| ("chunk_newest_new", sampler, Some(1)));
    let alone = [("loading", "", None), ("training_step", "", Some(2))];
    let measured: Vec<_> = of_a_batch(1).chain(of_a_batch(3)).chain(in_a_session).chain(alone).collect();
    for (stage, sampler, batch) in &measured {
        let row = row(&report, stage, sampler, *batch);
        let row = row.unwrap_or_else(|| panic!("nothing was measured of {stage} {sampler} {batch:?}"));
        for number in ["p50", "p95", "p99", "mean"] {
            let time = row[number].as_f64().expect("a number");
            assert!(time > 0.0, "{stage} {sampler} {batch:?}: {number} is {time}");
        }
        let runs = match *stage {
            "loading" => 3,
            // Two runs of two steps: the quickest sampler shows the stages.
            "denoising_step" => 4,
            _ => 2,
        };
        assert_eq!(row["all"].as_array().map(Vec::len), Some(runs), "{stage}");
        assert_eq!(row["n"], runs, "{stage}");
        assert_eq!(row["cameras"], 2, "{stage}");
    }
    let memory = usize::from(cfg!(target_os = "linux"));
    assert_eq!(report["rows"].as_array().map(Vec::len), Some(measured.len() + memory), "nothing else");

    assert_eq!(report["facts"]["runs"], "2, after 1 that do not count");
    let policy = report["facts"]["2 cameras"].as_str().expect("the policy");
    assert!(policy.starts_with("tabletop architecture, random weights, "), "{policy}");
    for words in ["milliseconds", "2 cameras, batch 3", "euler-3, newest frames new", "per second", "x.json"] {
        assert!(told.contains(words), "no `{words}` in\n{told}");
    }
    assert!(!told.contains("LeRobot"), "nobody was compared with:\n{told}");
    assert!(told.lines().all(|line| line.chars().count() <= 100), "a line is too long:\n{told}");
}

#[test]
fn a_checkpoint_has_its_own_cameras_and_samplers() {
    let place = Place::new();
    let checkpoint = golden("cases/pipeline_ddim/checkpoint");
    let flags = format!("--checkpoint {} --runs 1 --warmup 0 --out report", checkpoint.display());
    run(&mut bench(&place, &flags)).succeeded();
    let report = read_json(&place.path("report/bench.json"));
    assert!(row(&report, "chunk_all_new", "ddim-10", Some(1)).is_some(), "a diffusion's sampler fits");
    assert!(row(&report, "chunk_all_new", "euler-10", Some(1)).is_none(), "a flow's does not");
    let policy = report["facts"]["2 cameras"].as_str().expect("the policy");
    assert!(policy.ends_with("frames of 48 x 64"), "{policy}");
}

/// The shell stands in for Python.
#[cfg(unix)]
#[test]
fn the_times_of_another_program_come_beside() {
    let place = Place::new();
    let line = |stage: &str, batch: &str, compiled: bool| {
        format!(
            r#"{{"stage": "{stage}", "sampler": null, "cameras": 1, "batch": {batch}, "compiled": {compiled}, "all": [1e9]}}"#
        )
    };
    let script = format!(
        "case $1 in\ntowers) test -f $2/clip/config.json && echo '{{\"LeRobot\": \"0.0\"}}' ;;\n\
         loading) echo '{}' ;;\ninference) echo '{}'; echo '{}' ;;\nesac\n",
        line("loading", "null", false),
        line("vision", "1", false),
        line("vision", "1", true),
    );
    std::fs::write(place.path("fake.sh"), script).expect("a new file");
    let flags = "--architecture tabletop --cameras 1 --samplers ddim-1 --runs 1 --warmup 0 --out x.json \
                 --compare lerobot --python sh --script fake.sh";
    let told = run(&mut bench(&place, flags)).succeeded().stdout;
    let report = read_json(&place.path("x.json"));
    assert_eq!(report["facts"]["LeRobot"], "0.0");
    let of = |stage, batch| row(&report, stage, "", batch).unwrap_or_else(|| panic!("no row of {stage}"));
    assert_eq!(of("loading", None)["lerobot"]["n"], 3, "three processes");
    let vision = of("vision", Some(1));
    for theirs in ["lerobot", "lerobot_compiled"] {
        let ratio = vision[theirs]["ratio"].as_f64().expect("a ratio");
        assert!(ratio > 0.0 && ratio < 1e-3, "{theirs}: {ratio}");
    }
    assert!(of("text", Some(1))["lerobot"].is_null(), "it told nothing of this");
    assert!(told.contains("ratio: our median") && told.contains("compiled"), "{told}");

    std::fs::write(place.path("fake.sh"), "echo 'it has no LeRobot' >&2\nexit 3\n").expect("a new file");
    let told = run(&mut bench(&place, flags));
    assert!(told.refused_at_once().ends_with("it has no LeRobot"), "{}", told.refused_at_once());
}

#[test]
fn what_cannot_be_measured_is_refused() {
    let place = Place::new();
    let script = golden("../lerobot/bench.py").display().to_string();
    let diffusion = golden("cases/pipeline_ddim/checkpoint").display().to_string();
    for (flags, words) in [
        ("--architecture tabletop --samplers ddim-2,ddim-101".to_owned(), "101 steps were asked for"),
        ("--checkpoint nowhere".to_owned(), "no checkpoint here"),
        (format!("--checkpoint {diffusion} --samplers euler-2"), "use ddpm, ddim or dpm++"),
        ("--compare lerobot".to_owned(), "give --script FILE.py"),
        ("--compare lerobot --script nowhere.py".to_owned(), "nowhere.py: there is no such script"),
        (format!("--compare lerobot --script {script} --python no/python"), "give --python PATH"),
    ] {
        let told = run(&mut bench(&place, &flags));
        assert!(told.refused_at_once().contains(words), "{flags} is answered: {}", told.refused_at_once());
    }
    for flags in [
        "--samplers heun-10",
        "--samplers ddim",
        "--samplers ddim-2.5",
        "--architecture huge",
        "--cameras 4",
        "--batch 0",
        "--runs 0",
        "--compare act",
        "--compile",
        "--checkpoint nowhere --cameras 1",
    ] {
        let told = run(&mut bench(&place, flags));
        assert_eq!(told.code, Some(2), "`{flags}` is answered: {}", told.stderr);
    }
}

#[test]
fn help_teaches_with_examples() {
    let place = Place::new();
    let help = run(&mut place.mtdit(&["bench", "--help"])).succeeded().stdout;
    let flags =
        ["--architecture", "--samplers", "--training_batch", "--dataset", "--num_workers", "--compare", "--python"];
    for words in flags.into_iter().chain(["Examples", "ddim-10"]) {
        assert!(help.contains(words), "`mtdit bench --help` does not mention {words}:\n{help}");
    }
    for flag in ["--load_only", "--decode_into"] {
        assert!(!help.contains(flag), "what it starts itself is nobody's business:\n{help}");
    }
}
