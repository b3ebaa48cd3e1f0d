//! The tabletop from outside: wording, scenes, judging, physics and experts.

#![expect(clippy::missing_assert_message, reason = "the names of tests and values say what is claimed")]

mod wording;
mod scenes;
mod judging;
mod determinism;
mod robustness;
mod experts;

use mtdit_tabletop::{Expert, ObjectKind, PuckColor, Status, Task, World};

/// Does the world's task to its end.
fn run_expert(world: &mut World, seed: u64) -> Status {
    let mut expert = Expert::new(world, seed);
    while world.status() == Status::Running {
        let action = expert.act(world);
        world.step(action);
    }
    world.status()
}

/// The index of a puck among the objects, and its place.
fn puck(world: &World, color: PuckColor) -> Option<(usize, [f32; 2])> {
    let objects = world.objects();
    let index = objects.iter().position(|object| object.kind == ObjectKind::Puck(color))?;
    Some((index, objects[index].position))
}

fn distance(one: [f32; 2], other: [f32; 2]) -> f32 {
    (one[0] - other[0]).hypot(one[1] - other[1])
}

fn task(sentence: &str) -> Task {
    Task::parse(sentence).expect("the sentence is a phrasing")
}
