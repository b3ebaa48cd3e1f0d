//! Weights into a network, tensor by tensor: nothing ever holds the file and its decoded copy.

use std::collections::{HashMap, HashSet};

use burn::module::{Param, ParamId};
use burn::tensor::{Device, Tensor, TensorData};
use safetensors::tensor::Dtype;

use super::keys::{KeyMap, Layout, NamedMapper, NamedVisitor, is_frozen, map_named, visit_named};
use super::safetensors::{WeightIndex, WeightSource, floats, not_floats};
use crate::error::WeightError;
use crate::policy::Network;

/// Values that may wait for the device, 8 MiB of them: a GPU's queue holds what it was given until it is sent.
const MOST_WAITING: usize = 2 << 20;

/// Replaces every parameter of a network by the tensor of its name.
///
/// Names, shapes and formats of all tensors are compared before the first is read, so a file that does not fit allocates
/// nothing. They are read in file order.
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

/// Compares all shapes and formats, then reads tensor by tensor in file order.
async fn fill(
    network: Network,
    keys: KeyMap,
    mut slots: Vec<Slot>,
    source: &mut impl WeightSource,
    device: &Device,
) -> Result<Network, WeightError> {
    for slot in &mut slots {
        slot.place(source.index())?;
    }
    slots.sort_by_key(|slot| slot.start);

    let mut tensors = HashMap::new();
    let mut waiting = 0;
    for slot in slots {
        let values = read_values(source, &slot).await?;
        finite(source, &slot.name, &values)?;
        let values = slot.layout.transpose(values, &slot.shape);
        let length = values.len();
        tensors.insert(slot.id, Tensor::<1>::from_data(TensorData::new(values, [length]), device));
        waiting += length;
        if waiting >= MOST_WAITING {
            // A device that has failed says so when the policy is first used.
            drop(device.flush());
            waiting = 0;
        }
    }
    Ok(map_named(network, keys, &mut Replace(tensors)))
}

/// A tensor's values in the checkpoint's order. Single precision is read straight into its place.
async fn read_values(source: &mut impl WeightSource, slot: &Slot) -> Result<Vec<f32>, WeightError> {
    let length: usize = slot.shape.iter().product();
    if source.index().entry(&slot.name)?.dtype == Dtype::F32 {
        let mut values: Vec<f32> = room(source.index(), &slot.name, length)?;
        source.read(&slot.name, bytemuck::cast_slice_mut(&mut values)).await?;
        // Nothing on most machines: the file's numbers are little-endian.
        values.iter_mut().for_each(|value| *value = f32::from_bits(u32::from_le(value.to_bits())));
        return Ok(values);
    }
    let mut bytes: Vec<u8> = room(source.index(), &slot.name, 2 * length)?;
    source.read(&slot.name, &mut bytes).await?;
    floats(source.index(), &slot.name, &bytes)
}

/// Memory for a tensor, or a sentence when there is none: a browser's tab has little.
fn room<T: Clone + Default>(index: &WeightIndex, name: &str, length: usize) -> Result<Vec<T>, WeightError> {
    let mut room = Vec::new();
    room.try_reserve_exact(length).map_err(|_full| WeightError::Read {
        file: index.file().to_owned(),
        name: name.to_owned(),
        reason: format!("there is no memory left for its {} bytes", length.saturating_mul(size_of::<T>())),
    })?;
    room.resize(length, T::default());
    Ok(room)
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
    /// Position of the tensor's first byte, once it is known.
    start: u64,
}

impl Slot {
    fn all(network: &Network, keys: KeyMap) -> Vec<Self> {
        let mut slots = Slots(Vec::new());
        visit_named(network, keys, &mut slots);
        slots.0
    }

    /// Finds the tensor in a file and compares it with the parameter.
    fn place(&mut self, index: &WeightIndex) -> Result<(), WeightError> {
        let entry = index.entry(&self.name)?;
        if entry.shape != self.shape {
            let (file, name, expected) = (index.file().to_owned(), self.name.clone(), self.shape.clone());
            return Err(WeightError::Shape { file, name, found: entry.shape.clone(), expected });
        }
        if !matches!(entry.dtype, Dtype::F32 | Dtype::F16 | Dtype::BF16) {
            return Err(not_floats(index, &self.name, entry.dtype));
        }
        self.start = entry.range.start;
        Ok(())
    }
}

struct Slots(Vec<Slot>);

impl NamedVisitor for Slots {
    fn visit<const D: usize>(&mut self, key: &str, layout: Layout, param: &Param<Tensor<D>>) {
        let shape = layout.checkpoint_shape(param.lazy_shape().dims::<D>().to_vec());
        self.0.push(Slot { id: param.id, name: key.to_owned(), layout, shape, start: 0 });
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
