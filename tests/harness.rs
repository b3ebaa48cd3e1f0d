//! What all tests share: the backends, the tolerances, the golden cases and what is measured on them.
//!
//! It compiles for the browser too, where `browser/goldens.rs` measures the same.
#![recursion_limit = "512"]

pub mod measure;

use std::env;
#[cfg(not(target_family = "wasm"))]
use std::fs;
#[cfg(not(target_family = "wasm"))]
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
#[cfg(not(target_family = "wasm"))]
use mtdit_policy::Policy;
use mtdit_policy::PolicyConfig;
use mtdit_policy::checkpoint::safetensors::WeightBytes;
use mtdit_policy::checkpoint::{CheckpointParts, WeightSource};
use mtdit_policy::config::NormalizationMode;
#[cfg(not(target_family = "wasm"))]
use mtdit_train::CheckpointFolder;
use serde_json::Value;

/// How far two numbers may be apart: a share of the expected number's own size, and a share of the largest of its tensor.
///
/// The second is what rounding leaves on small numbers; it is kept small so that a small number that is wrong by a percent is
/// seen as well.
#[derive(Clone, Copy, Debug)]
pub struct Tolerance {
    /// Of the number itself.
    pub own: f64,
    /// Of the largest.
    pub largest: f64,
}

/// One forward pass: two implementations in single precision that add in different orders.
pub const FORWARD: Tolerance = Tolerance { own: 1.5e-5, largest: 5e-6 };
/// The derivative of a forward pass.
pub const GRADIENT: Tolerance = Tolerance { own: 1.5e-4, largest: 5e-6 };
/// A sampled chunk: up to a hundred forward passes, each on the last one's error.
pub const SAMPLED: Tolerance = Tolerance { own: 1.5e-4, largest: 5e-5 };
/// A parameter that moved by a few thousandths of itself.
pub const PARAMETER: Tolerance = Tolerance { own: 1.5e-5, largest: 2e-6 };

