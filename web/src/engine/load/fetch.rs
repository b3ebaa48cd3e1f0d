//! One request and its answer: here the ways in which either fails are told apart.

use std::mem;
use std::ops::Range;

use gloo_timers::future::TimeoutFuture;
use js_sys::Uint8Array;
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{Headers, ReadableStreamDefaultReader, RequestCache, RequestInit, Response, ResponseType};

use super::Report;
use super::error::LoadError;
use super::js::{property, scope, words};
use crate::origin::{Impostor, Stamp};

/// Longest time between two looks at whether the visitor has stopped the load, in milliseconds.
const LOOK: u32 = 100;

/// A request that is on its way. When nobody waits for it any more, its answer is thrown away unread.
pub(super) struct Pending {
    url: String,
    answer: Option<JsFuture>,
}

impl Pending {
    /// Asks for a small file; the browser's own cache asks the server whether it is still the same.
    pub(super) fn file(url: &str, report: &dyn Report) -> Self {
        Self::start(url, "GET", RequestCache::NoCache, None, report)
    }

    /// Asks for some bytes of a large file, or for all. The browser's own cache is passed by: it would keep every byte a second
    /// time.
    pub(super) fn bytes(url: &str, range: Option<&Range<u64>>, report: &dyn Report) -> Self {
        Self::start(url, "GET", RequestCache::NoStore, range, report)
    }

    /// Asks what the server says of a file.
    pub(super) fn head(url: &str, report: &dyn Report) -> Self {
        Self::start(url, "HEAD", RequestCache::NoStore, None, report)
    }

    fn start(url: &str, method: &str, cache: RequestCache, range: Option<&Range<u64>>, report: &dyn Report) -> Self {
        let init = RequestInit::new();
        init.set_method(method);
        init.set_cache(cache);
        if let Some(signal) = report.abort_signal() {
            init.set_signal(Some(&signal));
        }
        if let Some(range) = range
            && let Ok(headers) = Headers::new()
        {
            // Without the header the whole file comes, which is dealt with as well.
            drop(headers.set("range", &format!("bytes={}-{}", range.start, range.end.saturating_sub(1))));
            init.set_headers_headers(&headers);
        }
        let answer = JsFuture::from(scope().fetch_with_str_and_init(url, &init));
        Self { url: url.to_owned(), answer: Some(answer) }
    }

    /// Waits for the answer's headers.
    ///
    /// # Errors
    /// [`LoadError::Cancelled`] or [`LoadError::Unreachable`].
    pub(super) async fn answer(mut self, report: &dyn Report) -> Result<Response, LoadError> {
        let Some(answer) = self.answer.take() else { return Err(LoadError::Cancelled) };
        match answer.await {
            Ok(response) => Ok(response.unchecked_into()),
            Err(_) if report.cancelled() => Err(LoadError::Cancelled),
            Err(error) => Err(LoadError::Unreachable { url: mem::take(&mut self.url), reason: words(&error) }),
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if let Some(answer) = self.answer.take() {
            spawn_local(async move {
                if let Ok(response) = answer.await {
                    discard(response.unchecked_ref());
                }
            });
        }
    }
}

/// Lets the connection go without reading the rest.
pub(super) fn discard(response: &Response) {
    if let Some(body) = response.body() {
        drop(JsFuture::from(body.cancel()));
    }
}

/// Refuses everything but the file that was asked for.
///
/// # Errors
/// [`LoadError::NotFound`], [`LoadError::Status`] or [`LoadError::Html`].
pub(super) fn check(response: &Response, url: &str, hint: &'static str) -> Result<(), LoadError> {
    let url = url.to_owned();
    let status = response.status();
    let error = if matches!(status, 404 | 410) {
        LoadError::NotFound { url, status, hint }
    } else if !response.ok() {
        LoadError::Status { url, status, text: response.status_text() }
    } else if header(response, "content-type").is_some_and(|kind| Impostor::is_html(&kind)) {
        LoadError::Html { url }
    } else {
        return Ok(());
    };
    discard(response);
    Err(error)
}

/// A header, when the server sent it and lets this page see it.
pub(super) fn header(response: &Response, name: &str) -> Option<String> {
    response.headers().get(name).ok().flatten()
}

/// The file's length by `Content-Length`, when that can be trusted: a compressed answer has another length, and another site's
/// answer does not show whether it was compressed.
pub(super) fn plain_length(response: &Response) -> Option<u64> {
    if response.type_() != ResponseType::Basic || header(response, "content-encoding").is_some() {
        return None;
    }
    header(response, "content-length")?.parse().ok()
}

/// By what the file's state is known again.
pub(super) fn stamp(response: &Response, length: Option<u64>) -> Stamp {
    Stamp { etag: header(response, "etag"), modified: header(response, "last-modified"), length }
}

/// An answer's bytes as they arrive.
pub(super) struct Body {
    url: String,
    reader: Option<ReadableStreamDefaultReader>,
}

impl Body {
    /// Begins to read.
    pub(super) fn of(response: &Response, url: &str) -> Self {
        let reader = response.body().map(|body| body.get_reader().unchecked_into());
        Self { url: url.to_owned(), reader }
    }

    /// The next bytes, as many as have come; `None` at the end.
    ///
    /// # Errors
    /// [`LoadError::Cancelled`] or [`LoadError::Broken`].
    pub(super) async fn next(&mut self, report: &dyn Report) -> Result<Option<Uint8Array>, LoadError> {
        let Some(reader) = self.reader.clone() else { return Ok(None) };
        let result = match reader.read().await {
            Ok(result) => result,
            Err(_) if report.cancelled() => return Err(LoadError::Cancelled),
            Err(error) => return Err(LoadError::Broken { url: self.url.clone(), reason: words(&error) }),
        };
        if property(&result, "done").is_none_or(|done| done.is_truthy()) {
            self.reader = None;
            return Ok(None);
        }
        Ok(property(&result, "value").map(JsCast::unchecked_into))
    }

    /// All bytes of a small file.
    ///
    /// # Errors
    /// As [`Body::next`], and [`LoadError::TooLarge`] beyond `most` bytes.
    pub(super) async fn whole(mut self, most: u64, report: &dyn Report) -> Result<Vec<u8>, LoadError> {
        let mut bytes = Vec::new();
        while let Some(chunk) = self.next(report).await? {
            let have = bytes.len();
            if have as u64 + u64::from(chunk.length()) > most {
                return Err(LoadError::TooLarge { file: self.url.clone(), most });
            }
            bytes.resize(have + chunk.length() as usize, 0);
            chunk.copy_to(&mut bytes[have..]);
        }
        Ok(bytes)
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        if let Some(reader) = self.reader.take() {
            drop(JsFuture::from(reader.cancel()));
        }
    }
}

/// Waits, unless the visitor stops the load.
///
/// # Errors
/// [`LoadError::Cancelled`].
pub(super) async fn pause(milliseconds: u32, report: &dyn Report) -> Result<(), LoadError> {
    let mut left = milliseconds;
    while left > 0 {
        if report.cancelled() {
            return Err(LoadError::Cancelled);
        }
        let part = left.min(LOOK);
        TimeoutFuture::new(part).await;
        left -= part;
    }
    Ok(())
}

/// Lets other work of this worker go first, such as hearing that the load is to be stopped.
pub(super) async fn breathe() {
    TimeoutFuture::new(0).await;
}
