//! The checkpoint among files that were dropped or picked: all that is known at first are their paths.

use std::collections::BTreeMap;

use mtdit_policy::checkpoint::files::{CONFIG, WEIGHTS};
use thiserror::Error;

/// Names of folders that say where in a training's output a checkpoint is, not which.
const PLACES: [&str; 4] = ["pretrained_model", "pretrained_model_ema", "last", "checkpoints"];

/// A selection without a checkpoint in it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SelectionError {
    /// Nothing at all.
    #[error("no file was given; choose the folder that holds config.json and model.safetensors")]
    Empty,
    /// Weights alone.
    #[error("config.json is missing beside {weights}; choose the whole folder pretrained_model")]
    NoConfig {
        /// Path of the weights.
        weights: String,
    },
    /// A configuration alone.
    #[error("model.safetensors is missing beside {config}; choose the whole folder pretrained_model")]
    NoWeights {
        /// Path of the configuration.
        config: String,
    },
    /// Other files.
    #[error(
        "there is no checkpoint among {count} files (the first is {first}): config.json and model.safetensors are missing; choose the whole folder pretrained_model"
    )]
    Neither {
        /// How many files.
        count: usize,
        /// One of them.
        first: String,
    },
}

/// A checkpoint among files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// All paths, with `/` and without anything before the first name.
    paths: Vec<String>,
    /// What stands before the checkpoint's own paths: empty, or with `/` at its end.
    folder: String,
}

impl Selection {
    /// The checkpoint nearest to the top. In a training's output, which holds several, the one that `last` names, else the
    /// newest, and the weights themselves rather than their moving average.
    ///
    /// # Errors
    /// [`SelectionError`] says what is missing.
    pub fn find(paths: &[String]) -> Result<Self, SelectionError> {
        let plain = |path: &String| path.replace('\\', "/").trim_start_matches("./").trim_start_matches('/').to_owned();
        let paths: Vec<String> = paths.iter().map(plain).collect();
        let mut folders: BTreeMap<&str, (bool, bool)> = BTreeMap::new();
        for path in &paths {
            let (folder, name) = path.rsplit_once('/').map_or(("", path.as_str()), |(folder, name)| (folder, name));
            let (has_config, has_weights) = folders.entry(folder).or_default();
            *has_config |= name == CONFIG;
            *has_weights |= name == WEIGHTS || name == first_piece();
        }
        let whole = folders.iter().filter(|(_, has)| **has == (true, true)).map(|(folder, _)| *folder);
        match whole.max_by_key(|&folder| rank(folder)) {
            Some("") => Ok(Self { folder: String::new(), paths }),
            Some(folder) => Ok(Self { folder: format!("{folder}/"), paths }),
            None => Err(missing(&paths, &folders)),
        }
    }

    /// Which of the files has a path below the checkpoint's folder.
    pub fn position(&self, path: &str) -> Option<usize> {
        self.paths.iter().position(|known| known.strip_prefix(&self.folder) == Some(path))
    }

    /// Where a file of the checkpoint would be, for messages.
    pub fn path(&self, path: &str) -> String {
        format!("{}{path}", self.folder)
    }

    /// A name for people: the nearest folder that says which checkpoint it is.
    pub fn name(&self) -> String {
        let says_which = |name: &&str| !name.is_empty() && !PLACES.contains(name);
        let name = self.folder.split('/').rev().find(says_which);
        name.unwrap_or("a checkpoint from this device").to_owned()
    }

    /// Where the checkpoint came from, for people.
    pub fn origin(&self) -> String {
        let folder = self.folder.trim_end_matches('/');
        if folder.is_empty() { format!("{} files", self.paths.len()) } else { folder.to_owned() }
    }
}

/// How the first piece of cut weights is called.
fn first_piece() -> String {
    format!("{WEIGHTS}.000")
}

/// What is better comes later: nearer to the top, then `last`, then not the average, then a later step.
fn rank(folder: &str) -> (std::cmp::Reverse<usize>, bool, bool, u64, &str) {
    let depth = if folder.is_empty() { 0 } else { 1 + folder.matches('/').count() };
    let is_last = folder.split('/').any(|name| name == "last");
    let is_average = folder.ends_with("pretrained_model_ema");
    let step = folder.split('/').rev().find_map(|name| name.parse().ok()).unwrap_or(0);
    (std::cmp::Reverse(depth), is_last, !is_average, step, folder)
}

