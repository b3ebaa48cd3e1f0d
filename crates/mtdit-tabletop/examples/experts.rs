//! How well the experts do: `cargo run --release -p mtdit-tabletop --example experts -- [--seeds N] [--disturbed]`.
//!
//! With `--pictures FOLDER` it writes pictures of one episode per family instead.

#![expect(clippy::print_stdout, reason = "an example reports on the terminal")]
#![expect(clippy::disallowed_methods, reason = "it measures speed and writes pictures")]

use std::path::Path;
use std::time::Instant;

use mtdit_tabletop::{Camera, Expert, Family, Frame, Status, Task, World};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// The executed target is off by up to this much in x and in y, metres.
const JITTER: f32 = 0.01;
/// One executed target in so many is off by [`KICK`].
const KICK_EVERY: u32 = 40;
/// Metres.
const KICK: f32 = 0.04;
/// Around the wall there is less room: noise is this much smaller.
const AROUND: f32 = 0.3;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (mut seeds, mut disturbed, mut pictures) = (1000_u64, false, None);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--seeds" => seeds = arguments.next().ok_or("--seeds needs a number")?.parse()?,
            "--disturbed" => disturbed = true,
            "--pictures" => pictures = Some(arguments.next().ok_or("--pictures needs a folder")?),
            _ => return Err(format!("unknown argument {argument}").into()),
        }
    }
    if let Some(folder) = pictures {
        return write_pictures(Path::new(&folder), seeds);
    }
    println!("family     success   95 % interval     steps: mean   max   lead: max m   left of wall");
    for family in Family::ALL {
        report(family, seeds, disturbed);
    }
    let (simulated, drawn) = frames_per_second();
    println!("{simulated:.0} steps/s, {drawn:.0} steps/s with both cameras");
    Ok(())
}

/// What came of an episode.
struct Outcome {
    status: Status,
    steps: u32,
    /// The farthest that a clean target was ahead of the gripper, metres.
    lead: f32,
    /// How far left of the wall's middle the gripper came, less how far right: which way it went.
    leftness: f32,
}

fn report(family: Family, seeds: u64, disturbed: bool) {
    let tasks = Task::of(family);
    let outcomes: Vec<Outcome> = (0..seeds)
        .map(|seed| {
            let task = tasks[usize::try_from(seed).unwrap_or(0) % tasks.len()];
            let outcome = episode(task, seed, disturbed);
            if outcome.status != Status::Succeeded && std::env::var_os("SHOW_FAILURES").is_some() {
                println!("  seed {seed}: {task}: {:?} after {} steps", outcome.status, outcome.steps);
            }
            outcome
        })
        .collect();
    let successes: Vec<&Outcome> = outcomes.iter().filter(|outcome| outcome.status == Status::Succeeded).collect();
    let (low, high) = wilson(successes.len() as f64, outcomes.len() as f64);
    let mean = successes.iter().map(|outcome| f64::from(outcome.steps)).sum::<f64>() / successes.len().max(1) as f64;
    let max = successes.iter().map(|outcome| outcome.steps).max().unwrap_or(0);
    let lead = outcomes.iter().map(|outcome| outcome.lead).fold(0.0, f32::max);
    let left = outcomes.iter().filter(|outcome| outcome.leftness > 0.0).count() as f64 / outcomes.len().max(1) as f64;
    let left = if family == Family::Around { format!("{:.1} %", 100.0 * left) } else { String::new() };
    let success = 100.0 * successes.len() as f64 / outcomes.len().max(1) as f64;
    println!("{family:9} {success:6.1} %   {low:5.1} to {high:5.1} %  {mean:11.1} {max:5} {lead:13.3}   {left:>12}");
}

fn episode(task: Task, seed: u64, disturbed: bool) -> Outcome {
    let mut world = World::new(seed, task);
    let mut expert = Expert::new(&world, seed);
    let mut rng = StdRng::seed_from_u64(seed ^ 0x5eed);
    let mut outcome = Outcome { status: Status::Running, steps: 0, lead: 0.0, leftness: 0.0 };
    let (mut left, mut right) = (0.0_f32, 0.0_f32);
    while world.status() == Status::Running {
        let mut action = expert.act(&world);
        let [x, y, ..] = world.state();
        outcome.lead = outcome.lead.max((action[0] - x).hypot(action[1] - y));
        if let Some(wall) = world.wall() {
            left = left.max(wall.center[0] - x);
            right = right.max(x - wall.center[0]);
        }
        if disturbed {
            disturb(&mut action, task.family(), &mut rng);
        }
        world.step(action);
    }
    Outcome { status: world.status(), steps: world.steps(), leftness: left - right, ..outcome }
}

