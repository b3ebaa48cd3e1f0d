//! The engine: a worker that owns the device and the policy, and works on one request at a time.
//!
//! ```text
//! message ─▶ queue ─▶ device · load · picture · sampling ─▶ events
//!        └──────────▶ tabletop, while nothing waits ──────────┘
//! ```

pub mod device;
pub mod load;
mod picture;
mod policy;
mod self_test;
mod sampling;
mod tabletop;
mod queue;
mod state;
mod fault;
mod task;

use std::rc::Rc;

use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Blob, DedicatedWorkerGlobalScope, MessageEvent};

use fault::EngineError;
use queue::Engine;

/// Listens to the page until the worker is ended.
pub fn serve() {
    run_constructors();
    task::report_crashes();
    let engine = Rc::new(Engine::default());
    let listener = Rc::clone(&engine);
    let listen = Closure::<dyn FnMut(MessageEvent)>::new(move |message: MessageEvent| listener.hear(&message.data()));
    scope().set_onmessage(Some(listen.as_ref().unchecked_ref()));
    listen.forget();
}

/// Runs what the linker collected to run before `main`: the operations of the GPU's kernel compiler are registered there.
///
/// Where no code calls it, the linker has every call from JavaScript run all of it again: 2 milliseconds each.
#[expect(unsafe_code, reason = "the linker's own function, called once, before anything else")]
pub fn run_constructors() {
    unsafe extern "C" {
        fn __wasm_call_ctors();
    }
    // SAFETY: it takes nothing, returns nothing, and nothing has run yet.
    unsafe { __wasm_call_ctors() }
}

/// The worker's global object.
fn scope() -> DedicatedWorkerGlobalScope {
    js_sys::global().unchecked_into()
}

/// An attachment that has to be a picture or another file.
fn blob(attachments: &[JsValue], index: usize) -> Result<&Blob, EngineError> {
    attachments
        .get(index)
        .and_then(|attachment| attachment.dyn_ref::<Blob>())
        .ok_or_else(|| EngineError::Request(format!("attachment {index} of the message is missing or is not a file")))
}
