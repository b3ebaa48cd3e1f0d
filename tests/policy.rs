//! The whole policy on raw observations: robot units in, robot units out; a [`Session`] is `LeRobot`'s `select_action`.

use std::env;
use std::sync::Arc;

use burn::tensor::{Device, Tensor};
use mtdit_policy::config::CameraConfig;
use mtdit_policy::preprocess::TextCondition;
use mtdit_policy::preprocess::tokenize::END_OF_TEXT;
use mtdit_policy::{ActionChunk, Frame, Moment, Noise, Observation, Policy, PolicyError, SamplerSettings, Session};
use mtdit_tests::{Case, FORWARD, SAMPLED, assert_close, assert_golden, cases, on_every_backend};

on_every_backend!(
    raw_observations_give_lerobots_actions,
    a_batch_is_its_samples,
    a_session_samples_when_its_queue_is_empty,
    reset_forgets_history_and_queue,
    the_words_count_when_a_chunk_is_sampled,
    refused_moments_leave_a_session_as_it_was,
    refused_observations_name_the_fault,
);

/// The cases that hold raw observations and need no noise but the initial one.
pub(crate) fn raw_cases() -> Vec<Case> {
    let is_raw = |case: &Case| {
        case.has("raw.0.task") && SamplerSettings::from_config(&case.config.objective).n_step_noises() == 0
    };
    let cases: Vec<Case> = cases().into_iter().filter(is_raw).collect();
    let is_own = env::var_os("MTDIT_GOLDEN_DIR").is_none();
    assert!(!is_own || !cases.is_empty(), "a case of the repository holds raw observations");
    cases
}

fn n_observations(case: &Case) -> usize {
    (0..).take_while(|i| case.has(&format!("raw.{i}.task"))).count()
}

/// Raw observation number `i` of a case.
pub(crate) fn observation(case: &Case, i: usize) -> Observation {
    let bytes = |name: &str| case.io.bytes(name).unwrap_or_else(|error| panic!("{}: {error}", case.name));
    let states = case.floats(&format!("raw.{i}.state"));
    let frames = |step: usize| {
        let frame = |camera: &CameraConfig| {
            let name = format!("raw.{i}.images.{}", camera.name());
            let [height, width] = [case.shape(&name)[1], case.shape(&name)[2]];
            let size = height * width * 3;
            Frame { height, width, rgb: Arc::from(&bytes(&name)[step * size..(step + 1) * size]) }
        };
        case.config.cameras.iter().map(frame).collect::<Vec<_>>()
    };
    let states = states.chunks(case.config.state_dim).enumerate();
    Observation {
        history: states.map(|(step, state)| Moment { frames: frames(step), state: state.to_vec() }).collect(),
        task: String::from_utf8(bytes(&format!("raw.{i}.task")).to_vec()).expect("UTF-8"),
    }
}

/// The initial noise of raw observation number `i`.
pub(crate) fn noise(case: &Case, i: usize, device: &Device) -> Noise {
    Noise { initial: case.tensor(&format!("raw.{i}.initial_noise"), device), steps: Vec::new() }
}

fn try_predict(policy: &Policy, observations: &[Observation], noise: Noise) -> Result<Vec<ActionChunk>, PolicyError> {
    let plan = policy.plan(policy.default_sampler()).expect("the checkpoint's own sampler");
    pollster::block_on(policy.predict(observations, &plan, noise))
}

/// One observation's chunk.
pub(crate) fn predict(policy: &Policy, observation: &Observation, noise: Noise) -> ActionChunk {
    let chunks = try_predict(policy, std::slice::from_ref(observation), noise).expect("a chunk");
    assert_eq!(chunks.len(), 1, "a chunk per observation");
    chunks.into_iter().next().expect("a chunk")
}

fn session(policy: &Policy) -> Session {
    Session::new(policy, policy.default_sampler()).expect("the checkpoint's own sampler")
}

fn assert_same_chunk(what: &str, found: &ActionChunk, expected: &ActionChunk) {
    assert_eq!(found.actions.len(), expected.actions.len(), "{what}: actions");
    assert_close(what, &found.actions.concat(), &expected.actions.concat(), SAMPLED);
    assert_close(what, &found.normalized.concat(), &expected.normalized.concat(), SAMPLED);
}

fn largest_difference(left: &[f32], right: &[f32]) -> f32 {
    assert_eq!(left.len(), right.len(), "as many values on both sides");
    left.iter().zip(right).fold(0.0, |largest: f32, (left, right)| largest.max((left - right).abs()))
}

