//! Finding a device: the GPU when it is good enough, else the processor. The GPU is probed before Burn sees it.

use burn::tensor::{Device, Distribution, Tensor};
use js_sys::{Reflect, Set};
use thiserror::Error;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};

use super::load::Report;
use super::task::now;
use crate::protocol::{BackendChoice, DeviceReport};

/// Smallest limits with which every kernel can run, with WebGPU's names for them.
const LIMITS: [(&str, f64); 4] = [
    // The token table of CLIP ViT-B/16: 49408 x 512 numbers.
    ("maxStorageBufferBindingSize", 101_187_584.0),
    ("maxBufferSize", 101_187_584.0),
    ("maxComputeInvocationsPerWorkgroup", 256.0),
    ("maxComputeWorkgroupStorageSize", 16_384.0),
];
/// Features that are worth telling.
const FEATURES: [&str; 3] = ["timestamp-query", "shader-f16", "subgroups"];

/// A device to compute on.
#[derive(Clone, Debug)]
pub struct Found {
    /// The device.
    pub device: Device,
    /// Whether it is reached through WebGPU.
    pub is_gpu: bool,
    /// What the page shows of it.
    pub report: DeviceReport,
}

/// Why there is none.
#[derive(Debug, Error)]
pub enum DeviceError {
    /// Only the GPU would do.
    #[error("WebGPU was asked for, but {0}; choose Auto or CPU instead")]
    NoGpu(String),
}

/// An adapter that can be used.
struct Probed {
    name: String,
    is_software: bool,
    details: Vec<(String, String)>,
}

/// Finds a device.
///
/// # Errors
/// [`DeviceError::NoGpu`] when only the GPU will do and there is none that serves.
pub async fn find(choice: BackendChoice, report: &dyn Report) -> Result<Found, DeviceError> {
    if choice == BackendChoice::Cpu {
        return Ok(processor(None));
    }
    report.progress("looking for a graphics device", 0, 0);
    let gpu = match probe().await {
        Ok(probed) => open(probed).await,
        Err(reason) => Err(reason),
    };
    match gpu {
        Err(reason) if choice == BackendChoice::WebGpu => Err(DeviceError::NoGpu(reason)),
        Err(reason) => Ok(processor(Some(format!(
            "Running on the processor, because {reason}. Results are the same; it takes longer."
        )))),
        Ok((found, true)) if choice == BackendChoice::Auto => Ok(faster(found, report).await),
        Ok((found, _)) => Ok(found),
    }
}

/// The processor.
fn processor(notice: Option<String>) -> Found {
    let report = DeviceReport {
        backend: "CPU (WebAssembly)".to_owned(),
        adapter: "one core, SIMD".to_owned(),
        notice,
        details: Vec::new(),
    };
    Found { device: Device::flex(), is_gpu: false, report }
}

#[wasm_bindgen]
extern "C" {
    /// `navigator.gpu`; web-sys has it behind a compiler flag only.
    type Gpu;

    #[wasm_bindgen(method, catch, js_name = requestAdapter)]
    async fn request_adapter(this: &Gpu, options: &JsValue) -> Result<JsValue, JsValue>;
}

