//! Losses, every gradient and the parameters after several Adam steps equal `LeRobot`'s on every golden case.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use mtdit_policy::checkpoint::keys::{KeyMap, Layout, NamedVisitor, visit_named};
use mtdit_policy::{Batch, Chance, Network, Policy};
use mtdit_tests::{
    Case, FORWARD, GRADIENT, PARAMETER, Tolerance, assert_close, assert_close_to, cases, on_every_backend,
};
use mtdit_train::gradients::{NamedGradients, clip_factor};
use mtdit_train::optimizer::{Adam, AdamConfig, LearningRates};

on_every_backend!(loss_and_gradients_equal_lerobot, adam_steps_equal_lerobot);

#[expect(clippy::cast_precision_loss, reason = "zeros and ones")]
fn batch(case: &Case, policy: &Policy, device: &Device) -> Batch {
    let is_pad: Vec<f32> = case.integers("train.action_is_pad").into_iter().map(|pad| pad as f32).collect();
    Batch {
        inputs: mtdit_tests::measure::inputs(case, policy, device),
        actions: case.tensor("train.action", device),
        action_is_pad: Tensor::from_data(TensorData::new(is_pad, case.shape("train.action_is_pad")), device),
    }
}

fn chance(case: &Case, step: usize, device: &Device) -> Chance {
    let noise: Tensor<4> = case.tensor("train.noise", device);
    let batch = noise.dims()[1];
    let timesteps = case.timesteps("train.t")[step * batch..(step + 1) * batch].to_vec();
    Chance { noise: noise.slice_dim(0, step..step + 1).squeeze_dim(0), timesteps, dropout: None }
}

fn loss(case: &Case, policy: &Policy, network: &Network, step: usize, device: &Device) -> Tensor<1> {
    policy.loss(network, batch(case, policy, device), chance(case, step, device))
}

fn largest(values: &[f32]) -> f64 {
    values.iter().fold(0.0, |largest, value| largest.max(f64::from(value.abs())))
}

fn distance(left: &[f32], right: &[f32]) -> f64 {
    left.iter().zip(right).map(|(left, right)| (f64::from(*left) - f64::from(*right)).powi(2)).sum::<f64>().sqrt()
}

fn scalar(tensor: Tensor<1>) -> f32 {
    tensor.into_scalar()
}

fn loss_and_gradients_equal_lerobot(device: &Device) {
    for case in cases() {
        let policy = case.policy(device);
        let keys = KeyMap::new(policy.config());
        let network = policy.network().clone().train();
        let loss = loss(&case, &policy, &network, 0, device);
        let gradients = NamedGradients::of(&loss, &network, keys);
        let expected = case.floats("train.losses")[0];
        assert_close(&format!("{}: loss", case.name), &[scalar(loss.inner())], &[expected], FORWARD);

        let names = case.io_names("grad.");
        assert_eq!(gradients.iter().count(), names.len(), "{}: number of gradients", case.name);
        let mut layouts = Layouts::default();
        visit_named(&network, keys, &mut layouts);
        for name in names {
            let gradient = gradients.get(&name).unwrap_or_else(|| panic!("{}: no gradient of {name}", case.name));
            let (layout, shape) = &layouts.0[&name];
            let values = gradient.clone().into_data().try_to_vec::<f32>().expect("single precision");
            let found = layout.transpose(values, shape);
            let expected = case.floats(&format!("grad.{name}"));
            // A key's bias adds the same to all scores of a query, which softmax cancels: its gradient is the rounding of its
            // weight's.
            let scale = match name.strip_suffix("k_proj.bias") {
                Some(layer) => largest(&case.floats(&format!("grad.{layer}k_proj.weight"))),
                None => largest(&expected),
            };
            assert_close_to(&format!("{}: gradient of {name}", case.name), &found, &expected, GRADIENT, scale);
        }
    }
}