fn disturb(action: &mut [f32; 3], family: Family, rng: &mut StdRng) {
    let kick = if rng.random_ratio(1, KICK_EVERY) { KICK } else { 0.0 };
    let size = if family == Family::Around { AROUND } else { 1.0 };
    let angle = rng.random::<f32>() * core::f32::consts::TAU;
    for (target, direction) in action.iter_mut().zip([libm::cosf(angle), libm::sinf(angle)]) {
        *target += size * (kick * direction + JITTER * (2.0 * rng.random::<f32>() - 1.0));
    }
}

/// The 95 % Wilson interval of a share, in percent.
fn wilson(successes: f64, trials: f64) -> (f64, f64) {
    let z = 1.96;
    let share = successes / trials;
    let middle = share + z * z / (2.0 * trials);
    let half = z * (share * (1.0 - share) / trials + z * z / (4.0 * trials * trials)).sqrt();
    let scale = 100.0 / (1.0 + z * z / trials);
    ((middle - half) * scale, (middle + half) * scale)
}

/// Steps per second without and with the frames of both cameras, over one episode of each task.
fn frames_per_second() -> (f64, f64) {
    let rate = |draws: bool| {
        let (start, mut steps) = (Instant::now(), 0_u32);
        for (seed, task) in (0..).zip(Task::all()) {
            let mut world = World::new(seed, task);
            let mut expert = Expert::new(&world, seed);
            while world.status() == Status::Running {
                if draws {
                    std::hint::black_box(Camera::ALL.map(|camera| world.frame(camera)));
                }
                let action = expert.act(&world);
                world.step(action);
                steps += 1;
            }
        }
        f64::from(steps) / start.elapsed().as_secs_f64()
    };
    (rate(false), rate(true))
}

/// One sheet per family: a column every few steps; the picture for people, the top and the wrist camera, enlarged.
fn write_pictures(folder: &Path, seed: u64) -> Result<(), Box<dyn std::error::Error>> {
    /// Steps between two columns.
    const EVERY: u32 = 6;
    std::fs::create_dir_all(folder)?;
    for family in Family::ALL {
        let tasks = Task::of(family);
        let mut world = World::new(seed, tasks[usize::try_from(seed)? % tasks.len()]);
        let mut expert = Expert::new(&world, seed);
        let mut columns = Vec::new();
        loop {
            let done = world.status() != Status::Running;
            if done || world.steps().is_multiple_of(EVERY) {
                columns.push([world.draw(256), world.frame(Camera::Top), world.frame(Camera::Wrist)]);
            }
            if done {
                break;
            }
            let action = expert.act(&world);
            world.step(action);
        }
        sheet(&columns)?.save(folder.join(format!("{family}.png")))?;
        let large = world.draw(512);
        image::save_buffer(folder.join(format!("{family}-512.png")), &large.rgb, 512, 512, image::ColorType::Rgb8)?;
    }
    Ok(())
}

/// Frames side by side in cells of 256 pixels.
fn sheet(columns: &[[Frame; 3]]) -> Result<image::RgbImage, Box<dyn std::error::Error>> {
    let cell = 260;
    let mut sheet = image::RgbImage::from_pixel(cell * u32::try_from(columns.len())?, cell * 3, image::Rgb([255; 3]));
    for (column, frames) in (0_u32..).zip(columns) {
        for (row, frame) in (0_u32..).zip(frames) {
            let scale = 256 / frame.width;
            for y in 0..256_u32 {
                for x in 0..256_u32 {
                    let (source_x, source_y) = (x as usize / scale, y as usize / scale);
                    let at = 3 * (source_y * frame.width + source_x);
                    let pixel = image::Rgb([frame.rgb[at], frame.rgb[at + 1], frame.rgb[at + 2]]);
                    sheet.put_pixel(column * cell + x, row * cell + y, pixel);
                }
            }
        }
    }
    Ok(sheet)
}
