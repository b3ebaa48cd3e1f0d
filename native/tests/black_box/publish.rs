//! Checkpoints on their way to a static host: complete, verifiable, with a known answer, and never over something else.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::{Path, PathBuf};

use safetensors::tensor::Dtype;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::place::{Place, Run, Started, copy_folder, files, golden, read_json, read_tensor, run};

/// A checkpoint without a dataset, of 3 MB.
const GOLDEN: &str = "cases/pipeline_ddim/checkpoint";
/// A tensor of every policy.
const TENSOR: &str = "noise_predictor.input_proj.weight";

/// A place with a built page: one file that everything has, one that only this page has.
fn place() -> Place {
    let place = Place::new();
    page(&place, "page", "page-1.js");
    place
}

fn page(place: &Place, folder: &str, script: &str) {
    fs::create_dir_all(place.path(folder).join("engine")).expect("a new folder");
    fs::write(place.path(folder).join("index.html"), format!("<script src={script}></script>")).expect("a new file");
    fs::write(place.path(folder).join(script), "start()").expect("a new file");
    fs::write(place.path(folder).join("engine/engine_bg.wasm"), b"\0asm").expect("a new file");
}

/// A policy after one step, in `NAME/`.
fn trained(place: &Place, name: &str) {
    run(place.train("png_in_parquet", name).arg("--steps=1")).succeeded();
}

/// `mtdit publish` with the page, into `site/`.
fn publish(place: &Place, words: &str) -> Run {
    let arguments: Vec<&str> = words.split_whitespace().collect();
    run(place.mtdit(&["publish", "--device", "cpu", "--out", "site", "--page", "page"]).args(arguments))
}