/// Instantiates test bodies `fn(Device)` once per backend: `stage::backend::claim`.
#[macro_export]
macro_rules! on_every_backend {
    ($($test:ident),+ $(,)?) => {
        #[cfg(feature = "flex")]
        mod flex { $( #[test] fn $test() { super::$test(&burn::tensor::Device::flex()); } )+ }
        #[cfg(feature = "ndarray")]
        #[expect(deprecated, reason = "the second opinion, as long as there is one")]
        mod ndarray { $( #[test] fn $test() { super::$test(&burn::tensor::Device::ndarray()); } )+ }
        #[cfg(feature = "wgpu")]
        mod wgpu { $( #[test] fn $test() { super::$test(&burn::tensor::Device::wgpu(burn::tensor::DeviceKind::DefaultDevice)); } )+ }
        #[cfg(feature = "cuda")]
        mod cuda { $( #[test] fn $test() { super::$test(&burn::tensor::Device::cuda(0)); } )+ }
    };
}

/// Folder `tests/golden` of the repository.
#[cfg(not(target_family = "wasm"))]
pub fn golden_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden")
}

/// A genuine `LeRobot` policy with inputs and expected outputs of every stage.
#[derive(Debug)]
pub struct Case {
    /// The case's name.
    pub name: String,
    /// Its folder.
    #[cfg(not(target_family = "wasm"))]
    pub folder: PathBuf,
    /// Inputs and expected outputs.
    pub io: WeightBytes,
    /// `case.json`.
    pub description: Value,
    /// The policy's configuration.
    pub config: PolicyConfig,
    /// The checkpoint's small files.
    pub parts: CheckpointParts,
}

/// All cases in the folder that `MTDIT_GOLDEN_DIR` names, or in `tests/golden/cases`.
///
/// # Panics
/// When there is none: a suite that compares nothing must not pass.
#[cfg(not(target_family = "wasm"))]
pub fn cases() -> Vec<Case> {
    let folder = env::var_os("MTDIT_GOLDEN_DIR").map_or_else(|| golden_dir().join("cases"), PathBuf::from);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("golden cases in {}: {error}", folder.display()));
    let mut folders: Vec<PathBuf> = entries
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.join("io.safetensors").is_file())
        .collect();
    folders.sort();
    assert!(!folders.is_empty(), "there is no golden case in {}", folder.display());
    folders.iter().map(|folder| Case::open(folder)).collect()
}

#[cfg(not(target_family = "wasm"))]
impl Case {
    fn open(folder: &Path) -> Self {
        let read = |name: &str| {
            fs::read(folder.join(name)).unwrap_or_else(|error| panic!("{}/{name}: {error}", folder.display()))
        };
        let parts =
            CheckpointFolder::find(&folder.join("checkpoint")).expect("a checkpoint").parts().expect("its files");
        let parts = with_normalised_inputs(parts);
        Self {
            name: folder.file_name().expect("a name").to_string_lossy().into_owned(),
            io: WeightBytes::new("io.safetensors", read("io.safetensors")).expect("safetensors"),
            description: serde_json::from_slice(&read("case.json")).expect("JSON"),
            config: PolicyConfig::try_from(&parts.config).expect("a valid configuration"),
            parts,
            folder: folder.to_owned(),
        }
    }

    /// The policy of this case on a device.
    pub fn policy(&self, device: &Device) -> Policy {
        let folder = CheckpointFolder::find(&self.folder.join("checkpoint")).expect("a checkpoint");
        folder.policy_with(&self.parts, device).unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }
}

/// Cases without processor files hold inputs that are normalised already.
#[must_use]
pub fn with_normalised_inputs(mut parts: CheckpointParts) -> CheckpointParts {
    if parts.statistics.is_empty() {
        for kind in ["VISUAL", "STATE", "ACTION"] {
            parts.config.normalization_mapping.insert(kind.to_owned(), NormalizationMode::Identity);
        }
    }
    parts
}

impl Case {
    /// Whether the case holds a tensor.
    pub fn has(&self, name: &str) -> bool {
        self.io.index().shape(name).is_some()
    }

    /// Names of all tensors that begin with `prefix`, without it.
    pub fn io_names(&self, prefix: &str) -> Vec<String> {
        self.io.index().iter().filter_map(|(name, _)| name.strip_prefix(prefix)).map(str::to_owned).collect()
    }

    /// Shape of a tensor.
    pub fn shape(&self, name: &str) -> Vec<usize> {
        self.io.index().shape(name).unwrap_or_else(|| panic!("{}: no tensor {name}", self.name)).to_vec()
    }

    /// Values of a float tensor.
    pub fn floats(&self, name: &str) -> Vec<f32> {
        self.io.values(name).unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    /// Values of a 64-bit integer tensor.
    pub fn integers(&self, name: &str) -> Vec<i64> {
        let bytes = self.io.bytes(name).unwrap_or_else(|error| panic!("{}: {error}", self.name));
        bytes.chunks_exact(8).map(|b| i64::from_le_bytes(b.try_into().expect("eight bytes"))).collect()
    }

    /// Timesteps: whole numbers for diffusion, floats for flow matching.
    #[expect(clippy::cast_precision_loss, reason = "timesteps are small")]
    pub fn timesteps(&self, name: &str) -> Vec<f32> {
        match self.io.values(name) {
            Ok(values) => values,
            Err(_) => self.integers(name).into_iter().map(|t| t as f32).collect(),
        }
    }

    /// A float tensor on a device.
    pub fn tensor<const D: usize>(&self, name: &str, device: &Device) -> Tensor<D> {
        Tensor::from_data(TensorData::new(self.floats(name), self.shape(name)), device)
    }

    /// Token ids, one list per sample.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "token ids are small")]
    pub fn tokens(&self) -> Vec<Vec<u32>> {
        let length = self.shape("in.language.tokens")[1];
        let ids: Vec<u32> = self.integers("in.language.tokens").into_iter().map(|id| id as u32).collect();
        ids.chunks(length).map(<[u32]>::to_vec).collect()
    }
}

/// Compares with the golden tensor `name`.
///
/// # Panics
/// With the worst element, both values and the tolerance when the error exceeds it.
pub fn assert_golden<const D: usize>(case: &Case, name: &str, found: Tensor<D>, tolerance: Tolerance) {
    let shape = case.shape(name);
    assert_eq!(found.dims().to_vec(), shape, "{}: shape of {name}", case.name);
    let found = found.into_data().try_to_vec::<f32>().expect("single precision");
    assert_close(&format!("{}: {name}", case.name), &found, &case.floats(name), tolerance);
}

/// Compares values.
///
/// # Panics
/// With the worst element, both values and the tolerance when the error exceeds it.
pub fn assert_close(what: &str, found: &[f32], expected: &[f32], tolerance: Tolerance) {
    measure::compare(what, found, expected, tolerance).hold();
}

/// The same with `scale` in place of the largest value: for tensors that are zero but for rounding, such as the gradients of
/// key biases, which softmax cancels.
///
/// # Panics
/// As [`assert_close`].
pub fn assert_close_to(what: &str, found: &[f32], expected: &[f32], tolerance: Tolerance, scale: f64) {
    measure::compare_to(what, found, expected, tolerance, scale).hold();
}

/// Whether every comparison is to be printed.
fn prints_errors() -> bool {
    env::var_os("MTDIT_PRINT_ERRORS").is_some()
}
