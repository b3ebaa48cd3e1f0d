//! A file on a server, in order: by ranges with the next one asked for in advance, or as one stream where there are none.

use js_sys::Uint8Array;
use web_sys::Response;

use super::WINDOW;
use crate::engine::load::Report;
use crate::engine::load::error::LoadError;
use crate::engine::load::fetch::{self, Body, Pending};
use crate::origin::{ContentRange, Patience, Pieces, Stamp, Window, patience};

/// How much is asked for before it is known that the file is what it ought to be.
const FIRST_WINDOW: u64 = 1 << 20;
/// What to do when the weights are not there.
const HINT: &str = "the weights belong beside config.json; is the upload complete?";

/// Reads from the first byte to the last. A broken connection is taken up again after the last byte that came.
pub(in crate::engine::load) struct Http<'a> {
    urls: Vec<String>,
    pieces: Pieces,
    stamps: Vec<Option<Stamp>>,
    position: u64,
    stream: Option<Stream>,
    ahead: Option<(Window, Pending)>,
    /// Whether the file was recognised, so that it is worth asking for more than its beginning.
    trusted: bool,
    /// Whether the end of a file of unknown length was reached.
    over: bool,
    /// Whether the server has answered before: if not, trying again is no help.
    reached: bool,
    /// Whether ranges are not asked for: some servers allow other sites plain requests only.
    is_plain: bool,
    patience: Patience,
    report: &'a dyn Report,
}

/// The answer that is being read.
struct Stream {
    body: Body,
    window: Window,
    /// Whether it is the whole piece rather than the window.
    is_whole: bool,
    /// Bytes that are known already.
    skip: u64,
}

impl<'a> Http<'a> {
    /// A file in pieces, one address for each, from its first byte. `stamps` are what is known of the pieces already.
    pub(in crate::engine::load) fn new(
        urls: Vec<String>,
        pieces: Pieces,
        stamps: &[Stamp],
        report: &'a dyn Report,
    ) -> Self {
        let known = |piece: usize| stamps.get(piece).filter(|stamp| **stamp != Stamp::default()).cloned();
        let stamps = (0..urls.len()).map(known).collect();
        Self {
            urls,
            pieces,
            stamps,
            position: 0,
            stream: None,
            ahead: None,
            trusted: false,
            over: false,
            reached: false,
            is_plain: false,
            patience: Patience::default(),
            report,
        }
    }

    /// The file's length, when it is known.
    pub(in crate::engine::load) fn length(&self) -> Option<u64> {
        self.pieces.length()
    }

    /// What the server said of every piece that was asked for.
    pub(in crate::engine::load) fn stamps(&self) -> Vec<Stamp> {
        self.stamps.iter().map(|stamp| stamp.clone().unwrap_or_default()).collect()
    }

    /// Goes on from a byte.
    pub(in crate::engine::load) fn go_to(&mut self, position: u64) {
        if position != self.position {
            self.position = position;
            self.stream = None;
            self.ahead = None;
        }
    }

    /// The file is what it ought to be and has this length: from now on it is asked for in advance.
    pub(in crate::engine::load) fn trust(&mut self, length: u64) {
        self.trusted = true;
        self.pieces.set_length(self.urls.len().saturating_sub(1), length);
    }

    /// The next bytes, as many as have come; `None` at the end.
    ///
    /// # Errors
    /// [`LoadError`], after trying again where that may help.
    pub(in crate::engine::load) async fn next(&mut self) -> Result<Option<Uint8Array>, LoadError> {
        loop {
            if self.report.cancelled() {
                return Err(LoadError::Cancelled);
            }
            if self.stream.is_none() && !self.is_over() {
                match self.open().await {
                    Ok(stream) => self.stream = stream,
                    Err(error) => self.recover(error).await?,
                }
            }
            let Some(mut stream) = self.stream.take() else {
                if self.is_over() {
                    return Ok(None);
                }
                continue;
            };
            self.look_ahead(&stream);
            match stream.next(self.report).await {
                Ok(Some(chunk)) => {
                    self.advance(&stream, &chunk)?;
                    self.stream = Some(stream);
                    return Ok(Some(chunk));
                }
                Ok(None) => {
                    if let Err(error) = self.end(&stream) {
                        self.recover(error).await?;
                    }
                }
                Err(error) => self.recover(error).await?,
            }
        }
    }

    fn is_over(&self) -> bool {
        self.over || self.pieces.window(self.position, 1).is_none()
    }

    /// Takes the answer that was asked for in advance, or asks now.
    async fn open(&mut self) -> Result<Option<Stream>, LoadError> {
        let size = if self.trusted { WINDOW } else { FIRST_WINDOW };
        let Some(window) = self.pieces.window(self.position, size) else { return Ok(None) };
        let ahead = self.ahead.take().filter(|(planned, _)| planned.file.start == window.file.start);
        let (window, pending) = ahead.unwrap_or_else(|| self.ask(window));
        let response = pending.answer(self.report).await?;
        self.accept(window, &response)
    }

    fn ask(&self, window: Window) -> (Window, Pending) {
        let url = self.urls.get(window.piece).map_or("", String::as_str);
        let range = (!self.is_plain).then_some(&window.within);
        let pending = Pending::bytes(url, range, self.report);
        (window, pending)
    }

