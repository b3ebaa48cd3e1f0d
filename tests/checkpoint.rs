//! Checkpoints: what is written is what was read, and every kind of damage has an error that names it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use burn::module::Param;
use burn::tensor::{Device, Tensor};
use mtdit_policy::checkpoint::keys::{KeyMap, Layout, NamedVisitor, visit_named};
use mtdit_policy::checkpoint::processors::{
    POSTPROCESSOR, POSTPROCESSOR_STATE, PREPROCESSOR, PREPROCESSOR_STATE, read_statistics,
};
use mtdit_policy::checkpoint::safetensors::MAX_HEADER;
use mtdit_policy::checkpoint::{CheckpointParts, LeRobotConfig, WeightBytes};
use mtdit_policy::config::NormalizationMode;
use mtdit_policy::{ConfigError, Policy, PolicyConfig, PolicyError, Precision, StatsError, WeightError};
use mtdit_tests::{Case, FORWARD, SAMPLED, assert_close, cases, golden_dir, on_every_backend};
use mtdit_train::atomic::replace_link;
use mtdit_train::folder::WeightFile;
use mtdit_train::save::CheckpointWriter;
use mtdit_train::{CheckpointFolder, TrainError};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::policy::{noise, observation, predict, raw_cases};

on_every_backend!(
    a_written_checkpoint_is_the_one_that_was_read,
    every_key_is_mapped_once,
    weights_of_two_bytes_are_read,
    a_missing_tensor_is_named,
    a_misshapen_tensor_is_named,
    a_tensor_too_many_is_named,
    integers_and_doubles_are_refused,
    nan_and_infinity_are_refused,
    config_and_weights_must_belong_together,
    damaged_statistics_are_refused,
    a_constant_dimension_is_listed,
    damaged_processor_files_are_refused,
    missing_files_are_named,
);

// ---- A checkpoint that may be damaged

fn golden() -> PathBuf {
    golden_dir().join("cases/pipeline_ddim/checkpoint")
}

fn find(path: &Path) -> CheckpointFolder {
    CheckpointFolder::find(path).unwrap_or_else(|error| panic!("{error}"))
}

