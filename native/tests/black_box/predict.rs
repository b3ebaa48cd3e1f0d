//! One observation, one chunk: equal to `LeRobot`'s, the same from pictures and from a file, and a sentence for everything
//! that is wrong.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use image::RgbImage;
use safetensors::tensor::Dtype;
use serde_json::Value;

use crate::place::{Place, Run, Tensor, copy_folder, golden, picture, read_json, read_tensor, run, write_tensors};

/// The golden policy: cameras `front` and `wrist` of 48 x 64, seven state values, six actions.
const CASE: &str = "cases/pipeline_ddim";
/// An observation of it. `good.png` is in every test's folder.
const GOOD: &str = "--image front=good.png --image wrist=good.png --state 1,2,3,4,5,6,7";

/// A prediction of the golden policy.
fn predict(place: &Place, arguments: &[&str]) -> Command {
    let checkpoint = golden(CASE).join("checkpoint").display().to_string();
    let mut command = place.mtdit(&["predict", "--device", "cpu", "--checkpoint", &checkpoint]);
    command.args(arguments);
    command
}

/// The same, from words, with an instruction.
fn predict_words(place: &Place, words: &str) -> Run {
    let arguments: Vec<&str> = words.split_whitespace().chain(["--task", "pick up the red cube"]).collect();
    run(&mut predict(place, &arguments))
}

/// A tensor of the golden policy's first observation.
fn raw(name: &str) -> Tensor {
    read_tensor(&golden(CASE).join("io.safetensors"), name)
}

/// `observation.safetensors`, `noise.safetensors` and the instruction of the first golden observation.
fn golden_observation(place: &Place) -> String {
    let inputs = ["images.front", "images.wrist", "state"];
    let observation = inputs.map(|name| (name.to_owned(), raw(&format!("raw.0.{name}"))));
    write_tensors(&place.path("observation.safetensors"), &observation);
    write_tensors(&place.path("noise.safetensors"), &[("noise".to_owned(), raw("raw.0.initial_noise"))]);
    String::from_utf8(raw("raw.0.task").bytes).expect("UTF-8")
}

/// All numbers of a chunk.
fn numbers(chunk: &Value) -> Vec<f64> {
    let rows = chunk.as_array().expect("a list of steps").iter();
    rows.flat_map(|row| row.as_array().expect("a list of numbers")).map(|x| x.as_f64().expect("a number")).collect()
}

fn assert_golden(found: &Value, name: &str) {
    let (found, expected) = (numbers(found), raw(name).values());
    assert_eq!(found.len(), expected.len(), "numbers of {name}");
    let largest = expected.iter().fold(0.0_f64, |largest, value| largest.max(f64::from(value.abs())));
    for (i, (&found, &expected)) in found.iter().zip(&expected).enumerate() {
        let (expected, error) = (f64::from(expected), (found - f64::from(expected)).abs());
        assert!(error <= 2e-4 * expected.abs() + 1e-5 * largest, "{name}: number {i} is {found}, not {expected}");
    }
}

#[test]
fn the_chunk_of_a_golden_observation_is_lerobots() {
    let place = Place::new();
    let task = golden_observation(&place);
    let files = ["--observation", "observation.safetensors", "--initial-noise", "noise.safetensors"];
    let answer = run(predict(&place, &files).args(["--task", &task])).succeeded().json();
    assert_golden(&answer["chunk"], "expect.0.chunk");
    assert_golden(&answer["chunk_normalized"], "expect.0.chunk_normalized");
    assert_eq!(answer["chunk"].as_array().map(Vec::len), Some(8), "n_action_steps");
    assert_eq!(answer["chunk"][0].as_array().map(Vec::len), Some(6), "action_dim");
    assert_eq!(answer["action_names"].as_array().map(Vec::len), Some(6), "a name for every dimension");
    assert_eq!((&answer["sampler"], &answer["steps"]), (&Value::from("ddim"), &Value::from(10)), "the sampler");
    for stage in ["preprocess", "vision", "text", "conditioning", "denoise", "postprocess", "total"] {
        assert!(answer["timings_ms"][stage].is_number(), "no time of `{stage}`");
    }
    assert_eq!(answer["timings_ms"]["denoise_steps"].as_array().map(Vec::len), Some(10), "a time for every step");
}

