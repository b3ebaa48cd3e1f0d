//! Batches ahead of time: worker threads decode and cut while the device computes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

use crate::error::TrainError;
use crate::order::BatchOrder;
use crate::samples::{HostBatch, Mode, SampleSource};

/// Hands out the batches of a run in order.
#[derive(Debug)]
pub struct Loader {
    shared: Arc<Shared>,
    next: u64,
    ready: BTreeMap<u64, Result<HostBatch, TrainError>>,
    receiver: Receiver<(u64, Result<HostBatch, TrainError>)>,
    workers: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    source: Arc<SampleSource>,
    order: BatchOrder,
    /// Batches of the whole run before this loader's first: what the crops' stream counts from.
    first: u64,
    ahead: u64,
    claimed: AtomicU64,
    consumed: Mutex<u64>,
    wake: Condvar,
    stop: AtomicBool,
}

impl Loader {
    /// Starts `workers` threads that stay at most `ahead` batches in front; without threads batches are made when asked for.
    pub fn start(source: Arc<SampleSource>, order: BatchOrder, first: u64, workers: usize, ahead: usize) -> Self {
        let shared = Arc::new(Shared {
            source,
            order,
            first,
            ahead: ahead.max(1) as u64,
            claimed: AtomicU64::new(0),
            consumed: Mutex::new(0),
            wake: Condvar::new(),
            stop: AtomicBool::new(false),
        });
        let (sender, receiver) = channel();
        let spawn = |_| {
            let (shared, sender) = (shared.clone(), sender.clone());
            std::thread::spawn(move || shared.work(&sender))
        };
        let workers = (0..workers).map(spawn).collect();
        Self { shared, next: 0, ready: BTreeMap::new(), receiver, workers }
    }

    /// The next batch.
    ///
    /// # Errors
    /// [`TrainError`] when its samples cannot be read.
    pub fn next_batch(&mut self) -> Result<HostBatch, TrainError> {
        let index = self.next;
        self.next += 1;
        if self.workers.is_empty() {
            return self.shared.make(index);
        }
        loop {
            if let Some(batch) = self.ready.remove(&index) {
                let mut consumed = self.shared.consumed.lock().unwrap_or_else(PoisonError::into_inner);
                *consumed = index + 1;
                self.shared.wake.notify_all();
                return batch;
            }
            let Ok((made, batch)) = self.receiver.recv() else {
                return Err(TrainError::Setting(
                    "the loader threads ended; the error above this one says why".to_owned(),
                ));
            };
            self.ready.insert(made, batch);
        }
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.shared.wake.notify_all();
        for worker in self.workers.drain(..) {
            // A worker that panicked has nothing left to say.
            drop(worker.join());
        }
    }
}

impl Shared {
    fn make(&self, index: u64) -> Result<HostBatch, TrainError> {
        self.source.batch(&self.order.batch(index), Mode::Training(self.first + index))
    }

    fn work(&self, sender: &Sender<(u64, Result<HostBatch, TrainError>)>) {
        loop {
            let index = self.claimed.fetch_add(1, Ordering::Relaxed);
            if !self.wait_for_room(index) || sender.send((index, self.make(index))).is_err() {
                return;
            }
        }
    }

    /// Waits until `index` is near enough to what was consumed; `false` when the loader is gone.
    fn wait_for_room(&self, index: u64) -> bool {
        let mut consumed = self.consumed.lock().unwrap_or_else(PoisonError::into_inner);
        while index >= *consumed + self.ahead && !self.stop.load(Ordering::Relaxed) {
            let pause = std::time::Duration::from_millis(200);
            consumed = self.wake.wait_timeout(consumed, pause).unwrap_or_else(PoisonError::into_inner).0;
        }
        !self.stop.load(Ordering::Relaxed)
    }
}
