//! Datasets: every number, every instruction and every pixel equals what `LeRobotDataset` returns.

mod cache;
mod damaged;
mod odd_forms;
mod recording;

use std::path::{Path, PathBuf};
use std::{env, fs};

use mtdit_data::{DataError, Dataset, Episode, EpisodeSampler, Frame, Sample, Severity, Window, check, split_episodes};
use mtdit_tests::golden_dir;
use safetensors::SafeTensors;
use safetensors::tensor::TensorView;

/// A small dataset that belongs to the repository.
fn small(name: &str) -> PathBuf {
    golden_dir().join("datasets").join(name)
}

/// A dataset that is too large for the repository, or a line that says that it is not there.
#[expect(clippy::print_stdout, reason = "a skipped test says so")]
fn large(name: &str) -> Option<PathBuf> {
    let beside = || golden_dir().join("../../../shared/fixtures/datasets");
    let folder = env::var_os("MTDIT_DATASETS_DIR").map_or_else(beside, PathBuf::from);
    let path = folder.join(name);
    if path.is_dir() {
        return Some(path);
    }
    println!("skipped: {} absent", path.display());
    None
}

fn open(path: &Path) -> Dataset {
    Dataset::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A copy of a small dataset that a test may change.
fn copy_of(name: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let root = folder.path().join(name);
    copy_folder(&small(name), &root);
    (folder, root)
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("the folder to copy") {
        let from = entry.expect("an entry").path();
        let to = to.join(from.file_name().expect("a name"));
        if from.is_dir() {
            copy_folder(&from, &to);
        } else {
            fs::write(&to, fs::read(&from).expect("a file to copy")).expect("a copy");
        }
    }
}

/// Changes a text file.
fn edit(path: &Path, change: impl Fn(&str) -> String) {
    let text = fs::read_to_string(path).expect("a text");
    let changed = change(&text);
    assert_ne!(changed, text, "{}: the edit changes something", path.display());
    fs::write(path, changed).expect("a changed text");
}

/// Compares a dataset with the items that `LeRobotDataset` returned for it (observation window 2, action window 8).
fn assert_equals_lerobot(root: &Path, items: &Path) {
    let dataset = open(root);
    let bytes = fs::read(items).expect("the expected items");
    let expected = SafeTensors::deserialize(&bytes).expect("the expected items");
    let anchors = integers(&expected.tensor("anchors").expect("anchors"));
    assert!(!anchors.is_empty(), "there is something to compare");
    let window = Window::new(2, 8);
    for anchor in anchors {
        let index = usize::try_from(anchor).expect("an index");
        let sample = dataset
            .sample(index, &window)
            .unwrap_or_else(|error| panic!("{}, anchor {anchor}: {error}", root.display()));
        let prefix = format!("item.{anchor}.");
        let mut compared = 0;
        for (name, tensor) in expected.tensors() {
            if let Some(key) = name.strip_prefix(&prefix) {
                compare(&sample, key, &tensor, &format!("{}: {name}", root.display()));
                compared += 1;
            }
        }
        assert!(compared > 8, "{}, anchor {anchor}: only {compared} columns", root.display());
    }
}

fn compare(sample: &Sample, key: &str, expected: &TensorView<'_>, what: &str) {
    let one = |found: i64| assert_eq!(vec![found], integers(expected), "{what}");
    if let Some(key) = key.strip_suffix("_is_pad") {
        let values = sample.get(key).map(|values| &values.is_pad);
        let frames = sample.camera(key).map(|frames| &frames.is_pad);
        assert_eq!(values.or(frames), Some(&truths(expected)), "{what}");
    } else if let Some(camera) = sample.camera(key) {
        assert_pixels(&camera.frames, expected, what);
    } else {
        match key {
            "task" => assert_eq!(sample.task.as_bytes(), expected.data(), "{what}"),
            "index" => one(i64::try_from(sample.index).expect("an index")),
            "episode_index" => one(sample.episode_index),
            "frame_index" => one(sample.frame_index),
            "task_index" => one(sample.task_index),
            "timestamp" => assert_eq!(vec![sample.timestamp], floats(expected), "{what}"),
            _ => {
                let found = sample.get(key).unwrap_or_else(|| panic!("{what}: missing"));
                assert_eq!(found.values, floats(expected), "{what}");
            }
        }
    }
}

/// Ours are `[height, width, 3]` per step, `LeRobot`'s `[steps, 3, height, width]`.
fn assert_pixels(frames: &[Frame], expected: &TensorView<'_>, what: &str) {
    let [steps, channels, height, width] = *expected.shape() else {
        panic!("{what}: shape {:?}", expected.shape());
    };
    assert_eq!(frames.len(), steps, "{what}: steps");
    let (mut different, mut largest) = (0_usize, 0);
    for (step, frame) in frames.iter().enumerate() {
        assert_eq!((frame.height, frame.width), (height, width), "{what}: size");
        for channel in 0..channels {
            let start = (step * channels + channel) * height * width;
            let plane = &expected.data()[start..start + height * width];
            let ours = frame.rgb.iter().skip(channel).step_by(3);
            for (ours, theirs) in ours.zip(plane) {
                different += usize::from(ours != theirs);
                largest = largest.max(ours.abs_diff(*theirs));
            }
        }
    }
    assert_eq!((different, largest), (0, 0), "{what}: different values, largest difference");
}

fn integers(tensor: &TensorView<'_>) -> Vec<i64> {
    let number = |bytes: &[u8]| i64::from_le_bytes(bytes.try_into().expect("eight bytes"));
    tensor.data().chunks_exact(8).map(number).collect()
}

fn truths(tensor: &TensorView<'_>) -> Vec<bool> {
    tensor.data().iter().map(|byte| *byte != 0).collect()
}

/// Floats, or truth values as floats.
fn floats(tensor: &TensorView<'_>) -> Vec<f32> {
    if tensor.dtype() == safetensors::Dtype::BOOL {
        return truths(tensor).into_iter().map(|truth| f32::from(u8::from(truth))).collect();
    }
    let number = |bytes: &[u8]| f32::from_le_bytes(bytes.try_into().expect("four bytes"));
    tensor.data().chunks_exact(4).map(number).collect()
}

fn assert_small_equals_lerobot(name: &str) {
    let root = small(name);
    assert_equals_lerobot(&root, &root.join("expected_items.safetensors"));
}

#[test]
fn av1_equals_lerobot() {
    assert_small_equals_lerobot("av1");
}

#[test]
fn av1_in_many_files_equals_lerobot() {
    assert_small_equals_lerobot("av1_many_files");
}

#[test]
fn h264_equals_lerobot() {
    assert_small_equals_lerobot("h264");
}

#[test]
fn pictures_in_parquet_equal_lerobot() {
    assert_small_equals_lerobot("png_in_parquet");
}

#[cfg(feature = "ffmpeg")]
#[test]
fn hevc_equals_lerobot() {
    assert_small_equals_lerobot("hevc");
}

#[cfg(not(feature = "ffmpeg"))]
#[test]
fn hevc_names_the_feature_that_decodes_it() {
    let dataset = open(&small("hevc"));
    let error = dataset.frame("observation.images.top", 0).expect_err("no decoder in this build");
    assert!(matches!(error, DataError::UnsupportedVideo { .. }), "{error:?}");
    let sentence = error.to_string();
    for part in ["HEVC (hev1)", "build mtdit with --features ffmpeg", "file-000.mp4"] {
        assert!(sentence.contains(part), "`{part}` in: {sentence}");
    }
    let values = dataset.values("observation.state", 3).expect("numbers need no decoder");
    assert_eq!(values.len(), 4, "the state has four values");
}

#[test]
fn frames_are_the_same_in_any_order() {
    for name in ["av1", "h264", "av1_many_files"] {
        let dataset = open(&small(name));
        let frame = |index: usize| {
            let frame = dataset.frame("observation.images.top", index);
            frame.unwrap_or_else(|error| panic!("{name}, frame {index}: {error}"))
        };
        let forward: Vec<Frame> = (0..dataset.n_frames()).map(frame).collect();
        for index in (0..dataset.n_frames()).rev() {
            assert!(frame(index) == forward[index], "{name}: frame {index}, backwards");
        }
        for step in [7, 5] {
            for index in (0..dataset.n_frames()).map(|index| index * step % dataset.n_frames()) {
                assert!(frame(index) == forward[index], "{name}: frame {index}, jumping");
            }
        }
    }
}

#[test]
fn several_threads_read_one_dataset() {
    let dataset = open(&small("av1"));
    let alone: Vec<Sample> =
        (0..dataset.n_frames()).map(|index| dataset.sample(index, &Window::new(2, 4)).expect("a sample")).collect();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (dataset, alone) = (&dataset, &alone);
            scope.spawn(move || {
                for round in 0..alone.len() {
                    let index = (round * 5 + thread * 8) % alone.len();
                    let sample = dataset.sample(index, &Window::new(2, 4)).expect("a sample");
                    assert!(sample == alone[index], "thread {thread}: sample {index}");
                }
            });
        }
    });
}

