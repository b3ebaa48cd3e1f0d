//! The two layers everything is made of: a linear projection that can compute in `bfloat16`, and the activations.
//!
//! The activations are written through `exp`, which the CPU backend vectorises, rather than through `tanh`, `sigmoid` or
//! `gelu_approximate`, which it does not.

use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::{Device, FloatDType, Tensor, module};

use crate::config::Precision;

/// `y = x · weight + bias`, with `weight` as `[input, output]` (checkpoints hold its transpose).
#[derive(Module, Debug)]
pub struct Linear {
    /// `[input, output]`.
    pub weight: Param<Tensor<2>>,
    /// `[output]`.
    pub bias: Option<Param<Tensor<1>>>,
    #[module(skip)]
    precision: Precision,
}

impl Linear {
    /// A projection with the given initial weight and bias.
    pub(crate) fn new(
        [input, output]: [usize; 2],
        weight: &Initializer,
        bias: &Initializer,
        precision: Precision,
        device: &Device,
    ) -> Self {
        Self {
            weight: weight.init_with([input, output], Some(input), Some(output), device),
            bias: Some(bias.init_with([output], Some(input), Some(output), device)),
            precision,
        }
    }

    /// `PyTorch`'s default: weight and bias uniform in `±1/√input`.
    pub(crate) fn uniform(shape: [usize; 2], precision: Precision, device: &Device) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "layer widths are far below 2^52")]
        let bound = 1.0 / (shape[0] as f64).sqrt();
        let uniform = Initializer::Uniform { min: -bound, max: bound };
        Self::new(shape, &uniform, &uniform, precision, device)
    }

    /// Projects the last dimension: `[.., input]` to `[.., output]`.
    pub fn forward<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        self.forward_rows(input, self.weight.val(), true)
    }

    /// The same product with only a range of the weight's input rows, with or without the bias.
    pub(crate) fn forward_part(&self, input: Tensor<2>, rows: core::ops::Range<usize>, bias: bool) -> Tensor<2> {
        let weight = self.weight.val();
        let [_, output] = weight.dims();
        self.forward_rows(input, weight.slice([rows, 0..output]), bias)
    }

    fn forward_rows<const D: usize>(&self, input: Tensor<D>, weight: Tensor<2>, bias: bool) -> Tensor<D> {
        let bias = self.bias.as_ref().filter(|_| bias).map(Param::val);
        match self.precision {
            Precision::F32 => project(input, weight, bias),
            Precision::Bf16 => {
                let product = project(input.cast(FloatDType::BF16), weight.cast(FloatDType::BF16), None);
                let product = product.cast(FloatDType::F32);
                match bias {
                    Some(bias) => product + bias.unsqueeze(),
                    None => product,
                }
            }
        }
    }
}

/// `[.., input]` times `[input, output]` as one product of two matrices. Left as a batch, the weight's gradient would be a product
/// for every element of it, summed afterwards.
pub(crate) fn project<const D: usize>(input: Tensor<D>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<D> {
    let mut shape = input.dims();
    let [width, output] = weight.dims();
    let rows = shape.iter().product::<usize>() / width;
    shape[D - 1] = output;
    module::linear(input.reshape([rows, width]), weight, bias).reshape(shape)
}

/// Matrix product of attention, in the precision of the projections around it.
pub(crate) fn matmul(left: Tensor<4>, right: Tensor<4>, precision: Precision) -> Tensor<4> {
    match precision {
        Precision::F32 => left.matmul(right),
        Precision::Bf16 => left.cast(FloatDType::BF16).matmul(right.cast(FloatDType::BF16)).cast(FloatDType::F32),
    }
}

/// `x / (1 + e^-z)` from `-z`: `x · σ(z)` in four passes. The clamp keeps the exponential finite, and with it the gradient.
fn gated<const D: usize>(x: Tensor<D>, minus_z: Tensor<D>) -> Tensor<D> {
    x / (minus_z.clamp_max(80.0).exp() + 1.0)
}

/// `x · σ(x)`.
pub(crate) fn silu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    gated(x.clone(), x.neg())
}

/// CLIP's activation: `x · σ(1.702 x)`.
pub(crate) fn quick_gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    gated(x.clone(), x * -1.702)
}

/// The tanh form of GELU, as `x · σ(2u)` with `u = √(2/π) (x + 0.044715 x³)`: the same function, without `tanh`.
pub(crate) fn gelu_tanh<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    const TWICE_ROOT: f64 = 1.595_769_121_605_730_7;
    let minus_z = (x.clone() * x.clone() * (-TWICE_ROOT * 0.044_715) - TWICE_ROOT) * x.clone();
    gated(x, minus_z)
}

/// The exact GELU, through the error function. Burn's own has the derivative of the tanh form on some backends.
pub(crate) fn gelu_erf<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let half = x.clone() * 0.5;
    half * ((x * core::f64::consts::FRAC_1_SQRT_2).erf() + 1.0)
}
