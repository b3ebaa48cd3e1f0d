//! Damaged files: an error with a name or a valid result, never a panic, never an endless loop.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float32Array, Int64Array};
use arrow::datatypes::{Float32Type, Int64Type};
use mtdit_data::{DataError, Dataset, Severity, Window, check};

use super::odd_forms::rewrite;
use super::{copy_of, edit, open};

const DATA: &str = "data/chunk-000/file-000.parquet";
const VIDEO: &str = "videos/observation.images.top/chunk-000/file-000.mp4";
const EPISODES: &str = "meta/episodes/chunk-000/file-000.parquet";

/// Opens a dataset and reads some of everything.
fn use_it(root: &Path) -> Result<(), DataError> {
    let dataset = Dataset::open(root)?;
    for index in (0..dataset.n_frames()).step_by(5) {
        dataset.sample(index, &Window::new(2, 4))?;
    }
    Ok(())
}

/// Replaces a file by damaged versions of it, one after the other.
fn survive(name: &str, file: &str, damaged: impl Fn(&[u8]) -> Vec<(String, Vec<u8>)>) {
    let (_folder, root) = copy_of(name);
    let path = root.join(file);
    let whole = fs::read(&path).expect("a file to damage");
    for (what, bytes) in damaged(&whole) {
        fs::write(&path, bytes).expect("a damaged file");
        let survived = catch_unwind(AssertUnwindSafe(|| use_it(&root)));
        assert!(survived.is_ok(), "{name}/{file}, {what}: it panicked");
    }
}

/// Cut off at many places.
fn cut(whole: &[u8]) -> Vec<(String, Vec<u8>)> {
    let n_cuts = 40;
    (0..n_cuts)
        .map(|cut| whole.len() * cut / n_cuts)
        .chain([1, 4, 8, 11, whole.len() - 1, whole.len() - 4])
        .map(|length| (format!("cut to {length} bytes"), whole[..length].to_vec()))
        .collect()
}

/// One byte changed, at many places from `from` on.
fn flipped(whole: &[u8], from: usize, to: usize, n_flips: usize) -> Vec<(String, Vec<u8>)> {
    let span = to.min(whole.len()).saturating_sub(from).max(1);
    (0..n_flips)
        .flat_map(|flip| [0x01, 0x10, 0xff].map(|mask| (from + span * flip / n_flips, mask)))
        .map(|(at, mask)| {
            let mut bytes = whole.to_vec();
            bytes[at] ^= mask;
            (format!("byte {at} xor {mask:#x}"), bytes)
        })
        .collect()
}

#[test]
fn damaged_json_is_survived() {
    for file in ["meta/info.json", "meta/stats.json"] {
        survive("av1", file, cut);
        survive("av1", file, |whole| flipped(whole, 0, whole.len(), 120));
        let nonsense: [&[u8]; 7] =
            [b"", b"null", b"[]", b"{}", b"\xff\xfe", b"{\"fps\": 1e999}", b"{\"features\": {}}"];
        survive("av1", file, |_| nonsense.iter().map(|bytes| (format!("{bytes:?}"), bytes.to_vec())).collect());
        survive("av1", file, |_| vec![("deep".to_owned(), vec![b'['; 1_000_000])]);
    }
}

#[test]
fn absurd_declarations_are_errors() {
    for (from, to) in [
        ("\"fps\": 10,", "\"fps\": 0,"),
        ("\"fps\": 10,", "\"fps\": -10,"),
        ("\"fps\": 10,", "\"fps\": 29.97,"),
        ("data/chunk-{chunk_index:03d}", "../../data/chunk-{chunk_index:03d}"),
        ("videos/{video_key}", "/videos/{video_key}"),
        ("file-{file_index:03d}.mp4", "file-{nobody:03d}.mp4"),
        ("\"action\"", "\"actions\""),
        ("\"dtype\": \"float32\"", "\"dtype\": \"video\""),
    ] {
        let (_folder, root) = copy_of("av1");
        edit(&root.join("meta/info.json"), |text| text.replace(from, to));
        assert!(use_it(&root).is_err(), "{from} becomes {to}");
    }
    let (_folder, root) = copy_of("av1");
    edit(&root.join("meta/info.json"), |text| text.replacen("4\n", "4000000\n", 1));
    let error = Dataset::open(&root).expect_err("a shape of four million");
    assert!(error.to_string().contains("observation.state"), "{error}");
}

#[test]
fn damaged_tables_are_survived() {
    for (name, file) in [("av1", DATA), ("av1", EPISODES), ("av1", "meta/tasks.parquet"), ("png_in_parquet", DATA)] {
        survive(name, file, cut);
        survive(name, file, |whole| flipped(whole, 0, whole.len(), 60));
        // The footer is at the end.
        survive(name, file, |whole| flipped(whole, whole.len().saturating_sub(4000), whole.len(), 100));
    }
}

