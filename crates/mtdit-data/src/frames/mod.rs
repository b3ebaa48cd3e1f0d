//! The cache of decoded frames: every frame of every camera as plain bytes on disk, so that only the first epoch ever
//! decodes video.
//!
//! ```text
//! dataset ─▶ build (decode, resize) ─▶ folder/<camera>-<height>x<width>-<digest>.frames ─memory map─▶ FrameView
//! ```
//!
//! The digest in the name covers the files of the dataset, so a changed dataset gets a new cache. A damaged or cut file
//! is noticed when it is opened or read, and built again.

mod build;
mod file;
mod folder;

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use self::build::{Job, decode_all};
use self::file::{FrameFile, FrameWriter, Layout};
use crate::dataset::Dataset;
use crate::error::DataError;
use crate::json::{sync_folder, with_suffix};

/// A camera to cache, and at which size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachedCamera {
    /// The key of the camera.
    pub camera: String,
    /// Height and width of the cached frames; none keeps the recorded size.
    pub size: Option<(usize, usize)>,
}

/// Where decoded frames are kept, and how many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameCacheOptions {
    /// A folder for caches of any number of datasets.
    pub directory: PathBuf,
    /// The cameras.
    pub cameras: Vec<CachedCamera>,
    /// All caches in the folder together are at most this large; the longest unused go first.
    pub max_bytes: u64,
    /// Threads that decode.
    pub n_threads: usize,
}

/// A frame in the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameView<'a> {
    /// Rows.
    pub height: usize,
    /// Pixels in a row.
    pub width: usize,
    /// `[height, width, 3]`, row after row.
    pub rgb: &'a [u8],
}

/// Decoded frames of some cameras of a dataset, mapped into memory.
#[derive(Debug)]
pub struct FrameCache {
    cameras: Vec<(String, FrameFile)>,
}

impl FrameCache {
    /// Opens the caches of these cameras and builds those that are missing, stale or damaged.
    ///
    /// `progress` is told how many frames of how many are decoded, from any thread; when `stop` becomes true the work
    /// ends with [`DataError::Stopped`] and leaves nothing behind.
    ///
    /// # Errors
    /// [`DataError::CacheTooLarge`] when the frames do not fit into `max_bytes`, and whatever reading the dataset or
    /// writing the folder can meet.
    pub fn open_or_build(
        dataset: &Dataset,
        options: &FrameCacheOptions,
        progress: &(dyn Fn(u64, u64) + Sync),
        stop: &AtomicBool,
    ) -> Result<Self, DataError> {
        let directory = &options.directory;
        fs::create_dir_all(directory).map_err(DataError::io("create", directory))?;
        let mut jobs: Vec<Job> = Vec::new();
        for camera in &options.cameras {
            let job = job(dataset, camera, options)?;
            if jobs.iter().all(|known| known.path != job.path) {
                jobs.push(job);
            }
        }
        let mut missing: Vec<&Job> = Vec::new();
        let mut kept = Vec::new();
        for job in &jobs {
            if FrameFile::open(&job.path, &job.layout)?.is_some() {
                folder::touch(&job.path);
                kept.push(job.path.clone());
            } else {
                missing.push(job);
            }
        }
        if !missing.is_empty() {
            for job in missing.iter().filter(|job| job.path.exists()) {
                fs::remove_file(&job.path).map_err(DataError::io("remove", &job.path))?;
            }
            let needed = missing.iter().fold(0_u64, |sum, job| sum.saturating_add(job.layout.file_bytes()));
            folder::make_room(directory, &kept, needed, options.max_bytes)?;
            build(dataset, &missing, options.n_threads, progress, stop)?;
        }
        let mut cameras = Vec::new();
        for job in jobs {
            let file = FrameFile::open(&job.path, &job.layout)?;
            let file = file.ok_or(DataError::CacheDamaged { index: 0, path: job.path })?;
            cameras.push((job.camera, file));
        }
        Ok(Self { cameras })
    }

    /// One frame of the dataset.
    ///
    /// # Errors
    /// When the camera is not cached, the frame does not exist, or its bytes were damaged since they were written.
    pub fn frame(&self, camera: &str, index: usize) -> Result<FrameView<'_>, DataError> {
        let found = self.cameras.iter().find(|(key, _)| key == camera);
        let (_, file) = found.ok_or_else(|| DataError::UnknownFeature {
            kind: "cached camera",
            key: camera.to_owned(),
            available: self.cameras().join(", "),
        })?;
        let layout = file.layout();
        if index >= layout.n_frames {
            return Err(DataError::FrameOutOfRange { index, n_frames: layout.n_frames });
        }
        Ok(FrameView { height: layout.height, width: layout.width, rgb: file.frame(index)? })
    }

    /// The cached cameras.
    pub fn cameras(&self) -> Vec<&str> {
        self.cameras.iter().map(|(key, _)| key.as_str()).collect()
    }
}

/// What has to be done for a camera.
fn job(dataset: &Dataset, camera: &CachedCamera, options: &FrameCacheOptions) -> Result<Job, DataError> {
    let feature = dataset.camera(&camera.camera)?;
    let (height, width) = camera.size.or_else(|| feature.picture_size()).unwrap_or((0, 0));
    let key = folder::key(dataset, &camera.camera, height, width)?;
    let layout = Layout { height, width, n_frames: dataset.n_frames(), key };
    if height == 0 || width == 0 {
        return Err(DataError::Sampling(format!(
            "cached frames of camera `{}` cannot be {height}x{width} pixels",
            camera.camera
        )));
    }
    if layout.file_bytes() > options.max_bytes {
        return Err(DataError::CacheTooLarge {
            needed: layout.file_bytes(),
            allowed: options.max_bytes,
            path: options.directory.clone(),
        });
    }
    let path = options.directory.join(folder::file_name(&camera.camera, height, width, key));
    let suffix = format!(".{}.{}", std::process::id(), folder::PARTIAL_EXTENSION);
    Ok(Job { camera: camera.camera.clone(), layout, partial: with_suffix(&path, &suffix), path })
}

/// Decodes everything under temporary names; the names change when all of it is on disk.
fn build(
    dataset: &Dataset,
    jobs: &[&Job],
    n_threads: usize,
    progress: &(dyn Fn(u64, u64) + Sync),
    stop: &AtomicBool,
) -> Result<(), DataError> {
    let built = decode_all(dataset, jobs, n_threads, progress, stop).and_then(|()| {
        for job in jobs {
            if stop.load(Ordering::Relaxed) {
                return Err(DataError::Stopped);
            }
            FrameWriter::open(&job.partial, &job.layout)?.finish()?;
            fs::rename(&job.partial, &job.path).map_err(DataError::io("rename a temporary file to", &job.path))?;
            sync_folder(&job.path);
        }
        Ok(())
    });
    if built.is_err() {
        for job in jobs {
            // Whatever is still there is swept away later.
            let _absent = fs::remove_file(&job.partial);
        }
    }
    built
}