fn raw_observations_give_lerobots_actions(device: &Device) {
    for case in raw_cases() {
        let policy = case.policy(device);
        for i in 0..n_observations(&case) {
            let observation = observation(&case, i);
            let found = policy.preprocessor().tokens(&observation.task).expect("tokens");
            let expected = case.integers(&format!("expect.{i}.tokens"));
            let padded = found.iter().chain(std::iter::repeat(&END_OF_TEXT)).take(expected.len());
            let padded: Vec<i64> = padded.map(|id| i64::from(*id)).collect();
            assert!(found.len() <= expected.len(), "{}: observation {i} has too many tokens", case.name);
            assert_eq!(padded, expected, "{}: tokens of observation {i}", case.name);

            let inputs = policy.preprocessor().inputs(std::slice::from_ref(&observation)).expect("inputs");
            for step in 0..case.config.n_obs_steps {
                let state = inputs.state.clone().slice_dim(1, step..step + 1).reshape([1, case.config.state_dim]);
                assert_golden(&case, &format!("expect.{i}.state.{step}"), state, FORWARD);
            }

            let chunk = predict(&policy, &observation, noise(&case, i, device));
            let shape = case.shape(&format!("expect.{i}.chunk"));
            assert_eq!(chunk.actions.len(), shape[1], "{}: actions of a chunk", case.name);
            assert_eq!(chunk.actions[0].len(), shape[2], "{}: width of an action", case.name);
            for (name, found) in [("chunk", &chunk.actions), ("chunk_normalized", &chunk.normalized)] {
                let expected = case.floats(&format!("expect.{i}.{name}"));
                assert_close(&format!("{}: {name} {i}", case.name), &found.concat(), &expected, SAMPLED);
            }
        }
    }
}

fn a_batch_is_its_samples(device: &Device) {
    for case in raw_cases() {
        let policy = case.policy(device);
        let count = n_observations(&case);
        let observations: Vec<Observation> = (0..count).map(|i| observation(&case, i)).collect();
        let initial = Tensor::cat((0..count).map(|i| noise(&case, i, device).initial).collect(), 0);
        let together = try_predict(&policy, &observations, Noise { initial, steps: Vec::new() }).expect("chunks");
        assert_eq!(together.len(), count, "{}: a chunk per observation", case.name);
        for (i, found) in together.iter().enumerate() {
            let alone = predict(&policy, &observations[i], noise(&case, i, device));
            assert_same_chunk(&format!("{}: observation {i} in a batch", case.name), found, &alone);
        }
    }
}

/// A run of `count` moments, no two alike.
fn moments(case: &Case, count: usize) -> Vec<Moment> {
    let raw: Vec<Moment> = (0..n_observations(case)).flat_map(|i| observation(case, i).history).collect();
    let moment = |k: usize| {
        let mut moment = raw[k % raw.len()].clone();
        moment.state[0] += 0.01 * k as f32;
        moment
    };
    (0..count).map(moment).collect()
}

/// What the policy sees at moment `k` of a run: the first moment stands for those before it.
fn history(case: &Case, run: &[Moment], k: usize, task: &str) -> Observation {
    let n_obs_steps = case.config.n_obs_steps;
    let history = (0..n_obs_steps).map(|i| run[(k + i + 1).saturating_sub(n_obs_steps)].clone()).collect();
    Observation { history, task: task.to_owned() }
}

fn a_session_samples_when_its_queue_is_empty(device: &Device) {
    for case in raw_cases() {
        let policy = case.policy(device);
        let task = observation(&case, 0).task;
        let n_action_steps = case.config.n_action_steps;
        let run = moments(&case, 2 * n_action_steps + 1);
        let noises = [0, 1, 0].map(|i| noise(&case, i % n_observations(&case), device));

        let mut session = session(&policy);
        let mut sampled = Vec::new();
        let mut actions = Vec::new();
        for (k, moment) in run.iter().enumerate() {
            let is_due = k.is_multiple_of(n_action_steps);
            assert_eq!(session.needs_chunk(), is_due, "{}: moment {k} needs a chunk", case.name);
            let draw = || {
                sampled.push(k);
                noises[k / n_action_steps].clone()
            };
            let action = pollster::block_on(session.select_action(&policy, moment.clone(), &task, draw));
            actions.push(action.expect("an action"));
        }
        assert_eq!(sampled, [0, n_action_steps, 2 * n_action_steps], "{}: when noise is drawn", case.name);

        for (generation, found) in actions.chunks(n_action_steps).enumerate() {
            let k = generation * n_action_steps;
            let expected = predict(&policy, &history(&case, &run, k, &task), noises[generation].clone());
            let what = format!("{}: chunk of moment {k}", case.name);
            assert_close(&what, &found.concat(), &expected.actions[..found.len()].concat(), SAMPLED);
        }
    }
}

