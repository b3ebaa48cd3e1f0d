//! Command lines, datasets and folders that `mtdit train` refuses, each with one sentence, before anything is written.

use std::fs;

use crate::place::{Place, copy_folder, golden, run};

#[test]
fn every_wrong_flag_is_refused_by_name() {
    let place = Place::new();
    let wrong = [
        ("--step=2", "did you mean --steps?"),
        ("--horizon=8", "did you mean --policy.horizon?"),
        ("--policy.hidden_dims=2", "did you mean --policy.hidden_dim?"),
        ("--quite-another-thing=1", "there is no flag --quite_another_thing"),
        ("extra", "unexpected argument `extra`"),
        ("--steps", "--steps needs a value: a whole number"),
        ("--steps=two", "--steps=two does not fit: expected a whole number"),
        ("--steps=0", "at least one step is needed"),
        ("--steps=-1", "--steps=-1 does not fit"),
        ("--batch_size=1.5", "--batch_size=1.5 does not fit: expected a whole number"),
        ("--batch_size=0", "at least one sample per batch is needed"),
        ("--policy.use_rope=maybe", "expected true or false"),
        ("--policy.objective=diffuse", "expected one of diffusion, flow_matching"),
        ("--policy.optimizer_lr=fast", "--policy.optimizer_lr=fast does not fit"),
        ("--policy.image_crop_shape=[32]", "expected two whole numbers"),
        ("--policy.image_crop_shape=[200,200]", "must fit into the [48, 64] pictures"),
        ("--policy.image_crop_shape=[30,30]", "it takes pictures of 32 x 32"),
        ("--policy.n_action_steps=8", "policy.horizon 8 is too short: 2 observation steps and 8 action steps"),
        ("--policy.horizon=0", "policy.horizon 0 is too short"),
        ("--policy.num_heads=0", "`num_heads` is 0"),
        ("--policy.num_heads=3", "must be a multiple of num_heads, 3"),
        ("--policy.hidden_dim=1000000000", "`hidden_dim` is 1000000000"),
        ("--policy.type=act", "type multi_task_dit only, not `act`"),
        ("--device=tpu", "there are auto, cpu, cuda and wgpu"),
        ("--dataset.episodes=[7]", "names episode 7; the dataset has episodes 0 to 2"),
        ("--dataset.eval_split=1.0", "dataset.eval_split is 1"),
        ("--dataset.root=nowhere", "`meta/info.json` is missing"),
        ("--eval_steps=5", "set --dataset.eval_split"),
        ("--env.type=pusht", "expected one of tabletop, or null"),
        ("--env.type=tabletop", "has pictures of 48 x 64"),
        ("--resume=true", "no train_config.json was found"),
        ("--config_path=nowhere", "no train_config.json was found"),
    ];
    for (flag, words) in wrong {
        let told = run(place.train("png_in_parquet", "never").arg(flag));
        let sentence = told.refused();
        assert!(sentence.contains(words), "{flag} is answered: {sentence}");
        assert!(!place.path("never").exists(), "{flag} leaves a folder behind");
    }
}

#[test]
fn a_training_needs_a_dataset() {
    let place = Place::new();
    let unnamed = run(&mut place.mtdit(&["train", "--output_dir=out"]));
    let sentence = unnamed.refused_at_once();
    assert!(sentence.contains("--dataset.root=FOLDER"), "{sentence}");
    let unknown = run(&mut place.mtdit(&["train", "--dataset.repo_id=nobody/nothing", "--output_dir=out"]));
    let sentence = unknown.refused();
    assert!(sentence.contains("the dataset nobody/nothing is not on this machine"), "{sentence}");
}

