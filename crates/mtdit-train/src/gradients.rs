//! Loss to gradients: one flat tensor per trained parameter under its checkpoint key, their global norm, their clip.

use burn::module::Param;
use burn::tensor::{Gradients, Tensor};
use indexmap::IndexMap;
use mtdit_policy::Network;
use mtdit_policy::checkpoint::keys::{KeyMap, Layout, NamedVisitor, visit_named};

/// Gradients by checkpoint key, each flattened in the parameter's own layout, off the tape.
#[derive(Clone, Debug, Default)]
pub struct NamedGradients(IndexMap<String, Tensor<1>>);

impl NamedGradients {
    /// The gradients of a loss. `network` is the one the loss was computed with.
    pub fn of(loss: &Tensor<1>, network: &Network, keys: KeyMap) -> Self {
        let mut collect = Collect { gradients: loss.backward(), named: IndexMap::new() };
        visit_named(network, keys, &mut collect);
        Self(collect.named)
    }

    /// Adds the gradients of another part of the batch.
    pub fn add(&mut self, other: Self) {
        for (key, gradient) in other.0 {
            match self.0.entry(key) {
                indexmap::map::Entry::Occupied(mut entry) => {
                    let sum = entry.get().clone() + gradient;
                    entry.insert(sum);
                }
                indexmap::map::Entry::Vacant(entry) => {
                    entry.insert(gradient);
                }
            }
        }
    }

    /// Multiplies all of them.
    #[must_use]
    pub fn scale(self, factor: f64) -> Self {
        Self(self.0.into_iter().map(|(key, gradient)| (key, gradient * factor)).collect())
    }

    /// The L2 norm over all parameters, `[1]`.
    pub fn norm(&self) -> Tensor<1> {
        let squares = self.0.values().map(|gradient| (gradient.clone() * gradient.clone()).sum());
        Tensor::cat(squares.collect(), 0).sum().sqrt()
    }

    /// One parameter's gradient, flattened.
    pub fn get(&self, key: &str) -> Option<&Tensor<1>> {
        self.0.get(key)
    }

    /// Keys and gradients.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tensor<1>)> {
        self.0.iter().map(|(key, gradient)| (key.as_str(), gradient))
    }

    /// Takes one parameter's gradient out.
    pub(crate) fn take(&mut self, key: &str) -> Option<Tensor<1>> {
        self.0.swap_remove(key)
    }
}

/// The factor that brings a gradient norm down to `max_norm`, as `torch.nn.utils.clip_grad_norm_` computes it.
///
/// A `max_norm` of zero or less leaves gradients alone.
pub fn clip_factor(norm: f32, max_norm: f64) -> f64 {
    if max_norm <= 0.0 { 1.0 } else { (max_norm / (f64::from(norm) + 1e-6)).min(1.0) }
}

struct Collect {
    gradients: Gradients,
    named: IndexMap<String, Tensor<1>>,
}

impl NamedVisitor for Collect {
    fn visit<const D: usize>(&mut self, key: &str, _: Layout, param: &Param<Tensor<D>>) {
        if let Some(gradient) = param.val().grad_remove(&mut self.gradients) {
            let length = gradient.shape().num_elements();
            self.named.insert(key.to_owned(), gradient.reshape([length]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::clip_factor;

    #[test]
    fn a_small_norm_is_left_alone() {
        assert!((clip_factor(5.0, 10.0) - 1.0).abs() < 1e-12, "below the bound");
        assert!((clip_factor(20.0, 10.0) - 0.5).abs() < 1e-6, "halved");
        assert!((clip_factor(20.0, 0.0) - 1.0).abs() < 1e-12, "switched off");
    }
}