fn missing(paths: &[String], folders: &BTreeMap<&str, (bool, bool)>) -> SelectionError {
    let inside =
        |folder: &str, name: &str| if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
    let Some(first) = paths.first() else { return SelectionError::Empty };
    if let Some((folder, _)) = folders.iter().find(|(_, (_, has_weights))| *has_weights) {
        return SelectionError::NoConfig { weights: inside(folder, WEIGHTS) };
    }
    // CLIP's own configuration has the same name.
    let is_config = |folder: &str, has_config: bool| has_config && folder != "clip" && !folder.ends_with("/clip");
    match folders.iter().find(|(folder, (has_config, _))| is_config(folder, *has_config)) {
        Some((folder, _)) => SelectionError::NoWeights { config: inside(folder, CONFIG) },
        None => SelectionError::Neither { count: paths.len(), first: first.clone() },
    }
}

#[cfg(test)]
mod tests {
    use super::{Selection, SelectionError};

    fn find(paths: &[&str]) -> Result<Selection, SelectionError> {
        Selection::find(&paths.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>())
    }

    fn both(folder: &str) -> [String; 2] {
        ["config.json", "model.safetensors"].map(|name| format!("{folder}{name}"))
    }

    fn chosen(folders: &[&str]) -> String {
        let paths: Vec<String> = folders.iter().flat_map(|folder| both(folder)).collect();
        Selection::find(&paths).expect("a checkpoint").path("")
    }

    #[test]
    fn the_checkpoint_nearest_to_the_top_is_found() {
        assert_eq!(chosen(&[""]), "");
        assert_eq!(chosen(&["run/pretrained_model/"]), "run/pretrained_model/");
        assert_eq!(chosen(&["run/deep/er/", "run/"]), "run/");
        assert_eq!(chosen(&["/run/"]), "run/", "a path of the drag and drop interface");
        assert_eq!(chosen(&["run\\a\\"]), "run/a/", "another separator");
    }

    #[test]
    fn a_training_offers_its_last_checkpoint() {
        let (old, new) = ("run/checkpoints/000010/pretrained_model/", "run/checkpoints/000200/pretrained_model/");
        let average = "run/checkpoints/000200/pretrained_model_ema/";
        let last = "run/checkpoints/last/pretrained_model/";
        assert_eq!(chosen(&[old, new]), new);
        assert_eq!(chosen(&[average, new, old]), new);
        assert_eq!(chosen(&[new, last, old]), last);
        let selection =
            find(&[&format!("{new}config.json"), &format!("{new}model.safetensors")]).expect("a checkpoint");
        assert_eq!(selection.name(), "000200");
    }

    #[test]
    fn files_are_found_below_the_checkpoint() {
        let paths = ["other.txt", "a/model.safetensors", "a/config.json", "a/clip/config.json"];
        let selection = find(&paths).expect("a checkpoint");
        assert_eq!(selection.position("config.json"), Some(2));
        assert_eq!(selection.position("clip/config.json"), Some(3));
        assert_eq!(selection.position("other.txt"), None, "it lies beside the checkpoint");
        assert_eq!((selection.name().as_str(), selection.origin().as_str()), ("a", "a"));
        assert!(find(&["config.json", "model.safetensors.000", "model.safetensors.001"]).is_ok(), "cut weights");
    }

    #[test]
    fn what_is_missing_is_named() {
        let refused = |paths: &[&str]| find(paths).expect_err("no checkpoint").to_string();
        assert!(refused(&[]).contains("no file was given"));
        assert!(refused(&["model.safetensors"]).contains("config.json is missing beside model.safetensors"));
        assert!(refused(&["a/model.safetensors", "b/config.json"]).contains("missing beside a/model.safetensors"));
        assert!(refused(&["a/config.json", "a/clip/config.json"]).contains("safetensors is missing beside a/config"));
        assert!(refused(&["clip/config.json"]).contains("no checkpoint among 1 files"));
        assert!(refused(&["x.png", "y.png"]).contains("2 files (the first is x.png)"));
    }
}
