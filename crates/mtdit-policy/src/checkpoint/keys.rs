//! Names of weights: a module's path here, and the key `LeRobot` saves it under (contract section 4.3).
//!
//! | here | in the checkpoint |
//! |---|---|
//! | `observation_encoder.vision_encoders.{i}.` | `observation_encoder.vision_encoder.model.vision_model.` when shared |
//! | | `observation_encoder.vision_encoders.{i}.model.vision_model.` when separate |
//! | `class_embedding`, `patch_embedding`, `position_embedding`, `token_embedding` | `embeddings.…`, all but the first with `.weight` |
//! | `observation_encoder.text_encoder.` (not `projection`) | `observation_encoder.text_encoder.text_encoder.text_model.` |
//! | `noise_predictor.time_mlp.fc1`, `.fc2` | `.1`, `.3` |
//! | `transformer_blocks.{i}.mlp.fc1`, `.fc2` | `.0`, `.2` |
//! | `ada_ln_modulation` | `adaLN_modulation.1` |
//! | `attn.qkv_proj.weight`, `.bias`, `attn.out_proj` without `RoPE` | `multihead_attn.in_proj_weight`, `in_proj_bias`, `.out_proj` |
//! | `gamma`, `beta` of layer norms | `weight`, `bias` |
//!
//! Everything else is the same word in both. Linear weights are `[input, output]` here and `[output, input]` there.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::Tensor;

use crate::config::PolicyConfig;
use crate::policy::Network;

/// What decides the names.
#[derive(Clone, Copy, Debug)]
pub struct KeyMap {
    separate_vision: bool,
    use_rope: bool,
}

impl KeyMap {
    /// The names of a policy.
    pub fn new(config: &PolicyConfig) -> Self {
        Self { separate_vision: config.vision.use_separate_rgb_encoder_per_camera, use_rope: config.denoiser.use_rope }
    }

    /// The checkpoint's key of a module path.
    pub fn key(self, path: &str) -> String {
        let path = path.replace(".gamma", ".weight").replace(".beta", ".bias");
        if let Some(rest) = path.strip_prefix("observation_encoder.vision_encoders.") {
            let (tower, rest) = rest.split_once('.').unwrap_or((rest, ""));
            let rest = embeddings(rest);
            return if self.separate_vision {
                format!("observation_encoder.vision_encoders.{tower}.model.vision_model.{rest}")
            } else {
                format!("observation_encoder.vision_encoder.model.vision_model.{rest}")
            };
        }
        if let Some(rest) = path.strip_prefix("observation_encoder.text_encoder.") {
            return if rest.starts_with("projection.") {
                path
            } else {
                format!("observation_encoder.text_encoder.text_encoder.text_model.{}", embeddings(rest))
            };
        }
        let path = path
            .replace("time_mlp.fc1", "time_mlp.1")
            .replace("time_mlp.fc2", "time_mlp.3")
            .replace("mlp.fc1", "mlp.0")
            .replace("mlp.fc2", "mlp.2")
            .replace("ada_ln_modulation", "adaLN_modulation.1");
        if self.use_rope {
            return path;
        }
        path.replace("attn.qkv_proj.weight", "multihead_attn.in_proj_weight")
            .replace("attn.qkv_proj.bias", "multihead_attn.in_proj_bias")
            .replace("attn.out_proj", "multihead_attn.out_proj")
    }

    /// The trained parameters in the order of `LeRobot`'s optimizer: everything else, then the vision towers (contract
    /// section 4.6).
    pub fn optimizer_groups(self, network: &Network) -> [Vec<String>; 2] {
        let mut names = Names::default();
        visit_named(network, self, &mut names);
        let is_vision = |name: &String| name.starts_with("observation_encoder.vision_encoder");
        let trained = names.0.into_iter().filter(|name| !is_frozen(name));
        let (mut vision, mut others): (Vec<_>, Vec<_>) = trained.partition(is_vision);
        vision.sort_by_cached_key(|name| vision_rank(name));
        others.sort_by_cached_key(|name| denoiser_rank(name));
        [others, vision]
    }
}

/// Whether a parameter belongs to the text tower, which never trains.
pub fn is_frozen(key: &str) -> bool {
    key.starts_with("observation_encoder.text_encoder.text_encoder.")
}

/// CLIP's names of its embeddings.
fn embeddings(rest: &str) -> String {
    match rest {
        "class_embedding" => "embeddings.class_embedding".to_owned(),
        "patch_embedding" | "position_embedding" | "token_embedding" => format!("embeddings.{rest}.weight"),
        _ => rest.to_owned(),
    }
}

#[derive(Default)]
struct Names(Vec<String>);

impl NamedVisitor for Names {
    fn visit<const D: usize>(&mut self, key: &str, _: Layout, _: &Param<Tensor<D>>) {
        self.0.push(key.to_owned());
    }
}

/// Position of a word in a list, for sorting.
fn rank(word: &str, order: &[&str]) -> usize {
    order.iter().position(|candidate| word.starts_with(candidate)).unwrap_or(order.len())
}