#[test]
fn pictures_and_a_file_of_the_same_observation_give_the_same_chunk() {
    let place = Place::new();
    let task = golden_observation(&place);
    let mut by_pictures = predict(&place, &["--initial-noise", "noise.safetensors", "--task", &task]);
    for camera in ["front", "wrist"] {
        let frames = raw(&format!("raw.0.images.{camera}")).bytes;
        for (step, pixels) in frames.chunks(48 * 64 * 3).enumerate() {
            let frame = RgbImage::from_raw(64, 48, pixels.to_vec()).expect("a whole frame");
            frame.save(place.path(&format!("{camera}{step}.png"))).expect("a new picture");
            by_pictures.arg("--image").arg(format!("{camera}={camera}{step}.png"));
        }
    }
    for state in raw("raw.0.state").values().chunks(7) {
        let state: Vec<String> = state.iter().map(f32::to_string).collect();
        by_pictures.arg("--state").arg(state.join(","));
    }
    let files = ["--observation", "observation.safetensors", "--initial-noise", "noise.safetensors"];
    let by_file = run(predict(&place, &files).args(["--task", &task])).succeeded().json();
    let by_pictures = run(&mut by_pictures).succeeded().json();
    assert_eq!(by_pictures["chunk"], by_file["chunk"], "the chunk");
}

#[test]
fn the_seed_decides_the_chunk() {
    let place = Place::new();
    let chunk = |words: &str| predict_words(&place, &format!("{GOOD} {words}")).succeeded().json()["chunk"].take();
    assert_eq!(chunk("--seed 7"), chunk("--seed 7"), "the same seed");
    assert_ne!(chunk("--seed 7"), chunk("--seed 8"), "another seed");
    assert_eq!(chunk(""), chunk("--seed 0"), "the seed that is not given");
}

#[test]
fn the_answer_goes_to_a_file_with_a_plot_beside_it() {
    let place = Place::new();
    let told = predict_words(&place, &format!("{GOOD} --samples 3 --out answers/chunk.json")).succeeded();
    assert_eq!(told.stdout, "", "the answer is in the file");
    let answer = read_json(&place.path("answers/chunk.json"));
    assert_eq!(answer["samples"].as_array().map(Vec::len), Some(3), "three chunks");
    assert_eq!(answer["samples"][0], answer["chunk"], "the first is the answer");
    let plot = fs::read_to_string(place.path("answers/chunk.svg")).expect("the plot beside it");
    assert!(plot.contains("<svg"), "{plot}");
    predict_words(&place, &format!("{GOOD} --plot here.svg")).succeeded();
    assert!(place.path("here.svg").is_file(), "the plot where it was asked for");
}

#[test]
fn any_text_is_an_instruction() {
    let place = Place::new();
    let answer = |task: &str| {
        let arguments: Vec<&str> = GOOD.split_whitespace().chain(["--task", task]).collect();
        run(&mut predict(&place, &arguments)).succeeded().json()
    };
    for task in ["", " ", "a\nb\t\r", "\u{1b}[31mred", "取って 🤖", "שלום", "<script>&amp;"] {
        assert_eq!(answer(task)["task"], task, "it is repeated as it is");
    }
    // Longer arguments than 128 KiB do not reach a program on Linux.
    let long = "pick up the cube ".repeat(7000);
    let shorter = "pick up the cube ".repeat(50);
    assert_eq!(answer(&long)["chunk"], answer(&shorter)["chunk"], "words beyond the 77 tokens count for nothing");
    assert_ne!(answer("pick")["chunk"], answer("place")["chunk"], "words before that count");
}

/// CRC-32 as PNG has it.
fn crc(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { 0xedb8_8320 ^ (crc >> 1) } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), |crc, _| step(crc)))
}