fn publish_golden(place: &Place, words: &str) -> Run {
    publish(place, &format!("{} {words}", golden(GOLDEN).display()))
}

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Checks every file of a published checkpoint against its manifest, and returns that.
fn manifest(folder: &Path) -> Value {
    let manifest = read_json(&folder.join("manifest.json"));
    let mut known = vec![PathBuf::from("manifest.json")];
    for file in manifest["files"].as_array().expect("a list of files") {
        let path = file["path"].as_str().expect("a path");
        let paths: Vec<&str> = match file["pieces"].as_array() {
            Some(pieces) => pieces.iter().map(|piece| piece["path"].as_str().expect("a path")).collect(),
            None => vec![path],
        };
        let read = |path: &&str| fs::read(folder.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        let bytes = paths.iter().map(read).collect::<Vec<_>>().concat();
        assert_eq!(file["bytes"], bytes.len(), "length of {path}");
        assert_eq!(file["sha256"], hash(&bytes), "SHA-256 of {path}");
        known.extend(paths.iter().map(PathBuf::from));
    }
    known.sort();
    assert_eq!(files(folder), known, "the manifest lists every file");
    manifest
}

fn checkpoints(place: &Place) -> Vec<Value> {
    read_json(&place.path("site/models/index.json"))["checkpoints"].as_array().expect("a list of checkpoints").clone()
}

/// The normalised actions that `mtdit predict` executes on a published folder's sample observation, with the sampler of its
/// known answer.
fn predicted(place: &Place, checkpoint: &Path, folder: &Path) -> Value {
    let manifest = read_json(&folder.join("manifest.json"));
    let (sample, expected) = (&manifest["sample"], &manifest["expected"]);
    let mut command = place.mtdit(&["predict", "--device", "cpu"]);
    command.arg("--checkpoint").arg(checkpoint);
    command.args(["--task", sample["task"].as_str().expect("an instruction")]);
    command.args(["--sampler", expected["sampler"].as_str().expect("a sampler")]);
    command.args(["--steps", &expected["steps"].to_string(), "--seed", &expected["seed"].to_string()]);
    for state in sample["states"].as_array().expect("states") {
        let numbers: Vec<String> = state.as_array().expect("numbers").iter().map(Value::to_string).collect();
        command.args(["--state", &numbers.join(",")]);
    }
    for frames in sample["frames"].as_array().expect("moments") {
        let picture = folder.join(frames[0].as_str().expect("a path"));
        command.arg("--image").arg(format!("top={}", picture.display()));
    }
    run(&mut command).succeeded().json()["chunk_normalized"].take()
}

/// The known answer of a tiny policy, which looks at two moments and executes four actions of eight.
fn assert_expected(manifest: &Value, predicted: &Value) {
    let actions = manifest["expected"]["actions"].as_array().expect("actions");
    assert_eq!((actions.len(), actions[0].as_array().map(Vec::len)), (8, Some(3)), "[horizon][action_dim]");
    let numbers = |rows: &[Value]| -> Vec<f64> {
        let rows = rows.iter().flat_map(|row| row.as_array().expect("a list of numbers"));
        rows.map(|number| number.as_f64().expect("a number")).collect()
    };
    let (known, found) = (numbers(&actions[1..5]), numbers(predicted.as_array().expect("a list of steps")));
    assert_eq!(known.len(), found.len(), "executed actions");
    for (known, found) in known.iter().zip(&found) {
        assert!((known - found).abs() <= 1e-6, "known {known}, predicted {found}");
    }
}

#[test]
fn a_site_holds_the_page_the_checkpoint_and_its_known_answer() {
    let place = place();
    trained(&place, "first");
    let told = publish(&place, "first --name My-Policy").succeeded();
    assert!(told.stdout.contains("site: 1 checkpoint, ") && told.stdout.contains("--serve"), "{}", told.stdout);
    assert!(!told.stderr.contains("note:"), "{}", told.stderr);
    for file in ["index.html", "page-1.js", "engine/engine_bg.wasm", "_headers", ".nojekyll"] {
        assert!(place.path("site").join(file).is_file(), "the site has no {file}");
    }

    let folder = place.path("site/models/my-policy");
    let manifest = manifest(&folder);
    let source = place.path("first/checkpoints/last/pretrained_model");
    for file in ["config.json", "model.safetensors", "policy_preprocessor.json", "clip/config.json"] {
        assert!(fs::read(folder.join(file)).expect(file) == fs::read(source.join(file)).expect(file), "{file} differs");
    }
    assert!(!folder.join("train_config.json").exists(), "what only training needs stays behind");
    let extras = fs::read_to_string(folder.join("mtdit.json")).expect("our own file");
    assert!(extras.contains("provenance") && !extras.contains("frames"), "no folder of this machine: {extras}");

    let listed = &checkpoints(&place)[0];
    assert_eq!((&listed["folder"], &listed["name"]), (&Value::from("my-policy"), &Value::from("My-Policy")), "names");
    assert_eq!(listed["picture"], "sample/top_1.png", "the latest picture of the first camera");
    let bytes: u64 = manifest["files"].as_array().into_iter().flatten().filter_map(|file| file["bytes"].as_u64()).sum();
    assert_eq!(listed["bytes"], bytes, "bytes of all files");
    let description = listed["description"].as_str().expect("a description");
    assert!(description.starts_with("A diffusion policy of ") && description.contains("camera top"), "{description}");

    let expected = &manifest["expected"];
    let sampler = (&expected["sampler"], &expected["steps"]);
    assert_eq!(sampler, (&Value::from("ddim"), &Value::from(10)), "few steps, and no noise but the first");
    for checkpoint in [&source, &folder] {
        assert_expected(&manifest, &predicted(&place, checkpoint, &folder));
    }
}

#[test]
fn publishing_again_replaces_what_has_the_same_name_and_keeps_the_rest() {
    let place = place();
    trained(&place, "first");
    let told = publish_golden(&place, "--name golden").succeeded();
    assert!(told.stderr.contains("golden gets no sample observation"), "{}", told.stderr);
    assert!(manifest(&place.path("site/models/golden"))["expected"].is_null(), "no observation, no answer");
    let whole = checkpoints(&place)[0]["bytes"].as_u64();
    fs::write(place.path("site/CNAME"), "robots.example").expect("a file of the site's owner");

    publish(&place, "first first --dataset first").refused();
    assert_eq!(checkpoints(&place).len(), 1, "a publication that fails changes nothing");
    let left = files(&place.path("site/models"));
    let others: Vec<&PathBuf> = left.iter().filter(|path| !path.starts_with("golden")).collect();
    assert_eq!(others, [&PathBuf::from("index.json")], "and leaves nothing behind");

    publish(&place, "first first").succeeded();
    page(&place, "page", "page-2.js");
    fs::remove_file(place.path("page/page-1.js")).expect("the older page's file");
    publish_golden(&place, "--name golden --dtype f16").succeeded();
    let folders: Vec<Value> = checkpoints(&place).iter().map(|listed| listed["folder"].clone()).collect();
    assert_eq!(folders, ["golden", "first", "first-2"], "in the order of their first publication");
    for folder in ["golden", "first", "first-2"] {
        manifest(&place.path("site/models").join(folder));
    }
    let halved = checkpoints(&place)[0]["bytes"].as_u64();
    assert!(halved.zip(whole).is_some_and(|(half, whole)| half < whole * 6 / 10), "{halved:?} of {whole:?} bytes");
    assert!(place.path("site/CNAME").is_file(), "what is not ours stays");
    assert!(place.path("site/page-2.js").is_file(), "the new page is there");
    assert!(!place.path("site/page-1.js").exists(), "the old page is gone");
}

#[test]
fn halved_weights_are_rounded_and_the_known_answer_is_theirs() {
    let place = place();
    trained(&place, "first");
    publish(&place, "first --dtype f16").succeeded();
    let folder = place.path("site/models/first");
    let single = read_tensor(&place.path("first/checkpoints/last/pretrained_model/model.safetensors"), TENSOR);
    let half = read_tensor(&folder.join("model.safetensors"), TENSOR);
    assert_eq!((half.dtype, &half.shape), (Dtype::F16, &single.shape), "half precision, the same shape");
    let rounded: Vec<u8> = single.values().iter().flat_map(|&value| half::f16::from_f32(value).to_le_bytes()).collect();
    assert!(half.bytes == rounded, "every number is the nearest half");
    let manifest = manifest(&folder);
    assert_expected(&manifest, &predicted(&place, &folder, &folder));
}

#[test]
fn a_number_that_half_precision_cannot_hold_is_refused_by_its_tensor() {
    let place = place();
    copy_folder(&golden(GOLDEN), &place.path("large"));
    let mut bytes = fs::read(place.path("large/model.safetensors")).expect("the weights");
    let end = bytes.len() - 4;
    bytes[end..].copy_from_slice(&1e6_f32.to_le_bytes());
    fs::write(place.path("large/model.safetensors"), bytes).expect("the changed weights");
    let told = publish(&place, "large --dtype f16");
    let sentence = told.refused();
    assert!(sentence.contains("tensor `") && sentence.contains("holds 1000000"), "{sentence}");
    assert!(sentence.contains("--dtype f32"), "{sentence}");
    assert!(!place.path("site").exists(), "the refused publication leaves a folder behind");
    publish(&place, "large").succeeded();
}

#[test]
fn large_weights_are_cut_into_pieces() {
    let place = place();
    publish_golden(&place, "--name golden --max-piece 1MiB").succeeded();
    let folder = place.path("site/models/golden");
    let manifest = manifest(&folder);
    let weights = manifest["files"].as_array().into_iter().flatten().find(|file| file["path"] == "model.safetensors");
    let weights = weights.expect("the weights are listed under their own name");
    let pieces: Vec<(&str, u64)> = weights["pieces"]
        .as_array()
        .expect("pieces")
        .iter()
        .map(|piece| (piece["path"].as_str().expect("a path"), piece["bytes"].as_u64().expect("a length")))
        .collect();
    let names: Vec<&str> = pieces.iter().map(|(path, _)| *path).collect();
    assert_eq!(names, ["model.safetensors.000", "model.safetensors.001", "model.safetensors.002"], "in order");
    assert!(pieces.iter().all(|(_, bytes)| *bytes <= 1 << 20), "{pieces:?}");
    for (path, bytes) in &pieces {
        assert_eq!(fs::metadata(folder.join(path)).expect("a piece").len(), *bytes, "length of {path}");
    }
    let source = fs::read(golden(GOLDEN).join("model.safetensors")).expect("the weights");
    assert_eq!(weights["sha256"], hash(&source), "the hash is that of the whole file");
}

#[test]
fn a_published_checkpoint_can_be_published_again() {
    let place = place();
    trained(&place, "first");
    publish(&place, "first --task fold-it").succeeded();
    let first = manifest(&place.path("site/models/first"));
    assert_eq!(first["sample"]["task"], "fold-it", "the instruction that was asked for");
    copy_folder(&place.path("site/models/first"), &place.path("copy"));
    publish(&place, "copy").succeeded();
    let copy = manifest(&place.path("site/models/copy"));
    assert_eq!((&copy["sample"], &copy["expected"]), (&first["sample"], &first["expected"]), "the same sample");
    assert_eq!(copy["files"], first["files"], "the same files");

    let outside = fs::read_to_string(place.path("copy/sample/observation.json")).expect("the sample");
    let outside = outside.replace("sample/top_0.png", "../good.png");
    fs::write(place.path("copy/sample/observation.json"), outside).expect("the changed sample");
    let told = publish(&place, "copy");
    assert!(told.refused().contains("`../good.png`, which is not a path below"), "{}", told.refused());
}

#[test]
fn a_dataset_that_does_not_fit_is_refused() {
    let place = place();
    let dataset = golden("datasets/png_in_parquet");
    let told = publish_golden(&place, &format!("--dataset {}", dataset.display()));
    let sentence = told.refused();
    assert!(sentence.contains("png_in_parquet") && sentence.contains("observation.images.front"), "{sentence}");
    let told = publish_golden(&place, "--dataset nowhere");
    assert!(told.refused().contains("nowhere"), "{}", told.refused());
    assert!(!place.path("site").exists(), "the refused publications leave a folder behind");
}

#[test]
fn a_folder_of_something_else_is_left_alone() {
    let place = place();
    fs::create_dir(place.path("site")).expect("a new folder");
    fs::write(place.path("site/precious.txt"), "do not touch").expect("a new file");
    let told = publish_golden(&place, "");
    assert!(told.refused_at_once().contains("it is no published site"), "{}", told.refused_at_once());
    assert_eq!(files(&place.path("site")), [PathBuf::from("precious.txt")], "nothing was added");

    fs::create_dir(place.path("site/models")).expect("a new folder");
    fs::write(place.path("site/models/index.json"), "{\"robots\": []}").expect("a new file");
    let told = publish_golden(&place, "");
    assert!(told.refused_at_once().contains("no list of checkpoints"), "{}", told.refused_at_once());
}

#[test]
fn wrong_arguments_are_refused_before_anything_is_written() {
    let place = place();
    fs::create_dir(place.path("empty")).expect("a new folder");
    let golden = golden(GOLDEN).display().to_string();
    let preset = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/presets/small");
    for (words, answer) in [
        ("nowhere".to_owned(), "no checkpoint here"),
        (preset.to_owned(), "model.safetensors: the file is missing"),
        (format!("{golden} {golden} --name one"), "--name is given 1 times for 2 checkpoints"),
        (format!("{golden} --dataset a --dataset b"), "--dataset is given 2 times for 1 checkpoint"),
    ] {
        let told = publish(&place, &words);
        assert!(told.refused_at_once().contains(answer), "{words} is answered: {}", told.refused_at_once());
    }
    let told = run(&mut place.mtdit(&["publish", &golden, "--out", "site", "--page", "empty"]));
    let sentence = told.refused_at_once();
    assert!(sentence.contains("empty holds no index.html") && sentence.contains("trunk build --release"), "{sentence}");
    let told = run(&mut place.mtdit(&["publish", "--out", "site", "--serve=127.0.0.1:0"]));
    assert!(told.refused_at_once().contains("no published site yet"), "{}", told.refused_at_once());
    assert_eq!(publish(&place, "").code, Some(2), "without a checkpoint");
    for words in ["--max-piece 24", "--max-piece 1parsec", "--dtype f64", "--serve=here"] {
        let told = publish_golden(&place, words);
        assert_eq!(told.code, Some(2), "`{words}` is answered: {}", told.stderr);
    }
    assert!(!place.path("site").exists(), "the refused publications leave a folder behind");
}

#[cfg(not(embedded_page))]
#[test]
fn without_a_page_it_is_said_how_to_get_one() {
    let place = place();
    let golden = golden(GOLDEN).display().to_string();
    let arguments = ["publish", &golden, "--out", "site", "--name", "golden", "--device", "cpu"];
    let told = run(&mut place.mtdit(&arguments));
    let sentence = told.refused_at_once();
    assert!(sentence.contains("trunk build --release") && sentence.contains("--page web/dist"), "{sentence}");
    assert!(!place.path("site").exists(), "the refused publication leaves a folder behind");
    publish_golden(&place, "--name golden").succeeded();
    run(&mut place.mtdit(&arguments)).succeeded();
    assert!(place.path("site/page-1.js").is_file(), "the page that is there is kept");
}

#[cfg(embedded_page)]
#[test]
fn the_page_is_in_the_program() {
    let place = place();
    let golden = golden(GOLDEN).display().to_string();
    run(&mut place.mtdit(&["publish", &golden, "--out", "site", "--device", "cpu"])).succeeded();
    let built = concat!(env!("CARGO_MANIFEST_DIR"), "/../web/dist/index.html");
    let page = fs::read(place.path("site/index.html")).expect("the page");
    assert!(page == fs::read(built).expect("the page as it was built"), "the page is the one that was built");
    let is_wasm = |path: &&PathBuf| path.extension().is_some_and(|ending| ending == "wasm");
    let files = files(&place.path("site"));
    let wasm: Vec<&PathBuf> = files.iter().filter(is_wasm).collect();
    assert!(!wasm.is_empty(), "the page comes with its programs: {files:?}");
    for file in wasm {
        let bytes = fs::read(place.path("site").join(file)).expect("a program");
        assert_eq!(bytes.get(..4), Some(&b"\0asm"[..]), "{} is whole", file.display());
    }
}

/// An answer over HTTP: its head, and its body.
fn ask(address: &str, request: &str) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(address).expect("the server listens");
    stream.write_all(format!("{request}\r\n\r\n").as_bytes()).expect("the server reads");
    stream.shutdown(Shutdown::Write).expect("an open connection");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("the server answers");
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").expect("a head");
    (String::from_utf8(answer[..end].to_vec()).expect("a head of text"), answer[end + 4..].to_vec())
}

