//! One episode before it is written: its columns, their statistics, and the row group they become.

use arrow::array::RecordBatch;

use super::columns::{data_schema, image_array, numeric_array};
use super::frame::wrong;
use crate::error::DataError;
use crate::info::{Dtype, Feature};
use crate::stats::{PictureStats, Stats, sampled, vector_stats};
use crate::video::decode_picture;

/// A whole episode, one entry per feature.
pub(super) struct Columns {
    pub(super) n_frames: usize,
    pub(super) values: Vec<Vec<f64>>,
    pub(super) pictures: Vec<Vec<Vec<u8>>>,
}

/// The statistics of an episode, as `LeRobot` computes them.
pub(super) fn episode_stats(features: &[Feature], columns: &Columns) -> Result<Stats, DataError> {
    let mut stats = Stats::default();
    for ((feature, values), pictures) in features.iter().zip(&columns.values).zip(&columns.pictures) {
        let entry = if feature.dtype == Dtype::Image {
            let mut seen = PictureStats::new();
            for index in sampled(pictures.len()) {
                let picture = decode_picture(&pictures[index]);
                seen.add(&picture.map_err(|problem| wrong(&feature.key, &problem))?);
            }
            seen.finish().unwrap_or_default()
        } else {
            vector_stats(values, feature.width(), columns.n_frames)
        };
        for (name, statistic) in entry {
            stats.set(&feature.key, &name, statistic);
        }
    }
    Ok(stats)
}

/// The row group of an episode.
pub(super) fn record_batch(features: &[Feature], columns: Columns) -> Result<RecordBatch, DataError> {
    let mut arrays = Vec::with_capacity(features.len());
    for ((feature, values), pictures) in features.iter().zip(columns.values).zip(columns.pictures) {
        arrays.push(if feature.dtype == Dtype::Image {
            image_array(&pictures).map_err(|problem| wrong(&feature.key, &problem))?
        } else {
            numeric_array(feature, values)?
        });
    }
    RecordBatch::try_new(data_schema(features), arrays).map_err(|error| wrong("episode", &error.to_string()))
}
