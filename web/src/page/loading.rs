//! Loading a checkpoint: from an address or from files, with a cancel button and what is known of the way so far.

use std::rc::Rc;
use std::sync::Arc;

use leptos::prelude::*;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{File, StorageEstimate, Url};

use super::state::{App, Loading, Source};
use super::{alert, cameras, observation, run, sample, tabletop};
use crate::link::{View, checkpoint_address};
use crate::protocol::{CheckpointRef, Event, PolicyCard, Progress, Request};
use crate::quantity::{self, Pace};

/// What follows a load.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    /// The fields are filled in.
    Show,
    /// The checkpoint's sample observation is run.
    Sample,
    /// What the visitor has put in is run.
    Run,
    /// The policy acts on the tabletop.
    Play,
}

impl Source {
    /// What a person wrote, as a folder on a server.
    pub(super) fn written(text: &str) -> Result<Self, String> {
        let address = checkpoint_address(text);
        // A scheme alone would be taken for the page's own address.
        let is_scheme_alone = address.ends_with(':');
        let base = window().location().href().unwrap_or_default();
        match Url::new_with_base(&address, &base) {
            Ok(url) if !is_scheme_alone => {
                let url = url.href().trim_end_matches('/').to_owned();
                Ok(Self::Address { written: text.trim().to_owned(), url })
            }
            _ => Err(format!("“{text}” is not an address. Write the address of the folder that holds config.json.")),
        }
    }

    fn message(&self) -> (CheckpointRef, Vec<JsValue>) {
        match self {
            Self::Address { url, .. } => (CheckpointRef::Url { url: url.clone() }, Vec::new()),
            Self::Files(files) => {
                let paths = files.iter().map(|(path, _)| path.clone()).collect();
                (CheckpointRef::Files { paths }, files.iter().map(|(_, file)| JsValue::from(file.clone())).collect())
            }
        }
    }
}

/// Loads what a person wrote.
pub(super) fn load_written(app: App, text: &str, after: After) {
    match Source::written(text) {
        Ok(source) => load(app, source, after),
        Err(sentence) => app.checkpoint.fault.set(Some(sentence)),
    }
}

/// Loads files from the visitor's disk.
pub(super) fn load_files(app: App, files: Vec<(String, File)>) {
    if files.is_empty() {
        let sentence = "There is no file in what was given. Choose the folder with config.json and model.safetensors.";
        app.checkpoint.fault.set(Some(sentence.to_owned()));
    } else {
        load(app, Source::Files(Rc::new(files)), After::Show);
    }
}

/// Loads a checkpoint in place of whatever goes on.
pub(super) fn load(app: App, source: Source, after: After) {
    let state = app.checkpoint;
    run::cancel(app);
    tabletop::close(app);
    cancel(app);
    state.fault.set(None);
    state.notices.set(Vec::new());
    state.ready.set(false);
    let (reference, files) = source.message();
    state.source.set(Some(source));
    let request = app.engine.ask(Request::Load(reference), &files, move |request, event, _| {
        // A load that was replaced has nothing to say any more.
        if state.loading.with_untracked(|loading| loading.as_ref().is_some_and(|it| it.request == request)) {
            hear(app, event, after);
        }
    });
    let progress = Progress { stage: "Waiting for the engine".to_owned(), bytes: 0, total: 0, heap: 0 };
    state.loading.set(Some(Loading { request, progress, pace: Pace::default() }));
}

/// Stops the load that goes on.
pub(super) fn cancel(app: App) {
    if let Some(request) = app.checkpoint.loading.with_untracked(|loading| loading.as_ref().map(|it| it.request)) {
        app.engine.cancel(request);
    }
}

fn hear(app: App, event: Event, after: After) {
    let state = app.checkpoint;
    match event {
        Event::Progress(progress) => state.loading.update(|loading| {
            if let Some(loading) = loading {
                loading.pace.note(now(), progress.bytes as f64);
                loading.progress = progress;
            }
        }),
        Event::Notice(text) => alert::notice(state.notices, text),
        Event::Loaded(card) => loaded(app, Arc::new(*card), after),
        Event::Cancelled => {
            state.loading.set(None);
            state.card.set(None);
            let text = "The load was cancelled. What has arrived is kept, so loading again goes on from there.";
            alert::notice(state.notices, text.to_owned());
            list_cached(app);
        }
        Event::Failed(failure) => {
            state.loading.set(None);
            state.card.set(None);
            state.fault.set(Some(failure.message));
            list_cached(app);
        }
        _ => {}
    }
}

