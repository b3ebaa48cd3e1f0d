//! Recording: what is written is read back, by us here and by `LeRobot` elsewhere; and statistics computed anew.

use std::fs;
use std::path::Path;

use mtdit_data::{
    DataError, Dataset, DatasetSpec, DatasetWriter, Dtype, Feature, Frame, Severity, Window, check, compute_stats,
};

use super::{copy_of, open, small};

const CAMERA: &str = "observation.images.top";

/// The numbers of a frame, by feature.
type Values<'a> = &'a [(&'a str, &'a [f64])];

fn spec() -> DatasetSpec {
    DatasetSpec {
        fps: 20,
        robot_type: Some("tabletop".to_owned()),
        features: vec![
            Feature::numbers("observation.state", Dtype::Float32, &["x", "y"]),
            Feature::image(CAMERA, 24, 32),
            Feature::numbers("action", Dtype::Float64, &["dx", "dy"]),
            Feature::numbers("next.done", Dtype::Bool, &["done"]),
        ],
        data_files_size_in_mb: 100,
    }
}

/// Noise that differs from frame to frame.
fn picture(seed: usize, height: usize, width: usize) -> Frame {
    let mut state = seed as u64 + 1;
    let mut byte = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    Frame { height, width, rgb: (0..height * width * 3).map(|_| byte()).collect() }
}

fn record(root: &Path, spec: DatasetSpec, lengths: &[usize], side: (usize, usize)) {
    let mut writer = DatasetWriter::create(root, spec).expect("an empty folder");
    let mut index = 0;
    for (episode, length) in lengths.iter().enumerate() {
        for frame in 0..*length {
            let number = index as f64;
            let state: &[f64] = &[number, -number];
            let action: &[f64] = &[number / 3.0, 1.0];
            let done: &[f64] = &[f64::from(u8::from(frame + 1 == *length))];
            let values = [("observation.state", state), ("action", action), ("next.done", done)];
            let picture = picture(index, side.0, side.1);
            let task = ["push", "pull"][episode % 2];
            writer.add_frame(&values, &[(CAMERA, &picture)], task).expect("a frame");
            index += 1;
        }
        writer.save_episode().expect("an episode");
    }
    writer.finalize().expect("a dataset");
}

#[expect(clippy::cast_possible_truncation, reason = "the f32 view of a column of doubles")]
#[test]
fn what_is_written_is_read_back() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let root = folder.path().join("new");
    record(&root, spec(), &[5, 3, 4], (24, 32));
    let dataset = open(&root);
    assert_eq!(dataset.warnings(), [] as [String; 0], "nothing is odd");
    assert_eq!((dataset.n_frames(), dataset.episodes().len(), dataset.tasks().len()), (12, 3, 2), "all of it");
    assert_eq!(dataset.info().robot_type.as_deref(), Some("tabletop"), "the robot");
    for index in 0..12 {
        let sample = dataset.sample(index, &Window::new(1, 2)).expect("a sample");
        let number = index as f32;
        assert_eq!(sample.state(), [number, -number], "frame {index}");
        let expected = (index as f64 / 3.0) as f32;
        assert_eq!(sample.action()[0].to_bits(), expected.to_bits(), "frame {index}");
        assert!(sample.cameras[0].frames[0] == picture(index, 24, 32), "frame {index} is lossless");
    }
    let last = dataset.sample(7, &Window::new(1, 1)).expect("the end of the second episode");
    assert_eq!((last.task.as_str(), last.frame_index, last.episode_index), ("pull", 2, 1), "its place");
    assert_eq!(last.get("next.done").map(|done| done.values.clone()), Some(vec![1.0]), "its end");
    assert_eq!(last.timestamp.to_bits(), 0.1_f32.to_bits(), "its time");
    let findings = check(&dataset, &|_, _| {});
    let bad: Vec<_> = findings.iter().filter(|finding| finding.severity == Severity::Error).collect();
    assert!(bad.is_empty(), "{bad:?}");
    let (computed, left_out) = compute_stats(&dataset, &|_, _| {});
    assert!(left_out.is_empty(), "{left_out:?}");
    assert_stats_close(&dataset, &computed, &["observation.state", "action", CAMERA], 1e-6, 1e-6);
}

#[test]
fn data_files_roll_over() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let root = folder.path().join("new");
    let mut spec = spec();
    spec.features[1] = Feature::image(CAMERA, 96, 128);
    spec.data_files_size_in_mb = 1;
    // 37 kB of noise per picture: about twenty fit.
    record(&root, spec, &[12, 12, 12, 12], (96, 128));
    let dataset = open(&root);
    let files: Vec<(usize, usize)> = dataset.episodes().iter().map(|episode| episode.data).collect();
    assert_eq!(files.first(), Some(&(0, 0)), "the first file");
    assert!(files.last() > Some(&(0, 0)), "and later ones: {files:?}");
    for index in [0, 11, 12, 47] {
        let frame = dataset.frame(CAMERA, index).expect("a frame");
        assert!(frame == picture(index, 96, 128), "frame {index}");
    }
}

