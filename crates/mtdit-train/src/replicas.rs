//! One batch on several processor cores: each replica of the network takes a part of it, their gradients are summed.
//!
//! Small networks are made of small operations, which gain nothing from a second thread; passes over a whole part do.

use std::ops::Range;
use std::panic::resume_unwind;
use std::thread;

use burn::module::Module;
use burn::tensor::Tensor;
use mtdit_policy::checkpoint::keys::KeyMap;
use mtdit_policy::{Chance, Network, Policy};
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::batch::Batcher;
use crate::error::TrainError;
use crate::evaluate::scalar;
use crate::gradients::NamedGradients;
use crate::samples::HostBatch;

/// Samples below which a part is not worth a core.
const SMALLEST_PART: usize = 8;

/// The cores that share a batch.
#[derive(Debug)]
pub struct Replicas {
    /// One thread for each, in which the backend does not look for more. None: the backend uses the machine as it likes.
    pools: Vec<ThreadPool>,
}

/// What is needed to turn samples into gradients.
#[derive(Clone, Copy, Debug)]
pub struct Learner<'a> {
    /// How a batch becomes a loss; the weights in it are not looked at.
    pub policy: &'a Policy,
    /// How samples become a batch.
    pub batcher: &'a Batcher,
    /// Names of weights.
    pub keys: KeyMap,
}

impl Replicas {
    /// `asked` replicas; 0 means as many as the machine's cores and the batch allow, on the processor.
    ///
    /// # Errors
    /// [`TrainError::Setting`] when the threads cannot be started.
    pub fn new(asked: usize, batch_size: usize, is_processor: bool) -> Result<Self, TrainError> {
        let cores = if is_processor { thread::available_parallelism().map_or(1, usize::from) } else { 1 };
        let count = match asked {
            0 => cores.min(batch_size / SMALLEST_PART),
            asked => asked.min(batch_size),
        };
        let pool = |_| ThreadPoolBuilder::new().num_threads(1).build();
        let pools = if count > 1 { (0..count).map(pool).collect() } else { Ok(Vec::new()) };
        let pools = pools.map_err(|error| TrainError::Setting(format!("--replicas={count}: {error}")))?;
        Ok(Self { pools })
    }

    /// The loss of a batch and its gradients, at the weights of `network`.
    ///
    /// # Errors
    /// [`TrainError::Policy`] when the device fails.
    pub fn gradients(
        &self,
        learner: Learner<'_>,
        network: &Network,
        host: HostBatch,
        chance: Chance,
    ) -> Result<(f32, NamedGradients), TrainError> {
        if self.pools.is_empty() {
            let loss = learner.policy.loss(network, learner.batcher.batch(host), chance);
            let gradients = NamedGradients::of(&loss, network, learner.keys);
            return Ok((scalar(loss.inner())?, gradients));
        }
        let samples = host.frames.len();
        let parts = split(samples, self.pools.len());
        let weights = weights(learner.policy, &host, &parts);
        let done = thread::scope(|scope| {
            let start = |((pool, samples), weight): ((_, &Range<usize>), f64)| {
                let pool: &ThreadPool = pool;
                let (host, chance) = (host.part(samples.clone()), chance.part(samples.clone(), host.frames.len()));
                scope.spawn(move || pool.install(|| part(learner, network, host, chance, weight)))
            };
            let running: Vec<_> = self.pools.iter().zip(&parts).zip(weights).map(start).collect();
            let finish =
                |part: thread::ScopedJoinHandle<'_, _>| part.join().unwrap_or_else(|panic| resume_unwind(panic));
            running.into_iter().map(finish).collect::<Result<Vec<_>, TrainError>>()
        })?;
        let mut done = done.into_iter();
        let (mut loss, mut gradients) = done.next().unwrap_or_default();
        for (more, other) in done {
            loss += more;
            gradients.add(other);
        }
        Ok((loss, gradients))
    }
}

/// Loss and gradients of one part, as shares of the whole batch's.
fn part(
    learner: Learner<'_>,
    network: &Network,
    host: HostBatch,
    chance: Chance,
    weight: f64,
) -> Result<(f32, NamedGradients), TrainError> {
    // Leaves of its own: tapes that share a leaf wait for each other.
    let network = network.valid().train();
    let loss: Tensor<1> = learner.policy.loss(&network, learner.batcher.batch(host), chance) * weight;
    let gradients = NamedGradients::of(&loss, &network, learner.keys);
    Ok((scalar(loss.inner())?, gradients))
}

/// `count` samples in nearly equal parts.
fn split(count: usize, parts: usize) -> Vec<Range<usize>> {
    let bounds: Vec<usize> = (0..=parts).map(|part| count * part / parts).collect();
    bounds.windows(2).map(|pair| pair[0]..pair[1]).filter(|part| !part.is_empty()).collect()
}

/// Each part's share in the mean over the batch: of its samples, or of its real actions when padded ones do not count.
fn weights(policy: &Policy, host: &HostBatch, parts: &[Range<usize>]) -> Vec<f64> {
    let horizon = policy.config().horizon;
    let counted = |part: &Range<usize>| {
        let actions = &host.action_is_pad[part.start * horizon..part.end * horizon];
        let padded = actions.iter().filter(|&&pad| pad > 0.5 && policy.config().do_mask_loss_for_padding).count();
        as_f64(actions.len() - padded)
    };
    let all: f64 = parts.iter().map(counted).sum();
    parts.iter().map(|part| counted(part) / all.max(1.0)).collect()
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn as_f64(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn parts_cover_the_batch_once() {
        for (count, parts) in [(64, 2), (7, 3), (2, 4), (1, 1)] {
            let parts = split(count, parts);
            let covered: Vec<usize> = parts.iter().cloned().flatten().collect();
            assert_eq!(covered, (0..count).collect::<Vec<_>>(), "{count} samples in {parts:?}");
            let sizes = parts.iter().map(ExactSizeIterator::len);
            assert!(sizes.clone().max() <= sizes.min().map(|size| size + 1), "{parts:?} are nearly equal");
        }
    }
}
