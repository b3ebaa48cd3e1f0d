//! A checkpoint's statistics: what its processor files hold, `<feature>.<stat>` by `<feature>.<stat>` (contract section 4.4).

use indexmap::IndexMap;

use crate::error::StatsError;

/// One statistic of one feature.
#[derive(Clone, Debug, PartialEq)]
pub struct Statistic {
    /// `[n]` for vectors, `[3, 1, 1]` for cameras.
    pub shape: Vec<usize>,
    /// The values, in row-major order.
    pub values: Vec<f32>,
}

/// All statistics by feature and name, in file order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Statistics {
    entries: IndexMap<(String, String), Statistic>,
}

impl Statistics {
    /// Adds or replaces one statistic.
    pub fn insert(&mut self, feature: &str, stat: &str, statistic: Statistic) {
        self.entries.insert((feature.to_owned(), stat.to_owned()), statistic);
    }

    /// One statistic.
    pub fn get(&self, feature: &str, stat: &str) -> Option<&Statistic> {
        self.entries.get(&(feature.to_owned(), stat.to_owned()))
    }

    /// Feature, name and values of every statistic.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str, &Statistic)> {
        self.entries.iter().map(|((feature, stat), statistic)| (feature.as_str(), stat.as_str(), statistic))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The values of a statistic that must be there, of a known length, and finite.
    pub(crate) fn required(&self, feature: &str, stat: &'static str, length: usize) -> Result<&[f32], StatsError> {
        let missing = || StatsError::Missing { feature: feature.to_owned(), stat };
        let values = &self.get(feature, stat).ok_or_else(missing)?.values;
        if values.len() != length {
            let found = values.len();
            return Err(StatsError::Length { feature: feature.to_owned(), stat, found, expected: length });
        }
        match values.iter().position(|value| !value.is_finite()) {
            Some(index) => Err(StatsError::NonFinite { feature: feature.to_owned(), stat, index }),
            None => Ok(values),
        }
    }
}