/// Orders the parameters outside the vision towers.
fn denoiser_rank(key: &str) -> (usize, usize, usize, bool) {
    let parts = [
        "observation_encoder.",
        "pos_embedding",
        "time_mlp.1",
        "time_mlp.3",
        "input_proj",
        "transformer_blocks",
        "output_proj",
    ];
    let within = [
        "attn.qkv_proj",
        "multihead_attn.in_proj",
        "attn.out_proj",
        "multihead_attn.out_proj",
        "mlp.0",
        "mlp.2",
        "adaLN",
    ];
    let key = key.strip_prefix("noise_predictor.").unwrap_or(key);
    let (block, rest) = numbered(key, "transformer_blocks.");
    (rank(key, &parts), block, rank(rest, &within), key.ends_with("bias"))
}

/// Orders the parameters of the vision towers.
fn vision_rank(key: &str) -> (usize, usize, usize, usize, bool) {
    let parts =
        ["embeddings.class", "embeddings.patch", "embeddings.position", "pre_layrnorm", "encoder", "post_layernorm"];
    let within = [
        "self_attn.k_proj",
        "self_attn.v_proj",
        "self_attn.q_proj",
        "self_attn.out_proj",
        "layer_norm1",
        "mlp.fc1",
        "mlp.fc2",
        "layer_norm2",
    ];
    let (tower, _) = numbered(key, "vision_encoders.");
    let key = key.split_once("vision_model.").map_or(key, |(_, rest)| rest);
    let (layer, rest) = numbered(key, "encoder.layers.");
    (tower, rank(key, &parts), layer, rank(rest, &within), key.ends_with("bias"))
}

/// The number after `marker` and what follows it.
fn numbered<'a>(key: &'a str, marker: &str) -> (usize, &'a str) {
    let Some((_, rest)) = key.split_once(marker) else { return (0, key) };
    let (number, rest) = rest.split_once('.').unwrap_or((rest, ""));
    (number.parse().unwrap_or(0), rest)
}

/// How a parameter lies in memory compared with the checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// The same.
    Same,
    /// A linear weight: transposed.
    Transposed,
}

impl Layout {
    /// The checkpoint's shape of a parameter.
    pub fn checkpoint_shape(self, mut shape: Vec<usize>) -> Vec<usize> {
        if self == Self::Transposed {
            shape.reverse();
        }
        shape
    }

    /// Row-major values of `shape` (in this layout) into the checkpoint's order, or back with the checkpoint's shape.
    pub fn transpose(self, values: Vec<f32>, shape: &[usize]) -> Vec<f32> {
        match (self, shape) {
            (Self::Transposed, &[rows, columns]) => transpose(&values, rows, columns),
            _ => values,
        }
    }
}

/// `[rows, columns]` to `[columns, rows]`, in tiles that stay in cache.
fn transpose(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    const TILE: usize = 32;
    let mut transposed = vec![0.0; values.len()];
    for row_start in (0..rows).step_by(TILE) {
        for column_start in (0..columns).step_by(TILE) {
            for row in row_start..(row_start + TILE).min(rows) {
                for column in column_start..(column_start + TILE).min(columns) {
                    transposed[column * rows + row] = values[row * columns + column];
                }
            }
        }
    }
    transposed
}

/// Sees every parameter under its checkpoint key.
pub trait NamedVisitor {
    /// One parameter.
    fn visit<const D: usize>(&mut self, key: &str, layout: Layout, param: &Param<Tensor<D>>);
}

/// Replaces every parameter, given its checkpoint key.
pub trait NamedMapper {
    /// One parameter.
    fn map<const D: usize>(&mut self, key: &str, layout: Layout, param: Param<Tensor<D>>) -> Param<Tensor<D>>;
}

/// Shows every parameter of a network to `visitor`, in module order.
pub fn visit_named(network: &Network, keys: KeyMap, visitor: &mut impl NamedVisitor) {
    network.visit(&mut Walk { keys, path: Path::default(), inner: visitor });
}

/// Lets `mapper` replace every parameter of a network, in module order.
pub fn map_named(network: Network, keys: KeyMap, mapper: &mut impl NamedMapper) -> Network {
    network.map(&mut Walk { keys, path: Path::default(), inner: mapper })
}

struct Walk<'a, T> {
    keys: KeyMap,
    path: Path,
    inner: &'a mut T,
}

#[derive(Default)]
struct Path {
    names: Vec<String>,
    containers: Vec<String>,
}

impl Path {
    fn enter(&mut self, name: &str, container: &str) {
        self.names.push(name.to_owned());
        self.containers.push(container.to_owned());
    }

    fn exit(&mut self) {
        self.names.pop();
        self.containers.pop();
    }

    fn layout(&self, rank: usize) -> Layout {
        let is_linear = self.containers.last().is_some_and(|container| container == "Struct:Linear");
        if is_linear && rank == 2 { Layout::Transposed } else { Layout::Same }
    }
}

impl<T: NamedVisitor> ModuleVisitor for Walk<'_, T> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let key = self.keys.key(&self.path.names.join("."));
        self.inner.visit(&key, self.path.layout(D), param);
    }
}

impl<T: NamedMapper> ModuleMapper for Walk<'_, T> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let key = self.keys.key(&self.path.names.join("."));
        self.inner.map(&key, self.path.layout(D), param)
    }
}
