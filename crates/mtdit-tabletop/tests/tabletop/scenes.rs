//! What a scene looks like at its start.

use mtdit_tabletop::{HALF_TABLE, ObjectKind, SceneKind, Status, Task, World};

use crate::distance;

const SEEDS: u64 = 300;

#[test]
fn every_task_is_possible_in_its_scenes() {
    for task in Task::all() {
        for seed in 0..SEEDS {
            let world = World::new(seed, task);
            assert!(world.task_is_possible(task), "{task}, seed {seed}");
            assert!(world.possible_tasks().contains(&task), "{task}, seed {seed}");
        }
    }
}

#[test]
fn everything_lies_on_the_table_and_apart() {
    for task in Task::all() {
        for seed in 0..SEEDS / 3 {
            let world = World::new(seed, task);
            let objects = world.objects();
            for (index, object) in objects.iter().enumerate() {
                let reach = HALF_TABLE - object.radius;
                assert!(object.position.iter().all(|place| place.abs() <= reach), "{task}, seed {seed}: {object:?}");
                for other in &objects[index + 1..] {
                    let gap = distance(object.position, other.position) - object.radius - other.radius;
                    assert!(gap > 0.0, "{task}, seed {seed}: {object:?} overlaps {other:?}");
                }
            }
        }
    }
}

#[test]
fn scenes_hold_what_their_kind_says() {
    for task in Task::all() {
        for seed in 0..20 {
            let world = World::new(seed, task);
            let (mut pucks, mut zones, mut buttons) = (0, 0, 0);
            for object in world.objects() {
                match object.kind {
                    ObjectKind::Puck(_) => pucks += 1,
                    ObjectKind::Zone(_) => zones += 1,
                    ObjectKind::Button(_) => buttons += 1,
                }
            }
            let expected = match task.scene_kind() {
                SceneKind::Pucks => pucks == 3 && zones == 2 && buttons == 0,
                SceneKind::Buttons => (1..=2).contains(&pucks) && zones == 0 && buttons == 3,
                SceneKind::Wall => pucks <= 1 && zones == 2 && buttons == 0,
            };
            assert!(expected, "{task}, seed {seed}: {pucks} pucks, {zones} zones, {buttons} buttons");
            assert_eq!(world.wall().is_some(), task.scene_kind() == SceneKind::Wall);
        }
    }
}

#[test]
fn in_a_third_of_the_scenes_two_pucks_stand_together() {
    let tasks: Vec<Task> = Task::all().into_iter().filter(|task| matches!(task, Task::Reach { .. })).collect();
    let together = (0..SEEDS).filter(|seed| {
        let world = World::new(*seed, tasks[usize::try_from(*seed).unwrap_or(0) % tasks.len()]);
        let objects = world.objects();
        let pucks = objects.iter().filter(|object| matches!(object.kind, ObjectKind::Puck(_)));
        let pucks: Vec<[f32; 2]> = pucks.map(|puck| puck.position).collect();
        (0..3).any(|index| distance(pucks[index], pucks[(index + 1) % 3]) < 0.06)
    });
    let share = together.count() as f64 / SEEDS as f64;
    assert!((0.2..0.45).contains(&share), "{share}");
}

#[test]
fn nothing_is_done_at_the_start() {
    for task in Task::all() {
        for seed in 0..SEEDS / 3 {
            let mut world = World::new(seed, task);
            let rest = world.gripper_target();
            for _ in 0..10 {
                assert_eq!(world.step_to(rest), Status::Running, "{task}, seed {seed}");
            }
        }
    }
}

#[test]
fn a_task_that_is_done_is_not_possible_again() {
    for seed in 0..20 {
        for sentence in ["push the red puck into the yellow zone", "put the red puck next to the blue puck"] {
            let mut world = World::new(seed, crate::task(sentence));
            assert_eq!(crate::run_expert(&mut world, seed), Status::Succeeded);
            let possible = world.task_is_possible(world.task());
            assert!(!possible, "{sentence}, seed {seed}");
        }
    }
}