#[test]
fn the_order_of_training_is_that_of_lerobot() {
    let dataset = open(&small("av1"));
    let episodes: Vec<_> = dataset.episodes().iter().map(Episode::range).collect();
    let sampler = EpisodeSampler::new(&episodes, 3, true, 1000).expect("24 anchors");
    let expected = [0, 27, 10, 29, 23, 1, 25, 13, 16, 12, 22, 26, 2, 17, 28, 21, 5, 3, 14, 24, 15, 6, 11, 4];
    assert_eq!(sampler.epoch(0), expected, "contract, appendix A");
}

#[test]
fn episodes_are_held_out_per_task() {
    let dataset = open(&small("av1_many_files"));
    let all: Vec<&Episode> = dataset.episodes().iter().collect();
    let (train, evaluate) = split_episodes(&all, 0.3).expect("a split");
    let expected = (vec![0, 1, 2, 3], vec![4, 5]);
    assert_eq!((train, evaluate), expected, "the last third of each of two tasks");
    assert!(split_episodes(&all, 1.0).is_err(), "nothing to train on");
}

#[test]
fn what_does_not_exist_is_named() {
    let dataset = open(&small("av1"));
    let unknown = dataset.values("observation.effort", 0).expect_err("no such column");
    assert!(unknown.to_string().contains("observation.state"), "it lists what there is: {unknown}");
    let camera = dataset.frame("observation.images.left", 0).expect_err("no such camera");
    assert!(camera.to_string().contains("observation.images.wrist"), "it lists the cameras: {camera}");
    let frame = dataset.values("action", 33).expect_err("no such frame");
    assert!(matches!(frame, DataError::FrameOutOfRange { index: 33, n_frames: 33 }), "{frame:?}");
    assert!(dataset.integers("action", 0).is_err(), "floats are no integers");
    assert_eq!(dataset.integers("next.done", 32).expect("a truth value"), [1], "the last frame is the end");
}