    /// Asks for the next window while the present one is read.
    fn look_ahead(&mut self, stream: &Stream) {
        if self.trusted && self.ahead.is_none() && !stream.is_whole {
            self.ahead = self.pieces.window(stream.window.file.end, WINDOW).map(|window| self.ask(window));
        }
    }

    /// Makes sure that an answer continues the same file where it was left.
    fn accept(&mut self, window: Window, response: &Response) -> Result<Option<Stream>, LoadError> {
        let url = self.urls.get(window.piece).cloned().unwrap_or_default();
        if response.status() == 416 {
            fetch::discard(response);
            return match self.pieces.end(window.piece) {
                Some(expected) => Err(LoadError::Truncated { file: url, found: self.position, expected }),
                None => {
                    self.over = true;
                    Ok(None)
                }
            };
        }
        fetch::check(response, &url, HINT)?;
        self.reached = true;
        let is_whole = response.status() != 206;
        let range = fetch::header(response, "content-range").as_deref().and_then(ContentRange::parse);
        if let Some(range) = range.filter(|range| !is_whole && range.start != window.within.start) {
            fetch::discard(response);
            return Err(LoadError::WrongRange { url, asked: window.within.start, sent: range.start });
        }
        let length = if is_whole { fetch::plain_length(response) } else { range.and_then(|range| range.total) };
        self.compare(window.piece, &url, fetch::stamp(response, length))?;
        let skip = if is_whole { window.within.start } else { 0 };
        Ok(Some(Stream { body: Body::of(response, &url), window, is_whole, skip }))
    }

    /// Refuses a file that is not the one that was begun, or not the one that the manifest lists.
    fn compare(&mut self, piece: usize, url: &str, stamp: Stamp) -> Result<(), LoadError> {
        let Some(known) = self.stamps.get_mut(piece) else { return Ok(()) };
        if known.as_ref().and_then(|known| known.is_same(&stamp)) == Some(false) {
            return Err(LoadError::Changed { url: url.to_owned() });
        }
        let length = stamp.length;
        known.get_or_insert(stamp);
        let Some(found) = length else { return Ok(()) };
        self.pieces.set_length(piece, found);
        match self.pieces.end(piece).map(|end| end - self.pieces.start(piece)) {
            Some(expected) if expected != found => Err(LoadError::Length { file: url.to_owned(), found, expected }),
            _ => Ok(()),
        }
    }

    /// Counts bytes that came.
    fn advance(&mut self, stream: &Stream, chunk: &Uint8Array) -> Result<(), LoadError> {
        self.patience.restore();
        self.position += u64::from(chunk.length());
        let piece = stream.window.piece;
        match self.pieces.end(piece) {
            Some(end) if self.position > end => {
                let start = self.pieces.start(piece);
                let file = self.urls.get(piece).cloned().unwrap_or_default();
                Err(LoadError::Length { file, found: self.position - start, expected: end - start })
            }
            _ => Ok(()),
        }
    }

    /// Decides what the end of an answer means.
    fn end(&mut self, stream: &Stream) -> Result<(), LoadError> {
        let url = || self.urls.get(stream.window.piece).cloned().unwrap_or_default();
        match self.pieces.end(stream.window.piece) {
            Some(end) if self.position >= end => Ok(()),
            Some(expected) if stream.is_whole => {
                Err(LoadError::Truncated { file: url(), found: self.position, expected })
            }
            Some(_) if self.position == stream.window.file.start => {
                Err(LoadError::Broken { url: url(), reason: "the answer was empty".to_owned() })
            }
            Some(_) => Ok(()),
            // Of unknown length: it ends where the server stops.
            None => {
                self.over = stream.is_whole || self.position < stream.window.file.end;
                Ok(())
            }
        }
    }

    /// Waits before the next try, or gives up.
    async fn recover(&mut self, error: LoadError) -> Result<(), LoadError> {
        if self.report.cancelled() {
            return Err(LoadError::Cancelled);
        }
        if !self.reached && !self.is_plain && matches!(error, LoadError::Unreachable { .. }) {
            self.is_plain = true;
            return Ok(());
        }
        if !self.reached || !error.is_passing() {
            return Err(error);
        }
        let Some((tried, milliseconds)) = self.patience.next_try() else {
            let (url, bytes) = (self.urls.first().cloned().unwrap_or_default(), self.position);
            return Err(LoadError::GaveUp { url, bytes, reason: error.to_string() });
        };
        let stage = format!("The connection broke; try {tried} of {}", patience::TRIES);
        self.report.progress(&stage, self.position, self.pieces.length().unwrap_or(0));
        fetch::pause(milliseconds, self.report).await
    }
}

impl Stream {
    /// The next bytes that are not known yet.
    async fn next(&mut self, report: &dyn Report) -> Result<Option<Uint8Array>, LoadError> {
        while let Some(chunk) = self.body.next(report).await? {
            let length = u64::from(chunk.length());
            if self.skip >= length {
                self.skip -= length;
                continue;
            }
            let from = u32::try_from(self.skip).unwrap_or(0);
            self.skip = 0;
            return Ok(Some(chunk.subarray(from, chunk.length())));
        }
        Ok(None)
    }
}