/// A copy of the golden checkpoint, to be damaged.
fn copy() -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::create_dir(folder.path().join("clip")).expect("a folder");
    let files = fs::read_dir(golden()).expect("the golden checkpoint").map(|entry| entry.expect("an entry").path());
    let names = files.filter(|path| path.is_file()).map(|path| path.file_name().expect("a name").to_owned());
    for name in names.map(PathBuf::from).chain([PathBuf::from("clip/config.json")]) {
        write(&folder.path().join(&name), &read(&golden().join(&name)));
    }
    folder
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn write(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&read(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// One tensor of a safetensors file.
#[derive(Clone, Debug, PartialEq)]
struct Stored {
    name: String,
    dtype: String,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

fn unpack(file: &[u8]) -> Vec<Stored> {
    let length = u64::from_le_bytes(file[..8].try_into().expect("eight bytes"));
    let (header, data) = file[8..].split_at(usize::try_from(length).expect("a short header"));
    let header: Map<String, Value> = serde_json::from_slice(header).expect("JSON");
    let number = |value: &Value| usize::try_from(value.as_u64().expect("a number")).expect("a small number");
    let tensor = |(name, info): (&String, &Value)| Stored {
        name: name.clone(),
        dtype: info["dtype"].as_str().expect("a dtype").to_owned(),
        shape: info["shape"].as_array().expect("a shape").iter().map(number).collect(),
        bytes: data[number(&info["data_offsets"][0])..number(&info["data_offsets"][1])].to_vec(),
    };
    header.iter().filter(|(name, _)| name.as_str() != "__metadata__").map(tensor).collect()
}

fn pack(tensors: &[Stored]) -> Vec<u8> {
    let mut header = Map::new();
    let mut data = Vec::new();
    for Stored { name, dtype, shape, bytes } in tensors {
        let start = data.len();
        data.extend_from_slice(bytes);
        header.insert(name.clone(), json!({"dtype": dtype, "shape": shape, "data_offsets": [start, data.len()]}));
    }
    file(&Value::Object(header).to_string(), &data)
}

/// A safetensors file with any header.
fn file(header: &str, data: &[u8]) -> Vec<u8> {
    with_length(header.len() as u64, &[header.as_bytes(), data].concat())
}

fn with_length(length: u64, rest: &[u8]) -> Vec<u8> {
    [length.to_le_bytes().as_slice(), rest].concat()
}

fn by_name(tensors: Vec<Stored>) -> BTreeMap<String, Stored> {
    tensors.into_iter().map(|tensor| (tensor.name.clone(), tensor)).collect()
}

/// The golden checkpoint in memory.
struct Golden {
    parts: CheckpointParts,
    tensors: Vec<Stored>,
}

impl Golden {
    fn read() -> Self {
        let parts = find(&golden()).parts().expect("the small files");
        Self { parts, tensors: unpack(&read(&golden().join("model.safetensors"))) }
    }

    /// Loads it after a change.
    fn load(&self, device: &Device, change: impl FnOnce(&mut Vec<Stored>)) -> Result<Policy, PolicyError> {
        let mut tensors = self.tensors.clone();
        change(&mut tensors);
        load(&self.parts, &tensors, device)
    }

    fn position(&self, name: &str) -> usize {
        self.tensors.iter().position(|tensor| tensor.name == name).unwrap_or_else(|| panic!("no tensor {name}"))
    }
}

fn load(parts: &CheckpointParts, tensors: &[Stored], device: &Device) -> Result<Policy, PolicyError> {
    let mut source = WeightBytes::new("model.safetensors", pack(tensors))?;
    pollster::block_on(parts.load(&mut source, Precision::F32, device))
}

// ---- Round trip

fn writer(policy: &Policy, config: LeRobotConfig, parts: &CheckpointParts, folder: &Path) -> CheckpointWriter {
    CheckpointWriter {
        folder: folder.to_owned(),
        config,
        clip: policy.clip().clone(),
        keys: KeyMap::new(policy.config()),
        statistics: parts.statistics.clone(),
        train_config: json!({}),
        extras: json!({}),
        total_steps: 10,
        keep_last: 0,
    }
}

/// What the denoiser answers to the case's inputs.
fn denoised(case: &Case, policy: &Policy, device: &Device) -> Vec<f32> {
    let conditioning = policy.network().encode(mtdit_tests::measure::inputs(case, policy, device));
    let noisy: Tensor<3> = case.tensor("in.x_t", device);
    let output = policy.network().noise_predictor.forward(noisy, &case.timesteps("in.t"), &conditioning, None);
    output.into_data().try_to_vec::<f32>().expect("single precision")
}

fn a_written_checkpoint_is_the_one_that_was_read(device: &Device) {
    for case in cases() {
        let source = find(&case.folder.join("checkpoint"));
        let parts = source.parts().expect("the small files");
        let policy = case.policy(device);
        let mut config = source.config().expect("a configuration");
        let mut expected = read_json(&source.root().join("config.json"));
        if parts.statistics.is_empty() {
            for kind in ["VISUAL", "STATE", "ACTION"] {
                config.normalization_mapping.insert(kind.to_owned(), NormalizationMode::Identity);
                expected["normalization_mapping"][kind] = json!("IDENTITY");
            }
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        let written = folder.path().join("pretrained_model");
        writer(&policy, config, &parts, folder.path()).write_policy(&written, policy.network()).expect("a checkpoint");

        assert_eq!(read_json(&written.join("config.json")), expected, "{}: config.json", case.name);
        let [before, after] =
            [source.root(), written.as_path()].map(|folder| by_name(unpack(&read(&folder.join("model.safetensors")))));
        let names = |tensors: &BTreeMap<String, Stored>| tensors.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&after), names(&before), "{}: names of tensors", case.name);
        for (name, tensor) in &after {
            let is_same = *tensor == before[name];
            assert!(is_same, "{}: {name} has other bytes, dtype or shape", case.name);
        }

        let again = find(folder.path());
        let parts_again = again.parts().expect("the small files");
        assert_eq!(parts_again.statistics, parts.statistics, "{}: statistics", case.name);
        assert_eq!(parts_again.action_statistics, parts.action_statistics, "{}: action statistics", case.name);
        let policy_again = again.policy(device).expect("the written policy");
        assert_eq!(policy_again.clip(), policy.clip(), "{}: CLIP towers", case.name);
        assert_eq!(policy_again.config(), policy.config(), "{}: configuration", case.name);
        let [before, after] = [&policy, &policy_again].map(|policy| denoised(&case, policy, device));
        assert_close(&format!("{}: prediction", case.name), &after, &before, FORWARD);
    }
}

#[derive(Default)]
struct Keys(Vec<String>);

impl NamedVisitor for Keys {
    fn visit<const D: usize>(&mut self, key: &str, _: Layout, _: &Param<Tensor<D>>) {
        self.0.push(key.to_owned());
    }
}

fn every_key_is_mapped_once(device: &Device) {
    for case in cases() {
        let policy = case.policy(device);
        let mut keys = Keys::default();
        visit_named(policy.network(), KeyMap::new(policy.config()), &mut keys);
        keys.0.sort();
        let folder = find(&case.folder.join("checkpoint"));
        let mut names: Vec<String> =
            unpack(&read(&folder.root().join("model.safetensors"))).into_iter().map(|tensor| tensor.name).collect();
        names.sort();
        assert_eq!(keys.0, names, "{}: keys of the network and of the file", case.name);
    }
}

/// A number cut to two bytes, and what it then is in four.
fn in_two_bytes(dtype: &str, value: f32) -> ([u8; 2], f32) {
    let bits = value.to_bits();
    let exponent = (bits >> 23) & 0xff;
    let (half, kept) = match dtype {
        "BF16" => (bits >> 16, bits & 0xffff_0000),
        _ if exponent < 113 => ((bits >> 16) & 0x8000, bits & 0x8000_0000),
        _ => (((bits >> 16) & 0x8000) | ((exponent - 112) << 10) | ((bits >> 13) & 0x3ff), bits & 0xffff_e000),
    };
    (u16::try_from(half).expect("sixteen bits").to_le_bytes(), f32::from_bits(kept))
}

fn weights_of_two_bytes_are_read(device: &Device) {
    for case in raw_cases() {
        let folder = find(&case.folder.join("checkpoint"));
        let parts = folder.parts().expect("the small files");
        let tensors = unpack(&read(&folder.root().join("model.safetensors")));
        let vector = |policy: &Policy| {
            let inputs = policy.preprocessor().inputs(&[observation(&case, 0)]).expect("inputs");
            policy.network().encode(inputs).vector.into_data().try_to_vec::<f32>().expect("single precision")
        };
        let whole = vector(&case.policy(device));
        for (dtype, rounding) in [("F16", 1.0 / 1024.0), ("BF16", 1.0 / 128.0)] {
            let (mut short, mut long) = (tensors.clone(), tensors.clone());
            for (short, long) in short.iter_mut().zip(&mut long) {
                let values = long.bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().expect("four bytes")));
                let (two, four): (Vec<[u8; 2]>, Vec<[u8; 4]>) =
                    values.map(|value| in_two_bytes(dtype, value)).map(|(two, four)| (two, four.to_le_bytes())).unzip();
                dtype.clone_into(&mut short.dtype);
                short.bytes = two.concat();
                long.bytes = four.concat();
            }
            let short = load(&parts, &short, device).expect("weights of two bytes");
            let long = load(&parts, &long, device).expect("the same numbers in four bytes");
            let [found, expected] =
                [&short, &long].map(|policy| predict(policy, &observation(&case, 0), noise(&case, 0, device)));
            let what = format!("{}: {dtype}", case.name);
            assert_close(&what, &found.actions.concat(), &expected.actions.concat(), SAMPLED);
            let largest = whole.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
            for (found, expected) in vector(&short).iter().zip(&whole) {
                // What is cut off a weight stays about that small a share of the features.
                let apart = (found - expected).abs() / largest;
                assert!(apart < 8.0 * rounding, "{what}: a feature is {found} instead of {expected}");
            }
        }
    }
}

