//! The dataset's features as the policy sees them (contract sections 1.3 and 3.3).

use indexmap::IndexMap;
use mtdit_data::{Dataset, Dtype, Feature, Stats};
use mtdit_policy::checkpoint::LeRobotConfig;
use mtdit_policy::checkpoint::lerobot::{FeatureKind, PolicyFeature};
use mtdit_policy::{Statistic, Statistics};
use serde_json::{Map, Value};

use crate::error::TrainError;

/// Which of the dataset's columns feeds a feature of the policy: itself, unless `--rename_map` says otherwise.
#[derive(Clone, Debug, Default)]
pub struct Renames(IndexMap<String, String>);

impl Renames {
    /// From `{dataset's name: policy's name}`.
    pub fn new(rename_map: &Map<String, Value>) -> Self {
        let pairs = rename_map.iter().filter_map(|(old, new)| Some((new.as_str()?.to_owned(), old.clone())));
        Self(pairs.collect())
    }

    /// The dataset's name of a policy feature.
    pub fn column<'a>(&'a self, key: &'a str) -> &'a str {
        self.0.get(key).map_or(key, String::as_str)
    }
}

/// Fills in the features of a new policy from the dataset, or checks those of a trained one against it.
///
/// # Errors
/// [`TrainError::Setting`] names the feature that is missing or has another shape, with both lists.
pub fn settle(config: &mut LeRobotConfig, dataset: &Dataset, renames: &Renames) -> Result<(), TrainError> {
    let features = policy_features(dataset);
    if config.input_features.is_empty() && config.output_features.is_empty() {
        let (outputs, inputs) = features.into_iter().partition(|(_, feature)| feature.kind == FeatureKind::Action);
        config.input_features = inputs;
        config.output_features = outputs;
        return Ok(());
    }
    let used = config.input_features.iter().chain(&config.output_features);
    for (key, feature) in used.filter(|(_, feature)| is_used(feature.kind)) {
        match features.get(renames.column(key)) {
            Some(found) if found.shape == feature.shape => {}
            Some(found) => {
                return Err(TrainError::Setting(format!(
                    "feature `{key}` has shape {:?} in the dataset and {:?} in the policy",
                    found.shape, feature.shape
                )));
            }
            None => {
                let names: Vec<&String> = features.keys().collect();
                return Err(TrainError::Setting(format!(
                    "the policy needs the feature `{key}`, the dataset has {names:?}; name the column with --rename_map='{{\"COLUMN\": \"{key}\"}}'"
                )));
            }
        }
    }
    Ok(())
}

fn is_used(kind: FeatureKind) -> bool {
    matches!(kind, FeatureKind::State | FeatureKind::Visual | FeatureKind::Action)
}

/// `LeRobot`'s mapping of columns to kinds; columns that are neither observation nor action are left out.
fn policy_features(dataset: &Dataset) -> IndexMap<String, PolicyFeature> {
    let policy_feature = |feature: &Feature| {
        let (kind, shape) = match feature.dtype {
            Dtype::Image | Dtype::Video => {
                let (height, width) = feature.picture_size()?;
                (FeatureKind::Visual, vec![3, height, width])
            }
            _ if feature.key == "observation.environment_state" => (FeatureKind::Env, feature.shape.clone()),
            _ if feature.key.starts_with("observation") => (FeatureKind::State, feature.shape.clone()),
            _ if feature.key.starts_with("action") => (FeatureKind::Action, feature.shape.clone()),
            _ => return None,
        };
        Some((feature.key.clone(), PolicyFeature { kind, shape }))
    };
    dataset.info().features.iter().filter(|feature| !feature.is_depth()).filter_map(policy_feature).collect()
}

/// The dataset's statistics in single precision, under the policy's names.
pub fn statistics(stats: &Stats, renames: &Renames) -> Statistics {
    let mut statistics = Statistics::default();
    for key in stats.keys() {
        let name = renames.0.iter().find(|(_, column)| *column == key).map_or(key, |(name, _)| name);
        for (stat, values) in stats.feature(key).into_iter().flatten() {
            #[expect(clippy::cast_possible_truncation, reason = "checkpoints hold single precision")]
            let single = values.values.iter().map(|&value| value as f32).collect();
            statistics.insert(name, stat, Statistic { shape: values.shape.clone(), values: single });
        }
    }
    statistics
}