fn adam_steps_equal_lerobot(device: &Device) {
    for case in cases() {
        let policy = case.policy(device);
        let keys = KeyMap::new(policy.config());
        let setting = |name: &str| case.description["optimizer"][name].as_f64().expect("a number");
        let betas = &case.description["optimizer"]["betas"];
        let betas = [0, 1].map(|i| betas[i].as_f64().expect("a number"));
        let mut adam = Adam::new(AdamConfig { betas, eps: setting("eps"), weight_decay: setting("weight_decay") });
        let rates = LearningRates { base: setting("lr"), vision: setting("lr") * setting("vision_lr_multiplier") };

        let mut network = policy.network().clone().train();
        let (mut losses, mut norms) = (Vec::new(), Vec::new());
        for step in 0..case.shape("train.losses")[0] {
            let loss = loss(&case, &policy, &network, step, device);
            let gradients = NamedGradients::of(&loss, &network, keys);
            losses.push(scalar(loss.inner()));
            let norm = scalar(gradients.norm());
            norms.push(norm);
            let factor = clip_factor(norm, setting("clip_norm"));
            network = adam.step(network, keys, gradients.scale(factor), rates);
        }
        assert_close(&format!("{}: losses", case.name), &losses, &case.floats("train.losses"), FORWARD);
        assert_close(&format!("{}: gradient norms", case.name), &norms, &case.floats("train.grad_norms"), GRADIENT);

        let mut after = After {
            case: &case,
            learning_rate: setting("lr"),
            steps: u32::try_from(losses.len()).expect("a few steps"),
            compared: 0,
            before: &Values::of(policy.network(), keys),
        };
        visit_named(&network, keys, &mut after);
        assert_eq!(after.compared, case.io_names("after.").len(), "{}: parameters compared", case.name);
    }
}

#[derive(Default)]
struct Layouts(std::collections::HashMap<String, (Layout, Vec<usize>)>);

impl NamedVisitor for Layouts {
    fn visit<const D: usize>(&mut self, key: &str, layout: Layout, param: &Param<Tensor<D>>) {
        self.0.insert(key.to_owned(), (layout, param.val().dims().to_vec()));
    }
}

/// Parameters by key, in the checkpoint's order.
struct Values(std::collections::HashMap<String, Vec<f32>>);

impl Values {
    fn of(network: &Network, keys: KeyMap) -> Self {
        let mut values = Self(std::collections::HashMap::new());
        visit_named(network, keys, &mut values);
        values
    }
}

impl NamedVisitor for Values {
    fn visit<const D: usize>(&mut self, key: &str, layout: Layout, param: &Param<Tensor<D>>) {
        self.0.insert(key.to_owned(), in_checkpoint_order(layout, param));
    }
}

fn in_checkpoint_order<const D: usize>(layout: Layout, param: &Param<Tensor<D>>) -> Vec<f32> {
    let value = param.val().inner();
    let shape = value.dims();
    layout.transpose(value.into_data().try_to_vec().expect("single precision"), &shape)
}

struct After<'a> {
    case: &'a Case,
    learning_rate: f64,
    steps: u32,
    before: &'a Values,
    compared: usize,
}

impl NamedVisitor for After<'_> {
    fn visit<const D: usize>(&mut self, key: &str, layout: Layout, param: &Param<Tensor<D>>) {
        let name = format!("after.{key}");
        if !self.case.has(&name) {
            return;
        }
        let found = in_checkpoint_order(layout, param);
        let expected = self.case.floats(&name);
        let what = format!("{}: {name}", self.case.name);
        // Where a gradient is as small as its rounding, Adam still takes a step of about the learning rate in its direction.
        let gradient = self.case.floats(&format!("grad.{key}"));
        let threshold = 1e-3 * largest(&gradient);
        let is_clear = |i: &usize| f64::from(gradient[*i].abs()) > threshold;
        let pick = |values: &[f32], clear: bool| -> Vec<f32> {
            (0..values.len()).filter(|i| is_clear(i) == clear).map(|i| values[i]).collect()
        };
        assert_close_to(&what, &pick(&found, true), &pick(&expected, true), PARAMETER, largest(&expected));
        let wandering = Tolerance { own: PARAMETER.own, largest: self.learning_rate * f64::from(self.steps) };
        assert_close_to(&what, &pick(&found, false), &pick(&expected, false), wandering, 1.0);
        // Parameters barely move, so the movement is compared too, as a whole. That of a key's bias is rounding only.
        if !key.ends_with("k_proj.bias") {
            let before = &self.before.0[key];
            let apart = distance(&found, &expected) / distance(before, &expected);
            assert!(apart <= 2e-2, "{what}: {apart:.1e} of the way it moved apart from LeRobot's");
        }
        self.compared += 1;
    }
}