// ---- Bytes that are no safetensors file

fn damaged_lengths() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("no byte", Vec::new()),
        ("seven bytes", vec![0; 7]),
        ("eight bytes of zero", vec![0; 8]),
        ("a header longer than the file", with_length(100, b"{}")),
        ("a header one byte longer than the file", with_length(3, b"{}")),
        ("a header of 2^64 - 1 bytes", with_length(u64::MAX, b"{}")),
        ("a header of 2^64 - 8 bytes", with_length(u64::MAX - 7, b"{}")),
        ("a header of 2^63 bytes", with_length(1 << 63, b"{}")),
        ("a header above the cap", with_length(MAX_HEADER + 1, b"{}")),
        ("a header shorter than its JSON", with_length(1, b"{}")),
    ]
}

fn damaged_headers() -> Vec<(&'static str, Vec<u8>)> {
    let one = |info: &str| format!("{{\"a\":{info}}}");
    let f32s = |shape: &str, offsets: &str| {
        one(&format!("{{\"dtype\":\"F32\",\"shape\":[{shape}],\"data_offsets\":[{offsets}]}}"))
    };
    let two = |left: &str, a: &str, right: &str, b: &str| {
        let info = |offsets: &str| format!("{{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[{offsets}]}}");
        format!("{{\"{left}\":{},\"{right}\":{}}}", info(a), info(b))
    };
    // Eight tensors whose sizes are valid one by one and add up to almost 2^64.
    let huge = (1_u64 << 61) - 1;
    let info = |i: u64| json!({"dtype": "U8", "shape": [huge], "data_offsets": [i * huge, (i + 1) * huge]});
    let enormous: Map<String, Value> = (0..8).map(|i| (format!("t{i}"), info(i))).collect();
    let eight = [0; 8];
    vec![
        ("bytes that are not UTF-8", with_length(4, &[0xff, 0xfe, 0xfd, 0xfc])),
        ("a name that is not UTF-8", with_length(8, b"{\"\xff\xfe\":1}")),
        ("no JSON", file("hello", &[])),
        ("a list", file("[]", &[])),
        ("JSON that ends early", file("{\"a\":{\"dtype\":\"F32\"", &[])),
        ("100,000 brackets", file(&"[".repeat(100_000), &[])),
        ("100,000 objects", file(&"{\"a\":".repeat(100_000), &[])),
        ("a key twice, the second time elsewhere", file(&two("a", "0,4", "a", "4,8"), &eight)),
        ("a key twice, the first time elsewhere", file(&two("a", "4,8", "a", "0,4"), &eight)),
        ("overlapping tensors", file(&two("a", "0,4", "b", "2,6"), &eight)),
        ("two tensors in one place", file(&two("a", "0,4", "b", "0,4"), &[0; 4])),
        ("a hole between tensors", file(&two("a", "0,4", "b", "8,12"), &[0; 12])),
        ("a hole before the first tensor", file(&f32s("1", "4,8"), &eight)),
        ("bytes after the last tensor", file(&f32s("1", "0,4"), &eight)),
        ("too few bytes", file(&f32s("2", "0,8"), &[0; 4])),
        ("offsets in reverse", file(&f32s("1", "4,0"), &[0; 4])),
        ("a negative offset", file(&f32s("1", "-4,0"), &[0; 4])),
        ("an offset of 2^64", file(&f32s("1", "0,18446744073709551616"), &[0; 4])),
        ("offsets shorter than shape and dtype", file(&f32s("2", "0,4"), &[0; 4])),
        ("offsets longer than shape and dtype", file(&f32s("1", "0,8"), &eight)),
        ("a shape whose product overflows", file(&f32s("4294967296,4294967296,4294967296", "0,8"), &eight)),
        ("a shape whose bytes overflow", file(&f32s("18446744073709551615", "0,8"), &eight)),
        ("a negative dimension", file(&f32s("-1", "0,4"), &[0; 4])),
        ("a dimension that is no number", file(&f32s("\"1\"", "0,4"), &[0; 4])),
        ("sizes that add up to 2^64", file(&Value::Object(enormous).to_string(), &[])),
        ("an unknown dtype", file(&one("{\"dtype\":\"F128\",\"shape\":[1],\"data_offsets\":[0,4]}"), &[0; 4])),
        ("no dtype", file(&one("{\"shape\":[1],\"data_offsets\":[0,4]}"), &[0; 4])),
        ("no shape", file(&one("{\"dtype\":\"F32\",\"data_offsets\":[0,4]}"), &[0; 4])),
        ("no offsets", file(&one("{\"dtype\":\"F32\",\"shape\":[1]}"), &[0; 4])),
        ("three offsets", file(&f32s("1", "0,4,8"), &[0; 4])),
        ("a tensor that is a number", file(&one("1"), &[])),
        ("metadata that is no text", file("{\"__metadata__\":{\"format\":1}}", &[])),
    ]
}

#[test]
fn malformed_files_are_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("broken.safetensors");
    for (what, bytes) in damaged_lengths().into_iter().chain(damaged_headers()) {
        write(&path, &bytes);
        let error = WeightFile::open(&path).expect_err(what);
        let is_right = matches!(error, TrainError::Policy(PolicyError::Weights(WeightError::Header { .. })));
        assert!(is_right, "{what}: {error}");
        assert!(error.to_string().contains("broken.safetensors"), "{what}: {error}");

        let error = WeightBytes::new("broken.safetensors", bytes).expect_err(what);
        let names_it = matches!(&error, WeightError::Header { file, .. } if file == "broken.safetensors");
        assert!(names_it, "{what}, in memory: {error}");
    }
    assert!(WeightBytes::new("none", file("{}", &[])).is_ok(), "a file may hold no tensor");
}