#[test]
fn damaged_videos_are_survived() {
    for name in ["av1", "h264"] {
        survive(name, VIDEO, cut);
        // The table of contents is at the start.
        survive(name, VIDEO, |whole| flipped(whole, 0, 2000, 200));
        survive(name, VIDEO, |whole| flipped(whole, 2000, whole.len(), 40));
    }
    // Here it is at the end.
    let last = "videos/observation.images.top/chunk-000/file-004.mp4";
    survive("av1_many_files", last, |whole| flipped(whole, whole.len().saturating_sub(1200), whole.len(), 100));
}

#[test]
fn recordings_that_were_not_finalised_say_so() {
    for file in [DATA, EPISODES] {
        let (_folder, root) = copy_of("av1");
        let path = root.join(file);
        let whole = fs::read(&path).expect("a table");
        fs::write(&path, &whole[..whole.len() / 2]).expect("half a table");
        let error = Dataset::open(&root).expect_err("no footer");
        assert!(matches!(error, DataError::NotFinalised { .. }), "{file}: {error:?}");
        assert!(error.to_string().contains("not finalised"), "{file}: {error}");
    }
}

#[test]
fn contradicting_numbers_are_errors() {
    let opened = |column: &str, change: fn(i64) -> i64| {
        let (_folder, root) = copy_of("av1");
        rewrite(&root.join(DATA), |name, array| {
            let changed: ArrayRef = if name == column {
                let values = array.as_primitive::<Int64Type>().values().iter();
                Arc::new(Int64Array::from_iter_values(values.map(|value| change(*value))))
            } else {
                array
            };
            (name.to_owned(), changed)
        });
        Dataset::open(&root)
    };
    type Change = fn(i64) -> i64;
    let cases: [(&str, Change); 5] = [
        ("index", |value| value.max(1)),
        ("index", |value| value + 1),
        ("index", |value| -value),
        ("episode_index", |value| value.min(1)),
        ("task_index", |value| value + 1),
    ];
    for (column, change) in cases {
        assert!(opened(column, change).is_err(), "a changed `{column}` is noticed");
    }
}

#[test]
fn nulls_are_errors_and_the_check_finds_nan() {
    let (_folder, root) = copy_of("av1");
    rewrite(&root.join(DATA), |name, array| {
        let changed: ArrayRef = if name == "next.reward" {
            let rewards = array.as_primitive::<Float32Type>();
            Arc::new(Float32Array::from_iter(rewards.iter().enumerate().map(|(row, value)| value.filter(|_| row != 3))))
        } else {
            array
        };
        (name.to_owned(), changed)
    });
    let error = Dataset::open(&root).expect_err("a null");
    assert!(matches!(&error, DataError::ColumnNull { column, .. } if column == "next.reward"), "{error:?}");

    let (_folder, root) = copy_of("av1");
    rewrite(&root.join(DATA), |name, array| {
        let changed: ArrayRef = if name == "next.reward" {
            Arc::new(Float32Array::from_iter_values((0..array.len()).map(|row| if row == 3 { f32::NAN } else { 0.0 })))
        } else {
            array
        };
        (name.to_owned(), changed)
    });
    let findings = check(&open(&root), &|_, _| {});
    let errors: Vec<_> = findings.iter().filter(|finding| finding.severity == Severity::Error).collect();
    assert_eq!(errors.len(), 1, "{findings:?}");
    assert!(errors[0].message.contains("`next.reward` is not finite in 1 frames, the first is 3"), "{errors:?}");
}

#[test]
fn videos_that_are_too_short_or_absent_are_named() {
    let (_folder, root) = copy_of("av1_many_files");
    let video = |number: usize| root.join(format!("videos/observation.images.top/chunk-000/file-{number:03}.mp4"));
    // Ten frames where thirteen are expected.
    fs::copy(video(1), video(4)).expect("another video");
    let dataset = open(&root);
    let last = dataset.n_frames() - 1;
    let error = dataset.frame("observation.images.top", last).expect_err("past the end of the video");
    assert!(matches!(error, DataError::VideoTime { .. }), "{error:?}");
    fs::remove_file(video(3)).expect("a video to remove");
    let dataset = open(&root);
    let error = dataset.frame("observation.images.top", 40).expect_err("no video");
    assert!(error.to_string().contains("file-003.mp4"), "{error}");
    let findings = check(&dataset, &|_, _| {});
    assert!(findings.iter().any(|finding| finding.severity == Severity::Error), "{findings:?}");
}

#[test]
fn pictures_of_another_size_are_refused() {
    let (_folder, root) = copy_of("png_in_parquet");
    edit(&root.join("meta/info.json"), |text| text.replacen("64,", "65,", 1));
    let error = open(&root).frame("observation.images.top", 0).expect_err("48x64, not 48x65");
    assert!(matches!(error, DataError::PictureSize { .. }), "{error:?}");
    let sentence = error.to_string();
    assert!(sentence.contains("48x64") && sentence.contains("48x65"), "both sizes: {sentence}");
}
