//! Work over all cores whose result does not depend on how many there are.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use anyhow::Result;

/// Threads that can run at once.
fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// Changes every item.
pub(crate) fn for_each<T: Send>(items: &mut [T], act: impl Fn(&mut T) + Sync) {
    let share = items.len().div_ceil(cores());
    if share >= items.len() {
        return items.iter_mut().for_each(act);
    }
    thread::scope(|scope| {
        for part in items.chunks_mut(share) {
            let act = &act;
            scope.spawn(move || part.iter_mut().for_each(act));
        }
    });
}

/// Makes things number 0 to `count` by many threads and hands them over one after the other, in order.
///
/// # Errors
/// The first that `take` returns; nothing more is made then.
pub(crate) fn in_order<T: Send>(
    count: usize,
    make: impl Fn(usize) -> T + Sync,
    mut take: impl FnMut(T) -> Result<()>,
) -> Result<()> {
    let next = AtomicUsize::new(0);
    let threads = cores().min(count);
    thread::scope(|scope| {
        // The channel is short, so that a slow `take` holds back the threads and not the memory.
        let (sender, receiver) = mpsc::sync_channel(threads);
        for _ in 0..threads {
            let (sender, next, make) = (sender.clone(), &next, &make);
            scope.spawn(move || {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    // Nobody listens any more after an error.
                    if number >= count || sender.send((number, make(number))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        let mut early = BTreeMap::new();
        let mut wanted = 0;
        for (number, made) in receiver {
            early.insert(number, made);
            while let Some(made) = early.remove(&wanted) {
                take(made)?;
                wanted += 1;
            }
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::{for_each, in_order};

    #[test]
    fn every_item_is_changed_once() {
        for count in [0, 1, 2, 1000] {
            let mut items: Vec<usize> = (0..count).collect();
            for_each(&mut items, |item| *item += 1);
            assert_eq!(items, (1..=count).collect::<Vec<_>>(), "{count} items");
        }
    }

    #[test]
    fn things_arrive_in_order() {
        for count in [0, 1, 500] {
            let mut taken = Vec::new();
            let slow_at_first = |number: usize| {
                std::thread::sleep(std::time::Duration::from_micros(if number.is_multiple_of(7) { 300 } else { 0 }));
                number
            };
            let done = in_order(count, slow_at_first, |number| {
                taken.push(number);
                Ok(())
            });
            assert!(done.is_ok(), "nothing went wrong");
            assert_eq!(taken, (0..count).collect::<Vec<_>>(), "{count} things");
        }
    }

    #[test]
    fn an_error_ends_the_work() {
        let refused = in_order(1_000_000, |number| number, |number| if number == 3 { bail!("three") } else { Ok(()) });
        assert_eq!(refused.expect_err("it was refused").to_string(), "three");
    }
}
