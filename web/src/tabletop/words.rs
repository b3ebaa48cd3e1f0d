//! What a visitor is told of the tabletop.

use super::{Judgement, Scene, Snapshot, Standing};

/// How the episode goes. It changes only when something has happened, so that it can be read aloud.
pub fn status(scene: &Scene, snapshot: &Snapshot) -> String {
    let seconds = snapshot.seconds;
    match (scene.judgement, &snapshot.standing) {
        (Judgement::Unknown, _) => {
            "The world does not know this instruction, so it cannot judge what comes of it. The \
                                    policy tries; nothing is counted."
                .to_owned()
        }
        (Judgement::Impossible, _) => {
            "On this table the task cannot be begun, or it is done already. The policy tries; \
                                       nothing is counted. A new scene with the same task can be laid."
                .to_owned()
        }
        (Judgement::Judged, Standing::Succeeded) => format!("Succeeded after {seconds:.1} s."),
        (Judgement::Judged, Standing::Failed(reason)) => format!("Failed: {}.", reason.trim_end_matches('.')),
        (Judgement::Judged, Standing::Open) if snapshot.playing => format!("Running: {}.", scene.instruction),
        (Judgement::Judged, Standing::Open) if seconds > 0.0 => format!("Paused after {seconds:.1} s."),
        (Judgement::Judged, Standing::Open) => format!("Scene {} is laid. Press Play.", scene.seed),
    }
}

/// A place on the table, in centimetres: `3.1, −12.0 cm`.
pub fn place([x, y]: [f32; 2]) -> String {
    format!("{}, {} cm", centimetres(x), centimetres(y))
}

fn centimetres(metres: f32) -> String {
    let text = format!("{:.1}", 100.0 * metres);
    // What rounds to nothing has no sign.
    if text == "-0.0" { "0.0".to_owned() } else { text.replace('-', "\u{2212}") }
}

/// The gripper in words, from what the policy measures.
pub fn gripper(state: &[f32]) -> String {
    let [x, y, opening, holding] = state else { return String::new() };
    let fingers = if *opening > 0.5 { "open" } else { "closed" };
    let holds = if *holding > 0.5 { ", holds a puck" } else { "" };
    format!("{}, {fingers}{holds}", place([*x, *y]))
}

/// Instructions to choose from: those for this table, and the present one if it is another.
pub fn choices(scene: &Scene) -> Vec<String> {
    let other = Some(&scene.instruction).filter(|instruction| !scene.tasks.contains(instruction));
    other.into_iter().chain(&scene.tasks).cloned().collect()
}

/// Numbers of denoising steps to choose from: the checkpoint's, then fewer.
pub fn fewer_steps(own: usize) -> Vec<usize> {
    std::iter::once(own).chain([50, 20, 10, 5, 3, 2, 1].into_iter().filter(|&steps| steps < own)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scene(judgement: Judgement) -> Scene {
        Scene { seed: 3, instruction: "lift it".to_owned(), judgement, tasks: Vec::new(), half_table: 0.25 }
    }

    fn snapshot(standing: Standing, seconds: f32, playing: bool) -> Snapshot {
        Snapshot { seconds, state: Vec::new(), objects: Vec::new(), standing, playing }
    }

    #[test]
    fn every_standing_has_its_sentence() {
        let judged = scene(Judgement::Judged);
        let said = |standing, seconds, playing| status(&judged, &snapshot(standing, seconds, playing));
        assert_eq!(said(Standing::Open, 0.0, false), "Scene 3 is laid. Press Play.");
        assert_eq!(said(Standing::Open, 0.0, true), "Running: lift it.");
        assert_eq!(said(Standing::Open, 1.25, true), said(Standing::Open, 1.0, true), "nothing has happened");
        assert_eq!(said(Standing::Open, 1.2, false), "Paused after 1.2 s.");
        assert_eq!(said(Standing::Succeeded, 3.2, false), "Succeeded after 3.2 s.");
        let failed = Standing::Failed("touched the wall".to_owned());
        assert_eq!(said(failed, 3.2, false), "Failed: touched the wall.");
    }

    #[test]
    fn what_is_not_judged_neither_succeeds_nor_fails() {
        for judgement in [Judgement::Unknown, Judgement::Impossible] {
            let said = status(&scene(judgement), &snapshot(Standing::Succeeded, 1.0, true));
            assert!(said.contains("nothing is counted"), "{said}");
        }
    }

    #[test]
    fn places_and_grippers() {
        assert_eq!(place([0.031, -0.12]), "3.1, \u{2212}12.0 cm");
        assert_eq!(place([-0.0001, 0.0]), "0.0, 0.0 cm");
        assert_eq!(gripper(&[0.0, 0.1, 1.0, 0.0]), "0.0, 10.0 cm, open");
        assert_eq!(gripper(&[0.0, 0.1, 0.0, 1.0]), "0.0, 10.0 cm, closed, holds a puck");
        assert_eq!(gripper(&[]), "", "another world");
    }

    #[test]
    fn the_present_instruction_is_among_the_choices_once() {
        let mut scene = scene(Judgement::Judged);
        scene.tasks = vec!["push it".to_owned(), "lift it".to_owned()];
        assert_eq!(choices(&scene), ["push it", "lift it"]);
        scene.instruction = "take it".to_owned();
        assert_eq!(choices(&scene), ["take it", "push it", "lift it"]);
    }

    #[test]
    fn steps_to_choose_from() {
        assert_eq!(fewer_steps(10), [10, 5, 3, 2, 1]);
        assert_eq!(fewer_steps(1), [1]);
    }
}
