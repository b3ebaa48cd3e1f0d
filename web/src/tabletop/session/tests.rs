//! The world with its clock, driven by an expert in place of a policy.

use mtdit_tabletop::{Expert, PuckColor, ZoneColor};

use super::super::eyes::tests::config;
use super::*;

fn eyes() -> Eyes {
    Eyes::of(&config(["top", "wrist"], 64, 2), &[], &[]).expect("eyes")
}

fn open(seed: u64, instruction: &str) -> Session {
    Session::open(eyes(), Setup { seed, instruction: Some(instruction.to_owned()) })
}

/// Lets an expert act until the episode is over; the seconds of the clock, and whether the task was done.
fn played(session: &mut Session) -> Option<(f64, bool)> {
    let mut expert = Expert::new(session.world(), 1);
    let mut now = 1000.0;
    session.play(now);
    for _ in 0..400 {
        now += session.rest(now).unwrap_or_default();
        if session.wants_chunk() {
            let action = expert.act(session.world());
            session.accept(&[action.to_vec()]);
        }
        if session.rest(now) == Some(0.0)
            && let Some(succeeded) = session.step(now)
        {
            return Some((0.001 * (now - 1000.0), succeeded));
        }
    }
    None
}

#[test]
fn an_episode_is_played_in_real_time_and_ends_once() {
    let task = Task::Place { puck: PuckColor::Red, zone: ZoneColor::Yellow };
    let mut session = open(7, &task.instruction());
    assert_eq!(session.scene().judgement, Judgement::Judged);
    assert_eq!(session.rest(0.0), None, "nothing happens before somebody wants it");
    let (seconds, succeeded) = played(&mut session).expect("an end");
    assert!(succeeded, "{:?}", session.snapshot().standing);
    let shown = session.snapshot();
    assert_eq!(shown.standing, Standing::Succeeded);
    assert!((f64::from(shown.seconds) - seconds - 0.1).abs() < 1e-3, "{} s of the world, {seconds} s", shown.seconds);
    assert!(!shown.playing && session.rest(1e9).is_none(), "it rests");
    session.play(1e9);
    assert_eq!(session.rest(1e9), None, "an episode that is over is not played on");
}

#[test]
fn a_slow_policy_makes_the_world_wait_and_skips_nothing() {
    let mut session = open(3, "lift the red puck");
    session.play(0.0);
    assert!(session.wants_chunk(), "the first thing is a chunk");
    let hover = vec![0.0, 0.0, 1.0];
    session.accept(&[hover.clone(), hover.clone(), hover]);
    // The chunk took two seconds.
    assert_eq!(session.rest(2000.0), Some(0.0), "the first step is due");
    session.step(2000.0);
    assert_eq!(session.rest(2000.0), Some(100.0), "the second one is not, although the clock is far behind");
    session.step(2110.0);
    assert_eq!(session.rest(2110.0), Some(90.0), "a timer that rings late does not slow the world");
    session.step(2200.0);
    assert_eq!(session.world().steps(), 3, "every action was carried out");
    assert!(session.wants_chunk(), "the next chunk can be sampled at once");
}

#[test]
fn one_step_is_one_step() {
    let mut session = open(3, "lift the red puck");
    session.act_once(5.0);
    let hover = vec![0.0, 0.0, 1.0];
    session.accept(&[hover.clone(), hover]);
    assert_eq!(session.rest(5.0), Some(0.0));
    session.step(5.0);
    assert_eq!(session.rest(500.0), None, "it rests again");
    session.play(600.0);
    assert!(!session.wants_chunk() && session.rest(600.0) == Some(0.0), "what was left of the chunk is carried out");
}

#[test]
fn another_instruction_drops_the_chunk_and_begins_anew() {
    let mut session = open(3, "lift the red puck");
    session.play(0.0);
    let hover = vec![0.0, 0.0, 1.0];
    session.accept(&[hover.clone(), hover.clone(), hover]);
    session.step(0.0);
    let objects = session.world().objects();
    session.instruct("move the gripper over the blue puck".to_owned());
    assert!(session.wants_chunk(), "the rest of the chunk is dropped");
    assert_eq!(session.world().objects(), objects, "the table is the same");
    assert_eq!((session.world().steps(), session.scene().judgement), (0, Judgement::Judged), "a new task");
    assert_eq!(played(&mut session).map(|(_, succeeded)| succeeded), Some(true), "it can be done");
    session.instruct("lift the red puck".to_owned());
    session.play(1e6);
    assert!(session.wants_chunk(), "a task that is over is followed by another");
}

#[test]
fn other_words_for_the_same_task_keep_its_clock() {
    let mut session = open(3, "lift the red puck");
    session.play(0.0);
    session.accept(&[vec![0.0, 0.0, 1.0]]);
    session.step(0.0);
    session.instruct("Pick up the red disc!".to_owned());
    assert_eq!((session.world().steps(), session.instruction()), (1, "Pick up the red disc!"));
}

#[test]
fn what_the_world_does_not_know_is_never_over() {
    let mut unknown = open(3, "make me a coffee");
    assert_eq!(unknown.scene().judgement, Judgement::Unknown);
    assert_eq!(played(&mut unknown), None, "it goes on");
    assert_eq!(unknown.snapshot().standing, Standing::Open);

    let mut elsewhere = open(3, "lift the red puck");
    elsewhere.instruct("press the red button, then the blue button".to_owned());
    assert_eq!(elsewhere.scene().judgement, Judgement::Impossible, "there are no buttons on this table");
    assert!(elsewhere.instruction().starts_with("press the red button"), "the policy is told all the same");
}

#[test]
fn what_is_moved_by_hand_is_seen_at_once() {
    let mut session = open(3, "lift the red puck");
    let before = session.history();
    let places = [[-0.2, -0.2], [0.2, -0.2], [-0.2, 0.2], [0.2, 0.2]];
    let puck = session.snapshot().objects.iter().position(|object| object.name == "red puck").expect("a red puck");
    let free = places.into_iter().find(|&place| session.place(puck, place)).expect("a free corner");
    assert_eq!(session.snapshot().objects[puck].position, free);
    let after = session.history();
    assert_eq!(after[0], before[0], "the past is as it was");
    assert_ne!(after[1].frames, before[1].frames, "the present has changed");
    assert!(!session.place(puck, [3.0, 0.0]), "off the table");
    assert!(!session.place(99, free), "no such object");
    assert_eq!(session.snapshot().objects[puck].position, free, "it stays");
}

#[test]
fn scenes_without_an_instruction_take_turns() {
    let instructions: Vec<String> =
        (0..16).map(|seed| Session::open(eyes(), Setup { seed, instruction: None }).instruction().to_owned()).collect();
    let families: Vec<Family> = instructions.iter().filter_map(|text| Task::parse(text)).map(Task::family).collect();
    assert_eq!(families[..8], Family::ALL, "every family");
    assert_eq!(families[8..], Family::ALL, "and again");
    assert_ne!(instructions[..8], instructions[8..], "with other colours");
}

#[test]
fn every_chunk_has_its_own_noise_and_a_scene_repeats_it() {
    let mut session = open(40, "lift the red puck");
    let mut seeds = Vec::new();
    for _ in 0..2 {
        seeds.push(session.noise_seed());
        session.accept(&[vec![0.0, 0.0, 1.0]]);
    }
    assert_eq!(seeds, [40, 41]);
    session.begin(Setup { seed: 40, instruction: None });
    assert_eq!(session.noise_seed(), 40, "the same scene, the same noise");
}
