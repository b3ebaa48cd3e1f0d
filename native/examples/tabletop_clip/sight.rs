//! What is where: the vision tower learns to say of every puck, zone, button and wall whether it is in a picture, and at what place.

use std::thread;

use anyhow::{Context, Result};
use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use mtdit_policy::Network;
use mtdit_tabletop::{
    Camera, Expert, FRAME_SIZE, Family, HALF_TABLE, ObjectKind, PuckColor, Status, Task, WRIST_VIEW, World, ZoneColor,
};
use mtdit_train::gradients::NamedGradients;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rayon::ThreadPoolBuilder;

use crate::save::{MEAN, STD};
use crate::{Report, Student, ramp, scalar};

/// Scenes in a batch; each gives a picture per camera.
const SCENES: usize = 64;
const LEARNING_RATE: f64 = 1e-3;
/// Things that a picture may show: pucks, zones, buttons, a wall.
const THINGS: usize = 2 * PuckColor::ALL.len() + ZoneColor::ALL.len() + 1;
/// What the feature says of each: whether it is there (above 0); its place, -1 to 1 from left to right and from bottom to top;
/// whether it is held, or pressed (1) or not (0).
const ANSWERS: usize = 4;
/// The answer `1` means certainty: odds of e to this power.
const CERTAINTY: f64 = 4.0;
/// Errors count squared below this and linearly above, as a share of half a picture.
const SMALL_ERROR: f64 = 0.05;
/// Of what is not there, the other answers should be 0; less matters about that.
const UNSEEN_WEIGHT: f64 = 0.1;
/// Scenes of the examination.
const EXAMINED: usize = 512;

pub(super) fn learn(student: &mut Student, seed: u64, steps: usize) -> Result<()> {
    let cores = thread::available_parallelism().map_or(1, usize::from).min(SCENES / 8);
    let pools = (0..cores).map(|_| ThreadPoolBuilder::new().num_threads(1).build());
    let pools = pools.collect::<Result<Vec<_>, _>>().context("starting threads")?;
    let mut report = Report::new(250);
    for step in 0..steps {
        let parts = thread::scope(|scope| {
            let start = |(part, pool)| {
                let (network, keys) = (&student.network, student.keys);
                let pool: &rayon::ThreadPool = pool;
                let share = SCENES * (part + 1) / cores - SCENES * part / cores;
                let learn = move || {
                    // A generator for every scene, whatever the number of cores.
                    let first = SCENES * part / cores;
                    let scenes =
                        (first..first + share).map(|scene| Scene::draw(seed, (step * SCENES + scene) as u64)).collect();
                    let network = network.valid().train();
                    let loss = loss(&network, scenes) * (share as f64 / SCENES as f64);
                    (scalar(loss.clone()), NamedGradients::of(&loss, &network, keys))
                };
                scope.spawn(move || pool.install(learn))
            };
            let running: Vec<_> = pools.iter().enumerate().map(start).collect();
            running.into_iter().map(|part| part.join().ok().context("a thread failed")).collect::<Result<Vec<_>>>()
        })?;
        let mut gradients = NamedGradients::default();
        let mut sum = 0.0;
        for (loss, part) in parts {
            sum += loss;
            gradients.add(part);
        }
        report.step(step, sum);
        student.update(gradients, LEARNING_RATE * ramp(step, steps, 200));
        if (step + 1).is_multiple_of(2000) || step + 1 == steps {
            examine(&student.network.valid(), seed);
        }
    }
    Ok(())
}

/// A scene as both cameras see it.
struct Scene {
    /// `[camera, 3, height, width]`, normalised.
    pixels: Vec<f32>,
    /// `[camera, thing, answer]`.
    things: Vec<f32>,
}

impl Scene {
    /// A moment of an expert's work, with everything moved elsewhere.
    fn draw(seed: u64, number: u64) -> Self {
        let mut random = StdRng::seed_from_u64(mtdit_train::chance::derived_seed(seed, &[number]));
        let family = Family::ALL[random.random_range(0..Family::ALL.len())];
        let tasks = Task::of(family);
        let seed = random.random();
        let mut world = World::new(seed, tasks[random.random_range(0..tasks.len())]);
        let mut expert = Expert::new(&world, seed);
        for _ in 0..random.random_range(0..40) {
            if world.status() != Status::Running {
                break;
            }
            let action = expert.act(&world);
            world.step(action);
        }
        scatter(&mut world, &mut random);
        let mut scene = Self { pixels: Vec::new(), things: Vec::new() };
        for camera in Camera::ALL {
            scene.look(&world, camera);
        }
        scene
    }

    fn look(&mut self, world: &World, camera: Camera) {
        let frame = world.frame(camera);
        for channel in 0..3 {
            let pixels = frame.rgb.iter().skip(channel).step_by(3);
            self.pixels.extend(pixels.map(|value| (f32::from(*value) / 255.0 - MEAN[channel]) / STD[channel]));
        }
        let [x, y, ..] = world.state();
        let (middle, half) = match camera {
            Camera::Top => ([0.0; 2], HALF_TABLE),
            Camera::Wrist => ([x, y], WRIST_VIEW / 2.0),
        };
        let mut answers = [[0.0; ANSWERS]; THINGS];
        let mut say = |thing: usize, position: [f32; 2], half_size: [f32; 2], is_on: bool| {
            let place = [0, 1].map(|axis| (position[axis] - middle[axis]) / half);
            // Half of its half is enough to know where its middle is.
            if (0..2).all(|axis| place[axis].abs() < 1.0 + 0.5 * half_size[axis] / half) {
                answers[thing] = [1.0, place[0], place[1], f32::from(u8::from(is_on))];
            }
        };
        for object in world.objects() {
            say(thing(object.kind), object.position, [object.radius; 2], object.is_on);
        }
        if let Some(wall) = world.wall() {
            say(THINGS - 1, wall.center, wall.half_size, false);
        }
        self.things.extend(answers.as_flattened());
    }
}

