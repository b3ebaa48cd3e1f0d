//! A tabletop seen from above: a gripper, coloured pucks, zones, buttons and a wall; tasks for it, and experts that do them.
//!
//! ```text
//! Task ──▶ Table (layout) ──▶ World ◀──action── Expert
//!                               │ step: Gripper ▶ physics ▶ Judge ──▶ Status
//!                               └ frame: picture ──▶ Frame
//! ```
//!
//! Everything is a function of seeds and actions, the same on every platform. The crate knows nothing of policies, files,
//! clocks and threads.
//!
//! Metres, with the origin in the middle of the table; x points to the right, y away from the robot (up in the picture).
//!
//! ```
//! use mtdit_tabletop::{Camera, Expert, Status, Task, World};
//!
//! let task = Task::parse("pick up the red puck and hold it").expect("this is a phrasing");
//! let mut world = World::new(7, task);
//! let mut expert = Expert::new(&world, 7);
//! while world.status() == Status::Running {
//!     let action = expert.act(&world);
//!     world.step(action);
//! }
//! assert_eq!(world.status(), Status::Succeeded);
//! assert_eq!(world.frame(Camera::Wrist).rgb.len(), 64 * 64 * 3);
//! ```

mod color;
mod task;
mod table;
mod gripper;
mod physics;
mod judge;
mod world;
mod picture;
mod expert;

pub use color::{PuckColor, ZoneColor};
pub use expert::Expert;
pub use judge::{Failure, Status};
pub use picture::{Camera, Frame};
pub use table::Wall;
pub use task::{Family, SceneKind, Task, UnknownFamily};
pub use world::{Object, ObjectKind, World};

/// Control steps per second.
pub const CONTROL_HZ: u32 = 10;
/// The table reaches from `-HALF_TABLE` to `HALF_TABLE` in x and in y, metres.
pub const HALF_TABLE: f32 = 0.25;
/// Pixels along each side of a camera's frame.
pub const FRAME_SIZE: usize = 64;
/// Side of the square that the wrist camera sees, metres.
pub const WRIST_VIEW: f32 = 0.2;
/// Radius of a puck, metres.
pub const PUCK_RADIUS: f32 = 0.025;
/// Radius of a zone, metres.
pub const ZONE_RADIUS: f32 = 0.06;
/// A button is pressed by a closed gripper whose centre is within this distance of the button's, metres.
pub const BUTTON_RADIUS: f32 = 0.03;
/// Radius of the closed gripper, metres.
pub const FINGER_RADIUS: f32 = 0.022;
/// What [`World::state`] holds: metres, metres, 0 (closed) to 1 (open), 0 or 1.
pub const STATE_NAMES: [&str; 4] = ["gripper_x", "gripper_y", "gripper_opening", "holding"];
/// What [`World::step`] takes: a target as metres ahead of the gripper in x and in y, and an opening, 0 (closed) to 1 (open).
///
/// Relative places are what small policies learn well: they say where to go, whatever the place on the table.
pub const ACTION_NAMES: [&str; 3] = ["ahead_x", "ahead_y", "target_opening"];
