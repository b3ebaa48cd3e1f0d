//! CLIP's weights from the Hub: downloaded once from a server of the test's own, found in the cache afterwards.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use crate::place::{Place, Run, Tensor, clip_json, read_tensor, run, write_tensors};

/// The model that the server has.
const MODEL: &str = "acme/tiny-clip";
const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// Names and shapes of all tensors of a CLIP model with towers of one layer.
fn shapes() -> Vec<(String, Vec<usize>)> {
    let mut shapes: Vec<(String, Vec<usize>)> = [
        ("text_model.embeddings.token_embedding.weight", vec![49_408, 16]),
        ("text_model.embeddings.position_embedding.weight", vec![77, 16]),
        ("vision_model.embeddings.class_embedding", vec![16]),
        ("vision_model.embeddings.patch_embedding.weight", vec![16, 3, 8, 8]),
        ("vision_model.embeddings.position_embedding.weight", vec![17, 16]),
        ("text_projection.weight", vec![16, 16]),
        ("visual_projection.weight", vec![16, 16]),
        ("logit_scale", vec![]),
    ]
    .map(|(name, shape)| (name.to_owned(), shape))
    .to_vec();
    let mut layer = |name: &str, rows: usize, columns: Option<usize>| {
        let weight = [Some(rows), columns].into_iter().flatten().collect();
        shapes.push((format!("{name}.weight"), weight));
        shapes.push((format!("{name}.bias"), vec![rows]));
    };
    for tower in ["text_model", "vision_model"] {
        let block = format!("{tower}.encoder.layers.0");
        for matrix in ["q_proj", "k_proj", "v_proj", "out_proj"] {
            layer(&format!("{block}.self_attn.{matrix}"), 16, Some(16));
        }
        layer(&format!("{block}.mlp.fc1"), 32, Some(16));
        layer(&format!("{block}.mlp.fc2"), 16, Some(32));
        layer(&format!("{block}.layer_norm1"), 16, None);
        layer(&format!("{block}.layer_norm2"), 16, None);
    }
    for norm in ["text_model.final_layer_norm", "vision_model.pre_layrnorm", "vision_model.post_layernorm"] {
        layer(norm, 16, None);
    }
    shapes
}

/// The model's weights: small numbers that no two tensors share.
fn weights() -> Vec<(String, Tensor)> {
    let mut state: u32 = 1;
    let mut next = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f32::from(u16::try_from(state >> 16).expect("sixteen bits")) / 655_360.0 - 0.05
    };
    let tensor = |(name, shape): (String, Vec<usize>)| {
        let values: Vec<f32> = (0..shape.iter().product::<usize>()).map(|_| next()).collect();
        (name, Tensor::floats(&shape, &values))
    };
    shapes().into_iter().map(tensor).collect()
}

/// The bytes of the model's file.
fn model(place: &Place) -> Vec<u8> {
    write_tensors(&place.path("served.safetensors"), &weights());
    fs::read(place.path("served.safetensors")).expect("the model's file")
}

/// A server that has some files, each under one path, and answers as the Hub does.
struct Hub {
    address: SocketAddr,
    shared: Arc<Shared>,
    listening: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    files: BTreeMap<String, Vec<u8>>,
    /// What was asked for: path and range.
    asked: Mutex<Vec<(String, String)>>,
    /// Answers that are cut off before the end.
    cuts: AtomicUsize,
    is_closed: AtomicBool,
}

impl Hub {
    /// Serves the tiny CLIP model; so many of its large answers break off in the middle.
    fn new(place: &Place, cuts: usize) -> Self {
        let path = |file: &str| format!("/{MODEL}/resolve/main/{file}");
        let config = clip_json().to_string().into_bytes();
        Self::serving([(path("config.json"), config), (path("model.safetensors"), model(place))].into(), cuts)
    }

    /// Serves the configuration, and the weights only where the Hub's bot has converted them.
    fn converting(place: &Place) -> Self {
        let path = |revision: &str, file: &str| format!("/{MODEL}/resolve/{revision}/{file}");
        let config = clip_json().to_string().into_bytes();
        let listed = serde_json::json!({"discussions": [
            {"num": 3, "isPullRequest": true, "author": {"name": "somebody"}},
            {"num": 7, "isPullRequest": true, "author": {"name": "SFconvertbot"}},
        ]});
        let files = [
            (path("main", "config.json"), config.clone()),
            (path("refs%2Fpr%2F7", "config.json"), config),
            (path("refs%2Fpr%2F7", "model.safetensors"), model(place)),
            (format!("/api/models/{MODEL}/discussions?p=0"), listed.to_string().into_bytes()),
        ];
        Self::serving(files.into(), 0)
    }

