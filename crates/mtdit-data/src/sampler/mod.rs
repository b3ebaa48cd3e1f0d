//! The order in which frames are trained on: exactly `LeRobot`'s (contract 2.3 and 2.4).
//!
//! ```text
//! episodes  0..10 │ 10..21 │ 21..33      drop the last frames of each: no room for a chunk of actions
//! anchors   0..7  │ 10..18 │ 21..30      positions 0..24
//! epoch e   randperm(24), seeded with (seed, e)  ─▶  position  ─▶  frame
//! ```
//!
//! An epoch is a function of the seed and its number alone, so a run can continue anywhere.

mod mersenne;
mod split;

use self::mersenne::{MersenneTwister, epoch_seed};
pub use self::split::split_episodes;
use crate::episodes::EpisodeRange;
use crate::error::DataError;

/// From this many positions on torch draws 64 bits for each.
const LARGE: usize = (u32::MAX / 20) as usize;

/// `LeRobot`'s `EpisodeAwareSampler`.
#[derive(Debug, Clone)]
pub struct EpisodeSampler {
    /// First anchor of every episode that is used.
    starts: Vec<usize>,
    /// Anchors up to the end of every episode that is used.
    cumulated: Vec<usize>,
    shuffle: bool,
    seed: u64,
    warnings: Vec<String>,
}

impl EpisodeSampler {
    /// Anchors are all frames of these episodes but the last `drop_n_last_frames` of each.
    ///
    /// # Errors
    /// When no anchor is left. Episodes that lose all their frames are skipped and named in [`Self::warnings`].
    pub fn new(
        episodes: &[EpisodeRange],
        drop_n_last_frames: usize,
        shuffle: bool,
        seed: u64,
    ) -> Result<Self, DataError> {
        let mut sampler = Self { starts: Vec::new(), cumulated: Vec::new(), shuffle, seed, warnings: Vec::new() };
        let mut n_anchors = 0_usize;
        for episode in episodes {
            let n_frames = episode.to.saturating_sub(episode.from);
            let used = n_frames.saturating_sub(drop_n_last_frames);
            if used == 0 {
                sampler.warnings.push(format!(
                    "episode {} has {n_frames} frames, the last {drop_n_last_frames} are not anchors: it is skipped",
                    episode.index
                ));
                continue;
            }
            n_anchors = n_anchors.saturating_add(used);
            sampler.starts.push(episode.from);
            sampler.cumulated.push(n_anchors);
        }
        if n_anchors == 0 {
            return Err(DataError::Sampling(format!(
                "no frame is left to train on: each of the {} episodes has at most {drop_n_last_frames} frames, as many \
                 as are dropped at its end; use a shorter horizon",
                episodes.len()
            )));
        }
        Ok(sampler)
    }

    /// Number of anchors: frames per epoch.
    pub fn len(&self) -> usize {
        self.cumulated.last().copied().unwrap_or(0)
    }

    /// Never: a sampler without anchors cannot be made.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A sentence for every episode that is skipped.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The anchors of an epoch, as frames of the dataset, in order.
    pub fn epoch(&self, epoch: u64) -> Vec<usize> {
        let positions = if self.shuffle {
            random_permutation(self.len(), epoch_seed(self.seed, epoch))
        } else {
            (0..self.len()).collect()
        };
        positions.into_iter().map(|position| self.frame(position)).collect()
    }

    /// Where a run stands after some steps: the epoch, and the number of its positions that were used.
    ///
    /// The last batch of an epoch may be short. With `batch_size` 0 nothing is ever used.
    pub fn position(&self, steps: u64, batch_size: usize) -> (u64, usize) {
        if batch_size == 0 {
            return (0, 0);
        }
        let per_epoch = self.len().div_ceil(batch_size) as u64;
        let batches = usize::try_from(steps % per_epoch).unwrap_or(usize::MAX);
        (steps / per_epoch, batches.saturating_mul(batch_size).min(self.len()))
    }

    fn frame(&self, position: usize) -> usize {
        let episode = self.cumulated.partition_point(|end| *end <= position);
        let before = episode.checked_sub(1).map_or(0, |previous| self.cumulated[previous]);
        self.starts[episode] + position - before
    }
}

/// `torch.randperm` on the CPU.
fn random_permutation(length: usize, seed: u32) -> Vec<usize> {
    let mut twister = MersenneTwister::new(seed);
    let mut order: Vec<usize> = (0..length).collect();
    for index in 0..length.saturating_sub(1) {
        let rest = (length - index) as u64;
        let drawn = if length < LARGE { u64::from(twister.next_u32()) } else { twister.next_u64() };
        let offset = usize::try_from(drawn % rest).unwrap_or(0);
        order.swap(index, index + offset);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn episodes(lengths: &[usize]) -> Vec<EpisodeRange> {
        let mut from = 0;
        let range = |(index, length): (usize, &usize)| {
            let range = EpisodeRange { index, from, to: from + length };
            from = range.to;
            range
        };
        lengths.iter().enumerate().map(range).collect()
    }

    /// Contract, appendix A.
    #[test]
    fn the_order_is_that_of_lerobot() {
        let sampler = EpisodeSampler::new(&episodes(&[10, 11, 12]), 3, true, 1000).expect("24 anchors");
        assert_eq!(sampler.len(), 24, "7 + 8 + 9 anchors");
        let first = [0, 27, 10, 29, 23, 1, 25, 13, 16, 12, 22, 26, 2, 17, 28, 21, 5, 3, 14, 24, 15, 6, 11, 4];
        assert_eq!(sampler.epoch(0), first, "epoch 0");
        let second = [17, 1, 2, 6, 26, 15, 29, 23, 28, 25, 4, 13, 22, 0, 16, 3, 27, 10, 14, 5, 11, 24, 21, 12];
        assert_eq!(sampler.epoch(1), second, "epoch 1");
    }

    #[test]
    fn without_shuffling_frames_come_in_order() {
        let sampler = EpisodeSampler::new(&episodes(&[3, 2, 4]), 2, false, 0).expect("3 anchors");
        assert_eq!(sampler.epoch(7), [0, 5, 6], "the last two of each episode are left out");
        assert_eq!(sampler.warnings().len(), 1, "the second episode is too short");
        assert!(EpisodeSampler::new(&episodes(&[3, 2]), 3, true, 0).is_err(), "nothing is left");
    }

    #[test]
    fn a_run_continues_where_it_stopped() {
        let sampler = EpisodeSampler::new(&episodes(&[24]), 0, true, 0).expect("24 anchors");
        assert_eq!(sampler.position(0, 10), (0, 0), "the start");
        assert_eq!(sampler.position(2, 10), (0, 20), "two batches");
        assert_eq!(sampler.position(3, 10), (1, 0), "a short batch ends the epoch");
        assert_eq!(sampler.position(7, 10), (2, 10), "three batches each");
    }
}