/// A change to a checkpoint that was read.
type Change = fn(&mut CheckpointParts);

#[test]
fn truncated_files_are_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("model.safetensors");
    let whole = read(&golden().join("model.safetensors"));
    write(&path, &whole);
    let length = whole.len() as u64;
    let tensors = unpack(&whole);
    let data: u64 = tensors.iter().map(|tensor| tensor.bytes.len() as u64).sum();
    let boundaries = tensors.iter().scan(length - data, |end, tensor| {
        *end += tensor.bytes.len() as u64;
        Some(*end)
    });
    let mut cuts: Vec<u64> = (0..200).map(|i| length * i / 200).chain(boundaries).chain(0..16).collect();
    cuts.push(length - 1);
    cuts.push(length - data);
    cuts.retain(|cut| *cut < length);
    cuts.sort_unstable();
    let file = File::options().write(true).open(&path).expect("the file");
    for cut in cuts.into_iter().rev() {
        file.set_len(cut).expect("a shorter file");
        let error = WeightFile::open(&path).expect_err("a truncated file");
        let is_right = matches!(error, TrainError::Policy(PolicyError::Weights(WeightError::Header { .. })));
        assert!(is_right, "cut to {cut} of {length} bytes: {error}");
    }
}

// ---- Tensors that do not fit

/// Whether CLIP's shape is read off a tensor, so that its absence is noticed before the weights are compared.
fn tells_clips_shape(name: &str) -> bool {
    name.ends_with("_embedding.weight") || name.ends_with("mlp.fc1.weight")
}

/// A linear weight, a bias, an embedding without a suffix, one of CLIP's norms.
const SEVERAL: [&str; 4] = [
    "noise_predictor.input_proj.weight",
    "noise_predictor.transformer_blocks.1.attn.qkv_proj.bias",
    "observation_encoder.vision_encoder.model.vision_model.embeddings.class_embedding",
    "observation_encoder.text_encoder.text_encoder.text_model.final_layer_norm.weight",
];

fn a_missing_tensor_is_named(device: &Device) {
    let golden = Golden::read();
    for (i, Stored { name, .. }) in golden.tensors.iter().enumerate() {
        let error = golden.load(device, |tensors| drop(tensors.remove(i))).expect_err(name);
        let is_right = match &error {
            PolicyError::Weights(WeightError::Missing { name: found, .. }) => found == name,
            PolicyError::Config(ConfigError::Clip { .. }) | PolicyError::Weights(WeightError::Extra { .. }) => {
                tells_clips_shape(name)
            }
            _ => false,
        };
        assert!(is_right, "without {name}: {error}");
    }
}

fn a_misshapen_tensor_is_named(device: &Device) {
    let golden = Golden::read();
    for (i, Stored { name, shape, .. }) in golden.tensors.iter().enumerate() {
        let error = golden.load(device, |tensors| tensors[i].shape.push(1)).expect_err(name);
        let is_right = match &error {
            PolicyError::Weights(WeightError::Shape { name: named, found, expected, .. }) => {
                named == name && found.len() == shape.len() + 1 && expected == shape
            }
            PolicyError::Config(ConfigError::Clip { .. }) => tells_clips_shape(name),
            _ => false,
        };
        assert!(is_right, "{name} with a dimension more: {error}");
    }
    let transposed = golden.position("noise_predictor.input_proj.weight");
    let error = golden.load(device, |tensors| tensors[transposed].shape.reverse()).expect_err("a transposed weight");
    let is_right = matches!(
        &error,
        PolicyError::Weights(WeightError::Shape { name, .. }) if name == "noise_predictor.input_proj.weight"
    );
    assert!(is_right, "a transposed weight: {error}");
}

fn a_tensor_too_many_is_named(device: &Device) {
    let golden = Golden::read();
    let stray = |name: &str| Stored {
        name: name.to_owned(),
        dtype: "F32".to_owned(),
        shape: vec![1],
        bytes: 1.0_f32.to_le_bytes().to_vec(),
    };
    for name in ["noise_predictor.stray", "a", "noise_predictor.input_proj.weight.weight", ""] {
        for first in [false, true] {
            let error = golden.load(device, |tensors| {
                let index = if first { 0 } else { tensors.len() };
                tensors.insert(index, stray(name));
            });
            let error = error.expect_err(name);
            let is_right = matches!(
                &error,
                PolicyError::Weights(WeightError::Extra { name: found, count: 1, .. }) if found == name
            );
            assert!(is_right, "with {name:?}: {error}");
        }
    }
    let ids = (0..77_i64).flat_map(i64::to_le_bytes).collect();
    let buffer = Stored {
        name: "observation_encoder.text_encoder.text_encoder.text_model.embeddings.position_ids".to_owned(),
        dtype: "I64".to_owned(),
        shape: vec![1, 77],
        bytes: ids,
    };
    let loaded = golden.load(device, |tensors| tensors.push(buffer));
    assert!(loaded.is_ok(), "a buffer of transformers is tolerated: {:?}", loaded.err());
}

fn integers_and_doubles_are_refused(device: &Device) {
    let golden = Golden::read();
    for name in SEVERAL {
        let i = golden.position(name);
        for dtype in ["I32", "U32", "F64", "BOOL"] {
            let error = golden.load(device, |tensors| {
                let tensor = &mut tensors[i];
                let elements = tensor.bytes.len() / 4;
                let width = match dtype {
                    "F64" => 8,
                    "BOOL" => 1,
                    _ => 4,
                };
                dtype.clone_into(&mut tensor.dtype);
                tensor.bytes = vec![0; elements * width];
            });
            let error = error.expect_err(name);
            let is_right = matches!(
                &error,
                PolicyError::Weights(WeightError::Dtype { name: named, found, .. }) if named == name && found == dtype
            );
            assert!(is_right, "{name} as {dtype}: {error}");
        }
    }
}

