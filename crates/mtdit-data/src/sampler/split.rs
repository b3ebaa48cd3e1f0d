//! Holding out episodes for evaluation (contract 2.5).

use crate::episodes::Episode;
use crate::error::DataError;

/// Splits some episodes into those to train on and those to evaluate on, as `LeRobot` does: of every task the last
/// `ceil(n · fraction)` episodes are held out, where the task of an episode is its first. Both results are sorted.
///
/// # Errors
/// When the fraction is not in `0..1`, or no episode is left to train on. Note that a task with a single episode loses
/// it for any fraction above zero.
pub fn split_episodes(episodes: &[&Episode], fraction: f64) -> Result<(Vec<usize>, Vec<usize>), DataError> {
    let tasks = episodes.iter().map(|episode| {
        let task = episode.tasks.first().map_or("", String::as_str);
        (episode.index, task)
    });
    split(tasks, fraction)
}

fn split<'a>(
    episodes: impl Iterator<Item = (usize, &'a str)>,
    fraction: f64,
) -> Result<(Vec<usize>, Vec<usize>), DataError> {
    if !(0.0..1.0).contains(&fraction) {
        return Err(DataError::Sampling(format!(
            "the evaluation split is {fraction}, it must be at least 0 and below 1"
        )));
    }
    let mut groups: Vec<(&str, Vec<usize>)> = Vec::new();
    for (index, task) in episodes {
        match groups.iter_mut().find(|(known, _)| *known == task) {
            Some((_, members)) => members.push(index),
            None => groups.push((task, vec![index])),
        }
    }
    let (mut train, mut evaluate) = (Vec::new(), Vec::new());
    for (_, members) in &groups {
        let kept = members.len() - held_out(members.len(), fraction);
        train.extend_from_slice(&members[..kept]);
        evaluate.extend_from_slice(&members[kept..]);
    }
    if train.is_empty() {
        return Err(DataError::Sampling(format!(
            "an evaluation split of {fraction} leaves no episode to train on; it takes at least one episode of every task"
        )));
    }
    train.sort_unstable();
    evaluate.sort_unstable();
    Ok((train, evaluate))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of a number of episodes")]
fn held_out(n_episodes: usize, fraction: f64) -> usize {
    ((n_episodes as f64 * fraction).ceil() as usize).min(n_episodes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_episodes_of_every_task_are_held_out() {
        let tasks = ["a", "b", "a", "b", "a", "a"];
        let numbered = || tasks.into_iter().enumerate();
        let (train, evaluate) = split(numbered(), 0.3).expect("a split");
        assert_eq!((train, evaluate), (vec![0, 1, 2], vec![3, 4, 5]), "two of a, one of b");
        let (train, evaluate) = split(numbered(), 0.0).expect("no split");
        assert_eq!((train.len(), evaluate.len()), (6, 0), "nothing is held out");
        for bad in [1.0, -0.1, f64::NAN] {
            assert!(split(numbered(), bad).is_err(), "{bad} is refused");
        }
    }

    #[test]
    fn single_episodes_are_lost_as_in_lerobot() {
        let three = [(0, "a"), (1, "b"), (2, "b")];
        let (train, evaluate) = split(three.into_iter(), 0.34).expect("one is left");
        assert_eq!((train, evaluate), (vec![1], vec![0, 2]), "one to train on, two to evaluate on");
        assert!(split([(0, "a")].into_iter(), 0.1).is_err(), "nothing is left");
    }
}
