//! The towers as a CLIP model: `config.json`, and `model.safetensors` in half precision under transformers' names.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use burn::module::Param;
use burn::tensor::Tensor;
use half::f16;
use indexmap::IndexMap;
use mtdit_policy::checkpoint::keys::{Layout, NamedVisitor, visit_named};
use mtdit_policy::encoders::ClipConfig;
use mtdit_train::state::{SavedTensor, write_tensors};
use safetensors::tensor::Dtype;
use serde_json::json;

use crate::Student;

/// Mean and standard deviation of the tabletop's pictures, with which the tower learns.
pub(super) const MEAN: [f32; 3] = [0.9, 0.9, 0.9];
pub(super) const STD: [f32; 3] = [0.18, 0.18, 0.16];
/// Those of `ImageNet`, with which policies show pictures to it.
const IMAGENET_MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const IMAGENET_STD: [f32; 3] = [0.229, 0.224, 0.225];

pub(super) fn write(folder: &Path, student: &Student, clip: &ClipConfig) -> Result<()> {
    let mut towers = Towers(IndexMap::new());
    visit_named(&student.network, student.keys, &mut towers);
    towers.expect_imagenet().context("the patch embedding is there")?;
    fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
    let halves = |(shape, values): (Vec<usize>, Vec<f32>)| {
        let bytes = values.into_iter().flat_map(|value| f16::from_f32(value).to_le_bytes()).collect();
        SavedTensor::host(Dtype::F16, shape, bytes)
    };
    let tensors = towers.0.into_iter().map(|(name, tensor)| (name, halves(tensor))).collect();
    write_tensors(&folder.join("model.safetensors"), tensors)?;
    let mut config = json!(clip);
    config["model_type"] = json!("clip");
    let path = folder.join("config.json");
    fs::write(&path, format!("{config:#}\n")).with_context(|| format!("writing {}", path.display()))?;
    println!("written to {}", folder.display());
    Ok(())
}

/// Shape and values of the towers' weights as checkpoints hold them, by transformers' names.
struct Towers(IndexMap<String, (Vec<usize>, Vec<f32>)>);

impl NamedVisitor for Towers {
    fn visit<const D: usize>(&mut self, key: &str, layout: Layout, param: &Param<Tensor<D>>) {
        let towers = ["observation_encoder.vision_encoder.model.", "observation_encoder.text_encoder.text_encoder."];
        let Some(name) = towers.iter().find_map(|tower| key.strip_prefix(tower)) else { return };
        let value = param.val().without_autodiff();
        let shape = value.dims().to_vec();
        let values = layout.transpose(value.to_data().try_to_vec().unwrap_or_default(), &shape);
        self.0.insert(name.to_owned(), (layout.checkpoint_shape(shape), values));
    }
}

impl Towers {
    /// Changes the patch embedding so that pictures normalised as `ImageNet`'s give what those of [`MEAN`] and [`STD`] gave; what
    /// is constant goes into the positions, since the embedding has no bias.
    fn expect_imagenet(&mut self) -> Option<()> {
        let (shape, weight) = self.0.get_mut("vision_model.embeddings.patch_embedding.weight")?;
        let &[width, 3, rows, columns] = shape.as_slice() else { return None };
        let plane = rows * columns;
        let mut constant = vec![0.0; width];
        for (index, value) in weight.iter_mut().enumerate() {
            let channel = index / plane % 3;
            constant[index / (3 * plane)] += *value * (IMAGENET_MEAN[channel] - MEAN[channel]) / STD[channel];
            *value *= IMAGENET_STD[channel] / STD[channel];
        }
        let (_, positions) = self.0.get_mut("vision_model.embeddings.position_embedding.weight")?;
        // The first position is the class token's, which sees no picture.
        for token in positions.chunks_exact_mut(width).skip(1) {
            token.iter_mut().zip(&constant).for_each(|(value, constant)| *value += constant);
        }
        Some(())
    }
}
