//! `meta/stats.json`: what normalisation needs to know about every feature (contract 1.7 and 3.3).
//!
//! ```text
//! dataset ─▶ compute (per episode: running) ─▶ aggregate (over episodes) ─▶ Stats ─▶ with_imagenet ─▶ policy
//! stats.json ────────────────────────────────────────────────────────────────▲
//! ```

mod aggregate;
mod compute;
mod running;
mod statistic;

use std::path::Path;

use serde_json::{Map, Value};

pub(crate) use self::aggregate::aggregate;
pub use self::compute::compute_stats;
pub(crate) use self::compute::sampled;
pub(crate) use self::running::{PictureStats, vector_stats};
pub use self::statistic::Statistic;
use crate::error::DataError;
use crate::json;

/// Where the statistics lie.
pub(crate) const STATS_PATH: &str = "meta/stats.json";
/// Mean of red, green and blue over `ImageNet`, by which `LeRobot` normalises cameras.
const IMAGENET_MEAN: [f64; 3] = [0.485, 0.456, 0.406];
const IMAGENET_STD: [f64; 3] = [0.229, 0.224, 0.225];

/// The statistics of one feature, in the order of the file.
pub type FeatureStats = Vec<(String, Statistic)>;

/// The statistics of a dataset.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Stats {
    features: Vec<(String, FeatureStats)>,
}

impl Stats {
    /// From the content of a `stats.json`.
    ///
    /// # Errors
    /// When it is not an object of objects of nested lists of numbers; `path` is only named in the error.
    pub fn from_json(value: &Value, path: &Path) -> Result<Self, DataError> {
        let wrong = |feature: &str, statistic: &str, problem: String| DataError::Statistic {
            feature: feature.to_owned(),
            statistic: statistic.to_owned(),
            problem,
            path: path.to_path_buf(),
        };
        let not_an_object = || "an object was expected".to_owned();
        let entries = value.as_object().ok_or_else(|| wrong("", "", not_an_object()))?;
        let mut stats = Self::default();
        for (feature, entry) in entries {
            let entry = entry.as_object().ok_or_else(|| wrong(feature, "", not_an_object()))?;
            for (name, value) in entry {
                let statistic = Statistic::parse(value).map_err(|problem| wrong(feature, name, problem))?;
                stats.set(feature, name, statistic);
            }
        }
        Ok(stats)
    }

    /// The content of a `stats.json`.
    pub fn to_json(&self) -> Value {
        let feature = |entry: &FeatureStats| {
            let statistics = entry.iter().map(|(name, statistic)| (name.clone(), statistic.to_json(name == "count")));
            Value::Object(statistics.collect::<Map<String, Value>>())
        };
        let features = self.features.iter().map(|(key, entry)| (key.clone(), feature(entry)));
        Value::Object(features.collect::<Map<String, Value>>())
    }

    /// Reads `meta/stats.json`; nothing when the dataset has none.
    pub(crate) fn read(root: &Path) -> Result<Option<Self>, DataError> {
        let path = root.join(STATS_PATH);
        if !path.is_file() {
            return Ok(None);
        }
        Self::from_json(&json::read(&path)?, &path).map(Some)
    }

    /// One statistic of a feature: `min`, `max`, `mean`, `std`, `count`, `q01`, `q10`, `q50`, `q90` or `q99`.
    pub fn get(&self, feature: &str, statistic: &str) -> Option<&Statistic> {
        let entry = self.feature(feature)?;
        entry.iter().find(|(name, _)| name == statistic).map(|(_, statistic)| statistic)
    }

    /// All statistics of a feature.
    pub fn feature(&self, feature: &str) -> Option<&FeatureStats> {
        self.features.iter().find(|(key, _)| key == feature).map(|(_, entry)| entry)
    }

    /// The features that have statistics, in the order of the file.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.features.iter().map(|(key, _)| key.as_str())
    }

    /// Replaces or adds one statistic.
    pub fn set(&mut self, feature: &str, statistic: &str, value: Statistic) {
        let at = self.features.iter().position(|(key, _)| key == feature);
        let at = at.unwrap_or_else(|| {
            self.features.push((feature.to_owned(), Vec::new()));
            self.features.len() - 1
        });
        let entry = &mut self.features[at].1;
        match entry.iter_mut().find(|(name, _)| name == statistic) {
            Some((_, old)) => *old = value,
            None => entry.push((statistic.to_owned(), value)),
        }
    }

    /// Forgets a feature.
    pub(crate) fn remove(&mut self, feature: &str) {
        self.features.retain(|(key, _)| key != feature);
    }

    /// A copy in which the mean and the standard deviation of these cameras are those of `ImageNet`, as `LeRobot` trains by
    /// default. Cameras without statistics get an entry; the other statistics stay the dataset's.
    #[must_use]
    pub fn with_imagenet<K: AsRef<str>>(&self, cameras: &[K]) -> Self {
        let mut stats = self.clone();
        for camera in cameras {
            stats.set(camera.as_ref(), "mean", Statistic::per_channel(IMAGENET_MEAN));
            stats.set(camera.as_ref(), "std", Statistic::per_channel(IMAGENET_STD));
        }
        stats
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn statistics_survive_the_way_through_json() {
        let text = json!({
            "action": {"min": [0.5, -1.0], "count": [33]},
            "observation.images.top": {"mean": [[[0.1]], [[0.2]], [[0.3]]], "q01": [[[null]], [[1]], [[2]]]},
        });
        let stats = Stats::from_json(&text, Path::new("stats.json")).expect("valid statistics");
        let mean = stats.get("observation.images.top", "mean").expect("a mean");
        assert_eq!(mean, &Statistic::per_channel([0.1, 0.2, 0.3]), "nested lists keep their shape");
        let q01 = stats.get("observation.images.top", "q01").expect("a quantile");
        assert!(q01.values[0].is_nan(), "null is read as NaN");
        assert_eq!(stats.to_json()["action"], text["action"], "written as read, counts whole");
        assert_eq!(stats.to_json()["observation.images.top"]["mean"], json!([[[0.1]], [[0.2]], [[0.3]]]));
    }

    #[test]
    fn malformed_statistics_are_errors() {
        for bad in [
            json!(3),
            json!({"a": 3}),
            json!({"a": {"min": "x"}}),
            json!({"a": {"min": [[1], [1, 2]]}}),
            json!({"a": {"min": [1, [2]]}}),
            json!({"a": {"min": []}}),
        ] {
            assert!(Stats::from_json(&bad, Path::new("stats.json")).is_err(), "{bad}");
        }
    }

    #[test]
    fn imagenet_replaces_mean_and_std_only() {
        let text = json!({"cam": {"mean": [[[0.0]], [[0.0]], [[0.0]]], "max": [[[1.0]], [[1.0]], [[1.0]]]}});
        let stats = Stats::from_json(&text, Path::new("stats.json")).expect("valid statistics");
        let stats = stats.with_imagenet(&["cam", "new"]);
        for camera in ["cam", "new"] {
            let mean = stats.get(camera, "mean").expect("a mean");
            assert_eq!(mean.values, IMAGENET_MEAN, "{camera}");
        }
        assert_eq!(stats.get("cam", "max").map(|max| max.values[0]), Some(1.0), "max stays");
    }
}
