//! Sentences that a visitor has to see: what failed, and what is worth knowing.

use leptos::prelude::*;

/// A fault, until it is dismissed. The region exists before the sentence does, so that a screen reader speaks it.
pub(super) fn fault(sentence: RwSignal<Option<String>>, test: &'static str) -> impl IntoView {
    let shown = move || {
        sentence.get().map(|text| {
            view! {
                <div class="alert bad" data-test=test>
                    <p>{text}</p>
                    <button type="button" class="quiet" on:click=move |_| sentence.set(None)>
                        "Dismiss"
                    </button>
                </div>
            }
        })
    };
    view! { <div role="alert">{shown}</div> }
}

/// Notices, each until it is dismissed.
pub(super) fn notices(sentences: RwSignal<Vec<String>>, test: &'static str) -> impl IntoView {
    let shown = move || {
        let each = |(place, text): (usize, String)| {
            let dismiss = move |_| {
                sentences.update(|all| {
                    if place < all.len() {
                        all.remove(place);
                    }
                });
            };
            view! {
                <div class="alert" data-test=test>
                    <p>{text}</p>
                    <button type="button" class="quiet" on:click=dismiss>
                        "Dismiss"
                    </button>
                </div>
            }
        };
        sentences.get().into_iter().enumerate().map(each).collect::<Vec<_>>()
    };
    view! { <div role="alert">{shown}</div> }
}

/// Adds a notice, unless it stands there already.
pub(super) fn notice(sentences: RwSignal<Vec<String>>, text: String) {
    if !sentences.with_untracked(|all| all.contains(&text)) {
        sentences.update(|all| all.push(text));
    }
}
