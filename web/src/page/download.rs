//! The finished run as files for the visitor's disk.

use std::time::Duration;

use js_sys::Array;
use leptos::prelude::*;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Blob, BlobPropertyBag, HtmlAnchorElement, Url};

use super::state::App;
use crate::answer;
use crate::record::Record;

/// A browser has begun to save a file by then.
const SAVED: Duration = Duration::from_secs(10);

/// The buttons.
pub(super) fn buttons(app: App) -> impl IntoView {
    let outcome = app.outcome;
    let none = move || outcome.prediction.with(Option::is_none);
    let save = move |text: fn(&Record) -> Option<String>, name: &str, kind: &str| {
        let text = outcome.record.with_value(|record| record.as_ref().and_then(text));
        if text.and_then(|text| save(&text, name, kind)).is_none() {
            outcome.fault.set(Some(format!("{name} cannot be saved: this browser gives it no room.")));
        }
    };
    view! {
        <button
            type="button"
            data-test="download-json"
            disabled=none
            on:click=move |_| save(answer::json, "chunk.json", "application/json")
        >
            "Save JSON"
        </button>
        <button
            type="button"
            data-test="download-csv"
            disabled=none
            on:click=move |_| save(answer::csv, "chunk.csv", "text/csv")
        >
            "Save CSV"
        </button>
    }
}

/// Offers a text as a file.
fn save(text: &str, name: &str, kind: &str) -> Option<()> {
    let options = BlobPropertyBag::new();
    options.set_type(kind);
    let parts = Array::of1(&JsValue::from_str(text));
    let blob = Blob::new_with_str_sequence_and_options(&parts, &options).ok()?;
    let address = Url::create_object_url_with_blob(&blob).ok()?;
    let link = document().create_element("a").ok()?.dyn_into::<HtmlAnchorElement>().ok()?;
    link.set_href(&address);
    link.set_download(name);
    link.click();
    set_timeout(
        move || {
            // An address that is gone already does no harm.
            let _ = Url::revoke_object_url(&address);
        },
        SAVED,
    );
    Some(())
}