#[test]
fn recordings_that_stop_early_are_no_datasets() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let root = folder.path().join("new");
    {
        let mut writer = DatasetWriter::create(&root, spec()).expect("an empty folder");
        let picture = picture(0, 24, 32);
        let values: [(&str, &[f64]); 3] =
            [("observation.state", &[0.0, 0.0]), ("action", &[0.0, 0.0]), ("next.done", &[0.0])];
        writer.add_frame(&values, &[(CAMERA, &picture)], "push").expect("a frame");
        writer.save_episode().expect("an episode");
    }
    let error = Dataset::open(&root).expect_err("not finalised");
    assert!(matches!(error, DataError::NotADataset { .. }), "{error:?}");
    let error = DatasetWriter::create(&root, spec()).expect_err("something is there");
    assert!(error.to_string().contains("not empty"), "{error}");
}

#[test]
fn frames_that_do_not_match_are_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut writer = DatasetWriter::create(&folder.path().join("new"), spec()).expect("an empty folder");
    let (good, small) = (picture(0, 24, 32), picture(0, 23, 32));
    let state: (&str, &[f64]) = ("observation.state", &[0.0, 0.0]);
    let action: (&str, &[f64]) = ("action", &[0.0, 0.0]);
    let done: (&str, &[f64]) = ("next.done", &[0.0]);
    let cases: [(Values<'_>, &Frame, &str); 5] = [
        (&[state, action], &good, "next.done"),
        (&[state, done, ("action", &[0.0])], &good, "action"),
        (&[state, done, ("action", &[0.0, f64::NAN])], &good, "action"),
        (&[state, action, done, ("effort", &[1.0])], &good, "effort"),
        (&[state, action, done], &small, CAMERA),
    ];
    for (values, picture, field) in cases {
        let error = writer.add_frame(values, &[(CAMERA, picture)], "push").expect_err(field);
        assert!(matches!(&error, DataError::Record { field: found, .. } if found == field), "{error:?}");
    }
    assert_eq!(writer.n_buffered(), 0, "nothing was added");
    assert!(writer.save_episode().is_err(), "an episode without frames");
    assert!(writer.finalize().is_err(), "a dataset without episodes");
}

/// Compares computed statistics with those in the file. Quantiles come from bins, so they may be one bin off.
fn assert_stats_close(dataset: &Dataset, computed: &mtdit_data::Stats, keys: &[&str], tolerance: f64, absolute: f64) {
    for key in keys {
        let value = |stats: &mtdit_data::Stats, name: &str| {
            let found = stats.get(key, name).unwrap_or_else(|| panic!("{key}: no {name}"));
            found.values.clone()
        };
        let (min, max) = (value(dataset.stats(), "min"), value(dataset.stats(), "max"));
        for name in ["min", "max", "mean", "std", "count", "q01", "q10", "q50", "q90", "q99"] {
            let (found, expected) = (value(computed, name), value(dataset.stats(), name));
            assert_eq!(found.len(), expected.len(), "{key}: {name}");
            for (dimension, (found, expected)) in found.iter().zip(&expected).enumerate() {
                let bin = if name.starts_with('q') { (max[dimension] - min[dimension]) / 1000.0 } else { 0.0 };
                let allowed = expected.abs() * tolerance + absolute + bin;
                let error = (found - expected).abs();
                assert!(error <= allowed, "{key}: {name}[{dimension}] is {found} instead of {expected}");
            }
        }
    }
}

#[test]
fn computed_statistics_equal_those_of_lerobot() {
    let numbers = ["observation.state", "action", "next.reward", "next.done", "timestamp"];
    for name in ["av1", "png_in_parquet", "h264"] {
        let dataset = open(&small(name));
        let (computed, left_out) = compute_stats(&dataset, &|_, _| {});
        assert!(left_out.is_empty(), "{name}: {left_out:?}");
        assert_stats_close(&dataset, &computed, &numbers, 1e-5, 1e-5);
        // Frames of a video were compressed after LeRobot had measured them.
        let lossless = name == "png_in_parquet";
        if lossless {
            assert_stats_close(&dataset, &computed, &[CAMERA], 1e-5, 2e-4);
        } else {
            let mean = |stats: &mtdit_data::Stats| stats.get(CAMERA, "mean").expect("a mean").values.clone();
            for (found, expected) in mean(&computed).iter().zip(mean(dataset.stats())) {
                assert!((found - expected).abs() < 0.05, "{name}: mean {found} instead of {expected}");
            }
        }
    }
}

#[test]
fn missing_statistics_are_computed() {
    let (_folder, root) = copy_of("png_in_parquet");
    let stored = open(&root);
    fs::remove_file(root.join("meta/stats.json")).expect("statistics to remove");
    let dataset = open(&root);
    assert!(dataset.warnings().iter().any(|warning| warning.contains("stats.json is missing")), "it is said");
    assert_stats_close(&stored, dataset.stats(), &["action", CAMERA], 1e-5, 2e-4);
    let imagenet = dataset.stats().with_imagenet(&dataset.cameras());
    assert_eq!(imagenet.get(CAMERA, "mean").map(|mean| mean.values.clone()), Some(vec![0.485, 0.456, 0.406]));
}
