//! Weights into a network, tensor by tensor: nothing ever holds the file and its decoded copy.

use std::collections::{HashMap, HashSet};

use burn::module::{Param, ParamId};
use burn::tensor::{Device, Tensor, TensorData};

use super::keys::{KeyMap, Layout, NamedMapper, NamedVisitor, is_frozen, map_named, visit_named};
use super::safetensors::{WeightSource, floats};
use crate::error::WeightError;
use crate::policy::Network;

/// Replaces every parameter of a network by the tensor of its name.
///
/// Names and shapes of all tensors are compared before the first is read, so a file that does not fit allocates nothing.
///
/// # Errors
/// [`WeightError`] names the first tensor that is missing, too many, misshapen, of another dtype or not finite.
pub async fn load(
    network: Network,
    keys: KeyMap,
    source: &mut impl WeightSource,
    device: &Device,
) -> Result<Network, WeightError> {
    let slots = Slot::all(&network, keys);
    refuse_extra(&slots, source)?;
    fill(network, keys, slots, source, device).await
}

/// Replaces both CLIP towers of a network by the weights of a CLIP model in transformers' names; every vision tower gets the
/// same. The rest of the network, and the rest of the model, are left alone.
///
/// # Errors
/// As [`load`].
pub async fn load_clip(
    network: Network,
    keys: KeyMap,
    source: &mut impl WeightSource,
    device: &Device,
) -> Result<Network, WeightError> {
    let in_clip = |slot: Slot| clip_key(&slot.name).map(str::to_owned).map(|name| Slot { name, ..slot });
    let slots = Slot::all(&network, keys).into_iter().filter_map(in_clip).collect();
    fill(network, keys, slots, source, device).await
}

/// Compares all shapes, then reads tensor by tensor.
async fn fill(
    network: Network,
    keys: KeyMap,
    slots: Vec<Slot>,
    source: &mut impl WeightSource,
    device: &Device,
) -> Result<Network, WeightError> {
    for slot in &slots {
        let found = source.index().entry(&slot.name)?.shape.clone();
        if found != slot.shape {
            let (file, name, expected) = (source.index().file().to_owned(), slot.name.clone(), slot.shape.clone());
            return Err(WeightError::Shape { file, name, found, expected });
        }
    }
    let mut tensors = HashMap::new();
    for slot in slots {
        let bytes = source.read(&slot.name).await?;
        let values = floats(source.index(), &slot.name, &bytes)?;
        drop(bytes);
        finite(source, &slot.name, &values)?;
        let values = slot.layout.transpose(values, &slot.shape);
        let length = values.len();
        tensors.insert(slot.id, Tensor::<1>::from_data(TensorData::new(values, [length]), device));
    }
    Ok(map_named(network, keys, &mut Replace(tensors)))
}

/// The name of a tower's parameter in a CLIP model: what follows `vision_model.` or `text_model.`, with it.
fn clip_key(key: &str) -> Option<&str> {
    let start = key.find(".vision_model.").or_else(|| key.find(".text_model."))?;
    Some(&key[start + 1..])
}

/// A parameter waiting for its tensor; name and shape are the file's.
struct Slot {
    id: ParamId,
    name: String,
    layout: Layout,
    shape: Vec<usize>,
}

impl Slot {
    fn all(network: &Network, keys: KeyMap) -> Vec<Self> {
        let mut slots = Slots(Vec::new());
        visit_named(network, keys, &mut slots);
        slots.0
    }
}

struct Slots(Vec<Slot>);

impl NamedVisitor for Slots {
    fn visit<const D: usize>(&mut self, key: &str, layout: Layout, param: &Param<Tensor<D>>) {
        let shape = layout.checkpoint_shape(param.lazy_shape().dims::<D>().to_vec());
        self.0.push(Slot { id: param.id, name: key.to_owned(), layout, shape });
    }
}

/// A tensor without a parameter means that weights and configuration do not belong together.
fn refuse_extra(slots: &[Slot], source: &impl WeightSource) -> Result<(), WeightError> {
    let index = source.index();
    for slot in slots {
        index.entry(&slot.name)?;
    }
    let known: HashSet<&str> = slots.iter().map(|slot| slot.name.as_str()).collect();
    // Buffers that some versions of transformers save and none needs.
    let is_buffer = |name: &str| name.ends_with(".position_ids") || name.ends_with(".inv_freq");
    let mut extra = index.iter().map(|(name, _)| name).filter(|name| !known.contains(name) && !is_buffer(name));
    match extra.next() {
        Some(name) => {
            let (file, name) = (index.file().to_owned(), name.to_owned());
            Err(WeightError::Extra { file, name, count: 1 + extra.count() })
        }
        None => Ok(()),
    }
}

fn finite(source: &impl WeightSource, key: &str, values: &[f32]) -> Result<(), WeightError> {
    match values.iter().position(|value| !value.is_finite()) {
        Some(index) => {
            let (file, name) = (source.index().file().to_owned(), key.to_owned());
            Err(WeightError::NonFinite { file, name, index, value: values[index] })
        }
        None => Ok(()),
    }
}

struct Replace(HashMap<ParamId, Tensor<1>>);

impl NamedMapper for Replace {
    fn map<const D: usize>(&mut self, key: &str, _: Layout, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        match self.0.remove(&param.id) {
            Some(tensor) => {
                let shape = param.lazy_shape().dims::<D>();
                Param::initialized(param.id, tensor.reshape(shape)).set_require_grad(!is_frozen(key))
            }
            None => param,
        }
    }
}