fn reset_forgets_history_and_queue(device: &Device) {
    for case in raw_cases() {
        let policy = case.policy(device);
        let task = observation(&case, 0).task;
        let run = moments(&case, 4);
        let mut session = session(&policy);
        let error = pollster::block_on(session.predict(&policy, &task, noise(&case, 0, device)));
        assert!(matches!(error, Err(PolicyError::Empty)), "{}: a fresh session has seen nothing", case.name);

        for moment in &run[..3] {
            let action =
                pollster::block_on(session.select_action(&policy, moment.clone(), &task, || noise(&case, 0, device)));
            action.expect("an action");
        }
        session.reset();
        assert!(session.needs_chunk(), "{}: the queue is empty after a reset", case.name);
        let error = pollster::block_on(session.predict(&policy, &task, noise(&case, 0, device)));
        assert!(matches!(error, Err(PolicyError::Empty)), "{}: the history is empty after a reset", case.name);

        session.observe(&policy, run[3].clone()).expect("a moment that fits");
        let found = pollster::block_on(session.predict(&policy, &task, noise(&case, 0, device))).expect("a chunk");
        let expected = predict(&policy, &history(&case, &run[3..], 0, &task), noise(&case, 0, device));
        assert_same_chunk(&format!("{}: the first chunk after a reset", case.name), &found, &expected);
    }
}

fn the_words_count_when_a_chunk_is_sampled(device: &Device) {
    for case in raw_cases() {
        let policy = case.policy(device);
        let run = moments(&case, 2);
        let tasks = ["pick up the red cube", "open the drawer", "pick up the red cube", ""];
        let text = |task: &str| {
            let tokens = policy.preprocessor().tokens(task).expect("tokens");
            let text = policy.network().observation_encoder.text(TextCondition::Tokens(vec![tokens]));
            text.into_data().try_to_vec::<f32>().expect("single precision")
        };
        let apart = largest_difference(&text(tasks[0]), &text(tasks[1]));
        assert!(apart > 1e-3, "{}: two instructions have the same feature", case.name);

        let mut session = session(&policy);
        for moment in &run {
            session.observe(&policy, moment.clone()).expect("a moment that fits");
        }
        for task in tasks {
            let found = pollster::block_on(session.predict(&policy, task, noise(&case, 0, device))).expect("a chunk");
            let expected = predict(&policy, &history(&case, &run, 1, task), noise(&case, 0, device));
            assert_same_chunk(&format!("{}: {task:?}", case.name), &found, &expected);
        }
    }
}

