//! Which frames make one training sample (contract 2.1 and 2.2).
//!
//! An anchor is the frame at which the robot decides. It has seen `n_obs_steps` frames, and the chunk of `horizon`
//! actions starts with the action of the oldest of them. With `n_obs_steps` 2 and `horizon` 8, anchored at frame 4:
//!
//! ```text
//! frame        3   4   5   6   7   8   9  10
//! observation  ●   ●
//! action       ●   ●   ●   ●   ●   ●   ●   ●
//!                  ▲
//!                anchor
//! ```
//!
//! Where the window leaves the episode the first or last frame is repeated and marked as padding. Anchored at the first
//! frame of an episode of 5 frames (`p`: padding):
//!
//! ```text
//! wanted      -1   0   1   2   3   4   5   6
//! row          0p  0   1   2   3   4   4p  4p
//! ```

use crate::episodes::EpisodeRange;

/// Offsets from the anchor, in frames.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// For every column that starts with `observation.`, cameras included.
    pub observation: Vec<i64>,
    /// For the column `action`.
    pub action: Vec<i64>,
}

impl Window {
    /// The window of a policy: `[1 - n_obs_steps, …, 0]` for observations, `[1 - n_obs_steps, …, horizon - n_obs_steps]`
    /// for actions.
    pub fn new(n_obs_steps: usize, horizon: usize) -> Self {
        let first = 1 - i64::try_from(n_obs_steps).unwrap_or(i64::MAX);
        let horizon = i64::try_from(horizon).unwrap_or(i64::MAX);
        Self { observation: (first..=0).collect(), action: (first..first.saturating_add(horizon)).collect() }
    }

    /// Only the anchor itself, as `LeRobot` returns it without delta timestamps.
    pub fn anchor_only() -> Self {
        Self::new(1, 1)
    }

    /// The frames at some offsets from an anchor, and which of them are padding.
    ///
    /// Offsets that leave the episode are moved to its first or last frame. An anchor outside the episode gives only
    /// padding.
    pub fn rows(anchor: usize, episode: EpisodeRange, deltas: &[i64]) -> (Vec<usize>, Vec<bool>) {
        let last = episode.to.saturating_sub(1).max(episode.from);
        deltas
            .iter()
            .map(|delta| {
                let distance = usize::try_from(delta.unsigned_abs()).unwrap_or(usize::MAX);
                let row = if *delta < 0 { anchor.checked_sub(distance) } else { Some(anchor.saturating_add(distance)) };
                let inside = row.filter(|row| (episode.from..episode.to).contains(row));
                let clamped = row.unwrap_or(episode.from).clamp(episode.from, last);
                (clamped, inside.is_none())
            })
            .unzip()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPISODE: EpisodeRange = EpisodeRange { index: 1, from: 10, to: 15 };

    #[test]
    fn deltas_are_those_of_lerobot() {
        let window = Window::new(2, 8);
        assert_eq!(window.observation, [-1, 0], "the default observation");
        assert_eq!(window.action, [-1, 0, 1, 2, 3, 4, 5, 6], "as many as the horizon");
        assert_eq!(Window::anchor_only().action, [0], "one frame");
    }

    #[test]
    fn windows_are_clamped_to_the_episode() {
        let (rows, padding) = Window::rows(10, EPISODE, &[-1, 0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(rows, [10, 10, 11, 12, 13, 14, 14, 14], "clamped at both ends");
        assert_eq!(padding, [true, false, false, false, false, false, true, true], "outside is padding");
        let (rows, padding) = Window::rows(14, EPISODE, &[-1, 0]);
        assert_eq!((rows, padding), (vec![13, 14], vec![false, false]), "the last frame is real");
    }

    #[test]
    fn windows_never_leave_the_first_episode() {
        let first = EpisodeRange { index: 0, from: 0, to: 1 };
        let (rows, padding) = Window::rows(0, first, &[i64::MIN, -1, 0, 1, i64::MAX]);
        assert_eq!(rows, [0; 5], "there is one frame");
        assert_eq!(padding, [true, true, false, true, true], "and it is real once");
    }
}
