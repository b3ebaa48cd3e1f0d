//! What the tests share: a folder of their own, the binary in it, a tiny policy, tensors in files.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use image::{Rgb, RgbImage};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Longest time that a tiny training may take to get somewhere.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What a person's shell may hold and a test must not see.
const FOREIGN: [&str; 14] = [
    "HF_ENDPOINT",
    "HF_HUB_OFFLINE",
    "HF_LEROBOT_HOME",
    "HF_TOKEN",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "RUST_BACKTRACE",
    "COLUMNS",
];

/// A policy for pictures of 48 x 64, four state values and three actions.
const TINY: [&str; 9] = [
    "--policy.horizon=8",
    "--policy.n_action_steps=4",
    "--policy.hidden_dim=16",
    "--policy.num_layers=1",
    "--policy.num_heads=2",
    "--policy.timestep_embed_dim=8",
    "--policy.image_crop_shape=[32,32]",
    "--device=cpu",
    "--num_workers=1",
];

/// A folder under `tests/golden` of the repository.
pub(crate) fn golden(path: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden")).join(path)
}

/// CLIP's `config.json` with towers of one layer.
pub(crate) fn clip_json() -> Value {
    json!({
        "text_config": {
            "hidden_size": 16,
            "intermediate_size": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "vocab_size": 49_408,
            "max_position_embeddings": 77,
            "eos_token_id": 49_407,
            "hidden_act": "quick_gelu",
            "layer_norm_eps": 1e-5
        },
        "vision_config": {
            "hidden_size": 16,
            "intermediate_size": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "image_size": 32,
            "patch_size": 8,
            "hidden_act": "quick_gelu",
            "layer_norm_eps": 1e-5
        }
    })
}

/// A folder that is gone when the test ends. It holds `clip/config.json` and `good.png` of 64 x 48.
#[derive(Debug)]
pub(crate) struct Place {
    folder: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let place = Self { folder: tempfile::tempdir().expect("a temporary folder") };
        fs::create_dir(place.path("clip")).expect("a new folder");
        fs::write(place.path("clip/config.json"), clip_json().to_string()).expect("a new file");
        picture(&place.path("good.png"), 64, 48);
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The binary, started in the folder, with every cache in it.
    pub(crate) fn mtdit(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mtdit"));
        command.args(arguments).current_dir(self.folder.path()).stdin(Stdio::null());
        for name in FOREIGN {
            command.env_remove(name);
        }
        command.env("HF_HOME", self.path("hub")).env("XDG_CACHE_HOME", self.path("cache"));
        command
    }

    /// A training of the tiny policy from random towers.
    pub(crate) fn train(&self, dataset: &str, output: &str) -> Command {
        let mut command = self.train_with_clip(&self.path("clip").display().to_string(), dataset, output);
        command.arg("--policy.vision_encoder_init=random");
        command
    }

    /// A training of the tiny policy from the CLIP model of that name.
    pub(crate) fn train_with_clip(&self, clip: &str, dataset: &str, output: &str) -> Command {
        let mut command = self.mtdit(&["train"]);
        command
            .arg(format!("--policy.vision_encoder_name={clip}"))
            .arg(format!("--policy.text_encoder_name={clip}"))
            .args(TINY)
            .arg(format!("--frame_cache_dir={}", self.path("frames").display()))
            .arg(format!("--dataset.root={}", golden("datasets").join(dataset).display()))
            .arg(format!("--output_dir={}", self.path(output).display()));
        command
    }

    /// The run in a folder goes on.
    pub(crate) fn resume(&self, output: &str) -> Command {
        let mut command = self.mtdit(&["train", "--resume=true"]);
        command.arg(format!("--config_path={}", self.path(output).display()));
        command
    }

    /// A quick prediction of a policy trained on `png_in_parquet`.
    pub(crate) fn predict(&self, checkpoint: &str) -> Command {
        let sampler = ["--sampler", "ddim", "--steps", "2", "--device", "cpu"];
        let mut command = self.mtdit(&["predict", "--image", "top=good.png", "--state", "0.1,0.2,0.3,0.4"]);
        command.args(["--task", "pick the cube", "--checkpoint", checkpoint]).args(sampler);
        command
    }
}

