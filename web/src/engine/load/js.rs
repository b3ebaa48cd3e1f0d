//! The few things that every talk with the browser needs: the worker's scope, promises, errors as words, numbers.

use js_sys::{Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{StorageManager, WorkerGlobalScope};

/// The worker that this runs in.
pub(super) fn scope() -> WorkerGlobalScope {
    js_sys::global().unchecked_into()
}

/// The browser's storage; `None` where it has none for this page, as on plain `http://`.
pub(super) fn storage() -> Option<StorageManager> {
    let storage = property(&property(&js_sys::global(), "navigator")?, "storage")?;
    property(&storage, "getDirectory")?;
    Some(storage.unchecked_into())
}

/// A property that is there.
pub(super) fn property(object: &JsValue, name: &str) -> Option<JsValue> {
    let value = Reflect::get(object, &JsValue::from_str(name)).ok()?;
    (!value.is_undefined() && !value.is_null()).then_some(value)
}

/// What a promise gives, or the browser's words why not.
pub(super) async fn settled<T: JsCast>(promise: Promise) -> Result<T, String> {
    match promise.await {
        Ok(value) => Ok(value.unchecked_into()),
        Err(error) => Err(words(&error)),
    }
}

/// An error of the browser in its own words.
pub(super) fn words(error: &JsValue) -> String {
    match error.dyn_ref::<js_sys::Error>() {
        Some(error) => format!("{}: {}", String::from(error.name()), String::from(error.message())),
        None => error.as_string().unwrap_or_else(|| "an error without words".to_owned()),
    }
}

/// A number of bytes as JavaScript counts them: exact up to 2^53.
pub(super) fn number(bytes: u64) -> f64 {
    bytes as f64
}

/// And back.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a length; the cast saturates")]
pub(super) fn bytes(number: f64) -> u64 {
    number as u64
}

/// A length that fits into what a JavaScript array can have.
pub(super) fn short(bytes: u64) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}
