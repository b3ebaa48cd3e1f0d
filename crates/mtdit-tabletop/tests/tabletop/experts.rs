//! The experts do what is asked, smoothly, and on both sides of the wall.

use mtdit_tabletop::{Expert, Failure, Family, Status, Task, World};

use crate::run_expert;

const SEEDS: u64 = 40;

#[test]
fn experts_succeed() {
    for family in Family::ALL {
        let tasks = Task::of(family);
        let succeeds = |seed: &u64| {
            let task = tasks[usize::try_from(*seed).unwrap_or(0) % tasks.len()];
            run_expert(&mut World::new(1000 + seed, task), *seed) == Status::Succeeded
        };
        let succeeded = (0..SEEDS).filter(succeeds).count() as u64;
        assert!(succeeded * 100 >= SEEDS * 97, "{family}: {succeeded} of {SEEDS}");
    }
}

#[test]
fn targets_are_a_little_ahead_of_the_gripper() {
    for (seed, task) in (0..).zip(Task::all()) {
        let mut world = World::new(seed, task);
        let mut expert = Expert::new(&world, seed);
        while world.status() == Status::Running {
            let action = expert.act(&world);
            let [_, _, opening, _] = world.state();
            let lead = action[0].hypot(action[1]);
            assert!(lead <= 0.026 && (action[2] - opening).abs() <= 0.36, "{task}: {lead}, {opening}");
            world.step(action);
        }
    }
}

/// Two experts in the same scene that pass the wall on different sides.
fn both_sides(world: &World) -> [Expert; 2] {
    let side = |seed: u64| {
        let (mut world, mut expert) = (world.clone(), Expert::new(world, seed));
        let [x, ..] = world.state();
        for _ in 0..5 {
            let action = expert.act(&world);
            world.step(action);
        }
        world.state()[0] > x
    };
    let seed_of = |wanted: bool| (0..64).find(|seed| side(*seed) == wanted).expect("a fair coin shows both sides");
    [false, true].map(|wanted| Expert::new(world, seed_of(wanted)))
}

#[test]
fn both_sides_lead_around_the_wall_and_their_mean_does_not() {
    for (seed, task) in (0..20).zip(Task::of(Family::Around).into_iter().cycle()) {
        let start = World::new(seed, task);
        let experts = both_sides(&start);
        let mut n_steps = Vec::new();
        for mut expert in experts.clone() {
            let mut world = start.clone();
            while world.status() == Status::Running {
                let action = expert.act(&world);
                world.step(action);
            }
            assert_eq!(world.status(), Status::Succeeded, "seed {seed}");
            n_steps.push(world.steps());
        }
        assert!(n_steps[0].abs_diff(n_steps[1]) <= 4, "seed {seed}: one way is longer, {n_steps:?}");
        let (mut world, [mut left, mut right]) = (start, experts);
        while world.status() == Status::Running {
            let (one, other) = (left.act(&world), right.act(&world));
            world.step(std::array::from_fn(|index| f32::midpoint(one[index], other[index])));
        }
        assert_eq!(world.status(), Status::Failed(Failure::TouchedWall), "seed {seed}");
    }
}

#[test]
fn after_success_an_expert_rests() {
    for (seed, task) in (0..).zip(Task::all()) {
        let mut world = World::new(seed, task);
        assert_eq!(run_expert(&mut world, seed), Status::Succeeded, "{task}");
        let mut expert = Expert::new(&world, seed);
        for _ in 0..5 {
            let action = expert.act(&world);
            world.step(action);
        }
        let before = world.objects();
        let [x, y, ..] = world.state();
        for _ in 0..10 {
            let action = expert.act(&world);
            world.step(action);
        }
        assert_eq!(world.objects(), before, "{task}");
        assert_eq!([x, y], [world.state()[0], world.state()[1]], "{task}");
    }
}
