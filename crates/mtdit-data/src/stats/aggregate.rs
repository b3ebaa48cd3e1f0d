//! From the statistics of episodes to those of the dataset (contract 1.7).
//!
//! Extremes are exact, means and variances are weighted by the counts. Quantiles are the weighted average of the
//! episodes' quantiles, as `LeRobot` 0.6.1 computes them; that is not the quantile of all frames.

use super::{Statistic, Stats};

/// Combines the statistics of episodes. Features that only some episodes have are combined over those.
pub(crate) fn aggregate(episodes: &[Stats]) -> Stats {
    let mut keys: Vec<&str> = Vec::new();
    for key in episodes.iter().flat_map(|stats| stats.keys()) {
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    let mut combined = Stats::default();
    for key in keys {
        let parts: Vec<&Stats> = episodes.iter().filter(|stats| stats.feature(key).is_some()).collect();
        aggregate_feature(&mut combined, key, &parts);
    }
    combined
}

fn aggregate_feature(combined: &mut Stats, key: &str, parts: &[&Stats]) {
    let every = |name: &str| -> Option<Vec<&Statistic>> { parts.iter().map(|stats| stats.get(key, name)).collect() };
    let Some(counts) = every("count") else {
        return;
    };
    let counts: Vec<f64> = counts.iter().map(|count| count.values.first().copied().unwrap_or(0.0)).collect();
    let total: f64 = counts.iter().sum();
    let mut set = |name: &str, shape: &[usize], values: Vec<f64>| {
        let statistic = Statistic { shape: shape.to_vec(), values };
        combined.set(key, name, statistic);
    };
    if let Some(parts) = every("min") {
        set("min", &parts[0].shape, folded(&parts, f64::min));
    }
    if let Some(parts) = every("max") {
        set("max", &parts[0].shape, folded(&parts, f64::max));
    }
    if let (Some(means), Some(stds)) = (every("mean"), every("std")) {
        let mean = weighted(&means, &counts, |value, _| value);
        let variance = weighted_pairs(&means, &stds, &counts, &mean);
        set("mean", &means[0].shape, mean);
        set("std", &stds[0].shape, variance.into_iter().map(f64::sqrt).collect());
    }
    set("count", &[1], vec![total]);
    let names: Vec<String> = parts[0]
        .feature(key)
        .into_iter()
        .flatten()
        .map(|(name, _)| name.clone())
        .filter(|name| name.strip_prefix('q').is_some_and(|digits| digits.parse::<u32>().is_ok()))
        .collect();
    for name in names {
        if let Some(parts) = every(&name) {
            set(&name, &parts[0].shape, weighted(&parts, &counts, |value, _| value));
        }
    }
}

fn folded(parts: &[&Statistic], choose: fn(f64, f64) -> f64) -> Vec<f64> {
    let mut parts = parts.iter();
    let mut result = parts.next().map(|part| part.values.clone()).unwrap_or_default();
    for part in parts {
        for (value, other) in result.iter_mut().zip(&part.values) {
            // A NaN in any episode stays visible.
            *value = if other.is_nan() { f64::NAN } else { choose_visible(*value, *other, choose) };
        }
    }
    result
}

fn choose_visible(value: f64, other: f64, choose: fn(f64, f64) -> f64) -> f64 {
    if value.is_nan() { value } else { choose(value, other) }
}

/// Σ f(value, dimension)·count / Σ count, per dimension.
fn weighted(parts: &[&Statistic], counts: &[f64], of: impl Fn(f64, usize) -> f64) -> Vec<f64> {
    let width = parts.iter().map(|part| part.values.len()).min().unwrap_or(0);
    let total: f64 = counts.iter().sum();
    (0..width)
        .map(|dimension| {
            let sum: f64 =
                parts.iter().zip(counts).map(|(part, count)| of(part.values[dimension], dimension) * count).sum();
            sum / total
        })
        .collect()
}

/// Σ (variance + (mean − overall mean)²)·count / Σ count, per dimension.
fn weighted_pairs(means: &[&Statistic], stds: &[&Statistic], counts: &[f64], mean: &[f64]) -> Vec<f64> {
    let between = weighted(means, counts, |value, dimension| (value - mean[dimension]).powi(2));
    let within = weighted(stds, counts, |value, _| value * value);
    between.into_iter().zip(within).map(|(between, within)| between + within).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn episode(count: f64, mean: f64, std: f64) -> Stats {
        let mut stats = Stats::default();
        for (name, value) in [("min", mean - 1.0), ("max", mean + 1.0), ("mean", mean), ("std", std), ("q50", mean)] {
            stats.set("action", name, Statistic::vector(vec![value]));
        }
        stats.set("action", "count", Statistic::vector(vec![count]));
        stats
    }

    #[test]
    fn episodes_are_weighted_by_their_frames() {
        let stats = aggregate(&[episode(1.0, 0.0, 2.0), episode(3.0, 4.0, 0.0)]);
        let value = |name: &str| stats.get("action", name).map(|statistic| statistic.values[0]);
        assert_eq!(value("min"), Some(-1.0), "the smallest of all");
        assert_eq!(value("max"), Some(5.0), "the largest of all");
        assert_eq!(value("mean"), Some(3.0), "weighted");
        assert_eq!(value("q50"), Some(3.0), "weighted, as LeRobot does");
        assert_eq!(value("count"), Some(4.0), "summed");
        // (4 + 9)·1/4 + (0 + 1)·3/4
        assert_eq!(value("std"), Some(4.0_f64.sqrt()), "within and between the episodes");
    }

    #[test]
    fn nothing_to_combine_gives_nothing() {
        assert_eq!(aggregate(&[]), Stats::default(), "no episodes");
    }
}
