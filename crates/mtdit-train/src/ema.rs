//! A moving average of the weights, in the words of newer `LeRobot` (contract appendix D).

use burn::module::Param;
use burn::tensor::Tensor;
use indexmap::IndexMap;
use mtdit_policy::Network;
use mtdit_policy::checkpoint::keys::{KeyMap, Layout, NamedMapper, NamedVisitor, is_frozen, map_named, visit_named};

use crate::config::EmaConfig;

/// The averages of all trained parameters.
#[derive(Clone, Debug)]
pub struct Ema {
    config: EmaConfig,
    averages: IndexMap<String, Tensor<1>>,
}

impl Ema {
    /// Starts from the weights as they are.
    pub fn new(config: EmaConfig, network: &Network, keys: KeyMap) -> Self {
        let mut copy = Copy(IndexMap::new());
        visit_named(network, keys, &mut copy);
        Self { config, averages: copy.0 }
    }

    /// Takes in the weights after update `update`, counted from zero.
    pub fn update(&mut self, network: &Network, keys: KeyMap, update: u64) {
        let decay = decay(&self.config, update);
        let mut current = Copy(IndexMap::new());
        visit_named(network, keys, &mut current);
        for (key, value) in current.0 {
            if let Some(average) = self.averages.get_mut(&key) {
                *average = average.clone() * decay + value * (1.0 - decay);
            }
        }
    }

    /// The network with the averages in it.
    pub fn network(&self, network: &Network, keys: KeyMap) -> Network {
        map_named(network.clone(), keys, &mut Place(&self.averages))
    }
}

/// `1 - (1 + t / inv_gamma)^-power`, within its limits; 0 copies the weights.
fn decay(config: &EmaConfig, update: u64) -> f64 {
    let Some(t) = update.checked_sub(config.update_after_step).filter(|&t| t > 0) else { return 0.0 };
    if let Some(decay) = config.decay {
        return decay;
    }
    #[expect(clippy::cast_precision_loss, reason = "updates are far below 2^52")]
    let growth = 1.0 + t as f64 / config.inv_gamma;
    (1.0 - libm::pow(growth, -config.power)).clamp(config.min_decay, config.max_decay)
}

struct Copy(IndexMap<String, Tensor<1>>);

impl NamedVisitor for Copy {
    fn visit<const D: usize>(&mut self, key: &str, _: Layout, param: &Param<Tensor<D>>) {
        if !is_frozen(key) {
            let value = param.val().without_autodiff();
            let length = value.shape().num_elements();
            self.0.insert(key.to_owned(), value.reshape([length]));
        }
    }
}

struct Place<'a>(&'a IndexMap<String, Tensor<1>>);

impl NamedMapper for Place<'_> {
    fn map<const D: usize>(&mut self, key: &str, _: Layout, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        match self.0.get(key) {
            Some(average) => {
                let shape = param.lazy_shape().dims::<D>();
                Param::initialized(param.id, average.clone().reshape(shape))
            }
            None => param,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::decay;
    use crate::config::EmaConfig;

    #[test]
    fn the_decay_grows_to_its_limit() {
        let config = EmaConfig {
            enable: true,
            decay: None,
            update_after_step: 0,
            inv_gamma: 1.0,
            power: 0.75,
            min_decay: 0.0,
            max_decay: 0.9999,
        };
        assert!(decay(&config, 0).abs() < 1e-12, "the first update copies");
        assert!((decay(&config, 15) - 0.875).abs() < 1e-12, "1 - 16^-0.75");
        assert!((decay(&config, 10_000_000) - 0.9999).abs() < 1e-12, "limited");
    }
}