    fn serving(files: BTreeMap<String, Vec<u8>>, cuts: usize) -> Self {
        let shared = Shared { files, cuts: AtomicUsize::new(cuts), ..Shared::default() };
        let shared = Arc::new(shared);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let listening = {
            let shared = shared.clone();
            thread::spawn(move || {
                for stream in listener.incoming().map_while(Result::ok) {
                    if shared.is_closed.load(Ordering::SeqCst) {
                        return;
                    }
                    let shared = shared.clone();
                    thread::spawn(move || answer(&stream, &shared));
                }
            })
        };
        Self { address, shared, listening: Some(listening) }
    }

    fn endpoint(&self) -> String {
        format!("--hf_endpoint=http://{}", self.address)
    }

    fn asked(&self) -> Vec<(String, String)> {
        self.shared.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.shared.is_closed.store(true, Ordering::SeqCst);
        // The listener waits for one more visitor.
        drop(TcpStream::connect(self.address));
        if let Some(listening) = self.listening.take() {
            drop(listening.join());
        }
    }
}

/// Answers one request and hangs up.
fn answer(stream: &TcpStream, shared: &Shared) {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty());
    let path = lines.next().and_then(|line| line.split(' ').nth(1).map(str::to_owned)).unwrap_or_default();
    let range = lines.filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("range").then(|| value.trim().to_owned())
    });
    let range = range.last().unwrap_or_default();
    shared.asked.lock().unwrap_or_else(PoisonError::into_inner).push((path.clone(), range.clone()));
    let reply = shared.files.get(&path).map_or_else(
        || b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec(),
        |file| part(file, &path, &range, shared),
    );
    // A client that has gone away is no fault of the server's.
    let mut stream = stream;
    drop(stream.write_all(&reply));
    drop(stream.shutdown(Shutdown::Write));
}

/// The bytes of a range with the headers that the Hub sends.
fn part(file: &[u8], path: &str, range: &str, shared: &Shared) -> Vec<u8> {
    let (from, to) = range.strip_prefix("bytes=").and_then(|range| range.split_once('-')).unwrap_or(("0", ""));
    let from: usize = from.parse().unwrap_or(0);
    let to: usize = to.parse().unwrap_or(file.len() - 1).min(file.len() - 1);
    let etag: String = path.chars().filter(char::is_ascii_alphanumeric).collect();
    let headers = [
        "HTTP/1.1 206 Partial Content".to_owned(),
        format!("X-Repo-Commit: {COMMIT}"),
        format!("ETag: \"{etag}\""),
        format!("Content-Range: bytes {from}-{to}/{}", file.len()),
        format!("Content-Length: {}", to + 1 - from),
        "Connection: close".to_owned(),
    ];
    let mut body = &file[from..=to];
    if body.len() > 100_000 && shared.cuts.load(Ordering::SeqCst) > 0 {
        shared.cuts.fetch_sub(1, Ordering::SeqCst);
        body = &body[..body.len() / 3];
    }
    [headers.join("\r\n").as_bytes(), b"\r\n\r\n", body].concat()
}

/// One step of a training from the model's weights; the image tower does not learn.
fn train(place: &Place, model: &str, output: &str, more: &[&str]) -> Run {
    let mut command = place.train_with_clip(model, "png_in_parquet", output);
    run(command.args(["--steps=1", "--policy.vision_encoder_lr_multiplier=0"]).args(more))
}

/// Asserts that both towers of a trained policy are the model's.
fn assert_towers(place: &Place, output: &str) {
    let file = place.path(output).join("checkpoints/last/pretrained_model/model.safetensors");
    for (name, served) in weights() {
        let key = match name.split_once('.') {
            Some(("text_model", _)) => format!("observation_encoder.text_encoder.text_encoder.{name}"),
            Some(("vision_model", _)) => format!("observation_encoder.vision_encoder.model.{name}"),
            _ => continue,
        };
        assert!(read_tensor(&file, &key) == served, "{key} is not what was served");
    }
}

