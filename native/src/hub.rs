//! Things that have a name on the Hugging Face Hub: found in a local folder, in the Hub's cache, or downloaded.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use hf_hub::api::sync::ApiBuilder;
use hf_hub::{Cache, Repo, RepoType};

use crate::tabletop_clip;

const WEIGHTS: &str = "model.safetensors";
const CONFIG: &str = "config.json";

/// A folder with `model.safetensors` and `config.json` of a CLIP model.
///
/// A folder that was given wins; else a local folder of the model's name, what this program has with it, the Hub's cache, and at
/// last a download from `endpoint` (or `HF_ENDPOINT`, or the Hub).
pub(crate) fn clip_folder(name: &str, given: Option<&Path>, endpoint: Option<&str>) -> Result<PathBuf> {
    if let Some(folder) = given {
        if !folder.join(WEIGHTS).is_file() {
            bail!("{} holds no model.safetensors; give the folder of a CLIP model", folder.display());
        }
        return Ok(folder.to_owned());
    }
    let local = PathBuf::from(name);
    if local.join(WEIGHTS).is_file() {
        return Ok(local);
    }
    if name == tabletop_clip::NAME {
        return tabletop_clip::unpacked(&own_cache().join("clip"));
    }
    if let Some(folder) = cached(name) {
        return Ok(folder);
    }
    download(name, endpoint).with_context(|| {
        format!(
            "the weights of {name} are neither in a local folder nor in the Hub's cache, and could not be downloaded; \
             give --policy.clip_path=FOLDER, or train from random towers with --policy.vision_encoder_init=random"
        )
    })
}

/// A snapshot in the Hub's cache that holds the weights, of whatever revision; one with the configuration first.
fn cached(name: &str) -> Option<PathBuf> {
    let snapshots = Cache::from_env().path().join(Repo::model(name.to_owned()).folder_name()).join("snapshots");
    let folders = std::fs::read_dir(snapshots).ok()?.flatten().map(|entry| entry.path());
    let mut folders: Vec<PathBuf> = folders.filter(|folder| folder.join(WEIGHTS).is_file()).collect();
    folders.sort_by_key(|folder| !folder.join(CONFIG).is_file());
    folders.into_iter().next()
}

fn download(name: &str, endpoint: Option<&str>) -> Result<PathBuf> {
    if env::var("HF_HUB_OFFLINE").is_ok_and(|value| value != "0") {
        bail!("HF_HUB_OFFLINE is set");
    }
    let mut builder = ApiBuilder::from_env().with_progress(true);
    if let Some(endpoint) = endpoint {
        builder = builder.with_endpoint(endpoint.to_owned());
    }
    let api = builder.build()?;
    let main = api.model(name.to_owned());
    main.get(CONFIG).context(CONFIG)?;
    match main.get(WEIGHTS) {
        Ok(weights) => parent(&weights),
        Err(error) => {
            let Some(revision) = converted(name, endpoint) else { return Err(error).context(WEIGHTS) };
            let converted = api.repo(Repo::with_revision(name.to_owned(), RepoType::Model, revision));
            converted.get(CONFIG).context(CONFIG)?;
            parent(&converted.get(WEIGHTS).context(WEIGHTS)?)
        }
    }
}

/// The Hub's own conversion of a model that has no safetensors yet: the pull request of its bot, where transformers finds the
/// weights too.
fn converted(name: &str, endpoint: Option<&str>) -> Option<String> {
    let endpoint = endpoint.map(str::to_owned).or_else(|| env::var("HF_ENDPOINT").ok());
    let endpoint = endpoint.unwrap_or_else(|| "https://huggingface.co".to_owned());
    let address = format!("{}/api/models/{name}/discussions?p=0", endpoint.trim_end_matches('/'));
    let text = ureq::get(address).call().ok()?.body_mut().read_to_string().ok()?;
    let listed: serde_json::Value = serde_json::from_str(&text).ok()?;
    let by_bot = |of: &&serde_json::Value| of["isPullRequest"] == true && of["author"]["name"] == "SFconvertbot";
    let number = listed["discussions"].as_array()?.iter().find(by_bot)?["num"].as_u64()?;
    Some(format!("refs/pr/{number}"))
}

fn parent(file: &Path) -> Result<PathBuf> {
    file.parent().map(Path::to_owned).context("a file in a folder")
}

/// The folder of a dataset: the one given, else where `LeRobot` keeps the dataset of that name.
pub(crate) fn dataset_folder(root: Option<&Path>, repo_id: &str, revision: Option<&str>) -> Result<PathBuf> {
    if let Some(root) = root {
        return Ok(root.to_owned());
    }
    let home = env::var_os("HF_LEROBOT_HOME").map(PathBuf::from).or_else(|| {
        let cache = env::var_os("HF_HOME").map(PathBuf::from);
        cache.or_else(|| env::home_dir().map(|home| home.join(".cache/huggingface"))).map(|cache| cache.join("lerobot"))
    });
    let home = home.context("the home folder is unknown; give --dataset.root=FOLDER")?;
    let folder = home.join(repo_id);
    if revision.is_none() && folder.join("meta/info.json").is_file() {
        return Ok(folder);
    }
    let cached = home.join("hub").join(format!("datasets--{}", repo_id.replace('/', "--")));
    let snapshots = cached.join("snapshots");
    // A branch or tag is a file with the commit in it.
    let commit =
        revision.map(|name| std::fs::read_to_string(cached.join("refs").join(name)).unwrap_or(name.to_owned()));
    let found = std::fs::read_dir(&snapshots).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_wanted = |path: &PathBuf| commit.as_ref().is_none_or(|commit| path.ends_with(commit.trim()));
    match found.filter(|path| is_wanted(path) && path.join("meta/info.json").is_file()).max() {
        Some(snapshot) => Ok(snapshot),
        None => bail!(
            "the dataset {repo_id} is not on this machine (looked in {} and {}); download it, or give --dataset.root=FOLDER",
            folder.display(),
            snapshots.display()
        ),
    }
}

/// Where decoded frames are kept unless a folder is given.
pub(crate) fn frame_cache_folder() -> PathBuf {
    own_cache().join("frames")
}

/// What can be made anew.
fn own_cache() -> PathBuf {
    let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| env::home_dir().map(|home| home.join(".cache")));
    cache.unwrap_or_else(env::temp_dir).join("mtdit")
}
