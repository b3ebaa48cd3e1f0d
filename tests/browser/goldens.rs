//! The golden cases in a browser: a worker that loads each through the page's own loader and measures every stage.
//!
//! It is sent `{"backend": "webgpu" | "cpu", "case": name, "url": folder}` and answers with a JSON text: a list of
//! `[stage, [measurement, ..]]`, or a sentence about what went wrong.

fn main() {
    #[cfg(target_family = "wasm")]
    browser::serve();
}

#[cfg(target_family = "wasm")]
mod browser {
    use burn::tensor::Device;
    use js_sys::Uint8Array;
    use mtdit_policy::checkpoint::safetensors::WeightBytes;
    use mtdit_policy::{PolicyConfig, Precision};
    use mtdit_tests::{Case, measure, with_normalised_inputs};
    use mtdit_web::engine::{device, load, run_constructors};
    use mtdit_web::protocol::{BackendChoice, CheckpointRef};
    use serde::Deserialize;
    use wasm_bindgen::closure::Closure;
    use wasm_bindgen::{JsCast, JsValue};
    use wasm_bindgen_futures::{JsFuture, spawn_local};
    use web_sys::{AbortSignal, DedicatedWorkerGlobalScope, MessageEvent, Response};

    #[derive(Deserialize)]
    struct Order {
        backend: BackendChoice,
        case: String,
        url: String,
    }

    /// Nobody listens.
    struct Quiet;

    impl load::Report for Quiet {
        fn progress(&self, _: &str, _: u64, _: u64) {}
        fn notice(&self, _: String) {}
        fn cancelled(&self) -> bool {
            false
        }
        fn abort_signal(&self) -> Option<AbortSignal> {
            None
        }
    }

    pub(super) fn serve() {
        run_constructors();
        console_error_panic_hook::set_once();
        let listen = Closure::<dyn FnMut(MessageEvent)>::new(|message: MessageEvent| {
            let text = message.data().as_string().unwrap_or_default();
            spawn_local(async move {
                let answer =
                    measured(&text).await.unwrap_or_else(|reason| serde_json::json!({ "failed": reason }).to_string());
                drop(scope().post_message(&answer.into()));
            });
        });
        scope().set_onmessage(Some(listen.as_ref().unchecked_ref()));
        listen.forget();
        drop(scope().post_message(&"listening".into()));
    }

    fn scope() -> DedicatedWorkerGlobalScope {
        js_sys::global().unchecked_into()
    }

    thread_local! {
        /// The device of the first order: a GPU is opened once.
        static DEVICE: std::cell::RefCell<Option<Device>> = const { std::cell::RefCell::new(None) };
    }

    async fn measured(text: &str) -> Result<String, String> {
        let order: Order = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let known = DEVICE.with_borrow(Clone::clone);
        let device = match known {
            Some(device) => device,
            None => device::find(order.backend, &Quiet).await.map_err(|error| error.to_string())?.device,
        };
        DEVICE.set(Some(device.clone()));
        let reference = CheckpointRef::Url { url: format!("{}/checkpoint/", order.url) };
        let mut opened = load::open(&reference, &[], &Quiet).await.map_err(|error| error.to_string())?;
        let parts = with_normalised_inputs(opened.parts.clone());
        let policy = parts.load(&mut opened.weights, Precision::F32, &device).await;
        let policy = opened.weights.settle(policy).await.map_err(|error| error.to_string())?;
        let io = fetched(&format!("{}/io.safetensors", order.url)).await.map_err(|error| format!("{error:?}"))?;
        let case = Case {
            name: order.case,
            io: WeightBytes::new("io.safetensors", io).map_err(|error| error.to_string())?,
            description: serde_json::Value::Null,
            config: PolicyConfig::try_from(&parts.config).map_err(|error| error.to_string())?,
            parts,
        };
        let stages = measure::stages(&case, &policy).await;
        serde_json::to_string(&stages).map_err(|error| error.to_string())
    }

    async fn fetched(url: &str) -> Result<Vec<u8>, JsValue> {
        let response: Response = JsFuture::from(scope().fetch_with_str(url)).await?.unchecked_into();
        let buffer = JsFuture::from(response.array_buffer()?).await?;
        Ok(Uint8Array::new(&buffer).to_vec())
    }
}
