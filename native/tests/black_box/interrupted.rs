//! Trainings that are killed, interrupted, started twice, or run out of disk.

use std::fs;
#[cfg(unix)]
use std::process::Command;
use std::thread;
use std::time::Duration;

#[cfg(unix)]
use crate::place::files;
use crate::place::{Place, Started, last_step, metrics, run, unfinished};

/// Kills of the test below.
const KILLS: u64 = 25;

#[test]
fn a_training_killed_at_any_moment_leaves_a_checkpoint_that_loads_and_goes_on() {
    let place = Place::new();
    run(place.train("png_in_parquet", "warm").arg("--steps=1")).succeeded();
    let out = place.path("out");
    let last = out.join("checkpoints/last");
    let often = ["--steps=100000", "--save_freq=1", "--keep_last=2", "--log_freq=1", "--batch_size=2"];
    let mut survived = 0;
    for kill in 0..KILLS {
        let mut command = if last.exists() { place.resume("out") } else { place.train("png_in_parquet", "out") };
        if !last.exists() && out.exists() {
            fs::remove_dir_all(&out).expect("a run without a checkpoint");
        }
        let mut training = Started::new(command.args(often), place.path("log.txt"));
        if kill % 2 == 1 {
            training.wait_for("Output dir: ");
        }
        thread::sleep(Duration::from_millis(150 + kill * 577 % 1350));
        training.kill();

        assert!(last.exists() || last.symlink_metadata().is_err(), "kill {kill}: `last` points at nothing");
        if !last.exists() {
            continue;
        }
        survived += 1;
        run(&mut place.mtdit(&["inspect", "out"])).succeeded();
        run(&mut place.predict("out")).succeeded();
        let step = last_step(&out);
        run(place.resume("out").args([format!("--steps={}", step + 2), "--save_freq=1".to_owned()])).succeeded();
        assert_eq!(last_step(&out), step + 2, "kill {kill}: two more steps");
        assert!(unfinished(&out).is_empty(), "kill {kill} has left {:?}", unfinished(&out));
        let steps: Vec<Option<u64>> = metrics(&out).iter().map(|line| line["step"].as_u64()).collect();
        assert!(steps.is_sorted_by(|a, b| a < b), "kill {kill}: metrics of steps {steps:?}");
    }
    assert!(survived >= 10, "only {survived} of {KILLS} runs lived long enough for a checkpoint");
}

#[test]
fn a_second_training_in_the_same_folder_is_refused() {
    let place = Place::new();
    let flags = ["--steps=100000", "--save_freq=1", "--keep_last=2"];
    let mut first = Started::new(place.train("png_in_parquet", "out").args(flags), place.path("log.txt"));
    first.wait_for("Checkpoint policy after step");
    let second = run(&mut place.resume("out"));
    let sentence = second.refused();
    assert!(sentence.contains("another training writes into this folder"), "{sentence}");
    assert!(first.is_running(), "the first training is disturbed\n{}", first.said());
    first.kill();
    let steps = last_step(&place.path("out")) + 1;
    run(place.resume("out").arg(format!("--steps={steps}"))).succeeded();
}

#[cfg(unix)]
#[test]
fn an_interrupt_saves_the_present_step() {
    for signal in ["INT", "TERM"] {
        let place = Place::new();
        let command = &mut place.train("png_in_parquet", "out");
        let mut training = Started::new(command.arg("--steps=100000"), place.path("log.txt"));
        training.wait_for("Training: ");
        training.signal(signal);
        let code = training.end().code();
        let said = training.said();
        let expected: &[i32] = if signal == "INT" { &[130] } else { &[130, 143] };
        assert!(code.is_some_and(|code| expected.contains(&code)), "SIG{signal} ends with {code:?}\n{said}");
        let step = last_step(&place.path("out"));
        assert!(said.contains(&format!("End of training at step {step}")), "`last` is not the last step\n{said}");
        run(&mut place.predict("out")).succeeded();
        run(place.resume("out").arg(format!("--steps={}", step + 1))).succeeded();
    }
}

#[cfg(unix)]
#[test]
fn a_second_interrupt_ends_at_once() {
    let place = Place::new();
    // A step of a million batches does not end by itself.
    let command = &mut place.train("png_in_parquet", "out");
    let mut training = Started::new(command.arg("--accumulate=1000000"), place.path("log.txt"));
    training.wait_for("device: cpu");
    training.signal("INT");
    training.wait_for("press Ctrl-C again to end at once");
    assert!(training.is_running(), "the first interrupt waits for the step");
    training.signal("INT");
    assert_eq!(training.end().code(), Some(130), "{}", training.said());
    assert!(!place.path("out/checkpoints").exists(), "there was no step to save");
}

/// The same program where no file may grow beyond so many blocks of 512 bytes.
#[cfg(unix)]
fn limited(command: &Command, blocks: u32) -> Command {
    let mut limited = Command::new("sh");
    limited.arg("-c").arg(format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\""));
    limited.arg(command.get_program()).args(command.get_args());
    limited.current_dir(command.get_current_dir().expect("a folder of its own"));
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => limited.env(name, value),
            None => limited.env_remove(name),
        };
    }
    limited
}

#[cfg(unix)]
#[test]
fn a_full_disk_ends_the_training_and_leaves_the_older_checkpoint() {
    let place = Place::new();
    run(place.train("png_in_parquet", "out").arg("--steps=2")).succeeded();
    let older = place.path("out/checkpoints/000002");
    let content = || -> Vec<Vec<u8>> {
        files(&older).iter().map(|file| fs::read(older.join(file)).expect("a readable file")).collect()
    };
    let before = content();

    let full = run(&mut limited(place.resume("out").arg("--steps=4"), 1000));
    let sentence = full.refused();
    assert!(sentence.contains("model.safetensors") && sentence.contains("writing failed"), "{sentence}");
    assert!(before == content(), "the older checkpoint has changed");
    assert_eq!(last_step(&place.path("out")), 2, "`last` is the older checkpoint");
    run(&mut place.predict("out")).succeeded();

    run(place.resume("out").arg("--steps=4")).succeeded();
    assert_eq!(last_step(&place.path("out")), 4, "with room it goes on");
    let left = unfinished(&place.path("out"));
    assert!(left.is_empty(), "the failed save has left {left:?}");
}