fn nan_and_infinity_are_refused(device: &Device) {
    let golden = Golden::read();
    for name in SEVERAL {
        let i = golden.position(name);
        let last = golden.tensors[i].bytes.len() / 4 - 1;
        for (at, bad) in [(0, f32::NAN), (last, f32::INFINITY), (last / 2, f32::NEG_INFINITY)] {
            let error = golden
                .load(device, |tensors| tensors[i].bytes[4 * at..4 * at + 4].copy_from_slice(&bad.to_le_bytes()))
                .expect_err(name);
            let is_right = match &error {
                PolicyError::Weights(WeightError::NonFinite { name: named, index, value, .. }) => {
                    named == name && *index == at && value.total_cmp(&bad).is_eq()
                }
                _ => false,
            };
            assert!(is_right, "{bad} at element {at} of {name}: {error}");
        }
    }
}

fn config_and_weights_must_belong_together(device: &Device) {
    let golden = Golden::read();
    let refused = |what: &str, change: fn(&mut CheckpointParts)| {
        let mut parts = golden.parts.clone();
        change(&mut parts);
        load(&parts, &golden.tensors, device).expect_err(what)
    };
    let shapes: [(&str, Change); 3] = [
        ("another width", |parts| parts.config.hidden_dim = 128),
        ("another number of actions", |parts| parts.config.output_features["action"].shape = vec![5]),
        ("another length of the history", |parts| parts.config.n_obs_steps = 3),
    ];
    for (what, change) in shapes {
        let error = refused(what, change);
        assert!(matches!(error, PolicyError::Weights(WeightError::Shape { .. })), "{what}: {error}");
    }
    let layers = refused("a layer less", |parts| parts.config.num_layers = 1);
    assert!(matches!(layers, PolicyError::Weights(WeightError::Extra { .. })), "a layer less: {layers}");
    let layers = refused("a layer more", |parts| parts.config.num_layers = 3);
    assert!(matches!(layers, PolicyError::Weights(WeightError::Missing { .. })), "a layer more: {layers}");

    let towers: [(&str, Change); 5] = [
        ("pictures smaller than CLIP's", |parts| parts.config.image_crop_shape = Some([30, 30])),
        ("pictures that are not square", |parts| parts.config.image_crop_shape = None),
        ("more tokens than CLIP has positions", |parts| parts.config.tokenizer_max_length = 78),
        ("CLIP's configuration is no JSON", |parts| parts.clip_json = Some("{".to_owned())),
        ("heads that do not divide the width", |parts| {
            parts.clip_json = Some(r#"{"text_config":{"num_attention_heads":3},"vision_config":{}}"#.to_owned());
        }),
    ];
    for (what, change) in towers {
        let error = refused(what, change);
        assert!(matches!(error, PolicyError::Config(ConfigError::Clip { .. })), "{what}: {error}");
    }
}

// ---- Configurations

/// The golden configuration with other values.
fn changed(changes: &Value) -> Result<PolicyConfig, ConfigError> {
    let mut config = read_json(&golden().join("config.json"));
    for (key, value) in changes.as_object().expect("an object") {
        config[key] = value.clone();
    }
    PolicyConfig::try_from(&LeRobotConfig::from_value(&config)?)
}

fn features(state: &Value, camera: &Value) -> Value {
    json!({
        "observation.state": {"type": "STATE", "shape": state},
        "observation.images.front": {"type": "VISUAL", "shape": camera},
    })
}

#[test]
fn values_out_of_range_name_their_field() {
    let camera = json!([3, 48, 64]);
    let two_sizes = json!({
        "observation.state": {"type": "STATE", "shape": [7]},
        "observation.images.front": {"type": "VISUAL", "shape": [3, 48, 64]},
        "observation.images.wrist": {"type": "VISUAL", "shape": [3, 64, 48]},
    });
    let table = [
        ("n_obs_steps", json!({"n_obs_steps": 0})),
        ("n_obs_steps", json!({"n_obs_steps": u64::MAX})),
        ("horizon", json!({"horizon": 0})),
        ("horizon", json!({"horizon": u64::MAX})),
        ("horizon", json!({"horizon": 8, "n_action_steps": 8})),
        ("horizon", json!({"n_obs_steps": 10})),
        ("n_action_steps", json!({"n_action_steps": 0})),
        ("n_action_steps", json!({"n_action_steps": 17})),
        ("hidden_dim", json!({"hidden_dim": 1_000_000_000})),
        ("hidden_dim", json!({"hidden_dim": 0})),
        ("hidden_dim", json!({"num_heads": 5})),
        ("hidden_dim", json!({"num_heads": 64})),
        ("num_heads", json!({"num_heads": 0})),
        ("num_heads", json!({"num_heads": 65})),
        ("num_layers", json!({"num_layers": 0})),
        ("num_layers", json!({"num_layers": 100_000})),
        ("timestep_embed_dim", json!({"timestep_embed_dim": 2})),
        ("timestep_embed_dim", json!({"timestep_embed_dim": 33})),
        ("dropout", json!({"dropout": -0.1})),
        ("dropout", json!({"dropout": 1.5})),
        ("rope_base", json!({"rope_base": 0.0})),
        ("image_crop_shape", json!({"image_crop_shape": [37, 32]})),
        ("image_crop_shape", json!({"image_crop_shape": [32, 41]})),
        ("image_crop_shape", json!({"image_crop_shape": [0, 32]})),
        ("image_crop_shape", json!({"image_resize_shape": null, "image_crop_shape": [49, 32]})),
        ("image_resize_shape", json!({"image_resize_shape": [0, 40]})),
        ("image_resize_shape", json!({"image_resize_shape": [36, 1_000_000]})),
        ("tokenizer_padding_side", json!({"tokenizer_padding_side": "left"})),
        ("tokenizer_max_length", json!({"tokenizer_max_length": 1})),
        ("num_train_timesteps", json!({"num_train_timesteps": 0})),
        ("num_train_timesteps", json!({"num_train_timesteps": u64::MAX})),
        ("num_inference_steps", json!({"num_inference_steps": 0})),
        ("num_inference_steps", json!({"num_inference_steps": 101})),
        ("beta_start", json!({"beta_start": 0.5})),
        ("beta_end", json!({"beta_end": -0.1})),
        ("clip_sample_range", json!({"clip_sample_range": -1.0})),
        ("num_integration_steps", json!({"objective": "flow_matching", "num_integration_steps": 0})),
        ("sigma_min", json!({"objective": "flow_matching", "sigma_min": 2.0})),
        ("input_features", json!({"input_features": {}})),
        ("input_features", json!({"input_features": features(&json!([0]), &camera)})),
        ("input_features", json!({"input_features": features(&json!([7, 1]), &camera)})),
        ("input_features", json!({"input_features": features(&json!([7]), &json!([48, 64, 3]))})),
        ("input_features", json!({"input_features": features(&json!([7]), &json!([3, 48]))})),
        ("input_features", json!({"input_features": features(&json!([7]), &json!([3, u64::MAX, 64]))})),
        ("input_features", json!({"input_features": two_sizes})),
        ("output_features", json!({"output_features": {"action": {"type": "ACTION", "shape": [0]}}})),
    ];
    for (field, changes) in table {
        let error = changed(&changes).expect_err(field);
        let names_it = matches!(&error, ConfigError::Value { field: named, .. } if *named == field);
        assert!(names_it, "{changes}: {error}");
    }
    let error = changed(&json!({"output_features": {}})).expect_err("no action");
    assert!(error.to_string().contains("`action`"), "no action: {error}");
    let error =
        changed(&json!({"hidden_dim": 65_536, "num_layers": 1_024})).expect_err("a network of 10^14 parameters");
    assert!(matches!(error, ConfigError::TooLarge { .. }), "a network of 10^14 parameters: {error}");
}

#[test]
fn values_of_the_wrong_type_name_their_field() {
    let table = [
        ("horizon", json!("sixteen")),
        ("horizon", json!(-16)),
        ("horizon", json!(16.5)),
        ("horizon", json!(1e300)),
        ("horizon", json!([16])),
        ("hidden_dim", json!(null)),
        ("clip_sample", json!(1)),
        ("dropout", json!("0.1")),
        ("objective", json!("autoregression")),
        ("noise_scheduler_type", json!("PNDM")),
        ("noise_scheduler_type", json!("ddim")),
        ("beta_schedule", json!("quadratic")),
        ("prediction_type", json!("v_prediction")),
        ("integration_method", json!("heun")),
        ("timestep_sampling_strategy", json!("logit_normal")),
        ("image_crop_shape", json!([32])),
        ("image_crop_shape", json!([32, 32, 3])),
        ("image_crop_shape", json!([-1, 32])),
        ("optimizer_betas", json!([0.9])),
        ("normalization_mapping", json!({"STATE": "LOGARITHM"})),
        ("input_features", json!([])),
        ("input_features", json!({"observation.state": {"type": "STATE", "shape": 7}})),
        ("input_features", json!({"observation.state": {"type": "SMELL", "shape": [7]}})),
        ("output_features", json!({"action": {"shape": [6]}})),
        ("type", json!(7)),
    ];
    for (field, value) in table {
        let error = changed(&json!({field: value})).expect_err(field);
        let names_it = matches!(&error, ConfigError::Field { field: named, .. } if named.starts_with(field));
        assert!(names_it, "{field} = {value}: {error}");
    }
}

#[test]
fn other_policies_and_broken_texts_are_refused() {
    for (kind, changes) in [("diffusion", json!({"type": "diffusion"})), ("", json!({"type": ""}))] {
        let error = changed(&changes).expect_err("another policy");
        assert!(matches!(&error, ConfigError::PolicyType { found } if found == kind), "{changes}: {error}");
    }
    let error = LeRobotConfig::from_json("{}").expect_err("a configuration without a type");
    assert!(matches!(error, ConfigError::PolicyType { .. }), "without a type: {error}");

    let deep = ["[".repeat(100_000), "{\"input_features\":".repeat(100_000), "{\"newer\":".repeat(100_000)];
    let twice = "{\"type\":\"multi_task_dit\",\"horizon\":16,\"horizon\":32}".to_owned();
    let others = ["", "{", "null", "7", "\"text\"", "{\"type\"}"].map(str::to_owned);
    for text in deep.into_iter().chain(others).chain([twice]) {
        let start: String = text.chars().take(60).collect();
        let error = LeRobotConfig::from_json(&text).expect_err("a broken text");
        assert!(matches!(error, ConfigError::Field { .. }), "{start}: {error}");
    }

    let folder = copy();
    write(&folder.path().join("config.json"), b"{\"type\":\"multi_task_dit\",\"horizon\":true}");
    let error = find(folder.path()).parts().expect_err("a broken configuration");
    let is_right =
        matches!(&error, TrainError::Config { source: ConfigError::Field { field, .. }, .. } if field == "horizon");
    assert!(is_right, "from a file: {error}");
    write(&folder.path().join("config.json"), b"{\"type\":\"\xff\xfe\"}");
    let error = find(folder.path()).parts().expect_err("a configuration that is not UTF-8");
    assert!(matches!(error, TrainError::Invalid { .. }), "not UTF-8: {error}");
}

#[test]
fn unknown_keys_are_tolerated_and_missing_ones_have_defaults() {
    let whole = changed(&json!({})).expect("the golden configuration");
    let newer = json!({"use_flash_attention": true, "experimental": {"nested": [1, 2, null]}});
    assert_eq!(changed(&newer).expect("a newer configuration"), whole, "unknown keys change nothing");

    let known = |config: &Value| LeRobotConfig::from_value(config).expect("a configuration");
    let expected = LeRobotConfig { policy_type: "multi_task_dit".to_owned(), ..LeRobotConfig::default() };
    assert_eq!(known(&json!({"type": "multi_task_dit"})), expected, "nothing but the type");
    let golden = read_json(&golden().join("config.json"));
    for key in golden.as_object().expect("an object").keys().filter(|key| *key != "type") {
        let mut without = golden.clone();
        without.as_object_mut().expect("an object").remove(key);
        let mut with_default = golden.clone();
        with_default[key] = json!(expected)[key].clone();
        assert_eq!(known(&without), known(&with_default), "without {key}");
    }
    let rewritten: Value = serde_json::from_str(&known(&golden).to_json()).expect("JSON");
    assert_eq!(rewritten, golden, "what is written is what was read");
}

// ---- Statistics and processor files

/// Loads a copy of the golden checkpoint with another statistics file.
fn with_statistics(name: &str, device: &Device, change: impl FnOnce(&mut Vec<Stored>)) -> Result<Policy, TrainError> {
    let folder = copy();
    let path = folder.path().join(name);
    let mut tensors = unpack(&read(&path));
    change(&mut tensors);
    write(&path, &pack(&tensors));
    find(folder.path()).policy(device)
}

fn stored<'a>(tensors: &'a mut [Stored], name: &str) -> &'a mut Stored {
    tensors.iter_mut().find(|tensor| tensor.name == name).unwrap_or_else(|| panic!("no statistic {name}"))
}