/// Moves everything that is not held, often close to the gripper.
fn scatter(world: &mut World, random: &mut StdRng) {
    let [x, y, ..] = world.state();
    for (index, object) in world.objects().into_iter().enumerate() {
        if object.is_on && matches!(object.kind, ObjectKind::Puck(_)) {
            continue;
        }
        let is_near = random.random_bool(0.4);
        for _ in 0..10 {
            let mut draw = |gripper: f32| {
                if is_near { gripper + random.random_range(-0.12..0.12) } else { random.random_range(-0.24..0.24) }
            };
            let place = [draw(x), draw(y)];
            if world.place(index, place) {
                break;
            }
        }
    }
}

/// The number of a thing.
fn thing(kind: ObjectKind) -> usize {
    let puck = |color| PuckColor::ALL.iter().position(|known| *known == color).unwrap_or(0);
    match kind {
        ObjectKind::Puck(color) => puck(color),
        ObjectKind::Zone(color) => {
            PuckColor::ALL.len() + ZoneColor::ALL.iter().position(|known| *known == color).unwrap_or(0)
        }
        ObjectKind::Button(color) => PuckColor::ALL.len() + ZoneColor::ALL.len() + puck(color),
    }
}

/// What the tower says, and what is true: `[pictures, thing, answer]` both.
fn answers(network: &Network, scenes: Vec<Scene>) -> [Tensor<3>; 2] {
    let pictures = scenes.len() * Camera::ALL.len();
    let (mut pixels, mut things) = (Vec::new(), Vec::new());
    for scene in scenes {
        pixels.extend(scene.pixels);
        things.extend(scene.things);
    }
    let device = Device::default();
    let pixels = Tensor::<4>::from_data(TensorData::new(pixels, [pictures, 3, FRAME_SIZE, FRAME_SIZE]), &device);
    let truth = Tensor::<3>::from_data(TensorData::new(things, [pictures, THINGS, ANSWERS]), &device);
    let features = network.observation_encoder.vision_encoders[0].forward(pixels); // [pictures, width]
    let said = features.narrow(1, 0, THINGS * ANSWERS).reshape([pictures, THINGS, ANSWERS]);
    [said, truth]
}

fn loss(network: &Network, scenes: Vec<Scene>) -> Tensor<1> {
    let [said, truth] = answers(network, scenes);
    let is_there = truth.clone().narrow(2, 0, 1);
    let odds = said.clone().narrow(2, 0, 1) * CERTAINTY;
    let doubt = (odds.clone().clamp(-60.0, 60.0).exp() + 1.0).log() - odds * is_there.clone(); // binary cross-entropy
    let error = said.narrow(2, 1, ANSWERS - 1) - truth.narrow(2, 1, ANSWERS - 1);
    let error = (error.clone() * error + SMALL_ERROR * SMALL_ERROR).sqrt() - SMALL_ERROR; // pseudo-Huber
    let count = is_there.clone().sum();
    let error = error * (is_there * (1.0 - UNSEEN_WEIGHT) + UNSEEN_WEIGHT);
    doubt.mean() + error.sum() / count
}

/// Prints how far off the tower is, on scenes that it never learned from.
fn examine(network: &Network, seed: u64) {
    let scenes = (0..EXAMINED).map(|scene| Scene::draw(!seed, scene as u64)).collect();
    let [said, truth] = answers(network, scenes);
    let [said, truth]: [Vec<f32>; 2] = [said, truth].map(|tensor| tensor.to_data().try_to_vec().unwrap_or_default());
    for (camera, half) in Camera::ALL.into_iter().zip([HALF_TABLE, WRIST_VIEW / 2.0]) {
        let (mut right, mut all, mut distance, mut seen, mut on) = (0, 0, 0.0, 0, 0);
        let picture = THINGS * ANSWERS;
        let first = if camera == Camera::Top { 0 } else { picture };
        for start in (first..said.len()).step_by(2 * picture) {
            for at in (start..start + picture).step_by(ANSWERS) {
                let is_there = truth[at] > 0.5;
                all += 1;
                right += usize::from(is_there == (said[at] > 0.0));
                if is_there {
                    seen += 1;
                    on += usize::from((truth[at + 3] > 0.5) == (said[at + 3] > 0.5));
                    distance += (said[at + 1] - truth[at + 1]).hypot(said[at + 2] - truth[at + 2]);
                }
            }
        }
        let millimetres = 1000.0 * half * distance / seen.max(1) as f32;
        let [there, on] = [(right, all), (on, seen)].map(|(right, of)| 100.0 * right as f32 / of.max(1) as f32);
        let name = camera.name();
        println!(
            "  {name:5} there or not: {there:.1} % right; held, pressed or not: {on:.1} %; place: off by {millimetres:.1} mm"
        );
    }
}
