//! Which samples make which batch: `LeRobot`'s order, epoch after epoch (contract section 2.4).

use std::sync::Mutex;

use mtdit_data::EpisodeSampler;

/// The batches of a run, counted from where it starts.
#[derive(Debug)]
pub struct BatchOrder {
    sampler: EpisodeSampler,
    batch_size: usize,
    first_epoch: u64,
    first_offset: usize,
    /// The permutation of the epoch that was asked for last.
    epoch: Mutex<Option<(u64, Vec<usize>)>>,
}

impl BatchOrder {
    /// Starts after `steps` batches of `batch_size_before` samples, which an earlier run used.
    pub fn new(sampler: EpisodeSampler, batch_size: usize, steps: u64, batch_size_before: usize) -> Self {
        let (first_epoch, first_offset) = sampler.position(steps, batch_size_before);
        Self { sampler, batch_size, first_epoch, first_offset, epoch: Mutex::new(None) }
    }

    /// Samples per epoch.
    pub fn samples_per_epoch(&self) -> usize {
        self.sampler.len()
    }

    /// The frames of a batch; the last batch of an epoch may be short.
    pub fn batch(&self, index: u64) -> Vec<usize> {
        let (epoch, offset) = self.place(index);
        let mut known = self.epoch.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if known.as_ref().is_none_or(|(of, _)| *of != epoch) {
            *known = Some((epoch, self.sampler.epoch(epoch)));
        }
        let frames = known.as_ref().map_or(&[][..], |(_, frames)| frames.as_slice());
        let end = (offset + self.batch_size).min(frames.len());
        frames[offset..end].to_vec()
    }

    /// Epoch and first sample of a batch.
    fn place(&self, index: u64) -> (u64, usize) {
        let length = self.sampler.len();
        let in_first = ((length - self.first_offset.min(length)).div_ceil(self.batch_size)) as u64;
        let at = |batches: u64| usize::try_from(batches).unwrap_or(usize::MAX).saturating_mul(self.batch_size);
        if index < in_first {
            return (self.first_epoch, self.first_offset + at(index));
        }
        let per_epoch = length.div_ceil(self.batch_size) as u64;
        let after = index - in_first;
        (self.first_epoch + 1 + after / per_epoch, at(after % per_epoch))
    }
}

#[cfg(test)]
mod tests {
    use mtdit_data::{EpisodeRange, EpisodeSampler};

    use super::BatchOrder;

    fn order(steps: u64) -> BatchOrder {
        let episodes = [(0, 10), (10, 21), (21, 33)];
        let ranges: Vec<_> =
            episodes.iter().enumerate().map(|(index, &(from, to))| EpisodeRange { index, from, to }).collect();
        let sampler = EpisodeSampler::new(&ranges, 3, true, 1000).expect("24 anchors");
        BatchOrder::new(sampler, 5, steps, 5)
    }

    #[test]
    fn a_resumed_run_sees_the_batches_the_whole_run_would() {
        let whole = order(0);
        assert_eq!(whole.batch(0), [0, 27, 10, 29, 23], "contract appendix A");
        assert_eq!(whole.batch(4).len(), 4, "the last batch of an epoch is short");
        for steps in [1, 4, 5, 7, 13] {
            let resumed = order(steps);
            for batch in 0..12 {
                assert_eq!(resumed.batch(batch), whole.batch(steps + batch), "batch {batch} after {steps} steps");
            }
        }
    }
}