fn statistics_error(error: TrainError) -> StatsError {
    match error {
        TrainError::Policy(PolicyError::Stats(error)) => error,
        other => panic!("not an error of statistics: {other}"),
    }
}

fn damaged_statistics_are_refused(device: &Device) {
    let table = [
        (PREPROCESSOR_STATE, "observation.images.wrist", "std", 3),
        (PREPROCESSOR_STATE, "observation.images.front", "mean", 3),
        (PREPROCESSOR_STATE, "observation.state", "max", 7),
        (POSTPROCESSOR_STATE, "action", "min", 6),
    ];
    for (file, feature, stat, length) in table {
        let name = format!("{feature}.{stat}");
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let loaded = with_statistics(file, device, |tensors| {
                stored(tensors, &name).bytes[8..12].copy_from_slice(&bad.to_le_bytes());
            });
            let error = statistics_error(loaded.expect_err(&name));
            let is_right = matches!(
                &error,
                StatsError::NonFinite { feature: f, stat: s, index: 2 } if f == feature && *s == stat
            );
            assert!(is_right, "{bad} in {name}: {error}");
        }
        let loaded = with_statistics(file, device, |tensors| tensors.retain(|tensor| tensor.name != name));
        let error = statistics_error(loaded.expect_err(&name));
        let is_right = matches!(&error, StatsError::Missing { feature: f, stat: s } if f == feature && *s == stat);
        assert!(is_right, "without {name}: {error}");

        let loaded = with_statistics(file, device, |tensors| {
            let tensor = stored(tensors, &name);
            tensor.bytes.truncate(4 * (length - 1));
            tensor.shape = vec![length - 1];
        });
        let error = statistics_error(loaded.expect_err(&name));
        let is_right = matches!(
            &error,
            StatsError::Length { feature: f, stat: s, found, expected, .. }
                if f == feature && *s == stat && *found == length - 1 && *expected == length
        );
        assert!(is_right, "{name} one value short: {error}");
    }
    let unneeded = with_statistics(PREPROCESSOR_STATE, device, |tensors| {
        stored(tensors, "observation.state.mean").bytes[..4].copy_from_slice(&f32::NAN.to_le_bytes());
        tensors.retain(|tensor| tensor.name != "observation.state.std");
    });
    assert!(unneeded.is_ok(), "statistics that no mode needs may be anything: {:?}", unneeded.err());
    let integers = with_statistics(PREPROCESSOR_STATE, device, |tensors| {
        "I32".clone_into(&mut stored(tensors, "observation.state.min").dtype);
    });
    let error = integers.expect_err("integers as statistics");
    let is_right = matches!(error, TrainError::Policy(PolicyError::Weights(WeightError::Dtype { .. })));
    assert!(is_right, "integers as statistics: {error}");
}