fn loaded(app: App, card: Arc<PolicyCard>, after: After) {
    let state = app.checkpoint;
    state.loading.set(None);
    state.notices.update(|all| all.retain(|text| !text.contains("was cancelled")));
    let link = app.link.get_value();
    observation::prepare(app, &card);
    state.card.set(Some(card.clone()));
    state.ready.set(true);
    tabletop::prepare(app, &card, &link);
    cameras::preview_all(app);
    list_cached(app);
    match after {
        After::Show => {}
        After::Sample => {
            tabletop::show(app, View::Observation);
            sample::fill(app, true);
        }
        After::Run => run::start(app),
        After::Play => tabletop::play(app),
    }
}

/// Asks what is cached, and the browser how much room there is.
pub(super) fn list_cached(app: App) {
    ask_for_list(app, Request::Cached);
}

/// Deletes a cached checkpoint.
pub(super) fn forget(app: App, key: String) {
    ask_for_list(app, Request::Forget { key });
}

fn ask_for_list(app: App, request: Request) {
    let state = app.checkpoint;
    app.engine.ask(request, &[], move |_, event, _| match event {
        Event::Cached(list) => {
            state.cached.set(list);
            spawn_local(async move {
                state.storage.set(storage().await);
            });
        }
        Event::Notice(text) => alert::notice(state.notices, text),
        Event::Failed(failure) if !failure.restart => alert::notice(state.notices, failure.message),
        _ => {}
    });
}

/// Bytes that this site uses and may use.
async fn storage() -> Option<(f64, f64)> {
    // Only a secure page has storage to ask about.
    if !window().is_secure_context() {
        return None;
    }
    let estimate = JsFuture::from(window().navigator().storage().estimate().ok()?).await.ok()?;
    let estimate = estimate.unchecked_into::<StorageEstimate>();
    Some((estimate.get_usage()?, estimate.get_quota()?))
}

/// Milliseconds of a clock that only goes forward.
fn now() -> f64 {
    window().performance().map_or(0.0, |clock| clock.now())
}

/// The progress bar, in a room that is there before it is needed.
pub(super) fn progress(app: App) -> impl IntoView {
    let loading = app.checkpoint.loading;
    let shows = Memo::new(move |_| loading.with(Option::is_some));
    let stage = Memo::new(move |_| loading.with(|it| it.as_ref().map(|it| it.progress.stage.clone())));
    let words = move || loading.with(|it| it.as_ref().map(in_words));
    let share = move || {
        loading.with(|it| {
            let progress = it.as_ref().map(|it| &it.progress).filter(|progress| progress.total > 0)?;
            Some(format!("{:.4}", progress.bytes as f64 / progress.total as f64))
        })
    };
    let bar = move || {
        shows.get().then(|| {
            view! {
                <progress id="load-progress" data-test="progress" aria-labelledby="load-stage" max="1" value=share></progress>
                <p class="muted numbers" data-test="progress-words">{words}</p>
                <button type="button" data-test="cancel-load" on:click=move |_| cancel(app)>
                    "Cancel"
                </button>
            }
        })
    };
    view! {
        <div class="progress" data-test="progress-area">
            <p id="load-stage" role="status" data-test="progress-stage">
                {move || stage.get().unwrap_or_default()}
            </p>
            {bar}
        </div>
    }
}

fn in_words(loading: &Loading) -> String {
    let Loading { progress, pace, .. } = loading;
    let (bytes, total) = (progress.bytes as f64, progress.total as f64);
    let mut words = match progress.total {
        0 if progress.bytes == 0 => String::new(),
        0 => quantity::bytes(bytes),
        _ => format!("{} of {}", quantity::bytes(bytes), quantity::bytes(total)),
    };
    if let Some(speed) = pace.speed().filter(|_| progress.bytes < progress.total) {
        words = format!("{words}, {}/s", quantity::bytes(speed));
    }
    if let Some(left) = pace.left(total) {
        words = format!("{words}, {} left", quantity::wait(left));
    }
    if progress.heap > 0 {
        words = format!("{words}; engine memory {}", quantity::bytes(progress.heap as f64));
    }
    words.trim_start_matches([';', ' ']).to_owned()
}