#[test]
fn weights_are_downloaded_once_and_found_again_without_a_network() {
    let place = Place::new();
    let hub = Hub::new(&place, 0);
    let told = train(&place, MODEL, "first", &[&hub.endpoint()]).succeeded();
    assert!(told.stderr.contains("both CLIP towers start from"), "{}", told.stderr);
    assert_towers(&place, "first");
    let asked = hub.asked();
    assert!(asked.iter().any(|(path, _)| path.ends_with("model.safetensors")), "the server was asked for {asked:?}");

    train(&place, MODEL, "second", &[&hub.endpoint()]).succeeded();
    assert_eq!(hub.asked(), asked, "the second training downloads nothing");
    let endpoint = hub.endpoint();
    drop(hub);
    train(&place, MODEL, "third", &[&endpoint]).succeeded();
    assert_towers(&place, "third");
}

#[test]
fn weights_without_safetensors_come_from_the_hubs_own_conversion() {
    let place = Place::new();
    let hub = Hub::converting(&place);
    train(&place, MODEL, "first", &[&hub.endpoint()]).succeeded();
    assert_towers(&place, "first");
    drop(hub);
    let mut offline = place.train_with_clip(MODEL, "png_in_parquet", "second");
    run(offline.args(["--steps=1", "--policy.vision_encoder_lr_multiplier=0"]).env("HF_HUB_OFFLINE", "1")).succeeded();
    assert_towers(&place, "second");
}

#[test]
fn a_download_that_breaks_off_is_an_error_and_is_completed_by_the_next_one() {
    let place = Place::new();
    let hub = Hub::new(&place, 1);
    let broken = train(&place, MODEL, "out", &[&hub.endpoint()]);
    let sentence = broken.refused();
    assert!(sentence.contains("model.safetensors"), "{sentence}");
    assert!(!place.path("out").exists(), "the refused training leaves a folder behind");
    train(&place, MODEL, "out", &[&hub.endpoint()]).succeeded();
    assert_towers(&place, "out");
}

#[test]
fn a_model_that_is_not_on_the_hub_is_refused_with_what_else_to_do() {
    let place = Place::new();
    let hub = Hub::new(&place, 0);
    let unknown = train(&place, "acme/nothing", "never", &[&hub.endpoint()]);
    let sentence = unknown.refused();
    assert!(sentence.contains("acme/nothing") && sentence.contains("404"), "{sentence}");
    assert!(sentence.contains("--policy.vision_encoder_init=random"), "{sentence}");
    let endpoint = hub.endpoint();
    drop(hub);
    let away = train(&place, "acme/nothing", "never", &[&endpoint]);
    assert!(away.refused().contains("could not be downloaded"), "{}", away.refused());

    let mut offline = place.train_with_clip("acme/nothing", "png_in_parquet", "never");
    let offline = run(offline.env("HF_HUB_OFFLINE", "1"));
    assert!(offline.refused().contains("HF_HUB_OFFLINE is set"), "{}", offline.refused());
    assert!(!place.path("never").exists(), "the refused training leaves a folder behind");
}

#[test]
fn a_folder_of_weights_needs_no_hub() {
    let place = Place::new();
    write_tensors(&place.path("clip/model.safetensors"), &weights());
    let folder = place.path("clip").display().to_string();
    train(&place, &folder, "by_name", &[]).succeeded();
    assert_towers(&place, "by_name");
    train(&place, "acme/nothing", "by_flag", &[&format!("--policy.clip_path={folder}")]).succeeded();
    assert_towers(&place, "by_flag");
    let wrong = train(&place, "acme/nothing", "never", &[&format!("--policy.clip_path={}", place.path("").display())]);
    assert!(wrong.refused().contains("holds no model.safetensors"), "{}", wrong.refused());
}

#[test]
fn weights_of_another_shape_are_refused_by_the_tensor() {
    let place = Place::new();
    let mut wrong = weights();
    for (_, tensor) in wrong.iter_mut().filter(|(name, _)| name == "vision_model.embeddings.class_embedding") {
        *tensor = Tensor::floats(&[8], &[0.1; 8]);
    }
    write_tensors(&place.path("clip/model.safetensors"), &wrong);
    let told = train(&place, &place.path("clip").display().to_string(), "never", &[]);
    let sentence = told.refused();
    assert!(sentence.contains("class_embedding") && sentence.contains("[8]"), "{sentence}");
}
