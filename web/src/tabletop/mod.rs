//! The tabletop: a small world in the engine, beside the policy that moves in it, and what page and engine say about it.
//!
//! ```text
//! page ── Setup, Command ──▶ Session (world, clock, actions) ◀── chunks ── policy
//!      ◀──── Report ────────────┘
//! ```
//!
//! [`Request::Tabletop`](crate::protocol::Request::Tabletop) opens it. From then on the engine reports under that request's
//! number until the page cancels it, and obeys every [`Command`] at once, also between two steps of the denoiser. The chunks
//! are reported as those of a run are: stages, steps, samples.

pub mod plane;
pub mod words;

#[cfg(any(not(target_family = "wasm"), feature = "engine"))]
pub mod eyes;
#[cfg(any(not(target_family = "wasm"), feature = "engine"))]
pub mod session;

use serde::{Deserialize, Serialize};

use crate::protocol::Timings;

/// What a policy's card calls this world.
pub const WORLD: &str = "tabletop";

/// How the world is opened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Opening {
    /// The first scene.
    pub setup: Setup,
    /// How chunks are sampled.
    pub sampling: Sampling,
}

/// Which scene.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setup {
    /// What the scene is drawn from.
    pub seed: u64,
    /// What the policy is told, which also decides what stands on the table; without it the seed chooses a task.
    pub instruction: Option<String>,
}

/// How chunks are sampled.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sampling {
    /// Name of the sampler.
    pub sampler: String,
    /// Denoising steps.
    pub steps: usize,
    /// Whether diffusion's steps begin at full noise.
    pub trailing: bool,
}

/// What the page says to an open world. The world answers with reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Command {
    /// Lays another scene.
    Begin(Setup),
    /// Lets the policy act, ten times a second, or as often as it can.
    Play,
    /// Lets it rest; a chunk that is being sampled is dropped.
    Pause,
    /// Lets it act once.
    Step,
    /// Tells it something else. What is left of the chunk is dropped.
    Instruct(String),
    /// Moves an object by hand.
    Place {
        /// Its place in [`Snapshot::objects`].
        object: usize,
        /// Where to, in metres.
        position: [f32; 2],
    },
    /// Samples differently, from the next chunk on.
    Sample(Sampling),
}

/// What the engine says of an open world.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Report {
    /// What is asked in which scene, whenever that may have changed.
    Scene(Scene),
    /// The table as it is now. The attachments (`ArrayBuffer`s) are the pixels of squares, RGBA: the drawing for people, then
    /// what each camera of the policy sees, in the policy's order.
    Snapshot(Snapshot),
    /// A chunk was sampled; this is where its time went.
    Chunk(Timings),
    /// The task was done or failed: an episode is over.
    Over {
        /// Whether it was done.
        succeeded: bool,
    },
    /// An object cannot stand where it was to be placed.
    Blocked {
        /// Its place in [`Snapshot::objects`].
        object: usize,
    },
}

/// What is asked in which scene.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scene {
    /// What it was drawn from.
    pub seed: u64,
    /// What the policy is told.
    pub instruction: String,
    /// Whether the world can tell when that is done.
    pub judgement: Judgement,
    /// Instructions that can be followed on this table, as it is.
    pub tasks: Vec<String>,
    /// The table reaches from minus this to this, in x and in y, in metres.
    pub half_table: f32,
}

/// Whether the world can tell when an instruction is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Judgement {
    /// It can, and episodes are counted.
    Judged,
    /// It knows the task, but the task cannot be begun on this table.
    Impossible,
    /// It does not know the instruction.
    Unknown,
}

/// The table at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Seconds of the world since the task began.
    pub seconds: f32,
    /// What the policy measures: x and y of the gripper in metres, its opening from 0 to 1, whether it holds something.
    pub state: Vec<f32>,
    /// What can be moved by hand.
    pub objects: Vec<Object>,
    /// How the task stands.
    pub standing: Standing,
    /// Whether the policy acts.
    pub playing: bool,
}

/// How a task stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Standing {
    /// It is neither done nor failed.
    Open,
    /// It is done.
    Succeeded,
    /// It failed, for this reason.
    Failed(String),
}

/// Something on the table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Object {
    /// A name for people, such as `red puck`.
    pub name: String,
    /// Its middle `[x, y]`, in metres.
    pub position: [f32; 2],
    /// In metres.
    pub radius: f32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Envelope, Event, Request};

    fn again<T: Serialize + for<'a> Deserialize<'a>>(message: &T) -> T {
        let text = serde_json::to_string(message).expect("it can be written");
        serde_json::from_str(&text).expect("it can be read")
    }

    #[test]
    fn requests_arrive_as_they_were_sent() {
        let setup = Setup { seed: u64::MAX, instruction: Some("push \"it\"".to_owned()) };
        let sampling = Sampling { sampler: "dpm++".to_owned(), steps: 4, trailing: true };
        let commands = [
            Command::Begin(setup.clone()),
            Command::Play,
            Command::Pause,
            Command::Step,
            Command::Instruct("lift the red puck".to_owned()),
            Command::Place { object: 3, position: [0.1, -0.2] },
            Command::Sample(sampling.clone()),
        ];
        let open = Envelope { request: 4, body: Request::Tabletop(Opening { setup, sampling }) };
        assert_eq!(again(&open), open, "an opening");
        for command in commands {
            let told = Envelope { request: 5, body: Request::Tell { request: 4, command } };
            assert_eq!(again(&told), told, "a command");
        }
    }

    #[test]
    fn reports_arrive_as_they_were_sent() {
        let object = Object { name: "red puck".to_owned(), position: [0.05, -0.15], radius: 0.025 };
        let snapshot = Snapshot {
            seconds: 1.5,
            state: vec![0.0, 0.1, 1.0, 0.0],
            objects: vec![object],
            standing: Standing::Failed("too late".to_owned()),
            playing: true,
        };
        let scene = Scene {
            seed: 7,
            instruction: "jump".to_owned(),
            judgement: Judgement::Unknown,
            tasks: vec!["lift the red puck".to_owned()],
            half_table: 0.25,
        };
        for report in [
            Report::Scene(scene),
            Report::Snapshot(snapshot),
            Report::Chunk(Timings { denoise: vec![1.0, 2.0], total: 3.0, ..Timings::default() }),
            Report::Over { succeeded: true },
            Report::Blocked { object: 1 },
        ] {
            let said = Envelope { request: 4, body: Event::Tabletop(report) };
            assert_eq!(again(&said), said, "a report");
        }
    }
}