#[test]
fn good_datasets_pass_the_check() {
    for name in ["av1", "av1_many_files", "h264", "png_in_parquet"] {
        let findings = check(&open(&small(name)), &|_, _| {});
        let bad: Vec<_> = findings.iter().filter(|finding| finding.severity > Severity::Note).collect();
        assert!(bad.is_empty(), "{name}: {bad:?}");
    }
}

#[test]
fn a_real_robot_is_read() {
    let Some(root) = large("real_g1") else { return };
    let dataset = open(&root);
    assert_eq!((dataset.n_frames(), dataset.episodes().len()), (765, 3), "frames and episodes");
    let names = &dataset.feature("action").expect("actions").names;
    assert_eq!(names.len(), 26, "nested names are flattened");
    assert!(dataset.stats().get("action", "q01").is_none(), "it has no quantiles");
    let sample = dataset.sample(221, &Window::new(2, 16)).expect("the start of the second episode");
    assert_eq!(sample.task, "Pick up the yellow bottle on the table.", "the instruction");
    assert_eq!(sample.cameras[0].is_pad, [true, false], "nothing is seen of the episode before");
    for index in [0, 220, 221, 497, 498, 764] {
        let frame = dataset.frame("observation.images.cam_high", index).expect("a frame");
        assert_eq!((frame.height, frame.width), (480, 640), "frame {index}");
    }
}

#[test]
fn the_metaworld_recording_is_read() {
    let Some(root) = large("metaworld_mt5") else {
        return;
    };
    let dataset = open(&root);
    assert_eq!((dataset.n_frames(), dataset.tasks().len()), (11_616, 5), "frames and tasks");
    assert_eq!(dataset.cameras(), ["observation.images.front", "observation.images.wrist"], "cameras in order");
    let last = dataset.episodes().last().expect("150 episodes");
    for index in [0, 74, 75, last.from, last.to - 1] {
        let sample = dataset.sample(index, &Window::new(2, 32)).expect("a sample");
        assert_eq!((sample.state().len(), sample.action().len()), (8, 128), "anchor {index}");
        assert_eq!(sample.cameras.len(), 2, "anchor {index}");
    }
}
