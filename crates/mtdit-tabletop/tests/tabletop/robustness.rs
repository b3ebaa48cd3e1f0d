//! Whatever is done to the world, it stays sane.

use mtdit_tabletop::{Camera, Expert, Family, HALF_TABLE, ObjectKind, PuckColor, Status, Task, World};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::{distance, puck, run_expert, task};

/// Everything is a number, and on the table; no puck that lies there is in the wall.
fn assert_sane(world: &World) {
    let [x, y, opening, holding] = world.state();
    assert!(x.abs() <= HALF_TABLE && y.abs() <= HALF_TABLE, "{x} {y}");
    assert!((0.0..=1.0).contains(&opening) && (holding == 0.0 || holding == 1.0));
    assert!(world.gripper_target().iter().all(|target| target.is_finite()));
    for object in world.objects() {
        assert!(object.position.iter().all(|place| place.abs() <= HALF_TABLE), "{object:?}");
        if let (Some(wall), ObjectKind::Puck(_), 0.0) = (world.wall(), object.kind, holding) {
            let beyond =
                |axis: usize| ((object.position[axis] - wall.center[axis]).abs() - wall.half_size[axis]).max(0.0);
            assert!(beyond(0).hypot(beyond(1)) >= object.radius - 1e-4, "{object:?} is in the wall");
        }
    }
}

#[test]
fn any_action_is_survived() {
    let odd = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN, 0.0, -0.0, 1e-40, 0.1, -0.2, 1.0];
    for (seed, task) in (0..).zip(Task::all()) {
        let mut world = World::new(seed, task);
        let mut rng = StdRng::seed_from_u64(seed);
        for _ in 0..200 {
            let action: [f32; 3] = std::array::from_fn(|_| odd[rng.random_range(0..odd.len())]);
            world.step(action);
            assert_sane(&world);
        }
        for camera in Camera::ALL {
            let _ = world.frame(camera);
        }
    }
}

#[test]
fn a_number_that_is_none_leaves_its_target() {
    let mut world = World::new(0, task("reach the red puck"));
    world.step_to([0.1, -0.1, 0.75]);
    world.step_to([f32::NAN, 0.2, f32::INFINITY]);
    assert_eq!(world.gripper_target(), [0.1, 0.2, 0.75]);
}

#[test]
fn objects_are_dragged_anywhere_and_never_into_each_other() {
    for (seed, asked) in (0..).zip(Task::all()) {
        let mut world = World::new(seed, asked);
        let mut expert = Expert::new(&world, seed);
        let mut rng = StdRng::seed_from_u64(seed);
        for _ in 0..150 {
            let index = rng.random_range(0..8);
            let place = [rng.random_range(-0.4..0.4), rng.random_range(-0.4..0.4)];
            let before = world.clone();
            if world.place(index, place) {
                assert_eq!(world.objects()[index].position, place);
            } else {
                assert_eq!(world, before, "a refused object moved something");
            }
            let action = expert.act(&world);
            world.step(action);
            assert_sane(&world);
        }
        for index in 0..8 {
            assert!(!world.place(index, [f32::NAN, 0.0]) && !world.place(index, [0.0, f32::INFINITY]));
        }
        assert!(!world.place(usize::MAX, [0.0, 0.0]));
    }
}

#[test]
fn a_held_puck_that_is_dragged_away_is_let_go() {
    let mut world = World::new(4, task("lift the blue puck"));
    assert_eq!(run_expert(&mut world, 4), Status::Succeeded);
    let (index, from) = puck(&world, PuckColor::Blue).expect("the scene has three pucks");
    let to = [[0.2, 0.2], [-0.2, 0.2], [0.2, -0.2], [-0.2, -0.2]];
    let to = to.into_iter().find(|to| distance(from, *to) > 0.1 && world.place(index, *to)).expect("a corner is free");
    assert_eq!(world.state()[3], 0.0);
    let held = world.gripper_target();
    world.step_to(held);
    assert!(distance(puck(&world, PuckColor::Blue).expect("it is still there").1, to) < 0.03);
    assert_eq!(world.object_at(to), Some(index));
}

#[test]
fn the_topmost_object_is_found() {
    let world = World::new(2, task("push red into yellow"));
    for (index, object) in world.objects().iter().enumerate() {
        assert_eq!(world.object_at(object.position), Some(index));
    }
    assert_eq!(world.object_at([0.6, 0.6]), None);
    assert!(matches!(world.objects()[0].kind, ObjectKind::Zone(_)));
}

#[test]
fn pucks_set_down_on_each_other_come_apart() {
    let mut world = World::new(6, task("put red next to blue"));
    let (_, blue) = puck(&world, PuckColor::Blue).expect("the scene has three pucks");
    while world.state()[3] == 0.0 {
        let [x, y] = puck(&world, PuckColor::Red).expect("the scene has three pucks").1;
        let near = distance([x, y], [world.state()[0], world.state()[1]]) < 0.005;
        world.step_to([x, y, if near { 0.0 } else { 1.0 }]);
    }
    for _ in 0..30 {
        world.step_to([blue[0] + 0.01, blue[1], 0.0]);
    }
    for _ in 0..10 {
        world.step_to([blue[0] + 0.01, blue[1], 1.0]);
    }
    let places = [PuckColor::Red, PuckColor::Blue].map(|color| puck(&world, color).map(|(_, place)| place));
    let [Some(red), Some(blue)] = places else { panic!("the scene has three pucks") };
    assert!((0.048..0.075).contains(&distance(red, blue)), "{}", distance(red, blue));
}

#[test]
fn a_new_instruction_midway_is_carried_out() {
    let (mut asked, mut succeeded) = (0, 0);
    for (seed, first) in (0..).zip(Task::all().into_iter().chain(Task::all())) {
        let mut world = World::new(seed, first);
        let mut expert = Expert::new(&world, seed);
        for _ in 0..12 {
            let action = expert.act(&world);
            world.step(action);
        }
        for next in world.possible_tasks() {
            let mut world = world.clone();
            world.set_task(next);
            assert_eq!((world.steps(), world.status(), world.task()), (0, Status::Running, next));
            asked += 1;
            succeeded += u32::from(run_expert(&mut world, seed) == Status::Succeeded);
        }
    }
    assert!(succeeded * 100 >= asked * 99, "{succeeded} of {asked}");
}

#[test]
fn instructions_follow_each_other_in_one_scene() {
    let mut world = World::new(11, Task::of(Family::Place)[0]);
    let mut rng = StdRng::seed_from_u64(11);
    let mut succeeded = 0;
    for _ in 0..100 {
        let possible = world.possible_tasks();
        world.set_task(possible[rng.random_range(0..possible.len())]);
        succeeded += u32::from(run_expert(&mut world, 11) == Status::Succeeded);
    }
    assert!(succeeded >= 97, "{succeeded} of 100");
}
