//! What a published site says about its checkpoints: written by `mtdit publish`, read by the page and the engine.
//!
//! `models/index.json` ([`Site`]) lists the checkpoints; `manifest.json` ([`Manifest`]) in each checkpoint's folder lists its
//! files. A folder without a manifest is a plain `LeRobot` checkpoint and loads as well, without hashes.

use serde::{Deserialize, Serialize};

use crate::protocol::SampleObservation;

/// Where the site's list lies, below the page.
pub const SITE: &str = "models/index.json";
/// Where a checkpoint's list lies, below its folder.
pub const MANIFEST: &str = "manifest.json";

/// All checkpoints of a site.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Site {
    /// In the order they are shown.
    pub checkpoints: Vec<Listed>,
}

/// A checkpoint in the site's list.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Listed {
    /// Its folder, below the list.
    pub folder: String,
    /// A name for people.
    pub name: String,
    /// One sentence about it.
    #[serde(default)]
    pub description: String,
    /// Bytes of all its files.
    pub bytes: u64,
    /// A picture of its sample observation, below its folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture: Option<String>,
}

/// All files of a checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// A name for people.
    pub name: String,
    /// One sentence about it.
    #[serde(default)]
    pub description: String,
    /// Its files.
    pub files: Vec<ListedFile>,
    /// One observation to begin with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample: Option<SampleObservation>,
    /// What the policy answers to it, computed when the site was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<ExpectedChunk>,
}

/// A file of a checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedFile {
    /// Its path below the folder.
    pub path: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// SHA-256 of its bytes, in small hexadecimal digits.
    pub sha256: String,
    /// Where it was cut because a host limits the size of a file: `path.000`, `path.001`, .. in this order. Empty when it was
    /// not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pieces: Vec<Piece>,
}

/// A piece of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// Its path below the folder.
    pub path: String,
    /// Its length in bytes.
    pub bytes: u64,
}

/// The known answer to a sample observation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ExpectedChunk {
    /// Name of the sampler.
    pub sampler: String,
    /// Its steps.
    pub steps: usize,
    /// Seed of the noise.
    pub seed: u64,
    /// `[horizon][action_dim]`, normalised.
    pub actions: Vec<Vec<f32>>,
}

impl Manifest {
    /// A file by its path.
    pub fn file(&self, path: &str) -> Option<&ListedFile> {
        self.files.iter().find(|file| file.path == path)
    }
}