/// How a program ended and what it said.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs a program to its end.
pub(crate) fn run(command: &mut Command) -> Run {
    let Output { status, stdout, stderr } = command.output().expect("the program starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("programs write UTF-8");
    Run { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
}

impl Run {
    fn told(&self) -> String {
        format!("exit status {:?}\n--- stdout\n{}\n--- stderr\n{}", self.code, self.stdout, self.stderr)
    }

    /// Asserts that all went well.
    pub(crate) fn succeeded(self) -> Self {
        assert!(self.code == Some(0) && !self.stderr.contains("panicked"), "{}", self.told());
        self
    }

    /// Asserts that the program refused, and returns why: its last line, which says nothing twice.
    pub(crate) fn refused(&self) -> &str {
        assert!(self.code == Some(1) && !self.stderr.contains("panicked"), "{}", self.told());
        let sentences = self.stderr.lines().filter(|line| line.starts_with("mtdit: ")).count();
        assert_eq!(sentences, 1, "one sentence says what is wrong\n{}", self.told());
        let last = self.stderr.lines().last().and_then(|line| line.strip_prefix("mtdit: "));
        let sentence = last.unwrap_or_else(|| panic!("the sentence is not the last line\n{}", self.told()));
        let is_twice = |(at, _): (usize, &str)| sentence[..at].ends_with(&sentence[at + 2..]);
        assert!(!sentence.match_indices(": ").any(is_twice), "it says the same twice: {sentence}");
        sentence
    }

    /// The same for a program that says nothing before.
    pub(crate) fn refused_at_once(&self) -> &str {
        assert_eq!(self.stderr.lines().count(), 1, "one line says what is wrong\n{}", self.told());
        assert_eq!(self.stdout, "", "nothing is answered");
        self.refused()
    }

    /// What was printed, as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}\n{}", self.told()))
    }
}

/// A program that runs beside the test and does not outlive it.
#[derive(Debug)]
pub(crate) struct Started {
    child: Child,
    log: PathBuf,
}

impl Started {
    /// Starts a program with its standard error in a file.
    pub(crate) fn new(command: &mut Command, log: PathBuf) -> Self {
        let file = File::create(&log).expect("a new file");
        let child = command.stdout(Stdio::null()).stderr(file).spawn().expect("the program starts");
        Self { child, log }
    }

    /// What it said so far.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.log).expect("a readable log")
    }

    /// Waits until it has said these words.
    pub(crate) fn wait_for(&mut self, words: &str) {
        let began = Instant::now();
        while !self.said().contains(words) {
            assert!(began.elapsed() < PATIENCE, "no `{words}` in\n{}", self.said());
            assert!(self.is_running(), "it ended without `{words}`\n{}", self.said());
            thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child of this test").is_none()
    }

    /// Waits for it to end by itself.
    pub(crate) fn end(&mut self) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child of this test") {
                return status;
            }
            assert!(began.elapsed() < PATIENCE, "it does not end\n{}", self.said());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends it at once, without a chance to do anything.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("a child of this test");
        self.child.wait().expect("a child of this test");
    }

    /// Sends a signal by its name.
    #[cfg(unix)]
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", name, &pid]).status().expect("the program `kill`");
        assert!(status.success(), "no {name} for process {pid}");
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The step of a run's last checkpoint.
pub(crate) fn last_step(run: &Path) -> u64 {
    let file = run.join("checkpoints/last/training_state/training_step.json");
    read_json(&file)["step"].as_u64().expect("the step is a number")
}

pub(crate) fn read_json(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The lines of a run's `metrics.jsonl`.
pub(crate) fn metrics(run: &Path) -> Vec<Value> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).expect("the metrics of a run");
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

/// Every file of a folder, by its path from there, in order. Links are left out.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(inner) = folders.pop() {
        let entries = fs::read_dir(folder.join(&inner)).expect("a readable folder");
        for entry in entries.map(|entry| entry.expect("a readable folder")) {
            let kind = entry.file_type().expect("a readable folder");
            let path = inner.join(entry.file_name());
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// What an unfinished save has left in a run's folder.
pub(crate) fn unfinished(run: &Path) -> Vec<PathBuf> {
    let entries = |folder: &Path| fs::read_dir(folder).expect("a folder of the run");
    let all =
        entries(run).chain(entries(&run.join("checkpoints"))).map(|entry| entry.expect("a readable folder").path());
    all.filter(|path| path.to_string_lossy().ends_with(".partial")).collect()
}

/// Copies a folder without its links.
pub(crate) fn copy_folder(from: &Path, to: &Path) {
    for file in files(from) {
        let target = to.join(&file);
        fs::create_dir_all(target.parent().expect("a file in a folder")).expect("a new folder");
        fs::copy(from.join(&file), target).expect("a copy");
    }
}

/// Writes a picture of one colour.
pub(crate) fn picture(path: &Path, width: u32, height: u32) {
    RgbImage::from_pixel(width, height, Rgb([40, 120, 200])).save(path).expect("a new picture");
}

/// A tensor as it lies in a file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tensor {
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
    pub(crate) bytes: Vec<u8>,
}

impl Tensor {
    pub(crate) fn floats(shape: &[usize], values: &[f32]) -> Self {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Self { dtype: Dtype::F32, shape: shape.to_vec(), bytes }
    }

    pub(crate) fn values(&self) -> Vec<f32> {
        let number = |bytes: &[u8]| f32::from_le_bytes(bytes.try_into().expect("four bytes"));
        self.bytes.chunks_exact(4).map(number).collect()
    }
}

/// A tensor of a safetensors file.
pub(crate) fn read_tensor(file: &Path, name: &str) -> Tensor {
    let bytes = fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let tensors = SafeTensors::deserialize(&bytes).expect("safetensors");
    let view = tensors.tensor(name).unwrap_or_else(|error| panic!("{name}: {error}"));
    Tensor { dtype: view.dtype(), shape: view.shape().to_vec(), bytes: view.data().to_vec() }
}

/// Writes a safetensors file.
pub(crate) fn write_tensors(file: &Path, tensors: &[(String, Tensor)]) {
    let views = tensors.iter().map(|(name, tensor)| {
        let view = TensorView::new(tensor.dtype, tensor.shape.clone(), &tensor.bytes);
        (name.as_str(), view.unwrap_or_else(|error| panic!("{name}: {error}")))
    });
    fs::write(file, safetensors::serialize(views, None).expect("well-formed tensors")).expect("a new file");
}
