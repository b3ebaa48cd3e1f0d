//! The one list of backends: a device by name, as far as this build has it.
//!
//! Fusion and autotuning are off everywhere: their results have not been held against the goldens on real hardware yet.

use anyhow::{Result, bail};
use burn::tensor::Device;

use crate::cli::DeviceName;

/// A device and what `LeRobot` calls it.
#[derive(Clone, Debug)]
pub(crate) struct Chosen {
    /// Where tensors live.
    pub(crate) device: Device,
    /// `cpu` or `cuda`, for `config.json`.
    pub(crate) torch_name: &'static str,
    /// What a person calls it.
    pub(crate) name: &'static str,
}

/// The device of that name.
pub(crate) fn choose(name: DeviceName) -> Result<Chosen> {
    match name {
        DeviceName::Auto => Ok(cuda().ok().map_or_else(cpu, Ok)?),
        DeviceName::Cpu => cpu(),
        DeviceName::Cuda => cuda(),
        DeviceName::Wgpu => wgpu(),
    }
}

#[cfg(feature = "flex")]
fn cpu() -> Result<Chosen> {
    Ok(Chosen { device: Device::flex(), torch_name: "cpu", name: "CPU (flex)" })
}

#[cfg(not(feature = "flex"))]
fn cpu() -> Result<Chosen> {
    bail!("this build has no CPU backend; build mtdit with --features flex, or choose another --device")
}

#[cfg(feature = "cuda")]
fn cuda() -> Result<Chosen> {
    // The runtime panics without a driver; ask for one number to find out.
    let probe = || {
        let device = Device::cuda(0);
        let sum: f32 = burn::tensor::Tensor::<1>::ones([2], &device).sum().into_scalar();
        (device, sum)
    };
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let probed = std::panic::catch_unwind(probe);
    std::panic::set_hook(hook);
    match probed {
        Ok((device, sum)) if (sum - 2.0).abs() < 1e-6 => Ok(Chosen { device, torch_name: "cuda", name: "CUDA" }),
        _ => bail!("no working NVIDIA GPU was found; choose --device cpu, or check the driver with nvidia-smi"),
    }
}

#[cfg(not(feature = "cuda"))]
fn cuda() -> Result<Chosen> {
    bail!("this build has no CUDA; build mtdit with --features cuda, or choose --device cpu")
}

#[cfg(feature = "wgpu")]
fn wgpu() -> Result<Chosen> {
    match Device::wgpu_options().init() {
        Ok(device) => Ok(Chosen { device, torch_name: "cpu", name: "wgpu" }),
        Err(error) => {
            bail!("no graphics device can be used ({error}); choose --device cpu, or install a Vulkan driver")
        }
    }
}

#[cfg(not(feature = "wgpu"))]
fn wgpu() -> Result<Chosen> {
    bail!("this build has no wgpu; build mtdit with --features wgpu, or choose --device cpu")
}