#[test]
fn a_site_can_be_looked_at_here() {
    let place = place();
    publish_golden(&place, "--name golden").succeeded();
    fs::write(place.path("secret.txt"), "secret").expect("a new file");
    let mut command = place.mtdit(&["publish", "--out", "site", "--serve=127.0.0.1:0"]);
    let mut server = Started::new(&mut command, place.path("log"));
    server.wait_for("until Ctrl-C");
    let said = server.said();
    let address = said.split("http://").nth(1).and_then(|rest| rest.split('/').next()).expect("an address");

    let (head, body) = ask(address, "GET / HTTP/1.1\r\nHost: here");
    assert!(head.starts_with("HTTP/1.1 200 OK") && head.contains("Content-Type: text/html"), "{head}");
    assert_eq!(body, fs::read(place.path("site/index.html")).expect("the page"), "the page");
    let (head, _) = ask(address, "GET /engine/engine_bg.wasm?version=1 HTTP/1.1");
    assert!(head.contains("Content-Type: application/wasm"), "{head}");
    let (head, body) = ask(address, "HEAD /models/index.json HTTP/1.1");
    assert!(head.contains("application/json") && head.contains("Access-Control-Allow-Origin: *"), "{head}");
    assert!(body.is_empty(), "only the head was asked for");

    let weights = fs::read(golden(GOLDEN).join("model.safetensors")).expect("the weights");
    let (length, path) = (weights.len(), "/models/golden/model.safetensors");
    for (range, bytes) in [("8-15", 8..16), ("3000000-", 3_000_000..length), ("-5", length - 5..length)] {
        let (head, body) = ask(address, &format!("GET {path} HTTP/1.1\r\nRange: bytes={range}"));
        let said = format!("Content-Range: bytes {}-{}/{length}", bytes.start, bytes.end - 1);
        assert!(head.starts_with("HTTP/1.1 206 ") && head.contains(&said), "{range}: {head}");
        assert!(body == weights[bytes], "the bytes of {range}");
    }
    let (head, _) = ask(address, &format!("GET {path} HTTP/1.1\r\nrange: bytes={length}-"));
    assert!(head.starts_with("HTTP/1.1 416 ") && head.contains(&format!("bytes */{length}")), "{head}");
    let (head, body) = ask(address, &format!("GET {path} HTTP/1.1\r\nRange: lines=1-2"));
    assert!(head.starts_with("HTTP/1.1 200 ") && body == weights, "what is not understood is the whole file");

    let outside =
        ["/nothing", "/../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt", "/.page", "secret.txt", "/%zz"];
    for path in outside {
        let (head, body) = ask(address, &format!("GET {path} HTTP/1.1"));
        assert!(head.starts_with("HTTP/1.1 404 ") && body == b"404 Not Found", "{path}: {head}");
    }
    let (head, _) = ask(address, "POST / HTTP/1.1");
    assert!(head.starts_with("HTTP/1.1 405 "), "{head}");
    drop(TcpStream::connect(address).expect("a visitor who says nothing"));
    assert!(server.is_running(), "{}", server.said());
}
