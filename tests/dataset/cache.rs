//! The cache of decoded frames: equal to the video, quick the second time, and never trusted blindly.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use mtdit_data::{CachedCamera, DataError, Dataset, FrameCache, FrameCacheOptions, resize};

use super::{copy_of, open, small};

const CAMERAS: [&str; 2] = ["observation.images.top", "observation.images.wrist"];

fn options(folder: &Path, size: Option<(usize, usize)>) -> FrameCacheOptions {
    let camera = |key: &str| CachedCamera { camera: key.to_owned(), size };
    FrameCacheOptions {
        directory: folder.to_path_buf(),
        cameras: CAMERAS.map(camera).to_vec(),
        max_bytes: 10 << 20,
        n_threads: 3,
    }
}

/// Opens or builds, and counts the frames that were decoded.
fn build(dataset: &Dataset, options: &FrameCacheOptions) -> (FrameCache, u64) {
    let decoded = AtomicU64::new(0);
    let progress = |done: u64, _total: u64| {
        decoded.fetch_max(done, Ordering::Relaxed);
    };
    let cache = FrameCache::open_or_build(dataset, options, &progress, &AtomicBool::new(false));
    (cache.expect("a cache"), decoded.into_inner())
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder).expect("the folder of the cache").map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files
}

#[test]
fn cached_frames_equal_decoded_ones() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let dataset = open(&small("av1"));
    for size in [None, Some((24, 32)), Some((20, 50))] {
        let (cache, decoded) = build(&dataset, &options(folder.path(), size));
        assert_eq!(decoded, 66, "two cameras with 33 frames each");
        for camera in CAMERAS {
            for index in 0..dataset.n_frames() {
                let frame = dataset.frame(camera, index).expect("a frame");
                let (height, width) = size.unwrap_or((frame.height, frame.width));
                let expected = resize(&frame, height, width);
                let cached = cache.frame(camera, index).expect("a cached frame");
                assert_eq!((cached.height, cached.width), (height, width), "{camera}, frame {index}");
                assert!(cached.rgb == expected.rgb, "{camera}, frame {index}");
            }
        }
        assert!(cache.frame(CAMERAS[0], 33).is_err(), "there are 33 frames");
        assert!(cache.frame("observation.images.left", 0).is_err(), "there are two cameras");
        let (_cache, decoded) = build(&dataset, &options(folder.path(), size));
        assert_eq!(decoded, 0, "the second time nothing is decoded");
    }
    assert_eq!(files(folder.path()).len(), 6, "two cameras at three sizes");
}

#[test]
fn changed_datasets_are_decoded_again() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (_copy, root) = copy_of("av1");
    let options = options(folder.path(), None);
    assert_eq!(build(&open(&root), &options).1, 66, "the first time");
    let video = root.join("videos/observation.images.top/chunk-000/file-000.mp4");
    let mut bytes = fs::read(&video).expect("a video");
    bytes.extend_from_slice(&[0, 0, 0, 8, b'f', b'r', b'e', b'e']);
    fs::write(&video, bytes).expect("a longer video");
    assert_eq!(build(&open(&root), &options).1, 33, "the other camera did not change");
}

#[test]
fn damaged_caches_are_noticed_and_rebuilt() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let dataset = open(&small("av1"));
    let options = options(folder.path(), Some((24, 32)));
    build(&dataset, &options);
    let path = files(folder.path()).remove(0);
    let whole = fs::read(&path).expect("a cache");
    let damage = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 4;
        bytes
    };
    let damaged = [
        ("cut", whole[..whole.len() - 1].to_vec()),
        ("empty", Vec::new()),
        ("another version", damage(8)),
        ("another size", damage(16)),
        ("a checksum", damage(70)),
        ("a pixel", damage(whole.len() - 5000)),
        ("the last pixel", damage(whole.len() - 1)),
    ];
    for (what, bytes) in damaged {
        fs::write(&path, bytes).expect("a damaged cache");
        let (cache, decoded) = build(&dataset, &options);
        assert_eq!(decoded, 33, "{what}: one camera is decoded again");
        let frame = resize(&dataset.frame(CAMERAS[0], 32).expect("a frame"), 24, 32);
        assert!(cache.frame(CAMERAS[0], 32).expect("a cached frame").rgb == frame.rgb, "{what}");
    }
}

#[test]
fn the_folder_stays_below_its_limit() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let dataset = open(&small("av1"));
    let mut options = options(folder.path(), Some((24, 32)));
    build(&dataset, &options);
    let one: u64 = fs::metadata(&files(folder.path())[0]).expect("a cache").len();
    // Room for three files: two are there, two more are asked for.
    options.max_bytes = 3 * one;
    for camera in &mut options.cameras {
        camera.size = Some((32, 24));
    }
    build(&dataset, &options);
    let total: u64 = files(folder.path()).iter().map(|path| fs::metadata(path).expect("a cache").len()).sum();
    assert!(total <= 3 * one, "{total} bytes");
    assert_eq!(files(folder.path()).len(), 3, "the longest unused went");
    options.max_bytes = 2 * one - 1;
    for camera in &mut options.cameras {
        camera.size = Some((24, 33));
    }
    let error = FrameCache::open_or_build(&dataset, &options, &|_, _| {}, &AtomicBool::new(false));
    let error = error.expect_err("two files do not fit");
    assert!(matches!(error, DataError::CacheTooLarge { needed, allowed, .. } if needed > allowed), "{error:?}");
    assert_eq!(files(folder.path()).len(), 3, "nothing was deleted in vain");
}

#[test]
fn stopping_leaves_nothing_behind() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let dataset = open(&small("av1"));
    let stop = AtomicBool::new(false);
    let progress = |done: u64, _total: u64| {
        if done == 10 {
            stop.store(true, Ordering::Relaxed);
        }
    };
    let stopped = FrameCache::open_or_build(&dataset, &options(folder.path(), None), &progress, &stop);
    assert!(matches!(stopped, Err(DataError::Stopped)), "it stops");
    assert!(files(folder.path()).is_empty(), "{:?}", files(folder.path()));
}