/// A small PNG file that claims to be huge.
fn bomb(side: u32) -> Vec<u8> {
    let chunk = |kind: &[u8; 4], data: &[u8]| {
        let length = u32::try_from(data.len()).expect("a small chunk");
        let named = [&kind[..], data].concat();
        [&length.to_be_bytes()[..], &named, &crc(&named).to_be_bytes()].concat()
    };
    let header = [&side.to_be_bytes()[..], &side.to_be_bytes(), &[8, 2, 0, 0, 0]].concat();
    let nothing = [0x78, 0x9c, 0x03, 0x00, 0x00, 0x00, 0x00, 0x01];
    let parts = [chunk(b"IHDR", &header), chunk(b"IDAT", &nothing), chunk(b"IEND", &[])].concat();
    [&b"\x89PNG\r\n\x1a\n"[..], &parts].concat()
}

#[test]
fn a_picture_that_is_none_is_refused_by_name() {
    let place = Place::new();
    picture(&place.path("small.png"), 32, 32);
    fs::write(place.path("bomb.png"), bomb(20_000)).expect("a new file");
    fs::write(place.path("large.png"), bomb(8_000)).expect("a new file");
    fs::write(place.path("text.png"), "this is no picture").expect("a new file");
    fs::write(place.path("empty.png"), "").expect("a new file");
    let whole = fs::read(place.path("good.png")).expect("the good picture");
    fs::write(place.path("cut.png"), &whole[..whole.len() / 2]).expect("a new file");
    for (file, words) in [
        ("small", "the frame is 32 x 32 pixels (width x height), the policy was trained on 64 x 48"),
        ("bomb", "bomb.png is not a PNG or JPEG picture that can be read"),
        ("large", "large.png is not a PNG or JPEG picture that can be read"),
        ("text", "text.png is not a PNG or JPEG picture that can be read"),
        ("empty", "empty.png is not a PNG or JPEG picture that can be read"),
        ("cut", "cut.png is not a PNG or JPEG picture that can be read"),
        ("missing", "opening missing.png"),
    ] {
        let began = Instant::now();
        let state = "--state 1,2,3,4,5,6,7";
        let told = predict_words(&place, &format!("--image front={file}.png --image wrist=good.png {state}"));
        assert!(told.refused_at_once().contains(words), "{file}: {}", told.refused_at_once());
        assert!(began.elapsed() < Duration::from_secs(10), "{file} takes {:?}", began.elapsed());
    }
}

#[test]
fn a_wrong_observation_is_refused_with_what_is_needed() {
    let place = Place::new();
    let pictures = "--image front=good.png --image wrist=good.png";
    for (words, answer) in [
        (pictures.to_owned(), "needs the robot's state of 7 numbers"),
        ("--state 1,2,3,4,5,6,7 --image front=good.png".to_owned(), "no picture of camera `wrist`"),
        (format!("{GOOD} --image top=good.png"), "no camera `top`; it has front, wrist"),
        (format!("{GOOD} --image good.png"), "--image good.png is not CAMERA=FILE"),
        (format!("{GOOD} --image front=good.png --image front=good.png"), "is given 3 times; the policy looks at 2"),
        (format!("{pictures} --state 1,2,3"), "3 values, the policy needs 7"),
        (format!("{pictures} --state 1,2,3,4,5,6,7,8"), "8 values, the policy needs 7"),
        (format!("{pictures} --state 1,nan,3,4,5,6,7"), "not finite"),
        (format!("{pictures} --state 1,inf,3,4,5,6,7"), "not finite"),
        (format!("{pictures} --state 1,x,3,4,5,6,7"), "`x` is not a number"),
        (format!("{pictures} --state ,"), "is not a number"),
    ] {
        let told = predict_words(&place, &words);
        assert!(told.refused_at_once().contains(answer), "{words} is answered: {}", told.refused_at_once());
    }
}