/// Without arguments it records a dataset of its own, but not over anything else.
#[test]
fn a_folder_that_is_no_dataset_is_not_recorded_over() {
    let place = Place::new();
    fs::create_dir_all(place.path("datasets/tabletop")).expect("a folder can be made");
    fs::write(place.path("datasets/tabletop/letter.txt"), "dear").expect("a file can be written");
    let told = run(&mut place.mtdit(&["train"]));
    assert!(told.refused().contains("datasets/tabletop is in the way"), "{}", told.refused());
    assert!(place.path("datasets/tabletop/letter.txt").is_file(), "what was there is still there");
}

#[test]
fn an_older_run_is_not_written_over() {
    let place = Place::new();
    fs::create_dir(place.path("out")).expect("a new folder");
    fs::write(place.path("out/precious.txt"), "do not touch").expect("a new file");
    let told = run(place.train("png_in_parquet", "out").arg("--steps=1"));
    let sentence = told.refused();
    assert!(sentence.contains("the output folder exists already") && sentence.contains("--resume=true"), "{sentence}");
    assert_eq!(fs::read_dir(place.path("out")).expect("the folder").count(), 1, "nothing was added");
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let place = Place::new();
    let told = run(place.train("png_in_parquet", "good.png/run").arg("--steps=1"));
    let sentence = told.refused();
    assert!(sentence.contains("good.png") && sentence.contains("creating failed"), "{sentence}");
}

/// The dataset `png_in_parquet`, as `damaged/`.
fn damaged(place: &Place, file: &str, damage: impl FnOnce(Vec<u8>) -> Vec<u8>) {
    let folder = place.path("damaged");
    if folder.exists() {
        fs::remove_dir_all(&folder).expect("the last damage");
    }
    copy_folder(&golden("datasets/png_in_parquet"), &folder);
    let bytes = fs::read(folder.join(file)).expect("a file of the dataset");
    fs::write(folder.join(file), damage(bytes)).expect("the damaged file");
}

/// Replaces the format's version.
fn version(version: &'static str) -> impl FnOnce(Vec<u8>) -> Vec<u8> {
    move |bytes| String::from_utf8(bytes).expect("JSON").replace("v3.0", version).into_bytes()
}

#[test]
fn a_dataset_of_an_older_version_is_refused_with_the_way_to_convert_it() {
    let place = Place::new();
    for older in ["v2.0", "v2.1"] {
        damaged(&place, "meta/info.json", version(older));
        let told = run(place.train("png_in_parquet", "never").args(["--dataset.root=damaged", "--steps=1"]));
        let sentence = told.refused();
        assert!(sentence.contains(older) && sentence.contains("convert_dataset_v21_to_v30"), "{sentence}");
    }
}

#[test]
fn a_dataset_of_a_newer_version_is_read_with_a_warning() {
    let place = Place::new();
    damaged(&place, "meta/info.json", version("v3.1"));
    let told = run(place.train("png_in_parquet", "out").args(["--dataset.root=damaged", "--steps=1"])).succeeded();
    assert!(told.stderr.contains("the dataset has version v3.1, newer than the v3.0"), "{}", told.stderr);
}

#[test]
fn a_damaged_dataset_is_refused_by_the_name_of_the_file() {
    let place = Place::new();
    let table = "data/chunk-000/file-000.parquet";
    for (file, keep) in [("meta/info.json", 20), ("meta/stats.json", 20), ("meta/tasks.parquet", 50), (table, 3000)] {
        damaged(&place, file, |bytes| bytes[..keep].to_vec());
        let training = run(place.train("png_in_parquet", "never").args(["--dataset.root=damaged", "--steps=1"]));
        let name = file.rsplit('/').next().unwrap_or(file);
        assert!(training.refused().contains(name), "{file} is answered: {}", training.refused());
        assert!(!place.path("never").exists(), "{file} leaves a folder behind");
        let check = run(&mut place.mtdit(&["dataset", "check", "damaged"]));
        assert_eq!(check.code, Some(1), "the check of a damaged {file}: {}", check.stdout);
        assert!((check.stdout + &check.stderr).contains(name), "the check does not name {file}");
    }
}
