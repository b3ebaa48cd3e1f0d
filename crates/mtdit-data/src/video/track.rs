//! The pictures of a video track: when each is shown, and from where it can be decoded.

use super::color::ColorSpace;

/// One encoded picture.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// First byte in the file.
    pub(crate) offset: u64,
    /// Number of bytes.
    pub(crate) size: u32,
    /// Whether decoding can start here.
    pub(crate) sync: bool,
    /// When it is shown, in units of the track's timescale.
    pub(crate) pts: i64,
}

/// The first video track of a file.
#[derive(Debug)]
pub(crate) struct Track {
    /// The codec as the container names it, for example `av01`.
    pub(crate) codec: String,
    /// The content of `av1C`, `avcC` or another configuration box; empty when there is none.
    pub(crate) config: Vec<u8>,
    /// The tags of the `colr` box, where there is one.
    pub(crate) color: Option<ColorSpace>,
    /// Units of time per second.
    timescale: f64,
    /// In decoding order.
    samples: Vec<Sample>,
    /// Sample of every picture, in presentation order.
    order: Vec<u32>,
    /// Picture of every sample: the inverse of `order`.
    picture: Vec<u32>,
    /// Smallest time of the samples after each sample, for finding closed groups of pictures.
    later: Vec<i64>,
}

impl Track {
    /// From samples in decoding order.
    pub(super) fn ordered(
        codec: String,
        config: Vec<u8>,
        color: Option<ColorSpace>,
        timescale: f64,
        samples: Vec<Sample>,
    ) -> Self {
        let n_samples = u32::try_from(samples.len()).unwrap_or(u32::MAX);
        let mut order: Vec<u32> = (0..n_samples).collect();
        order.sort_by_key(|index| samples[index_of(*index)].pts);
        let mut picture = vec![0; samples.len()];
        for (number, sample) in (0..n_samples).zip(&order) {
            picture[index_of(*sample)] = number;
        }
        let mut later = vec![i64::MAX; samples.len()];
        let mut smallest = i64::MAX;
        for (slot, sample) in later.iter_mut().zip(&samples).rev() {
            *slot = smallest;
            smallest = smallest.min(sample.pts);
        }
        Self { codec, config, color, timescale, samples, order, picture, later }
    }

    /// Number of pictures.
    pub(crate) fn len(&self) -> usize {
        self.samples.len()
    }

    /// A sample, in decoding order.
    pub(crate) fn sample(&self, index: usize) -> Option<&Sample> {
        self.samples.get(index)
    }

    /// The sample that holds a picture.
    pub(crate) fn sample_of(&self, picture: usize) -> Option<usize> {
        self.order.get(picture).map(|sample| index_of(*sample))
    }

    /// The picture that a sample holds, in presentation order.
    pub(crate) fn picture_of(&self, sample: usize) -> Option<usize> {
        self.picture.get(sample).map(|picture| index_of(*picture))
    }

    /// When a picture is shown, in seconds.
    pub(crate) fn seconds(&self, picture: usize) -> f64 {
        let sample = self.sample_of(picture).and_then(|sample| self.sample(sample));
        sample.map_or(f64::NAN, |sample| sample.pts as f64 / self.timescale)
    }

    /// The picture shown nearest to a time in seconds, and its distance in seconds.
    pub(crate) fn nearest(&self, seconds: f64) -> Option<(usize, f64)> {
        let after = self
            .order
            .partition_point(|sample| (self.samples[index_of(*sample)].pts as f64 / self.timescale) < seconds);
        let candidates = [after.checked_sub(1), Some(after).filter(|after| *after < self.len())];
        candidates
            .into_iter()
            .flatten()
            .map(|picture| (picture, (self.seconds(picture) - seconds).abs()))
            .min_by(|left, right| left.1.total_cmp(&right.1))
    }

    /// The last sample from which decoding can start to reach a sample.
    ///
    /// Pictures that are shown before their key frame need the one before it. With `closed`, no later sample may be
    /// shown before the key frame, so that pictures can be counted from it.
    pub(crate) fn entry_point(&self, sample: usize, closed: bool) -> usize {
        let target = self.sample(sample).map_or(i64::MAX, |sample| sample.pts);
        let good = |index: &usize| {
            let key = &self.samples[*index];
            key.sync && key.pts <= target && (!closed || self.later[*index] > key.pts)
        };
        let last = sample.min(self.len().saturating_sub(1));
        (0..=last).rev().find(|index| *index == 0 || good(index)).unwrap_or(0)
    }
}

/// Tables count in 32 bits.
pub(super) fn index_of(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decoding order I P b b, twice; shown I b b P.
    fn track() -> Track {
        let pts = [0, 3, 1, 2, 4, 7, 5, 6];
        let samples = pts
            .into_iter()
            .enumerate()
            .map(|(index, pts)| Sample { offset: 0, size: 1, sync: index % 4 == 0, pts: pts * 512 })
            .collect();
        Track::ordered("avc1".to_owned(), Vec::new(), None, 15360.0, samples)
    }

    #[test]
    fn pictures_are_counted_in_presentation_order() {
        let track = track();
        assert_eq!(track.sample_of(1), Some(2), "the second picture is the third sample");
        assert_eq!(track.picture_of(1), Some(3), "the second sample is the fourth picture");
        assert_eq!(track.entry_point(6, true), 4, "the second group");
        assert_eq!(track.entry_point(3, true), 0, "the first group");
    }

    #[test]
    fn the_nearest_picture_is_found_by_time() {
        let track = track();
        let (picture, distance) = track.nearest(2.4 / 30.0).expect("a picture");
        assert_eq!(picture, 2, "2.4 frames in");
        assert!((distance - 0.4 / 30.0).abs() < 1e-12, "0.4 frames away: {distance}");
        assert_eq!(track.nearest(-1.0).map(|found| found.0), Some(0), "before the start");
        assert_eq!(track.nearest(100.0).map(|found| found.0), Some(7), "after the end");
    }
}