#[test]
fn a_wrong_sampler_or_noise_is_refused_with_what_is_possible() {
    let place = Place::new();
    let noise = |name: &str, tensor: &str, shape: &[usize]| {
        let values = vec![0.5; shape.iter().product()];
        write_tensors(&place.path(name), &[(tensor.to_owned(), Tensor::floats(shape, &values))]);
    };
    noise("thin.safetensors", "noise", &[1, 16, 5]);
    noise("short.safetensors", "noise", &[1, 8, 6]);
    noise("other.safetensors", "sound", &[1, 16, 6]);
    for (words, answer) in [
        ("--sampler foo", "there are ddpm, ddim, dpm++, euler, midpoint, rk4"),
        ("--sampler euler", "use ddpm, ddim or dpm++"),
        ("--steps 0", "the number of steps is 0"),
        ("--steps 101", "101 steps were asked for"),
        ("--initial-noise thin.safetensors", "noise has shape [1, 16, 5], [1, 16, 6] is needed"),
        ("--initial-noise short.safetensors", "noise has shape [1, 8, 6], [1, 16, 6] is needed"),
        ("--initial-noise other.safetensors", "tensor `noise` is missing"),
        ("--initial-noise good.png", "good.png: not a valid safetensors file"),
        ("--initial-noise missing.safetensors", "missing.safetensors"),
        ("--out good.png/answer.json", "good.png"),
    ] {
        let told = predict_words(&place, &format!("{GOOD} {words}"));
        assert!(told.refused_at_once().contains(answer), "{words} is answered: {}", told.refused_at_once());
    }
}

#[test]
fn a_wrong_observation_file_is_refused_by_its_tensor() {
    let place = Place::new();
    let whole = ["images.front", "images.wrist", "state"].map(|name| (name.to_owned(), raw(&format!("raw.0.{name}"))));
    let check = |tensors: &[(String, Tensor)], answer: &str| {
        write_tensors(&place.path("observation.safetensors"), tensors);
        let told = predict_words(&place, "--observation observation.safetensors");
        assert!(told.refused_at_once().contains(answer), "instead of `{answer}`: {}", told.refused_at_once());
    };
    let with = |name: &str, tensor: Tensor| {
        let mut tensors: Vec<_> = whole.iter().filter(|(other, _)| other != name).cloned().collect();
        tensors.push((name.to_owned(), tensor));
        tensors
    };
    check(&whole[..2], "tensor `state` is missing");
    check(&whole[1..], "`images.front` is missing");
    check(&with("images.top", whole[0].1.clone()), "`images.top` is none of the policy's inputs");
    check(&with("state", Tensor::floats(&[2, 6], &[0.0; 12])), "state has shape [2, 6], [2, 7] is needed");
    check(&with("state", Tensor::floats(&[2, 7], &[f32::NAN; 14])), "not finite");
    let small = Tensor { dtype: Dtype::U8, shape: vec![2, 4, 4, 3], bytes: vec![0; 96] };
    check(&with("images.front", small), "images.front");
    let told = predict_words(&place, "--observation good.png");
    assert!(told.refused_at_once().contains("good.png"), "{}", told.refused_at_once());
}

/// What happens to a file.
type Damage<'a> = &'a dyn Fn(Vec<u8>) -> Vec<u8>;

/// A copy of the golden checkpoint with one file changed, or taken away.
fn damaged(place: &Place, file: &str, damage: impl FnOnce(Vec<u8>) -> Option<Vec<u8>>) -> Run {
    let folder = place.path("damaged");
    if folder.exists() {
        fs::remove_dir_all(&folder).expect("the last damage");
    }
    copy_folder(&golden(CASE).join("checkpoint"), &folder);
    match damage(fs::read(folder.join(file)).expect("a file of the checkpoint")) {
        Some(bytes) => fs::write(folder.join(file), bytes).expect("the damaged file"),
        None => fs::remove_file(folder.join(file)).expect("the file"),
    }
    let arguments: Vec<&str> = GOOD.split_whitespace().chain(["--task", "x", "--device", "cpu"]).collect();
    run(place.mtdit(&["predict", "--checkpoint", "damaged"]).args(arguments))
}