fn a_constant_dimension_is_listed(device: &Device) {
    let policy = with_statistics(POSTPROCESSOR_STATE, device, |tensors| {
        let lowest = stored(tensors, "action.min").bytes[16..20].to_vec();
        stored(tensors, "action.max").bytes[16..20].copy_from_slice(&lowest);
    });
    let policy = policy.expect("a dimension that never moved is no error");
    assert_eq!(policy.postprocessor().constant_dimensions(), [4], "the dimension that never moved");
    let unchanged = with_statistics(POSTPROCESSOR_STATE, device, |_| {}).expect("the golden checkpoint");
    assert!(unchanged.postprocessor().constant_dimensions().is_empty(), "all golden dimensions move");
}

fn damaged_processor_files_are_refused(device: &Device) {
    for (file, step) in [(PREPROCESSOR, 4_usize), (POSTPROCESSOR, 0)] {
        let refused = |change: &dyn Fn(&mut Value)| {
            let folder = copy();
            let path = folder.path().join(file);
            let mut processor = read_json(&path);
            change(&mut processor);
            write(&path, processor.to_string().as_bytes());
            find(folder.path()).policy(device).expect_err("a damaged processor file")
        };
        let field_of = |error: &TrainError| match error {
            TrainError::Config { source: ConfigError::Field { file, field, .. }, .. } => format!("{field} of {file}"),
            other => panic!("{file}: {other}"),
        };
        for name in ["../model.safetensors", "/etc/hostname", "clip/config.json", "..\\model.safetensors", "..", ".x"] {
            let error = refused(&|processor| processor["steps"][step]["state_file"] = json!(name));
            let field = field_of(&error);
            assert!(field.contains("state_file") && field.contains(file), "{file} with `{name}`: {error}");
        }
        let error = refused(&|processor| processor["steps"][step]["state_file"] = json!("elsewhere.safetensors"));
        let is_right =
            matches!(&error, TrainError::MissingFile { path, .. } if path.ends_with("elsewhere.safetensors"));
        assert!(is_right, "{file} with another state file: {error}");
        let error = refused(&|processor| processor["steps"][step]["config"]["norm_map"]["STATE"] = json!("LOGARITHM"));
        assert!(field_of(&error).contains("norm_map"), "{file} with an unknown mode: {error}");
        for steps in [json!([]), json!([{"registry_name": "device_processor"}]), json!(7), json!([7])] {
            let error = refused(&|processor| processor["steps"] = steps.clone());
            assert!(field_of(&error).contains("steps"), "{file} with steps {steps}: {error}");
        }
        let folder = copy();
        write(&folder.path().join(file), b"{\"steps\": [");
        let error = find(folder.path()).policy(device).expect_err("a broken processor file");
        assert!(field_of(&error).contains(file), "{file} that ends early: {error}");
    }
}