/// A moment that must be refused: why, the moment, and whether an error is the right one.
type Refusal = (&'static str, Moment, fn(&PolicyError) -> bool);

fn is_cameras(error: &PolicyError) -> bool {
    matches!(error, PolicyError::Cameras { .. })
}

fn is_frame(error: &PolicyError) -> bool {
    matches!(error, PolicyError::Frame { .. })
}

fn is_state(error: &PolicyError) -> bool {
    matches!(error, PolicyError::State { .. })
}

fn is_nan_in_second(error: &PolicyError) -> bool {
    matches!(error, PolicyError::StateNonFinite { index: 1 })
}

fn is_infinity_in_first(error: &PolicyError) -> bool {
    matches!(error, PolicyError::StateNonFinite { index: 0 })
}

fn refusals(good: &Moment) -> [Refusal; 9] {
    let with = |change: fn(&mut Moment)| {
        let mut moment = good.clone();
        change(&mut moment);
        moment
    };
    let half_height = with(|moment| {
        let frame = &mut moment.frames[0];
        frame.height /= 2;
        frame.rgb = Arc::from(vec![0; frame.height * frame.width * 3]);
    });
    let too_few_bytes = with(|moment| {
        let frame = &mut moment.frames[0];
        frame.rgb = Arc::from(&frame.rgb[1..]);
    });
    let too_many_frames = with(|moment| {
        let frame = moment.frames[0].clone();
        moment.frames.push(frame);
    });
    let too_short = with(|moment| {
        moment.state.pop();
    });
    [
        ("no frame", with(|moment| moment.frames.clear()), is_cameras),
        ("a frame too many", too_many_frames, is_cameras),
        ("a frame of half the height", half_height, is_frame),
        ("a frame wider than its bytes", with(|moment| moment.frames[0].width += 1), is_frame),
        ("a frame without its last byte", too_few_bytes, is_frame),
        ("a state too short", too_short, is_state),
        ("a state too long", with(|moment| moment.state.push(0.0)), is_state),
        ("NaN in the state", with(|moment| moment.state[1] = f32::NAN), is_nan_in_second),
        ("infinity in the state", with(|moment| moment.state[0] = f32::NEG_INFINITY), is_infinity_in_first),
    ]
}

fn refused_moments_leave_a_session_as_it_was(device: &Device) {
    for case in raw_cases() {
        let policy = case.policy(device);
        let task = observation(&case, 0).task;
        let run = moments(&case, 3);
        let mut session = session(&policy);
        for (what, moment, _) in refusals(&run[0]) {
            assert!(session.observe(&policy, moment).is_err(), "{}: a fresh session takes {what}", case.name);
        }
        assert!(session.needs_chunk(), "{}: refusals bring no chunk", case.name);
        let first = session.select_action(&policy, run[0].clone(), &task, || noise(&case, 0, device));
        let first = pollster::block_on(first).expect("an action");
        session.observe(&policy, run[1].clone()).expect("a moment that fits");

        for (what, moment, is_right) in refusals(&run[2]) {
            let drawn = || -> Noise { panic!("noise is drawn for a refused moment") };
            let error = pollster::block_on(session.select_action(&policy, moment, &task, drawn));
            let error = error.expect_err("a refusal");
            assert!(is_right(&error), "{}: {what}: {error}", case.name);
        }
        let found = pollster::block_on(session.predict(&policy, &task, noise(&case, 0, device))).expect("a chunk");
        let expected = predict(&policy, &history(&case, &run, 1, &task), noise(&case, 0, device));
        assert_same_chunk(&format!("{}: the history after refusals", case.name), &found, &expected);

        let chunk = predict(&policy, &history(&case, &run, 0, &task), noise(&case, 0, device));
        let drawn = || noise(&case, 0, device);
        let second = pollster::block_on(session.select_action(&policy, run[2].clone(), &task, drawn));
        let both = [first, second.expect("an action")].concat();
        assert_close(&format!("{}: the queue after refusals", case.name), &both, &chunk.actions[..2].concat(), SAMPLED);
    }
}

fn refused_observations_name_the_fault(device: &Device) {
    for case in raw_cases() {
        let policy = case.policy(device);
        let good = observation(&case, 0);
        let refused = |observations: &[Observation], noise: Noise| {
            try_predict(&policy, observations, noise).expect_err("an observation or noise that does not fit")
        };
        let error = refused(&[], noise(&case, 0, device));
        assert!(matches!(error, PolicyError::Empty), "{}: no observation: {error}", case.name);

        for count in [0, case.config.n_obs_steps - 1, case.config.n_obs_steps + 1] {
            let history = vec![good.history[0].clone(); count];
            let short = Observation { history, task: good.task.clone() };
            let error = refused(&[good.clone(), short], noise(&case, 0, device));
            let is_right = matches!(error, PolicyError::History { found, .. } if found == count);
            assert!(is_right, "{}: {count} moments: {error}", case.name);
        }
        for (what, moment, is_right) in refusals(&good.history[0]) {
            let mut bad = good.clone();
            bad.history[0] = moment;
            let error = refused(&[good.clone(), bad], noise(&case, 0, device));
            assert!(is_right(&error), "{}: {what}: {error}", case.name);
        }

        let [horizon, dim] = [case.config.horizon, case.config.action_dim];
        for shape in [[2, horizon, dim], [1, horizon + 1, dim], [1, horizon, dim - 1], [1, dim, horizon]] {
            let wrong = Tensor::<3>::zeros(shape, device);
            let initial = Noise { initial: wrong.clone(), steps: Vec::new() };
            let step = Noise { steps: vec![wrong], ..noise(&case, 0, device) };
            for noise in [initial, step] {
                let error = refused(std::slice::from_ref(&good), noise);
                let is_right = matches!(&error, PolicyError::Noise { found, .. } if *found == shape);
                assert!(is_right, "{}: noise of {shape:?}: {error}", case.name);
            }
        }
    }
}
