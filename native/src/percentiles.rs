//! Something that was measured again and again, in a few numbers.

use serde::Serialize;

/// How measured values are distributed, from the best to the worst: small times are good, and large rates are.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Percentiles {
    /// Half of them are not worse.
    pub(crate) p50: f64,
    /// Nineteen of twenty are not worse.
    pub(crate) p95: f64,
    /// Ninety-nine of a hundred are not worse.
    pub(crate) p99: f64,
    /// Their mean.
    pub(crate) mean: f64,
    /// How many there are.
    pub(crate) n: usize,
    /// Each of them, best first.
    pub(crate) all: Vec<f64>,
}

impl Percentiles {
    /// The distribution of values of which the small ones are good; all zero without any.
    pub(crate) fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        Self::sorted(values)
    }

    /// The distribution of values of which the large ones are good; all zero without any.
    pub(crate) fn of_rates(mut values: Vec<f64>) -> Self {
        values.sort_by(|one, other| other.total_cmp(one));
        Self::sorted(values)
    }

    fn sorted(values: Vec<f64>) -> Self {
        Self {
            p50: nearest_rank(&values, 0.5),
            p95: nearest_rank(&values, 0.95),
            p99: nearest_rank(&values, 0.99),
            mean: values.iter().sum::<f64>() / values.len().max(1) as f64,
            n: values.len(),
            all: values,
        }
    }
}

/// The nearest-rank percentile of sorted values.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a length")]
fn nearest_rank(sorted: &[f64], share: f64) -> f64 {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::Percentiles;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let hundred = Percentiles::of((1..=100).rev().map(f64::from).collect());
        assert_eq!([hundred.p50, hundred.p95, hundred.p99, hundred.mean], [50.0, 95.0, 99.0, 50.5]);
        assert_eq!((hundred.n, hundred.all[0], hundred.all[99]), (100, 1.0, 100.0), "sorted");

        let three = Percentiles::of(vec![5.0, 1.0, 3.0]);
        assert_eq!([three.p50, three.p95, three.p99, three.mean], [3.0, 5.0, 5.0, 3.0], "the largest of a few");
    }

    #[test]
    fn the_slow_rates_come_last() {
        let hundred = Percentiles::of_rates((1..=100).map(f64::from).collect());
        assert_eq!([hundred.p50, hundred.p95, hundred.p99, hundred.mean], [51.0, 6.0, 2.0, 50.5]);
        assert_eq!((hundred.n, hundred.all[0], hundred.all[99]), (100, 100.0, 1.0), "the fastest first");
    }

    #[test]
    fn nothing_measured_is_zero() {
        assert_eq!(Percentiles::of(Vec::new()), Percentiles::default());
    }
}