fn missing_files_are_named(device: &Device) {
    for name in ["model.safetensors", PREPROCESSOR_STATE, POSTPROCESSOR_STATE] {
        let folder = copy();
        fs::remove_file(folder.path().join(name)).expect("the file is there");
        let found = find(folder.path());
        assert_eq!(found.has_weights(), name != "model.safetensors", "without {name}");
        let error = found.policy(device).expect_err(name);
        assert!(
            matches!(&error, TrainError::MissingFile { path, .. } if path.ends_with(name)),
            "without {name}: {error}"
        );
    }
    // Without processor files there are no statistics, which the golden modes need.
    let folder = copy();
    for name in [PREPROCESSOR, POSTPROCESSOR] {
        fs::remove_file(folder.path().join(name)).expect("the file is there");
    }
    let parts = find(folder.path()).parts().expect("the small files");
    assert!(parts.statistics.is_empty() && parts.action_statistics.is_empty(), "no processor files, no statistics");
    let error = statistics_error(find(folder.path()).policy(device).expect_err("no statistics"));
    assert!(matches!(error, StatsError::Missing { .. }), "no processor files: {error}");
}

#[test]
fn statistics_are_split_at_the_last_dot() {
    let statistics = read_statistics("state", read(&golden().join(PREPROCESSOR_STATE))).expect("statistics");
    let names: Vec<(&str, &str)> = statistics.iter().map(|(feature, stat, _)| (feature, stat)).collect();
    assert_eq!(names.len(), 16, "four statistics of four features");
    let front = statistics.get("observation.images.front", "mean").expect("the camera's mean");
    assert_eq!((front.shape.clone(), front.values.len()), (vec![3, 1, 1], 3), "one mean per channel");
}

// ---- Where a checkpoint is

fn folder_with_config(path: &Path) {
    fs::create_dir_all(path).expect("a folder");
    write(&path.join("config.json"), b"{}");
}

fn found(path: &Path) -> Option<PathBuf> {
    match CheckpointFolder::find(path) {
        Ok(folder) => Some(folder.root().canonicalize().expect("an existing folder")),
        Err(TrainError::NoCheckpoint { path: named }) => {
            assert_eq!(named, path, "the error names what was asked for");
            None
        }
        Err(other) => panic!("{}: {other}", path.display()),
    }
}

#[test]
fn a_checkpoint_is_found_from_every_folder_above_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run = folder.path().join("run");
    let checkpoints = run.join("checkpoints");
    let policy = checkpoints.join("000010/pretrained_model");
    folder_with_config(&policy);
    folder_with_config(&checkpoints.join("000005/pretrained_model"));
    let expected = Some(policy.canonicalize().expect("an existing folder"));

    assert_eq!(found(&policy), expected, "the folder itself");
    assert_eq!(found(&checkpoints.join("000010")), expected, "the folder above pretrained_model");
    assert_eq!(found(&checkpoints), None, "without `last` nothing says which");
    replace_link(&checkpoints.join("last"), "000010").expect("a link");
    assert_eq!(found(&checkpoints), expected, "the folder of the checkpoints");
    assert_eq!(found(&run), expected, "the folder of the run");
    if cfg!(unix) {
        assert_eq!(found(&checkpoints.join("last")), expected, "the link itself");
    }

    fs::remove_file(checkpoints.join("last")).expect("the link is there");
    write(&checkpoints.join("last"), b"000010\n");
    assert_eq!(found(&checkpoints), expected, "`last` as a text file");
    assert_eq!(found(&run), expected, "`last` as a text file, from the folder of the run");

    assert_eq!(found(&folder.path().join("absent")), None, "a folder that is not there");
    assert_eq!(found(folder.path()), None, "a folder without a checkpoint");
    assert_eq!(found(&policy.join("config.json")), None, "a file");
}

#[test]
fn a_broken_last_leads_nowhere() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let checkpoints = folder.path().join("checkpoints");
    let last = checkpoints.join("last");
    folder_with_config(&folder.path().join("elsewhere"));
    folder_with_config(&checkpoints.join("000010"));
    let absolute = folder.path().join("elsewhere").display().to_string();
    let texts: [&[u8]; 8] = [b"", b"\n", b"000099", b"../elsewhere", b".", b"..", absolute.as_bytes(), b"0000\xff10"];
    for text in texts {
        write(&last, text);
        assert_eq!(found(&checkpoints), None, "`last` says {:?}", String::from_utf8_lossy(text));
        assert_eq!(found(folder.path()), None, "`last` says {:?}", String::from_utf8_lossy(text));
    }
}

#[cfg(unix)]
#[test]
fn a_last_that_links_to_nothing_or_itself_leads_nowhere() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let checkpoints = folder.path().join("checkpoints");
    let last = checkpoints.join("last");
    folder_with_config(&checkpoints.join("000010"));
    for target in ["000099", "last"] {
        std::os::unix::fs::symlink(target, &last).expect("a link");
        assert_eq!(found(&checkpoints), None, "`last` links to {target}");
        assert_eq!(found(folder.path()), None, "`last` links to {target}");
        fs::remove_file(&last).expect("the link is there");
    }
}