/// Looks at the adapter; the reason, in words, when it cannot be used.
async fn probe() -> Result<Probed, String> {
    let get = |object: &JsValue, key: &str| Reflect::get(object, &key.into()).unwrap_or(JsValue::UNDEFINED);
    let gpu = get(&get(&js_sys::global(), "navigator"), "gpu");
    if gpu.is_falsy() {
        return Err("this browser has no WebGPU (or the page is not served over https)".to_owned());
    }
    let options = js_sys::Object::new();
    // It cannot fail on a fresh object.
    drop(Reflect::set(&options, &"powerPreference".into(), &"high-performance".into()));
    let adapter = gpu.unchecked_ref::<Gpu>().request_adapter(&options).await;
    let adapter = adapter.map_err(|error| format!("WebGPU gave no graphics device ({error:?})"))?;
    if adapter.is_falsy() {
        return Err("WebGPU found no graphics device".to_owned());
    }

    let features = get(&adapter, "features");
    // Not a Set, but with the same methods.
    let has = |feature: &str| features.unchecked_ref::<Set>().has(&feature.into());
    if !has("timestamp-query") {
        return Err("the graphics device lacks the feature timestamp-query".to_owned());
    }
    let limits = get(&adapter, "limits");
    let limit = |name: &str| get(&limits, name).as_f64().unwrap_or_default();
    for (name, least) in LIMITS {
        if limit(name) < least {
            return Err(format!("the graphics device's {name} is {}, {least} is needed", limit(name)));
        }
    }
    let info = get(&adapter, "info");
    let text = |key: &str| get(&info, key).as_string().unwrap_or_default();
    let known: Vec<String> =
        ["description", "vendor", "architecture"].map(text).into_iter().filter(|word| !word.is_empty()).collect();
    let is_software = get(&info, "isFallbackAdapter").is_truthy()
        || get(&adapter, "isFallbackAdapter").is_truthy()
        || known
            .iter()
            .any(|word| word.to_lowercase().contains("swiftshader") || word.to_lowercase().contains("llvmpipe"));
    let mut details: Vec<_> = LIMITS.iter().map(|(name, _)| ((*name).to_owned(), limit(name).to_string())).collect();
    details.extend(FEATURES.map(|feature| (feature.to_owned(), if has(feature) { "yes" } else { "no" }.to_owned())));
    let name =
        if known.is_empty() { "a graphics device that does not say its name".to_owned() } else { known.join(", ") };
    Ok(Probed { name, is_software, details })
}

/// Opens the GPU, and says whether it is a program that plays one.
async fn open(probed: Probed) -> Result<(Found, bool), String> {
    let (device, setup) = Device::wgpu_options().init_with_setup_async().await.map_err(|error| {
        web_sys::console::warn_1(&error.to_string().into());
        "the graphics device cannot be opened".to_owned()
    })?;
    let is_software =
        probed.is_software || setup.adapter.get_info().device_type == burn::tensor::wgpu::wgpu::DeviceType::Cpu;
    let kind = if is_software { " (software)" } else { "" };
    let report = DeviceReport {
        backend: "WebGPU".to_owned(),
        adapter: format!("{}{kind}", probed.name),
        notice: None,
        details: probed.details,
    };
    Ok((Found { device, is_gpu: true, report }, is_software))
}

/// A GPU that is a program competes with the processor that runs it: the faster one is taken.
async fn faster(gpu: Found, report: &dyn Report) -> Found {
    report.progress("measuring: the graphics device is software", 0, 0);
    let cpu = processor(None);
    let (Some(on_gpu), Some(on_cpu)) = (measure(&gpu.device).await, measure(&cpu.device).await) else {
        return processor(Some(
            "Running on the processor, because the graphics device failed in a first test.".to_owned(),
        ));
    };
    let times = format!("{on_gpu:.1} ms against {on_cpu:.1} ms in a short test");
    if on_gpu < on_cpu {
        return Found {
            report: DeviceReport {
                notice: Some(format!("The graphics device is software, yet faster than the processor: {times}.")),
                ..gpu.report
            },
            ..gpu
        };
    }
    processor(Some(format!(
        "Running on the processor, because the graphics device ({}) is software and slower: {times}.",
        gpu.report.adapter
    )))
}

/// Milliseconds of something like a layer of the denoiser; the first of three runs, which compiles, does not count.
async fn measure(device: &Device) -> Option<f64> {
    let x = Tensor::<2>::random([32, 256], Distribution::Uniform(-1.0, 1.0), device);
    let w = Tensor::<2>::random([256, 256], Distribution::Uniform(-0.1, 0.1), device);
    let mut best = None;
    for run in 0..3 {
        let began = now();
        let mut y = x.clone();
        for _ in 0..4 {
            y = y.matmul(w.clone());
            y = y.clone() * (y.neg().exp() + 1.0).recip();
        }
        y.into_data_async().await.ok()?;
        let took = now() - began;
        if run > 0 {
            best = Some(best.map_or(took, |best: f64| best.min(took)));
        }
    }
    best
}