#[test]
fn damaged_weights_are_refused() {
    let place = Place::new();
    let nan = |mut bytes: Vec<u8>| {
        let end = bytes.len() - 4;
        bytes[end..].copy_from_slice(&f32::NAN.to_le_bytes());
        bytes
    };
    let renamed = |mut bytes: Vec<u8>| {
        let name = b"noise_predictor.input_proj.weight";
        let at = bytes.windows(name.len()).position(|window| window == name).expect("the tensor");
        bytes[at] = b'N';
        bytes
    };
    let damages: [(&str, Damage<'_>); 8] = [
        ("it has only 0 bytes", &|_| Vec::new()),
        ("it has only 7 bytes", &|bytes: Vec<u8>| bytes[..7].to_vec()),
        ("it declares a header of 18446744073709551615 bytes", &|bytes: Vec<u8>| [&[255; 8][..], &bytes[8..]].concat()),
        ("it is truncated", &|bytes: Vec<u8>| bytes[..bytes.len() - 1].to_vec()),
        ("it is truncated", &|bytes: Vec<u8>| bytes[..bytes.len() / 2].to_vec()),
        ("bytes follow its last tensor", &|bytes: Vec<u8>| [&bytes[..], &[0]].concat()),
        ("holds NaN", &nan),
        ("noise_predictor.input_proj.weight` is missing", &renamed),
    ];
    for (answer, damage) in damages {
        let told = damaged(&place, "model.safetensors", |bytes| Some(damage(bytes)));
        let sentence = told.refused_at_once();
        assert!(sentence.contains("damaged") && sentence.contains(answer), "instead of `{answer}`: {sentence}");
    }
    let told = damaged(&place, "model.safetensors", |_| None);
    assert!(told.refused_at_once().contains("model.safetensors: the file is missing"), "{}", told.refused_at_once());
}

#[test]
fn a_damaged_configuration_is_refused_by_its_field() {
    let place = Place::new();
    for (old, new, answer) in [
        ("{", "", "config.json"),
        ("\"horizon\": 16", "\"horizon\": \"long\"", "`horizon`"),
        ("\"hidden_dim\": 64", "\"hidden_dim\": 1000000000", "`hidden_dim` is 1000000000"),
        ("\"num_heads\": 4", "\"num_heads\": 5", "must be a multiple of num_heads, 5"),
        ("\"n_action_steps\": 8", "\"n_action_steps\": 80", "`n_action_steps` is 80"),
        ("multi_task_dit", "act", "type is `act`"),
    ] {
        let told = damaged(&place, "config.json", |bytes| {
            let text = String::from_utf8(bytes).expect("JSON");
            assert!(text.contains(old), "the configuration holds no {old}");
            Some(text.replacen(old, new, 1).into_bytes())
        });
        assert!(told.refused_at_once().contains(answer), "{new} is answered: {}", told.refused_at_once());
    }
    let statistics = "policy_preprocessor_step_4_normalizer_processor.safetensors";
    let told = damaged(&place, statistics, |bytes| Some(bytes[..100].to_vec()));
    assert!(told.refused_at_once().contains(statistics), "{}", told.refused_at_once());
    let told = damaged(&place, statistics, |_| None);
    assert!(told.refused_at_once().contains(statistics), "{}", told.refused_at_once());
}

#[test]
fn a_checkpoint_that_is_not_there_is_refused() {
    let place = Place::new();
    for folder in ["nowhere", "clip/config.json", "."] {
        let told = run(&mut place.predict(folder));
        let sentence = told.refused_at_once();
        assert!(sentence.contains("no checkpoint here"), "{folder} is answered: {sentence}");
    }
}

#[test]
fn a_wrong_command_line_is_shown_the_right_one() {
    let place = Place::new();
    for words in ["predict", "predict --checkpoint x", "predict --checkpoint x --task y --samples 0", "forecast", ""] {
        let told = run(&mut place.mtdit(&words.split_whitespace().collect::<Vec<_>>()));
        assert_eq!(told.code, Some(2), "`{words}` is answered: {}", told.stderr);
        assert!(!told.stderr.contains("panicked") && told.stderr.contains("--help"), "`{words}`: {}", told.stderr);
    }
}
