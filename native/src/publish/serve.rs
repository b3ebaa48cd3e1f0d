//! A server for one folder, to look at a site before it goes to a host: files, parts of files, and nothing else.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

/// Longest that a visitor may neither ask nor listen.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longest question.
const MOST: u64 = 16 << 10;
/// The same for every answer: other sites may load from here, nothing is kept without asking, and each connection gets one
/// answer.
const ALWAYS: &str = "Access-Control-Allow-Origin: *\r\n\
    Access-Control-Expose-Headers: Accept-Ranges, Content-Length, Content-Range\r\n\
    Cross-Origin-Resource-Policy: cross-origin\r\n\
    X-Content-Type-Options: nosniff\r\n\
    Cache-Control: no-cache\r\n\
    Accept-Ranges: bytes\r\n\
    Connection: close\r\n";

/// Serves a folder until the program is ended.
pub(super) fn serve(root: &Path, address: SocketAddr) -> Result<()> {
    let root = root.canonicalize().with_context(|| format!("opening {}", root.display()))?;
    let listener = TcpListener::bind(address).with_context(|| {
        format!("nothing can be served at {address}; choose another place with --serve=127.0.0.1:0")
    })?;
    eprintln!("serving {} at http://{}/ until Ctrl-C", root.display(), listener.local_addr()?);
    for stream in listener.incoming().filter_map(Result::ok) {
        let root = root.clone();
        // Whoever cannot be answered comes again.
        drop(thread::Builder::new().spawn(move || answer(&stream, &root)));
    }
    Ok(())
}

/// Answers one request and hangs up.
fn answer(stream: &TcpStream, root: &Path) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut lines = BufReader::new(stream.take(MOST)).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    let mut asked_range = None;
    for line in lines {
        let line = line?;
        let Some((name, value)) = line.split_once(':') else { break };
        if name.eq_ignore_ascii_case("range") {
            asked_range = Some(value.trim().to_owned());
        }
    }
    let mut words = first.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    match method {
        "GET" | "HEAD" => match file(root, target) {
            Some(path) => send(stream, &path, asked_range.as_deref(), method == "GET")?,
            None => refuse(stream, "404 Not Found", "")?,
        },
        _ => refuse(stream, "405 Method Not Allowed", "Allow: GET, HEAD\r\n")?,
    }
    stream.shutdown(Shutdown::Write)
}

/// The file that an address means, if it lies in the folder and is not hidden.
fn file(root: &Path, target: &str) -> Option<PathBuf> {
    let path = target.split(['?', '#']).next()?.strip_prefix('/')?;
    let mut found = root.to_owned();
    for part in decoded(path)?.split('/').filter(|part| !part.is_empty()) {
        if part.starts_with('.') || part.contains(['\\', ':', '\0']) {
            return None;
        }
        found.push(part);
    }
    if found.is_dir() {
        found.push("index.html");
    }
    // A link may lead out of the folder.
    let found = found.canonicalize().ok()?;
    (found.starts_with(root) && found.is_file()).then_some(found)
}

/// Text without `%20` and its like.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let (meant, after) = match byte {
            b'%' => (u8::from_str_radix(std::str::from_utf8(after.get(..2)?).ok()?, 16).ok()?, &after[2..]),
            _ => (byte, after),
        };
        bytes.push(meant);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

/// Sends a file, or the part of it that was asked for.
fn send(mut stream: &TcpStream, path: &Path, asked_range: Option<&str>, with_body: bool) -> io::Result<()> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let part = asked_range.and_then(|header| part(header, length));
    let (status, bytes, range) = match part {
        None => ("200 OK", 0..length, String::new()),
        Some(bytes) if bytes.is_empty() => {
            return refuse(stream, "416 Range Not Satisfiable", &format!("Content-Range: bytes */{length}\r\n"));
        }
        Some(bytes) => {
            let range = format!("Content-Range: bytes {}-{}/{length}\r\n", bytes.start, bytes.end - 1);
            ("206 Partial Content", bytes, range)
        }
    };
    let count = bytes.end - bytes.start;
    let kind = content_type(path);
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {count}\r\n{range}{ALWAYS}\r\n");
    stream.write_all(head.as_bytes())?;
    if with_body {
        file.seek(SeekFrom::Start(bytes.start))?;
        io::copy(&mut file.take(count), &mut stream)?;
    }
    Ok(())
}

fn refuse(mut stream: &TcpStream, status: &str, header: &str) -> io::Result<()> {
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\n");
    stream.write_all(format!("{head}Content-Length: {}\r\n{header}{ALWAYS}\r\n{status}", status.len()).as_bytes())
}

/// The bytes that a `Range` header means; `None` when it means nothing, an empty range when there are no such bytes.
fn part(header: &str, length: u64) -> Option<Range<u64>> {
    let (from, to) = header.strip_prefix("bytes=")?.split_once('-')?;
    if from.is_empty() {
        let last: u64 = to.parse().ok()?;
        return Some(length.saturating_sub(last)..length);
    }
    let from = from.parse().ok()?;
    let to = if to.is_empty() { length } else { to.parse::<u64>().ok()?.saturating_add(1).min(length) };
    Some(from..to)
}

fn content_type(path: &Path) -> &'static str {
    match path.extension().and_then(|ending| ending.to_str()).unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "json" | "webmanifest" => "application/json",
        "wasm" => "application/wasm",
        "png" => "image/png",
        "svg" => "image/svg+xml",
        "ico" => "image/x-icon",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
