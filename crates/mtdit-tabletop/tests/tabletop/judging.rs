//! A task succeeds when it is done, and only then.

use mtdit_tabletop::{Expert, Failure, Status, Task, World};

use crate::{puck, run_expert, task};

/// What becomes of a task while an expert does another one, in the same scene.
fn judged_while_doing(done: Task, asked: Task, seed: u64) -> Option<Status> {
    let mut world = World::new(seed, done);
    let mut judged = world.clone();
    if !judged.task_is_possible(asked) {
        return None;
    }
    judged.set_task(asked);
    let mut expert = Expert::new(&world, seed);
    while world.status() == Status::Running {
        let action = expert.act(&world);
        world.step(action);
        judged.step(action);
    }
    assert_eq!(world.status(), Status::Succeeded, "{done}, seed {seed}");
    Some(judged.status())
}

/// Over many scenes, doing one never does the other.
fn assert_different(done: &str, asked: &str, expected: Status) {
    let (done, asked) = (task(done), task(asked));
    let judged: Vec<Status> = (0..40).filter_map(|seed| judged_while_doing(done, asked, seed)).collect();
    assert!(judged.len() >= 5, "{asked} is hardly ever possible");
    assert!(judged.iter().all(|status| *status == expected), "doing {done:?}, asked {asked:?}: {judged:?}");
}

#[test]
fn each_color_counts() {
    let reach = |color| format!("move the gripper over the {color} puck");
    let lift = |color| format!("pick up the {color} puck and hold it");
    let place = |color, zone| format!("pick up the {color} puck and put it into the {zone} zone");
    assert_different(&reach("red"), &reach("blue"), Status::Running);
    assert_different(&lift("red"), &lift("blue"), Status::Running);
    assert_different(&place("red", "yellow"), &place("red", "purple"), Status::Running);
    assert_different(&place("red", "yellow"), &place("blue", "yellow"), Status::Running);
    assert_different(&place("green", "purple"), &place("blue", "yellow"), Status::Running);
}

#[test]
fn reaching_is_not_lifting() {
    assert_different("reach the red puck", "lift the red puck", Status::Running);
}

#[test]
fn pushing_is_not_placing() {
    let (push, place) = ("push red into yellow", "put the red puck into the yellow zone");
    assert_different(push, place, Status::Running);
    assert_different(place, push, Status::Failed(Failure::LiftedPuck));
}

#[test]
fn buttons_are_pressed_in_order() {
    let wrong = Status::Failed(Failure::WrongButton);
    assert_different("press red and then blue", "press blue and then red", wrong);
    assert_different("press red and then blue", "press red and then green", wrong);
    assert_different("press red and then blue", "press green and then blue", wrong);
}

#[test]
fn a_button_under_the_finger_is_not_pressed_by_a_new_instruction() {
    let mut world = World::new(3, task("press red and then blue"));
    assert_eq!(run_expert(&mut world, 3), Status::Succeeded);
    world.set_task(task("press red and then green"));
    let rest = world.gripper_target();
    assert_eq!(world.step_to(rest), Status::Running);
    assert_eq!(run_expert(&mut world, 3), Status::Succeeded);
}

#[test]
fn straight_on_is_the_wall_and_above_it_is_not_allowed() {
    for zone in Task::of(mtdit_tabletop::Family::Around) {
        for seed in 0..40 {
            let mut straight = World::new(seed, zone);
            let mut lifted = straight.clone();
            let [x, ..] = straight.state();
            while straight.step_to([x, 0.2, 0.0]) == Status::Running {}
            assert_eq!(straight.status(), Status::Failed(Failure::TouchedWall), "seed {seed}");
            while lifted.step_to([x, 0.2, 1.0]) == Status::Running {}
            assert_eq!(lifted.status(), Status::Failed(Failure::LiftedFinger), "seed {seed}");
        }
    }
}

#[test]
fn time_runs_out_and_the_verdict_stays() {
    let asked = task("lift the red puck");
    let mut world = World::new(1, asked);
    let rest = world.gripper_target();
    for _ in 0..asked.time_limit_steps() {
        assert_eq!(world.status(), Status::Running);
        world.step_to(rest);
    }
    assert_eq!(world.status(), Status::Failed(Failure::TimedOut));
    assert_eq!(Failure::TimedOut.to_string(), "the time is up");
    for _ in 0..40 {
        let [x, y] = puck(&world, mtdit_tabletop::PuckColor::Red).expect("the scene has three pucks").1;
        world.step_to([x, y, if world.steps() > 100 { 0.0 } else { 1.0 }]);
    }
    assert_eq!(world.status(), Status::Failed(Failure::TimedOut));
}
